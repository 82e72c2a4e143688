"""Files → rows of strings. Every cell is read as a string, whatever the file calls it.

Reads csv (any separator), tsv, jsonl, ndjson, json (a list of rows, or an object of columns), parquet, and folders of
.txt files. White space around a cell and NUL characters are removed. polars is imported where it is used: importing
this file is cheap.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from imitative.cells import MISSING, pointed
from imitative.errors import InputError, did_you_mean, listed, shown
from imitative.parts import Part, with_parts
from imitative.row_filter import RowTest, kept
from imitative.text_files import read_bytes, read_text

if TYPE_CHECKING:
    import polars as pl

_SEPARATORS = ",;\t|"
_START = 100_000  # characters, or bytes, by which the way a file is written is judged
_CHUNK = 5_000  # rows held as Python strings at once: small, since the collector walks over all of them


@final
@dataclass(frozen=True, slots=True)
class Source:
    """Where rows come from and how the file is written.

    Args:
        path: a csv, tsv, jsonl, ndjson, json or parquet file, or a folder of .txt files.
        where: which rows to keep; all of these must pass.
        separator: of a csv; detected from its first line when None.
        encoding: of a text file.
        missing: cells that say nothing, beside `MISSING`.
        quote: the quotation mark of a csv; empty for none.
        columns: the names of the columns of a csv that has no first line of names.
        decimal: what stands before the decimals of a number; with a comma, cells such as `1,5` are read as `1.5`.
            None: a point, but see `decimal_commas`.
        parts: columns made of what other columns hold.
        place: how messages name it; the file's name when empty.
    """

    path: Path
    where: tuple[RowTest, ...] = ()
    separator: str | None = None
    encoding: str = "utf-8"
    missing: tuple[str, ...] = ()
    quote: str = '"'
    columns: tuple[str, ...] = ()
    decimal: str | None = None
    parts: tuple[Part, ...] = ()
    place: str = ""

    @property
    def named(self) -> str:
        """How messages name it."""
        return self.place or str(self.path)

    @property
    def silent(self) -> tuple[str, ...]:
        """The cells that say nothing: `MISSING`, and `missing`."""
        return (*MISSING, *self.missing)

    def written(self) -> dict[str, Any]:
        """How the file is written, as plain JSON values; for `written_like`."""
        said = {name: getattr(self, name) for name in ("separator", "encoding", "quote", "decimal")}
        return {
            **said,
            "missing": list(self.missing),
            "columns": list(self.columns),
            "parts": [list(part) for part in self.parts],
            "ending": self.path.suffix.lower(),
        }


class Rows(NamedTuple):
    """Rows as strings, (N, columns), null where missing; `numbers` are their places in the file, from 1.

    Of a folder, `files` are their paths in it. `separator` is that of a csv in which decimal commas may be met unsaid.
    """

    frame: pl.DataFrame
    numbers: NDArray[np.int64]
    notes: tuple[str, ...]
    files: tuple[str, ...] = ()
    separator: str = ""


class Origin(NamedTuple):
    """Where rows came from: the file and how it is written; their places in it and `files` as in `Rows`."""

    source: Source
    numbers: NDArray[np.int64]
    files: tuple[str, ...] = ()


class _Found(NamedTuple):
    """What a file holds as it is written; fields as in `Rows`."""

    frame: pl.DataFrame
    files: tuple[str, ...] = ()
    separator: str = ""


def written_like(path: Path, told: Mapping[str, Any]) -> Source:
    """Another file, read as the one was that `Source.written` told of, but for what the file itself contradicts: a
    byte-order mark, a separator that its first line does not hold or another ending, a first line of the column names.

    Raises:
        KeyError, TypeError: if `told` is not what `written` gives.
        OSError: if the file cannot be read.
    """
    same = {name: told[name] for name in ("separator", "encoding", "quote", "decimal")}
    parts = tuple(Part(*part) for part in told.get("parts", ()))  # runs from before there were any tell of none
    found = Source(path, missing=tuple(told["missing"]), columns=tuple(told["columns"]), parts=parts, **same)
    if not path.is_file() or path.suffix.lower() == ".parquet":
        return found
    with path.open("rb") as file:
        data = file.read(_START)
    if data.startswith(codecs.BOM_UTF8):
        found = replace(found, encoding="utf-8")
    elif data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        found = replace(found, encoding="utf-16")
    try:
        start = data.decode(found.encoding, "replace").removeprefix("\ufeff")
    except (LookupError, UnicodeError):  # said when it is read
        return found
    first = start.partition("\n")[0]
    if path.suffix.lower() != told["ending"] or (found.separator or "") not in first:
        found = replace(found, separator=None)
    header = {cell.strip(" \r\n\"'") for cell in first.split(found.separator or _detected(start, found))}
    return replace(found, columns=()) if set(found.columns) <= header else found


# ------------------------------------------------------------------------------------------------ files → strings


def read_rows(source: Source) -> Rows:
    """Read one file and keep the rows that pass `source.where`.

    Raises:
        InputError: naming the file, and the row and column where there is one.
    """
    frame, files, separator = _read_frame(source)
    if not frame.height:
        raise InputError(source.named, "no rows", "at least one", "put data below the first line")
    notes = []
    frame, nuls = _clean(frame)
    if nuls:
        notes.append(f"{source.named}: NUL characters were removed from {nuls} cells")
    frame = with_parts(frame, source.parts, source.silent, source.named)
    if source.decimal == ",":
        frame = frame.select(pointed(column) for column in frame.get_columns())
    numbers = np.arange(1, frame.height + 1)
    rows = Rows(frame, numbers, tuple(notes), files, separator if source.decimal is None else "")
    return filtered(rows, source) if source.where else rows


def filtered(rows: Rows, source: Source) -> Rows:
    """The rows that pass `source.where`.

    Raises:
        InputError: when a column is lacking or no row passes.
    """
    keep, notes = kept(source.where, rows.frame, source.silent, source.named, rows.separator)
    import polars as pl

    files = tuple(itertools.compress(rows.files, keep))
    notes = (*rows.notes, *notes)
    return Rows(rows.frame.filter(pl.Series(keep)), rows.numbers[keep], notes, files, rows.separator)


def _read_frame(source: Source) -> _Found:
    path = source.path
    try:
        if path.is_dir():
            return _read_folder(source)
        ending = path.suffix.lower()
        if ending == ".parquet":
            return _Found(_read_parquet(source))
        if ending in (".jsonl", ".ndjson"):
            return _Found(_read_json_lines(source))
        if ending == ".json":
            return _Found(_read_json(source))
        return _read_csv(source)  # whatever else the name ends in: mushroom.name.map is one too
    except FileNotFoundError:
        near = did_you_mean(path.name, _neighbours(path))
        raise InputError(source.named, "no such file", "a file of rows", near or "check the path") from None
    except OSError as error:
        raise InputError(source.named, error.strerror or str(error), "a file that can be read") from None


def _neighbours(path: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in path.parent.iterdir())
    except OSError:
        return []


def _frame(columns: Mapping[str, Sequence[str | None]], source: Source) -> pl.DataFrame:
    import polars as pl

    try:
        return pl.DataFrame({name: pl.Series(name, cells, dtype=pl.String) for name, cells in columns.items()})
    except UnicodeEncodeError:  # a lone half of a surrogate pair, which JSON can spell and no text can hold
        for name, cells in columns.items():
            for row, cell in enumerate([name, *cells]):
                if cell is not None and not _encodable(cell):
                    place = f"{source.named}: row {row}, column {shown(name)}"
                    raise InputError(place, "half of a surrogate pair", "text", "correct the escape \\ud…") from None
        raise


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _checked_names(names: Sequence[str], source: Source) -> list[str]:
    """Column names stripped; a nameless one is called after its place; two of the same name are an error."""
    found = [name.strip().replace("\0", "") or f"column_{i}" for i, name in enumerate(names, 1)]
    for i, name in enumerate(found):
        if name in found[:i]:
            first = found.index(name) + 1
            raise InputError(
                source.named, f"two columns called {shown(name)} ({first} and {i + 1})", "different names", "rename one"
            )
    return found


def _read_csv(source: Source) -> _Found:
    import polars as pl

    text = read_text(source.path, source.encoding, source.named)
    separator = source.separator or _detected(text, source)
    chunks = _records(text, separator, source)
    header = list(source.columns)
    if not header:
        first = next(chunks, [])
        header, chunks = first[0] if first else [], itertools.chain([first[1:]], chunks)
    if not header:
        raise InputError(source.named, "an empty file", "a first line of column names and rows below it")
    names = _checked_names(header, source)
    frames, read = [_frame({name: [] for name in names}, source)], 0
    for chunk in chunks:
        if chunk and set(map(len, chunk)) != {len(names)}:
            at = next(i for i, record in enumerate(chunk) if len(record) != len(names))
            remedy = f"columns are separated by {separator!r}: quote cells that hold it, or state `separator`"
            place = f"{source.named}: row {read + at + 1}"
            raise InputError(place, f"{len(chunk[at])} cells", f"{len(names)}", remedy)
        if chunk:
            frames.append(_frame(dict(zip(names, zip(*chunk, strict=True), strict=True)), source))
            read += len(chunk)
    return _Found(pl.concat(frames), separator=separator)


def _detected(text: str, source: Source) -> str:
    """The separator that cuts the first records into the same number of cells, the most; a comma where none does."""
    if source.path.suffix.lower() == ".tsv":
        return "\t"
    start = text[:_START]

    def width(separator: str) -> int:
        try:
            reader = csv.reader(io.StringIO(start, newline=""), delimiter=separator, quotechar=source.quote or None)
            widths = [len(record) for record in itertools.islice(reader, 20) if record]
        except csv.Error:
            return 0
        whole = widths[:-1] if len(start) < len(text) and len(widths) < 20 else widths  # the last may be cut off
        return whole[0] if len(set(whole)) == 1 and whole[0] > 1 else 0

    def likely(separator: str) -> tuple[int, int]:
        return width(separator), start.partition("\n")[0].count(separator)

    return max(_SEPARATORS, key=likely)  # the first of equals, so a comma


def _records(text: str, separator: str, source: Source) -> Iterator[list[list[str]]]:
    """The records of a csv, in chunks; blank lines are no records."""
    limit = csv.field_size_limit()
    quoting: dict[str, Any] = {"quotechar": source.quote} if source.quote else {"quoting": csv.QUOTE_NONE}
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, **quoting)
    except (TypeError, ValueError) as error:
        raise InputError(f"{source.named}: separator or quote", str(error), "one character") from None
    while True:
        try:
            csv.field_size_limit(2**31 - 1)  # a cell may hold a whole document; the limit is the module's, so put back
            chunk = list(itertools.islice(reader, _CHUNK))
        except csv.Error as error:
            remedy = 'close the quotation marks, double those inside a cell, or say quote = "" if there are none'
            raise InputError(f"{source.named}: line {reader.line_num}", str(error), "a csv record", remedy) from None
        finally:
            csv.field_size_limit(limit)
        if not chunk:
            return
        records = [record for record in chunk if record]
        if records:
            yield records


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object as a dictionary; the same name twice is an error, not a silent choice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise ValueError(f"two columns called {shown(twice)} in one row")
    return found


def _parsed(text: str, place: str) -> Any:
    """JSON with its numbers as they are written: what is read as a string from a csv is the same string here."""
    try:
        return json.loads(text, object_pairs_hook=_members, parse_int=str, parse_float=str, parse_constant=str)
    except RecursionError:
        raise InputError(place, "brackets nested too deeply", "rows of plain cells") from None
    except ValueError as error:
        raise InputError(place, str(error), "JSON", "correct it there") from None


def _cell(value: Any, source: Source, row: int, name: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    place = f"{source.named}: row {row}, column {shown(name)}"
    raise InputError(place, f"a nested {type(value).__name__}", "one word, number or text", "write it as plain cells")


def _from_rows(rows: Iterable[Any], source: Source) -> pl.DataFrame:
    columns: dict[str, list[str | None]] = {}
    for count, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise InputError(f"{source.named}: row {count}", shown(row), 'an object such as {"colour": "red"}')
        if row.keys() != columns.keys():
            for name in row:
                columns.setdefault(name, [None] * (count - 1))
        for name, cells in columns.items():
            cells.append(_cell(row.get(name), source, count, name))
    return _frame(dict(zip(_checked_names(list(columns), source), columns.values(), strict=True)), source)


def _read_json_lines(source: Source) -> pl.DataFrame:
    text = read_text(source.path, source.encoding, source.named)
    lines = ((i, line) for i, line in enumerate(io.StringIO(text), 1) if line.strip())
    return _from_rows((_parsed(line, f"{source.named}: line {i}") for i, line in lines), source)


def _read_json(source: Source) -> pl.DataFrame:
    found = _parsed(read_text(source.path, source.encoding, source.named), source.named)
    if isinstance(found, list):
        return _from_rows(found, source)
    if not isinstance(found, dict) or not all(isinstance(cells, list) for cells in found.values()):
        raise InputError(source.named, shown(found), "a list of rows, or an object of columns, each a list of cells")
    sizes = {name: len(cells) for name, cells in found.items()}
    if len(set(sizes.values())) > 1:
        raise InputError(
            source.named, f"columns of {listed(sorted(set(sizes.values())))} cells", "columns of one length"
        )
    names = _checked_names(list(found), source)
    columns = {
        new: [_cell(value, source, row, new) for row, value in enumerate(found[old], 1)]
        for new, old in zip(names, found, strict=True)
    }
    return _frame(columns, source)


def _read_parquet(source: Source) -> pl.DataFrame:
    import polars as pl

    data = read_bytes(source.path, source.named)
    if data[:4] != b"PAR1" or data[-4:] != b"PAR1":
        raise InputError(source.named, "no parquet file", "one that begins and ends with PAR1", "was it cut off?")
    try:
        frame = pl.read_parquet(io.BytesIO(data))
    except (Exception, pl.exceptions.PanicException) as error:  # a panic of the reader is no Exception
        raise InputError(source.named, f"a damaged parquet file ({error})", "one that polars can read") from None
    names = _checked_names(frame.columns, source)
    columns = []
    for name, column in zip(names, frame.get_columns(), strict=True):
        if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
            place = f"{source.named}: column {shown(name)}"
            raise InputError(
                place, f"cells of type {column.dtype}", "words, numbers or texts", "write it as plain cells"
            )
        columns.append(column.cast(pl.String).alias(name))
    return pl.DataFrame(columns)


def _read_folder(source: Source) -> _Found:
    """One row per .txt file, in the order of their paths: its `text`, and its `folder` where there are subfolders."""
    files = sorted(path for path in source.path.rglob("*.txt") if path.is_file())
    if not files:
        raise InputError(source.named, "a folder without .txt files", "a file of rows, or a folder of texts")
    columns: dict[str, list[str | None]] = {"text": [read_text(path, source.encoding) for path in files]}
    folders = [path.parent.relative_to(source.path).as_posix() for path in files]
    if len(set(folders)) > 1 or folders[0] != ".":
        columns["folder"] = list(folders)
    names = tuple(path.relative_to(source.path).as_posix() for path in files)
    return _Found(_frame(columns, source), names)


def _clean(frame: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Cells without white space around them and without NULs, and how many cells held a NUL."""
    import polars as pl

    nuls = sum(int(column.str.contains("\0", literal=True).sum() or 0) for column in frame.get_columns())
    if nuls:
        frame = frame.with_columns(pl.all().str.replace_all("\0", "", literal=True))
    return frame.with_columns(pl.all().str.strip_chars()), nuls
