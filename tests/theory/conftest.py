"""How the theory tests run a scenario and compare it with a number."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kinsim as ks

SCENARIOS = Path(__file__).parent / "scenarios"


class Means:
    """Means over the replications of one scenario, compared with theory.

    A comparison passes when the mean lies within 3 standard errors of the expected value, and the standard error
    itself is at most 1 % of it, so that a pass means something.  With 30 replications a correct simulator fails one
    comparison in 180 (Student, 29 degrees of freedom: 0.55 %).  Seeds are fixed: an alarm can only appear when draws
    or rules change, and then one further seed decides.
    """

    def __init__(self, result: Any) -> None:
        self.result = result
        self.metrics = result.summary()["metrics"]

    def agrees(self, name: str, expected: float, relative_error: float = 0.01) -> None:
        """*name* is ``metric.statistic``."""
        metric, statistic = name.split(".", 1)
        found = self.metrics[metric][statistic]
        self.compare(name, found["value"], found["sd"], found["n"], expected, relative_error)

    def agrees_by(
        self, name: str, of: Callable[[dict[str, Any]], float], expected: float, relative_error: float = 0.01
    ) -> None:
        """The same for a number that *of* computes from the metrics of one replication."""
        values = np.array([of(replication.metrics) for replication in self.result.replications])
        self.compare(name, values.mean(), values.std(ddof=1), values.size, expected, relative_error)

    @staticmethod
    def compare(name: str, mean: float, sd: float, n: int, expected: float, relative_error: float) -> None:
        error = sd / math.sqrt(n)
        found = f"{name}: {mean:.6g} with a standard error of {error:.2g}, theory says {expected:.6g}"
        assert abs(mean - expected) <= 3 * error, found
        assert error <= relative_error * abs(expected), f"{found}; the error is above {relative_error:.0%}"


@pytest.fixture
def simulate() -> Callable[..., Any]:
    """Run ``scenarios/<name>.yaml`` with *changes* by dotted path."""

    def run(name: str, changes: dict[str, Any] | None = None, **options: Any) -> Any:
        return ks.load(SCENARIOS / f"{name}.yaml").with_(changes or {}).run(**options)

    return run


@pytest.fixture
def replicate(simulate: Callable[..., Any]) -> Callable[..., Means]:
    """The same, with all replications that the file asks for."""

    def run(name: str, changes: dict[str, Any] | None = None, **options: Any) -> Means:
        return Means(simulate(name, changes, **options))

    return run
