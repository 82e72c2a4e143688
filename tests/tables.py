"""Tables as files, for the tests of what is read from them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from imitative.errors import InputError
from imitative.reading import Data, read_data
from imitative.rows import Source

Columns = Mapping[str, Sequence[Any]]
PLAIN = "colour,size,class\nred,1,p\nblue,2.5,e\nred,,p\n"


def write_csv(path: Path, columns: Columns, separator: str = ",") -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=separator)
        writer.writerow(columns)
        # A lone empty cell is a blank line unless it is quoted: csv.writer quotes it.
        cells = [
            [str(cell).lower() if isinstance(cell, bool) else cell for cell in column] for column in columns.values()
        ]
        writer.writerows(zip(*cells, strict=True))


def write_json_lines(path: Path, columns: Columns) -> None:
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_json_rows(path: Path, columns: Columns) -> None:
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")


def write_json_columns(path: Path, columns: Columns) -> None:
    path.write_text(json.dumps({name: list(cells) for name, cells in columns.items()}), encoding="utf-8")


def write_parquet(path: Path, columns: Columns) -> None:
    pl.DataFrame({name: list(cells) for name, cells in columns.items()}).write_parquet(path)


WRITERS: dict[str, Callable[[Path, Columns], None]] = {
    "a.csv": write_csv,
    "a.tsv": lambda path, columns: write_csv(path, columns, "\t"),
    "semicolon.csv": lambda path, columns: write_csv(path, columns, ";"),
    "a.jsonl": write_json_lines,
    "rows.json": write_json_rows,
    "columns.json": write_json_columns,
    "a.parquet": write_parquet,
}


def given_text(folder: Path, text: str | bytes, name: str = "a.csv", **settings: Any) -> Source:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return Source(path, **settings)


def columns_of(folder: Path, name: str, columns: Mapping[str, Sequence[str]]) -> Source:
    """A file of these columns, whose answers take turns."""
    write_csv(folder / name, {**columns, "class": ["ep"[i % 2] for i in range(len(next(iter(columns.values()))))]})
    return Source(folder / name)


def read(source: Source, second: Source | None = None, **settings: Any) -> Data:
    settings = {"answer": "class", "answers": ("e", "p")} | settings
    return read_data(source, second or source, **settings)


def in_one_line(error: InputError) -> str:
    message = str(error)
    assert "\n" not in message
    assert message.isprintable()
    return message


def refused(source: Source, *said: str, second: Source | None = None, **settings: Any) -> str:
    """The message, which is one line and says all of `said`."""
    with pytest.raises(InputError) as caught:
        read(source, second, **settings)
    message = in_one_line(caught.value)
    for part in said:
        assert part in message, message
    return message
