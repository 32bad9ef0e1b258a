"""From an image to a cluster, and what a developer does there."""
