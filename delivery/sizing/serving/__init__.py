"""Runs an application under nodrop as a pod does."""
