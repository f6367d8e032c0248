"""The folder of a run: what is in it, and how it appears complete or not at all."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kinsim
from kinsim.errors import ResultError
from kinsim.present.documents import FORMAT_VERSION, json_text

SHORT_HASH = 8
MANIFEST = "manifest.json"
PIPELINES = "pipelines"
"""Where the pipelines of a scenario that has several lie, each as a result of its own."""


def folder_name(name: str) -> str:
    """*name* as the name of a folder on any system.

    >>> folder_name("streamalert-prod"), folder_name("a/b: c"), folder_name("..")
    ('streamalert-prod', 'a_b_ c', '_')
    """
    cleaned = re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", name).rstrip(". ")
    reserved = cleaned.split(".")[0].upper() in {"CON", "PRN", "AUX", "NUL"} or cleaned[:1] == "."
    return f"_{cleaned}" if reserved or not cleaned else cleaned


def place_of(out: str | Path, name: str, config_hash: str) -> Path:
    """`OUT/NAME/HASH`: the first digits of the hash, more where another configuration has the same.

    >>> place_of("results", "hello", "7f3a9c21deadbeef").as_posix()
    'results/hello/7f3a9c21'
    """
    root = Path(out) / folder_name(name)
    for digits in range(SHORT_HASH, len(config_hash) + 1, 4):
        path = root / config_hash[:digits]
        found = manifest_of(path)
        if found is None or found.get("config_hash") == config_hash:
            return path
    return root / config_hash


def manifest_of(folder: Path) -> dict[str, Any] | None:
    """The manifest of *folder*, None where there is none that can be read."""
    try:
        return read_json(folder / MANIFEST)
    except ResultError:
        return None


def find_result(path: Path) -> Path:
    """The folder of a result: *path* itself, or the only result below it."""
    if (path / MANIFEST).is_file():
        return path
    if path.name == MANIFEST or path.is_file():
        return find_result(path.parent)
    if not path.is_dir():
        raise ResultError(f"{path}: there is no such folder; `kinsim run` names the one it writes")
    below = sorted({found.parent for depth in ("*", "*/*") for found in path.glob(f"{depth}/{MANIFEST}")})
    below = [found for found in below if not found.name.startswith(".")]
    if not below:
        raise ResultError(f"{path}: holds no result of kinsim's; name a folder with a {MANIFEST}")
    if len(below) > 1:
        shown = "\n".join(f"  {found}" for found in below[:10])
        raise ResultError(f"{path}: holds {len(below)} results; name one of them:\n{shown}")
    return below[0]


def member_folders(folder: Path) -> list[Path]:
    """The folders of the pipelines of a result, or *folder* itself where it holds a single one."""
    found = manifest_of(folder) or {}
    names = found.get("pipelines")
    return [folder / PIPELINES / folder_name(str(name)) for name in names] if isinstance(names, list) else [folder]


def read_json(path: Path) -> dict[str, Any]:
    """A JSON document that kinsim wrote; refuses what a newer major version wrote."""
    import json

    try:
        value = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except FileNotFoundError:
        raise ResultError(f"{path}: there is no such file; is {path.parent} the folder of a finished run?") from None
    except (OSError, ValueError) as error:
        raise ResultError(f"{path}: cannot be read ({error}); compute it again with --fresh") from error
    if not isinstance(value, dict):
        raise ResultError(f"{path}: is not a document of kinsim's; compute it again with --fresh")
    version = str(value.get("format_version", FORMAT_VERSION))
    if version.split(".")[0] != FORMAT_VERSION.split(".")[0]:
        raise ResultError(
            f"{path}: has format {version}; this kinsim reads {FORMAT_VERSION}. Use the kinsim that wrote it"
        )
    return value


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number")


def is_current(folder: Path, config_hash: str) -> bool:
    """Whether *folder* holds the result of this configuration, computed by this version of kinsim."""
    manifest = manifest_of(folder)
    return bool(
        manifest and manifest.get("config_hash") == config_hash and manifest.get("kinsim") == kinsim.__version__
    )


@contextmanager
def appearing(folder: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of *folder* when the block ends well, and is gone otherwise."""
    with writable(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = folder.parent / f".{folder.name}.{os.getpid()}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
    try:
        with writable(folder):
            yield temporary
            _replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace(temporary: Path, folder: Path) -> None:
    """Put *temporary* where *folder* is, which is out of the way only for a moment."""
    old = folder.parent / f".{folder.name}.{os.getpid()}.old"
    if folder.exists():
        os.replace(folder, old)
    try:
        os.replace(temporary, folder)
    except OSError:
        if old.exists():
            os.replace(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Errors of the file system as messages that say what to do."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise ResultError(f"{folder}: cannot be written: {reason}; name another place with --out") from error


def write_text(path: Path, text: str) -> None:
    """Write *text* with `\\n` line ends in UTF-8; the file is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        # File names that are no UTF-8 are told with their bytes as escapes.
        with temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(text)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def manifest(
    kind: str,
    name: str,
    config_hash: str,
    seed: int,
    replications: int,
    command: Sequence[str],
    started: float,
    more: Mapping[str, Any] | None = None,
) -> str:
    """Where a result comes from; what differs from run to run stands under `volatile` alone."""  # fmt: skip
    import platform
    import socket

    from kinsim.present.versions import libraries

    now = time.time()
    return json_text(
        {
            "format_version": FORMAT_VERSION,
            "kind": kind,
            "kinsim": kinsim.__version__,
            "python": platform.python_version(),
            "libraries": libraries(),
            "name": name,
            "config_hash": config_hash,
            "seed": seed,
            "replications": replications,
            "command": list(command),
            **(more or {}),
            "volatile": {
                "host": socket.gethostname(),
                "platform": platform.platform(),
                "executable": sys.executable,
                "folder": str(Path.cwd()),
                "started": _utc(started),
                "finished": _utc(now),
                "wall_s": round(now - started, 3),
            },
        }
    )


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
