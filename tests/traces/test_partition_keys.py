"""case:O1, O2: keys and shards as three emulators of Kinesis route them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from kinsim.engine.splitting import Ranges
from kinsim.system.partition_keys import HASH_SPACE, hash_key, hash_key_ranges, shard_for

COUNTS = (1, 2, 3, 4, 5, 6, 10)


def test_every_key_goes_to_the_shard_on_which_the_emulators_agree(traces_dir: Path) -> None:
    with (traces_dir / "partition_key_to_shard.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) > 300
    for row in rows:
        key = row["partition_key"]
        assert hash_key(key) == int(row["md5_int"]), key
        assert [shard_for(key, n) for n in COUNTS] == [int(row[f"N={n}"]) for n in COUNTS], key
    high = np.array([int(row["md5_int"]) >> 64 for row in rows], np.uint64)
    for n in COUNTS:
        found = Ranges(hash_key_ranges(n)).shards(high)
        assert found.tolist() == [int(row[f"N={n}"]) for row in rows]


def test_ranges_are_those_of_the_emulators() -> None:
    for n in COUNTS:
        width = HASH_SPACE // n
        assert [start for start, _ in hash_key_ranges(n)] == [i * width for i in range(n)]
        assert hash_key_ranges(n)[-1][1] == HASH_SPACE - 1
