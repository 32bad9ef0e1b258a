"""From a description to the values of the chart."""
