"""Microseconds per invocation of the reference engine in a warm process: alone, and with every metric measured.

python benchmarks/invocations.py
"""

from __future__ import annotations

from typing import Any

from common import HERE, seconds, table

import kinsim as ks
from kinsim.engine import reference
from kinsim.engine.arrivals import shared


class Nothing:
    """Takes the engine's tables and measures nothing."""

    def window(self, window: Any) -> None:
        """A window's tables."""

    def finish(self, final: Any) -> None:
        """The state at the end."""


def engine_alone(scenario: ks.Scenario) -> float:
    """Seconds of one replication on arrivals that are drawn, its tables thrown away."""
    return seconds(lambda: reference.run(scenario, 0, Nothing(), shared(scenario, 0)))


def measure(name: str, changes: dict[str, object]) -> list[object]:
    scenario = ks.load(HERE / f"{name}.yaml", changes)
    result = scenario.run()  # warms up, draws the arrivals
    invocations = result["invocations"]["sum"]
    alone = engine_alone(scenario)
    drawn = seconds(scenario.run)
    seeds = iter(range(2, 100))
    fresh = seconds(lambda: scenario.run(seed=next(seeds)))
    records = result["processed_records"]["sum"]
    return [
        f"{name}, {', '.join(f'{k}: {v}' for k, v in changes.items()) or 'as it stands'}",
        f"{records:,.0f}",
        f"{invocations:,.0f}",
        f"{1e6 * alone / invocations:.1f}",
        f"{drawn:.2f}",
        f"{1e6 * drawn / invocations:.1f}",
        f"{fresh:.2f}",
        f"{1e6 * fresh / invocations:.1f}",
    ]


def main() -> None:
    drawn = ("with all metrics: s", "µs per invocation")
    fresh = ("arrivals drawn too: s", "µs per invocation")
    table(
        ("scenario", "records", "invocations", "engine alone: µs per invocation", *drawn, *fresh),
        [
            measure("mm1", {}),
            measure("batches", {}),
            measure("batches", {"workload.granularity": "1s"}),
            measure("batches", {"event_source_mapping.batch_size": 10}),
        ],
    )


if __name__ == "__main__":
    main()
