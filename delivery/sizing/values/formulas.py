"""The formulas, each with its source. Times are in seconds, CPU in cores, memory in bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass

MIB = 1 << 20
LEAST_THREADS, MOST_THREADS = 4, 64
"""The least is what gunicorn advises for one core at the most (docs.gunicorn.org/en/stable/settings.html#threads: 2 to
4 for each core), so that one slow request holds up no other. The most bounds the database connections that threads
hold."""
OVERLAP = 0.3
"""Requests that wait overlap if clients get at least this share of the concurrency that is possible."""
JUDGED_SECONDS = 0.01
"""The shortest wait of which that is judged. With shorter ones, it is the clients that bound the rate."""
USABLE = 0.8
"""The share of its capacity that a pod is loaded to. Above it, requests queue: the wait grows with 1 / (1 - load)."""
SYNC_SECONDS, METRICS_SECONDS = 15.0, 15.0
"""Between two decisions of the HorizontalPodAutoscaler (--horizontal-pod-autoscaler-sync-period), and between two
readings of metrics-server (--metric-resolution, as it is deployed)."""
TOLERANCE = 0.1
"""How far above its target the utilization must be until pods are added (--horizontal-pod-autoscaler-tolerance).
All three: kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/"""
LEAST_TARGET, MOST_TARGET, TARGET_STEP = 30, 80, 5
MEMORY_MARGIN = 1.15
"""Above what was measured, as the VerticalPodAutoscaler recommends (--recommendation-margin-fraction=0.15)."""
LIMIT_MARGIN = 1.5
"""Of the limit above the peak: real requests are more varied than those measured, and an OOM kill loses requests."""
MEMORY_STEP = 16 * MIB
START_MARGIN = 2.0
"""Of the startup probe: kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#container-probes asks for
failureThreshold x periodSeconds above the worst start."""
REQUEST_MARGIN = 3.0
"""Of the graceful timeout above the slowest of a few requests on an idle machine."""
QUEUE_MARGIN = 2.0
"""A request waits for a thread at least until one of the slowest requests has ended."""
FIRST_MARGIN = 4.0
"""Of the first request's time limit: in the cluster it also connects to databases, with caches empty."""
SURELY_GROWS_BYTES, GROWS_BYTES = 2 * MIB, 4096
"""In all, and a request. Below, it may be what the allocator keeps."""


def threads(wait: float, cpu: float) -> int:
    """Threads that keep a core busy: 1 + wait / CPU time (Goetz, Java Concurrency in Practice, 8.2), within bounds."""
    return max(LEAST_THREADS, min(MOST_THREADS, math.ceil(1 + wait / cpu)))


def concurrency(rate: float, mean: float) -> float:
    """Requests in flight on average: their rate times what one takes alone (Little's law, without queueing)."""
    return rate * mean


def possible_concurrency(clients: int, mean: float, cpu: float) -> float:
    """The same, if only clients and one core bound it."""
    return min(float(clients), max(1.0, mean / cpu))


def capacity(number: int, mean: float, cpu: float) -> float:
    """Requests a second that a worker can serve: until its threads are all busy, or one core is.

    One, since Python runs one thread at a time. Native code that computes on several cores has cpu above mean.
    """
    cores = max(1.0, cpu / mean)
    return min(cores / cpu, number / mean)


def lag(start: float) -> float:
    """From more load to one more pod that serves: a reading of the metrics, a decision, a start."""
    return METRICS_SECONDS + SYNC_SECONDS + start


def exact_target(start: float, growth: float) -> float:
    """Percent of the CPU request at which pods are added, early enough for the load to grow until they serve.

    growth: of the load in a minute, such as 0.5. Pods are added from target x (1 + tolerance) on; until they serve, the
    load must not exceed 100 %.
    """
    return 100 / ((1 + TOLERANCE) * (1 + growth * lag(start) / 60))


def cpu_target(start: float, growth: float) -> int:
    """The same, rounded down, within bounds."""
    rounded = math.floor(exact_target(start, growth) / TARGET_STEP) * TARGET_STEP
    return max(LEAST_TARGET, min(MOST_TARGET, rounded))


@dataclass(frozen=True)
class CpuRequest:
    """The CPU request, and how it came about."""

    rate: float
    """Requests a second at the autoscaler's target: those wanted, or as many as a pod can serve."""
    needed: float
    """Cores for them."""
    millicores: int


def cpu_request(*, rate: float, cpu: float, idle: float, target: int, capacity: float, least: float) -> CpuRequest:
    """Cores such that at `rate` the utilization is at the autoscaler's target.

    cpu: of one request. idle: without requests. least: raised to it, unless the target would then be out of reach:
    an application that waits much runs out of threads before it uses much CPU time, and pods must be added before.
    """
    most = USABLE * capacity
    served = min(rate, most)
    needed, reachable = ((idle + each * cpu) / (target / 100) for each in (served, most))
    return CpuRequest(served, needed, max(1, math.ceil(round(max(needed, min(least, reachable)) * 100, 6))) * 10)


def memory_request(used: int) -> int:
    """What the pod uses after its requests, with a margin."""
    return _up(used * MEMORY_MARGIN, MEMORY_STEP)


def memory_peak(peak: int, concurrent: int, clients: int, number: int) -> int:
    """The peak with so many threads. concurrent: what `clients` requests at once have added."""
    return peak + round(concurrent * max(0, number - clients) / clients)


def memory_limit(peak: int, least: int) -> int:
    """The peak with a margin. least: not below it, since a limit reserves nothing."""
    return max(least, _up(peak * LIMIT_MARGIN, MEMORY_STEP))


def worst_start(seconds: float, cpu: float, request: float) -> float:
    """A start on a node whose CPUs are all busy: a container then gets the CPU time that it has requested.

    kubernetes.io/docs/concepts/configuration/manage-resources-containers/: requests are the weights of the shares.
    """
    return max(0.0, seconds - cpu) + cpu / min(1.0, request)


def startup_failures(worst: float, period: int, least: int) -> int:
    """Failures of the startup probe, one each period, until the container is restarted."""
    return max(least, math.ceil(START_MARGIN * worst / period))


def progress_deadline(startup: float, ready: int, least: int) -> int:
    """Seconds until a rollout counts as failed: above the time that a pod may take to become available, and a minute
    to be scheduled and to pull its image."""
    return max(least, _up(startup + ready + 60, 60))


def graceful_timeout(slowest: float, least: int) -> int:
    """Seconds that in-flight requests have after SIGTERM; at most an hour, as the chart accepts."""
    return min(3600, max(least, _up(REQUEST_MARGIN * slowest, 5)))


def queue_timeout(slowest: float, least: int) -> int:
    """Seconds that a request may wait for a thread."""
    return min(3600, max(least, math.ceil(QUEUE_MARGIN * slowest)))


def startup_timeout(first: float, least: int) -> int:
    """Seconds that the first request may take."""
    return min(3600, max(least, math.ceil(FIRST_MARGIN * first)))


def grows(bytes_a_request: float, requests: int) -> bool:
    """Whether memory grows with each request, as it does with a leak or a cache without bounds."""
    return bytes_a_request > GROWS_BYTES and bytes_a_request * requests > SURELY_GROWS_BYTES


def _up(value: float, step: int) -> int:
    return math.ceil(value / step) * step
