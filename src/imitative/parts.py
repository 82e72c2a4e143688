"""Parts: columns made of what is written inside the cells of others, each found by a pattern."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from imitative.cells import said_cells
from imitative.errors import InputError, no_column, one_line, shown

if TYPE_CHECKING:
    import polars as pl


class Part(NamedTuple):
    """A column made of what is written inside the cells of another: the first match of a pattern, missing where none.

    Args:
        name: what the new column is called.
        column: the column it is found in.
        pattern: a regular expression (of Rust's regex, which takes time linear in the text); what its one group
            matches is the cell, or all of the match where it has no group.
    """

    name: str
    column: str
    pattern: str


def with_parts(frame: pl.DataFrame, parts: Sequence[Part], markers: Sequence[str], place: str) -> pl.DataFrame:
    """The frame with a column more for each of `parts`; one may be found in another that stands before it.

    Args:
        frame: columns of strings.
        parts: in the order in which they are found.
        markers: cells that say nothing; no part is found in them.
        place: how messages name the file.

    Raises:
        InputError: when there is no such column, or a column of the part's name already.
    """
    for part in parts:
        if part.column not in frame.columns:
            no_column(part.column, frame.columns, f"{place}: {shown(part.name)}, part of")
        if part.name in frame.columns:
            taken = f"a column called {shown(part.name)} already"
            raise InputError(place, taken, "a new name for what is found in another", "rename one of the two")
        cells = said_cells(frame[part.column], markers)
        found = cells.str.extract(part.pattern, check_pattern(part.pattern)).str.strip_chars()
        frame = frame.with_columns(found.alias(part.name))
    return frame


def check_pattern(pattern: str) -> int:
    """The group of a pattern that a cell is made of: 1, or 0 (all it matches) where it has none.

    Raises:
        ValueError: if it is no regular expression, or has several groups.
    """
    import polars as pl

    try:
        groups = len(pl.Series([""]).str.extract_groups(pattern).struct.fields)
    except pl.exceptions.ComputeError as error:
        raise ValueError(shown(one_line(str(error)))) from None
    if groups > 1:
        raise ValueError(f"{groups} groups in {shown(pattern)}")
    return groups


def check_parts(frames: Sequence[pl.DataFrame], parts: Sequence[Part], answers: set[str | None], where: str) -> None:
    """No part may tell the answer, and each must be found somewhere.

    Args:
        frames: of D and of D′, with their parts.
        parts: all of them.
        answers: the columns that hold answers.
        where: what stands before a key in messages.

    Raises:
        InputError: naming the part.
    """
    for part in parts:
        place = f"{where}features.{part.name}.part_of"
        if part.column in answers:
            raise InputError(place, f"the answer's column {shown(part.column)}", "a column of the question")
        if not any(frame[part.name].is_not_null().any() for frame in frames):
            found = f"{shown(part.pattern)}, found in no row of D or D′"
            raise InputError(place, found, "a pattern that some row holds", "try it on one of the cells")


def needed(parts: Sequence[Part], names: Sequence[str]) -> tuple[Part, ...]:
    """The parts that are features, and those in which they are found."""
    wanted, kept = {*names}, list[Part]()
    for part in reversed(parts):
        if part.name in wanted:
            wanted.add(part.column)
            kept.insert(0, part)
    return tuple(kept)
