"""A CSV with everything of a judgement, that spreadsheets open safely.

A cell that a spreadsheet would take for a formula (it begins with = + - @, their full-width forms, a tab or the end of
a line, perhaps behind spaces) is written with an apostrophe before it, and every text is quoted (OWASP, CSV Injection).
On the way in the apostrophe goes again, from those cells alone: 'tis is left as it is. Numbers are written as numbers.
UTF-8 with a byte-order mark, by which Excel knows it.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from imitative.errors import InputError, did_you_mean, listed, shown
from imitative.exchange.flat import ANSWER, QUERY, TWO_HYPOTHESES, judgement_of, row_of_judgement, split
from imitative.exchange.format import Exported, Format, Read
from imitative.exchange.parsing import check_text, parsed, text_of
from imitative.exchange.row import Row
from imitative.records import Judgement, Kind
from imitative.store.files import write_atomically

FORMULA = tuple("=+-@＝＋－＠")
LINE = tuple("\t\r\n'")
SIGNED = re.compile(r"[+-](\d*[.,]?\d+([eE][+-]?\d+)?)?", re.ASCII)
"""A number with its sign, or the sign alone: nothing a spreadsheet could compute."""
EXCEL_CELL = 32_767
"""Characters of a cell that Excel keeps."""
COLUMNS = (
    "kind", "first", "second", "instructions", "question", "answers", "heads", "purpose", "repeat",
    *ANSWER, "judge", "cost", "seconds",
)  # fmt: skip
_NUMBERS = ("heads", "repeat", "grade", "ratio", "cost", "seconds")
_WHOLE = ("heads", "repeat", "grade")


def escaped(text: str) -> str:
    """A cell that is text to every spreadsheet.

    >>> [escaped(text) for text in ("=1+1", " -2", "'tis", "plain", "1-1")]
    ["'=1+1", "' -2", "''tis", 'plain', '1-1']
    """
    return "'" + text if _risky(text) else text


def harmless(text: str) -> str:
    """A cell of a table that other programs join with their own: `escaped`, but −1, + and - stay the answers they are.

    >>> [harmless(text) for text in ("=1+1", "-1", "-", "- 1", "spam")]
    ["'=1+1", '-1', '-', "'- 1", 'spam']
    """
    return text if SIGNED.fullmatch(text) else escaped(text)


def unescaped(text: str) -> str:
    """The inverse of `escaped` and of `harmless`; what nobody escaped stays as it is.

    >>> [unescaped(text) for text in ("'=1+1", "''tis", "'tis", "plain")]
    ['=1+1', "'tis", "'tis", 'plain']
    """
    return text[1:] if text.startswith("'") and _risky(text[1:]) else text


def _risky(text: str) -> bool:
    return text.startswith(LINE) or text.lstrip().startswith(FORMULA)


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A CSV: texts escaped and quoted, numbers plain, None empty."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([escaped(cell) if isinstance(cell, str) else "" if cell is None else cell for cell in row])
    return "\ufeff" + text.getvalue()


def csv_rows(path: Path, wanted: Sequence[str]) -> Iterator[Row]:
    """The rows of a CSV as texts, unescaped; an empty cell is None.

    Raises:
        InputError: naming the line, or the column that is lacking.
    """
    text = text_of(path)
    limit = csv.field_size_limit(2**31 - 1)  # a hypothesis may be long; the limit is the module's, so it is put back
    try:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=_separator(text))
        records: list[tuple[int, list[str]]] = []
        try:
            records = [(reader.line_num, record) for record in reader if record]
        except csv.Error as error:
            remedy = "close the quotation marks, and double those inside a cell"
            raise InputError(f"{path}: line {reader.line_num}", str(error), "a CSV record", remedy) from None
    finally:
        csv.field_size_limit(limit)
    names = [name.strip() for name in records[0][1]] if records else []
    _check_names(path, names, wanted)
    for line, record in records[1:]:
        place = f"{path}: line {line}"
        if len(record) != len(names):
            raise InputError(place, f"{len(record)} cells", f"{len(names)}", "quote cells that hold the separator")
        try:
            for cell in record:
                check_text(cell)
        except ValueError as error:
            raise InputError(place, str(error), "text", "correct it there") from None
        cells = {name: unescaped(cell) or None for name, cell in zip(names, record, strict=True)}
        yield Row(place, cells)


def _separator(text: str) -> str:
    """A spreadsheet saves with semicolons or tabs where commas are decimal."""
    first = next(itertools.islice(text.splitlines(), 1), "")
    return max(",;\t", key=first.count)


def _check_names(path: Path, names: Sequence[str], wanted: Sequence[str]) -> None:
    for name in wanted:
        if name not in names:
            remedy = did_you_mean(name, names) or f"it has the columns {listed(names)}"
            raise InputError(str(path), f"no column {shown(name)}", "it in the first line", remedy)
    for i, name in enumerate(names):
        if name in names[:i]:
            raise InputError(str(path), f"two columns called {shown(name)}", "different names", "remove one")


def write(judgements: Sequence[Judgement], path: Path) -> Exported:
    """See `Format`."""
    kept, left = split(judgements, [judgement.answer.choice != "" for judgement in judgements])  # a cell left out
    rows = [_cells(judgement) for judgement in kept]
    write_atomically(path, csv_text(COLUMNS, rows))
    long = max((len(cell) for row in rows for cell in row if isinstance(cell, str)), default=0)
    if long <= EXCEL_CELL:
        return Exported(left)
    return Exported(left, (f"a cell has {long} characters: Excel cuts it off at {EXCEL_CELL} and saves what is left",))


def _cells(judgement: Judgement) -> list[Any]:
    row, query = row_of_judgement(judgement), judgement.query
    row |= dict.fromkeys(("first", "second", "instructions"))
    if query.kind in TWO_HYPOTHESES:
        row["first"], row["second"] = query.hypotheses
    else:
        row["instructions"] = query.hypotheses[0]
    if query.kind is Kind.COMPARE_ANSWERS:
        row["first"], row["second"] = query.answers
    row["answers"] = json.dumps(query.answers, ensure_ascii=False) if query.kind is Kind.ANSWER else None
    row["question"] = None if query.question is None else json.dumps(dict(query.question), ensure_ascii=False)
    row["heads"] = query.heads or None
    if judgement.answer.less_likely is not None:
        row["less_likely"] = "yes" if judgement.answer.less_likely else "no"
    return [row[column] for column in COLUMNS]


def read(path: Path) -> Read:
    """See `Format`."""
    rows = list(csv_rows(path, ("kind", "judge")))
    known = {*COLUMNS}
    extra = sorted({name for row in rows for name in row.members if name not in known})
    notes = (f"columns that are no part of a judgement were left out: {listed(extra)}",) if extra else ()
    return Read(tuple(judgement_of(_row(row)) for row in rows), notes)


def _row(row: Row) -> Row:
    """The cells as the members of a judgement."""
    cells = {key: row.members.get(key) for key in COLUMNS}
    kind = row.text("kind")
    members: dict[str, Any] = {key: cells[key] for key in (*QUERY, *ANSWER, "judge", "cost", "seconds") if key in cells}
    sides = [cells["first"] or "", cells["second"] or ""]
    members["hypotheses"] = sides if kind in TWO_HYPOTHESES else [cells["instructions"] or ""]
    members["answers"] = sides if kind == Kind.COMPARE_ANSWERS else _json(row, "answers") or []
    members["question"] = _json(row, "question")
    members |= {key: _number(row, key) for key in _NUMBERS}
    if cells["less_likely"] is not None:
        said = cells["less_likely"].strip().lower()
        if said not in ("yes", "no", "true", "false"):
            row.refuse("less_likely", cells["less_likely"], "yes or no")
        members["less_likely"] = said in ("yes", "true")
    return Row(row.place, members)


def _json(row: Row, key: str) -> Any:
    text = row.members.get(key)
    return None if text is None else parsed(text, f"{row.place}, {shown(key)}")


def _number(row: Row, key: str) -> int | float | None:
    text = row.members.get(key)
    if text is None:
        return None
    try:
        number = float(text)
        return int(number) if key in _WHOLE and number.is_integer() else number
    except (ValueError, OverflowError):
        row.refuse(key, text, "a number")


SPREADSHEET = Format(
    "csv", "a CSV with everything of a judgement but its reason, safe to open in Excel", False, "", write, read
)
