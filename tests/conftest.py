"""Fixtures of more than one test file, and the rule that nothing is skipped in CI."""

import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

import tools
from tests.probing import PROBER
from tests.serving_process import Server, serving

# Whoever starts the tests in the background may have Ctrl-C ignored, which what they start would inherit.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Examples take longer while tests run side by side; those that measure time are marked `alone`.
hypothesis.settings.register_profile("tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("tests")

LONGEST = (
    "test_memory", "test_own_application", "test_gateway", "test_scenarios", "test_prober", "test_worker",
    "test_application",
)  # fmt: skip
"""The files that take longest, which begin first: they would be left for the end, when all else is done."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    order = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(LONGEST)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skip is a failure: what was not tested must not look tested."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which is not accepted in CI: {report.longrepr}"
    return report


def tool(name: str) -> Path:
    """The tool, or a skip with the reason and the remedy."""
    try:
        return tools.resolve(name)
    except tools.ToolUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session", params=["helm", "helm3"])
def helm(request: pytest.FixtureRequest) -> Path:
    """Each of the two Helms that the chart works with."""
    return tool(request.param)


@pytest.fixture(scope="session")
def helm4() -> Path:
    """The newer Helm, for what does not depend on which."""
    return tool("helm")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests that do not stop it."""
    with serving(tmp_path_factory.mktemp("server"), LOAD_ENDPOINTS="1", APP_VERSION="1.2.3") as server:
        yield server


@pytest.fixture(scope="module")
def talkative(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the application that logs."""
    with serving(tmp_path_factory.mktemp("talkative"), WSGI_APP="tests.talkative:app") as server:
        yield server


@pytest.fixture
def program() -> Path:
    """The folder of the prober's files."""
    return PROBER


@pytest.fixture(scope="session")
def actionlint() -> Path:
    """The linter of workflows."""
    return tool("actionlint")
