"""What a number of failures in a number of requests says of the rate: the exact upper bound (Clopper and Pearson 1934).

It takes requests to fail independently of one another. Those that one broken pod loses do not, so it is a bound for the
traffic and the faults that were tried, not a promise for others.
"""

from __future__ import annotations

import math

CONFIDENCE = 0.95


def upper_bound(failed: int, sent: int, confidence: float = CONFIDENCE) -> float:
    """The rate of failures that the true one is below with this `confidence` (one-sided); 1.0 for nothing sent.

    Without a failure it is 1 - (1 - confidence) ** (1 / sent), for 95 % nearly 3 / sent: the rule of three. Raises
    ValueError unless 0 <= failed <= sent.
    """
    if not 0 <= failed <= sent:
        raise ValueError(f"{failed} failed of {sent} sent: expected 0 <= failed <= sent")
    if failed == sent:
        return 1.0
    doubt = 1 - confidence
    if not failed:
        return float(-math.expm1(math.log(doubt) / sent))
    low, high = failed / sent, 1.0
    # The bound is the rate at which so few failures would be a matter of `doubt`. 50 halvings leave less than 1e-15.
    for _ in range(50):
        middle = (low + high) / 2
        if _at_most(failed, sent, middle) > doubt:
            low = middle
        else:
            high = middle
    return high


def _at_most(failed: int, sent: int, rate: float) -> float:
    """The probability of at most `failed` failures in `sent` requests that fail at `rate` (between 0 and 1)."""
    ways = math.lgamma(sent + 1)
    success, failure = math.log1p(-rate), math.log(rate)
    # By logarithms: a single factor of these would be beyond what a float holds.
    return math.fsum(
        math.exp(
            ways - math.lgamma(count + 1) - math.lgamma(sent - count + 1) + count * failure + (sent - count) * success
        )
        for count in range(failed + 1)
    )
