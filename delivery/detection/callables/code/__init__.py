"""Python modules, read without running them: what their names are bound to, and which of them is an application."""
