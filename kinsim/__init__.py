"""kinsim: simulates a Kinesis stream with a Lambda function behind it.

How old do records get, what times out, what is throttled, what is lost, and what does it cost?

    >>> import kinsim as ks
    >>> ks.shard_for("user-1", 4) in range(4)
    True

Names are imported when they are first used, so that `import kinsim` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "ConfigError": "kinsim.errors",
    "InternalError": "kinsim.errors",
    "InterruptedRun": "kinsim.errors",
    "KinsimError": "kinsim.errors",
    "Pipelines": "kinsim.scenario.pipelines",
    "PipelinesResult": "kinsim.experiment.pipelines",
    "Problem": "kinsim.errors",
    "Result": "kinsim.experiment.result",
    "ResultError": "kinsim.errors",
    "Scenario": "kinsim.scenario",
    "SweepResult": "kinsim.experiment.sweep",
    "cpu_share": "kinsim.system.function",
    "evaluate_alarm": "kinsim.system.alarms",
    "hash_key": "kinsim.system.partition_keys",
    "hash_key_ranges": "kinsim.system.partition_keys",
    "kinesis_cost": "kinsim.measure.cost",
    "lambda_cost": "kinsim.measure.cost",
    "load": "kinsim.scenario",
    "parse": "kinsim.scenario",
    "shard_for": "kinsim.system.partition_keys",
    "simulate": "kinsim.experiment.simulate",
    "sweep": "kinsim.experiment.sweep",
}
"""Where each public name is defined."""

if TYPE_CHECKING:
    from kinsim.errors import ConfigError as ConfigError
    from kinsim.errors import InternalError as InternalError
    from kinsim.errors import InterruptedRun as InterruptedRun
    from kinsim.errors import KinsimError as KinsimError
    from kinsim.errors import Problem as Problem
    from kinsim.errors import ResultError as ResultError

__all__ = [
    "ConfigError",
    "InternalError",
    "InterruptedRun",
    "KinsimError",
    "Pipelines",
    "PipelinesResult",
    "Problem",
    "Result",
    "ResultError",
    "Scenario",
    "SweepResult",
    "__version__",
    "cpu_share",
    "evaluate_alarm",
    "hash_key",
    "hash_key_ranges",
    "kinesis_cost",
    "lambda_cost",
    "load",
    "parse",
    "shard_for",
    "simulate",
    "sweep",
]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'kinsim' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
