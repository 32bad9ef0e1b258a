"""Sends requests to an application, and reads what its processes use."""
