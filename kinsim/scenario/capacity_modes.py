"""What goes with which capacity mode of a stream; both places are named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kinsim.errors import Problem
from kinsim.scenario.checks import line_of, problem_at
from kinsim.scenario.tree import Node
from kinsim.scenario.tree import Path as Steps

if TYPE_CHECKING:
    from kinsim.scenario.model import Scenario
    from kinsim.system.on_demand import OnDemand
    from kinsim.system.stream import Stream

MODE = ("stream", "stream_mode")
WARM = ("stream", "warm_throughput")
MOST = ("stream", "on_demand", "max_write_throughput")

Finding = tuple[Steps, str, str]
"""Where, what, and what to try."""


def check_on_demand(document: Node, scenario: Scenario) -> list[Problem]:
    """What contradicts the capacity mode."""
    return [problem_at(document, *each) for each in _findings(document, scenario.stream)]


def _findings(document: Node, stream: Stream) -> Iterator[Finding]:
    mode = f"stream_mode {stream.stream_mode}{line_of(document, MODE)}"
    if stream.on_its_own and stream.on_demand is None:
        help = "describe it in stream.on_demand: headroom, peak_period, scale_delay, split_above, placement"
        yield MODE, "the profile does not say how an on-demand stream grows", help
    elif stream.on_its_own and stream.on_demand is not None:
        yield from _resharded_by_hand(stream, mode)
        yield from _growing(document, stream, stream.on_demand, mode)
    if stream.warm_throughput_bytes is not None and stream.stream_mode != "ON_DEMAND_ADVANTAGE":
        help = "write stream_mode: ON_DEMAND_ADVANTAGE, or shard_count instead (aws:S20)"
        yield WARM, f"only a stream of an account with On-demand Advantage has it, here is {mode}", help


def _resharded_by_hand(stream: Stream, mode: str) -> Iterator[Finding]:
    for name in ("reshard", "autoscaling"):
        if getattr(stream, name):
            yield (
                ("stream", name),
                f"Kinesis splits the shards of this stream by itself, and takes no such call from others: {mode}",
                "remove this setting, or write stream_mode: PROVISIONED",
            )


def _growing(document: Node, stream: Stream, how: OnDemand, mode: str) -> Iterator[Finding]:
    takes, warm = stream.shard_count * stream.bytes_per_s, stream.warm_throughput_bytes
    if warm is not None and takes < warm:
        needed = -(-warm // stream.bytes_per_s)
        yield (
            ("stream", "shard_count"),
            f"{stream.shard_count} shards take {takes:,} B a second, "
            f"less than warm_throughput{line_of(document, WARM)}, {warm:,}",
            f"write {needed} or more, or leave shard_count out",
        )
    most = how.max_write_throughput_bytes
    if most is not None and warm is not None and warm > most:
        yield (
            WARM,
            f"{warm:,} B a second are more than max_write_throughput{line_of(document, MOST)}, {most:,}",
            "lower it, or raise stream.on_demand.max_write_throughput as AWS has raised your quota (aws:S18)",
        )
    if stream.stream_mode == "ON_DEMAND":
        for name in ("minimum_ingest", "minimum_retrieval"):
            if getattr(how, f"{name}_bytes"):
                help = "write stream_mode: ON_DEMAND_ADVANTAGE, or remove this setting"
                yield ("stream", "on_demand", name), f"nothing is committed to with {mode}", help
