"""Rules: the pure functions that decide what the services do, and the only door to the compiler.

A rule takes numbers (or arrays of numbers) and returns numbers; it has no state, clock, randomness
or objects.  The reference engine calls rules as they are; loops over very many records may ask for
a compiled copy, which computes the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

RULES: list[Callable[..., Any]] = []
"""Every rule of the system, in the order of definition."""


def rule(function: Function) -> Function:
    """Mark *function* as a rule; it stays the plain Python function that it is."""
    RULES.append(function)
    return function


def compilable(function: Function) -> Function:
    """Mark a helper of an engine's loop as one that compiled code may call; it decides nothing."""
    _HELPERS.append(function)
    return function


@cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """*function* as machine code, or *function* itself where no compiler is installed.

    Rules that it calls are compiled with it.  Results are the same to the last bit: integer
    arithmetic, and floats in the order that the source states.
    """
    try:
        import numba
        from numba.extending import register_jitable
    except ImportError:
        return function
    for each in [*RULES, *_HELPERS]:
        if each is not function and each not in _callable_from_compiled:
            register_jitable(each)
            _callable_from_compiled.add(each)
    machine_code: Callable[..., Any] = numba.njit(function)
    return machine_code


_HELPERS: list[Callable[..., Any]] = []
_callable_from_compiled: set[Callable[..., Any]] = set()
