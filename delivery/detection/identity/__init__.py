"""Which application a folder is: its name, and where it comes from."""
