"""Arithmetic on the columns of a trace: numbers, columns, ``+ - * / ( )``, ``min`` and ``max``; never ``eval``."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinsim.errors import SettingError
from kinsim.units import SIZE_UNITS

LONGEST = 500
DEEPEST = 50
ALLOWED = "numbers, columns, + - * / ( ), min, max"

Numbers = NDArray[np.float64]
Value = Numbers | float

_SECONDS = {"us": "e-6", "µs": "e-6", "ms": "e-3", "s": "", "m": "*60", "h": "*3600", "d": "*86400"}
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: np.divide,
}
_FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {"min": np.minimum, "max": np.maximum}
_QUANTITY = re.compile(r"(?<![\w.])([0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*([A-Za-zµ]+)(?!\w)")


@dataclass(frozen=True)
class Expression:
    """A checked expression; ``columns`` are the names it reads, in the order in which they occur.

    >>> work = parse_expression("0.01 + 5e-6*ContextTokens + 1e-3*max(GeneratedTokens, 1)")
    >>> work.columns
    ('ContextTokens', 'GeneratedTokens')
    >>> float(work.evaluate({"ContextTokens": np.array([1000.0]), "GeneratedTokens": np.array([0.0])})[0])
    0.016
    """

    text: str
    columns: tuple[str, ...]
    tree: ast.expr

    def evaluate(self, columns: Mapping[str, Numbers]) -> Numbers:
        """The value in each row, computed in the order in which the expression is written.

        A division by zero gives an infinite or undefined number: the reader names the row.
        """
        with np.errstate(all="ignore"):
            value = _evaluate(self.tree, columns)
        rows = max((len(columns[name]) for name in self.columns), default=1)
        return np.broadcast_to(np.asarray(value, np.float64), (rows,))


def parse_expression(text: str, units: str = "") -> Expression:
    """The expression in *text*; *units* is ``time`` or ``size`` where its numbers may carry one.

    >>> parse_expression("10ms + 2us*tokens", units="time").evaluate({"tokens": np.array([5.0])}).tolist()
    [0.01001]
    >>> parse_expression("__import__('os')")
    Traceback (most recent call last):
    kinsim.errors.SettingError: "__import__('os')" is not an expression of columns
    """
    if len(text) > LONGEST:
        raise SettingError(f"the expression has {len(text)} characters", help=f"at most {LONGEST} are allowed")
    try:
        tree = ast.parse(_without_units(text.strip(), units), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise _refused(text) from None
    columns: list[str] = []
    _check(tree, text, columns, 0)
    return Expression(text, tuple(dict.fromkeys(columns)), tree)


def is_column_like(text: str) -> bool:
    """Whether *text* may be the name of a column that is no expression, such as ``bytes sent``.

    >>> is_column_like("bytes sent"), is_column_like("client.ip"), is_column_like("os.system('x')")
    (True, True, False)
    """
    return not re.search(r"""[()\[\]{}=;"'`\\]""", text) and text.strip() != ""


def _without_units(text: str, units: str) -> str:
    """*text* with each ``10ms`` or ``2 kB`` as a plain number of seconds or bytes."""

    def plain(match: re.Match[str]) -> str:
        number, unit = match[1], match[2]
        if units == "time" and unit in _SECONDS:
            how = _SECONDS[unit]
            return f"{number}{how}" if how.startswith("e") and "e" not in number.lower() else f"({number}*1{how})"
        if units == "size" and unit in SIZE_UNITS:
            return f"({number}*{int(SIZE_UNITS[unit])})"
        return match[0]

    return _QUANTITY.sub(plain, text)


def _check(node: ast.AST, text: str, columns: list[str], depth: int) -> None:
    if depth > DEEPEST:
        raise SettingError("the expression is nested too deeply", help=f"at most {DEEPEST} levels are allowed")
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            if not abs(number) < 1e300:
                raise SettingError(f"a number of {text!r} is out of range")
        case ast.Name(id=name):
            columns.append(name)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            _check(operand, text, columns, depth + 1)
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _OPERATORS:
            _check(left, text, columns, depth + 1)
            _check(right, text, columns, depth + 1)
        case ast.Call(func=ast.Name(id="min" | "max"), args=[_, _, *_] as args, keywords=[]):
            for each in args:
                _check(each, text, columns, depth + 1)
        case _:
            raise _refused(text)


def _evaluate(node: ast.AST, columns: Mapping[str, Numbers]) -> Any:
    match node:
        case ast.Constant(value=int() | float() as number):
            return np.float64(number)
        case ast.Name(id=name):
            return columns[name]
        case ast.UnaryOp(op=operator, operand=operand):
            value = _evaluate(operand, columns)
            return -value if isinstance(operator, ast.USub) else value
        case ast.BinOp(left=left, op=sign, right=right):
            return _OPERATORS[type(sign)](_evaluate(left, columns), _evaluate(right, columns))
        case ast.Call(func=ast.Name(id=name), args=args):
            value = _evaluate(args[0], columns)
            for each in args[1:]:
                value = _FUNCTIONS[name](value, _evaluate(each, columns))
            return value
        case _:
            raise AssertionError(node)


def _refused(text: str) -> SettingError:
    shown = text if len(text) <= 60 else text[:57] + "…"
    return SettingError(f"{shown!r} is not an expression of columns", help=f"allowed are {ALLOWED}")
