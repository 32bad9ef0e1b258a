"""The add-ons as fixtures. Each is there for one module, so that everything else is measured without it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from addons import keda as keda_addon
from addons import network_policies as policies
from harness.cluster.images import Images
from harness.cluster.release import Target


@pytest.fixture(scope="module")
def keda(target: Target) -> Iterator[None]:
    """KEDA, installed in the cluster; where it can't be had, this fails with what to do."""
    try:
        keda_addon.install(target)
        yield
    finally:
        if target.is_kind:
            keda_addon.uninstall(target)


@pytest.fixture(scope="module")
def network_policies(target: Target, namespace: str, images_: Images) -> Iterator[None]:
    """A network that enforces NetworkPolicy, tried in the module's namespace; where it can't be had, this fails with
    what to do."""
    try:
        policies.ensure(target, namespace, images_.prober)
        yield
    finally:
        if target.is_kind:
            policies.ENFORCER.uninstall(target)
