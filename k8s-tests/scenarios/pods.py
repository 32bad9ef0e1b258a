"""Pods and processes that end: on purpose, by a signal, for lack of memory, because they are stuck."""

from __future__ import annotations

from collections.abc import Callable

from harness.cluster.shell import CommandError, run
from harness.measuring.traffic import CLIENTS, EVERY_KIND, Traffic
from harness.running.budget import Loss, Timer
from harness.running.scenario import Scenario
from harness.running.stage import Stage
from scenarios.rollouts import replaced
from scenarios.timers import CONTAINER_LOST, ENDPOINT_REMOVED

# By default a wedged server is given two minutes: four times GRACEFUL_TIMEOUT, which the chart sets to 30 s.
STALL_SECONDS = 120
# The least that is accepted, and probes that ask often.
STALL_SECONDS_AT_LEAST = 6
WEDGED_VALUES = {
    "shutdown.gracefulTimeoutSeconds": "5",
    "config.STALL_TIMEOUT": str(STALL_SECONDS_AT_LEAST),
    "probes.readiness.periodSeconds": "2",
    "probes.readiness.failureThreshold": "1",
    "probes.liveness.periodSeconds": "2",
    "probes.liveness.failureThreshold": "2",
}
OVERLOAD_SECONDS = 40
# 16 threads serve 5 of these a second, so the last of them wait for some 20 s.
OVERLOAD = Traffic("slow", 8, path="/sleep?ms=3000", timeout=60, request_seconds=3, label="more than can be served")
PATIENT = Traffic("new", 5, timeout=60, label="clients that wait for a minute")

# The worker and the management process are both forked from the master, so they have its command line; the latter has a
# name of its own. There is no ps in the image.
WORKER = """
import os, sys
def read(pid, name):
    try:
        return open(f"/proc/{pid}/{name}").read()
    except OSError:
        return ""
for pid in sorted(map(int, filter(str.isdigit, os.listdir("/proc")))):
    parent = read(pid, "stat").rpartition(")")[2].split()
    if len(parent) > 1 and parent[1] == "1" and read(pid, "comm") == read(1, "comm"):
        os.kill(pid, int(sys.argv[1]))
        print(pid)
        break
"""
# Requests that hold every thread, sent from inside, so that they are none of the probers'.
HOLD_EVERY_THREAD = """
import threading, urllib.error, urllib.request
def ask():
    try:
        urllib.request.urlopen("http://127.0.0.1:5000/sleep?ms={ms}", timeout=1)
    except urllib.error.HTTPError as error:
        print("refused:", error.code, error.read()[:200])
    except OSError:
        pass
threads = [threading.Thread(target=ask) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
try:
    urllib.request.urlopen("http://127.0.0.1:5000/", timeout=2)
except OSError:
    print("held")
"""
FILL_MEMORY = """
import urllib.request
try:
    urllib.request.urlopen("http://127.0.0.1:5000/memory?mib=4096", timeout=20)
except OSError as error:
    print(error)
"""
# Both versions of cgroups count, each in a file of its own.
OUT_OF_MEMORY_KILLS = (
    "cat /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control 2>/dev/null | "
    "awk '$1 == \"oom_kill\" {print $2}'"
)


def delete_each(stage: Stage) -> str:
    """kubectl delete pod, for one after the other."""
    before = stage.pods()
    for pod in before:
        stage.event(f"{pod} is deleted")
        run(stage.kubectl("delete", "pod", pod))
        stage.release.wait_rolled_out()
    return replaced(stage, before)


def delete_by_force(stage: Stage) -> str:
    """kubectl delete pod --force --grace-period=0: the API server forgets it at once, its process may take longer."""
    before, pod = stage.pods(), stage.victim()
    node = stage.node_of(pod)
    process = stage.nodes.first_process(node, stage.container_id(pod))
    run(stage.kubectl("delete", "pod", pod, "--force", "--grace-period=0"))
    stage.event(f"{pod} was deleted")
    replaced_after = stage.until("as many ready pods again", lambda: stage.restored(pod, len(before)), 120)
    stage.note("replaced after s", replaced_after)
    ended = stage.until("its process has ended", lambda: not stage.nodes.is_there(node, process), 120)
    stage.note("process ended after s", round(replaced_after + ended, 1))
    return f"{pod} is gone, its process too, and {len(before)} ready pods are there again"


def kill_worker(stage: Stage) -> str:
    """SIGKILL for gunicorn's worker process."""
    pod = stage.victim()
    restarts, worker = stage.restarts(pod), stage.execute(pod, "python", "-c", WORKER, "9").strip()
    assert worker, f"no worker was found in {pod}"
    stage.event(f"worker {worker} of {pod} was killed")

    def another_runs() -> bool:
        return stage.execute(pod, "python", "-c", WORKER, "0").strip() not in ("", worker)

    stage.until("its successor runs", another_runs, 30)
    stage.until("ready", lambda: stage.is_ready(pod), 30)
    assert stage.restarts(pod) == restarts, "the container was restarted, not the worker"
    return f"worker {worker} of {pod} was killed, and the same container runs another"


def kill_master(stage: Stage) -> str:
    """SIGKILL for gunicorn's master, which is the container's first process."""
    pod = stage.victim()
    restarts, node = stage.restarts(pod), stage.node_of(pod)
    stage.nodes.kill(node, stage.nodes.first_process(node, stage.container_id(pod)))
    stage.event(f"the master of {pod} was killed")
    stage.until("restarted", lambda: stage.restarts(pod) == restarts + 1, 30)
    stage.note("ready again after s", stage.until("ready", lambda: stage.is_ready(pod), 60))
    return f"the container of {pod} was restarted"


def fill_memory(stage: Stage) -> str:
    """A request that takes more memory than the pod may have."""
    pod = stage.victim()
    restarts, killed = stage.restarts(pod), _out_of_memory_kills(stage, pod)
    stage.execute(pod, "python", "-c", FILL_MEMORY, check=False)

    def was_killed() -> bool:
        if stage.restarts(pod) > restarts:
            return stage.last_end(pod) == "OOMKilled"
        return _out_of_memory_kills(stage, pod) > killed

    stage.until("the kernel killed for lack of memory", was_killed, 60)
    stage.until("ready", lambda: stage.is_ready(pod), 60)
    what = "container" if stage.restarts(pod) > restarts else "worker"
    return f"the kernel killed the {what} of {pod} for lack of memory"


def _out_of_memory_kills(stage: Stage, pod: str) -> int:
    return sum(map(int, stage.execute(pod, "sh", "-c", OUT_OF_MEMORY_KILLS, check=False).split()))


def held_ms(stall_seconds: int) -> int:
    """How long each thread is held: longer than it takes until the pod is told to stop, has its grace period, and is
    killed."""
    return (2 * stall_seconds + 60) * 1000


def wedged(stall_seconds: int) -> Callable[[Stage], str]:
    """The act in which requests that do not end hold every thread of a pod, until it is restarted.

    stall_seconds: STALL_TIMEOUT of the server.
    """

    def act(stage: Stage) -> str:
        pod = stage.victim()
        restarts = stage.restarts(pod)
        held = stage.execute(pod, "python", "-c", HOLD_EVERY_THREAD.format(ms=held_ms(stall_seconds)))
        assert held.strip() == "held", f"the pod still answers: {held}"
        stage.event(f"every thread of {pod} is held")
        unready = stage.until("not ready", lambda: not stage.is_ready(pod), stall_seconds + 50)
        stage.note("out of the Service after s", unready)
        # It leaves the Service long before it is restarted.
        left = stall_seconds + 170 - unready
        restarted = stage.until("restarted", lambda: stage.restarts(pod) == restarts + 1, left)
        stage.note("restarted after s", round(unready + restarted, 1))
        stage.until("ready", lambda: stage.is_ready(pod), 60)
        return f"every thread of {pod} was held, and kubelet restarted it"

    return act


def overload(stage: Stage) -> str:
    """More slow requests than all threads can serve, for longer than liveness probes take to lose patience."""
    pods = stage.pods()
    restarts = {pod: stage.restarts(pod) for pod in pods}
    with stage.load(OVERLOAD) as prober:
        stage.until("requests wait", lambda: prober.progress()[0] > 8 * OVERLOAD_SECONDS, OVERLOAD_SECONDS * 2)
    waited = max(record.done - record.scheduled for record in prober.records)
    assert waited > 8, f"no request waited longer than {waited:.1f} s"
    assert {pod: stage.restarts(pod) for pod in pods} == restarts, "a server that was only busy was restarted"
    return f"requests of 3 s waited up to {waited:.0f} s, and no pod was restarted"


def helm_test(stage: Stage) -> str:
    """helm test, whose pod has labels of the release and serves nothing."""
    for _ in range(2):
        try:
            said = stage.release.test()
        except CommandError as error:
            raise AssertionError(f"helm test failed: {error}") from None
        assert "Succeeded" in said
    return "helm test ran twice"


SCENARIOS = (
    Scenario(
        name="pods deleted",
        fault="every pod is deleted, one after the other",
        act=delete_each,
        traffic=EVERY_KIND,
        fewer_ready=1,
        stopped_within=30,
    ),
    Scenario(
        name="helm test",
        fault="helm test runs twice, and its pod must get no requests",
        act=helm_test,
        fewer_ready=0,
        standard=False,
    ),
    Scenario(
        name="overload",
        fault="for 40 s, more slow requests arrive than all threads can serve, from clients that wait for a minute",
        act=overload,
        # By default a request that has waited for 15 s is answered 503.
        values={"config.QUEUE_TIMEOUT": "60"},
        traffic=(PATIENT,),
        fewer_ready=0,
        needs_example=True,
        standard=False,
    ),
    Scenario(
        name="pod force-deleted",
        fault="one of two pods is deleted with --force --grace-period=0",
        act=delete_by_force,
        # Whether kubelet kills it at once or gives it time to stop is not promised.
        budget=Loss(ENDPOINT_REMOVED),
        traffic=EVERY_KIND,
        reach="nodes",
    ),
    Scenario(
        name="worker killed",
        fault="gunicorn's worker process in one of two pods gets SIGKILL",
        act=kill_worker,
        # The master holds the listening socket, so new connections wait for the next worker.
        budget=Loss(),
        traffic=EVERY_KIND,
        needs_example=True,
    ),
    Scenario(
        name="master killed",
        fault="gunicorn's master, the first process in one of two pods, gets SIGKILL",
        act=kill_master,
        budget=Loss(CONTAINER_LOST),
        traffic=EVERY_KIND,
        reach="nodes",
    ),
    Scenario(
        name="out of memory",
        fault="a request exceeds the memory limit of one of two pods",
        act=fill_memory,
        # With cgroup v2 kubelet has the whole container killed, with cgroup v1 the kernel the largest process.
        budget=Loss(CONTAINER_LOST),
        traffic=EVERY_KIND,
        needs_example=True,
    ),
    Scenario(
        name="server wedged",
        fault="requests that never end hold every thread of one of two pods",
        act=wedged(STALL_SECONDS),
        budget=Loss(
            (
                Timer(STALL_SECONDS, "without progress until the server says so (STALL_TIMEOUT, by default)"),
                Timer(10, "until the readiness probe has asked twice (periodSeconds, failureThreshold)"),
                *ENDPOINT_REMOVED,
            ),
        ),
        traffic=CLIENTS,
        needs_example=True,
        standard=False,
    ),
    Scenario(
        name="server wedged, noticed soon",
        fault="requests that never end hold every thread of one of two pods, with STALL_TIMEOUT at 6 s, not 120",
        act=wedged(STALL_SECONDS_AT_LEAST),
        values=WEDGED_VALUES,
        budget=Loss(
            (
                Timer(STALL_SECONDS_AT_LEAST, "without progress until the server says so (STALL_TIMEOUT)"),
                Timer(2, "until the readiness probe asks (periodSeconds)"),
                *ENDPOINT_REMOVED,
            ),
        ),
        traffic=CLIENTS,
        needs_example=True,
        standard=False,
    ),
)
