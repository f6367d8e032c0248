"""Resharding: shards are split and merged one after another, while the stream goes on (aws:S1 to S12)."""

from __future__ import annotations

import re
from bisect import insort
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema, field_validator

from kinsim.errors import SettingError
from kinsim.rule import rule
from kinsim.system.partition_keys import HASH_SPACE, hash_key_ranges, range_of
from kinsim.units import FRACTION_PATTERN, Count, Duration, Settings, format_duration, parse_fraction

DAY_US = 86_400_000_000

SAME_PLACE = 1 << 64
"""Boundaries nearer than this are the same one: rounding leaves those of 3 and of 6 shards one hash key apart, and no
record with a random key tells 64 bits apart."""

MIDDLE: Literal["middle"] = "middle"

_SHARD_ID = re.compile(r"shardId-(\d{1,12})")


# -- settings ------------------------------------------------------------------------------------------------


def shard_id(number: int) -> str:
    """The name of a shard by its number (aws:W17).

    >>> shard_id(3)
    'shardId-000000000003'
    """
    return f"shardId-{number:012d}"


def _shard_number(value: object) -> int:
    """Number of the shard that is named.

    >>> _shard_number("shardId-000000000003")
    3
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SHARD_ID.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise SettingError(f"{str(value)[:60]!r} is not the id of a shard", help=f"write for example {shard_id(1)}")
    return int(match[1])


def _place(value: object) -> Any:
    """Where to split: the middle, a share of the shard's range, or the hash key at which the upper child begins.

    >>> _place("middle"), _place("25%"), _place(0.25), _place("170141183460469231731687303715884105728") == 2**127
    ('middle', 0.25, 0.25, True)
    """
    if value == MIDDLE:
        return MIDDLE
    text = value.strip().replace("_", "") if isinstance(value, str) else ""
    if text.isascii() and text.isdigit() and len(text) <= 60:
        value = int(text)
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 < value < HASH_SPACE:
            raise SettingError(f"{str(value)[:60]} is not within 1 to 2^128 - 1", help="a hash key has 128 bits")
        return value
    try:
        share = parse_fraction(value)
    except SettingError:
        raise SettingError(
            f"{str(value)[:60]!r} is no place to split at",
            help="write middle, a share of the range such as 25%, or a hash key in decimal",
        ) from None
    if not 0 < share < 1:
        raise SettingError(f"{value!r} leaves one of the children nothing", help="write a share between 0 and 1")
    return share


ShardNumber = Annotated[
    int,
    BeforeValidator(_shard_number),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": "^shardId-[0-9]{1,12}$"}, {"type": "integer"}]}),
]
Place = Annotated[
    Literal["middle"] | float | int,
    BeforeValidator(_place),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": MIDDLE},
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": FRACTION_PATTERN},
                {"type": "string", "pattern": "^[0-9][0-9_]*$"},
            ]
        }
    ),
]


class UpdateShardCount(Settings):
    """UpdateShardCount: as many splits and merges as lead to so many equal shards (aws:S8 to S10)."""

    at_s: Duration = Field(alias="at", description="When it begins.", examples=["6h"])
    update_shard_count: Count = Field(description="Target number of open shards.", examples=[8], ge=1)


class SplitShard(Settings):
    """SplitShard: one shard becomes two (aws:S1)."""

    at_s: Duration = Field(alias="at", description="When it begins.", examples=["6h"])
    split: ShardNumber = Field(description="The shard that is split.", examples=["shardId-000000000001"])
    at_hash: Place = Field(
        default=MIDDLE,
        description="Where the upper child begins: middle, a share of the range, or a hash key in decimal.",
        examples=["middle"],
    )


class MergeShards(Settings):
    """MergeShards: two adjacent shards become one (aws:S2)."""

    at_s: Duration = Field(alias="at", description="When it begins.", examples=["12h"])
    merge: list[ShardNumber] = Field(
        description="Two adjacent open shards.",
        examples=[["shardId-000000000002", "shardId-000000000003"]],
        min_length=2,
        max_length=2,
    )

    @field_validator("merge")
    @classmethod
    def _two(cls, value: list[int]) -> list[int]:
        if value[0] == value[1]:
            raise SettingError("a shard cannot be merged with itself", help="name two adjacent shards")
        return value


KINDS = ("update_shard_count", "split", "merge")


def _kind(value: Any) -> str:
    kinds = [kind for kind in KINDS if (kind in value if isinstance(value, dict) else hasattr(value, kind))]
    return kinds[0] if len(kinds) == 1 else "none"


def _one_kind(value: Any) -> Any:
    if _kind(value) == "none":
        kinds = [kind for kind in KINDS if isinstance(value, dict) and kind in value]
        found = " and ".join(kinds) if kinds else "none of them"
        raise SettingError(
            f"a resharding is exactly one of {', '.join(KINDS)}; here is {found}",
            help="write for example {at: 6h, update_shard_count: 8}",
        )
    return value


Reshard = Annotated[
    Annotated[UpdateShardCount, Tag("update_shard_count")]
    | Annotated[SplitShard, Tag("split")]
    | Annotated[MergeShards, Tag("merge")],
    Discriminator(_kind),
    BeforeValidator(_one_kind),
]
"""One entry of a schedule."""


# -- rules ---------------------------------------------------------------------------------------------------


@rule
def split_point(start: int, end: int, numerator: int, denominator: int) -> int:
    """Hash key at which the upper child begins, that share of the way through a range; 1/2 is AWS's even split.

    Source aws:S1: an even split is at (start + end) / 2.

    >>> split_point(0, 99, 1, 2), split_point(100, 199, 1, 4)
    (49, 124)
    """
    return start + (end - start) * numerator // denominator


@rule
def may_split(start: int, end: int, new_start: int) -> bool:
    """Whether a shard of the range from *start* to *end* may be split so that the upper child begins at *new_start*.

    Source aws:S1: it lies inside, start + 1 < key < end.

    >>> [may_split(0, 99, key) for key in (1, 2, 98, 99)]
    [False, True, True, False]
    """
    return start + 1 < new_start < end


@rule
def are_adjacent(start: int, end: int, other_start: int, other_end: int) -> bool:
    """Whether two ranges touch, so that their shards may be merged (aws:S2).

    >>> are_adjacent(0, 9, 10, 19), are_adjacent(10, 19, 0, 9), are_adjacent(0, 9, 11, 19)
    (True, True, False)
    """
    return end + 1 == other_start or other_end + 1 == start


@rule
def within_factors(shards: int, target: int, least: float, most: float) -> bool:
    """Whether UpdateShardCount goes from *shards* to *target* in one call (aws:S8).

    >>> [within_factors(4, target, 0.5, 2.0) for target in (1, 2, 8, 9)]
    [False, True, True, False]
    """
    return least * shards <= target <= most * shards


@rule
def read_from(opened_us: int, settled_us: int, discovery_us: int) -> int:
    """When the mapping begins to read a new shard: once its parents' records are settled and it has been found.

    Source aws:E37, S5 (order), aws:E38 (ASSUMPTION: it is found *discovery_us* after it has opened).

    >>> read_from(opened_us=90, settled_us=95, discovery_us=60), read_from(90, 200, 60)
    (150, 200)
    """
    found_us = opened_us + discovery_us
    return found_us if found_us > settled_us else settled_us


def boundaries_to_change(starts: Sequence[int], target: int) -> tuple[list[int], list[int]]:
    """Where shards are to be split, and which of the present *starts* go, to get *target* equal shards (aws:S10).

    *starts* ascend from 0.  Splits come first, so that no shard is ever wider than before or after.

    >>> w = 2**128 // 12
    >>> splits, merges = boundaries_to_change([0, 3 * w, 6 * w, 9 * w], 3)               # 4 to 3 shards
    >>> [s // w for s in splits], [m // w for m in merges]
    ([4, 8], [3, 6, 9])
    >>> splits, merges = boundaries_to_change([s for s, _ in hash_key_ranges(3)], 6)     # 3 to 6: each in two
    >>> len(splits), merges
    (3, [])
    """
    wanted = [start for start, _ in hash_key_ranges(target)][1:]
    kept: set[int] = set()
    splits = []
    at = 1
    for place in wanted:
        while at < len(starts) and starts[at] < place - SAME_PLACE:
            at += 1
        if at < len(starts) and starts[at] <= place + SAME_PLACE:
            kept.add(starts[at])
            at += 1
        else:
            splits.append(place)
    return splits, [start for start in starts[1:] if start not in kept]


# -- shards in the course of time ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Child:
    """A shard that an operation opens."""

    number: int
    starting_hash_key: int
    ending_hash_key: int
    parent: int
    adjacent_parent: int | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """A split or a merge: what it closes and what it opens when it ends."""

    start_us: int
    end_us: int
    closes: tuple[int, ...]
    opens: tuple[Child, ...]


class OpenShards:
    """The open shards of a stream, by number, with their ranges of hash keys.

    >>> shards = OpenShards(2)
    >>> shards.split(1, 3 * 2**126)
    >>> sorted(shards.ranges), shards.next_number
    ([0, 2, 3], 4)
    >>> shards.merge(0, 2)
    >>> sorted(shards.ranges), shards.ranges[4] == (0, 3 * 2**126 - 1)
    ([3, 4], True)
    """

    def __init__(self, shard_count: int) -> None:
        self.ranges = dict(enumerate(hash_key_ranges(shard_count)))
        self.next_number = shard_count
        self.closed_by: dict[int, str] = {}
        """The entry of a schedule that closed a shard, as messages name it."""
        self._starts = [start for start, _ in self.ranges.values()]
        self._numbers = {start: number for number, (start, _) in self.ranges.items()}
        self.most = shard_count
        """Most shards that were open at once."""
        self.done: list[tuple[tuple[int, ...], tuple[Child, ...]]] = []
        """Numbers of the shards that were closed and the shards that were opened, by each operation."""

    def copy(self) -> OpenShards:
        """The same shards, to try something on."""
        other = copy(self)
        other.ranges, other.done = dict(self.ranges), list(self.done)
        other._starts, other._numbers = list(self._starts), dict(self._numbers)
        return other

    def split(self, number: int, new_start: int) -> None:
        """Split an open shard in two; the upper child begins at *new_start*."""
        start, end = self.ranges[number]
        lower = Child(self.next_number, start, new_start - 1, number)
        upper = Child(self.next_number + 1, new_start, end, number)
        self._change((number,), (lower, upper))

    def merge(self, number: int, adjacent: int) -> None:
        """Merge two open shards that touch."""
        start, end = self.ranges[number]
        other_start, other_end = self.ranges[adjacent]
        child = Child(self.next_number, min(start, other_start), max(end, other_end), number, adjacent)
        self._change((number, adjacent), (child,))

    def update_count(self, target: int) -> None:
        """Split and merge until *target* equal shards are open (aws:S10)."""
        splits, merges = boundaries_to_change(self._starts, target)
        for place in splits:
            self.split(self._holding(place), place)
        for start in merges:
            self.merge(self._holding(start - 1), self._holding(start))

    def operations(self, start_us: int, operation_us: int) -> list[Operation]:
        """What was done since this was last asked, as operations one after another from *start_us* on (aws:S3)."""
        found = []
        for closes, opens in self.done:
            found.append(Operation(start_us, start_us + operation_us, closes, opens))
            start_us += operation_us
        self.done.clear()
        return found

    def _holding(self, hash_key: int) -> int:
        return self._numbers[self._starts[range_of(hash_key, self._starts)]]

    def _change(self, closes: tuple[int, ...], opens: tuple[Child, ...]) -> None:
        for number in closes:
            start, _ = self.ranges.pop(number)
            del self._numbers[start]
            self._starts.remove(start)
        for child in opens:
            self.ranges[child.number] = child.starting_hash_key, child.ending_hash_key
            self._numbers[child.starting_hash_key] = child.number
            insort(self._starts, child.starting_hash_key)
        self.next_number += len(opens)
        self.most = max(self.most, len(self.ranges))
        self.done.append((closes, opens))


@dataclass(frozen=True, slots=True)
class ReshardLimits:
    """What AWS lets a stream do; None where there is no limit."""

    operation_us: int
    calls_per_day: int | None = None
    """Calls of UpdateShardCount in any 24 hours (aws:S9)."""
    least_factor: float = 0.0
    most_factor: float = float("inf")
    most_target: int | None = None
    """Largest target of UpdateShardCount (aws:S9)."""
    most_shards: int | None = None
    """Open shards at any time, those included that an UpdateShardCount opens on its way (aws:S8, W21)."""


def planned(shard_count: int, schedule: Sequence[Any], limits: ReshardLimits) -> list[Operation]:
    """The operations of a schedule in order of time.

    A stream does one thing at a time (aws:S3): an entry takes `operation_us` for each of its splits and merges, one
    after another; each closes and opens shards when it ends.

    Raises SettingError, with the number of the entry, where AWS would refuse one.

    >>> schedule = [UpdateShardCount(at=60, update_shard_count=3)]
    >>> for each in planned(2, schedule, ReshardLimits(30_000_000)):                # case:D7
    ...     print(each.end_us // 1_000_000, each.closes, [child.number for child in each.opens])
    90 (0,) [2, 3]
    120 (1,) [4, 5]
    150 (3, 4) [6]
    """
    shards = OpenShards(shard_count)
    operations: list[Operation] = []
    before = 0
    calls: list[tuple[int, int]] = []
    for entry in sorted(range(len(schedule)), key=lambda each: schedule[each].at_s):
        each = schedule[entry]
        at_us = round(each.at_s * 1e6)
        if operations and at_us < operations[-1].end_us:
            _refuse_overlap(entry, each, schedule, before, operations[-1].end_us)
        try:
            _apply(each, shards, limits)
            if isinstance(each, UpdateShardCount):
                _check_calls(at_us, calls, limits.calls_per_day)
                calls.append((entry, at_us))
        except SettingError as error:
            raise SettingError(error.message, help=error.help, at=(entry, *error.at)) from None
        done = shards.operations(at_us, limits.operation_us)
        named = f", by reshard[{entry}] at {format_duration(each.at_s)}"
        shards.closed_by |= {number: named for operation in done for number in operation.closes}
        operations += done
        before = entry
    return operations


class ControlPlane:
    """What a stream answers to the calls of UpdateShardCount that it gets during a run, each later than the one before.

    >>> plane = ControlPlane(2, ReshardLimits(30_000_000, calls_per_day=1))
    >>> [each.end_us // 1_000_000 for each in plane.update_shard_count(60_000_000, 4)]
    [90, 120]
    >>> plane.update_shard_count(100_000_000, 2)
    Traceback (most recent call last):
    kinsim.system.resharding.Refused: the stream is UPDATING until 2m (aws:S3)
    >>> plane.update_shard_count(120_000_000, 2)
    Traceback (most recent call last):
    kinsim.system.resharding.Refused: call number 2 of UpdateShardCount within 24 hours; AWS accepts 1 (aws:S9)
    """

    def __init__(self, shard_count: int, limits: ReshardLimits) -> None:
        self.shards, self.limits = OpenShards(shard_count), limits
        """The shards once all that was accepted has been done."""
        self.updating_until_us = 0
        self.calls_us: list[int] = []
        """When the calls of the last 24 hours were accepted."""

    def update_shard_count(self, at_us: int, target: int) -> list[Operation]:
        """The operations of a call at *at_us*; a call that is refused raises Refused and changes nothing.

        ASSUMPTION: only calls that are accepted count towards those of a day.
        """
        if at_us < self.updating_until_us:
            until = format_duration(self.updating_until_us / 1e6)
            raise Refused(f"the stream is UPDATING until {until} (aws:S3)", "ResourceInUseException")
        self.calls_us = [each for each in self.calls_us if at_us - each < DAY_US]
        most = self.limits.calls_per_day
        if most is not None and len(self.calls_us) >= most:
            call = len(self.calls_us) + 1
            raise Refused(f"call number {call} of UpdateShardCount within 24 hours; AWS accepts {most} (aws:S9)")
        shards = self.shards.copy()
        try:
            _update(target, shards, self.limits)
            _check_quota(shards, self.limits)
        except SettingError as error:
            raise Refused(error.message) from None
        self.shards = shards
        self.calls_us.append(at_us)
        return self.begin(at_us)

    def begin(self, at_us: int) -> list[Operation]:
        """What was done to `shards`, as operations that begin at *at_us*."""
        operations = self.shards.operations(at_us, self.limits.operation_us)
        self.updating_until_us = operations[-1].end_us if operations else at_us
        return operations


class Refused(SettingError):
    """A call that AWS would refuse, and by which exception."""

    def __init__(self, message: str, exception: str = "LimitExceededException") -> None:
        super().__init__(message)
        self.exception = exception


def _apply(each: Any, shards: OpenShards, limits: ReshardLimits) -> None:
    if isinstance(each, UpdateShardCount):
        _update(each.update_shard_count, shards, limits)
    elif isinstance(each, SplitShard):
        _split(each, shards)
    else:
        _merge(each, shards)
    _check_quota(shards, limits)


def _check_quota(shards: OpenShards, limits: ReshardLimits) -> None:
    if limits.most_shards is not None and shards.most > limits.most_shards:
        raise SettingError(
            f"{shards.most} shards would be open at once, above the quota of {limits.most_shards}",
            help="shards that an UpdateShardCount opens on its way count too (aws:S8, W21)",
        )


def _update(target: int, shards: OpenShards, limits: ReshardLimits) -> None:
    now = len(shards.ranges)
    at = ("update_shard_count",)
    if not within_factors(now, target, limits.least_factor, limits.most_factor):
        least, most = -int(-limits.least_factor * now // 1), int(limits.most_factor * now)
        raise SettingError(
            f"from {now} shards, which are open then, one call leads to {least} to {most}, not to {target}",
            help="go in several steps (aws:S8)",
            at=at,
        )
    if limits.most_target is not None and target > limits.most_target:
        raise SettingError(
            f"UpdateShardCount leads to {limits.most_target} shards at most, not to {target}",
            help="split single shards (aws:S9)",
            at=at,
        )
    shards.update_count(target)
    if not shards.done:
        raise SettingError(f"the stream has {target} equal shards then: nothing to do", help="remove this entry", at=at)


def _split(each: SplitShard, shards: OpenShards) -> None:
    _check_open([each.split], shards, ("split",))
    start, end = shards.ranges[each.split]
    place = each.at_hash
    if isinstance(place, int):
        new_start = place
    else:
        share = Fraction(1, 2) if isinstance(place, str) else Fraction(place)
        new_start = split_point(start, end, share.numerator, share.denominator)
    if not may_split(start, end, new_start):
        raise SettingError(
            f"{shard_id(each.split)} has the hash keys {start} to {end}: it cannot be split at {new_start}",
            help="write middle, or a hash key inside the range (aws:S1)",
            at=("at_hash",),
        )
    shards.split(each.split, new_start)


def _merge(each: MergeShards, shards: OpenShards) -> None:
    _check_open(each.merge, shards, ("merge",))
    first, second = each.merge
    if not are_adjacent(*shards.ranges[first], *shards.ranges[second]):
        raise SettingError(
            f"{shard_id(first)} and {shard_id(second)} are not adjacent",
            help=f"adjacent to {shard_id(first)}: {_listed(_neighbours(first, shards))} (aws:S2)",
            at=("merge",),
        )
    shards.merge(first, second)


def _neighbours(number: int, shards: OpenShards) -> list[int]:
    here = shards.ranges[number]
    return [other for other, there in shards.ranges.items() if other != number and are_adjacent(*here, *there)]


def _check_open(numbers: Iterable[int], shards: OpenShards, at: tuple[str, ...]) -> None:
    for number in numbers:
        if number not in shards.ranges:
            closed = f"is closed by then{shards.closed_by.get(number, '')}"
            what = closed if number < shards.next_number else "does not exist then"
            raise SettingError(f"{shard_id(number)} {what}", help=f"open are {_listed(sorted(shards.ranges))}", at=at)


def _listed(numbers: Sequence[int], most: int = 6) -> str:
    shown = [shard_id(number) for number in numbers[:most]]
    return ", ".join(shown) + (f" and {len(numbers) - most} more" if len(numbers) > most else "")


def _check_calls(at_us: int, calls: list[tuple[int, int]], per_day: int | None) -> None:
    if per_day is None or len(calls) < per_day:
        return
    entry, earlier_us = calls[-per_day]
    if at_us - earlier_us < DAY_US:
        raise SettingError(
            f"call number {per_day + 1} of UpdateShardCount within 24 hours of reshard[{entry}] "
            f"at {format_duration(earlier_us / 1e6)}; AWS accepts {per_day}",
            help=f"write at: {format_duration((earlier_us + DAY_US) / 1e6)} or later (aws:S9)",
            at=("at",),
        )


def _refuse_overlap(entry: int, each: Any, schedule: Sequence[Any], earlier: int, end_us: int) -> None:
    end = format_duration(end_us / 1e6)
    raise SettingError(
        f"at {format_duration(each.at_s)} the stream is still UPDATING: reshard[{earlier}], begun at "
        f"{format_duration(schedule[earlier].at_s)}, ends at {end} (AWS answers ResourceInUseException)",
        help=f"write at: {end} or later, or a shorter reshard_operation_time (aws:S3, S7)",
        at=(entry, "at"),
    )
