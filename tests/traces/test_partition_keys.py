"""case:O1, O2: keys and shards as three emulators of Kinesis route them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import kinsim as ks
from kinsim.engine.splitting import Ranges
from kinsim.system.partition_keys import HASH_SPACE, hash_key, hash_key_ranges, shard_for

COUNTS = (1, 2, 3, 4, 5, 6, 10)
SCENARIO = Path(__file__).parent / "scenarios" / "O1-partition-keys.yaml"


def rows_of(traces_dir: Path) -> list[dict[str, str]]:
    with (traces_dir / "partition_key_to_shard.csv").open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_every_key_goes_to_the_shard_on_which_the_emulators_agree(traces_dir: Path) -> None:
    rows = rows_of(traces_dir)
    assert len(rows) > 300
    for row in rows:
        key = row["partition_key"]
        assert hash_key(key) == int(row["md5_int"]), key
        assert [shard_for(key, n) for n in COUNTS] == [int(row[f"N={n}"]) for n in COUNTS], key
    high = np.array([int(row["md5_int"]) >> 64 for row in rows], np.uint64)
    for n in COUNTS:
        found = Ranges(hash_key_ranges(n)).shards(high)
        assert found.tolist() == [int(row[f"N={n}"]) for row in rows]


@pytest.mark.parametrize("n", [n for n in COUNTS if n > 1])
def test_a_run_sends_every_key_to_its_shard(traces_dir: Path, n: int) -> None:
    """case:O1 and O2 from a scenario to the table of records and the summary.

    On one shard the records stay together in one row, which has no key of its own.
    """
    rows = rows_of(traces_dir)
    keys = [row["partition_key"] for row in rows]
    changes = {
        "workload.partition_keys.keys": keys,
        "workload.arrivals.rate": f"{len(keys)}/60s",  # one record for each, in turn
        "stream.shard_count": n,
    }
    run = ks.load(SCENARIO, changes).run(keep=("records",))
    assert run.records.hash_key.tolist() == [row["md5_int"] for row in rows]
    assert run.records["shard"].tolist() == [f"shardId-{int(row[f'N={n}']):012d}" for row in rows]
    shards = run.summary()["shards"]
    width = HASH_SPACE // n
    assert [int(shard["starting_hash_key"]) for shard in shards] == [i * width for i in range(n)]
    ends = [(i + 1) * width - 1 for i in range(n - 1)] + [HASH_SPACE - 1]
    assert [int(shard["ending_hash_key"]) for shard in shards] == ends


def test_ranges_are_those_of_the_emulators() -> None:
    for n in COUNTS:
        width = HASH_SPACE // n
        assert [start for start, _ in hash_key_ranges(n)] == [i * width for i in range(n)]
        assert hash_key_ranges(n)[-1][1] == HASH_SPACE - 1


RESHARD = Path(__file__).parents[1] / "theory" / "scenarios" / "O4-reshard.yaml"


def test_o4_the_emulators_keys_on_shards_that_are_split_and_merged(traces_dir: Path) -> None:
    """case:O4: the listed MD5 of the first hundred keys decides; shard 3 is 1 up to its third, 5 is 0 and 3."""
    rows = rows_of(traces_dir)[:100]
    records = (
        ks.load(RESHARD, {"workload.partition_keys.keys": [row["partition_key"] for row in rows]})
        .run(keep=("records",))
        .records
    )
    third = HASH_SPACE // 3
    cut = third + third // 3

    def after_the_split(row: dict[str, str]) -> int:
        return (3 if int(row["md5_int"]) < cut else 4) if row["N=3"] == "1" else int(row["N=3"])

    before = [int(row["N=3"]) for row in rows]
    between = [after_the_split(row) for row in rows]
    after = [5 if shard in (0, 3) else shard for shard in between]
    assert records.hash_key.tolist() == 3 * [row["md5_int"] for row in rows]
    assert records["shard"].tolist() == [f"shardId-{shard:012d}" for shard in before + between + after]
    assert (set(before), set(between), set(after)) == ({0, 1, 2}, {0, 2, 3, 4}, {2, 4, 5})
