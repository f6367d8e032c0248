"""kinsim's errors: messages for people, never tracebacks.

A message says where, what was given, what is accepted and who says so, and what to try.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

SHOWN_PROBLEMS = 20
LONGEST_TEXT = 600


class KinsimError(Exception):
    """Any error that kinsim raises on purpose; its text is meant for the user."""


class InternalError(KinsimError):
    """kinsim found itself wrong, for example records that were neither processed nor lost."""


class ResultError(KinsimError):
    """A stored result is missing, damaged or from another version."""


class InterruptedRun(KinsimError):
    """The user stopped a run; what was finished is kept."""


class SettingError(ValueError):
    """One value is not accepted; settings raise it, the loader adds file and line.

    *at* leads from the settings that raise it to the value (names as in the file), *help* says what to try.
    """

    def __init__(self, message: str, *, help: str = "", at: Sequence[str | int] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.help = help
        self.at = tuple(at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with an input, and where: lines and columns count from 1, 0 is unknown.

    >>> print(Problem(file="a.yaml", line=3, col=3, path="stream.shard", message="unknown key 'shard'",
    ...               source_line="  shard: 8", end_col=8, help="did you mean 'shards'?"))
    a.yaml:3:3: stream.shard: unknown key 'shard'
          3 |   shard: 8
            |   ^ did you mean 'shards'?
    """

    message: str
    path: str = ""
    file: str = ""
    line: int = 0
    col: int = 0
    end_col: int = 0
    help: str = ""
    severity: Literal["error", "warning"] = "error"
    source_line: str = ""

    def __str__(self) -> str:
        return "\n".join(self._lines())

    @property
    def place(self) -> str:
        """``FILE:LINE:COL``, as far as it is known."""
        parts = [self.file] if self.file else []
        if self.line:
            parts += [str(self.line)] + ([str(self.col)] if self.col else [])
        return ":".join(parts)

    def _lines(self) -> list[str]:
        warning = "warning: " if self.severity == "warning" else ""
        head = ": ".join(clipped(part, 200) for part in (self.place, self.path) if part)
        message, help = clipped(self.message), clipped(self.help)
        lines = [f"{head}: {warning}{message}" if head else f"{warning}{message}"]
        if self.line and self.source_line.strip():
            text = self.source_line.expandtabs(1).rstrip()
            indent = " " * max(self.col - 1, 0)
            if len(text) > 140:
                text, indent = _excerpt(text, self.col)
            lines.append(f"{self.line:7d} | {text}")
            lines.append(f"        | {indent}^ {help}".rstrip())
        elif help:
            lines.append(f"        | {help}")
        return lines

    def as_dict(self) -> dict[str, object]:
        """The problem as one object of ``--format json``."""
        return {
            "file": self.file,
            "line": self.line or None,
            "col": self.col or None,
            "end_col": self.end_col or None,
            "path": self.path,
            "severity": self.severity,
            "message": self.message,
            "help": self.help,
        }

    def as_github(self) -> str:
        """The problem as an annotation of a GitHub workflow.

        >>> Problem(message="unknown key", file="a.yaml", line=3, col=1, path="x").as_github()
        '::error file=a.yaml,line=3,col=1::x: unknown key'
        """
        where = [f"file={_escaped(self.file, ',:')}"] if self.file else []
        where += [f"line={self.line}"] if self.line else []
        where += [f"col={self.col}"] if self.col else []
        text = ": ".join(part for part in (self.path, self.message) if part)
        if self.help:
            text += f" ({self.help})"
        properties = " " + ",".join(where) if where else ""
        return f"::{self.severity}{properties}::{_escaped(text)}"


def clipped(text: str, most: int = LONGEST_TEXT) -> str:
    """*text*, its middle left out where it is very long.

    >>> clipped("a" * 50 + "b" * 50, 11)
    'aaaaa…bbbbb'
    """
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-(most // 2) :]}"


def _excerpt(text: str, col: int) -> tuple[str, str]:
    """A readable piece of a very long line and the indent of its caret."""
    start = max(col - 60, 0)
    before = "…" if start else ""
    after = "…" if len(text) > start + 120 else ""
    return f"{before}{text[start : start + 120]}{after}", " " * (max(col - 1, 0) - start + len(before))


def _escaped(text: str, more: str = "") -> str:
    for mark in "%\r\n" + more:
        text = text.replace(mark, f"%{ord(mark):02X}")
    return text


class ConfigError(KinsimError):
    """An input is not accepted: every problem of it, each with its place.

    >>> error = ConfigError([Problem(message="unknown key", path="a.b")])
    >>> print(error)
    a.b: unknown key
    1 error
    """

    def __init__(self, problems: Iterable[Problem] | Problem | str) -> None:
        if isinstance(problems, str):
            problems = [Problem(message=problems)]
        elif isinstance(problems, Problem):
            problems = [problems]
        self.problems: list[Problem] = sorted(problems, key=lambda p: (p.file, p.line, p.col))
        super().__init__(self.problems)

    def __str__(self) -> str:
        return format_problems(self.problems)

    def __reduce__(self) -> tuple[type[ConfigError], tuple[list[Problem]]]:
        return type(self), (self.problems,)


def format_problems(problems: Sequence[Problem], shown: int = SHOWN_PROBLEMS) -> str:
    """All *problems* as text, at most *shown* in full, and their number last."""
    lines = [str(p) for p in problems[:shown]]
    if len(problems) > shown:
        lines.append(f"… and {len(problems) - shown} more")
    return "\n".join([*lines, count_problems(problems)])


def count_problems(problems: Sequence[Problem]) -> str:
    """How many problems of each severity there are, and in which file if in one.

    >>> count_problems([Problem(message="x", file="a.yaml"), Problem(message="y", file="a.yaml")])
    '2 errors in a.yaml'
    """
    parts = []
    for severity in ("error", "warning"):
        number = sum(p.severity == severity for p in problems)
        if number:
            parts.append(f"{number} {severity}{'s' if number > 1 else ''}")
    files = {p.file for p in problems if p.file}
    where = f" in {files.pop()}" if len(files) == 1 else ""
    return (" and ".join(parts) or "no problems") + where
