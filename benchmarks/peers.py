"""M/M/1 at 80 % load: kinsim beside SimPy and Ciw, in one run, each checked against theory (mean wait 4 s).

pip install '.[bench]' && python benchmarks/peers.py
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from common import HERE, seconds, table

N = 200_000
WAITS: dict[str, float] = {}


def kinsim() -> None:
    import kinsim as ks

    result = ks.load(HERE / "mm1.yaml").run()
    WAITS["kinsim, reference engine"] = result["queue_wait_s"]["mean"]


def simpy_resource() -> None:
    import simpy

    env = simpy.Environment()
    server = simpy.Resource(env)
    rng = random.Random(1)
    waits: list[float] = []

    def customer() -> Iterator[Any]:
        arrived = env.now
        with server.request() as request:
            yield request
            waits.append(env.now - arrived)
            yield env.timeout(rng.expovariate(1.0))

    def source() -> Iterator[Any]:
        for _ in range(N):
            yield env.timeout(rng.expovariate(0.8))
            env.process(customer())

    env.process(source())
    env.run()
    WAITS["SimPy, a process per customer"] = sum(waits) / len(waits)


def ciw_node() -> None:
    import ciw

    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(0.8)],
        service_distributions=[ciw.dists.Exponential(1.0)],
        number_of_servers=[1],
    )
    ciw.seed(1)
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_customers(N)
    waits = [record.waiting_time for record in simulation.get_all_records()]
    WAITS["Ciw"] = sum(waits) / len(waits)


def main() -> None:
    programs = {
        "kinsim, reference engine": kinsim,
        "SimPy, a process per customer": simpy_resource,
        "Ciw": ciw_node,
    }
    kinsim()  # compiles the rules
    times = {name: seconds(program) for name, program in programs.items()}
    base = times["SimPy, a process per customer"]
    rows = [
        (name, f"{N / time / 1e3:.0f} k", f"{base / time:.2f}", f"{WAITS[name]:.3f}") for name, time in times.items()
    ]
    table(("program", "customers/s", "ratio to SimPy", "mean wait (theory 4)"), rows)


if __name__ == "__main__":
    main()
