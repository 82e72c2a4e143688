"""The row filter: which rows of a file are kept, by what stands in their cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from imitative.cells import decimal_commas, distinct_cells, floats, pointed, silent_cells
from imitative.errors import InputError, listed, no_column, shown

if TYPE_CHECKING:
    import polars as pl


@final
@dataclass(frozen=True, slots=True)
class RowTest:
    """One column's part of a row filter. A row passes when every part that is set holds; a missing cell passes only
    `missing=True`.

    Args:
        column: the column's name.
        any_of: the cell is one of these.
        none_of: the cell is none of these.
        at_least: the cell is a number not below this.
        below: the cell is a number below this.
        missing: the cell is missing (True) or not (False).
    """

    column: str
    any_of: tuple[str | float, ...] | None = None
    none_of: tuple[str | float, ...] | None = None
    at_least: float | None = None
    below: float | None = None
    missing: bool | None = None


class Kept(NamedTuple):
    """Which rows are kept, (N,), and what a person should know about the others."""

    keep: NDArray[np.bool_]
    notes: tuple[str, ...]


def kept(
    tests: Sequence[RowTest], frame: pl.DataFrame, markers: Sequence[str], place: str, separator: str = ""
) -> Kept:
    """The rows that pass all of the tests.

    Args:
        tests: the filter's parts.
        frame: columns of strings, null where missing.
        markers: cells that say nothing.
        place: how messages name the file.
        separator: of a csv in which decimal commas may be met unsaid, see `Rows`.

    Raises:
        InputError: when a column is lacking or no row passes.
    """
    notes = []
    keep = np.ones(frame.height, dtype=np.bool_)
    for test in tests:
        if test.column not in frame.columns:
            no_column(test.column, frame.columns, f"{place}: where")
        cells = frame[test.column]
        silent = silent_cells(cells, markers)
        if test.missing is None and silent.any():
            notes.append(f"{place}: {int(silent.sum())} rows have no {shown(test.column)}, so the filter drops them")
        keep &= _passes(test, cells, silent, separator)
    if not keep.any():
        asked = " and ".join(_told(test) for test in tests)
        seen = "; ".join(f"{shown(test.column)} holds {listed(distinct_cells(frame[test.column]))}" for test in tests)
        raise InputError(f"{place}: where", f"no row with {asked}", "at least one", seen)
    return Kept(keep, tuple(notes))


def _told(test: RowTest) -> str:
    parts = {
        "one of": test.any_of,
        "not": test.none_of,
        "at least": test.at_least,
        "below": test.below,
        "missing": test.missing,
    }
    told = ", ".join(f"{name} {shown(value)}" for name, value in parts.items() if value is not None)
    return f"{test.column} {told}"


def _passes(test: RowTest, cells: pl.Series, silent: NDArray[np.bool_], separator: str) -> NDArray[np.bool_]:
    said = ~silent
    passes = said.copy() if test.missing is not True else silent.copy()
    if test.any_of is not None:
        passes &= _among(cells, said, separator, test.any_of)
    if test.none_of is not None:
        passes &= said & ~_among(cells, said, separator, test.none_of)
    if test.at_least is not None or test.below is not None:
        numbers = _numbers(cells, said, separator)
        passes &= said & ~np.isnan(numbers)
        if test.at_least is not None:
            passes &= numbers >= test.at_least
        if test.below is not None:
            passes &= numbers < test.below
    return passes


def _numbers(cells: pl.Series, said: NDArray[np.bool_], separator: str) -> NDArray[np.float64]:
    import polars as pl

    commas = decimal_commas(cells.filter(pl.Series(said)).unique(), separator)
    return floats(pointed(cells) if commas else cells)


def _among(
    cells: pl.Series, said: NDArray[np.bool_], separator: str, values: Sequence[str | float]
) -> NDArray[np.bool_]:
    """Whether a cell is one of `values`: letter for letter, or as a number where the value is one."""
    found = cells.is_in([str(value) for value in values]).fill_null(False).to_numpy().astype(np.bool_)
    wanted = [value for value in values if not isinstance(value, str)]
    return found | np.isin(_numbers(cells, said, separator), wanted) if wanted else found
