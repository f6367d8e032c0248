"""x"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinsim.errors import Problem

if TYPE_CHECKING:
    from kinsim.scenario.model import Scenario


def warnings(scenario: Scenario) -> list[Problem]:
    """x"""
    return []
