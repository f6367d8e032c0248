"""Makes configs/trace-replay.csv: a morning of made-up API calls, one row each, the same bytes every time.

A deployment at 00:40 triples the rate for ten minutes; at 01:10 a client retries in a burst.
"""

import math
import random
from pathlib import Path

rng = random.Random(20261124)
rows = []
t = 0.0
while t < 5_400:
    rate = 0.5 + 0.2 * math.sin(t / 600) + (1.0 if 2_400 <= t < 3_000 else 0.0)
    t += rng.expovariate(rate)
    rows.append((t, f"tenant-{min(int(rng.paretovariate(0.9)), 40)}", int(rng.lognormvariate(6.5, 0.7))))
burst = 4_200.0
rows += [(burst + 0.01 * i, "tenant-7", 2_500) for i in range(300)]
rows.sort()

with Path(__file__).with_name("trace-replay.csv").open("w", encoding="utf-8", newline="\n") as file:
    file.write("seconds,tenant,bytes\n")
    for time, tenant, size in rows:
        file.write(f"{time:.3f},{tenant},{size}\n")
