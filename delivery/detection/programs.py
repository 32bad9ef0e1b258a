"""Names of variables that decide which programs run, and how: a repository may not set them.

On the developer's machine they would choose what docker, git and Python load; in a pod, how the server is started.
"""

from __future__ import annotations

from nodrop.config.reserved import is_reserved

PREFIXES = ("BUILDKIT_", "BUILDX_", "COMPOSE_", "DOCKER_", "GODEBUG", "HELM_", "KUBECONFIG", "LD_", "PYTHON")
"""Those of the programs that build and deploy, besides what nodrop reserves."""


def decides_programs(name: str) -> bool:
    """Whether a variable decides which programs run, or how they are started."""
    return is_reserved(name) or name.startswith(PREFIXES)
