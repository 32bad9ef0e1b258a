#!/bin/bash
# The pod network of a kind cluster, whose nodes share one Docker network: on each node a CNI configuration for its own
# pod addresses, a route to every other node's, and masquerading for what leaves the cluster. kind's own daemon for this
# is in no package mirror. Like a network of routes anywhere, it enforces no NetworkPolicy.
set -euo pipefail

CNI=/etc/cni/net.d

write_cni_config() { # write_cni_config POD_CIDR_OF_THIS_NODE
  local mtu
  mtu=$(cat /sys/class/net/eth0/mtu)
  cat > "$CNI/.new" << JSON
{
  "cniVersion": "0.4.0",
  "name": "pods",
  "plugins": [
    {
      "type": "ptp",
      "mtu": $mtu,
      "ipMasq": false,
      "ipam": {
        "type": "host-local",
        "dataDir": "/run/cni-ipam-state",
        "routes": [{"dst": "0.0.0.0/0"}],
        "ranges": [[{"subnet": "$1"}]]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
JSON
  # containerd reads the folder at any moment: it must never see half a file.
  mv "$CNI/.new" "$CNI/10-pods.conflist"
}

masquerade() { # traffic from pods to anywhere but pods goes out under the node's address
  local rule=(POSTROUTING -s "$POD_CIDR" ! -d "$POD_CIDR" -m addrtype ! --dst-type LOCAL -j MASQUERADE)
  iptables -w -t nat -C "${rule[@]}" 2> /dev/null || iptables -w -t nat -A "${rule[@]}"
}

# shellcheck disable=SC2016  # $me is jq's
other_nodes='.items[] | select(.metadata.name != $me and .spec.podCIDR != null)
  | [.spec.podCIDR, (.status.addresses[] | select(.type == "InternalIP") | .address)] | @tsv'

mkdir -p "$CNI"
while true; do
  # The API server may not answer yet, or no more.
  nodes=$(kubectl get nodes -o json) || { sleep 1; continue; }
  own=$(jq -r --arg me "$NODE_NAME" '.items[] | select(.metadata.name == $me) | .spec.podCIDR // empty' <<< "$nodes")
  if [ -n "$own" ] && [ ! -f "$CNI/10-pods.conflist" ]; then write_cni_config "$own"; fi
  jq -r --arg me "$NODE_NAME" "$other_nodes" <<< "$nodes" | while read -r pods node; do
    ip route replace "$pods" via "$node"
  done
  masquerade
  sleep 5
done
