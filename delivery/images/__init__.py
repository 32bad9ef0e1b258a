"""From the description of an application to its image."""
