"""Versions of what a result depends on."""

from __future__ import annotations

import platform
from importlib import metadata

import kinsim

LIBRARIES = ("simpy", "numpy", "scipy", "matplotlib", "pandas", "pydantic", "PyYAML", "click", "rich", "loky", "numba")


def libraries() -> dict[str, str | None]:
    """Version of each library, None where it is not installed."""
    found: dict[str, str | None] = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def describe() -> list[str]:
    """kinsim's version, Python, platform and libraries, one a line."""
    lines = [f"kinsim {kinsim.__version__}", f"Python {platform.python_version()}", platform.platform()]
    return lines + [f"{name} {version or 'not installed'}" for name, version in libraries().items()]
