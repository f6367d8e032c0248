"""Progress on stderr: a bar on a terminal, a line now and then elsewhere, JSON lines for programs."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

from kinsim.present.cli import write_note

PLAIN_EVERY_S = 30.0
PLAIN_EVERY_SHARE = 0.10
BAR_WIDTH = 38


class Progress(Protocol):
    """Told how much is done; *note* says more in a few words."""

    def __call__(self, done: float, total: float, note: str = "") -> None: ...


def on_terminal() -> bool:
    """Whether a person watches stderr: a terminal that can redraw, and no build system behind it."""
    return is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb" and not _in_ci()


def is_terminal(stream: TextIO | None) -> bool:
    """Whether *stream* is a terminal; one that the shell closed is None."""
    return stream is not None and stream.isatty()


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false", "no")


def wants_colour(stream_is_terminal: bool) -> bool:
    """Whether to colour: FORCE_COLOR over NO_COLOR over what the stream is."""
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream_is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


@contextmanager
def showing(mode: str, what: str, unit: str, quiet: bool = False) -> Iterator[Progress]:
    """A function to report progress to, shown as *mode* says; *what* names the work, *unit* counts it."""
    if mode == "auto":
        mode = "none" if quiet else "bar" if on_terminal() else "plain"
    if mode == "none":
        yield lambda done, total, note="": None
        return
    if mode == "bar":
        with _bar(what, unit) as report:
            yield report
        return
    yield _lines(mode, what, unit)


def _lines(mode: str, what: str, unit: str, clock: Callable[[], float] = time.monotonic) -> Progress:
    """Progress as lines: plain ones rarely, JSON ones at each step."""
    started = clock()
    last_time, last_share = started, 0.0

    def report(done: float, total: float, note: str = "") -> None:
        nonlocal last_time, last_share
        now = clock()
        share = done / total if total else 1.0
        if mode == "json":
            event = {"event": "progress", "what": what, "done": done, "total": total, "unit": unit, "note": note}
            write_note(json.dumps(event, sort_keys=True))
            return
        if now - last_time < PLAIN_EVERY_S or share - last_share < PLAIN_EVERY_SHARE or share >= 1:
            return
        last_time, last_share = now, share
        write_note(f"{time.strftime('%H:%M:%S')} {plain_line(what, unit, done, total, now - started, note)}")

    return report


def plain_line(what: str, unit: str, done: float, total: float, elapsed_s: float, note: str = "") -> str:
    """One line of progress.

    >>> plain_line("sweep", "points", 240, 912, 120.0, "0 failed")
    'sweep 240/912 points (26 %), 0 failed, 2 points/s, eta 6 min'
    """
    share = done / total if total else 1.0
    parts = [f"{what} {done:.0f}/{total:.0f} {unit} ({share * 100:.0f} %)"]
    parts += [note] if note else []
    if done > 0 and elapsed_s > 0:
        rate = done / elapsed_s
        parts.append(f"{rate:.2g} {unit}/s" if rate >= 0.1 else f"{elapsed_s / done:.3g} s each")
        parts.append(f"eta {brief((total - done) / rate)}")
    return ", ".join(parts)


def brief(seconds: float) -> str:
    """A time to wait, roughly.

    >>> brief(21), brief(336), brief(6_600)
    ('21 s', '6 min', '1 h 50 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


@contextmanager
def _bar(what: str, unit: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    counted = TextColumn("{task.completed:.0f}/{task.total:.0f} " + unit)
    columns: list[ProgressColumn] = [BarColumn(BAR_WIDTH), counted, TextColumn("{task.fields[note]}")]
    columns += [TextColumn("eta"), TimeRemainingColumn(compact=True)]
    console = Console(stderr=True, no_color=not wants_colour(True))
    with RichProgress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=1, note="")

        def report(done: float, total: float, note: str = "") -> None:
            bar.update(task, completed=done, total=total, note=note)

        yield report
