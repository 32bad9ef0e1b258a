"""What ends a build."""


class ImageError(Exception):
    """The image can't be built. Its text says in one line why, and what to do."""
