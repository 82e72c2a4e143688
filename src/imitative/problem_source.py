"""A problem file, and the files that it names: where they lie, and how their columns are read."""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from imitative.errors import InputError, shown
from imitative.problem_file import FileSection, ProblemFile, read_problem_file, row_tests
from imitative.rows import Source, floats, no_column, read_rows

DATA_VARIABLE = "IMITATIVE_DATA"
"""The environment variable that names the folder of `data:` paths."""


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
        """A path as written → a path: `data:` and `package:` prefixes, ${IMITATIVE_DATA}, ~, relative to the file."""
        place = self.at(key)
        if "\0" in text or not text.strip():
            raise InputError(place, shown(text), "a path")
        if "://" in text:
            raise InputError(place, shown(text), "a path on this machine", "fetch the file first")
        if text.startswith("package:"):
            return _in_package(text.removeprefix("package:"), place)
        if text.startswith("data:"):
            return self._in_data(text.removeprefix("data:").lstrip("/"), place)
        if "${IMITATIVE_DATA}" in text:
            folder = os.environ.get(DATA_VARIABLE) or self.data
            if not folder:
                raise InputError(place, shown(text), f"a value of {DATA_VARIABLE}", "set it, or give --data DIR")
            text = text.replace("${IMITATIVE_DATA}", str(folder))
        try:
            path = Path(text).expanduser()
        except RuntimeError as error:
            raise InputError(place, shown(text), "a path", str(error)) from None
        return path if path.is_absolute() else self.path.parent / path

    def _in_data(self, rest: str, place: str) -> Path:
        variable = os.environ.get(DATA_VARIABLE)
        folders = [folder for folder in (self.data, Path(variable) if variable else None) if folder is not None]
        if not folders:
            remedy = f"give --data DIR, or set {DATA_VARIABLE} to the folder that holds {rest}"
            raise InputError(place, shown(f"data:{rest}"), "a data folder to look in", remedy)
        return next((folder / rest for folder in folders if (folder / rest).exists()), folders[0] / rest)

    def table(self, section: FileSection, key: str) -> Source:
        """A table, as a section describes it."""
        return Source(
            path=self.resolve(section.file, f"{key}.file"),
            where=row_tests(section.where, self.at(f"{key}.where")),
            separator=section.separator,
            encoding=section.encoding,
            missing=tuple(map(str, section.missing)),
            quote=section.quote,
            columns=tuple(section.columns),
        )

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


def _in_package(rest: str, place: str) -> Path:
    """A file that an installed package carries: `package:vaderSentiment/vader_lexicon.txt`."""
    package, _, inside = rest.partition("/")
    found = importlib.util.find_spec(package) if package.isidentifier() else None
    if found is None or not found.submodule_search_locations:
        raise InputError(
            place, f"no installed package {shown(package)}", "one that carries the file", f"pip install {package}"
        )
    return Path(found.submodule_search_locations[0]) / inside
