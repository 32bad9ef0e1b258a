"""What is missing or contradictory is said before anything is changed; what is given goes where it belongs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery.deployment import prepare as module
from delivery.deployment.errors import DeploymentError
from delivery.deployment.prepare import Application, Wanted, prepare
from delivery.deployment.release.helm import Helm
from delivery.deployment.settings.secret import decoded
from delivery.detection.description import Written
from tests.deployment.fakes import FakeKubectl, described, setting, written

ORIGIN = "github.com/acme/shop"


@pytest.fixture(autouse=True)
def nothing_deployed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """The values of the deployed release, which a test can fill."""
    deployed: dict[str, Any] = {}
    monkeypatch.setattr(Helm, "values", lambda _: deployed)
    monkeypatch.setattr(module, "BUILD", tmp_path / "build")
    monkeypatch.setattr(module, "origin_of", lambda _: ORIGIN)
    return deployed


def wanted(folder: Path, env: str = "", values: str = "", **more: Any) -> Wanted:
    """A wanted release of shop, with the texts of an env file and a values file."""
    surroundings = more.pop("surroundings", {})
    files = {}
    for name, text in (("env", env), ("values", values)):
        if text:
            files[name] = folder / f"my.{name}"
            files[name].write_text(text)
    application = Application(described(folder, **surroundings), more.pop("environment", {}))
    return Wanted(FakeKubectl("default"), "shop", application, files.get("env"), files.get("values"), **more)


def written_values(folder: Path) -> dict[str, Any]:
    file = folder / "build" / "shop" / "values.yaml"
    assert file.stat().st_mode & 0o777 == 0o600
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found


REQUIRED = {"settings": (setting("PAYMENT_TOKEN", required=True), setting("SECRET_KEY", "'dev'", secret=True))}


def test_a_setting_that_is_missing_is_told_with_its_place_and_the_line_to_write(tmp_path: Path) -> None:
    asked = wanted(tmp_path, env="A=1\n", surroundings=REQUIRED)
    with pytest.raises(DeploymentError) as refused:
        prepare(asked)
    assert "PAYMENT_TOKEN                  config.py:7" in str(refused.value)
    assert f"Write into {tmp_path / 'my.env'}:\n  PAYMENT_TOKEN=<value>" in str(refused.value)
    assert isinstance(asked.kubectl, FakeKubectl)
    assert asked.kubectl.objects == {}
    assert not (tmp_path / "build").exists()


@pytest.mark.parametrize(
    "given",
    [
        {"env": "PAYMENT_TOKEN=t\n"},
        {"environment": {"PAYMENT_TOKEN": "t"}},
        {"values": "config: {PAYMENT_TOKEN: t}\n"},
        {"values": "extraEnv: [{name: PAYMENT_TOKEN, value: t}]\n"},
        {"values": "secrets: {values: {PAYMENT_TOKEN: t}}\n"},
        {"provided": {"PAYMENT_TOKEN": "t"}, "development": True},
    ],
    ids=str,
)
def test_a_setting_may_be_given_in_any_of_the_places(tmp_path: Path, given: dict[str, Any]) -> None:
    prepare(wanted(tmp_path, surroundings=REQUIRED, **given))


def test_the_keys_of_a_secret_that_is_there_count_and_one_that_is_not_is_named(tmp_path: Path) -> None:
    asked = wanted(tmp_path, values="secrets: {existingSecret: mine}\n", surroundings=REQUIRED)
    with pytest.raises(DeploymentError, match="there is no Secret mine in the namespace default"):
        prepare(asked)
    asked.kubectl.apply({"kind": "Secret", "metadata": {"name": "mine"}, "data": {"PAYMENT_TOKEN": "dA=="}})
    assert prepare(asked).version is None


def test_what_other_secrets_give_is_not_known_and_only_told(tmp_path: Path) -> None:
    values = "extraEnvFrom: [{secretRef: {name: mine}}]\n"
    (note, *_) = prepare(wanted(tmp_path, values=values, surroundings=REQUIRED)).notes
    assert note == f"Can't check the keys of extraEnvFrom in {tmp_path / 'my.values'}. It must provide: PAYMENT_TOKEN."


def test_what_was_found_and_should_be_known_is_told_by_each_deployment(tmp_path: Path) -> None:
    assert prepare(wanted(tmp_path, surroundings={"notes": ("app.py:4: a word.",)})).notes == ("app.py:4: a word.",)


def test_a_key_that_stands_in_the_source_is_told(tmp_path: Path) -> None:
    (note,) = prepare(wanted(tmp_path, env="PAYMENT_TOKEN=t\n", surroundings=REQUIRED)).notes
    assert note.startswith("SECRET_KEY is not set, so the application uses its default from config.py:7")


def test_the_env_file_is_in_the_secret_and_in_nothing_else(tmp_path: Path) -> None:
    prepared = prepare(wanted(tmp_path, env="PASSWORD=s3cret\nWEB_THREADS=4\n"))
    prepared.put()
    values = written_values(tmp_path)
    assert values == {
        "fullnameOverride": "shop",
        "service": {"annotations": {"flask-app/env-file": "WEB_THREADS", "flask-app/origin": ORIGIN}},
        "config": {"WEB_THREADS": "4"},
        "secrets": {"existingSecret": "shop-env-1"},
    }
    assert isinstance(prepared.wanted.kubectl, FakeKubectl)
    assert decoded(prepared.wanted.kubectl.objects["Secret", "shop-env-1"]) == {"PASSWORD": "s3cret"}


def test_the_env_file_takes_precedence_over_what_the_repository_says(tmp_path: Path) -> None:
    """Else the variable of the pod would win over the file of the Secret."""
    prepare(wanted(tmp_path, env="CURRENCY=CHF\n", environment={"CURRENCY": "EUR", "LANGUAGE": "de"}))
    assert written_values(tmp_path)["config"] == {"LANGUAGE": "de"}


def test_what_make_up_provides_gives_way_to_everybody_else(tmp_path: Path) -> None:
    prepared = prepare(
        wanted(
            tmp_path,
            env="A=env\n",
            values="config: {B: values}\n",
            environment={"C": "repository"},
            provided={"A": "up", "B": "up", "C": "up", "D": "up"},
            development=True,
        )
    )
    assert prepared.version
    assert prepared.version.values == {"A": "env", "D": "up"}


def test_without_an_env_file_the_settings_that_are_deployed_stay(
    tmp_path: Path, nothing_deployed: dict[str, Any]
) -> None:
    asked = wanted(tmp_path, surroundings=REQUIRED)
    asked.kubectl.apply(
        {
            "kind": "Secret",
            "metadata": {
                "name": "shop-env-3",
                "labels": {"app.kubernetes.io/instance": "shop", "app.kubernetes.io/component": "environment"},
            },
            "data": {"PAYMENT_TOKEN": "dA=="},
        }
    )
    nothing_deployed["secrets"] = {"existingSecret": "shop-env-3"}
    prepared = prepare(asked)
    assert prepared.version
    assert (prepared.version.name, prepared.version.new) == ("shop-env-3", False)


def test_without_an_env_file_the_deployed_settings_take_precedence_as_the_file_did(
    tmp_path: Path, nothing_deployed: dict[str, Any]
) -> None:
    environment = {"CURRENCY": "EUR", "LANGUAGE": "de", "WEB_THREADS": "8"}
    asked = wanted(tmp_path, env="CURRENCY=CHF\nTRUSTED_PROXIES=1\nWEB_THREADS=4\n", environment=environment)
    prepare(asked).put()
    before = written_values(tmp_path)
    nothing_deployed |= before
    nothing_deployed["config"] = {**before["config"], "OF_MY_VALUES": "1"}
    again = prepare(replace(asked, env=None))
    assert written_values(tmp_path) == before
    assert before["config"] == {"LANGUAGE": "de", "TRUSTED_PROXIES": "1", "WEB_THREADS": "4"}
    assert again.version
    assert (dict(again.version.values), again.version.new) == ({"CURRENCY": "CHF"}, False)


def test_settings_that_were_not_deployed_are_withdrawn_unless_pods_still_name_them(
    tmp_path: Path, nothing_deployed: dict[str, Any]
) -> None:
    prepared = prepare(wanted(tmp_path, env="A=1\n"))
    prepared.put()
    nothing_deployed["secrets"] = {"existingSecret": "shop-env-1"}
    prepared.finish(deployed=False)
    assert prepared.secrets.content("shop-env-1") == {"A": "1"}, "the rollback failed too"
    nothing_deployed.clear()
    prepared.finish(deployed=False)
    assert prepared.secrets.content("shop-env-1") == {}


@pytest.mark.parametrize("values", ["secrets: {existingSecret: mine}\n", "secrets: {values: {A: b}}\n"])
def test_two_secrets_are_refused(tmp_path: Path, values: str) -> None:
    asked = wanted(tmp_path, env="A=1\n", values=values)
    with pytest.raises(DeploymentError, match="A pod uses only one: move the values to the env file and remove"):
        prepare(asked)


def test_another_application_of_the_name_is_refused_unless_it_is_said_to_be_the_same(
    tmp_path: Path, nothing_deployed: dict[str, Any]
) -> None:
    nothing_deployed["service"] = {"annotations": {"flask-app/origin": "github.com/other/shop"}}
    with pytest.raises(DeploymentError, match="the release shop is that of another application"):
        prepare(wanted(tmp_path))
    prepare(wanted(tmp_path, values="service: {annotations: {flask-app/origin: github.com/other/shop}}\n"))


def test_a_values_file_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match=r"my.values can't be read"):
        prepare(wanted(tmp_path, values="a: [\n"))


@pytest.mark.parametrize(
    "given",
    [
        {"env": "DATABASE_URL=sqlite:////var/lib/shop/shop.db\n"},
        {"environment": {"DATABASE_URL": "sqlite:////var/lib/shop/shop.db"}},
        {"values": "config: {DATABASE_URL: 'sqlite:////var/lib/shop/shop.db'}\n"},
    ],
    ids=str,
)
def test_an_sqlite_database_that_a_setting_names_is_on_the_claim(tmp_path: Path, given: dict[str, Any]) -> None:
    assert prepare(wanted(tmp_path, **given)).claim == "shop-data"
    assert written_values(tmp_path)["volumeMounts"][0]["mountPath"] == "/var/lib/shop"


def test_a_database_for_development_does_not_replace_the_one_of_the_server(tmp_path: Path) -> None:
    writes = (written("instance/shop.db", "SQLite database", shared=True),)
    env = "DEV_DATABASE_URL=postgresql://localhost/shop\n"
    assert prepare(wanted(tmp_path, env=env, surroundings={"writes": writes})).claim == "shop-data"


UPLOADS = {"writes": (written("uploads", shared=True),)}


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ("autoscaling: {mode: hpa}\n", "autoscaling.mode to hpa"),
        ("replicaCount: 3\n", "replicaCount to 3"),
        ("rollout: {strategy: RollingUpdate}\n", "rollout.strategy to RollingUpdate"),
    ],
)
def test_more_pods_than_can_have_the_files_are_refused(tmp_path: Path, values: str, key: str) -> None:
    with pytest.raises(DeploymentError, match=f"my.values sets {key}, while one pod alone"):
        prepare(wanted(tmp_path, values=values, surroundings=UPLOADS))
    prepare(wanted(tmp_path, values=values))


def test_who_mounts_a_volume_of_their_own_may_have_more_pods(tmp_path: Path) -> None:
    values = """
        autoscaling: {mode: hpa}
        volumes: [{name: nfs, persistentVolumeClaim: {claimName: nfs}}]
        volumeMounts: [{name: nfs, mountPath: /srv/uploads}]
    """
    prepared = prepare(wanted(tmp_path, values=values, surroundings=UPLOADS))
    joined = yaml.safe_load(Path(prepared.files[-1]).read_text())
    assert joined["volumeMounts"] == [{"name": "nfs", "mountPath": "/srv/uploads"}]


def test_a_volume_of_the_users_is_added_to_those_of_the_data(tmp_path: Path) -> None:
    """Helm would replace the list, and the data would be written into the pod."""
    values = "volumes: [{name: ca, configMap: {name: ca}}]\nvolumeMounts: [{name: ca, mountPath: /ca}]\n"
    prepared = prepare(wanted(tmp_path, values=values, surroundings=UPLOADS))
    assert prepared.files[1] == str(tmp_path / "my.values")
    joined = yaml.safe_load(Path(prepared.files[2]).read_text())
    assert [each["name"] for each in joined["volumes"]] == ["shared", "ca"]
    assert [each["mountPath"] for each in joined["volumeMounts"]] == ["/srv/uploads", "/ca"]


def test_a_claim_has_the_storage_class_of_the_values_file(tmp_path: Path) -> None:
    asked = wanted(tmp_path, values="persistence: {storageClassName: nfs}\n", surroundings=UPLOADS)
    prepare(asked).put()
    assert isinstance(asked.kubectl, FakeKubectl)
    assert asked.kubectl.objects["PersistentVolumeClaim", "shop-data"]["spec"]["storageClassName"] == "nfs"


def mounted(*paths: str) -> dict[str, Any]:
    """The values of a release that has these paths on its claim."""
    return {
        "volumes": [{"name": "shared", "persistentVolumeClaim": {"claimName": "shop-data"}}],
        "volumeMounts": [{"name": "shared", "mountPath": each, "subPath": "x"} for each in paths],
    }


def test_data_that_a_change_of_the_code_would_leave_on_the_claim_is_refused_with_the_keys_that_decide(
    tmp_path: Path, nothing_deployed: dict[str, Any]
) -> None:
    nothing_deployed |= mounted("/srv/instance", "/srv/uploads")
    with pytest.raises(DeploymentError, match="the release has data in /srv/instance") as refused:
        prepare(wanted(tmp_path, surroundings=UPLOADS))
    assert 'writable = ["instance"] in flask-app.toml to keep it, or scratch = ["instance"]' in str(refused.value)
    assert "/srv/uploads" not in str(refused.value)
    (note,) = prepare(wanted(tmp_path, surroundings=UPLOADS, development=True)).notes
    assert "the release has data in /srv/instance" in note


def test_a_wider_folder_does_not_hide_data_that_is_mounted(tmp_path: Path, nothing_deployed: dict[str, Any]) -> None:
    nothing_deployed |= mounted("/srv/var/uploads")
    prepare(wanted(tmp_path, surroundings={"writes": (written("var", shared=True),)}))
    mounts = written_values(tmp_path)["volumeMounts"]
    assert [(each["mountPath"], each["subPath"]) for each in mounts] == [
        ("/srv/var", "var"), ("/srv/var/uploads", "var-uploads"),
    ]  # fmt: skip


def test_data_that_is_given_up_on_purpose_is_not_mounted(tmp_path: Path, nothing_deployed: dict[str, Any]) -> None:
    nothing_deployed |= mounted("/srv/instance", "/srv/var")
    prepare(
        wanted(
            tmp_path,
            env="DATABASE_URL=postgresql://db/shop\n",
            surroundings={
                "writes": (
                    written("instance/shop.db", "SQLite database", shared=True),
                    Written("var", "flask-app.toml", "folder", shared=False),
                )
            },
        )
    )
    assert [each["mountPath"] for each in written_values(tmp_path)["volumeMounts"]] == ["/srv/var"]


def test_a_claim_is_made_once_and_stays_as_it_is(tmp_path: Path) -> None:
    asked = wanted(tmp_path, surroundings={"writes": (written("uploads", shared=True),)})
    prepare(asked).put()
    assert isinstance(asked.kubectl, FakeKubectl)
    claim = asked.kubectl.objects["PersistentVolumeClaim", "shop-data"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    claim["spec"]["resources"] = "enlarged since"
    prepare(asked).put()
    assert asked.kubectl.objects["PersistentVolumeClaim", "shop-data"]["spec"]["resources"] == "enlarged since"
