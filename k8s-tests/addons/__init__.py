"""What some tests install in the cluster beside the release.

source            where an add-on's images and manifest come from
addon             an add-on whose manifest is in ../manifests: install it, remove it
keda              KEDA, and what it says of a ScaledObject
network_policies  whether NetworkPolicy is enforced, and what enforces it where the network does not
peer              pods that try to reach others
fixtures          the add-ons as fixtures
traefik           an Ingress controller and implementation of the Gateway API
"""
