"""A good scenario, and how the tests of the language change it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kinsim.errors import ConfigError, Problem
from kinsim.scenario import Scenario, parse

GOOD = """\
kinsim: 1
name: good
profile: aws-2017
workload:
  arrivals: {model: poisson, rate: 10/s}
  record_size: 1 kB
stream: {shard_count: 2}
event_source_mapping: {batch_size: 100}
function: {memory_size: 256 MB, timeout: 60s, duration: {fixed: 30ms}}
run: {duration: 10m}
"""


@pytest.fixture
def good() -> str:
    """The text of a scenario with nothing wrong."""
    return GOOD


@pytest.fixture
def scenario() -> Scenario:
    """The same, loaded."""
    return parse(GOOD, "good.yaml")


@pytest.fixture
def problems() -> Callable[..., list[Problem]]:
    """The problems of a scenario's text."""

    def of(text: str, overrides: object = ()) -> list[Problem]:
        with pytest.raises(ConfigError) as told:
            parse(text, "f.yaml", overrides=overrides)  # type: ignore[arg-type]
        assert "Traceback" not in str(told.value)
        return told.value.problems

    return of
