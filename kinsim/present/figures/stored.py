"""Figures on disk: the picture, the numbers behind it as CSV, and its words."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kinsim.errors import ResultError
from kinsim.measure.figure_data import FigureData
from kinsim.present import figures
from kinsim.present.documents import FORMAT_VERSION, csv_text, json_text
from kinsim.present.figures.style import Footer
from kinsim.present.run_folder import read_json, write_text

INDEX = "index.json"


def store(data: Iterable[FigureData], footer: Footer, folder: Path) -> None:
    """Write the numbers of each figure as CSV, and titles, alt texts and annotations into one index."""
    entries = []
    for figure in data:
        words = figures.words(figure)
        header = list(figure.columns)
        rows = zip(*(column.tolist() for column in figure.columns.values()), strict=True)
        write_text(folder / f"{figure.stem}.csv", csv_text(header, rows))
        kinds = {name: "text" if c.dtype == object else "integer" if c.dtype.kind == "i" else "number"
                 for name, c in figure.columns.items()}  # fmt: skip
        entries.append(
            {
                "number": figure.number, "name": figure.name, "title": words.title, "subtitle": words.subtitle,
                "alt": words.alt, "columns": kinds, "notes": figure.notes,
            }
        )  # fmt: skip
    origin = {"name": footer.name, "config_hash": footer.config_hash, "seed": footer.seed,
              "replications": footer.replications, "version": footer.version}  # fmt: skip
    document = {"format_version": FORMAT_VERSION, "origin": origin, "figures": entries}
    write_text(folder / INDEX, json_text(document, sort=False) + "\n")


def load(folder: Path) -> tuple[list[FigureData], Footer]:
    """What `store` wrote."""
    index = read_json(folder / INDEX)
    try:
        data = [_figure(folder, entry) for entry in index["figures"]]
        return data, Footer(**index["origin"])
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise ResultError(
            f"{folder}: its figures cannot be read ({error}); compute the run again with --fresh"
        ) from error


def _figure(folder: Path, entry: dict[str, Any]) -> FigureData:
    empty = FigureData(entry["number"], entry["name"], {}, entry["notes"])
    with (folder / f"{empty.stem}.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file))
    if header != list(entry["columns"]):
        raise ValueError(f"{empty.stem}.csv has other columns than {INDEX}")
    cells = list(zip(*rows, strict=True)) if rows else [()] * len(header)
    kinds = entry["columns"].values()
    columns = {name: _column(texts, kind) for name, texts, kind in zip(header, cells, kinds, strict=True)}
    return FigureData(empty.number, empty.name, columns, empty.notes)


def _column(texts: Sequence[str], kind: str) -> np.ndarray[Any, Any]:
    if kind == "text":
        return np.array(texts, dtype=object)
    if kind == "integer":
        return np.array([int(text) for text in texts], dtype=np.int64)
    return np.array([float(text) if text else np.nan for text in texts], dtype=np.float64)


def draw(
    data: Iterable[FigureData], footer: Footer, folder: Path, formats: Sequence[str], size: str = "slide"
) -> list[Path]:
    """Write each figure in each format; gives the paths.  Sizes other than `slide` are named in the file."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for figure in data:
        paths = [folder / file_name(figure, kind, size) for kind in formats]
        temporary = [path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}") for path in paths]
        try:
            figures.save(figure, footer, temporary, size)
            for half, path in zip(temporary, paths, strict=True):
                os.replace(half, path)
        finally:
            for half in temporary:
                half.unlink(missing_ok=True)
        written += paths
    return written


def file_name(data: FigureData, kind: str, size: str = "slide") -> str:
    """Name of a figure's file; a size other than `slide` is part of it."""
    return f"{data.stem}{'' if size == 'slide' else f'_{size}'}.{kind}"
