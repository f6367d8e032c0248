"""Text of results: JSON, CSV and aligned tables, the same bytes for the same numbers."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

FORMAT_VERSION = "1.0"


def plain(value: Any) -> Any:
    """*value* as JSON has it: numpy's scalars as numbers, what is not a number as null, tuples as lists.

    >>> plain({"a": float("nan"), "b": (1, 2)})
    {'a': None, 'b': [1, 2]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, bool) or value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return str(value)


def json_text(value: Any, sort: bool = True) -> str:
    """One JSON document, keys in order, without a final newline."""
    return json.dumps(plain(value), indent=2, sort_keys=sort, allow_nan=False, ensure_ascii=False)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table for spreadsheets and pandas: `.` decimal, empty where there is no value.

    >>> csv_text(["a", "b"], [(1.5, None)])
    'a,b\\n1.5,\\n'
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([cell(value) for value in row] for row in rows)
    return out.getvalue()


def cell(value: Any) -> Any:
    """One value of a CSV file; floats with all their digits."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if hasattr(value, "item"):
        return cell(value.item())
    return repr(value) if isinstance(value, float) else value


def table_text(header: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A table in columns; *right* names those aligned to the right.

    >>> print(table_text(["a", "b"], [["x", "10"], ["y", "9"]], right=[1]))
    a   b
    x  10
    y   9
    """
    lines = [list(map(str, header)), *(list(map(str, row)) for row in rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(header))]
    shown = []
    for line in lines:
        cells = [
            text.rjust(w) if k in right else text.ljust(w) for k, (text, w) in enumerate(zip(line, widths, strict=True))
        ]
        shown.append("  ".join(cells).rstrip())
    return "\n".join(shown)
