"""Every scenario of the proof, in the order in which they run.

rollouts        another image, configuration or size goes out, and back; an image that is broken
pods            pods and processes end: on purpose, by a signal, for lack of memory, because they are stuck
nodes           nodes are drained, replaced, held, switched off, cut off
platform        parts of Kubernetes itself are restarted or gone
scaling         load comes and goes
combined        two things at once
edge            the announced ones, with clients that come through an Ingress and an HTTPRoute
"""

from scenarios import combined, edge, nodes, platform, pods, rollouts, scaling

SCENARIOS = (
    *rollouts.SCENARIOS,
    *pods.SCENARIOS,
    *nodes.SCENARIOS,
    *platform.SCENARIOS,
    *combined.SCENARIOS,
    *scaling.SCENARIOS,
    *edge.SCENARIOS,
)
