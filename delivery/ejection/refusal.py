"""What stops `make new`, `make eject` and `make update` before anything is written."""


class Refused(Exception):
    """Nothing was written. The message names the cause and the remedy."""
