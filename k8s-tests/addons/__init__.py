"""What some tests install in the cluster beside the release.

source          where an add-on's image and manifest come from
traefik         an Ingress controller and implementation of the Gateway API
"""
