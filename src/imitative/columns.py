"""One column → one feature: what its cells are is stated, or inferred from those of D and D′ together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import NDArray

from imitative.cells import (
    DECIMAL_COMMA,
    GROUPED,
    INFINITE,
    MISSING,
    NUMBER,
    TRUTHS,
    decimal_commas,
    distinct_cells,
    floats,
    pointed,
    respellings,
    said_cells,
)
from imitative.data import Feature, FeatureKind
from imitative.errors import InputError, did_you_mean, listed, shown
from imitative.rows import Rows, Source

if TYPE_CHECKING:
    import polars as pl

_CODE = r"^[+-]?0[0-9]"  # 007 is a code, not the number seven
_WHOLE = r"^[0-9]+(\.0+)?$"
_DATE = r"^[0-9]{1,4}([-./])[0-9]{1,2}[-./][0-9]{1,4}([ T][0-9:.,Z+-]*)?$"
_UNIT = r"^(\p{Sc}\s?[+-]?[0-9][0-9.,]*|[+-]?[0-9][0-9.,]*(\s?(\p{Sc}|%|°)|\s?°?\p{L}[\p{L}/²³]+|\s°?\p{L}))$"
_PAIRS = (*TRUTHS, ("f", "t"), ("n", "y"), ("0", "1"))

LONG_TEXT = 50
"""Mean characters from which a column is text: no list of words to choose from has names this long."""
WORDY_TEXT = 3.0
"""Mean words from which a column of mostly distinct cells, more than `MANY_VALUES`, is text too."""
MANY_VALUES = 20
MOSTLY_NUMBERS = 0.5
"""A column with at least this share of numbers among its distinct values, but not all, is remarked on."""
IDENTIFIER = 1_000
"""Distinct words from which a categorical column is remarked on: it may be an identifier."""


@final
@dataclass(frozen=True, slots=True)
class Stated:
    """What a problem says of a feature; what it leaves out is inferred. Fields as in `imitative.data.Feature`."""

    kind: FeatureKind | None = None
    spoken: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    phrases: Mapping[str, str] = field(default_factory=dict)
    values: tuple[str, ...] = ()
    unit: str = ""

    @property
    def named(self) -> tuple[str, ...]:
        """Every value it speaks of: listed ones first, then those with words or phrases."""
        return tuple(dict.fromkeys([*self.values, *self.words, *self.phrases]))


def merged(stated: Stated, named: Stated, silent: Sequence[str]) -> Stated:
    """What is stated, then what the table of names adds, but for codes that are said to be missing."""
    return replace(
        stated,
        spoken=stated.spoken or named.spoken,
        words={code: word for code, word in named.words.items() if code not in silent} | dict(stated.words),
        phrases={code: phrase for code, phrase in named.phrases.items() if code not in silent} | dict(stated.phrases),
    )


@final
class Column:
    """One column's strings, null where missing, and the file rows they stand in."""

    def __init__(self, rows: Rows, source: Source, name: str, said: Stated) -> None:
        cells = rows.frame[name]
        markers = [marker for marker in MISSING if marker not in said.named]
        self.cells = said_cells(cells, [*markers, *source.missing])
        self.numbers, self.separator, self.source, self.name = rows.numbers, rows.separator, source, name
        self.distinct = self.cells.drop_nulls().unique()

    @property
    def said(self) -> int:
        """How many of its cells say something."""
        return len(self.cells) - self.cells.null_count()

    def refuse(self, wrong: NDArray[np.bool_], expected: str, remedy: str = "") -> None:
        """Raise for the first cell that is wrong, if any is."""
        at = np.flatnonzero(wrong)
        if at.size:
            place = f"{self.source.named}: row {self.numbers[at[0]]}, column {shown(self.name)}"
            raise InputError(place, shown(self.cells[int(at[0])]), expected, remedy)

    def read(self, feature: Feature, *, settled: bool = False) -> NDArray[np.generic]:
        """The column in the form `Table` holds it; `settled`: nothing can be said of it in a problem file any more."""
        import polars as pl

        if feature.kind is FeatureKind.TEXT:
            return np.array(self.cells.fill_null("").to_list(), dtype=object)
        if feature.kind is FeatureKind.NUMERIC:
            numbers = floats(self.cells)
            wrong = np.isnan(numbers) & ~self.cells.is_null().to_numpy()
            odd = self.cells.filter(pl.Series(wrong))
            self.refuse(wrong, "a number", number_advice(str(odd[0]), settled) if len(odd) else "")
            self.refuse(np.isinf(numbers), "a finite number", _corrected(settled))
            return numbers
        codes = list(range(len(feature.values)))
        if not codes:
            return np.full(len(self.cells), -1, dtype=np.int32)
        found = self.cells.replace_strict(list(feature.values), codes, default=-1, return_dtype=pl.Int32)
        return found.fill_null(-1).to_numpy().astype(np.int32)


def feature_of(name: str, said: Stated, first: Column, second: Column, notes: list[str], place: str) -> Feature | None:
    """The feature that a column is in D and in D′; None where it holds nothing, which is noted.

    Args:
        name: the column's.
        said: what is known of it beforehand.
        first: its cells in D; numbers with decimal commas become numbers with points.
        second: in D′, likewise.
        notes: what a person should know is added to these.
        place: how messages name what is stated.

    Raises:
        InputError: naming the cell, or the key, that cannot be used.
    """
    import polars as pl

    respelled = {} if said.kind in (FeatureKind.NUMERIC, FeatureKind.TEXT) else respell([first, second], said.named)
    distinct = pl.concat([first.distinct, second.distinct]).unique().sort()
    if not len(distinct) and said == Stated():
        notes.append(f"column {shown(name)} is empty in D and D′: left out")
        return None
    if said.kind in (None, FeatureKind.NUMERIC) and not said.named and read_commas([first, second], notes):
        distinct = pl.concat([first.distinct, second.distinct]).unique().sort()
    kind = said.kind or _inferred(name, said, first, second, distinct, notes)
    values: tuple[str, ...] = ()
    if kind is FeatureKind.ORDINAL:
        values = said.values
        if len(values) < 2:
            raise InputError(f"{place}.values", listed(values), "the values in order, at least two")
        for column in (first, second):
            remedy = "add it where it belongs in the order"
            strange = column.cells.is_not_null() & ~column.cells.is_in(list(values)).fill_null(True)
            column.refuse(strange.to_numpy(), f"one of {listed(values)} ({place}.values)", remedy)
    elif kind in (FeatureKind.BOOLEAN, FeatureKind.CATEGORICAL):
        values = _values(kind, said, distinct.to_list())
    if kind is FeatureKind.BOOLEAN and len(values) > 2:
        raise InputError(place, f"the values {listed(values)}", "two for a boolean", 'say kind = "categorical"')
    if kind is FeatureKind.CATEGORICAL and len(values) > IDENTIFIER:
        notes.append(f"column {shown(name)} has {len(values)} distinct words: leave it out if it is an identifier")
    if values:
        if respelled:
            cell, value = next(iter(respelled.items()))
            notes.append(f"column {shown(name)}: {shown(cell)} is read as {shown(value)}, spelled otherwise")
        unsaid = set(distinct.to_list()) - set(said.named)
        unheld = {*said.words, *said.phrases} - set(distinct.to_list()) - set(said.values)
        for value in sorted(unheld):
            if meant := did_you_mean(value, sorted(unsaid)):
                notes.append(f"{place}: no row holds {shown(value)}, which is spoken of there; {meant}")
    spoken = said.spoken or default_spoken(name)
    words = {value: " ".join(value.split()) for value in values if value != " ".join(value.split())} | dict(said.words)
    return Feature(name, kind, spoken, words, dict(said.phrases), values, said.unit)


def identifies(feature: Feature, first: Column, second: Column) -> bool:
    """Whether its words name rows instead of saying something of them: nearly all are different, in D and in D′."""

    def different(column: Column) -> bool:
        return 2 * len(column.distinct) > column.said

    many = feature.kind is FeatureKind.CATEGORICAL and len(feature.values) > MANY_VALUES
    return many and different(first) and different(second)


def numbers_rows(*columns: Column) -> bool:
    """Whether these columns hold nothing but whole numbers, in each of them all different, as row numbers are."""
    return all(
        column.said >= MANY_VALUES
        and len(column.distinct) == column.said
        and bool(column.distinct.str.contains(_WHOLE).all())
        for column in columns
    )


def hold_dates(*columns: Column) -> bool:
    """Whether all that these columns say are dates."""
    said = [column.distinct for column in columns if column.said]
    return bool(said) and all(bool(distinct.str.contains(_DATE).all()) for distinct in said)


def note_silence(name: str, first: Column, second: Column, notes: list[str]) -> None:
    """Remark on a column that can part no rows, or that says nothing of D′ or of D."""
    if not first.said and second.said:
        notes.append(f"column {shown(name)} is empty in all of D: D says nothing for or against what it holds in D′")
    elif first.said and not second.said:
        notes.append(f"column {shown(name)} is empty in all of D′: nothing that is said of it applies there")
    elif len(first.distinct) == 1 and not first.cells.null_count() and second.cells.eq_missing(first.distinct[0]).all():
        notes.append(
            f"column {shown(name)} is {shown(first.distinct[0])} in every row of D and D′: it tells none apart"
        )


def _values(kind: FeatureKind, said: Stated, distinct: Sequence[str]) -> tuple[str, ...]:
    """Listed values first, in their order, then all others sorted (false before true)."""
    others = sorted({*said.named, *distinct} - set(said.values))
    if kind is FeatureKind.BOOLEAN:
        truths = {truth for _, truth in _PAIRS}
        others.sort(key=lambda value: value.lower() in truths)
    return (*said.values, *others)


def default_spoken(name: str) -> str:
    """The subject made of a column's name.

    >>> default_spoken("cap-shape")
    'the cap shape'
    """
    words = " ".join(re.sub(r"[^\w%]|_", " ", name).split())
    return f"the {words or name}"


def _inferred(
    name: str, said: Stated, first: Column, second: Column, cells: pl.Series, notes: list[str]
) -> FeatureKind:
    """What the column holds, from the distinct cells of D and D′ (and their number of rows, for text)."""
    if len(cells) == 2 and {value.lower() for value in cells} in [set(pair) for pair in _PAIRS]:
        return FeatureKind.BOOLEAN
    if said.named:
        return FeatureKind.CATEGORICAL
    if said.unit:
        return FeatureKind.NUMERIC
    numbers = int(cells.str.contains(NUMBER).sum())
    infinite = int(cells.str.contains(INFINITE).sum())
    if cells.str.contains(_CODE).any() and numbers == len(cells):
        notes.append(f"column {shown(name)} holds codes such as {shown(_first(cells, _CODE))}: read as categorical")
        return FeatureKind.CATEGORICAL
    if numbers and numbers + infinite == len(cells):
        return FeatureKind.NUMERIC
    _note_numbers(name, cells, notes)
    rows = max(first.said, second.said)
    words = cells.str.count_matches(r"\s+").mean()
    letters = cells.str.len_chars().mean()
    if float(letters or 0.0) >= LONG_TEXT:  # type: ignore[arg-type]
        return FeatureKind.TEXT
    wordy = float(words or 0.0) + 1 >= WORDY_TEXT  # type: ignore[arg-type]
    if wordy and len(cells) > MANY_VALUES and len(cells) > rows / 2:
        return FeatureKind.TEXT
    return FeatureKind.CATEGORICAL


def respell(columns: Sequence[Column], named: Sequence[str]) -> dict[str, str]:
    """Write every value of these columns of one name as it is `named`, or else as it is written first: files that hold
    the same rows say `1` and `1.0`, or `True` and `true`. What was written otherwise → how it is written now.
    """
    if sum(len(column.distinct) for column in columns) > IDENTIFIER:  # no list of values to choose from
        return {}
    cells = [distinct_cells(column.distinct) for column in columns]
    known, respelled = list(named), dict[str, str]()
    for column, found in zip(columns, cells, strict=True):
        changed = respellings((cell for cell in found if cell not in named), [*known, *found])
        if changed:
            column.cells = column.cells.replace(changed)
            column.distinct = column.cells.drop_nulls().unique()
            respelled |= changed
        known += distinct_cells(column.distinct)
    return respelled


def read_commas(columns: Sequence[Column], notes: list[str], settled: bool = False) -> bool:
    """Whether these columns of one name are numbers with decimal commas, which then become points; `settled` where
    nobody is asked any more what they are.
    """
    import polars as pl

    found = [decimal_commas(column.distinct, column.separator) for column in columns]
    plain = [bool(column.distinct.str.contains(NUMBER).all()) for column in columns]
    if not any(found) or not all(comma or number for comma, number in zip(found, plain, strict=True)):
        return False
    shown_cell = _first(pl.concat([column.distinct.sort() for column in columns]), DECIMAL_COMMA)
    for column in columns:
        column.cells, column.distinct = pointed(column.cells), pointed(column.distinct).unique()
    remedy = "" if settled else '; say kind = "categorical" if they are words'
    notes.append(
        f"column {shown(columns[0].name)} is read with decimal commas: {shown_cell} is {shown_cell.replace(',', '.')}"
        + remedy
    )
    return True


def _corrected(settled: bool) -> str:
    return "correct it" if settled else "correct it, or list it in `missing`"


def number_advice(cell: str, settled: bool = False) -> str:
    """What to do about a cell that is no number as it is written; `settled` as in `Column.read`."""
    import polars as pl

    def like(pattern: str) -> bool:
        return bool(pl.Series([cell]).str.contains(pattern)[0])

    if like(GROUPED):
        *groups, last = re.split(r"[.,'’\s]", cell)
        # One sign throughout sets thousands apart; another before the last figures is the decimals'.
        whole = len(set(re.findall(r"[^0-9+-]", cell))) == 1
        plain = "".join([*groups, last]) if whole else f"{''.join(groups)}.{last}"
        doubt = "" if settled or not like(DECIMAL_COMMA) else ', or say decimal = "," if decimals follow the comma'
        return f"write {plain}, without signs between thousands{doubt}"
    if like(DECIMAL_COMMA):
        return "write a point for the comma" + ("" if settled else ', or say decimal = ","')
    if like(_UNIT):
        return "leave the number alone in the cell" + ("" if settled else "; what it is counted in is said with `unit`")
    return _corrected(settled)


def _note_numbers(name: str, cells: pl.Series, notes: list[str]) -> None:
    """Remark on words most of which are numbers, or would be if they were written otherwise: these first, since no
    number should be thrown away.
    """
    numbers = cells.str.contains(NUMBER)
    meant = numbers
    for what, pattern in {
        "numbers with a unit": _UNIT,
        "numbers with signs between thousands": GROUPED,
        "numbers with decimal commas": DECIMAL_COMMA,
    }.items():
        written = cells.str.contains(pattern) & ~numbers
        meant = meant | written
        if written.any() and (numbers | written).sum() >= MOSTLY_NUMBERS * len(cells):
            odd = str(cells.filter(written)[0])
            notes.append(
                f"column {shown(name)} holds {what} such as {shown(odd)}: not read as numeric; {number_advice(odd)}"
            )
            return
    if not meant.all() and numbers.sum() >= max(1.0, MOSTLY_NUMBERS * len(cells)):
        odd = str(cells.filter(~meant)[0])
        remedy = f'say kind = "numeric" and missing = [{odd!r}] if they are numbers'
        notes.append(
            f"column {shown(name)} mixes numbers with words such as {shown(odd)}: not read as numeric; {remedy}"
        )


def _first(cells: pl.Series, pattern: str) -> str:
    return str(cells.filter(cells.str.contains(pattern))[0])
