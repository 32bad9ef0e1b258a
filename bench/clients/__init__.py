"""What sends requests, and what it counts."""
