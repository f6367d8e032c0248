"""Whether a shard ever has room for the records that its stream may take (aws:W7 to W9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinsim.errors import Problem
from kinsim.scenario.checks import problem_at
from kinsim.scenario.tree import Node
from kinsim.system.stream import FIXED_SECOND, TOKEN_BUCKET
from kinsim.units import format_size

if TYPE_CHECKING:
    from kinsim.scenario.model import Scenario
    from kinsim.scenario.profiles import Profile

LIMITER = ("stream", "write_limiter")
LARGEST = ("stream", "max_record_size")
BURSTS = ("write_burst_bytes", "write_burst_records")


def check_writes(document: Node, scenario: Scenario, profile: Profile) -> list[Problem]:
    """What a file says of bursts and record sizes that its limiter never grants.

    The profile's own largest record is no demand, also where a resolved file writes it down.
    """
    stream, problems = scenario.stream, []
    if stream.limiter != TOKEN_BUCKET:
        limiter = "fixed_second" if stream.limiter == FIXED_SECOND else "none"
        for name in BURSTS:
            if _written(document, ("stream", name)):
                message = f"it is the depth of a token bucket, but write_limiter is {limiter}{_line(document, LIMITER)}"
                help = "remove it, or write write_limiter: token_bucket"
                problems.append(problem_at(document, ("stream", name), message, help))
    largest, room = stream.max_record_size_bytes, stream.room_bytes
    default, node = profile.defaults.get("stream.max_record_size"), document.find(LARGEST)
    is_default = default is not None and node is not None and node.value == default.value
    if largest is not None and room is not None and room < largest and _written(document, LARGEST) and not is_default:
        problems.append(problem_at(document, LARGEST, *_never_fits(document, stream.limiter, largest, room)))
    return problems


def _never_fits(document: Node, limiter: int, largest: int, room: int) -> tuple[str, str]:
    if limiter == FIXED_SECOND:
        what = f"write_limiter fixed_second{_line(document, LIMITER)} takes {format_size(room)} a second"
        help = "write write_limiter: token_bucket, which saves up capacity for a large record (aws:W7, W9)"
    else:
        burst = ("stream", "write_burst_bytes")
        name = "write_burst_bytes" if _written(document, burst) else "one second of write_limit_bytes"
        place = burst if _written(document, burst) else ("stream", "write_limit_bytes")
        what = f"{name}{_line(document, place)} is {format_size(room)}"
        help = f"write write_burst_bytes: {format_size(largest)} or more (aws:W9), or a smaller max_record_size"
    return f"got {format_size(largest)}, but {what}: a larger record would never be accepted", help


def _written(document: Node, path: tuple[str, ...]) -> bool:
    """Whether the file has a value there, not the profile."""
    node = document.find(path)
    return node is not None and node.value is not None and (node.origin is None or node.origin.kind != "profile")


def _line(document: Node, path: tuple[str, ...]) -> str:
    node = document.find(path)
    return f" (line {node.mark.line})" if node is not None and node.mark.line and _written(document, path) else ""
