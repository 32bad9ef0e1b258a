"""The comparison of servers: `make bench`, and the guard of what was gained: `make bench-guard`."""
