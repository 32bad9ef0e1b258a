"""The alerts of the chart in a real Prometheus: what watches the releases, and what goes wrong in them."""
