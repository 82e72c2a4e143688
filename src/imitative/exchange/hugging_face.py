"""A folder that Hugging Face's `datasets` loads: a card, and one parquet file with everything of each judgement.

    datasets.load_dataset(folder)["train"]

A question is a text of JSON: its features differ from problem to problem, and a column has one type.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imitative.errors import InputError, shown
from imitative.exchange.flat import judgement_of, row_of_judgement, told
from imitative.exchange.format import Exported, Format, Read
from imitative.exchange.parquet import parquet_rows
from imitative.exchange.parsing import parsed
from imitative.exchange.row import Row
from imitative.records import Judgement
from imitative.store.files import make_folder, write_atomically

DATA, CARD = "data/train-00000-of-00001.parquet", "README.md"
TEXTS = ("kind", "question", "purpose", "outcome", "choice", "judge")


def write(judgements: Sequence[Judgement], path: Path) -> Exported:
    """See `Format`."""
    import polars as pl

    rows = [row_of_judgement(judgement) for judgement in judgements]
    for row in rows:
        row["question"] = None if row["question"] is None else json.dumps(row["question"], ensure_ascii=False)
    types: dict[str, Any] = dict.fromkeys(TEXTS, pl.String) | dict.fromkeys(("ratio", "cost", "seconds"), pl.Float64)
    types |= {"heads": pl.Int64, "repeat": pl.Int64, "grade": pl.Int8, "less_likely": pl.Boolean}
    types |= {"hypotheses": pl.List(pl.String), "answers": pl.List(pl.String)}
    names = list(row_of_judgement(judgements[0])) if judgements else list(types)
    frame = pl.DataFrame(rows, schema={name: types[name] for name in names}, orient="row")
    packed = io.BytesIO()
    frame.write_parquet(packed)
    make_folder(path / "data")
    write_atomically(path / DATA, packed.getvalue())
    write_atomically(path / CARD, card(judgements))
    return Exported((), (f"{CARD} names no licence: add one before you publish the folder",))


def card(judgements: Sequence[Judgement]) -> str:
    """The README with the header that the hub and the `datasets` library read."""
    kinds = Counter(j.query.kind.value.replace("_", " ") for j in judgements)
    people = len({j.judge for j in judgements})
    return f"""---
pretty_name: Judgements
tags:
- human-feedback
- preferences
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*.parquet
---

# Judgements

{len(judgements)} judgements ({told(kinds) or "none"}) by {people} judges, written by
`imitative export`; `imitative import FOLDER --format datasets` reads them back.

| column | |
|---|---|
| `kind` | compare_hypotheses, compare_answers, odds, bet or answer |
| `hypotheses` | the texts shown: two for a comparison of hypotheses or odds, one otherwise |
| `question` | the item answered, as JSON; null where there is none |
| `answers` | the two answers compared, or all that could be given |
| `heads` | for a bet: is the hypothesis less likely than so many heads in a row? |
| `purpose`, `repeat` | what it was asked for, and which repetition it is |
| `outcome` | answered, skipped or unreadable |
| `grade` | of a comparison: 2 first much better, 1 first better, 0 tie, -1 second better, -2 second much better |
| `ratio` | of odds: how many times more plausible the first is |
| `less_likely`, `choice` | of a bet; of an answer |
| `judge`, `cost`, `seconds` | who said so, what it cost, how long it took |
"""


def read(path: Path) -> Read:
    """See `Format`."""
    files = sorted(path.glob("data/*.parquet")) if path.is_dir() else [path]
    if not files:
        raise InputError(str(path), "no data/*.parquet", "a folder that was exported", "name the folder of README.md")
    return Read(tuple(judgement_of(_row(row)) for file in files for row in parquet_rows(file)))


def _row(row: Row) -> Row:
    question = row.members.get("question")
    if question is None:
        return row
    place = f"{row.place}, {shown('question')}"
    return Row(row.place, {**row.members, "question": parsed(row.text("question"), place)})


DATASETS = Format("datasets", "a folder for Hugging Face datasets: parquet and a card", True, "", write, read)
