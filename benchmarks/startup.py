"""Wall time of commands in fresh processes: best and median of ten.

python benchmarks/startup.py
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import table

QUICKSTART = Path(__file__).parents[1] / "configs" / "quickstart.yaml"


def times(command: list[str], repeats: int) -> tuple[float, float]:
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        found.append(time.perf_counter() - start)
    return min(found), statistics.median(found)


def main() -> None:
    installed = shutil.which("kinsim", path=str(Path(sys.executable).parent))
    kinsim = [installed] if installed else [sys.executable, "-m", "kinsim"]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments, repeats in (
            ("bare Python", [sys.executable, "-c", "pass"], 10),
            ("kinsim --help", [*kinsim, "--help"], 10),
            ("kinsim validate configs/quickstart.yaml", [*kinsim, "validate", str(QUICKSTART)], 5),
            ("kinsim run configs/quickstart.yaml", [*kinsim, "run", str(QUICKSTART), "--fresh", "--out", folder], 3),
        ):
            best, median = times(arguments, repeats)
            rows.append((name, f"{best:.3f}", f"{median:.3f}"))
    table(("command", "best s", "median s"), rows)


if __name__ == "__main__":
    main()
