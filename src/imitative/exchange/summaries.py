"""The style of OpenAI's *summarize from feedback* comparisons: JSON lines of two summaries and a choice.

    {"info": {"id": "…", "post": "…"}, "summaries": [{"text": "…", "policy": …, "note": …}, {…}], "choice": 0,
     "worker": "…", "batch": "…", "split": "train", "extra": {"confidence": null}}

`choice` is the place of the better summary; the format has none for ties and skips.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imitative.exchange.flat import split
from imitative.exchange.format import Exported, Format, Read
from imitative.exchange.lines import write_lines
from imitative.exchange.pairs import BESIDE, Pair, beside_of, fits, left_out, named, pair_of
from imitative.exchange.parsing import json_rows
from imitative.exchange.row import Row
from imitative.records import Judgement


def write(judgements: Sequence[Judgement], path: Path) -> Exported:
    """See `Format`."""
    kept, left = split(judgements, [fits(judgement, ties=False, skips=False) for judgement in judgements])
    write_lines(path, (_row(pair, j.query.key, j.query.purpose) for j in kept if (pair := pair_of(j))))
    return Exported(left)


def _row(pair: Pair, key: str, purpose: str) -> dict[str, Any]:
    return {
        "info": {"id": key, "post": pair.prompt, "title": None, "subreddit": None, "site": None, "article": None},
        "summaries": [{"text": text, "policy": None, "note": None} for text in (pair.left, pair.right)],
        "choice": 0 if (pair.grade or 0) > 0 else 1,
        "worker": pair.judge,
        "batch": purpose,
        "split": "train",
        "extra": {"confidence": None, BESIDE: pair.beside_text},
    }


def read(path: Path) -> Read:
    """See `Format`."""
    rows = list(json_rows(path))
    judgements = tuple(_pair(row).judgement(row.place) for row in rows)
    notes = left_out(rows, ("info", "summaries", "choice", "worker", "batch", "split", "extra"))
    sure = sum(row.inside("extra").members.get("confidence") is not None for row in rows if row.members.get("extra"))
    strange = sum(not row.members.get("extra") or BESIDE not in row.inside("extra").members for row in rows)
    if sure:
        notes += (f"the confidence of {sure} choices is not used",)
    if strange:
        notes += (f"posts are not kept: {strange} pairs of summaries were taken for hypotheses",)
    return Read(judgements, notes)


def _pair(row: Row) -> Pair:
    summaries = row.each("summaries")
    if len(summaries) != 2:
        row.refuse("summaries", row.members.get("summaries"), "two objects with a text each")
    choice = row.count("choice")
    if choice not in (0, 1):
        row.refuse("choice", choice, "0 or 1, the place of the better summary")
    left, right = (summary.text("text") for summary in summaries)
    beside = beside_of(row.inside("extra")) if row.members.get("extra") is not None else {}
    return Pair("", left, right, 1 if choice == 0 else -1, named(row.text("worker", "")), beside)


SUMMARIES = Format(
    "summarize-from-feedback", "comparisons as in OpenAI's summarize from feedback", False, "", write, read
)
