"""What a few tests install in the test cluster, and take out of it again: KEDA, and an enforcer of NetworkPolicy."""
