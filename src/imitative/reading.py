"""Rows → D and D′: what each column holds is inferred from the questions of both, or stated.

read_data(labelled, unlabelled, …)     D, D′ and the truth of D′
read_table(source, features)           new questions for features already known
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imitative.cells import MISSING, distinct_cells, respellings, silent_cells
from imitative.columns import (
    Column,
    Stated,
    feature_of,
    hold_dates,
    identifies,
    merged,
    note_silence,
    numbers_rows,
    read_commas,
    respell,
)
from imitative.data import Feature, FeatureKind, Labelled, Table
from imitative.errors import InputError, did_you_mean, listed, no_column, shown
from imitative.parts import check_parts, needed
from imitative.rows import Origin, Rows, Source, filtered, read_rows

if TYPE_CHECKING:
    import polars as pl


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
    check_parts((d.frame, d2.frame), labelled.parts, {answer, truth}, where)
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
        said = merged(stated.get(name, Stated()), (named or {}).get(name, Stated()), silent)
        first = Column(d, labelled, name, said)
        second = Column(d2, unlabelled, name, said)
        feature = feature_of(name, said, first, second, notes, f"{where}features.{name}")
        # Who lists a column in `only`, or says something of it, has chosen it: it is used, whatever it looks like.
        chosen = only is not None or name in kept or said != Stated()
        if feature is not None and not chosen and identifies(feature, first, second):
            notes.append(
                f"column {shown(name)} has {len(feature.values)} words, nearly one a row, like identifiers and dates:"
                f' left out; to keep it, say [features."{name}"] kind = "categorical"'
            )
            feature = None
        if feature is not None:
            if feature.kind is FeatureKind.CATEGORICAL and said.kind is None and hold_dates(first, second):
                notes.append(
                    f"column {shown(name)} holds dates: each is a word of its own; a number (a year) says more"
                )
            if feature.kind is FeatureKind.NUMERIC and not chosen and numbers_rows(first, second):
                notes.append(
                    f"column {shown(name)} holds whole numbers, all different, as row numbers and customers' are: "
                    "list it in features.leave_out if it only names rows"
                )
            note_silence(name, first, second, notes)
            features.append(feature)
            columns[name], columns2[name] = first.read(feature), second.read(feature)
    if not features:
        remedy = "; ".join(note for note in notes if "left out" in note)
        raise InputError(labelled.named, "no column to use as a feature", "at least one beside the answer", remedy)
    _note_codes(features, notes)
    _note_repeats(d.frame.select([*sorted(columns), answer]), "D", notes)
    _note_repeats(d2.frame.select(sorted(columns2)), "D′", notes)
    tables = Table(tuple(features), columns), Table(tuple(features), columns2)
    wanted = needed(unlabelled.parts, [feature.name for feature in features])
    origin = Origin(replace(unlabelled, parts=wanted), d2.numbers, d2.files)
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
        column = Column(rows, source, feature.name, said)
        if feature.kind is FeatureKind.NUMERIC:
            read_commas([column], notes, settled=True)
        if feature.discrete:
            respell([column], feature.values)
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


def _both(labelled: Source, unlabelled: Source) -> tuple[Rows, Rows]:
    """Both sources' rows; a file they share is read once."""
    if replace(labelled, where=(), place="") != replace(unlabelled, where=(), place=""):
        return read_rows(labelled), read_rows(unlabelled)
    rows = read_rows(replace(labelled, where=()))
    return tuple(filtered(rows, each) if each.where else rows for each in (labelled, unlabelled))  # type: ignore[return-value]


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
    """Whether every feature is there; `settled` as in `Column.read`."""
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
    if changed := respellings(set(distinct_cells(cells)) - set(answers), answers):
        cells = cells.replace(changed)
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
        filtered_out = f"filter such rows out ({wrong.size} of them)"
        remedy = did_you_mean(cell or "", answers) or f"add it to [answers], or {filtered_out}"
        if silent[i]:
            remedy = f"fill it in, or {filtered_out}"
        raise InputError(place, "no answer" if silent[i] else shown(cell), f"one of {listed(answers)}", remedy)
    return y


def _note_codes(features: Sequence[Feature], notes: list[str]) -> None:
    """Remark on columns whose values are digits or letters that nobody has said the meaning of."""
    coded = [
        f
        for f in features
        if len(f.values) > 1 and not f.words and not f.phrases and all(len(value) == 1 for value in f.values)
    ]
    if coded:
        first = coded[0].name
        columns = "column" if len(coded) == 1 else "columns"
        notes.append(
            f"{columns} {listed((f.name for f in coded), 3)}: values like {shown(coded[0].values[0])} look like codes, "
            f'and people judge sentences; say what they mean: [features."{first}"] phrases = {{ … }}, or names = …'
        )


def _note_repeats(frame: pl.DataFrame, name: str, notes: list[str]) -> None:
    repeats = frame.height - frame.n_unique()
    if repeats:
        notes.append(f"{name}: {repeats} of {frame.height} rows repeat an earlier one; all are kept")
