"""The Secret of a release: one for each content, never changed, and taken back if it is not deployed."""

from __future__ import annotations

from delivery.deployment.release.kubectl import Kubectl
from delivery.deployment.services.databases import PASSWORD, wanted
from delivery.deployment.services.provided import addresses, make_up, services_of
from delivery.deployment.settings.secret import KEPT, EnvironmentSecrets, MadeUp, decoded
from delivery.detection.description import Found
from tests.deployment.fakes import FakeKubectl, described, setting


def names(kubectl: FakeKubectl) -> list[str]:
    return sorted(name for kind, name in kubectl.objects if kind == "Secret")


def deploy(secrets: EnvironmentSecrets, values: dict[str, str], current: str = "") -> str:
    version = secrets.version(values, current)
    secrets.create(version)
    secrets.prune(version)
    return version.name


def test_the_same_settings_keep_their_secret_and_others_get_a_new_one() -> None:
    kubectl = FakeKubectl("default")
    secrets = EnvironmentSecrets(kubectl, "shop")
    first = deploy(secrets, {"A": "1"})
    assert deploy(secrets, {"A": "1"}, first) == first == "shop-env-1"
    assert deploy(secrets, {"A": "2"}, first) == "shop-env-2"
    assert kubectl.objects["Secret", first]["immutable"] is True
    assert decoded(kubectl.objects["Secret", first]) == {"A": "1"}, "the revision before can still be rolled back to"
    assert secrets.content("shop-env-2") == {"A": "2"}


def test_a_secret_that_was_not_deployed_is_withdrawn_and_one_that_runs_is_not() -> None:
    kubectl = FakeKubectl("default")
    secrets = EnvironmentSecrets(kubectl, "shop")
    first = deploy(secrets, {"A": "1"})
    failed = secrets.version({"A": "2"}, first)
    secrets.create(failed)
    secrets.withdraw(failed)
    secrets.withdraw(secrets.version({"A": "1"}, first))
    assert names(kubectl) == [first]


def test_what_no_revision_can_name_any_more_is_deleted() -> None:
    kubectl = FakeKubectl("default")
    secrets, current = EnvironmentSecrets(kubectl, "shop"), ""
    for number in range(KEPT + 3):
        current = deploy(secrets, {"A": str(number)}, current)
    assert sorted(names(kubectl)) == sorted(f"shop-env-{number}" for number in range(4, KEPT + 4))


def test_another_release_has_its_own() -> None:
    kubectl = FakeKubectl("default")
    deploy(EnvironmentSecrets(kubectl, "shop"), {"A": "1"})
    assert deploy(EnvironmentSecrets(kubectl, "shop-env"), {"A": "1"}) == "shop-env-env-1"


def test_keys_and_passwords_are_made_up_once() -> None:
    secret = MadeUp(FakeKubectl("default"), "shop")
    shop = described(settings=(setting("JWT_SECRET_KEY", required=True), setting("STRIPE_API_KEY", required=True)))
    services = wanted("shop", ["postgresql"])
    made = make_up(secret, shop, services, given=())
    assert made.keys() == {"SECRET_KEY", "JWT_SECRET_KEY", PASSWORD}
    assert len(made["SECRET_KEY"]) >= 32
    assert make_up(secret, shop, services, given=()) == made
    assert make_up(secret, shop, [], given=("SECRET_KEY",)) == {"JWT_SECRET_KEY": made["JWT_SECRET_KEY"]}


def test_a_service_runs_unless_somebody_gives_its_address() -> None:
    shop = described(
        services=(Found("postgresql", "requirements.txt:3"), Found("redis", "requirements.txt:4")),
        settings=(setting("DATABASE_URL", required=True), setting("REDIS_URL")),
    )
    assert [each.name for each in services_of(shop, "shop", ())] == ["shop-postgresql", "shop-redis"]
    left = services_of(shop, "shop", ("DATABASE_URL",))
    assert [each.kind for each in left] == ["redis"]
    assert addresses(shop, left, "") == {"REDIS_URL": "redis://shop-redis:6379/0"}


def test_no_value_is_in_a_command_line() -> None:
    kubectl = Kubectl("default", environment={})
    sent: list[tuple[tuple[str, ...], str | None]] = []

    class Recording(Kubectl):
        def run(self, *arguments: str, stdin: str | None = None) -> str:
            sent.append((arguments, stdin))
            return '{"items": []}'

    secrets = EnvironmentSecrets(Recording(kubectl.namespace, environment={}), "shop")
    secrets.create(secrets.version({"A": "s3cret"}, ""))
    # base64 of it.
    assert any("czNjcmV0" in (stdin or "") for _, stdin in sent)
    assert not any("s3cret" in " ".join(arguments) or "czNjcmV0" in " ".join(arguments) for arguments, _ in sent)
