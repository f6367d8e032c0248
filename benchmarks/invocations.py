"""Microseconds per invocation of the reference engine, metrics and all, through the public API in a warm process.

python benchmarks/invocations.py
"""

from __future__ import annotations

from common import HERE, seconds, table

import kinsim as ks


def measure(name: str, changes: dict[str, object]) -> list[object]:
    scenario = ks.load(HERE / f"{name}.yaml", changes)
    result = scenario.run()  # warms up, draws the arrivals
    invocations = result["invocations"]["sum"]
    drawn = seconds(scenario.run)
    seeds = iter(range(2, 100))
    fresh = seconds(lambda: scenario.run(seed=next(seeds)))
    records = result["processed_records"]["sum"]
    return [
        f"{name}, {', '.join(f'{k}: {v}' for k, v in changes.items()) or 'as it stands'}",
        f"{records:,.0f}",
        f"{invocations:,.0f}",
        f"{drawn:.2f}",
        f"{1e6 * drawn / invocations:.1f}",
        f"{fresh:.2f}",
        f"{1e6 * fresh / invocations:.1f}",
    ]


def main() -> None:
    drawn, fresh = ("s, on drawn arrivals", "µs per invocation"), ("s, arrivals drawn too", "µs per invocation")
    table(
        ("scenario", "records", "invocations", *drawn, *fresh),
        [
            measure("mm1", {}),
            measure("batches", {}),
            measure("batches", {"workload.granularity": "1s"}),
            measure("batches", {"event_source_mapping.batch_size": 10}),
        ],
    )


if __name__ == "__main__":
    main()
