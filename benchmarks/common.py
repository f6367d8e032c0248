"""What the benchmark scripts share: timing, memory, and how to show a table."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def seconds(action: Callable[[], Any], repeats: int = 3) -> float:
    """Median wall time of *action* in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def peak_mib() -> float:
    """Most memory that this process has held, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 if sys.platform != "darwin" else 1024**2)


def in_new_process(script: str, *arguments: str) -> dict[str, Any]:
    """The JSON that ``script arguments`` prints, run by a fresh interpreter so that peaks do not mix."""
    done = subprocess.run(
        [sys.executable, str(HERE / script), *arguments], check=True, capture_output=True, text=True, encoding="utf-8"
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print *rows* as Markdown, ready for README.md."""
    print("| " + " | ".join(header) + " |")
    print("|" + "--|" * len(header))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
