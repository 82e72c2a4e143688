"""A problem file, and the files that it names: where they lie, and how their columns are read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from imitative.cells import floats
from imitative.errors import InputError, no_column, shown
from imitative.paths import resolve
from imitative.problem_file import FileSection, ProblemFile, read_problem_file, row_tests
from imitative.rows import Source, read_rows


@final
class ProblemSource:
    """One problem file: knows where its paths start from and how its places are named.

    Args:
        path: the file.
        data: the folder of `data:` paths, before $IMITATIVE_DATA; None: only that.

    Raises:
        InputError: if it cannot be read, or says what no problem may.
    """

    def __init__(self, path: Path, data: Path | None) -> None:
        self.path, self.data = path, data
        self.file: ProblemFile = read_problem_file(path)

    def at(self, key: str) -> str:
        """How a message names a place in the file."""
        return f"{self.path}: {key}"

    def resolve(self, text: str, key: str) -> Path:
        """A path as written → a path: see `paths.resolve`."""
        return resolve(text, self.at(key), self.path.parent, self.data)

    def table(self, section: FileSection, key: str) -> Source:
        """A table, as a section describes it."""
        return table_of(section, self.path, self.data, key)

    def columns(self, section: FileSection, key: str, columns: Mapping[str, str]) -> dict[str, list[str | None]]:
        """The named columns of a table beside the data."""
        source = self.table(section, key)
        frame = read_rows(source).frame
        for part, name in columns.items():
            if name not in frame.columns:
                no_column(name, frame.columns, f"{source.named} ({self.at(f'{key}.{part}')})")
        return {part: frame[name].to_list() for part, name in columns.items()}

    def numbers(self, cells: Sequence[str | None], key: str) -> NDArray[np.float64]:
        """The cells of a column as numbers, NaN where one is empty."""
        import polars as pl

        numbers = floats(pl.Series(cells, dtype=pl.String))
        wrong = [i for i, cell in enumerate(cells) if cell and not math.isfinite(numbers[i])]
        if wrong:
            raise InputError(self.at(f"{key}: row {wrong[0] + 1}"), shown(cells[wrong[0]]), "a finite number")
        return numbers


def table_of(section: FileSection, path: Path, data: Path | None, key: str) -> Source:
    """A table, as a section of the problem file `path` describes it; `data` as in `ProblemSource`."""
    return Source(
        path=resolve(section.file, f"{path}: {key}.file", path.parent, data),
        where=row_tests(section.where, f"{path}: {key}.where"),
        separator=section.separator,
        encoding=section.encoding,
        missing=tuple(map(str, section.missing)),
        quote=section.quote,
        columns=tuple(section.columns),
        decimal=section.decimal,
    )
