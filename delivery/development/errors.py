"""What stops a command of the developer's."""

from delivery.commands import Explained


class DevelopmentError(Explained):
    """Something is missing or does not work. The message says what, where, and what to do."""
