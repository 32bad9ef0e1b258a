"""What a pod requests, what limits it, and when the autoscaler adds another one."""

from __future__ import annotations

from delivery.sizing.figures import MemoryUse
from delivery.sizing.values import formulas
from delivery.sizing.values.basis import Basis
from delivery.sizing.values.formulas import MIB
from delivery.sizing.values.value import Value, mib, ms, number, unread


def cpu(basis: Basis) -> Value:
    """The CPU request, from the CPU time of a request and the rate."""
    path = "resources.requests.cpu"
    request = basis.cpu
    if request is None or basis.request_cpu is None:
        return unread(path, "CPU time")
    wanted, idle, least = basis.assumed.rate, basis.figures.idle or 0.0, basis.defaults.cores(path)
    served = f"{wanted:g}/s (--rate)"
    if request.rate < wanted:
        served = f"{100 * formulas.USABLE:g} % of that, {number(request.rate)}/s, because {wanted:g}/s (--rate) is more"
    why = [
        f"A pod can serve {number(basis.capacity)} requests/s. At the autoscaler's target it is to serve {served}.",
        f"({number(request.rate)}/s x {ms(basis.request_cpu)} of CPU time + {ms(idle)}/s while idle) / {basis.target} "
        f"% (the target) = {request.needed * 1000:.0f}m, in steps of 10m.",
    ]
    if request.millicores > request.needed * 1000 + 10:
        bound = "" if request.millicores >= least * 1000 else ", as far as the target stays reachable"
        default = basis.defaults.value(path)
        why.append(
            f"Raised towards the chart's default of {default}, so that a busy node doesn't delay the start{bound}."
        )
    return Value(path, f"{request.millicores}m", tuple(why))


def memory(basis: Basis) -> list[Value]:
    """The memory request and limit."""
    request, limit = "resources.requests.memory", "resources.limits.memory"
    use, clients = basis.figures.memory, basis.figures.burst.clients
    if use is None:
        return [unread(request, "memory"), unread(limit, "memory")]
    used = max(use.started, use.served)
    requested = formulas.memory_request(used)
    peak = formulas.memory_peak(use.peak, use.concurrent, clients, basis.threads)
    least = basis.defaults.bytes(limit)
    limited = max(requested, formulas.memory_limit(peak, least))
    more = ""
    if peak > use.peak + MIB:
        more = f" {clients} requests at once added {mib(use.concurrent)}, here extrapolated to {basis.threads} threads."
    return [
        Value(
            request,
            f"{requested // MIB}Mi",
            (
                f"All processes together (PSS) used {mib(use.started)} after the start and {mib(use.served)} after the "
                "requests.",
                f"{formulas.MEMORY_MARGIN:g} x {mib(used)}, in steps of {mib(formulas.MEMORY_STEP)}.",
            ),
        ),
        Value(
            limit,
            f"{limited // MIB}Mi",
            (
                f"{formulas.LIMIT_MARGIN:g} x {mib(peak)}, the peak, and at least the default of {mib(least)}: a limit "
                f"reserves nothing.{more}",
                *_growth(use, limited, basis.assumed.rate),
            ),
        ),
    ]


def _growth(use: MemoryUse, limit: int, rate: float) -> list[str]:
    """What to do about memory that grows with each request; nothing if it does not."""
    if not formulas.grows(use.growth, use.growth_requests):
        return []
    left = max(1, int((limit - use.served) / use.growth))
    return [
        f"WARNING: memory grew by {use.growth / 1024:.0f} KiB a request over {use.growth_requests} requests. If it "
        f"goes on, the limit is reached after {left} more, which is {left / rate / 60:.1f} minutes at {rate:g}/s. "
        f"Find the leak, or set config.MAX_REQUESTS to {max(1, left // 2)}, after which a worker is replaced."
    ]


def target(basis: Basis) -> Value:
    """The autoscaler's, from how long a pod takes to start."""
    start, growth = basis.figures.start, basis.assumed.growth
    lag = formulas.lag(start)
    return Value(
        "autoscaling.targetCPUUtilizationPercentage",
        basis.target,
        (
            f"A new pod serves {lag:.1f} s after the load has risen: {formulas.METRICS_SECONDS:.0f} s for the metrics, "
            f"{formulas.SYNC_SECONDS:.0f} s for the autoscaler, {start:.1f} s for the start. Pulling the image or "
            "adding a node takes additional time.",
            f"Meanwhile the load may grow by {100 * growth:g} % a minute (--growth) and stay below 100 %: "
            f"100 / (1 + {growth:g} x {lag:.1f} / 60) / {1 + formulas.TOLERANCE:g} (the autoscaler's tolerance) = "
            f"{formulas.exact_target(start, growth):.0f} %; a multiple of {formulas.TARGET_STEP} from "
            f"{formulas.LEAST_TARGET} to {formulas.MOST_TARGET}.",
        ),
    )
