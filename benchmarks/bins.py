"""What counting records in bins changes: ages with bins against ages record by record, over the same seeds.

python benchmarks/bins.py
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from common import HERE, table

import kinsim as ks

REPLICATIONS = 5
COLUMNS = (("iterator_age_s", "mean"), ("iterator_age_s", "p99"), ("queue_wait_s", "mean"), ("queue_wait_s", "p99"))


def ages(name: str, changes: dict[str, object]) -> list[list[float]]:
    """By column, its value in each replication."""
    result = ks.load(HERE / f"{name}.yaml", {**changes, "run.replications": REPLICATIONS}).run()
    return [[float(one.metrics[metric][key] or 0.0) for one in result.replications] for metric, key in COLUMNS]


def deviation(found: Sequence[float], exact: Sequence[float]) -> str:
    """Mean relative deviation in percent, and its standard error."""
    relative = [100 * (a - b) / statistics.fmean(exact) for a, b in zip(found, exact, strict=True)]
    return f"{statistics.fmean(relative):+.2f} ± {statistics.stdev(relative) / math.sqrt(len(relative)):.2f} %"


def main() -> None:
    rows = []
    for name, changes in (("batches", {"run.duration": "6h"}), ("mm1", {"workload.arrivals.rate": "0.5/s"})):
        exact = ages(name, {**changes, "workload.granularity": "record"})
        for width in ("100ms", "1s", "10s"):
            found = ages(name, {**changes, "workload.granularity": width})
            rows.append((name, width, *(deviation(a, b) for a, b in zip(found, exact, strict=True))))
    table(("scenario", "bins", *(".".join(column) for column in COLUMNS)), rows)


if __name__ == "__main__":
    main()
