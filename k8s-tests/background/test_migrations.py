"""Migrations: once before the rollout, whatever the number of pods, and no rollout if they fail."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import pytest

from background import ledger
from background.migrating import FAILS, GREETING, PASSWORD, PODS, SECONDS, SETTINGS, Migrating, write_values
from harness.cluster import wait
from harness.cluster.images import Images
from harness.cluster.release import TEST_VALUES, Release, Target
from harness.cluster.shell import CommandError, run
from harness.measuring.measurement import under_traffic
from harness.measuring.prober import Prober, StartProber
from harness.report.report import Report

# Helm 3 once more only where it does something else than Helm 4, but for the complete set.
HELM_4 = pytest.mark.parametrize("migrating", [4, pytest.param(3, marks=pytest.mark.complete)], indirect=True)
BOTH = pytest.mark.parametrize("migrating", [4, 3], indirect=True)


@pytest.fixture(scope="module")
def ledger_(target: Target, namespace: str, images_: Images) -> Iterator[ledger.Ledger]:
    with ledger.kept(target, namespace, images_.first) as kept:
        yield kept


@pytest.fixture(scope="module")
def migrating(
    request: pytest.FixtureRequest,
    target: Target,
    namespace: str,
    images_: Images,
    ledger_: ledger.Ledger,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Migrating]:
    """A release of four pods, whose first install has migrated."""
    major: int = request.param
    name = f"helm{major}"
    release = Release(
        target,
        namespace,
        name=name,
        helm=target.helm3 if major == 3 else target.helm,
        values_files=[TEST_VALUES, write_values(tmp_path_factory.mktemp("values"))],
        sets={"config.RELEASE": name},
    )
    release.upgrade(images_.first, {SECONDS: "3s"})
    yield Migrating(release, ledger_, images_)
    release.uninstall()


def clients(probe: StartProber, release: Release) -> list[Prober]:
    """What sends requests to the Service meanwhile."""
    return [probe(release, kind="new"), probe(release, kind="keep-alive")]


@HELM_4
def test_the_first_install_migrates_before_there_is_any_pod(migrating: Migrating) -> None:
    """Its ServiceAccount, config files and Secret must be there before the release's own are."""
    [begun], [ended] = migrating.runs("begins"), migrating.runs("ends")
    given = {"config": GREETING, "secret": PASSWORD, "file": SETTINGS}
    assert begun.items() >= given.items()
    created = migrating.pods()
    assert len(created) == PODS
    # Kubernetes keeps whole seconds.
    assert min(created.values()) >= math.floor(ended["at"]) > begun["at"]
    migrating.wait_no_leftovers()


@HELM_4
def test_an_upgrade_migrates_once_before_any_pod_is_replaced(
    migrating: Migrating, probe: StartProber, report: Report
) -> None:
    release, before, since = migrating.release, migrating.pods(), time.time()
    outcome = report.add("migration", fault="helm upgrade to another image, with a migration of 3 seconds")
    with under_traffic(outcome, release, clients(probe, release)) as scenario:
        release.upgrade(migrating.next_image(), {SECONDS: "3s"})
        [_], [ended] = migrating.runs("begins", since), migrating.runs("ends", since)
        release.wait_no_pod_stopping()
        after = migrating.pods()
        assert len(after) == PODS
        assert not before.keys() & after.keys()
        assert min(after.values()) >= math.floor(ended["at"])
        scenario.fault_confirmed = f"one migration ran, then {PODS} pods were replaced"
    migrating.wait_no_leftovers()


@BOTH
def test_a_migration_that_fails_shows_its_log_and_no_pod_is_replaced(
    migrating: Migrating, probe: StartProber, report: Report
) -> None:
    """The next upgrade succeeds without anything that somebody would have to clean up."""
    release, before, since = migrating.release, migrating.pods(), time.time()
    generation, image = release.deployment().metadata.generation, migrating.next_image()
    outcome = report.add(f"migration that fails, {release.name}", fault="helm upgrade whose migration fails")
    with under_traffic(outcome, release, clients(probe, release)) as scenario:
        with pytest.raises(CommandError) as failed:
            release.upgrade(image, {FAILS: "yes"})
        said = str(failed.value)
        assert "adding the column orders.currency" in said
        assert "relation orders does not exist" in said
        assert release.revision_status() == "failed"
        assert len(migrating.runs("begins", since)) == 1
        assert migrating.pods() == before
        assert release.deployment().metadata.generation == generation
        migrating.wait_no_leftovers()
        scenario.fault_confirmed = "the migration failed, and no pod was replaced"
        release.upgrade(image, {})
        assert not before.keys() & migrating.pods().keys()
        assert len(migrating.runs("ends", since)) == 1


@pytest.mark.complete
@BOTH
def test_a_migration_past_its_deadline_is_ended_and_no_pod_is_replaced(
    migrating: Migrating, probe: StartProber, report: Report
) -> None:
    release, before, since = migrating.release, migrating.pods(), time.time()
    outcome = report.add(f"migration past its deadline, {release.name}", fault="helm upgrade whose migration hangs")
    with under_traffic(outcome, release, clients(probe, release)) as scenario:
        # Helm 4 does not say why it failed, and there is no log: Kubernetes deletes the pod.
        with pytest.raises(CommandError, match=r"DeadlineExceeded|message: Job Failed"):
            release.upgrade(migrating.next_image(), {SECONDS: "600s", "migrations.activeDeadlineSeconds": "6"})
        assert time.time() - since < 60
        assert len(migrating.runs("begins", since)) == 1
        assert migrating.pods() == before
        migrating.wait_no_leftovers()
        scenario.fault_confirmed = "the migration was ended, and no pod was replaced"
        release.upgrade(migrating.next_image(), {})
    assert len(migrating.runs("ends", since)) == 1


@HELM_4
def test_a_second_upgrade_is_refused_while_one_migrates(
    migrating: Migrating, probe: StartProber, report: Report
) -> None:
    release, since, image = migrating.release, time.time(), migrating.next_image()
    outcome = report.add("two upgrades at once", fault="helm upgrade while another one migrates")
    with under_traffic(outcome, release, clients(probe, release)) as scenario:
        with migrating.upgrade_begun(image, {SECONDS: "8s"}) as first:
            migrating.begun(since)
            with pytest.raises(CommandError, match=r"another operation .* is in progress"):
                release.upgrade(image, {})
            said, _ = first.communicate(timeout=120)
            assert first.returncode == 0, said
        scenario.fault_confirmed = "the second was refused, and the first went on"
    assert len(migrating.runs("begins", since)) == len(migrating.runs("ends", since)) == 1
    assert release.deployment().spec.template.spec.containers[0].image == image
    release.image = image


def kill_while_it_migrates(migrating: Migrating, image: str, seconds: str) -> None:
    """helm is killed in the middle of a migration, which goes on."""
    since = time.time()
    with migrating.upgrade_begun(image, {SECONDS: seconds}) as first:
        migrating.begun(since)
        first.kill()
        first.wait()
    assert migrating.release.revision_status() == "pending-upgrade"


@pytest.mark.complete
@BOTH
def test_no_two_migrations_run_at_once_though_helm_was_killed_and_rolled_back(
    migrating: Migrating, probe: StartProber, report: Report
) -> None:
    """Helm's own lock is open then: the API server refuses the second Job, since there is one of its name."""
    release, before, since, image = migrating.release, migrating.pods(), time.time(), migrating.next_image()
    outcome = report.add(f"helm killed in a migration, {release.name}", fault="helm is killed while it migrates")
    with under_traffic(outcome, release, clients(probe, release)) as scenario:
        kill_while_it_migrates(migrating, image, "40s")
        # By its number: the one before is not rolled out if it has failed.
        serving = str(migrating.revision("deployed"))
        run(release.helm_command("rollback", release.name, serving, "--wait", "--timeout", "1m"))
        with pytest.raises(CommandError, match=r"already exists|field is immutable"):
            release.upgrade(image, {SECONDS: "40s"})
        assert migrating.pods() == before
        assert not migrating.runs("ends", since), "too late to show anything"
        wait.until("the first has ended", lambda: migrating.runs("ends", since), timeout=90)
        [begun], [ended] = migrating.runs("begins", since), migrating.runs("ends", since)
        assert begun["pod"] == ended["pod"]
        scenario.fault_confirmed = "a second migration was refused, and the first ended undisturbed"
        migrating.wait_no_job()
        release.upgrade(image, {})
        assert not before.keys() & migrating.pods().keys()
    assert len(migrating.runs("begins", since)) == 2
    migrating.wait_no_job()


@pytest.mark.complete
@BOTH
def test_the_upgrade_is_done_again_with_the_same_migration_though_helm_was_killed_and_forgets_it(
    migrating: Migrating, probe: StartProber, report: Report
) -> None:
    """Whoever deletes the Secret of the revision that is pending has the same revision once more."""
    release, since, image = migrating.release, time.time(), migrating.next_image()
    outcome = report.add(f"helm killed, its Secret deleted, {release.name}", fault="helm is killed while it migrates")
    with under_traffic(outcome, release, clients(probe, release)) as scenario:
        kill_while_it_migrates(migrating, image, "20s")
        secret = f"sh.helm.release.v1.{release.name}.v{migrating.revision('pending-upgrade')}"
        release.target.core.delete_namespaced_secret(secret, release.namespace)
        try:
            release.upgrade(image, {SECONDS: "20s"})
            scenario.fault_confirmed = "the upgrade waited for the migration that ran"
        except CommandError as refused:
            assert "already exists" in str(refused)  # noqa: PT017  # either is good
            scenario.fault_confirmed = "the upgrade was refused"
    wait.until("the migration has ended", lambda: migrating.runs("ends", since), timeout=60)
    assert len(migrating.runs("begins", since)) == 1
    migrating.wait_no_job()
    release.upgrade(image, {})
