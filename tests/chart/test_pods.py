"""Everything else that a pod, an image and an object can have."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chart.rendering import Object, annotations_of, render, template

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("image", "registry", "expected"),
    [
        ({"repository": "r/i", "tag": "v2"}, "", "r/i:v2"),
        ({"repository": "r/i", "tag": "1.10"}, "", "r/i:1.10"),
        ({"repository": "r/i", "tag": ""}, "", "r/i:0.1.0"),
        ({"repository": "r/i", "tag": "v2", "digest": DIGEST}, "", f"r/i:v2@{DIGEST}"),
        ({"repository": "ghcr.io/x/i", "tag": "1"}, "mirror:5000", "mirror:5000/x/i:1"),
        ({"repository": "localhost/i", "tag": "1"}, "mirror.example/cache/", "mirror.example/cache/i:1"),
        ({"repository": "x/i", "tag": "1"}, "mirror.example", "mirror.example/x/i:1"),
    ],
)
def test_the_image_is_named_by_tag_or_digest_and_found_in_the_mirror(
    helm: Path, image: Object, registry: str, expected: str
) -> None:
    values: Object = {"image": image, "global": {"imageRegistry": registry}}
    rendered = render(helm, values=values)
    assert rendered.container["image"] == expected
    assert rendered.of("Pod", "test")["spec"]["containers"][0]["image"] == expected


def test_pull_secrets_of_the_parent_chart_are_added_once(helm: Path) -> None:
    values: Object = {
        "imagePullSecrets": [{"name": "a"}],
        "global": {"imagePullSecrets": [{"name": "b"}, {"name": "a"}]},
    }
    for spec in render(helm, values=values).pod_specs().values():
        assert spec["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}]


def test_every_field_of_the_pod_reaches_it(helm: Path) -> None:
    fields: Object = {
        "priorityClassName": "high",
        "runtimeClassName": "gvisor",
        "schedulerName": "volcano",
        "dnsPolicy": "Default",
        "hostUsers": False,
        "shareProcessNamespace": False,
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "k", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "hostAliases": [{"ip": "10.0.0.7", "hostnames": ["db"]}],
        "dnsConfig": {"options": [{"name": "ndots", "value": "2"}]},
        "initContainers": [{"name": "i", "image": "busybox"}],
    }
    spec = render(helm, values=fields).pod["spec"]
    assert fields.items() <= spec.items()
    bare = render(helm).pod["spec"]
    assert not fields.keys() & bare.keys(), "nothing is stated that was not asked for"


def test_every_field_of_the_container_reaches_it(helm: Path) -> None:
    fields: Object = {
        "command": ["server"],
        "args": ["--fast"],
        "workingDir": "/srv/x",
        "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}],
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
        "securityContext": {"runAsUser": 7, "capabilities": {"add": ["NET_BIND_SERVICE"]}},
    }
    values = fields | {
        "extraPorts": [{"name": "debug", "containerPort": 9000}],
        "volumes": [{"name": "ca", "configMap": {"name": "ca"}}],
        "volumeMounts": [{"name": "ca", "mountPath": "/ca"}],
        "extraContainers": [{"name": "beside", "image": "b"}],
        "lifecycle": {"postStart": {"exec": {"command": ["true"]}}},
    }
    rendered = render(helm, values=values)
    container = rendered.container
    for name in ("command", "args", "workingDir", "resizePolicy", "resources"):
        assert container[name] == fields[name]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}
    assert container["ports"][-1] == {"name": "debug", "containerPort": 9000}
    assert container["volumeMounts"][-1] == {"name": "ca", "mountPath": "/ca"}
    assert set(container["lifecycle"]) == {"preStop", "postStart"}
    assert rendered.pod["spec"]["containers"][1:] == [{"name": "beside", "image": "b"}]
    assert rendered.pod["spec"]["volumes"][-1] == {"name": "ca", "configMap": {"name": "ca"}}


def test_labels_and_annotations_reach_every_object(helm: Path) -> None:
    values: Object = {
        "commonLabels": {"team": "shop", "app.kubernetes.io/component": "mine"},
        "commonAnnotations": {"owner": "shop"},
        "global": {"labels": {"cost": "42"}},
        "deploymentAnnotations": {"reload": "auto"},
        "podAnnotations": {"a": "1"},
        "podLabels": {"app.kubernetes.io/component": "mine", "x": "y"},
        "configFiles": {"/a": "b"},
        "secrets": {"values": {"K": "v"}},
        "workers": {"w": {"command": ["w"]}},
        "migrations": {"enabled": True},
        "ingress": {"enabled": True, "hosts": [{"host": "a.example"}]},
        "networkPolicy": {"enabled": True},
    }
    rendered = render(helm, values=values)
    assert len(rendered.objects) > 15
    for o in rendered.objects:
        assert {"team": "shop", "cost": "42"}.items() <= o["metadata"]["labels"].items()
        assert annotations_of(o)["owner"] == "shop"
        assert o["metadata"]["labels"]["app.kubernetes.io/component"] != "mine"
    assert annotations_of(rendered["Deployment"])["reload"] == "auto"
    labels = rendered.pod["metadata"]["labels"]
    assert labels["app.kubernetes.io/component"] == "server", "the selector's labels take precedence"
    assert {"team": "shop", "x": "y"}.items() <= labels.items()
    assert annotations_of(rendered.pod)["a"] == "1"


def test_extra_objects_are_templates_as_maps_and_as_text(helm: Path) -> None:
    values: Object = {
        "extraObjects": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-map"}},
            'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ include "flask-app.fullname" . }}-text\n',
        ]
    }
    done = template(helm, values=values)
    assert done.returncode == 0, done.stderr
    assert "name: 'web-map'" in done.stdout or "name: web-map" in done.stdout
    assert "name: web-flask-app-text" in done.stdout


def test_scrape_annotations_name_the_port(helm: Path) -> None:
    annotations = annotations_of(render(helm, "metrics.scrapeAnnotations=true").pod)
    assert annotations == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": "5001",
        "prometheus.io/path": "/metrics",
    }


def test_it_works_as_a_subchart(helm: Path) -> None:
    render(helm, values={"global": {"anything": 1}, "enabled": True})


def test_a_new_chart_version_does_not_restart_the_pods(helm: Path) -> None:
    labels = render(helm).pod["metadata"]["labels"]
    assert set(labels) == {"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"}
