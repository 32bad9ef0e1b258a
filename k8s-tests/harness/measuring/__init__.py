"""What clients see.

traffic       what a scenario puts on the release
prober        start a prober in the cluster and fetch its records
records       from records to figures
sampler       the Deployment's replicas over time
measurement   traffic before, during and after a fault, and the verdict
bound         what failures in a number of requests say of the rate
"""
