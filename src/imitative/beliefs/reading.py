"""Files → what a family observes: series in time, tables of examples, and objects of arrays."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from imitative.cells import floats
from imitative.columns import number_advice
from imitative.dates import Fineness, alike, read_date, spelt, steps_of
from imitative.errors import InputError, no_column, shown
from imitative.families.family import Observed
from imitative.rows import Source, read_rows
from imitative.text_files import read_text

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]
ROW = "row"
"""The step of what is in no order of time: examples, each for itself."""


@final
@dataclass(frozen=True, eq=False)
class Read:
    """D, and what is known of D′.

    Args:
        observed: D as the family sees it.
        truth: (H,) or (H, groups) what D′ turned out to be; NaN where nobody knows.
        labels: (T,) what each row of D is called: its date, or its number.
        ahead: (H,) the same for D′.
        notes: what a person should know.
    """

    observed: Observed
    truth: Floats | None
    labels: tuple[str, ...]
    ahead: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read_series(
    source: Source, *, value: str, day: str | None, group: str | None, until: str | None, horizon: int, unit: str
) -> Read:
    """A column of numbers in time, or one for each group, in the order of the dates.

    Rows up to and with `until` are D; what follows is the truth of D′, for evaluation only.

    Raises:
        InputError: for a date that is none or occurs twice, uneven steps, or a cell without a number.
    """
    frame = read_rows(source).frame
    for name in filter(None, (value, day, group)):
        if name not in frame.columns:
            no_column(name, frame.columns, source.named)
    numbers = _numbers(frame, value, source)
    if day is None:
        if group is not None:
            raise InputError(source.named, "groups without dates", "a `date` column", "name it in [labelled]")
        cut = len(numbers) if until is None else _row(until, len(numbers), source)
        labels = [str(i + 1) for i in range(len(numbers))]
        return _cut(numbers[:, None], labels, ("",), cut, horizon, unit, "step", lambda k: str(cut + k + 1))
    days, fineness = alike(
        [
            read_date(cell, f"{source.named}: row {i + 1}, column {day!r}")
            for i, cell in enumerate(frame[day].to_list())
        ],
        f"{source.named}: column {day!r}",
    )
    names = ["" for _ in days] if group is None else [str(cell) for cell in frame[group].to_list()]
    groups = tuple(sorted(set(names)))
    _check_once(days, names, fineness, source)
    ordered = sorted(set(days))
    steps = steps_of(ordered, fineness, f"{source.named}: column {day!r}")
    table = np.full((steps.number(ordered[-1]) + 1, len(groups)), np.nan)
    column = {name: i for i, name in enumerate(groups)}
    for d, name, number in zip(days, names, numbers, strict=True):
        table[steps.number(d), column[name]] = number
    cut = len(table)
    if until is not None:
        last = read_date(until, "labelled.until")
        cut = sum(last.reaches(steps.at(k)) for k in range(len(table)))
    labels = [steps.label(k) for k in range(len(table))]
    return _cut(table, labels, groups, cut, horizon, unit, steps.name, lambda k: steps.label(cut + k))


def _cut(
    table: Floats, labels: list[str], groups: tuple[str, ...], cut: int, horizon: int, unit: str, step: str, ahead: Any
) -> Read:
    if cut < 2:
        raise InputError("labelled", f"{cut} {'row' if cut == 1 else 'rows'} of D", "at least 2", "check `until`")
    truth = np.full((horizon, table.shape[1]), np.nan)
    after = table[cut : cut + horizon]
    truth[: len(after)] = after
    gaps = int(np.isnan(table[:cut]).sum())
    notes = (f"{gaps} of {table[:cut].size} cells of D are gaps",) if gaps else ()
    observed = Observed(table[:cut] if len(groups) > 1 else table[:cut, 0], groups=groups, unit=unit, step=step)
    known = None if np.isnan(truth).all() else (truth if len(groups) > 1 else truth[:, 0])
    return Read(observed, known, tuple(labels[:cut]), tuple(ahead(k) for k in range(horizon)), notes)


def read_examples(
    source: Source, other: Source | None, *, value: str, columns: list[str], unit: str, anew: int = 0
) -> Read:
    """A table of examples: y, and the columns that explain it; D′ is another file, so many rows drawn anew, or none.

    Raises:
        InputError: for a missing column, or a cell without a number.
    """
    frame = read_rows(source).frame
    for name in (value, *columns):
        if name not in frame.columns:
            no_column(name, frame.columns, source.named)
    y = _numbers(frame, value, source, whole=True)
    x = _table(frame, columns, source) if columns else None
    new, truth = None, None
    if other is not None:
        second = read_rows(other).frame
        for name in columns:
            if name not in second.columns:
                no_column(name, second.columns, other.named)
        new = _table(second, columns, other)
        truth = _numbers(second, value, other) if value in second.columns else None
    observed = Observed(y, x, new, tuple(columns), unit=unit, step=ROW)
    count = anew if new is None else len(new)
    return Read(observed, truth, tuple(map(str, range(1, len(y) + 1))), tuple(map(str, range(1, count + 1))))


def read_arrays(path: Path, names: dict[str, str], horizon: int, unit: str, later: Path | None) -> Read:
    """An object of arrays, as Stan's data are: `y` (T, M), and whatever else the family asks for, by name.

    `first` and `last` (M,) say which rows of each series are D; a later file with more of the same says how D′ went.

    Raises:
        InputError: for a missing array, ragged rows, or numbers that are none.
    """
    found = {ours: _array(path, theirs, ours) for ours, theirs in names.items()}
    if "y" not in found:
        raise InputError("labelled.arrays", "no y", "the array that is to be explained", 'write y = "deaths"')
    y = np.array(found.pop("y"), dtype=float)
    table = y if y.ndim == 2 else y[:, None]
    count = table.shape[1]
    last = np.asarray(found.get("last", np.full(count, len(table))), dtype=int)
    if len(last) != count or (last > len(table)).any() or (last < 1).any():
        raise InputError("labelled.arrays.last", shown(last.tolist()), f"{count} rows from 1 to {len(table)}")
    first = np.asarray(found.pop("first", np.ones(count)), dtype=int)
    rows = np.arange(len(table))[:, None]
    past = np.where((rows >= first - 1) & (rows < last), table, np.nan)
    truth = None
    if horizon and later is not None:
        after = np.asarray(_array(later, names["y"], "y"), dtype=float).reshape(-1, count)
        until = (
            np.asarray(_array(later, names["last"], "last"), dtype=int)
            if "last" in names
            else np.full(count, len(after))
        )
        truth = np.full((horizon, count), np.nan)
        for m in range(count):
            known = after[last[m] : min(last[m] + horizon, until[m]), m]
            truth[: len(known), m] = known
    groups = tuple(f"series {m + 1}" for m in range(count))
    observed = Observed(past, groups=groups, arrays={**found, "last": last}, unit=unit, step="day")
    return Read(
        observed, truth, tuple(str(t + 1) for t in range(len(table))), tuple(f"+{h + 1}" for h in range(horizon))
    )


def with_groups(read: Read, groups: list[str]) -> Read:
    """The same, its series named.

    Raises:
        InputError: for another number of names.
    """
    if len(groups) != len(read.observed.groups):
        raise InputError("model.groups", f"{len(groups)} names", f"{len(read.observed.groups)}, one for each series")
    return replace(read, observed=replace(read.observed, groups=tuple(groups)))


def _array(path: Path, key: str, ours: str) -> Floats:
    place = f"{path}: {key}"
    try:
        raw = json.loads(read_text(path))
    except FileNotFoundError:
        raise InputError(str(path), "no such file", "a JSON object of arrays", "check the path") from None
    except ValueError as error:
        raise InputError(str(path), str(error), "a JSON object of arrays") from None
    if not isinstance(raw, dict) or key not in raw:
        raise InputError(place, "nothing", "an array", f"name another for {ours} in [labelled.arrays]")
    try:
        return np.asarray(raw[key], dtype=float)
    except (TypeError, ValueError):
        raise InputError(place, "rows of different lengths or cells without numbers", "numbers in even rows") from None


def _numbers(frame: pl.DataFrame, name: str, source: Source, whole: bool = False) -> Floats:
    cells = frame[name]
    numbers = floats(cells)
    for i, (cell, number) in enumerate(zip(cells.to_list(), numbers, strict=True)):
        silent = cell is None or cell in ("", "NA", "NaN", "nan", "null", *source.missing)
        if (not np.isfinite(number)) and (whole or not silent):
            place = f"{source.named}: row {i + 1}, column {name!r}"
            raise InputError(place, shown(cell), "a finite number", "" if silent else number_advice(cell))
    return np.asarray(numbers, dtype=float)


def _table(frame: pl.DataFrame, names: list[str], source: Source) -> Floats:
    """(rows, names), with a number in every cell."""
    cells = [_numbers(frame, name, source, whole=True) for name in names]
    return np.stack(cells, axis=1) if cells else np.zeros((len(frame), 0))


def _row(until: str, rows: int, source: Source) -> int:
    if not until.isdecimal() or not 1 <= int(until) <= rows:
        raise InputError("labelled.until", shown(until), f"a row from 1 to {rows}", "or name the `date` column")
    return int(until)


def _check_once(days: list[datetime], names: list[str], fineness: Fineness, source: Source) -> None:
    counts = Counter(zip(days, names, strict=True))
    for (day, name), n in counts.most_common(1):
        if n == 1:
            return
        of = f" of {name}" if name else ""
        remedy = "keep one, or name the `group` column" if not name else "keep one of them"
        raise InputError(source.named, f"the date {spelt(day, fineness)}{of} {n} times", "each date once", remedy)
