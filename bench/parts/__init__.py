"""What single parts cost, each a command of its own: `python bench/parts/layers.py`."""
