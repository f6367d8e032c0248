"""Warnings are about the records that a producer sends."""

from __future__ import annotations

import pytest

from kinsim.scenario import parse

GOOD = (
    "kinsim: 1\nprofile: aws-2026\nworkload: {{arrivals: {arrivals}}}\nproducer: {{keep: {keep}}}\n"
    "function: {{memory_size: 1769 MB, duration: {{per_record: {work}}}}}\nrun: {{duration: 1h}}\n"
)
BURSTS = "{model: bursts, every: 300s, size: 3_000}"
POISSON = "{model: poisson, rate: 2_000/s}"
FLOW = "{model: vpc_flow_logs, interfaces: 2_000, lines_per_interface: 6_000}"


@pytest.mark.parametrize(
    ("arrivals", "work", "enough", "too_much"),
    [(BURSTS, "1ms", "30%", "40%"), (POISSON, "0.1ms", "49%", "51%"), (POISSON, "2ms", "22%", "24%")],
)
def test_a_share_that_the_stream_and_the_function_get_through(arrivals, work, enough, too_much):
    """A shard takes 1,000 records at once or a second; at 2 ms a record the function gets through 454."""

    def warned(keep: str) -> list[str]:
        return [each.message for each in parse(GOOD.format(arrivals=arrivals, keep=keep, work=work)).warnings]

    assert warned(enough) == []
    assert warned(too_much)


def test_a_share_of_flow_logs():
    """6,000 lines of 2,000 interfaces are 16 MB a second after gzip (79 B a line), and 1% of them 0.2 MB."""
    half, few = (parse(GOOD.format(arrivals=FLOW, keep=keep, work="1us")).warnings for keep in ("100%", "1%"))
    assert any("are rejected" in each.message for each in half)
    assert not any("are rejected" in each.message for each in few)
