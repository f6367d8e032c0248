"""Time and peak memory of case T10b (20 million records a day against a function that manages 17) as days go by.

python benchmarks/memory.py
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from common import in_new_process, peak_mib, table

SCENARIO = Path(__file__).parents[1] / "tests" / "theory" / "scenarios" / "T10b-overload-bursts.yaml"


def one(days: str) -> None:
    import kinsim as ks

    scenario = ks.load(SCENARIO, {"run.duration": f"{days}d"})
    before = peak_mib()
    start = time.perf_counter()
    result = scenario.run()
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - start,
                "before": before,
                "peak": peak_mib(),
                "records": result["offered_records"]["sum"],
                "invocations": result["invocations"]["sum"],
            }
        )
    )


def main() -> None:
    rows = []
    for days in (1, 2, 4, 8):
        found = in_new_process("memory.py", str(days))
        rows.append(
            (
                days,
                f"{found['records'] / 1e6:.1f} M",
                f"{found['invocations']:,.0f}",
                f"{found['seconds']:.1f}",
                f"{1e6 * found['seconds'] / found['invocations']:.1f}",
                f"{found['peak']:.0f}",
                f"+{found['peak'] - found['before']:.0f}",
            )
        )
    table(("days", "records", "invocations", "s", "µs per invocation", "peak MiB", "of that the run"), rows)


if __name__ == "__main__":
    one(sys.argv[1]) if len(sys.argv) > 1 else main()
