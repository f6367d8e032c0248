"""The hash of everything in a scenario that can change a result."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kinsim.scenario.model import Scenario

MODEL_VERSION = 1
"""Raised when the same scenario and seed give other numbers than before."""


def config_hash(scenario: Scenario) -> str:
    """SHA-256, in hexadecimal: the settings in SI units, the profile's prices and constants, the contents of files.

    Not the description, nor where files lie.
    """
    settings = scenario.model_dump(mode="json", by_alias=True, exclude={"description", "profile", "pipelines"})
    whole = {
        "model_version": MODEL_VERSION,
        "profile": scenario.profile_data.name,
        "numbers": scenario.profile_data.fingerprint(),
        "settings": _contents(settings, scenario.base_dir),
    }
    text = json.dumps(whole, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _contents(value: Any, base_dir: Path) -> Any:
    """*value* with the contents of files, as hashes, in place of their names."""
    if isinstance(value, dict):
        return {
            key: _file(item, base_dir) if key == "file" and isinstance(item, str) else _contents(item, base_dir)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_contents(item, base_dir) for item in value]
    return value


def _file(name: str, base_dir: Path) -> str:
    for path in (base_dir / Path(name).expanduser(), Path(name)):
        if path.is_file():
            status = path.stat()
            return _digest(str(path), status.st_mtime_ns, status.st_size)
    return name


@lru_cache(maxsize=64)
def _digest(path: str, _modified: int, _size: int) -> str:
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
