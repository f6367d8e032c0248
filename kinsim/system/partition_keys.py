"""Partition keys: which key a record has, its 128-bit hash, and the shard whose range holds it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import md5
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from kinsim.errors import SettingError
from kinsim.system.distributions import Number
from kinsim.units import Count, Settings, Size

HASH_SPACE = 1 << 128
LONGEST_KEY = 256
"""Most characters of a partition key (aws:W15)."""

RANDOM_KEY_BYTES = 36
"""Length of a random key: the text of a UUID."""

CONSTANT_KEY = "constant"
"""The key of all records where `partition_keys: constant`."""

RANDOM, EVEN, GROUP_DRAWN, GROUP_IN_TURN = -1, -2, -3, -4
"""What a row has instead of a key's number: a random key per record, round robin over the shards, or several records
with keys of the table, drawn or in turn."""


# -- hash keys and shards ------------------------------------------------------------------------------------


def hash_key(partition_key: str) -> int:
    """MD5 of the UTF-8 key as a big-endian unsigned integer (aws:W15).

    >>> hash_key("a"), hash_key("partitionKey-03")
    (16955237001963240173058271559858726497, 183955990062578521952773094788915351226)
    """
    return int.from_bytes(md5(partition_key.encode(), usedforsecurity=False).digest(), "big")


def lane_of_hash(hash_key: int, lanes: int) -> int:
    """Lane of a shard that works off the records of a key, by the hash's lower 64 bits (ASSUMPTION aws:E19).

    The shard is chosen by the upper bits, so that keys of one shard spread over its lanes.

    >>> [lane_of_hash(hash_key(key), 2) for key in ("a", "123", "0")]
    [1, 0, 0]
    """
    return (hash_key & (1 << 64) - 1) % lanes


def hash_key_ranges(shard_count: int) -> list[tuple[int, int]]:
    """Inclusive hash key ranges of the shards of a new stream (aws:W16).

    >>> [start % 1_000_000 for start, end in hash_key_ranges(3)], hash_key_ranges(3)[-1][1] == 2**128 - 1
    ([0, 70485, 140970], True)
    """
    if isinstance(shard_count, bool) or not isinstance(shard_count, int) or shard_count < 1:
        raise SettingError(f"{shard_count!r} is not a number of shards", help="write 1 or more")
    width = HASH_SPACE // shard_count
    starts = [i * width for i in range(shard_count)]
    return list(zip(starts, [start - 1 for start in starts[1:]] + [HASH_SPACE - 1], strict=True))


def shard_for(partition_key: str, shard_count: int) -> int:
    """Number of the shard of a new stream that takes *partition_key* (aws:W15, W16).

    >>> [shard_for("eni-0a1b2c3d4e5f60718-all", n) for n in (2, 3, 4, 10)]
    [1, 2, 3, 9]
    """
    _check_key(partition_key)
    return range_of(hash_key(partition_key), [start for start, _ in hash_key_ranges(shard_count)])


def range_of(hash_key: int, starts: Sequence[int]) -> int:
    """Position of the range that holds *hash_key*; *starts* ascend from 0, both ends of a range belong to it.

    >>> range_of(9, [0, 10, 20]), range_of(10, [0, 10, 20]), range_of(2**128 - 1, [0, 10, 20])
    (0, 1, 2)
    """
    return bisect_right(starts, hash_key) - 1


def _check_key(key: str) -> None:
    if not 1 <= len(key) <= LONGEST_KEY:
        raise SettingError(f"a partition key has 1 to {LONGEST_KEY} characters, not {len(key)}", help="see aws:W15")
    try:
        key.encode()
    except UnicodeEncodeError:
        raise SettingError(f"{key[:40]!r} cannot be written in UTF-8") from None


# -- settings ------------------------------------------------------------------------------------------------


class Zipf(Settings):
    """Weights 1, 1/2^s, 1/3^s, …"""

    distribution: Literal["zipf"] = Field(description="Zipf's law.", examples=["zipf"])
    s: Number = Field(description="Exponent; 0 makes all keys equally likely.", examples=[0.8], le=100)


class RandomKeys(Settings):
    """A new random key for each record."""

    key_size_bytes: Size = Field(
        alias="key_size", description="Length of a random key.", examples=["36 B"], ge=1, le=LONGEST_KEY
    )


class ListedKeys(Settings):
    """Keys by name: drawn by weight, or in turn."""

    keys: list[str] = Field(description="The keys.", examples=[["a", "b"]], min_length=1, max_length=1_000_000)
    weights: list[Number] | None = Field(
        default=None, description="Relative frequency of each key; without it the keys come in turn.", examples=[[3, 1]]
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for at, key in enumerate(self.keys):
            try:
                _check_key(key)
            except SettingError as error:
                raise SettingError(error.message, help=error.help, at=("keys", at)) from None
        if self.weights is not None:
            if len(self.weights) != len(self.keys):
                raise SettingError(
                    f"{len(self.weights)} weights for {len(self.keys)} keys", help="give one each", at=("weights",)
                )
            if not sum(self.weights) > 0:
                raise SettingError("the weights add up to 0", at=("weights",))
        return self


class CountedKeys(Settings):
    """So many keys, with new names in each replication: in turn, or drawn with a skew."""

    count: Count = Field(description="Number of keys.", examples=[5_000], ge=1, le=1_000_000)
    skew: Zipf | None = Field(
        default=None,
        description="How unequal the keys are; without it they come in turn.",
        examples=[{"distribution": "zipf", "s": 0.8}],
    )


class PrefixedKeys(Settings):
    """Keys ``prefix0``, ``prefix1``, …, the same in each replication: in turn, or drawn with a skew."""

    prefix: str = Field(description="What the keys begin with.", examples=["eni-"], max_length=LONGEST_KEY - 7)
    count: Count = Field(description="Number of keys.", examples=[400], ge=1, le=1_000_000)
    skew: Zipf | None = Field(
        default=None,
        description="How unequal the keys are; without it they come in turn.",
        examples=[{"distribution": "zipf", "s": 0.8}],
    )


class ExplicitHashKeys(Settings):
    """Hash keys given outright, in turn; the partition key that goes with each is random."""

    explicit_hash_keys: list[int] = Field(
        description="Hash keys from 0 to 2^128 - 1.",
        examples=[["0", "170141183460469231731687303715884105728"]],
        min_length=1,
    )

    @field_validator("explicit_hash_keys", mode="before")
    @classmethod
    def _decimal(cls, value: Any) -> Any:
        return [_hash_number(each, at) for at, each in enumerate(value)] if isinstance(value, list) else value


def _hash_number(value: Any, at: int) -> int:
    text = value.strip().replace("_", "") if isinstance(value, str) else ""
    if text.isascii() and text.isdigit() and len(text) <= 60:
        value = int(text)
    if isinstance(value, bool) or not isinstance(value, int):
        shown = repr(value)
        raise SettingError(
            f"{shown[:60]} is not a hash key", help="write a decimal integer", at=("explicit_hash_keys", at)
        )
    if not 0 <= value < HASH_SPACE:
        raise SettingError(
            f"{str(value)[:60]} is not within 0 to 2^128 - 1",
            help="a hash key has 128 bits",
            at=("explicit_hash_keys", at),
        )
    return value


FORMS = {
    "keys": "list",
    "weights": "list",
    "prefix": "prefix",
    "count": "count",
    "skew": "count",
    "explicit_hash_keys": "explicit",
    "key_size": "random",
}
CHOICES = (
    "random, even, constant, log_stream, {keys: […]}, {count: …}, {prefix: …, count: …}, {explicit_hash_keys: […]}"
)


def _form(value: Any) -> str:
    if isinstance(value, dict):
        forms = [FORMS[key] for key in value if key in FORMS]
        return "prefix" if "prefix" in forms else forms[0] if forms else "none"
    by_class: dict[type, str] = {
        ListedKeys: "list", CountedKeys: "count", PrefixedKeys: "prefix",
        ExplicitHashKeys: "explicit", RandomKeys: "random",
    }  # fmt: skip
    return by_class.get(type(value), "name")


def _known_form(value: Any) -> Any:
    if _form(value) == "none" or (_form(value) == "name" and value not in ("random", "even", "constant", "log_stream")):
        shown = repr(value)
        raise SettingError(f"{shown[:60]} does not say which partition keys", help=f"write {CHOICES}")
    return value


PartitionKeys = Annotated[
    Annotated[Literal["random", "even", "constant", "log_stream"], Tag("name")]
    | Annotated[RandomKeys, Tag("random")]
    | Annotated[ListedKeys, Tag("list")]
    | Annotated[CountedKeys, Tag("count")]
    | Annotated[PrefixedKeys, Tag("prefix")]
    | Annotated[ExplicitHashKeys, Tag("explicit")],
    Discriminator(_form),
    BeforeValidator(_known_form),
]
"""Which keys the records of a source have."""


def mean_key_bytes(keys: Any) -> float:
    """Mean length of the records' keys in bytes.

    >>> mean_key_bytes("random"), mean_key_bytes("constant")
    (36.0, 8.0)
    """
    if isinstance(keys, RandomKeys):
        return float(keys.key_size_bytes)
    if keys == "constant":
        return float(len(CONSTANT_KEY))
    if isinstance(keys, ListedKeys):
        weights = keys.weights or [1.0] * len(keys.keys)
        sizes = [len(key.encode()) for key in keys.keys]
        return sum(w * size for w, size in zip(weights, sizes, strict=True)) / sum(weights)
    if isinstance(keys, PrefixedKeys):
        return float((weights_of(keys) * [len(f"{keys.prefix}{i}".encode()) for i in range(keys.count)]).sum())
    return float(RANDOM_KEY_BYTES)


def weights_of(keys: CountedKeys | PrefixedKeys) -> NDArray[np.float64]:
    """Share of each key, the most frequent first.

    >>> weights_of(CountedKeys.model_validate({"count": 2, "skew": {"distribution": "zipf", "s": 1}}))
    array([0.66666667, 0.33333333])
    """
    exponent = 0.0 if keys.skew is None else keys.skew.s
    weights = np.arange(1.0, keys.count + 1) ** -exponent
    return np.asarray(weights / weights.sum(), np.float64)


# -- tables of keys ------------------------------------------------------------------------------------------


@dataclass
class KeyTable:
    """The keys of a source by number, with their hashes; it may grow while records are drawn.

    >>> table = KeyTable.of(["a", "b"])
    >>> table.number("b"), table.number("c"), len(table), table.hashes[0] == hash_key("a")
    (1, 2, 3, True)
    """

    names: list[str]
    hashes: list[int]
    sizes: list[int]
    """Bytes of each key."""
    weights: NDArray[np.float64] | None = None
    """Share of each key where keys are drawn; None where they come in turn or rows name them."""

    @classmethod
    def of(cls, names: Sequence[str], weights: NDArray[np.float64] | None = None) -> KeyTable:
        """A table of keys by name."""
        return cls(list(names), [hash_key(n) for n in names], [len(n.encode()) for n in names], weights)

    def __post_init__(self) -> None:
        self._number = {name: number for number, name in enumerate(self.names)}
        self._known: tuple[NDArray[np.int64], NDArray[np.uint64]] | None = None
        self._alias: tuple[NDArray[np.float64], NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        return len(self.hashes)

    def number(self, name: str) -> int:
        """Number of the key *name*, which is added where it is new."""
        known = self._number.get(name)
        if known is None:
            known = self._number[name] = len(self.hashes)
            self.names.append(name)
            self.hashes.append(hash_key(name))
            self.sizes.append(len(name.encode()))
        return known

    @property
    def key_bytes(self) -> NDArray[np.int64]:
        """Bytes of each key."""
        return self._arrays()[0]

    @property
    def high(self) -> NDArray[np.uint64]:
        """Upper 64 bits of each key's hash."""
        return self._arrays()[1]

    def _arrays(self) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        if self._known is None or self._known[0].size < len(self.hashes):
            self._known = np.array(self.sizes, np.int64), np.array([h >> 64 for h in self.hashes], np.uint64)
        return self._known

    def draw(self, u: NDArray[np.float64]) -> NDArray[np.int64]:
        """Numbers of the keys that uniform numbers in [0, 1) choose by weight (Walker's alias method).

        >>> KeyTable.of(["a", "b"], np.array([0.75, 0.25])).draw(np.array([0.1, 0.6, 0.8])).tolist()
        [0, 1, 0]
        """
        if self._alias is None:
            weights = np.full(len(self), 1.0 / len(self)) if self.weights is None else self.weights
            self._alias = _aliases(weights)
        stay, other = self._alias
        scaled = u * stay.size
        slot = scaled.astype(np.int64)
        np.minimum(slot, stay.size - 1, out=slot)
        scaled -= slot
        return np.where(scaled < stay[slot], slot, other[slot])

    def shards(self, starts: Sequence[int]) -> NDArray[np.int64]:
        """For each key the position of the range that takes it; *starts* ascend from 0."""
        return np.array([range_of(h, starts) for h in self.hashes], np.int64)


def _aliases(weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """For each slot of equal size the share that its own key keeps, and the key that has the rest."""
    stay = (weights / weights.sum() * weights.size).tolist()
    other = list(range(len(stay)))
    small = [at for at, each in enumerate(stay) if each < 1.0]
    large = [at for at, each in enumerate(stay) if each >= 1.0]
    while small and large:
        low, high = small.pop(), large[-1]
        other[low] = high
        stay[high] -= 1.0 - stay[low]
        if stay[high] < 1.0:
            small.append(large.pop())
    for at in small + large:
        stay[at] = 1.0
    return np.array(stay), np.array(other, np.int64)


def key_table(keys: Any, generator: np.random.Generator) -> KeyTable | None:
    """The table of a source's keys; None where records have no fixed set of keys.

    *generator* gives the names of `CountedKeys`, texts of random UUIDs.
    """
    if keys == "constant":
        return KeyTable.of([CONSTANT_KEY])
    if isinstance(keys, ListedKeys):
        weights = None if keys.weights is None else np.array(keys.weights) / sum(keys.weights)
        return KeyTable.of(keys.keys, weights)
    if isinstance(keys, CountedKeys):
        return KeyTable.of(_uuids(generator, keys.count), None if keys.skew is None else weights_of(keys))
    if isinstance(keys, PrefixedKeys):
        names = [f"{keys.prefix}{i}" for i in range(keys.count)]
        return KeyTable.of(names, None if keys.skew is None else weights_of(keys))
    if isinstance(keys, ExplicitHashKeys):
        hashes = list(keys.explicit_hash_keys)
        return KeyTable([f"explicit hash key {h}" for h in hashes], hashes, [RANDOM_KEY_BYTES] * len(hashes))
    return None


def _uuids(generator: np.random.Generator, count: int) -> list[str]:
    digits = generator.bytes(16 * count).hex()
    texts = (digits[at : at + 32] for at in range(0, 32 * count, 32))
    return [f"{t[:8]}-{t[8:12]}-4{t[13:16]}-a{t[17:20]}-{t[20:]}" for t in texts]
