"""`make deploy`: a good change goes out and a bad one comes back by itself, both without a failed request."""

import os
import subprocess
from pathlib import Path

from harness.cluster.images import Images, version_of
from harness.cluster.release import ROOT, TEST_VALUES, Release
from harness.measuring.measurement import under_traffic
from harness.measuring.prober import StartProber
from harness.report.report import Report


def make_deploy(release: Release, image: str, timeout: str) -> subprocess.CompletedProcess[str]:
    """Run `make deploy` as a person or a pipeline does, with the cluster's kubeconfig."""
    kept = {name: v for name, v in os.environ.items() if not name.startswith(("KUBE", "HELM_", "MAKE", "MFLAGS"))}
    return subprocess.run(
        [
            "make", "-C", str(ROOT), "deploy", f"IMAGE={image}", f"RELEASE={release.name}",
            f"NAMESPACE={release.namespace}", f"VALUES={TEST_VALUES}", f"TIMEOUT={timeout}",
        ],
        # Nothing of the caller's may point it to another cluster.
        env={**kept, "KUBECONFIG": str(release.target.kubeconfig)},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )  # fmt: skip


def image_of(release: Release) -> str:
    return str(release.deployment().spec.template.spec.containers[0].image)


def test_a_good_change_goes_out_without_a_failed_request(
    release: Release, images_: Images, probe: StartProber, report: Report
) -> None:
    sending = [probe(release, kind="new"), probe(release, kind="keep-alive")]
    with under_traffic(
        report.add("make deploy, good image", fault="make deploy brings a new image out"), release, sending
    ) as scenario:
        deployed = make_deploy(release, images_.second, "4m")
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        release.wait_rolled_out()
        assert image_of(release) == images_.second
        scenario.fault_confirmed = "every pod runs the second image"
    for prober in sending:
        assert prober.records[-1].version == version_of(images_.second)


def test_a_bad_change_is_rolled_back_by_itself_without_a_failed_request(
    release: Release, images_: Images, probe: StartProber, report: Report
) -> None:
    before = image_of(release)
    sending = [probe(release, kind="new"), probe(release, kind="keep-alive")]
    with under_traffic(
        report.add(
            "make deploy, image that can't start",
            fault="make deploy brings out an image whose application can't be loaded, and takes it back by itself",
        ),
        release,
        sending,
    ) as scenario:
        deployed = make_deploy(release, images_.broken, "30s")
        assert deployed.returncode != 0, deployed.stdout
        assert "was not deployed" in deployed.stderr
        release.wait_rolled_out()
        assert image_of(release) == before
        assert release.revision_status() == "deployed"
        events = release.target.core.list_namespaced_event(release.namespace).items
        assert any(images_.broken in (event.message or "") for event in events), "the broken image was tried"
        scenario.fault_confirmed = "the broken image was tried, and the one before runs again"
    for prober in sending:
        assert {record.version for record in prober.records} == {version_of(before)}


def test_deploying_without_an_image_says_what_to_set(release: Release) -> None:
    before = release.deployment().metadata.generation
    refused = make_deploy(release, "flask-app", "1m")
    assert refused.returncode != 0
    assert "IMAGE='flask-app' is not an image with a tag or a digest" in refused.stderr
    assert release.deployment().metadata.generation == before


def test_deploying_with_values_that_are_not_there_says_so(tmp_path: Path) -> None:
    refused = subprocess.run(
        ["make", "-C", str(ROOT), "deploy", "IMAGE=a:1", f"VALUES={tmp_path}/none.yaml"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert refused.returncode != 0
    assert "none.yaml' is not a file" in refused.stderr
