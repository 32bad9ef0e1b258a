"""The platform's own timers, which a budget for a sudden loss is derived from."""

from harness.running.budget import Timer

# kubelet's generic PLEG looks at the containers once a second.
CONTAINER_END_SEEN = Timer(1.0, "until kubelet looks at the containers again")
# An allowance: kubelet writes the status, the EndpointSlice controller sees it and writes the slice, each kube-proxy
# sees that. There is no timer in between, only work.
ENDPOINTS_UPDATED = Timer(1.0, "until the pod is out of the EndpointSlice")
# KubeProxyConfiguration.iptables.minSyncPeriod.
RULES_UPDATED = Timer(1.0, "until every kube-proxy has written its rules (minSyncPeriod)")
# --node-monitor-grace-period of the controller manager, 50 s since Kubernetes 1.32.
NODE_GRACE = Timer(50.0, "without a word of the node until it is NotReady (node-monitor-grace-period)")
# --node-monitor-period.
NODE_MONITOR = Timer(5.0, "until the nodes are looked at again (node-monitor-period)")

ENDPOINT_REMOVED = (ENDPOINTS_UPDATED, RULES_UPDATED)
CONTAINER_LOST = (CONTAINER_END_SEEN, *ENDPOINT_REMOVED)
NODE_LOST = (NODE_GRACE, NODE_MONITOR, *ENDPOINT_REMOVED)
