"""Workers, cron jobs and migrations: the same image with the same settings, and what each has of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chart.rendering import Object, Rendered, annotations_of, is_hook, render

SHARED: Object = {
    "config": {"A": "1", "B": "1"},
    "extraEnv": [{"name": "E", "value": "1"}],
    "secrets": {"values": {"K": "v"}},
    "configFiles": {"/etc/a": "x"},
    "volumes": [{"name": "v", "emptyDir": {}}],
    "volumeMounts": [{"name": "v", "mountPath": "/v"}],
    "initContainers": [{"name": "proxy", "image": "p", "restartPolicy": "Always"}],
    "extraContainers": [{"name": "beside", "image": "b"}],
    "podLabels": {"team": "x"},
    "nodeSelector": {"disk": "ssd"},
    "priorityClassName": "high",
    "serviceAccount": {"automount": True},
}
OWN: Object = {
    "config": {"B": "2"},
    "extraEnv": [{"name": "F", "value": "2"}],
    "podLabels": {"kind": "own"},
    "nodeSelector": {"disk": "hdd"},
    "resources": {"requests": {"cpu": "1"}},
}
WORKLOADS: Object = {
    "workers": {"celery": {"command": ["celery", "worker"], "args": ["-c", "1"], **OWN}},
    "cronJobs": {"news": {"command": ["flask", "news"], "schedule": "0 7 * * 1", **OWN}},
    "migrations": {"enabled": True, **OWN},
}
COMPONENTS = ["worker-celery", "cronjob-news", "migration"]


def template_of(rendered: Rendered, component: str) -> Object:
    """The pod template of the workload of this component."""
    (workload,) = [
        o
        for kind in ("Deployment", "CronJob", "Job")
        for o in rendered.all(kind)
        if o["metadata"]["labels"]["app.kubernetes.io/component"] == component
    ]
    spec = workload["spec"]
    return dict(spec.get("jobTemplate", {}).get("spec", spec)["template"])


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_workload_inherits_what_a_pod_has_and_has_its_own(helm: Path, component: str) -> None:
    rendered = render(helm, values=SHARED | WORKLOADS)
    pod = template_of(rendered, component)
    container = pod["spec"]["containers"][0]
    assert container["image"] == rendered.container["image"]
    env = {e["name"]: e["value"] for e in container["env"]}
    assert env == {"A": "1", "B": "2", "E": "1", "F": "2", "HOME": "/tmp", "SECRETS_DIR": "/run/secrets/app"}
    assert container["resources"] == {"requests": {"cpu": "1"}}
    assert {m["mountPath"] for m in container["volumeMounts"]} == {"/tmp", "/run/secrets/app", "/etc/a", "/v"}
    assert {v["name"] for v in pod["spec"]["volumes"]} == {"tmp", "secrets", "config-files", "v"}
    assert pod["spec"]["initContainers"] == SHARED["initContainers"]
    assert (pod["spec"]["nodeSelector"], pod["spec"]["priorityClassName"]) == ({"disk": "hdd"}, "high")
    assert {"team": "x", "kind": "own"}.items() <= pod["metadata"]["labels"].items()
    assert pod["spec"]["automountServiceAccountToken"] is True
    # A container that keeps running would keep a job from ending.
    beside = component == "worker-celery"
    assert [c["name"] for c in pod["spec"]["containers"][1:]] == (["beside"] if beside else [])
    assert "ports" not in container
    assert "livenessProbe" not in container


def test_the_server_is_not_changed_by_what_a_workload_has(helm: Path) -> None:
    assert render(helm, values=SHARED | WORKLOADS)["Deployment"] == render(helm, values=SHARED)["Deployment"]


def test_a_worker_has_a_command_probes_and_time_to_finish(helm: Path) -> None:
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 60}
    worker = {
        "command": ["celery"],
        "args": ["-c", "1"],
        "terminationGracePeriodSeconds": 300,
        "probes": {"liveness": probe},
        "strategy": {"type": "Recreate"},
        "minReadySeconds": 3,
        "lifecycle": {"postStart": {"exec": {"command": ["true"]}}},
    }
    rendered = render(helm, values={"workers": {"celery": worker}})
    deployment = rendered.of("Deployment", "worker-celery")
    assert deployment["metadata"]["name"] == "web-flask-app-celery"
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert deployment["spec"]["minReadySeconds"] == 3
    pod = deployment["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert (container["name"], container["command"], container["args"]) == ("celery", ["celery"], ["-c", "1"])
    assert container["livenessProbe"] == probe
    assert container["lifecycle"] == worker["lifecycle"]
    assert pod["terminationGracePeriodSeconds"] == 300
    assert pod["topologySpreadConstraints"][0]["labelSelector"] == deployment["spec"]["selector"]


def test_a_worker_rolls_without_loss_and_has_a_budget_by_default(helm: Path) -> None:
    rendered = render(helm, values={"workers": {"rq": {"command": ["rq"], "replicaCount": 2}}})
    strategy = rendered.of("Deployment", "worker-rq")["spec"]["strategy"]
    assert strategy["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": "25%"}
    budget = rendered.of("PodDisruptionBudget", "worker-rq")["spec"]
    assert budget["maxUnavailable"] == 1
    selector = rendered.of("Deployment", "worker-rq")["spec"]["selector"]
    assert budget["selector"] == selector
    one = render(helm, values={"workers": {"rq": {"command": ["rq"]}}})
    assert len(one.all("PodDisruptionBudget")) == 1, "only the server's"


def test_a_cron_job_runs_once_at_a_time_and_survives_the_loss_of_a_node(helm: Path) -> None:
    job = {"command": ["x"], "schedule": "@daily", "timeZone": "Europe/Zurich", "activeDeadlineSeconds": 60}
    rendered = render(helm, values={"cronJobs": {"news": job}})
    spec = rendered.of("CronJob", "cronjob-news")["spec"]
    assert (spec["schedule"], spec["timeZone"], spec["concurrencyPolicy"]) == ("@daily", "Europe/Zurich", "Forbid")
    job_spec = spec["jobTemplate"]["spec"]
    assert (job_spec["backoffLimit"], job_spec["activeDeadlineSeconds"]) == (0, 60)
    (rule,) = job_spec["podFailurePolicy"]["rules"]
    assert (rule["action"], rule["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")
    assert job_spec["template"]["spec"]["restartPolicy"] == "Never"


def test_a_migration_runs_before_the_release_and_its_name_is_its_lock(helm: Path) -> None:
    rendered = render(helm, values={"migrations": {"enabled": True}})
    job = rendered.of("Job", "migration")
    annotations = annotations_of(job)
    assert annotations["helm.sh/hook"] == "pre-install,pre-upgrade"
    # Deleted before a new one is made, a running migration would be killed by the next.
    assert "before-hook-creation" not in annotations["helm.sh/hook-delete-policy"]
    assert annotations["helm.sh/hook-output-log-policy"] == "hook-failed"
    assert (job["spec"]["backoffLimit"], job["spec"]["activeDeadlineSeconds"]) == (0, 240)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["nodrop", "run", "--", "flask", "db", "upgrade"]
    # Helm 4 would take over the Job of another revision, if its template were the same.
    assert job["spec"]["template"]["metadata"]["annotations"]["helm.sh/revision"] == "1"


def test_a_migration_has_all_it_needs_before_the_first_install(helm: Path) -> None:
    """What it refers to is made by hooks that run before it, since the release's own objects come after it."""
    shared: Object = SHARED | {"persistence": {"enabled": True}, "migrations": {"enabled": True}}
    rendered = render(helm, values=shared)
    job = rendered.of("Job", "migration")
    hooks = {(o["kind"], o["metadata"]["name"]) for o in rendered.objects if is_hook(o) and o is not job}
    pod = job["spec"]["template"]["spec"]
    volumes = {v["name"]: v for v in pod["volumes"]}
    assert ("ServiceAccount", pod["serviceAccountName"]) in hooks
    assert ("ConfigMap", volumes["config-files"]["configMap"]["name"]) in hooks
    assert ("Secret", volumes["secrets"]["secret"]["secretName"]) in hooks
    assert "data" not in volumes
    for o in rendered.objects:
        if is_hook(o) and o["kind"] in {"ServiceAccount", "ConfigMap", "Secret"}:
            assert int(annotations_of(o)["helm.sh/hook-weight"]) < 0
    claim: Object = SHARED | {"persistence": {"enabled": True, "existingClaim": "c"}, "migrations": {"enabled": True}}
    spec = render(helm, values=claim).of("Job", "migration")["spec"]["template"]["spec"]
    assert "data" in {v["name"] for v in spec["volumes"]}


def test_a_migration_uses_the_service_account_that_exists(helm: Path) -> None:
    values: Object = {"migrations": {"enabled": True}, "serviceAccount": {"create": False, "name": "mine"}}
    rendered = render(helm, values=values)
    assert rendered.of("Job", "migration")["spec"]["template"]["spec"]["serviceAccountName"] == "mine"
    assert rendered.all("ServiceAccount") == []


def test_a_variable_of_a_workload_takes_the_place_of_an_inherited_one_in_either_form(helm: Path) -> None:
    values: Object = {
        "config": {"A": "1", "B": "1"},
        "extraEnv": [{"name": "C", "value": "1"}, {"name": "D", "value": "1"}],
        "workers": {
            "w": {
                "command": ["w"],
                "config": {"B": "2", "C": "2"},
                "extraEnv": [{"name": "A", "value": "2"}, {"name": "D", "value": "2"}],
            }
        },
    }
    rendered = render(helm, values=values)
    env = template_of(rendered, "worker-w")["spec"]["containers"][0]["env"]
    assert sorted((e["name"], e["value"]) for e in env if e["name"] in "ABCD") == [(name, "2") for name in "ABCD"]
    assert {rendered.env[name] for name in "ABCD"} == {"1"}


def test_an_entry_that_is_null_is_left_out(helm: Path) -> None:
    values: Object = {"workers": {"celery": None, "rq": {"command": ["rq"]}}, "cronJobs": {"news": None}}
    rendered = render(helm, values=values)
    assert len(rendered.all("Deployment")) == 2
    assert rendered.all("CronJob") == []


def test_a_refused_upgrade_takes_nothing_away_from_the_migration_that_runs(helm4: Path) -> None:
    """What it mounts is named by the revision: an upgrade has another, so it neither deletes nor replaces it."""
    rendered = render(helm4, values=SHARED | {"migrations": {"enabled": True}})
    for kind in ("ConfigMap", "Secret"):
        (hook,) = [o for o in rendered.all(kind) if is_hook(o)]
        assert hook["metadata"]["name"] == "web-flask-app-migrations-1"


def test_a_migration_has_the_permissions_of_the_application(helm: Path) -> None:
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]
    values: Object = {"migrations": {"enabled": True}, "serviceAccount": {"automount": True, "rules": rules}}
    rendered = render(helm, values=values)
    bound = {subject["name"] for subject in rendered["RoleBinding"]["subjects"]}
    assert bound == {spec["serviceAccountName"] for spec in rendered.pod_specs().values()}


def test_a_worker_of_keda_can_scale_to_none(helm: Path) -> None:
    trigger = {"type": "redis", "metadata": {"listName": "jobs"}}
    autoscaling = {
        "mode": "keda",
        "minReplicas": 0,
        "targetCPUUtilizationPercentage": 0,
        "keda": {"triggers": [trigger]},
    }
    rendered = render(helm, values={"workers": {"w": {"command": ["w"], "autoscaling": autoscaling}}})
    spec = rendered.of("ScaledObject", "worker-w")["spec"]
    assert (spec["minReplicaCount"], spec["triggers"]) == (0, [trigger])


@pytest.mark.parametrize("component", ["server", "worker-w", "migration"])
def test_a_container_without_an_image_runs_the_applications(helm: Path, component: str) -> None:
    collect = {"name": "collect", "command": ["flask", "collect"], "resources": {"requests": {"cpu": "10m"}}}
    values: Object = {
        "config": {"A": "1"},
        "secrets": {"existingSecret": "s"},
        "initContainers": [collect],
        "workers": {"w": {"command": ["w"], "config": {"A": "2"}}},
        "migrations": {"enabled": True},
    }
    rendered = render(helm, values=values)
    (container,) = template_of(rendered, component)["spec"]["initContainers"]
    assert (container["image"], container["command"]) == (rendered.container["image"], ["flask", "collect"])
    assert container["resources"]["requests"]["cpu"] == "10m"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    env = {e["name"]: e["value"] for e in container["env"]}
    assert env["A"] == ("2" if component == "worker-w" else "1")
    assert {m["mountPath"] for m in container["volumeMounts"]} >= {"/tmp", env["SECRETS_DIR"]}


def test_what_the_server_does_after_its_start_no_other_workload_does(helm: Path) -> None:
    values: Object = {"lifecycle": {"postStart": {"exec": {"command": ["warm"]}}}} | WORKLOADS
    rendered = render(helm, values=values)
    assert "postStart" in rendered.container["lifecycle"]
    for component in COMPONENTS:
        assert "lifecycle" not in template_of(rendered, component)["spec"]["containers"][0]
