"""What of a repository is to be served: its WSGI application, or the factory that makes it."""

from delivery.detection.callables.find import find_callable

__all__ = ["find_callable"]
