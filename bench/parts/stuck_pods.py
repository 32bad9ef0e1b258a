"""How often all pods of a Deployment are away at once, when all are stuck and PEER_SERVICE is not set.

A simulation of nodrop/health/leaving.py and the kubelet.

    python bench/parts/stuck_pods.py
"""

from __future__ import annotations

import itertools
import random

from nodrop.health.leaving import SLOT_SECONDS, SLOTS, has_turn

OUTAGES = 1000
OUTAGE_SECONDS = 600
PERIOD_SECONDS, FAILURES = 5, 2
"""The chart's readiness probe."""


def away(pod: str, began: int, chance: random.Random) -> list[bool]:
    """Second by second, whether the pod is away from the Service: unready after FAILURES probes, ready after one."""
    phase, failures, seconds = chance.randrange(PERIOD_SECONDS), 0, []
    for second in range(OUTAGE_SECONDS):
        if second % PERIOD_SECONDS == phase:
            failures = failures + 1 if has_turn(pod, began + second) else 0
        seconds.append(failures >= FAILURES)
    return seconds


def main() -> None:
    """Print the table."""
    chance = random.Random(1)
    print(f"{OUTAGES} times that all pods are stuck for {OUTAGE_SECONDS} s, in rounds of {SLOTS * SLOT_SECONDS} s")
    print("| pods | one pod is away | all are away at once | all at once, in how many rounds |")
    print("|---|---|---|---|")
    for pods in (1, 2, 3, 5):
        one = together = rounds = 0
        for outage in range(OUTAGES):
            began = chance.randrange(10**9)
            each = [away(f"shop-{outage}-{number}", began, chance) for number in range(pods)]
            one += sum(each[0])
            at_once = [all(now) for now in zip(*each, strict=True)]
            together += sum(at_once)
            rounds += sum(is_away for is_away, _ in itertools.groupby(at_once))
        seconds = OUTAGES * OUTAGE_SECONDS
        share = rounds / (seconds / (SLOTS * SLOT_SECONDS))
        print(f"| {pods} | {one / seconds:.1%} | {together / seconds:.2%} | {share:.2%} |")


if __name__ == "__main__":
    main()
