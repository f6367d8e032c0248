"""What is shown and kept when kinsim itself is at fault."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOG = "log.txt"


@contextmanager
def logged_to(folder: Path) -> Iterator[None]:
    """Keep the traceback of an unexpected error in *folder*/log.txt."""
    from kinsim.errors import InternalError, KinsimError, SettingError

    try:
        yield
    except Exception as error:
        if not isinstance(error, (KinsimError, SettingError, OSError, MemoryError)) or isinstance(error, InternalError):
            with suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
                path = folder / LOG
                with path.open("a", encoding="utf-8", newline="\n") as file:
                    file.write("".join(traceback.format_exception(error)))
                error.add_note(f"traceback in {path}")
        raise


def report_internal(error: BaseException, arguments: list[str]) -> str:
    """The message of an unexpected error: short, or with its traceback where -v was given."""
    if any(word in ("-v", "--verbose") for word in arguments):
        return "".join(traceback.format_exception(error)).rstrip()
    kind = "" if type(error).__name__ == "InternalError" else f"{type(error).__name__}: "
    where = next((note for note in getattr(error, "__notes__", []) if note.startswith("traceback in ")), None)
    return f"internal error: {kind}{error}\nthis is a fault of kinsim; {where or 'run with -v for the traceback'}"
