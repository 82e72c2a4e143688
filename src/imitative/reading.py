"""Rows → D and D′: what each column holds is inferred from the questions of both, or stated.

read_data(labelled, unlabelled, …)     D, D′ and the truth of D′
read_table(source, features)           new questions for features already known
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from imitative.data import Feature, FeatureKind, Labelled, Table
from imitative.errors import InputError, did_you_mean, listed, shown
from imitative.rows import (
    DECIMAL_COMMA,
    GROUPED,
    INFINITE,
    MISSING,
    NUMBER,
    Origin,
    Part,
    Rows,
    Source,
    decimal_commas,
    distinct_cells,
    filtered,
    floats,
    no_column,
    pointed,
    read_rows,
    said_cells,
    silent_cells,
)

if TYPE_CHECKING:
    import polars as pl

_CODE = r"^[+-]?0[0-9]"  # 007 is a code, not the number seven
_DATE = r"^[0-9]{1,4}([-./])[0-9]{1,2}[-./][0-9]{1,4}([ T][0-9:.,Z+-]*)?$"
_UNIT = r"^(\p{Sc}\s?[+-]?[0-9][0-9.,]*|[+-]?[0-9][0-9.,]*(\s?(\p{Sc}|%|°)|\s?°?\p{L}[\p{L}/²³]+|\s°?\p{L}))$"
_PAIRS = (("false", "true"), ("no", "yes"), ("f", "t"), ("n", "y"), ("0", "1"))

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


class Read(NamedTuple):
    """Questions, what a person should know about how they were read, and of a folder, their files."""

    table: Table
    notes: tuple[str, ...]
    files: tuple[str, ...] = ()


class Data(NamedTuple):
    """D, D′, the answers of D′ (indices into the names, −1 unknown; None when no truth column is named), notes, and
    where the rows of D′ came from.
    """

    labelled: Labelled
    unlabelled: Table
    truth: NDArray[np.int64] | None
    notes: tuple[str, ...]
    origin: Origin


# ------------------------------------------------------------------------------------------------ strings → D and D′


def read_data(
    labelled: Source,
    unlabelled: Source,
    *,
    answer: str,
    answers: Sequence[str],
    truth: str | None = None,
    stated: Mapping[str, Stated] | None = None,
    named: Mapping[str, Stated] | None = None,
    only: Sequence[str] | None = None,
    leave_out: Sequence[str] = (),
    kept: Sequence[str] = (),
    place: str = "",
) -> Data:
    """D and D′ with the same features, whose kinds and values are inferred from the questions of both together.

    Args:
        labelled: the rows of D.
        unlabelled: the rows of D′.
        answer: the column of D that holds y.
        answers: Y: every value `answer` may hold, in the order of every array whose axis is the answers.
        truth: the column of D′ that holds its answers, where anybody knows them; never a feature.
        stated: column → what is known of it beforehand.
        named: the same from a table of names, which may also speak of columns that are not there; `stated` wins.
        only: the columns to use as features, in this order; by default every column of D but `answer` and `truth`.
        leave_out: columns not to use.
        kept: columns that are used although nearly every row has a word of its own, such as the names of pictures.
        place: how messages name the problem file.

    Raises:
        InputError: for anything that cannot be used.
    """
    stated = stated or {}
    silent = (*labelled.missing, *unlabelled.missing)
    where = f"{place}: " if place else ""
    d, d2 = _both(labelled, unlabelled)
    _check_parts(d, d2, labelled.parts, {answer, truth}, where)
    notes = list(dict.fromkeys(d.notes + d2.notes))
    if labelled.path == unlabelled.path and np.array_equal(d.numbers, d2.numbers):
        notes.append(f"{unlabelled.named}: D′ holds the very rows of D; name another file in [unlabelled], or `where`")
    if answer not in d.frame.columns:
        no_column(answer, d.frame.columns, f"{labelled.named}: answer")
    if truth is not None and truth not in d2.frame.columns:
        no_column(truth, d2.frame.columns, f"{unlabelled.named}: truth")
    names = _feature_names(d.frame.columns, {answer, truth}, stated, only, leave_out, where)
    sources = {part.column for part in labelled.parts}
    _check_columns(names, d2.frame.columns, {answer, truth, *leave_out, *sources}, unlabelled, notes)
    y = _answers(d, labelled, answer, answers)
    if len(set(y.tolist())) < 2:
        found = f"only the answer {shown(answers[int(y[0])])} in all {len(y)} rows"
        raise InputError(f"{labelled.named}: column {shown(answer)}", found, "at least two answers", "widen `where`")
    for i, name in enumerate(answers):
        if i not in y:
            notes.append(f"{labelled.named}: no row of D has the answer {shown(name)}")
    true = None if truth is None else _answers(d2, unlabelled, truth, answers, known=False)
    features, columns, columns2 = [], {}, {}
    for name in names:
        said = _merged(stated.get(name, Stated()), (named or {}).get(name, Stated()), silent)
        first = _Column(d, labelled, name, said)
        second = _Column(d2, unlabelled, name, said)
        feature = _feature(name, said, first, second, notes, f"{where}features.{name}")
        # Who lists a column in `only`, or says something of it, has chosen it: it is used, whatever it looks like.
        chosen = only is not None or name in kept or said != Stated()
        if feature is not None and not chosen and _identifies(feature, first, second):
            notes.append(
                f"column {shown(name)} has {len(feature.values)} words, nearly one a row, like identifiers and dates:"
                f' left out; to keep it, say [features."{name}"] kind = "categorical"'
            )
            feature = None
        if feature is not None:
            if feature.kind is FeatureKind.CATEGORICAL and said.kind is None and _dates(first, second):
                notes.append(
                    f"column {shown(name)} holds dates: each is a word of its own; a number (a year) says more"
                )
            _note_silence(name, first, second, notes)
            features.append(feature)
            columns[name], columns2[name] = first.read(feature), second.read(feature)
    if not features:
        remedy = "; ".join(note for note in notes if "left out" in note)
        raise InputError(labelled.named, "no column to use as a feature", "at least one beside the answer", remedy)
    _note_repeats(d.frame.select([*sorted(columns), answer]), "D", notes)
    _note_repeats(d2.frame.select(sorted(columns2)), "D′", notes)
    tables = Table(tuple(features), columns), Table(tuple(features), columns2)
    needed = _needed(unlabelled.parts, [feature.name for feature in features])
    origin = Origin(replace(unlabelled, parts=needed), d2.numbers, d2.files)
    return Data(Labelled(tables[0], y, tuple(answers)), tables[1], true, tuple(notes), origin)


def read_table(source: Source, features: Sequence[Feature]) -> Read:
    """Questions for features already known. A word that a categorical feature does not list joins the values of the
    table's feature, since it is known to be none of the others; any other such word reads as missing. Both are noted.

    Raises:
        InputError: when a column is lacking, or a numeric one holds something else.
    """
    rows = read_rows(source)
    notes = list(rows.notes)
    sources: set[str | None] = {part.column for part in source.parts}
    _check_columns([feature.name for feature in features], rows.frame.columns, sources, source, notes, settled=True)
    columns: dict[str, NDArray[np.generic]] = {}
    known = []
    for feature in features:
        said = Stated(feature.kind, values=feature.values)
        column = _Column(rows, source, feature.name, said)
        if feature.kind is FeatureKind.NUMERIC:
            _read_commas([column], [])
        new = (
            [value for value in distinct_cells(column.cells) if value not in feature.values] if feature.discrete else []
        )
        if new:
            seen = f"{source.named}: column {shown(feature.name)} holds {listed(new, 3)}, never seen: "
            if feature.kind is FeatureKind.CATEGORICAL:
                feature = replace(feature, values=(*feature.values, *new))
                notes.append(f"{seen}only what is said of other values applies, as in 'is not'")
            else:
                notes.append(f"{seen}read as missing")
        known.append(feature)
        columns[feature.name] = column.read(feature, settled=True)
    _note_repeats(rows.frame.select(sorted(columns)), source.named, notes)
    return Read(Table(tuple(known), columns), tuple(notes), rows.files)


def _merged(stated: Stated, named: Stated, silent: Sequence[str]) -> Stated:
    """What is stated, then what the table of names adds, but for codes that are said to be missing."""
    return replace(
        stated,
        spoken=stated.spoken or named.spoken,
        words={code: word for code, word in named.words.items() if code not in silent} | dict(stated.words),
        phrases={code: phrase for code, phrase in named.phrases.items() if code not in silent} | dict(stated.phrases),
    )


def _both(labelled: Source, unlabelled: Source) -> tuple[Rows, Rows]:
    """Both sources' rows; a file they share is read once."""
    if replace(labelled, where=(), place="") != replace(unlabelled, where=(), place=""):
        return read_rows(labelled), read_rows(unlabelled)
    rows = read_rows(replace(labelled, where=()))
    return tuple(filtered(rows, each) if each.where else rows for each in (labelled, unlabelled))  # type: ignore[return-value]


def _check_parts(d: Rows, d2: Rows, parts: Sequence[Part], answers: set[str | None], where: str) -> None:
    """No part may tell the answer, and each must be found somewhere."""
    for part in parts:
        place = f"{where}features.{part.name}.part_of"
        if part.column in answers:
            raise InputError(place, f"the answer's column {shown(part.column)}", "a column of the question")
        if not any(rows.frame[part.name].is_not_null().any() for rows in (d, d2)):
            found = f"{shown(part.pattern)}, found in no row of D or D′"
            raise InputError(place, found, "a pattern that some row holds", "try it on one of the cells")


def _needed(parts: Sequence[Part], names: Sequence[str]) -> tuple[Part, ...]:
    """The parts that are features, and those in which they are found."""
    wanted, kept = {*names}, list[Part]()
    for part in reversed(parts):
        if part.name in wanted:
            wanted.add(part.column)
            kept.insert(0, part)
    return tuple(kept)


def _feature_names(
    columns: Sequence[str],
    taken: set[str | None],
    stated: Mapping[str, Stated],
    only: Sequence[str] | None,
    leave_out: Sequence[str],
    where: str,
) -> list[str]:
    for key, names in {"features": stated, "features.only": only or (), "features.leave_out": leave_out}.items():
        for name in names:
            if name not in columns:
                no_column(name, columns, f"{where}{key}")
            if name in taken and key != "features.leave_out":
                raise InputError(f"{where}{key}", f"the answer's column {shown(name)}", "columns of the question")
    chosen = [name for name in columns if name not in taken] if only is None else list(dict.fromkeys(only))
    return [name for name in chosen if name not in leave_out]


def _check_columns(
    names: Sequence[str],
    columns: Sequence[str],
    expected: set[str | None],
    source: Source,
    notes: list[str],
    *,
    settled: bool = False,
) -> None:
    """Whether every feature is there; `settled` as in `_Column.read`."""
    lacking = [name for name in names if name not in columns]
    if lacking:
        remedy = "add it to the file" if settled else "add it, or list it in features.leave_out"
        expected_there = "every feature that the run was given" if settled else "every feature of D"
        remedy = did_you_mean(lacking[0], columns) or remedy
        raise InputError(source.named, f"no column {listed(lacking)}", expected_there, remedy)
    extra = [name for name in columns if name not in names and name not in expected]
    if extra:
        notes.append(f"{source.named}: columns that no feature uses are ignored: {listed(extra)}")


def _answers(
    rows: Rows, source: Source, column: str, answers: Sequence[str], *, known: bool = True
) -> NDArray[np.int64]:
    """The answers as indices, (N,); −1 where missing, which only answers that need not be `known` may be."""
    import polars as pl

    cells = rows.frame[column]
    markers = [marker for marker in MISSING if marker not in answers]
    silent = silent_cells(cells, [*markers, *source.missing])
    codes = cells.replace_strict(list(answers), list(range(len(answers))), default=-1, return_dtype=pl.Int64)
    y: NDArray[np.int64] = codes.fill_null(-1).to_numpy().astype(np.int64)
    y[silent] = -1
    wrong = np.flatnonzero((y < 0) & (known | ~silent))
    if wrong.size:
        i = int(wrong[0])
        place = f"{source.named}: row {rows.numbers[i]}, column {shown(column)}"
        cell = cells[i]
        remedy = (
            did_you_mean(cell or "", answers) or f"add it to [answers], or filter such rows out ({wrong.size} of them)"
        )
        raise InputError(place, "no answer" if silent[i] else shown(cell), f"one of {listed(answers)}", remedy)
    return y


def _note_repeats(frame: pl.DataFrame, name: str, notes: list[str]) -> None:
    repeats = frame.height - frame.n_unique()
    if repeats:
        notes.append(f"{name}: {repeats} of {frame.height} rows repeat an earlier one; all are kept")


# --------------------------------------------------------------------------------------------- one column, one feature


@final
class _Column:
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


def _feature(name: str, said: Stated, first: _Column, second: _Column, notes: list[str], place: str) -> Feature | None:
    import polars as pl

    distinct = pl.concat([first.distinct, second.distinct]).unique().sort()
    if not len(distinct) and said == Stated():
        notes.append(f"column {shown(name)} is empty in D and D′: left out")
        return None
    if said.kind in (None, FeatureKind.NUMERIC) and not said.named and _read_commas([first, second], notes):
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
    spoken = said.spoken or default_spoken(name)
    words = {value: " ".join(value.split()) for value in values if value != " ".join(value.split())} | dict(said.words)
    return Feature(name, kind, spoken, words, dict(said.phrases), values, said.unit)


def _identifies(feature: Feature, first: _Column, second: _Column) -> bool:
    """Whether its words name rows instead of saying something of them: nearly all are different, in D and in D′."""

    def different(column: _Column) -> bool:
        return 2 * len(column.distinct) > column.said

    many = feature.kind is FeatureKind.CATEGORICAL and len(feature.values) > MANY_VALUES
    return many and different(first) and different(second)


def _dates(*columns: _Column) -> bool:
    said = [column.distinct for column in columns if column.said]
    return bool(said) and all(bool(distinct.str.contains(_DATE).all()) for distinct in said)


def _note_silence(name: str, first: _Column, second: _Column, notes: list[str]) -> None:
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
    name: str, said: Stated, first: _Column, second: _Column, cells: pl.Series, notes: list[str]
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


def _read_commas(columns: Sequence[_Column], notes: list[str]) -> bool:
    """Whether these columns of one name are numbers with decimal commas, which then become points."""
    import polars as pl

    found = [decimal_commas(column.distinct, column.separator) for column in columns]
    plain = [bool(column.distinct.str.contains(NUMBER).all()) for column in columns]
    if not any(found) or not all(comma or number for comma, number in zip(found, plain, strict=True)):
        return False
    shown_cell = _first(pl.concat([column.distinct.sort() for column in columns]), DECIMAL_COMMA)
    for column in columns:
        column.cells, column.distinct = pointed(column.cells), pointed(column.distinct).unique()
    notes.append(
        f"column {shown(columns[0].name)} is read with decimal commas: {shown_cell} is {shown_cell.replace(',', '.')};"
        ' say kind = "categorical" if they are words'
    )
    return True


def _corrected(settled: bool) -> str:
    return "correct it" if settled else "correct it, or list it in `missing`"


def number_advice(cell: str, settled: bool = False) -> str:
    """What to do about a cell that is no number as it is written; `settled` as in `_Column.read`."""
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
