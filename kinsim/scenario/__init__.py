"""Scenarios: from YAML to frozen settings whose every value knows where it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kinsim.scenario.loading import load, parse
    from kinsim.scenario.model import CostSettings, Run, Scenario, Slo
    from kinsim.scenario.profiles import Profile, list_profiles, load_profile

__all__ = ["CostSettings", "Profile", "Run", "Scenario", "Slo", "list_profiles", "load", "load_profile", "parse"]

_HOME = {
    "load": "loading",
    "parse": "loading",
    "CostSettings": "model",
    "Run": "model",
    "Scenario": "model",
    "Slo": "model",
    "Profile": "profiles",
    "list_profiles": "profiles",
    "load_profile": "profiles",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
