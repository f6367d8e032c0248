"""Random numbers by address."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from kinsim.engine.draws import Purpose, address_key, generator, uniform, words
from kinsim.rule import compiled


def test_each_part_of_the_address_matters() -> None:
    addresses = [
        (1, 0, Purpose.ARRIVALS, "a", 0), (2, 0, Purpose.ARRIVALS, "a", 0), (1, 1, Purpose.ARRIVALS, "a", 0),
        (1, 0, Purpose.SIZES, "a", 0), (1, 0, Purpose.ARRIVALS, "b", 0), (1, 0, Purpose.ARRIVALS, "a", 1),
        (1, 0, Purpose.ARRIVALS, "a"), (1, 0, Purpose.ARRIVALS), (1, 0, Purpose.ARRIVALS, 0, "a"),
        (1, 0, Purpose.ARRIVALS, "a", 1 << 32), (1, 0, Purpose.ARRIVALS, "a", 0, 0),
    ]  # fmt: skip
    firsts = [tuple(generator(*address).integers(0, 2**63, 4).tolist()) for address in addresses]
    assert len(set(firsts)) == len(addresses)
    assert len({address_key(*address) for address in addresses}) == len(addresses)
    assert all(0 <= address_key(*address) < 2**62 for address in addresses)


def test_purposes_have_numbers_of_their_own() -> None:
    assert len({int(purpose) for purpose in Purpose}) == len(Purpose)


def test_the_same_address_gives_the_same_numbers_in_any_process() -> None:
    code = (
        "from kinsim.engine.draws import *; import numpy as np;"
        "g = generator(7, 3, Purpose.WORK, 'web', 5);"
        "print(g.random(3).tolist(), g.poisson(9, 3).tolist(), address_key(7, 3, 2, 'web'), uniform(5, 6, 7),"
        " words(5, np.arange(3, dtype=np.uint64)).tolist())"
    )
    outputs = set()
    for hash_seed in ("0", "1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        outputs.add(
            subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True).stdout
        )
    assert len(outputs) == 1


def _fill(key, n):  # type: ignore[no-untyped-def]
    out = np.empty(n)
    for i in range(n):
        out[i] = uniform(key, i, 3, i * 5_000_000_000, 1)
    return out


def test_compiled_code_draws_the_same_bits() -> None:
    key = address_key(1, 0, Purpose.FAULTS)
    plain = _fill(key, 500)
    assert plain.tolist() == compiled(_fill)(np.uint64(key), 500).tolist() == _fill(np.uint64(key), 500).tolist()
    assert uniform(np.uint64(key), np.int64(4), np.int64(3), np.int64(20_000_000_000), np.int64(1)) == plain[4]


@pytest.mark.parametrize("place", range(4))
def test_single_numbers_are_uniform_along_each_part_of_the_address(place: int) -> None:
    p_uniform, p_pairs = [], []
    for seed in range(20):
        key = address_key(seed, 0, Purpose.FAULTS)
        address = [11, 12, 13, 14]
        drawn = []
        for i in range(4000):
            address[place] = i
            drawn.append(uniform(key, *address))
        values = np.array(drawn)
        p_uniform.append(stats.kstest(values, "uniform").pvalue)
        pairs = np.histogram2d(values[:-1], values[1:], bins=8, range=((0, 1), (0, 1)))[0]
        p_pairs.append(stats.chisquare(pairs.ravel()).pvalue)
    assert sum(p < 0.05 for p in p_uniform) <= 3
    assert sum(p < 0.05 for p in p_pairs) <= 3


def test_words_have_random_bits_at_every_place() -> None:
    p_values = []
    for seed in range(20):
        drawn = words(address_key(seed, 0, Purpose.KEYS), np.arange(20_000, dtype=np.uint64))
        for bit in (0, 1, 31, 32, 62, 63):
            ones = int(((drawn >> np.uint64(bit)) & np.uint64(1)).sum())
            p_values.append(stats.binomtest(ones, drawn.size).pvalue)
        tops = np.bincount((drawn >> np.uint64(58)).astype(np.int64), minlength=64)
        p_values.append(stats.chisquare(tops).pvalue)
    assert sum(p < 0.01 for p in p_values) <= 6  # of 140; 99.9 % of the time
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3


def test_numbers_are_in_the_half_open_interval() -> None:
    for address in itertools.product((0, 1, 2**31, 2**32 - 1, 2**53), repeat=3):
        assert 0.0 <= uniform(2**62 - 1, *address) < 1.0
