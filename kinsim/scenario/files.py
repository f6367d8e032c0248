"""Reading files that users name: every way in which that fails, as a message."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from kinsim import limits
from kinsim.errors import ConfigError, Problem


def read_text(path: Path, what: str = "a scenario") -> str:
    """The text of a YAML file; raises ConfigError where there is none that can be read."""
    shown = str(path)
    if "\0" in shown:
        raise ConfigError(Problem(message=f"a file name cannot hold the character NUL: {shown!r}"))
    try:
        size = path.stat().st_size if path.is_file() else 0
        if size > limits.YAML_BYTES:
            raise ConfigError(
                Problem(
                    file=shown,
                    message=f"the file has {size / 1e6:,.1f} MB; {what} has at most {limits.YAML_BYTES / 1e6:.0f} MB",
                    help="put large data into a trace file (workload.arrivals.model: trace)",
                )
            )
        if path.is_dir():
            help = f"name a file in it: {_yaml_files(path)}" if _yaml_files(path) else "name a YAML file"
            raise ConfigError(Problem(file=shown, message="this is a folder, not a file", help=help))
        with path.open("rb") as stream:
            data = stream.read(limits.YAML_BYTES + 1)
    except OSError as error:
        raise ConfigError(_not_readable(path, error)) from None
    if len(data) > limits.YAML_BYTES:
        raise ConfigError(Problem(file=shown, message=f"{what} has at most {limits.YAML_BYTES / 1e6:.0f} MB"))
    return decode(data, shown)


def shown_path(path: Path) -> str:
    """A file's name for messages: from here, where that is shorter than from the root."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # another drive
        return str(path)
    return str(path) if relative.startswith("..") else relative


def decode(data: bytes, file: str) -> str:
    """UTF-8 *data* as text; raises ConfigError where it is something else."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ConfigError(Problem(file=file, message="the file is UTF-16, not UTF-8", help="save it as UTF-8"))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        byte = f"#x{data[error.start]:02x}"
        raise ConfigError(
            Problem(
                file=file,
                line=line,
                message=f"the file is not UTF-8 text (byte {byte} in line {line})",
                help="save it as UTF-8; is it a text file?",
            )
        ) from None
    if "\0" in text:
        raise ConfigError(Problem(file=file, message="the file holds NUL characters: it is not a text file"))
    return text


def _not_readable(path: Path, error: OSError) -> Problem:
    shown = str(path) if len(str(path)) <= 300 else str(path)[:297] + "…"
    if error.errno == errno.ENOENT or isinstance(error, NotADirectoryError):
        return Problem(file=shown, message="there is no such file", help=_nearby(path))
    if error.errno == errno.ENAMETOOLONG:
        return Problem(file=shown, message="there is no such file: the name is too long")
    return Problem(file=shown, message=f"the file cannot be read: {error.strerror or error}")


def _yaml_files(folder: Path) -> str:
    try:
        return ", ".join(sorted(each.name for each in folder.iterdir() if each.suffix in (".yaml", ".yml"))[:5])
    except OSError:
        return ""


def _nearby(path: Path) -> str:
    from difflib import get_close_matches

    try:
        names = [each.name for each in path.parent.iterdir()]
    except OSError:
        return f"there is no folder {str(path.parent)[:200]!r} either"
    close = get_close_matches(path.name, names, 1)
    return f"did you mean {close[0]!r}?" if close else f"looked in {str(path.parent.resolve())!r}"
