"""crowd-kit's table of comparisons: a CSV of `worker, left, right, label`, where the label is one of the two texts.

    pandas.read_csv(path) is what crowdkit.aggregation.BradleyTerry and NoisyBradleyTerry are fitted to.

Answers are compared under a question: group by the column `question` before aggregating, as crowd-kit's pages show.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from imitative.exchange.flat import split
from imitative.exchange.format import Exported, Format, Read
from imitative.exchange.pairs import BESIDE, Pair, beside_of, fits, left_out, named, pair_of
from imitative.exchange.row import Row
from imitative.exchange.spreadsheet import csv_rows, csv_text
from imitative.records import Judgement
from imitative.store.files import write_atomically

COLUMNS = ("worker", "left", "right", "label", "question", BESIDE)


def write(judgements: Sequence[Judgement], path: Path) -> Exported:
    """See `Format`."""
    held = [fits(j, ties=False, skips=False) and len({*_sides(j)} - {""}) == 2 for j in judgements]
    kept, left = split(judgements, held)
    pairs = [pair for judgement in kept if (pair := pair_of(judgement))]
    table = [(p.judge, p.left, p.right, p.chosen, p.prompt, p.beside_text) for p in pairs]
    write_atomically(path, csv_text(COLUMNS, table))
    return Exported(left)


def _sides(judgement: Judgement) -> tuple[str, ...]:
    """Two texts that are the same leave open which one a label means, and an empty one may be a cell left out."""
    return judgement.query.answers or judgement.query.hypotheses


def read(path: Path) -> Read:
    """See `Format`."""
    rows = list(csv_rows(path, ("left", "right", "label")))
    judgements = tuple(_pair(row).judgement(row.place) for row in rows)
    known = COLUMNS if all(row.members.get(BESIDE) for row in rows) else tuple(c for c in COLUMNS if c != "question")
    return Read(judgements, left_out(rows, known))


def _pair(row: Row) -> Pair:
    left, right, label = (row.text(key) for key in ("left", "right", "label"))
    if label not in (left, right) or left == right:
        expected = "the text of left or of right, letter for letter" if left != right else "left and right that differ"
        row.refuse("label", label, expected)
    judge = named(row.text("worker", ""))
    return Pair("", left, right, 1 if label == left else -1, judge, beside_of(row))


CROWD_KIT = Format("crowd-kit", "crowd-kit's CSV of worker, left, right, label", False, "", write, read)
