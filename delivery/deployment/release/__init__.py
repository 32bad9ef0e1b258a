"""What a release is in the cluster: helm's command, kubectl's, and why a pod does not start."""
