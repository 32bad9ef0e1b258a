"""What ends a build."""

from delivery.commands import Explained


class ImageError(Explained):
    """The image can't be built. Its text says in one line why, and what to do."""
