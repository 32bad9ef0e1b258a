"""What the tests are made of.

shell         run a command
wait          wait for a condition, with a deadline
release       a Helm release of the chart, and what the cluster says of it
prober        start a prober in the cluster and fetch its records
records       from records to figures
scenario      traffic before, during and after a fault, and the verdict
sampler       the Deployment's replicas over time
images        build the images and load them into the cluster
diagnostics   what to keep when a test fails
report        the figures of every scenario, for the terminal and for build/proof/report.json
"""
