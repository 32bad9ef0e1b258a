"""Rollouts and rollbacks. They are announced, so nothing may be lost, whatever is wrong with what is rolled out."""

from __future__ import annotations

from harness.cluster.images import version_of
from harness.cluster.shell import CommandError
from harness.measuring.traffic import CLIENTS, EVERY_KIND, Traffic
from harness.running.budget import Loss
from harness.running.scenario import Scenario
from harness.running.stage import Stage
from scenarios.timers import CONTAINER_LOST

TEN = 10
BROKEN_TIMEOUT_SECONDS = 30.0
# It starts, is ready, and ends; kubelet starts it again at once, then after 10 and after 20 seconds (CrashLoopBackOff).
# So it ends three times within the time that helm waits, the removal of the pod afterwards included.
CRASHES_SEEN = 3


def replaced(stage: Stage, before: list[str]) -> str:
    """That every pod is another one."""
    after = stage.pods()
    assert not set(before) & set(after), f"still there: {sorted(set(before) & set(after))}"
    return f"{len(before)} pods are gone, {len(after)} others have taken their place"


def image(stage: Stage) -> str:
    """helm upgrade to the other image."""
    before, new = stage.pods(), stage.next_image()
    stage.release.upgrade(new, stage.release.values)
    return f"{replaced(stage, before)}, with the image {new}"


def configuration(stage: Stage) -> str:
    """helm upgrade with another setting of the application."""
    before = stage.pods()
    # It stays from now on, so that the next scenario finds what it needs without another rollout.
    # Text, as config takes it.
    revision = f"r{int(stage.release.sets.get('config.REVISION', 'r0')[1:]) + 1}"
    stage.release.sets["config.REVISION"] = revision
    stage.release.upgrade(stage.release.image, stage.release.values)
    assert stage.execute(stage.victim(), "printenv", "REVISION").strip() == revision
    return replaced(stage, before)


def size(stage: Stage) -> str:
    """helm upgrade with more memory asked for."""
    before = stage.pods()
    wanted = "160Mi" if stage.release.sets.get("resources.requests.memory") != "160Mi" else "144Mi"
    stage.release.sets["resources.requests.memory"] = wanted
    stage.release.upgrade(stage.release.image, stage.release.values)
    container = stage.release.deployment().spec.template.spec.containers[0]
    assert container.resources.requests["memory"] == wanted
    return replaced(stage, before)


def ten_times(stage: Stage) -> str:
    """helm upgrade to the other image, ten times."""
    for number in range(1, TEN + 1):
        image(stage)
        stage.event(f"rollout {number}")
    return f"every pod was replaced {TEN} times"


def back(stage: Stage) -> str:
    """helm rollback of the newest revision."""
    before, wanted = stage.pods(), stage.release.image_before
    stage.release.rollback()
    runs = stage.release.deployment().spec.template.spec.containers[0].image
    assert runs == wanted, f"{runs} runs, not {wanted}"
    return f"{replaced(stage, before)}, with the image {runs}"


def another_image_before(stage: Stage) -> None:
    """See to it that the revision before has another image."""
    if stage.release.image_before in ("", stage.release.image):
        image(stage)


def refused(stage: Stage, broken: str) -> None:
    """helm upgrade to an image that never becomes available, which helm must take back."""
    ran, values = stage.release.image, stage.release.values
    try:
        stage.release.upgrade(broken, values, timeout=BROKEN_TIMEOUT_SECONDS, options=["--rollback-on-failure"])
    except CommandError:
        # helm has taken it back; what it says is of no interest.
        pass
    except AssertionError as error:
        # helm has not, and it was not rolled out for good either.
        raise AssertionError(f"{broken} was taken for one that works: {error}") from None
    else:
        raise AssertionError(f"{broken} was taken for one that works")
    stage.release.wait_rolled_out()
    now = stage.release.deployment().spec.template.spec.containers[0].image
    assert now == ran, f"{now} runs, not {ran}"
    stage.release.image, stage.release.values = ran, values
    events = stage.target.core.list_namespaced_event(stage.release.namespace).items
    assert any(broken in (event.message or "") for event in events), "the broken image was tried"


def never_ready(stage: Stage) -> str:
    """An image whose application can't be loaded."""
    before = stage.pods()
    refused(stage, stage.images.broken)
    assert stage.pods() == before, "pods that worked were taken away for one that did not"
    return "the broken image was tried, and the pods before it were never touched"


def crashes(stage: Stage) -> str:
    """An image that serves for a moment and then ends."""
    before = stage.pods()
    refused(stage, stage.images.crashing)
    assert stage.pods() == before, "pods that worked were taken away for one that did not"
    events = stage.target.core.list_namespaced_event(stage.release.namespace).items
    crashed = [each for each in events if each.reason == "BackOff" and "web" in (each.involved_object.name or "")]
    assert crashed, "kubelet never had to wait before it started the image again, so it did not crash"
    return "the crashing image was started again and again, and the pods before it were never touched"


def both_versions_answered(stage: Stage) -> None:
    """Every prober saw another version at the end than at the beginning."""
    for prober in stage.probers:
        answered = [record.version for record in prober.records if not record.error]
        assert answered[0] != answered[-1], f"{prober.name}: {answered[0]} answered first and last"


def the_crashing_image_answered(stage: Stage) -> None:
    """It became ready, and clients were sent to it."""
    seen = {record.version for prober in stage.probers for record in prober.records if not record.error}
    assert version_of(stage.images.crashing) in seen, f"answered by {sorted(seen)}"


def only_one_version_answered(stage: Stage) -> None:
    """No prober ever saw the image that is broken."""
    seen = {record.version for prober in stage.probers for record in prober.records if not record.error}
    assert len(seen) == 1, f"answered by {sorted(seen)}"


SCENARIOS = (
    Scenario(
        name="rolling update",
        fault="helm upgrade to another image",
        act=image,
        traffic=EVERY_KIND,
        fewer_ready=0,
        stopped_within=30,
        after=both_versions_answered,
    ),
    Scenario(
        name="helm rollback",
        fault="helm rollback to the previous revision, which has another image",
        act=back,
        prepare=another_image_before,
        traffic=EVERY_KIND,
        fewer_ready=0,
        stopped_within=30,
        after=both_versions_answered,
    ),
    Scenario(
        name="configuration changed",
        fault="helm upgrade with another setting of the application",
        act=configuration,
        needs_example=True,
        fewer_ready=0,
        stopped_within=30,
        standard=False,
    ),
    Scenario(
        name="resources changed",
        fault="helm upgrade with another memory request",
        act=size,
        needs_chart=True,
        fewer_ready=0,
        stopped_within=30,
        standard=False,
    ),
    Scenario(
        name="ten rolling updates",
        fault="helm upgrade to the other image, ten times in a row",
        act=ten_times,
        traffic=EVERY_KIND,
        fewer_ready=0,
        stopped_within=30,
        standard=False,
    ),
    Scenario(
        name="rolling update, through a node port",
        fault="helm upgrade to another image, and clients come from outside through a node port",
        act=image,
        traffic=(Traffic("new", 50, via="node port"), Traffic("keep-alive", 50, via="node port")),
        values={"service.type": "NodePort"},
        needs_chart=True,
        fewer_ready=0,
        stopped_within=30,
        after=both_versions_answered,
        standard=False,
    ),
    Scenario(
        name="image that never becomes ready",
        fault="helm upgrade --rollback-on-failure to an image whose application can't be loaded",
        act=never_ready,
        fewer_ready=0,
        after=only_one_version_answered,
        needs_example=True,
        standard=False,
    ),
    Scenario(
        name="image that crashes after it was ready",
        fault="helm upgrade --rollback-on-failure to an image that becomes ready, and crashes a moment later",
        act=crashes,
        # While it is ready it is there beside the others.
        budget=Loss(CONTAINER_LOST, beside=1, times=CRASHES_SEEN),
        traffic=CLIENTS,
        fewer_ready=0,
        needs_example=True,
        after=the_crashing_image_answered,
    ),
)
