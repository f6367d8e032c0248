"""Arrays that grow while a run goes on."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Cell = TypeVar("Cell", np.int64, np.float64)


def grown(cells: NDArray[Any], rows: int, fill: float = 0) -> NDArray[Any]:
    """*cells* with so many rows, those that are new full of *fill*.

    >>> grown(np.array([1, 2]), 3, -1).tolist()
    [1, 2, -1]
    """
    more = rows - cells.shape[0]
    if more <= 0:
        return cells
    return np.concatenate([cells, np.full((more, *cells.shape[1:]), fill, cells.dtype)])


def reserved(cells: NDArray[Cell], last: int) -> NDArray[Cell]:
    """*cells* with room up to index *last*."""
    if last < cells.size:
        return cells
    more = max(last + 1, 2 * cells.size) - cells.size
    return np.concatenate([cells, np.zeros(more, cells.dtype)])
