"""From figures to a values file of the chart."""
