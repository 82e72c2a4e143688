"""The cells of a column, as strings: which say nothing, and which are numbers, however they are written.

polars is imported where it is used: importing this file is cheap.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

MISSING = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL")
"""Cells that say nothing. A source may list more; a feature that lists one among its values takes it back."""

NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
DECIMAL_COMMA = r"^[+-]?([0-9]+,[0-9]*|,[0-9]+)([eE][+-]?[0-9]+)?$"
GROUPED = r"^[+-]?[1-9][0-9]{0,2}([,.'’\s][0-9]{3})+([.,][0-9]*)?$"
"""Thousands set apart: `1,234.5`. `1,234` may be one of these or have a decimal comma."""
INFINITE = r"^(?i)[+-]?inf(inity)?$"
WHOLE = re.compile(r"([+-]?(?:0|[1-9][0-9]*))\.0+")
"""A whole number as programs write it whose column has a gap somewhere: `1.0`."""
TRUTHS = (("false", "true"), ("no", "yes"))
"""Words that programs write in either case."""


def respellings(cells: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Cells that are another spelling of a known value → that value: `1.0` of `1`, `True` of `true`."""
    by_spelling: dict[str, str] = {}
    for value in known:
        by_spelling.setdefault(_spelling(value), value)
    return {cell: value for cell in cells if (value := by_spelling.get(_spelling(cell), cell)) != cell}


def _spelling(cell: str) -> str:
    if any(cell.lower() in pair for pair in TRUTHS):
        return cell.lower()
    whole = WHOLE.fullmatch(cell)
    return cell if whole is None else whole[1]


def distinct_cells(cells: pl.Series) -> list[str]:
    """The distinct strings, sorted."""
    return [str(value) for value in cells.drop_nulls().unique().sort()]


def silent_cells(cells: pl.Series, markers: Sequence[str]) -> NDArray[np.bool_]:
    """Which cells say nothing: missing, or one of `markers`."""
    return (cells.is_null() | cells.is_in(list(markers)).fill_null(True)).to_numpy()


def said_cells(cells: pl.Series, markers: Sequence[str]) -> pl.Series:
    """The cells, null where they say nothing."""
    import polars as pl

    silent = silent_cells(cells, markers)
    return cells.set(pl.Series(silent), None) if silent.any() else cells


def pointed(cells: pl.Series) -> pl.Series:
    """The cells with a point for the comma in those that are numbers then."""
    commas = cells.str.contains(DECIMAL_COMMA).fill_null(False)
    return cells.str.replace(",", ".", literal=True).zip_with(commas, cells) if commas.any() else cells


def decimal_commas(distinct: pl.Series, separator: str) -> bool:
    """Whether a column's distinct cells are numbers some of which have a decimal comma, beyond doubt.

    Not between commas, where `1,2` may be a list; not beside points, nor where every comma may set thousands apart.
    """
    if separator in ("", ","):
        return False
    commas = distinct.str.contains(DECIMAL_COMMA)
    if not commas.any() or not (commas | distinct.str.contains(NUMBER)).all():
        return False
    return not distinct.str.contains(r"\.").any() and not distinct.filter(commas).str.contains(GROUPED).all()


def floats(cells: pl.Series) -> NDArray[np.float64]:
    """The cells as numbers, NaN where a cell is none or missing."""
    import polars as pl

    readable = (cells.str.contains(NUMBER) | cells.str.contains(INFINITE)).fill_null(False)
    found: NDArray[np.float64] = np.full(len(cells), np.nan)
    quick = cells.cast(pl.Float64, strict=False)
    taken = (readable & quick.is_not_null()).to_numpy()
    found[taken] = quick.to_numpy()[taken]
    for i in np.flatnonzero(readable.to_numpy() & ~taken):  # spellings that only Python reads
        found[i] = float(cells[int(i)])
    return found
