"""Every pod meets the restricted Pod Security Standard, and has no more rights than it was given."""

from __future__ import annotations

from pathlib import Path

from tests.chart.rendering import Object, render

EVERYTHING: Object = {
    "workers": {"w": {"command": ["w"]}},
    "cronJobs": {"c": {"command": ["c"], "schedule": "@daily"}},
    "migrations": {"enabled": True},
}


def test_every_pod_meets_the_restricted_standard(helm: Path) -> None:
    specs = render(helm, values=EVERYTHING).pod_specs()
    assert set(specs) == {"server", "worker-w", "cronjob-c", "migration", "test"}
    for spec in specs.values():
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["requests"].keys() >= {"cpu", "memory"}


def test_on_openshift_the_platform_chooses_the_user(helm: Path) -> None:
    sets = [f"podSecurityContext.{name}=null" for name in ("runAsUser", "runAsGroup", "fsGroup")]
    for spec in render(helm, *sets, values=EVERYTHING).pod_specs().values():
        assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        assert not any("runAsUser" in container["securityContext"] for container in spec["containers"])


def test_the_service_account_has_no_token_and_no_rights(helm: Path) -> None:
    rendered = render(helm)
    assert rendered["ServiceAccount"]["automountServiceAccountToken"] is False
    assert not {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"} & set(rendered.kinds())


def test_a_service_account_that_exists_is_used(helm: Path) -> None:
    rendered = render(helm, "serviceAccount.create=false", "serviceAccount.name=mine", values=EVERYTHING)
    assert rendered.all("ServiceAccount") == []
    assert {spec["serviceAccountName"] for spec in rendered.pod_specs().values()} == {"mine"}
    assert render(helm, "serviceAccount.create=false").pod["spec"]["serviceAccountName"] == "default"


def test_a_token_and_rights_are_given_on_request(helm: Path) -> None:
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]
    account: Object = {
        "automount": True,
        "rules": rules,
        "labels": {"l": "1"},
        "annotations": {"eks.amazonaws.com/role-arn": "arn"},
    }
    rendered = render(helm, values={"serviceAccount": account})
    assert rendered["ServiceAccount"]["metadata"]["annotations"] == account["annotations"]
    assert rendered["ServiceAccount"]["metadata"]["labels"]["l"] == "1"
    assert rendered.pod["spec"]["automountServiceAccountToken"] is True
    assert rendered["Role"]["rules"] == rules
    binding = rendered["RoleBinding"]
    assert binding["roleRef"]["name"] == rendered["Role"]["metadata"]["name"]
    (subject,) = binding["subjects"]
    assert subject == {
        "kind": "ServiceAccount",
        "name": rendered["ServiceAccount"]["metadata"]["name"],
        "namespace": "shop",
    }
