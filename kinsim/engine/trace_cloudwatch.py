"""Totals per period as CloudWatch exports them (aws section 8b)."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

from kinsim.engine.trace_columns import Say, shown, time_help, trouble
from kinsim.engine.trace_tables import opened_text
from kinsim.engine.trace_text import parse_times
from kinsim.errors import SettingError

LARGEST_FILE = 200 << 20
HELP = "give it the output of `aws cloudwatch get-metric-data`"

Series = dict[int, float]
"""Value at each time stamp, in microseconds since 1970."""


def read_series(path: Path, wanted: dict[str, str], say: Say, notes: list[str]) -> dict[str, Series]:
    """The metrics that *wanted* names by id or label, by role (count, bytes); the only metric where it names none."""
    results = _results(path, say, notes)
    if results is None:
        return {}
    names = ", ".join(dict.fromkeys(_name(result) for result in results[:20]))
    if not wanted and len({_name(result) for result in results}) > 1:
        say("the file holds several metrics", help=f"write count: ID or bytes: ID, one of {names}")
        return {}
    series: dict[str, Series] = {}
    roles: dict[str, str | None] = {**wanted} if wanted else {"count": None}
    for role, name in roles.items():
        found = [result for result in results if name in (None, result.get("Id"), result.get("Label"))]
        if not found:
            say(
                f"{role}: there is no metric {name!r}" if name else "holds no metric",
                help=f"the file holds {names or 'none'}",
            )
        if name is None and found and "bytes" in f"{found[0].get('Id')} {found[0].get('Label')}".lower():
            say(f"metric {_name(found[0])} looks like bytes, not records", help=f"write bytes: {_name(found[0])}")
        points = _Points(role, say, notes)
        for result in found:
            points.add(result)
        series[role] = points.series
    return series


def _results(path: Path, say: Say, notes: list[str]) -> list[dict[str, Any]] | None:
    """The metrics of the file, each with its Timestamps and Values; None after saying what is wrong."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise SettingError("is larger than 200 MiB", help="a call returns at most 100,800 points")
        with opened_text(path) as file:
            document = json.load(file)
        return _metrics(document, notes)
    except SettingError as error:
        say(error.message, help=error.help)
    except json.JSONDecodeError as error:
        say(f"is not JSON: {error.msg.lower()}", line=error.lineno, help=HELP)
    except RecursionError:
        say("is not JSON that can be read: it is nested too deeply", help=HELP)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        say(f"is not JSON: {str(error)[:100].lower()}", help=HELP)
    return None


def _metrics(document: Any, notes: list[str]) -> list[dict[str, Any]]:
    if not isinstance(document, dict):
        raise SettingError("holds no list MetricDataResults", help=HELP)
    if isinstance(document.get("Datapoints"), list):
        return [_statistics(document)]
    results = document.get("MetricDataResults")
    if not isinstance(results, list) or not all(isinstance(each, dict) for each in results):
        raise SettingError("holds no list MetricDataResults", help=HELP)
    if document.get("NextToken"):
        notes.append("the answer has a NextToken: further calls return more points, which are missing here")
    return results


def _statistics(document: dict[str, Any]) -> dict[str, Any]:
    """The answer of get-metric-statistics, unordered, in the form of get-metric-data."""
    points = document["Datapoints"]
    if not all(isinstance(point, dict) and "Timestamp" in point and "Sum" in point for point in points):
        raise SettingError("a data point has no Sum", help="ask for --statistics Sum: totals per period")
    return {
        "Label": str(document.get("Label", "")),
        "Timestamps": [point["Timestamp"] for point in points],
        "Values": [point["Sum"] for point in points],
    }


def _name(result: dict[str, Any]) -> str:
    return str(result.get("Id") or result.get("Label") or "?")


class _Points:
    """The points of one metric, whose pages may be several results."""

    def __init__(self, role: str, say: Say, notes: list[str]) -> None:
        self.role = role
        self.say = say
        self.notes = notes
        self.series: Series = {}

    def add(self, result: dict[str, Any]) -> None:
        name, status = _name(result), result.get("StatusCode")
        if status in ("InternalError", "Forbidden"):
            self.say(f"metric {name}: CloudWatch answered {status}", help="export it again")
        elif status == "PartialData":
            self.notes.append(f"metric {name} is PartialData: further calls return more points, which are missing here")
        stamps, values = result.get("Timestamps"), result.get("Values")
        if not isinstance(stamps, list) or not isinstance(values, list) or len(stamps) != len(values):
            self.say(f"metric {name}: Timestamps and Values are not lists of one length", help=HELP)
        else:
            self._points([str(stamp) for stamp in stamps], values, name)

    def _points(self, stamps: list[str], values: list[Any], name: str) -> None:
        times = parse_times(stamps)
        bad = set(times.bad.tolist())
        for at, (time_us, value) in enumerate(zip(times.since(0, 0).tolist(), values, strict=True)):
            where = f"metric {name}, point {at + 1}"
            if at in bad:
                self.say(f"{where}: got {shown(stamps[at])}, not a time", help=time_help(stamps[at]))
                continue
            wrong = trouble(value, self.role) if type(value) in (int, float) else "not a number"
            if wrong:
                self.say(f"{where} ({stamps[at]}): got {shown(str(value))}, {wrong}")
            elif time_us in self.series:
                self.say(f"{where}: {stamps[at]} occurs twice", help="give each period one value")
            else:
                self.series[time_us] = float(value)
