"""Enhanced fan-out: a registered consumer gets records pushed, at a rate of its own (aws:G9)."""

from __future__ import annotations

from kinsim.rule import rule

EVENT_MAX_BYTES = 1_048_576
"""Data of one SubscribeToShardEvent (ASSUMPTION: AWS does not say)."""

EVENT_MAX_RECORDS = 10_000
"""Records of one SubscribeToShardEvent, by the API."""

SUBSCRIPTION_US = 300_000_000
"""How long a subscription lasts until SubscribeToShard is called again (aws:G9)."""


@rule
def pushed_at(arrival_us: int, delay_us: int, free_us: int) -> int:
    """When a record is pushed that is the next: *delay_us* after it was stored, once the consumer's rate allows it.

    *free_us* is when the consumer's own 2 MiB/s let the next event pass (`reads_again_at`).

    >>> pushed_at(1_000_000, 70_000, free_us=0), pushed_at(1_000_000, 70_000, free_us=1_500_000)
    (1070000, 1500000)
    """
    there_us = arrival_us + delay_us
    return there_us if there_us > free_us else free_us


@rule
def millis_behind_us(at_us: int, last_arrival_us: int, left: int) -> int:
    """MillisBehindLatest of an event in microseconds: 0 where *left* records are none, else its last record's age.

    >>> millis_behind_us(5_000_000, 4_000_000, left=0), millis_behind_us(5_000_000, 4_000_000, left=3)
    (0, 1000000)
    """
    return at_us - last_arrival_us if left > 0 else 0


@rule
def event_records(there: int, fitting: int) -> int:
    """Records of an event: what is *there*, up to *fitting* into its bytes and the API's number, but at least one.

    >>> event_records(there=30_000, fitting=700), event_records(30_000, 20_000), event_records(3, fitting=0)
    (700, 10000, 1)
    """
    most = min(there, 10_000)
    return max(1, min(most, fitting))


@rule
def may_register(consumers: int, most: int) -> bool:
    """Whether a stream may have so many registered consumers; *most* 0: without limit (aws:G9).

    >>> may_register(20, 20), may_register(21, 20), may_register(21, 0)
    (True, False, True)
    """
    return most == 0 or consumers <= most
