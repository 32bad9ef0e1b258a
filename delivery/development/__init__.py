"""What a developer does with an application: run it here, edit it in the cluster, read its log, open a shell there."""
