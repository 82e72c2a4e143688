"""TRL's preference format: `prompt, chosen, rejected`, and a table of ties beside it.

A folder of `preferences.jsonl` and, where there are any, `ties.jsonl` (`prompt, first, second`): no trainer can use a
tie as a preference. Reads such a folder, either file, and other tools' files of the same columns: JSON lines, JSON or
parquet, with or without a prompt, plain or conversational (then the last message is what was compared).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imitative.errors import InputError
from imitative.exchange.flat import split
from imitative.exchange.format import Exported, Format, Read
from imitative.exchange.lines import write_lines
from imitative.exchange.pairs import BESIDE, Pair, beside_of, fits, left_out, named, pair_of
from imitative.exchange.parquet import parquet_rows
from imitative.exchange.parsing import json_rows, row_of
from imitative.exchange.row import Row
from imitative.records import Judgement
from imitative.store.files import make_folder

PREFERENCES, TIES = "preferences.jsonl", "ties.jsonl"
FIRST = "chosen_first"
"""Whether the chosen text stood first: which side stands first sways people."""


def write(judgements: Sequence[Judgement], path: Path) -> Exported:
    """See `Format`."""
    kept, left = split(judgements, [fits(judgement, ties=True, skips=False) for judgement in judgements])
    pairs = [pair for judgement in kept if (pair := pair_of(judgement))]
    make_folder(path)
    write_lines(path / PREFERENCES, map(_preference, (pair for pair in pairs if pair.grade)))
    ties = [pair for pair in pairs if pair.grade == 0]
    if not ties:
        return Exported(left)
    write_lines(path / TIES, map(_tie, ties))
    return Exported(left, (f"{len(ties)} ties stand in their own table, {TIES}",))


def _preference(pair: Pair) -> dict[str, Any]:
    first = (pair.grade or 0) > 0
    return {
        "prompt": pair.prompt, "chosen": pair.chosen, "rejected": pair.rejected,
        "judge": pair.judge, FIRST: first, BESIDE: pair.beside_text,
    }  # fmt: skip


def _tie(pair: Pair) -> dict[str, Any]:
    return {
        "prompt": pair.prompt, "first": pair.left, "second": pair.right,
        "judge": pair.judge, BESIDE: pair.beside_text,
    }  # fmt: skip


def read(path: Path) -> Read:
    """See `Format`."""
    files = [path]
    if path.is_dir():
        files = [path / name for name in (PREFERENCES, TIES) if (path / name).exists()]
        if not files:
            raise InputError(str(path), f"no {PREFERENCES}", "a folder that was exported, or a file", "name the file")
    rows = [row for file in files for row in (parquet_rows(file) if file.suffix == ".parquet" else json_rows(file))]
    judgements = tuple(_pair(row).judgement(row.place) for row in rows)
    notes = left_out(rows, ("prompt", "chosen", "rejected", "first", "second", "judge", FIRST, BESIDE))
    if any(BESIDE not in row.members for row in rows):
        notes += (
            "prompts are not kept: texts were taken for hypotheses, and which is more plausible for the question",
        )
    return Read(judgements, notes)


def _pair(row: Row) -> Pair:
    beside, judge = beside_of(row), named(row.text("judge", ""))
    prompt = "" if BESIDE not in row.members else row.text("prompt")
    if "first" in row.members and "chosen" not in row.members:
        return Pair(prompt, row.text("first"), row.text("second"), 0, judge, beside)
    chosen, rejected = _said(row, "chosen"), _said(row, "rejected")
    first = row.members.get(FIRST)
    if first is not None and not isinstance(first, bool):
        row.refuse(FIRST, first, "true or false")
    if first is False:
        return Pair(prompt, rejected, chosen, -1, judge, beside)
    return Pair(prompt, chosen, rejected, 1, judge, beside)


def _said(row: Row, key: str) -> str:
    """A text, or the last of a conversation."""
    value = row.members.get(key)
    if not isinstance(value, list):
        return row.text(key)
    if not value:
        row.refuse(key, value, "text, or a conversation of at least one message")
    return row_of(value[-1], f"{row.place}, {key}[{len(value) - 1}]").text("content")


TRL = Format(
    "trl", "TRL preferences (prompt, chosen, rejected), ties in a table of their own", True, "the order of the rows",
    write, read,
)  # fmt: skip
