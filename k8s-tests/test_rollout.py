"""A new version goes out, and back, without a failed request."""

import shutil
from pathlib import Path

import pytest

from harness.images import Images, version_of
from harness.measurement import under_traffic
from harness.prober import Prober, StartProber
from harness.release import CHART, Release
from harness.report import Report
from prober import Record


def probers(probe: StartProber, release: Release) -> list[Prober]:
    """Both kinds of client: each is lost in its own way when a pod goes."""
    return [probe(release, kind="new"), probe(release, kind="keep-alive")]


def versions(records: list[Record]) -> tuple[str, str]:
    """The versions that answered first and last."""
    answered = [record.version for record in records if not record.error]
    return answered[0], answered[-1]


def test_a_rolling_update_loses_no_request(
    release: Release, images_: Images, probe: StartProber, report: Report
) -> None:
    sending = probers(probe, release)
    with under_traffic(
        report.add("rolling update", fault="helm upgrade to another image"), release, sending
    ) as scenario:
        release.upgrade(images_.second)
        scenario.fault_confirmed = "every pod runs the second image"
    for prober in sending:
        assert versions(prober.records) == (version_of(images_.first), version_of(images_.second))
        before = {record.host for record in prober.records if record.version == version_of(images_.first)}
        assert len(before) >= 2, "each client had to do with every pod that went"


def test_a_rollback_loses_no_request(release: Release, images_: Images, probe: StartProber, report: Report) -> None:
    if release.deployment().spec.template.spec.containers[0].image != images_.second:
        release.upgrade(images_.second)
    sending = probers(probe, release)
    with under_traffic(
        report.add("helm rollback", fault="helm rollback to the image before"), release, sending
    ) as scenario:
        release.rollback()
        scenario.fault_confirmed = "every pod runs the first image again"
    for prober in sending:
        assert versions(prober.records) == (version_of(images_.second), version_of(images_.first))


# --- The check itself is checked: a chart that must lose requests ---

GOOD_LIFECYCLE = """          lifecycle:
            preStop:
              sleep:
                seconds: {{ .Values.shutdown.preStopSeconds }}
"""


def mutant_chart(folder: Path) -> Path:
    """A copy of the chart whose pods get SIGTERM at once, while they are still being sent requests."""
    chart = shutil.copytree(CHART, folder / "flask-app")
    template = chart / "templates" / "deployment.yaml"
    text = template.read_text()
    assert GOOD_LIFECYCLE in text, "the mutation no longer matches the template: adapt it"
    template.write_text(text.replace(GOOD_LIFECYCLE, ""))
    return chart


def test_a_chart_without_a_prestop_delay_is_caught(
    release: Release, images_: Images, probe: StartProber, report: Report, tmp_path: Path
) -> None:
    # Four pods that all go at once, three times over, under a high rate: how many requests one pod's end costs depends
    # on how fast the news spreads, and catching the mutant must be no matter of luck.
    sets = {"autoscaling.minReplicas": "4", "rollout.maxSurge": "100%"}
    mutant = Release(release.target, release.namespace, name="mutant", chart=mutant_chart(tmp_path), sets=sets)
    mutant.upgrade(images_.first)
    sending = [probe(mutant, kind="new", rate=250)]
    outcome = report.add_mutant("no preStop delay", caught_by="rolling update")
    with (
        pytest.raises(AssertionError, match=r"requests failed"),
        under_traffic(outcome, mutant, sending) as scenario,
    ):
        mutant.upgrade(images_.second)
        mutant.upgrade(images_.first)
        mutant.upgrade(images_.second)
        scenario.fault_confirmed = "every pod was replaced three times"
    assert outcome.verdict == "failed"
    mutant.uninstall()
