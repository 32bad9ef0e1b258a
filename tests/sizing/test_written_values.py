"""The values file: what it looks like, and that the chart accepts it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import yaml

from delivery.sizing.figures import Skipped
from delivery.sizing.values.basis import Assumed
from delivery.sizing.values.defaults import Defaults
from delivery.sizing.values.derivation import derive
from delivery.sizing.values.summary import header, shown_command
from delivery.sizing.values.value import Value
from delivery.sizing.values.values_file import written
from tests.chart.rendering import render
from tests.sizing.made_figures import ORDINARY

WHEN = datetime(2026, 11, 27, 14, 50, tzinfo=UTC)


def test_the_chart_renders_with_every_value_in_its_place(helm: Path) -> None:
    text = written(["Values"], derive(ORDINARY, Assumed(), Defaults()), Defaults())
    rendered = render(helm, values=yaml.safe_load(text))
    assert rendered.env["WEB_THREADS"] == "10"
    assert rendered.env["GRACEFUL_TIMEOUT"] == "30"
    assert rendered.container["resources"] == {
        "requests": {"cpu": "150m", "memory": "80Mi"},
        "limits": {"memory": "256Mi"},
    }
    assert rendered.container["startupProbe"]["failureThreshold"] == 120
    assert rendered.pod["spec"]["terminationGracePeriodSeconds"] == 45
    (metric,) = rendered["HorizontalPodAutoscaler"]["spec"]["metrics"]
    assert metric["containerResource"]["target"]["averageUtilization"] == 70


def test_a_value_stands_below_its_derivation_and_one_without_is_only_told() -> None:
    text = written(
        ["Values for shop", "", "  idle"],
        [
            Value("config.WEB_THREADS", None, ("a lock.",)),
            Value("resources.requests.cpu", "150m", ("One sentence.", "mountain " * 14)),
            Value("resources.requests.memory", None, ("no /proc.",)),
        ],
        Defaults(),
    )
    assert text == (
        "# Values for shop\n"
        "#\n"
        "#   idle\n"
        "\n"
        "# config:\n"
        "  # WEB_THREADS: left at the default of 8, because a lock.\n"
        "resources:\n"
        "  requests:\n"
        "    # One sentence.\n"
        f"    # {'mountain ' * 11}mountain\n"
        "    #   mountain mountain\n"
        "    cpu: 150m\n"
        "    # memory: left at the default of 128Mi, because no /proc.\n"
    )


def test_a_file_without_a_single_value_sets_nothing() -> None:
    text = written([], [Value("config.WEB_THREADS", None, ("a lock.",))], Defaults())
    assert yaml.safe_load(text) is None


def test_the_header_has_the_figures_and_what_was_not_measured() -> None:
    figures = replace(ORDINARY, skipped=(Skipped("/bye", "answered 500"),), failed=3)
    lines = header("shop", figures, command="python -m delivery.sizing ../shop", machine="Linux, 2 cores", when=WHEN)
    assert lines == [
        "Values for shop, computed from a measurement by:",
        "  python -m delivery.sizing ../shop",
        "on 2026-11-27 14:50 UTC, on Linux, 2 cores.",
        "They are as good as these paths match your traffic, and this machine matches your nodes.",
        "",
        "  first start      2.0 s (1.0 s CPU), which may include compiling modules",
        "  later starts     1.0 s (500 ms CPU), 1.2 s (500 ms CPU)",
        "  GET /            2 requests: 50 ms on average, 60 ms the slowest, 5 ms CPU",
        "  GET /search?q=x  2 requests: 50 ms on average, 60 ms the slowest, 5 ms CPU",
        "  8 clients        100 requests: 143/s, 80 ms the slowest, 5 ms CPU each",
        "  idle             1 ms CPU a second",
        "  memory           60 MiB after the start, 64 MiB after the requests, peak 80 MiB",
        "",
        "not measured: /bye (answered 500)",
        "WARNING: 3 of these requests weren't answered 2xx, though the first ones were.",
    ]


def test_a_disturbed_measurement_says_so() -> None:
    # 5 ms of CPU time, 15 ms of delay: 15 / 20
    figures = replace(ORDINARY, series=tuple(replace(each, delay=0.015) for each in ORDINARY.series))
    lines = header("shop", figures, command="", machine="", when=WHEN)
    assert lines[-1].startswith("WARNING: for 75 % of the time in which the server could have run, other")


def test_the_command_is_told_without_the_values_of_headers() -> None:
    told = shown_command(["../shop", "--url", "/a?b=c", "--header", "Cookie: session=1", "--header=X-Key: 2"])
    assert told == (
        "python -m delivery.sizing ../shop --url '/a?b=c' --header 'Cookie: ********' '--header=X-Key: ********'"
    )


def test_defaults_are_those_of_the_chart_and_of_nodrop() -> None:
    defaults = Defaults()
    assert defaults.number("config.WEB_THREADS") == 8
    assert defaults.cores("resources.requests.cpu") == 0.1
    assert defaults.bytes("resources.limits.memory") == 256 << 20
    assert defaults.value("resources.requests.memory") == "128Mi"


def test_defaults_are_read_from_the_chart_in_every_unit(tmp_path: Path) -> None:
    values = {"resources": {"requests": {"cpu": "2"}, "limits": {"memory": "1Gi"}, "more": {"memory": "1000"}}}
    (tmp_path / "values.yaml").write_text(json.dumps(values))
    defaults = Defaults(tmp_path)
    assert defaults.cores("resources.requests.cpu") == 2.0
    assert defaults.bytes("resources.limits.memory") == 1 << 30
    assert defaults.bytes("resources.more.memory") == 1000
