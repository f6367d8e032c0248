"""Random numbers by address, never by order of calls.

Each draw has an address: seed, replication, purpose, and what it is for (a source and a window, a shard and a
batch, a record).  The same address gives the same numbers whatever else the scenario holds, in any process.
Arrays come from NumPy's PCG64; single numbers, which loops need between other decisions, from an integer hash that
compiled code computes to the same bit.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray
from scipy import special

from kinsim.rule import compilable

UInt64 = NDArray[np.uint64]


class Purpose(IntEnum):
    """What random numbers are for; numbers are part of the model and never given twice."""

    ARRIVALS = 0
    SIZES = 1
    LOG_EVENTS = 2
    WORK = 3
    KEYS = 4
    KEY_NAMES = 5
    SPLIT = 6
    DURATION = 7
    CALLS = 8
    FAULTS = 9
    COLD_START = 10
    POLL_PHASE = 11
    RETRY_JITTER = 12
    BACKOFF = 13
    PRODUCER = 14
    MODULATION = 15
    SAMPLING = 16
    INITIAL_BACKLOG = 21
    FILTER = 22
    MATCHES = 31


def seed_sequence(seed: int, replication: int, purpose: int, *entity: int | str) -> np.random.SeedSequence:
    """The address as NumPy takes it; names count by their hash, so that their order does not matter."""
    words = [replication, int(purpose)]
    for each in entity:
        number = _number_of(each) if isinstance(each, str) else int(each)
        words += (number & 0xFFFFFFFF, number >> 32)
    return np.random.SeedSequence(seed, spawn_key=tuple(words))


@lru_cache(maxsize=4096)
def _number_of(name: str) -> int:
    return int.from_bytes(sha256(name.encode()).digest()[:8], "big")


def generator(seed: int, replication: int, purpose: int, *entity: int | str) -> np.random.Generator:
    """Random numbers of one purpose for one thing in one replication.

    >>> generator(1, 0, Purpose.ARRIVALS, "records", 7).integers(100, size=3)
    array([86, 60, 37])
    """
    return np.random.Generator(np.random.PCG64(seed_sequence(seed, replication, purpose, *entity)))


def address_key(seed: int, replication: int, purpose: int, *entity: int | str) -> int:
    """A number below 2^62 that stands for an address in `uniform` and `words`."""
    return int(seed_sequence(seed, replication, purpose, *entity).generate_state(1, np.uint64)[0]) >> 2


@compilable
def uniform(key: int, a: int = 0, b: int = 0, c: int = 0, d: int = 0) -> float:
    """A number in [0, 1) with 53 random bits for the address (*key*, a, b, c, d) of whole numbers.

    Arithmetic is modulo 2^32, which Python's integers and a machine's agree on.

    >>> uniform(1, 2, 3), uniform(1, 2, 4)
    (0.42694973602426856, 0.10809827354375079)
    """
    mask = 0xFFFFFFFF
    a, b, c, d = int(a), int(b), int(c), int(d)
    low = int(float(key & mask))
    high = int(float((key >> 32) & mask))
    x = (low + a * 0x9E3779B1 + b * 0x85EBCA77 + c * 0xC2B2AE3D + d * 0x27D4EB2F) & mask
    y = (high + a * 0x165667B1 + b * 0xD3A2646D + c * 0xFD7046C5 + d * 0xB55A4F09) & mask
    y = (y + (a >> 32) * 0x7FEB352D + (b >> 32) * 0x846CA68B + (c >> 32) * 0x21F0AAAD + (d >> 32) * 0x735A2D97) & mask
    x = _stirred(x ^ (y >> 11))
    y = _stirred(y ^ x)
    x = _stirred(x ^ y)
    y = _stirred((y + x) & mask)
    return ((x >> 5) * 67_108_864 + (y >> 6)) / 9_007_199_254_740_992.0


@compilable
def _stirred(x: int) -> int:
    """A permutation of the 32-bit numbers in which each input bit changes each output bit half of the time."""
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & 0xFFFFFFFF
    x = ((x ^ (x >> 15)) * 0x846CA68B) & 0xFFFFFFFF
    return x ^ (x >> 16)


def words(key: int, address: UInt64) -> UInt64:
    """64 random bits for each *address*: SplitMix64 at that place of the sequence *key*.

    >>> [int(word) for word in words(0, np.array([0, 1], np.uint64))]     # as published for the seed 0
    [16294208416658607535, 7960286522194355700]
    """
    with np.errstate(over="ignore"):
        mixed = (address + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        mixed += np.uint64(key)
        mixed ^= mixed >> np.uint64(30)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(27)
        mixed *= np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return mixed


def uniforms(key: int, address: NDArray[np.int64]) -> NDArray[np.float64]:
    """A number in [0, 1) with 53 random bits for each *address*.

    >>> uniforms(1, np.array([5, 6])).round(6).tolist()
    [0.762894, 0.877349]
    """
    return (words(key, address.astype(np.uint64)) >> np.uint64(11)).astype(np.float64) / (1 << 53)


def binomial(n: NDArray[np.int64], p: float, u: NDArray[np.float64]) -> NDArray[np.int64]:
    """Successes among *n* at a chance of *p* each, by inversion of *u*: never fewer at a higher chance.

    >>> binomial(np.array([1, 1, 4, 4, 10**6]), 0.5, np.array([0.4, 0.6, 0.05, 0.5, 0.5])).tolist()
    [0, 1, 0, 2, 500000]
    """
    if p in (0.0, 1.0):
        return np.array(n * int(p), np.int64)
    found = np.maximum(np.ceil(special.bdtrik(u, n, p)), 0.0)
    below = np.maximum(found - 1.0, 0.0)
    found = np.where(special.bdtr(below, n, p) >= u, below, found)
    return np.where(n > 0, np.clip(found, 0.0, n), 0.0).astype(np.int64)
