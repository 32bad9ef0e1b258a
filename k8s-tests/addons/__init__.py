"""What a few tests install in the test cluster, and take out of it again.

addon                an add-on: its images, its manifest
fixtures             KEDA and the enforcer as fixtures
keda                 KEDA
network_policies     an enforcer of NetworkPolicy
peer                 pods that try to reach others
traefik              an Ingress controller and implementation of the Gateway API
"""
