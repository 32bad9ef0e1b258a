"""What the tests are made of.

shell         run a command
wait          wait for a condition, with a deadline
release       a Helm release of the chart, and what the cluster says of it
prober        start a prober in the cluster and fetch its records
records       from records to figures
traffic       what a scenario puts on the release
scenario      a scenario, declared as data
options       the options of a run, and which tests they choose
stage         what a fault is brought about with
measurement   traffic before, during and after a fault, and the verdict
conduct       scenarios as the options of a run say
nodes         the cluster's nodes: drained, held, cut off, looked into
forward       kubectl port-forward
temporary     what is in the cluster for as long as a `with` block lasts
gateway       a gateway with retries in front of the release
sampler       the Deployment's replicas over time
images        build the images and load them into the cluster
diagnostics   what to keep when a test fails
budget        how many requests a scenario may lose, and why
bound         what failures in a number of requests say of the rate
progress      how a scenario goes, while it runs
report        the figures of every scenario, for the terminal and for build/proof/report.json
buckets       from records to what a timeline shows
timeline      a scenario's timeline as an SVG
page          the report as a page, build/proof/report.html
browser       a headless browser, for the page's tests and pictures
"""
