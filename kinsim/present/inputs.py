"""Files as users name them: scenarios and sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kinsim.errors import Problem


def is_sweep(path: str) -> bool:
    """Whether the file at *path* is a sweep rather than a scenario: it has a base, axes, points or any_of.

    An unreadable file is taken as a scenario; its reader then says what is wrong.
    """
    from kinsim.errors import ConfigError
    from kinsim.scenario.files import read_text
    from kinsim.scenario.yaml12 import load_tree

    try:
        value = load_tree(read_text(Path(path)), path).value
    except ConfigError:
        return False
    return isinstance(value, dict) and bool({"base", "axes", "points", "any_of"} & set(value))


def read_any(path: str, settings: Sequence[str] = ()) -> list[Problem]:
    """Read the scenario or sweep at *path*: what is wrong with its traces, and its warnings.

    Errors of the file itself are raised as ConfigError.
    """
    from kinsim.engine.traces import located_trace_problems, trace_notes
    from kinsim.scenario import load

    if not is_sweep(path):
        scenario = load(path, settings)
        broken = list(dict.fromkeys(one for each in scenario.members.values() for one in located_trace_problems(each)))
        places = {problem.path for problem in broken}
        warnings = [warning for warning in scenario.warnings if warning.path not in places]
        notes = [] if broken else [note for each in scenario.members.values() for note in trace_notes(each)]
        told = (Problem(file=path, message=note, severity="warning") for note in dict.fromkeys(notes))
        return [*broken, *warnings, *told]
    from kinsim.experiment.sweep_plan import plan_sweep

    plan = plan_sweep(path, overrides=settings)
    plan.file.require_built()
    return list(plan.warnings)
