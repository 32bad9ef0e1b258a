"""The ways in: Service, Ingress, HTTPRoute; and who may use them: NetworkPolicy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nodrop.config.settings import ServingSettings
from tests.chart.rendering import Object, render

PARENT = {"name": "public", "namespace": "gateways"}
SERVICE: Object = {"group": "", "kind": "Service", "name": "web-flask-app", "weight": 1}


def test_the_service_serves_port_5000_and_nothing_else(helm: Path) -> None:
    rendered = render(helm)
    (port,) = rendered["Service"]["spec"]["ports"]
    assert port["port"] == 5000
    ports = {p["name"]: p["containerPort"] for p in rendered.container["ports"]}
    assert ports[port["targetPort"]] == ServingSettings.from_environment({}).port == 5000


@pytest.mark.parametrize("name", ["web", "a" * 53, f"{'a' * 46}-bcdef"])
def test_a_pod_is_told_where_to_see_which_others_are_ready(helm: Path, name: str) -> None:
    rendered = render(helm, f"fullnameOverride={name}-flask-app")
    told = rendered.env["PEER_SERVICE"]
    peers = rendered.peers
    assert peers["metadata"]["name"] == told
    assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])", told)
    assert told != rendered["Service"]["metadata"]["name"]
    assert peers["spec"]["selector"] == rendered["Service"]["spec"]["selector"]
    assert ServingSettings.from_environment({"PEER_SERVICE": told}).peer_service == told


def test_the_service_selects_the_servers_pods_and_no_others(helm: Path) -> None:
    values: Object = {
        "workers": {"w": {"command": ["w"]}},
        "cronJobs": {"c": {"command": ["c"], "schedule": "@daily"}},
        "migrations": {"enabled": True},
    }
    rendered = render(helm, values=values)
    selector = rendered["Service"]["spec"]["selector"].items()
    assert selector <= rendered.pod["metadata"]["labels"].items()
    others = [rendered.of("Pod", "test")["metadata"]]
    others.append(rendered.of("Deployment", "worker-w")["spec"]["template"]["metadata"])
    others.append(rendered.of("Job", "migration")["spec"]["template"]["metadata"])
    others.append(rendered.of("CronJob", "cronjob-c")["spec"]["jobTemplate"]["spec"]["template"]["metadata"])
    for metadata in others:
        assert not selector <= metadata["labels"].items()
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert rendered[kind]["spec"]["selector"]["matchLabels"].items() == selector


def test_a_sidecar_can_stand_in_front_of_the_server(helm: Path) -> None:
    sidecar = {"name": "auth", "image": "auth:1", "ports": [{"name": "auth", "containerPort": 8080}]}
    for given, expected in (("auth", "auth"), ("8080", 8080)):
        rendered = render(helm, f"service.targetPort={given}", values={"extraContainers": [sidecar]})
        (port,) = rendered["Service"]["spec"]["ports"]
        assert port["targetPort"] == expected


def test_more_of_the_service_is_given_in_kubernetes_form(helm: Path) -> None:
    values: Object = {
        "extraPorts": [{"name": "debug", "containerPort": 9000}],
        "service": {
            "type": "NodePort",
            "port": 80,
            "nodePort": 30080,
            "labels": {"tier": "front"},
            "annotations": {"b": "2"},
            "extraPorts": [{"name": "debug", "port": 9000, "targetPort": "debug"}],
            "spec": {"externalTrafficPolicy": "Local", "trafficDistribution": "PreferClose"},
        },
    }
    service = render(helm, values=values)["Service"]
    assert service["metadata"]["labels"]["tier"] == "front"
    assert service["metadata"]["annotations"] == {"b": "2"}
    spec = service["spec"]
    assert (spec["type"], spec["externalTrafficPolicy"], spec["trafficDistribution"]) == (
        "NodePort",
        "Local",
        "PreferClose",
    )
    assert [(p["name"], p["port"], p.get("nodePort")) for p in spec["ports"]] == [
        ("http", 80, 30080),
        ("debug", 9000, None),
    ]


def test_a_host_without_paths_gets_all_of_them(helm: Path) -> None:
    values: Object = {
        "ingress": {
            "enabled": True,
            "className": "nginx",
            "annotations": {"a": "b"},
            "labels": {"c": "d"},
            "hosts": [{"host": "shop.example"}, {"paths": [{"path": "/x", "pathType": "Exact"}]}],
            "tls": [{"secretName": "t", "hosts": ["shop.example"]}],
        }
    }
    ingress = render(helm, values=values)["Ingress"]
    assert (ingress["metadata"]["annotations"], ingress["metadata"]["labels"]["c"]) == ({"a": "b"}, "d")
    spec = ingress["spec"]
    assert (spec["ingressClassName"], spec["tls"]) == ("nginx", values["ingress"]["tls"])
    first, second = spec["rules"]
    backend = {"service": {"name": "web-flask-app", "port": {"name": "http"}}}
    assert first == {
        "host": "shop.example",
        "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
    }
    assert second == {"http": {"paths": [{"path": "/x", "pathType": "Exact", "backend": backend}]}}


def test_a_path_can_lead_to_another_service(helm: Path) -> None:
    other = {"service": {"name": "static", "port": {"number": 80}}}
    values: Object = {
        "ingress": {"enabled": True, "hosts": [{"paths": [{"path": "/", "pathType": "Prefix", "backend": other}]}]}
    }
    (rule,) = render(helm, values=values)["Ingress"]["spec"]["rules"]
    assert rule["http"]["paths"][0]["backend"] == other


def test_every_rule_of_a_route_has_matches_and_leads_somewhere(helm: Path) -> None:
    redirect = {"type": "RequestRedirect", "requestRedirect": {"statusCode": 301}}
    weighted = [{"name": "canary", "port": 5000, "weight": 1}]
    values: Object = {
        "httpRoute": {
            "enabled": True,
            "parentRefs": [PARENT],
            "hostnames": ["shop.example"],
            "rules": [
                {"timeouts": {"request": "60s"}},
                {"filters": [redirect], "matches": [{"path": {"type": "Exact", "value": "/old"}}]},
                {"backendRefs": weighted},
            ],
        }
    }
    spec = render(helm, values=values)["HTTPRoute"]["spec"]
    # The API server adds these defaults, and Argo CD would see a difference for ever.
    gateway = PARENT | {"group": "gateway.networking.k8s.io", "kind": "Gateway"}
    assert (spec["parentRefs"], spec["hostnames"]) == ([gateway], ["shop.example"])
    first, second, third = spec["rules"]
    everything = [{"path": {"type": "PathPrefix", "value": "/"}}]
    assert first == {
        "timeouts": {"request": "60s"},
        "matches": everything,
        "backendRefs": [SERVICE | {"port": 5000}],
    }
    assert "backendRefs" not in second, "a redirect leads nowhere"
    assert second["matches"][0]["path"]["value"] == "/old"
    assert (third["backendRefs"], third["matches"]) == (weighted, everything)


def test_a_route_without_rules_leads_every_path_to_the_service(helm: Path) -> None:
    values: Object = {"httpRoute": {"enabled": True, "parentRefs": [PARENT]}, "service": {"port": 80}}
    (rule,) = render(helm, values=values)["HTTPRoute"]["spec"]["rules"]
    assert rule["backendRefs"] == [SERVICE | {"port": 80}]


def test_only_named_peers_and_the_test_reach_the_ports(helm: Path) -> None:
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}
    scraper = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    values: Object = {"networkPolicy": {"enabled": True, "from": [peer], "metricsFrom": [scraper]}}
    rendered = render(helm, values=values)
    spec = rendered["NetworkPolicy"]["spec"]
    assert sorted(spec["policyTypes"]) == ["Egress", "Ingress"]
    application, metrics = spec["ingress"]
    test, named = application["from"]
    assert named == peer
    assert test["podSelector"]["matchLabels"].items() <= rendered.of("Pod", "test")["metadata"]["labels"].items()
    assert application["ports"] == [{"port": "http"}]
    assert (metrics["from"], metrics["ports"]) == ([scraper], [{"port": "management"}])


def test_the_policy_covers_every_pod_of_the_release(helm: Path) -> None:
    values: Object = {
        "networkPolicy": {"enabled": True},
        "workers": {"w": {"command": ["w"]}},
        "migrations": {"enabled": True},
    }
    rendered = render(helm, values=values)
    selector = rendered["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"].items()
    pods = [o["spec"]["template"]["metadata"] for kind in ("Deployment", "Job") for o in rendered.all(kind)]
    assert len(pods) == 3
    for metadata in [*pods, rendered.of("Pod", "test")["metadata"]]:
        assert selector <= metadata["labels"].items()


def test_without_a_named_scraper_nobody_reaches_the_management_port(helm: Path) -> None:
    ingress = render(helm, "networkPolicy.enabled=true")["NetworkPolicy"]["spec"]["ingress"]
    assert [rule["ports"] for rule in ingress] == [[{"port": "http"}]]


def test_dns_and_stated_egress_go_out(helm: Path) -> None:
    database = {"to": [{"podSelector": {"matchLabels": {"app": "database"}}}], "ports": [{"port": 5432}]}
    values: Object = {"networkPolicy": {"enabled": True, "egress": [database]}}
    dns, own, stated = render(helm, values=values)["NetworkPolicy"]["spec"]["egress"]
    assert {(p["port"], p["protocol"]) for p in dns["ports"]} == {(53, "UDP"), (53, "TCP")}
    assert own["to"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/instance"] == "web"
    assert stated == database


def test_every_port_of_the_service_is_open_under_the_policy(helm: Path) -> None:
    values: Object = {
        "networkPolicy": {"enabled": True},
        "extraContainers": [{"name": "grpc", "image": "grpc:1", "ports": [{"name": "grpc", "containerPort": 9090}]}],
        "service": {"extraPorts": [{"name": "grpc", "port": 90, "targetPort": "grpc"}]},
    }
    rendered = render(helm, values=values)
    opened = [port["port"] for port in rendered["NetworkPolicy"]["spec"]["ingress"][0]["ports"]]
    assert opened == [port["targetPort"] for port in rendered["Service"]["spec"]["ports"]]


def test_a_header_that_is_called_like_a_redirect_does_not_take_the_backend_away(helm: Path) -> None:
    header = {
        "type": "RequestHeaderModifier",
        "requestHeaderModifier": {"set": [{"name": "x", "value": "RequestRedirect"}]},
    }
    values: Object = {"httpRoute": {"enabled": True, "parentRefs": [PARENT], "rules": [{"filters": [header]}]}}
    assert render(helm, values=values)["HTTPRoute"]["spec"]["rules"][0]["backendRefs"]
