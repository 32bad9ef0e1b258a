"""The gateway of the proof: the real HAProxy with the real configuration, in front of pods that fail on command."""

import json
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.cluster import gateway as harness_gateway
from harness.cluster.gateway import Gateway as InCluster
from prober import Record
from tests.faulty_server import Behaviour
from tests.gateway_process import CONFIG, Cluster, Gateway, NoHAProxy, Pod, Ports, environment, find
from tests.probing import probe, probing, records_in
from tests.serving_process import Server, until

kinds = pytest.mark.parametrize("kind", ["new", "keep-alive"])
# The prober's, whose requests must have their answer within it, all tries together.
TIMEOUT_SECONDS = 5.0
# A body that could be sent again: HAProxy keeps what fits into one of its buffers (16 KiB with the head) for that.
SMALL = ["--body-bytes", "1024"]


@pytest.fixture(scope="session")
def haproxy() -> str:
    """HAProxy's program, or a skip with the reason and the remedy."""
    try:
        return find()
    except NoHAProxy as error:
        pytest.skip(str(error))


@pytest.fixture
def cluster(
    haproxy: str,  # noqa: ARG001  # skipped without it
    tmp_path: Path,
) -> Iterator[Cluster]:
    """Pods and gateways."""
    with Cluster(tmp_path) as cluster:
        yield cluster


def always(behaviour: str) -> Behaviour:
    """A pod that does the same whatever it is sent."""
    return lambda _: behaviour


def errors(records: list[Record]) -> dict[int, str]:
    """The failed requests, and the class of error of each."""
    return {record.number: record.error for record in records if record.error}


def longest(records: list[Record]) -> float:
    """The longest that a request took, in seconds from when it was due."""
    return max(record.done - record.scheduled for record in records)


def received(*pods: Pod) -> Counter[int]:
    """How often each request reached a pod."""
    return sum((pod.application.received for pod in pods), Counter())


def mutated(folder: Path, line: str, other: str = "") -> Path:
    """The configuration with one line, which must be there once, removed or exchanged for another."""
    text = CONFIG.read_text()
    assert text.count(f"\n  {line}\n") == 1, line
    file = folder / "mutant.cfg"
    file.write_text(text.replace(f"\n  {line}\n", f"\n  {other}\n"))
    return file


def retried(gateway: Gateway) -> int:
    """How many tries the gateway has made at another pod, after the first of each request."""
    metrics = gateway.status("/metrics")[1]
    return int(
        re.findall(r'^haproxy_backend_redispatch_warnings_total\{proxy="pods"\} (\d+)$', metrics, re.MULTILINE)[0]
    )


# --- What may be sent again is answered, whatever becomes of a pod --------------------------------------------------


@kinds
@pytest.mark.parametrize(
    ("fault", "seconds"), [("reset", 0.0), ("close", 0.0), ("status 503", 0.0), ("hang", 1.4)]
)  # fmt: skip
def test_a_get_that_one_pod_fails_is_answered_by_another(
    cluster: Cluster, tmp_path: Path, kind: str, fault: str, seconds: float
) -> None:
    good, bad = cluster.pod(), cluster.pod(always(fault))
    gateway = cluster.gateway(good.address, bad.address)
    records = probe(gateway.port, tmp_path, kind=kind, count=100, rate=50)
    assert errors(records) == {}
    assert len(bad.application.received) > 20, "the fault was met"
    assert good.application.received == dict.fromkeys(range(100), 1)
    assert retried(gateway) == bad.application.received.total()
    assert seconds <= longest(records) < seconds + 1


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_what_is_idempotent_is_sent_again_with_its_body(cluster: Cluster, tmp_path: Path, method: str) -> None:
    good, bad = cluster.pod(), cluster.pod(always("reset"))
    gateway = cluster.gateway(good.address, bad.address)
    records = probe(gateway.port, tmp_path, kind="upload", count=60, rate=50, options=[*SMALL, "--method", method])
    assert errors(records) == {}
    assert len(bad.application.received) > 15, "the fault was met"


@kinds
def test_a_pod_that_refuses_connections_costs_no_request(cluster: Cluster, tmp_path: Path, kind: str) -> None:
    """It is ready all the time, so that nothing but the tries themselves can find it out."""
    good, bad = cluster.pod(), cluster.pod()
    gateway = cluster.gateway(good.address, bad.address)
    bad.application.close()
    records = probe(gateway.port, tmp_path, kind=kind, count=100, rate=50)
    assert errors(records) == {}
    assert 0 < retried(gateway) < 30, "it is found out, and gets no more than a try now and then"


@kinds
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stuck"])
def test_a_pod_that_is_lost_with_requests_in_flight_costs_none(
    cluster: Cluster, tmp_path: Path, kind: str, number: signal.Signals
) -> None:
    pods = [cluster.pod_process(delay=0.3) for _ in range(2)]
    gateway = cluster.gateway(*(pod.address for pod in pods))
    with probing(gateway.port, tmp_path, kind=kind, rate=50):
        until("requests are in flight", lambda: in_flight(gateway) > 10)
        pods[0].signal(number)
        until("the gateway knows that the pod is gone", lambda: up(gateway) == 1)
    records = records_in(tmp_path)
    assert errors(records) == {}
    assert retried(gateway) > 5, "requests were in flight"
    assert longest(records) < TIMEOUT_SECONDS


@pytest.mark.alone
@kinds
def test_two_of_four_pods_that_vanish_with_their_node_cost_no_request(
    cluster: Cluster, tmp_path: Path, kind: str
) -> None:
    pods = [cluster.pod(), cluster.pod()]
    lost = [cluster.lost_pod(), cluster.lost_pod()]
    gateway = cluster.gateway(*(pod.address for pod in pods))
    with probing(gateway.port, tmp_path / "lost", kind=kind, rate=100):
        # As soon as the name server tells of them they count as up.
        gateway.names.addresses += [pod.address for pod in lost]
        until("both have been tried", lambda: known(gateway) == 4 and retried(gateway) >= 6)
        until("both have been found out", lambda: up(gateway) == 2)
    records = records_in(tmp_path / "lost")
    assert errors(records) == {}
    assert 0.25 <= longest(records) < 1
    tries = retried(gateway)
    assert errors(probe(gateway.port, tmp_path / "after", kind=kind, count=50)) == {}
    assert retried(gateway) == tries, "what is out gets no requests"


def test_passive_checks_find_pods_that_only_seem_ready(cluster: Cluster, tmp_path: Path) -> None:
    """Two of four can't be reached, and their health says that they can, again and again."""
    pods, lost = [cluster.pod(), cluster.pod()], [cluster.lost_pod(ready=True), cluster.lost_pod(ready=True)]
    addresses = [*(pod.address for pod in pods), *(pod.address for pod in lost)]
    gateway = cluster.gateway(*addresses)
    records = probe(gateway.port, tmp_path, count=300)
    assert errors(records) == {}
    assert retried(gateway) < 120


def test_a_pod_that_is_not_ready_gets_nothing_and_what_is_ready_again_does(cluster: Cluster, tmp_path: Path) -> None:
    good, other = cluster.pod(), cluster.pod()
    gateway = cluster.gateway(good.address, other.address)
    other.health.behaviour = always("status 503")
    until("it is out", lambda: up(gateway) == 1)
    assert errors(probe(gateway.port, tmp_path / "out", count=50)) == {}
    assert not other.application.received
    other.health.behaviour = always("ok")
    until("it is back", lambda: up(gateway) == 2)
    assert errors(probe(gateway.port, tmp_path / "back", count=50)) == {}
    assert len(other.application.received) == 25


def test_tries_are_bounded(cluster: Cluster, tmp_path: Path) -> None:
    """With every pod broken a request is tried three times, and its failure is not hidden."""
    pods = [cluster.pod(always("reset")) for _ in range(2)]
    gateway = cluster.gateway(*(pod.address for pod in pods))
    records = probe(gateway.port, tmp_path, count=20)
    assert errors(records) == dict.fromkeys(range(20), "status-502")
    assert received(*pods) == dict.fromkeys(range(20), 3)


@pytest.mark.alone
def test_all_tries_end_before_the_prober_gives_up(cluster: Cluster, tmp_path: Path) -> None:
    pods = [cluster.pod(always("hang")) for _ in range(2)]
    gateway = cluster.gateway(*(pod.address for pod in pods))
    records = probe(gateway.port, tmp_path, count=5, options=["--timeout", "8"])
    assert errors(records) == dict.fromkeys(range(5), "status-504"), (
        "the gateway's own answer, not the prober's timeout"
    )
    assert 3 * 1.4 <= longest(records) < TIMEOUT_SECONDS


def test_an_answer_that_breaks_off_is_not_hidden(cluster: Cluster, tmp_path: Path) -> None:
    """The client has had a part of it: nothing can take that back."""
    good, bad = cluster.pod(), cluster.pod(always("short"))
    gateway = cluster.gateway(good.address, bad.address)
    records = probe(gateway.port, tmp_path, count=20)
    assert errors(records) == dict.fromkeys(bad.application.received, "closed")


# --- What may not be sent again is not -------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("fault", ["reset", "close", "hang", "status 503"])
def test_what_is_not_idempotent_reaches_one_pod_once(cluster: Cluster, tmp_path: Path, fault: str, method: str) -> None:
    good, bad = cluster.pod(), cluster.pod(always(fault))
    gateway = cluster.gateway(good.address, bad.address)
    records = probe(gateway.port, tmp_path, kind="upload", count=60, rate=50, options=[*SMALL, "--method", method])
    assert received(good, bad) == dict.fromkeys(range(60), 1)
    assert len(bad.application.received) > 15, "the fault was met"
    assert set(errors(records)) == set(bad.application.received), "and each failure was told"
    assert retried(gateway) == 0


def test_a_post_that_reached_no_pod_is_tried_at_another(cluster: Cluster, tmp_path: Path) -> None:
    good, refusing, lost = cluster.pod(), cluster.pod(), cluster.lost_pod()
    gateway = cluster.gateway(good.address, refusing.address, lost.address)
    refusing.application.close()
    records = probe(gateway.port, tmp_path, kind="upload", count=60, rate=50, options=SMALL)
    assert errors(records) == {}
    assert good.application.received == dict.fromkeys(range(60), 1)
    assert retried(gateway) > 0


def test_no_request_meets_the_closing_of_a_kept_connection(cluster: Cluster, tmp_path: Path) -> None:
    """A POST could not be sent again, so it must not be sent where the pod may be closing."""
    pods = [cluster.pod(always("reset-reused")) for _ in range(2)]
    gateway = cluster.gateway(*(pod.address for pod in pods))
    records = probe(gateway.port, tmp_path, kind="upload", count=60, rate=50, options=SMALL)
    assert errors(records) == {}


# --- A gateway that lacks one of its settings is caught by the tests above -------------------------------------------


RETRY = "retry-on conn-failure empty-response response-timeout 503"


@pytest.mark.parametrize("fault", ["reset", "close", "hang", "status 503"])
def test_mutant_without_retries_loses_requests(cluster: Cluster, tmp_path: Path, fault: str) -> None:
    good, bad = cluster.pod(), cluster.pod(always(fault))
    gateway = cluster.gateway(good.address, bad.address, config=mutated(tmp_path, RETRY, "retry-on none"))
    records = probe(gateway.port, tmp_path, count=40, rate=50)
    assert set(errors(records)) == set(bad.application.received)
    assert len(errors(records)) > 10


def test_mutant_that_tries_the_same_pod_again_loses_requests(cluster: Cluster, tmp_path: Path) -> None:
    good, bad = cluster.pod(), cluster.pod(always("reset"))
    config = mutated(tmp_path, "option redispatch 1", "no option redispatch")
    gateway = cluster.gateway(good.address, bad.address, config=config)
    assert len(errors(probe(gateway.port, tmp_path, count=40))) > 10


def test_mutant_without_passive_checks_loses_requests(cluster: Cluster, tmp_path: Path) -> None:
    """Two of four pods can't be reached, and their health says that they can."""
    pods, lost = [cluster.pod(), cluster.pod()], [cluster.lost_pod(ready=True), cluster.lost_pod(ready=True)]
    addresses = [*(pod.address for pod in pods), *(pod.address for pod in lost)]
    config = mutated(tmp_path, "default-server observe layer4 error-limit 3 on-error mark-down")
    gateway = cluster.gateway(*addresses, config=config)
    records = probe(gateway.port, tmp_path, count=300)
    assert len(errors(records)) > 5
    assert retried(gateway) > 120


def test_mutant_that_retries_everything_sends_a_post_twice(cluster: Cluster, tmp_path: Path) -> None:
    good, bad = cluster.pod(), cluster.pod(always("reset"))
    config = mutated(tmp_path, "http-request disable-l7-retry unless { method GET HEAD OPTIONS TRACE PUT DELETE }")
    gateway = cluster.gateway(good.address, bad.address, config=config)
    probe(gateway.port, tmp_path, kind="upload", count=40, rate=50, options=SMALL)
    assert max(received(good, bad).values()) == 2


@pytest.mark.parametrize("reuse", ["http-reuse never", "http-reuse safe", "http-reuse always"])
def test_mutant_that_keeps_connections_to_pods_loses_posts(cluster: Cluster, tmp_path: Path, reuse: str) -> None:
    # One pod: of two, a client's next request mostly gets the other one, to which it has no connection yet.
    pod = cluster.pod(always("reset-reused"))
    gateway = cluster.gateway(pod.address, config=mutated(tmp_path, "option http-server-close", reuse))
    assert len(errors(probe(gateway.port, tmp_path, kind="upload", count=60, rate=50, options=SMALL))) > 10


# --- Which pods there are --------------------------------------------------------------------------------------------


def test_pods_come_and_go_as_the_name_server_says(cluster: Cluster, tmp_path: Path) -> None:
    first, second = cluster.pod(), cluster.pod()
    gateway = cluster.gateway(first.address)
    with probing(gateway.port, tmp_path, rate=50):
        gateway.names.addresses = [first.address, second.address]
        until("the new pod gets requests", lambda: second.application.received.total() > 5)
        gateway.names.addresses = [second.address]
        until("the gateway knows of one pod", lambda: known(gateway) == 1)
        last = first.application.received.total()
        more = second.application.received.total() + 20
        until("requests go on", lambda: second.application.received.total() >= more)
        # One may have been on its way when the gateway was asked.
        assert first.application.received.total() <= last + 1
    assert errors(records_in(tmp_path)) == {}


def test_the_pods_stay_when_the_name_server_falls_silent(cluster: Cluster, tmp_path: Path) -> None:
    """It may run on the node that is lost."""
    pod = cluster.pod()
    gateway = cluster.gateway(pod.address)
    gateway.names.silent = True
    asked = gateway.names.asked
    # Every second, thrice for each look-up: by now one has failed.
    until("a look-up has failed", lambda: gateway.names.asked > asked + 5)
    assert errors(probe(gateway.port, tmp_path, count=50)) == {}


def test_it_has_started_when_it_knows_as_many_pods_as_it_was_told(cluster: Cluster) -> None:
    one, two = cluster.pod(), cluster.pod()
    gateway = cluster.gateway(one.address, two.address, least=0)
    until("it has started", gateway.is_started)
    gateway.names.addresses = [one.address]
    until("one is not enough", lambda: gateway.status("/startupz") == (503, "waiting"))
    gateway.names.addresses = [one.address, two.address]
    until("it has started", gateway.is_started)


def test_the_real_server_is_found_ready_and_answers(server: Server, cluster: Cluster, tmp_path: Path) -> None:
    cluster.ports = Ports(server.port, server.management_port)
    gateway = cluster.gateway("127.0.0.1")
    until("it has been checked", lambda: "Server pods/pod1" in gateway.log_file.read_text() and up(gateway) == 1)
    for kind, rate in (("new", 20), ("keep-alive", 20), ("upload", 20), ("slow", 4)):
        assert errors(probe(gateway.port, tmp_path / kind, kind=kind, count=2 * rate, rate=rate)) == {}
    assert retried(gateway) == 0, "no sound request takes as long as a try may"


# --- Started wrongly -------------------------------------------------------------------------------------------------


def test_without_a_name_for_the_pods_it_says_what_to_give(haproxy: str) -> None:
    variables = environment(1, Ports(1, 1), 1, 1, 1)
    del variables["PODS_NAME"]
    done = subprocess.run(
        [haproxy, "-c", "-f", str(CONFIG)], env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "PODS_NAME is not set: give the DNS name" in done.stderr


# --- In the cluster: with one that is only pretended -----------------------------------------------------------------


class PretendedTarget:
    """A kubectl that keeps what it is told in `folder`, and the one call of the API that is made.

    refused: how often a connection to the Service is refused before the first that is not.
    """

    def __init__(self, folder: Path, ready: str = "True", refused: int = 0) -> None:
        self._folder = folder
        self.kubectl = folder / "kubectl"
        metrics = 'haproxy_backend_redispatch_warnings_total{proxy="pods"} 7'
        self.kubectl.write_text(
            f'#!/bin/sh\necho "$*" >> {folder}/said\n'
            f'case "$*" in *create_connection*) echo >> {folder}/tries; [ $(wc -l < {folder}/tries) -gt {refused} ];; '
            f"*create*) cat > {folder}/created;; *exec*) echo '{metrics}';; *logs*) echo its log;; esac\n"
        )
        self.kubectl.chmod(0o755)
        status = SimpleNamespace(conditions=[SimpleNamespace(type="Ready", status=ready)])
        self.core = SimpleNamespace(read_namespaced_pod=lambda *_: SimpleNamespace(status=status))

    def kubectl_command(self, *arguments: str) -> list[str]:
        """As of a real one."""
        return [str(self.kubectl), *arguments]

    @property
    def created(self) -> dict[str, Any]:
        """The created objects, by kind and name."""
        items = json.loads((self._folder / "created").read_text())["items"]
        return {f"{item['kind']}/{item['metadata']['name']}": item for item in items}

    @property
    def said(self) -> list[str]:
        """Every command, one a line."""
        return (self._folder / "said").read_text().splitlines()

    @property
    def deleted(self) -> str:
        """The last deletion."""
        return [line for line in self.said if " delete " in line][-1]


SELECTOR = {"app.kubernetes.io/instance": "web", "app.kubernetes.io/component": "server"}


def in_cluster(target: PretendedTarget) -> InCluster:
    """A gateway in front of a release with two ready pods."""
    deployment = SimpleNamespace(
        spec=SimpleNamespace(selector=SimpleNamespace(match_labels=SELECTOR)), status=SimpleNamespace(ready_replicas=2)
    )
    release: Any = SimpleNamespace(fullname="web-flask-app", namespace="loss", deployment=lambda: deployment)
    return InCluster(target, "image", release)  # type: ignore[arg-type]


def test_in_the_cluster_it_selects_the_pods_of_the_release_and_is_none_of_them(tmp_path: Path) -> None:
    target = PretendedTarget(tmp_path)
    with in_cluster(target) as gateway:
        assert gateway.url == "http://web-flask-app-gateway.loss:8080"
        assert gateway.retried() == 7
    made = target.created
    pods, service = made["Service/web-flask-app-pods"]["spec"], made["Service/web-flask-app-gateway"]["spec"]
    assert (pods["clusterIP"], pods["selector"], pods["publishNotReadyAddresses"]) == ("None", SELECTOR, False)
    own = made["Pod/web-flask-app-gateway"]["metadata"]["labels"]
    assert service["selector"] == own
    assert not SELECTOR.items() <= own.items()
    assert service["ports"] == [{"name": "http", "port": 8080, "targetPort": "http"}]


def test_in_the_cluster_it_is_given_every_variable_of_its_configuration(tmp_path: Path) -> None:
    target = PretendedTarget(tmp_path)
    with in_cluster(target):
        (container,) = target.created["Pod/web-flask-app-gateway"]["spec"]["containers"]
    given = {variable["name"]: variable["value"] for variable in container["env"]}
    assert given["PODS_NAME"] == "web-flask-app-pods.loss.svc.cluster.local"
    assert given["PODS_AT_START"] == "2"
    assert given["LISTEN_PORT"] == str(container["ports"][0]["containerPort"])
    assert given["STATUS_PORT"] == str(container["startupProbe"]["httpGet"]["port"])
    image = dict(re.findall(r"([A-Z_]+)=(\d+)", (CONFIG.parent / "Dockerfile").read_text().partition("ENV")[2]))
    assert (image["PODS_PORT"], image["PODS_HEALTH_PORT"]) == ("5000", "5001")
    used = set(re.findall(r"\$\{(\w+)\}", CONFIG.read_text()))
    assert used - {"NAMESERVER"} == (given | image).keys()


def test_in_the_cluster_its_pod_is_of_the_restricted_standard(tmp_path: Path) -> None:
    target = PretendedTarget(tmp_path)
    with in_cluster(target):
        spec = target.created["Pod/web-flask-app-gateway"]["spec"]
    (container,) = spec["containers"]
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert all(port["containerPort"] > 1024 for port in container["ports"])
    # A number, by which the kubelet sees that it is not root.
    assert re.search(r"^USER [1-9]\d*:\d+$", (CONFIG.parent / "Dockerfile").read_text(), re.MULTILINE)


def test_in_the_cluster_it_is_there_when_its_service_leads_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod that is ready is not yet one that kube-proxy knows of: the first requests would be refused."""
    target = PretendedTarget(tmp_path, refused=2)
    with in_cluster(target):
        asked = [line for line in target.said if "create_connection(('web-flask-app-gateway.loss', 8080)" in line]
        assert len(asked) == 3
    monkeypatch.setattr(harness_gateway, "START_SECONDS", 0)
    (tmp_path / "never").mkdir()
    never = PretendedTarget(tmp_path / "never", refused=1_000)
    with pytest.raises(AssertionError, match="its Service leads to web-flask-app-gateway"), in_cluster(never):
        pass
    assert "pod/web-flask-app-gateway" in never.deleted


def test_in_the_cluster_nothing_of_it_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    everything = {"pod/web-flask-app-gateway", "service/web-flask-app-gateway", "service/web-flask-app-pods"}
    target = PretendedTarget(tmp_path)
    with pytest.raises(RuntimeError), in_cluster(target):
        raise RuntimeError("the scenario failed")
    assert everything <= set(target.deleted.split())
    assert "its log" in capsys.readouterr().out, "what it said is kept for the reader"
    # Nor of one that never became ready.
    monkeypatch.setattr(harness_gateway, "START_SECONDS", 0)
    (tmp_path / "never").mkdir()
    never = PretendedTarget(tmp_path / "never", ready="False")
    with pytest.raises(AssertionError, match="web-flask-app-gateway is ready"), in_cluster(never):
        pass
    assert everything <= set(never.deleted.split())


# --- What the gateway says of itself ---------------------------------------------------------------------------------


def metric(gateway: Gateway, name: str, labels: str = "") -> list[int]:
    """The values of a metric, of all servers or those with `labels`."""
    text = gateway.status("/metrics")[1]
    return [int(value) for value in re.findall(rf"^{name}\{{.*{labels}.*\}} (\d+)$", text, re.MULTILINE)]


def up(gateway: Gateway) -> int:
    """How many pods it takes for up."""
    return metric(gateway, "haproxy_backend_active_servers", 'proxy="pods"')[0]


def known(gateway: Gateway) -> int:
    """How many pods the name server has told it of."""
    return len(metric(gateway, "haproxy_server_status", 'state="MAINT"')) - sum(
        metric(gateway, "haproxy_server_status", 'state="MAINT"')
    )


def in_flight(gateway: Gateway) -> int:
    """How many requests are at the pods."""
    return metric(gateway, "haproxy_backend_current_sessions", 'proxy="pods"')[0]
