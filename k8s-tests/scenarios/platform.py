"""Parts of Kubernetes itself are restarted or gone. What serves goes on serving."""

from __future__ import annotations

from harness.cluster import wait
from harness.cluster.shell import run
from harness.measuring.traffic import Traffic
from harness.running.scenario import Scenario
from harness.running.stage import Stage
from scenarios.scaling import LOAD, autoscaler_works, enough_replicas

OUTAGE_SECONDS = 60.0
# kubelet may hear of new pods more than a minute after its API server came back.
CATCH_UP_SECONDS = 240.0
METRICS_OUTAGE_SECONDS = 45.0
SYSTEM = "kube-system"


def works_again(stage: Stage) -> None:
    """Have the cluster do something, which shows that it does, and what it does when it has caught up."""
    number, pod = len(stage.pods()), stage.victim()
    stage.event(f"{pod} is deleted")
    run(stage.kubectl("delete", "pod", pod), timeout=CATCH_UP_SECONDS)
    stage.until("another pod has taken its place", lambda: stage.restored(pod, number), CATCH_UP_SECONDS)


def control_plane_down(stage: Stage) -> str:
    """No API server, scheduler and controller manager for a minute."""
    with stage.nodes.without_control_plane():
        stage.event("no control plane")
        stage.sleep(OUTAGE_SECONDS)
        assert not stage.nodes.api_answers(), "the API server was there all the time"
    stage.event("the control plane is back")
    works_again(stage)
    return f"API server, scheduler and controller manager were gone for {OUTAGE_SECONDS:.0f} s"


def api_server_restarted(stage: Stage) -> str:
    """The API server is killed, and kubelet starts another."""
    node = stage.nodes.control_plane
    [process] = stage.nodes.processes(node, "kube-apiserver")
    stage.nodes.kill(node, process)
    stage.event("the API server was killed")

    def another_runs() -> bool:
        return stage.nodes.api_answers() and process not in stage.nodes.processes(node, "kube-apiserver")

    stage.note("API server back after s", stage.until("another API server answers", another_runs, 120))
    stage.nodes.wait_control_plane()
    works_again(stage)
    return "the API server was killed, and another one answers"


def restart(stage: Stage, workload: str, label: str, *, at_once: bool) -> str:
    """Have every pod of a workload of kube-system replaced, and wait until that is done.

    at_once: kill them all, instead of having them replaced as an upgrade of the workload does.
    """

    def pods() -> set[str]:
        listed = stage.target.core.list_namespaced_pod(SYSTEM, label_selector=label).items
        return {pod.metadata.name for pod in listed if not pod.metadata.deletion_timestamp}

    system = ("--namespace", SYSTEM)
    before = pods()
    assert before, f"no pods with {label}"
    how = ("delete", "pods", "--selector", label, "--now") if at_once else ("rollout", "restart", workload)
    run(stage.target.kubectl_command(*system, *how))
    stage.event(f"every pod of {workload} was deleted" if at_once else f"{workload} is restarted")
    run(stage.target.kubectl_command(*system, "rollout", "status", workload, "--timeout=120s"))
    wait.until("others have taken their place", lambda: len(pods()) == len(before), timeout=60)
    assert not before & pods()
    done = "deleted at once" if at_once else "replaced one after the other"
    return f"{len(before)} pods of {workload} were {done}, and as many others run"


def kube_proxy_restarted(stage: Stage) -> str:
    """Every kube-proxy at once."""
    return restart(stage, "daemonset/kube-proxy", "k8s-app=kube-proxy", at_once=True)


def name_server_killed(stage: Stage) -> str:
    """Every CoreDNS at once."""
    seen = restart(stage, "deployment/coredns", "k8s-app=kube-dns", at_once=True)
    # The probers know the Service's address; that names are found again is seen from inside.
    look_up = f"import socket; socket.getaddrinfo('{stage.release.service}', 80)"
    stage.until("names are found", lambda: stage.succeeds(stage.victim(), "python", "-c", look_up), 60)
    return f"{seen}; names are found again"


def name_server_replaced(stage: Stage) -> str:
    """One CoreDNS after the other."""
    return restart(stage, "deployment/coredns", "k8s-app=kube-dns", at_once=False)


def metrics_server_down(stage: Stage) -> str:
    """Under load, the autoscaler loses its metrics. It must keep what there is."""
    system = ("--namespace", SYSTEM)
    with stage.load(LOAD):
        stage.until("enough replicas", lambda: enough_replicas(stage), 120)
        held = stage.release.deployment().spec.replicas
        run(stage.target.kubectl_command(*system, "scale", "deployment/metrics-server", "--replicas=0"))
        try:
            stage.until("the autoscaler has no metrics", lambda: not scaling_active(stage), 120)
            stage.sleep(METRICS_OUTAGE_SECONDS)
            now = stage.release.deployment().spec.replicas
            assert now >= held, f"{now} replicas without metrics, {held} before"
        finally:
            run(stage.target.kubectl_command(*system, "scale", "deployment/metrics-server", "--replicas=1"))
            run(
                stage.target.kubectl_command(
                    *system, "rollout", "status", "deployment/metrics-server", "--timeout=120s"
                )
            )
        stage.until("the autoscaler has metrics again", lambda: scaling_active(stage), 120)
    return f"the autoscaler had no metrics for {METRICS_OUTAGE_SECONDS:.0f} s and kept {held} replicas"


def scaling_active(stage: Stage) -> bool:
    """Whether the autoscaler says that it can compute what it wants."""
    conditions = stage.release.autoscaler().status.conditions or []
    return any(each.type == "ScalingActive" and each.status == "True" for each in conditions)


SCENARIOS = (
    Scenario(
        name="API server restarted",
        fault="the API server is killed, and restarted by the kubelet",
        act=api_server_restarted,
        reach="nodes",
        standard=False,
    ),
    Scenario(
        name="control plane down",
        fault="the API server, scheduler and controller manager are down for a minute",
        act=control_plane_down,
        reach="nodes",
        standard=False,
    ),
    Scenario(
        name="kube-proxy restarted",
        fault="all kube-proxy pods are deleted at once",
        act=kube_proxy_restarted,
        fewer_ready=0,
        reach="cluster",
    ),
    Scenario(
        name="CoreDNS replaced",
        fault="the CoreDNS pods are replaced in turn, while clients resolve the Service for each connection",
        act=name_server_replaced,
        traffic=(Traffic("new", 50, looks_up=True),),
        fewer_ready=0,
        reach="cluster",
    ),
    Scenario(
        name="CoreDNS killed",
        fault="all CoreDNS pods are deleted at once, while clients know the Service's address",
        act=name_server_killed,
        needs_example=True,
        fewer_ready=0,
        reach="cluster",
    ),
    Scenario(
        name="metrics-server down",
        fault="metrics-server is down for a while, under a load that has added replicas",
        act=metrics_server_down,
        prepare=autoscaler_works,
        fewer_ready=0,
        reach="cluster",
        needs_example=True,
        standard=False,
    ),
)
