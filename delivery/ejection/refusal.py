"""What stops `make new`, `make eject` and `make update` before anything is written."""

from delivery.commands import Explained


class Refused(Explained):
    """Nothing was written. The message names the cause and the remedy."""
