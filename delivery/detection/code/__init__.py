"""The modules of an application, read as syntax trees: which of them it imports, what names in them mean, and paths."""
