"""Warnings know that the function sees no more than the filter keeps."""

from __future__ import annotations

from kinsim.scenario import parse

GOOD = (
    "kinsim: 1\nprofile: aws-2026\nworkload: {{arrivals: {{model: poisson, rate: 900/s}}}}\n"
    "event_source_mapping: {{filter: {keep}}}\n"
    "function: {{memory_size: 1769 MB, duration: {{per_record: 2ms}}}}\nrun: {{duration: 1h}}\n"
)


def test_a_share_that_the_function_gets_through():
    """At 2 ms a record and 20 ms between invocations of 100 the function gets through 454 a second: half of 900."""

    def warned(keep: str) -> bool:
        return any("IteratorAge grows" in each.message for each in parse(GOOD.format(keep=keep)).warnings)

    assert [warned(keep) for keep in ("0%", "49%", "52%", "100%")] == [False, False, True, True]
