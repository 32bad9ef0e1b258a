"""The cluster and what is in it.

shell         run a command
wait          wait for a condition, with a deadline
release       a Helm release of the chart, and what the cluster says of it
nodes         the cluster's nodes: drained, held, cut off, looked into
images        build the images and load them into the cluster
temporary     what is in the cluster for as long as a `with` block lasts
gateway       a gateway with retries in front of the release
forward       kubectl port-forward
diagnostics   what to keep when a test fails
"""
