"""How the tests of the claims run a scenario of ``configs/claims``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kinsim as ks


@pytest.fixture
def claim(repository: Path) -> Callable[..., Any]:
    """Load ``configs/claims/<name>.yaml`` with *changes* by dotted path."""

    def load(name: str, changes: dict[str, Any] | None = None) -> Any:
        return ks.load(repository / "configs" / "claims" / f"{name}.yaml", changes or {})

    return load
