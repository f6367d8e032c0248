"""How the tests of the language write and run small scenarios."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kinsim as ks


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], Any]:
    """The scenario that stands in *text*."""

    def make(text: str) -> Any:
        file = tmp_path / "scenario.yaml"
        file.write_text(text, encoding="utf-8")
        return ks.load(file)

    return make


@pytest.fixture
def run(load: Callable[[str], Any]) -> Callable[..., Any]:
    """The result of the scenario in *text*, one replication with everything kept."""

    def simulate(text: str, **options: Any) -> Any:
        return load(text).run(**{"replications": 1, "keep": ("invocations", "records"), **options})

    return simulate


@pytest.fixture
def refused(load: Callable[[str], Any]) -> Callable[[str], str]:
    """The message with which the scenario in *text* is refused."""

    def message(text: str) -> str:
        with pytest.raises(ks.ConfigError) as caught:
            load(text)
        return str(caught.value)

    return message
