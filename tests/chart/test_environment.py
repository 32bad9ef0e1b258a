"""What reaches the application: settings, secrets, files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from nodrop.config.settings import ServingSettings
from tests.chart.rendering import Object, annotations_of, render, template


def kubernetes_expands(value: str, defined: dict[str, str]) -> str:
    """What a container gets for an environment variable that is written like this: Kubernetes' own rules."""
    return re.sub(
        r"\$(\$|\((\w+)\))",
        lambda m: "$" if m[1] == "$" else defined.get(m[2], m[0]),
        value,
    )


@pytest.mark.parametrize(
    "value", ["x", "", 'a"b: {c}', "pa$$word", "$(HOME)", "$", "$$$(PORT)", "a\nb", "{{ .Values }}"]
)
def test_a_setting_arrives_as_it_is_written(helm: Path, value: str) -> None:
    rendered = render(helm, values={"config": {"A": value}})
    assert kubernetes_expands(rendered.env["A"], rendered.env) == value


def test_settings_of_nodrop_may_be_numbers_and_booleans(helm: Path) -> None:
    env = render(helm, values={"config": {"MAX_REQUESTS": 1000000, "STALL_TIMEOUT": 0, "ACCESS_LOG": False}}).env
    assert env.items() >= {"MAX_REQUESTS": "1000000", "STALL_TIMEOUT": "0", "ACCESS_LOG": "false"}.items()
    ServingSettings.from_environment({name: env[name] for name in ("MAX_REQUESTS", "STALL_TIMEOUT", "ACCESS_LOG")})


def test_references_are_made_in_kubernetes_form(helm: Path) -> None:
    entries = [
        {"name": "DB_USER", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "URL", "value": "db://$(DB_USER)"},
    ]
    rendered = render(helm, values={"extraEnv": entries, "extraEnvFrom": [{"secretRef": {"name": "s"}}]})
    assert rendered.container["env"][-2:] == entries
    assert rendered.container["envFrom"] == [{"secretRef": {"name": "s"}}]


@pytest.mark.parametrize("name", ["PORT", "MANAGEMENT_PORT", "GRACEFUL_TIMEOUT", "PEER_SERVICE"])
def test_what_the_chart_depends_on_can_not_be_moved_by_image_or_secret(helm: Path, name: str) -> None:
    """A variable of the container's own takes precedence over envFrom and over the image."""
    assert name in render(helm).env


def test_there_is_a_home_that_can_be_written_to(helm: Path) -> None:
    rendered = render(helm)
    mounts = {m["mountPath"]: m["name"] for m in rendered.container["volumeMounts"]}
    volumes = {v["name"]: v for v in rendered.pod["spec"]["volumes"]}
    assert "emptyDir" in volumes[mounts[rendered.env["HOME"]]]
    assert render(helm, values={"config": {"HOME": "/data"}}).env["HOME"] == "/data"
    own = render(helm, values={"extraEnv": [{"name": "HOME", "value": "/x"}]}).container["env"]
    assert [e["value"] for e in own if e["name"] == "HOME"] == ["/x"]


@pytest.mark.parametrize("values", [{"existingSecret": "shop-secrets"}, {"values": {"SECRET_KEY": "for-development"}}])
def test_a_secret_is_mounted_where_the_server_looks_for_it(helm: Path, values: Object) -> None:
    rendered = render(helm, values={"secrets": values})
    (volume,) = [v for v in rendered.pod["spec"]["volumes"] if v["name"] == "secrets"]
    (mount,) = [m for m in rendered.container["volumeMounts"] if m["name"] == "secrets"]
    assert (mount["mountPath"], mount["readOnly"]) == (rendered.env["SECRETS_DIR"], True)
    assert ServingSettings.declarations()["secrets_dir"].kind.parse(rendered.env["SECRETS_DIR"])
    name = volume["secret"]["secretName"]
    if "values" in values:
        secret = rendered["Secret"]
        assert (secret["metadata"]["name"], secret["stringData"]) == (name, values["values"])
        assert "for-development" not in yaml.safe_dump(rendered["Deployment"])
    else:
        assert name == "shop-secrets"
        assert "Secret" not in rendered.kinds()


def test_without_a_secret_nothing_of_it_is_there(helm: Path) -> None:
    assert "secrets" not in template(helm).stdout.lower()


def test_a_change_of_what_the_chart_mounts_rolls_the_pods(helm: Path) -> None:
    def marks(value: str) -> Object:
        values: Object = {"secrets": {"values": {"A": value}}, "configFiles": {"/etc/a": value}}
        return annotations_of(render(helm, values=values).pod)

    assert marks("1") == marks("1")
    assert all(marks("1")[name] != marks("2")[name] for name in ("checksum/secret", "checksum/config-files"))


def test_files_are_mounted_by_their_paths(helm: Path) -> None:
    content = {"/etc/shop/a.toml": "x = 1\n", "/etc/other/a.toml": "{{ not a template }}\ty"}
    rendered = render(helm, values={"configFiles": content})
    data = rendered["ConfigMap"]["data"]
    mounted = {m["mountPath"]: m for m in rendered.container["volumeMounts"] if m["name"] == "config-files"}
    assert {path: data[mount["subPath"]] for path, mount in mounted.items()} == content
    (volume,) = [v for v in rendered.pod["spec"]["volumes"] if v["name"] == "config-files"]
    assert volume["configMap"]["name"] == rendered["ConfigMap"]["metadata"]["name"]


def test_a_claim_is_made_mounted_and_kept(helm: Path) -> None:
    rendered = render(helm, values={"persistence": {"enabled": True, "size": "5Gi", "storageClassName": ""}})
    claim = rendered["PersistentVolumeClaim"]
    assert claim["spec"] == {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "",
        "resources": {"requests": {"storage": "5Gi"}},
    }
    assert annotations_of(claim)["helm.sh/resource-policy"] == "keep"
    (volume,) = [v for v in rendered.pod["spec"]["volumes"] if v["name"] == "data"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert {"name": "data", "mountPath": "/data"} in rendered.container["volumeMounts"]


def test_a_claim_that_exists_is_used(helm: Path) -> None:
    rendered = render(helm, values={"persistence": {"enabled": True, "existingClaim": "uploads"}})
    assert "PersistentVolumeClaim" not in rendered.kinds()
    (volume,) = [v for v in rendered.pod["spec"]["volumes"] if v["name"] == "data"]
    assert volume["persistentVolumeClaim"]["claimName"] == "uploads"
