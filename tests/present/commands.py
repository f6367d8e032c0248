"""Files and folders for the tests of the commands."""

from __future__ import annotations

import csv
from pathlib import Path

ROOT = Path(__file__).parents[2]
HELLO = """\
kinsim: 1
name: hello
workload: {arrivals: {model: poisson, rate: 5/s}, record_size: 1 kB}
stream: {shard_count: 2}
function: {memory_size: 256 MB, duration: {fixed: 30ms, per_record: 0.1ms}}
slos:
  fresh: {metric: IteratorAge, statistic: Maximum, period: 1m, at_most: 30s}
  no_loss: {metric: expired_records, statistic: Sum, at_most: 0}
run: {duration: 5m, replications: 2, seed: 7}
"""
SWEEP = """\
kinsim: 1
name: few
base: hello.yaml
axes: [{stream.shard_count: [1, 2, 3]}]
replications: 2
"""
FOLDER = {
    "manifest.json", "scenario.yaml", "summary.json", "summary.csv", "slos.json", "cost.csv", "replications.csv",
    "timeseries.csv", "log.txt", "figures",
}  # fmt: skip


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
