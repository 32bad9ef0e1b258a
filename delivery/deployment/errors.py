"""What stops a deployment, in words for whoever started it."""

from __future__ import annotations

from delivery.commands import Explained


class DeploymentError(Explained):
    """Something is missing or does not work. The message says what, where, and what to do."""
