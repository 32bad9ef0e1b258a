"""What stops a command of the developer's."""


class DevelopmentError(RuntimeError):
    """Something is missing or does not work. The message says what, where, and what to do."""
