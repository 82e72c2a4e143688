"""Parquet files as rows, whoever wrote them."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imitative.errors import InputError
from imitative.exchange.parsing import check_text
from imitative.exchange.row import Row

_MAGIC = b"PAR1"
MOST_ROWS = 5_000_000
"""A few kilobytes may claim any number of rows: more judgements than this nobody has collected."""


def parquet_rows(path: Path) -> Iterator[Row]:
    """The rows of a parquet file, nested columns as objects and lists.

    Raises:
        InputError: if it is none, damaged, or holds text that is none.
    """
    import polars as pl

    try:
        if not path.is_file():
            raise InputError(str(path), "no such file", "a parquet file", "check the path")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(str(path), error.strerror or str(error), "a file that can be read") from None
    if data[:4] != _MAGIC or data[-4:] != _MAGIC:
        raise InputError(str(path), "no parquet file", "one that begins and ends with PAR1", "was it cut off?")
    try:
        number = int(pl.scan_parquet(io.BytesIO(data)).select(pl.len()).collect().item())
        if number > MOST_ROWS:
            raise InputError(str(path), f"{number:,} rows", f"at most {MOST_ROWS:,}", "split the file")
        rows = pl.read_parquet(io.BytesIO(data)).rows(named=True)
    except (InputError, MemoryError):
        raise
    except (Exception, pl.exceptions.PanicException) as error:  # a panic of the reader is no Exception
        raise InputError(str(path), f"a damaged parquet file ({error})", "one that polars can read") from None
    for i, members in enumerate(rows, 1):
        place = f"{path}: row {i}"
        try:
            yield Row(place, {key: _plain(value) for key, value in members.items()})
        except ValueError as error:
            raise InputError(place, str(error), "text", "correct it there") from None


def _plain(value: Any) -> Any:
    """As JSON would have it: lists, objects, and null for numbers that are none."""
    if isinstance(value, str):
        check_text(value)
    elif isinstance(value, float) and not math.isfinite(value):
        return None
    elif isinstance(value, list):
        return [_plain(each) for each in value]
    elif isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    elif not isinstance(value, bool | int | float | None):
        return str(value)
    return value
