"""What an AWS SDK's client keeps between its calls: a retry quota, and in mode adaptive a rate of its own."""

from __future__ import annotations

import math

from kinsim.rule import rule

QUOTA = 500
"""Retry tokens of a client, full at first (aws:R3, R4)."""
THROTTLE_COST = 5
"""Tokens that the retry of a throttled call costs (aws:R3, R4)."""
FIRST_TRY_REFUND = 1
"""Tokens that a call gives back that succeeds at once (aws:R3)."""

HALF_SECOND_US = 500_000
"""Mode adaptive measures its rate in steps of this (aws:R5)."""


# -- the retry quota -----------------------------------------------------------------------------------------


@rule
def quota_allows(tokens: int, cost: int) -> bool:
    """Whether a client with so many retry tokens may send a throttled call again (aws:R3, R4).

    >>> quota_allows(5, 5), quota_allows(4, 5)
    (True, False)
    """
    return tokens >= cost


@rule
def quota_after_success(tokens: int, attempt: int, calls: int, quota: int, cost: int, refund: int) -> int:
    """Retry tokens after *calls* that succeed: a first try gives *refund* back, a retry what it cost (aws:R3).

    >>> quota_after_success(100, 0, 3, 500, 5, 1), quota_after_success(100, 1, 3, 500, 5, 1)
    (103, 115)
    >>> quota_after_success(499, 2, 1, 500, 5, 1)                       # never more than at first
    500
    """
    return min(quota, tokens + calls * (refund if attempt == 0 else cost))


# -- mode adaptive -------------------------------------------------------------------------------------------


@rule
def measured_rate(before: float, calls: int, half_seconds: int) -> float:
    """Calls per second after *calls* in so many half seconds; the new rate counts 0.8 (aws:R5).

    >>> measured_rate(10.0, 20, 1), measured_rate(0.0, 20, 4)
    (34.0, 8.0)
    """
    return calls / (half_seconds * 0.5) * 0.8 + before * (1.0 - 0.8)


@rule
def rate_after_throttle(rate: float) -> float:
    """Rate that a client falls to after a throttled call at *rate*: beta is 0.7 (aws:R5).

    >>> rate_after_throttle(100.0)
    70.0
    """
    return rate * 0.7


@rule
def cubic_zero_point(highest: float) -> float:
    """Seconds after a throttle until the rate is back at *highest*, where it was throttled (aws:R5: CUBIC).

    >>> round(cubic_zero_point(100.0), 6), cubic_zero_point(0.0)        # the cube root of 100 * 0.3 / 0.4
    (4.217163, 0.0)
    """
    return math.pow(highest * (1.0 - 0.7) / 0.4, 1.0 / 3.0)


@rule
def cubic_rate(since_s: float, zero_point_s: float, highest: float) -> float:
    """Rate at which a client may send *since_s* after its last throttle: ``0.4 (t - K)^3 + highest`` (aws:R5).

    >>> [round(cubic_rate(t, cubic_zero_point(100.0), 100.0), 3) for t in (0.0, 4.217163, 9.217163)]
    [70.0, 100.0, 150.0]
    """
    late = since_s - zero_point_s
    return 0.4 * (late * late * late) + highest


@rule
def allowed_rate(wanted: float, measured: float) -> float:
    """Rate that a client sets itself: no more than twice what it measured (aws:R5).

    >>> allowed_rate(150.0, 60.0), allowed_rate(90.0, 60.0)
    (120.0, 90.0)
    """
    return min(wanted, 2.0 * measured)


@rule
def fill_rate(allowed: float) -> float:
    """Tokens per second of a client's bucket: at least one in two seconds (aws:R5).

    >>> fill_rate(0.0), fill_rate(7.0)
    (0.5, 7.0)
    """
    return max(allowed, 0.5)


@rule
def bucket_depth(allowed: float) -> float:
    """Tokens that a client's bucket holds: a second's worth, at least one (aws:R5).

    >>> bucket_depth(0.5), bucket_depth(7.0)
    (1.0, 7.0)
    """
    return max(allowed, 1.0)


@rule
def tokens_at(tokens: float, depth: float, per_s: float, elapsed_us: float) -> float:
    """Tokens of a client's bucket after *elapsed_us* (aws:R5).

    >>> tokens_at(0.0, 7.0, 2.0, 1_500_000), tokens_at(6.0, 7.0, 2.0, 1_500_000)
    (3.0, 7.0)
    """
    return min(depth, tokens + elapsed_us / 1e6 * per_s)


@rule
def wait_for_token_us(tokens: float, per_s: float) -> int:
    """Wait until a client's bucket holds a whole token (aws:R5).

    >>> wait_for_token_us(0.25, 0.5), wait_for_token_us(1.0, 0.5)
    (1500000, 0)
    """
    return math.ceil((1.0 - tokens) / per_s * 1e6) if tokens < 1.0 else 0
