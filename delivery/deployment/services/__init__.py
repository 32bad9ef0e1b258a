"""What `make up` runs in the cluster for development: databases, and folders that are kept."""
