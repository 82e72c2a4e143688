"""Pairs for choix: (winner, loser) as numbers of items, in one JSON object with the items' texts.

    {"n_items": 3, "items": ["…", "…", "…"], "pairs": [[0, 2], [1, 0]]}

    choix.ilsr_pairwise(found["n_items"], found["pairs"], alpha=0.01)

A pair is all that choix knows: no judges, no ties, no grades, no sides. Only comparisons of hypotheses are written,
since answers are only better or worse under the same question and instructions.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from imitative.errors import InputError, shown
from imitative.exchange.flat import split
from imitative.exchange.format import Exported, Format, Read
from imitative.exchange.pairs import STRANGER, Pair, fits, left_out, pair_of
from imitative.exchange.parsing import parsed, row_of, text_of
from imitative.records import Judgement, Kind
from imitative.store.files import write_atomically


def write(judgements: Sequence[Judgement], path: Path) -> Exported:
    """See `Format`."""
    held = [j.query.kind is Kind.COMPARE_HYPOTHESES and fits(j, ties=False, skips=False) for j in judgements]
    kept, left = split(judgements, held)
    pairs = [pair for judgement in kept if (pair := pair_of(judgement))]
    items = {
        text: i for i, text in enumerate(dict.fromkeys(text for pair in pairs for text in (pair.left, pair.right)))
    }
    won = [[items[pair.chosen], items[pair.rejected]] for pair in pairs]
    found = {"n_items": len(items), "items": list(items), "pairs": won}
    write_atomically(path, json.dumps(found, ensure_ascii=False) + "\n")
    return Exported(left)


def read(path: Path) -> Read:
    """See `Format`."""
    row = row_of(parsed(text_of(path), str(path)), str(path))
    items = row.texts("items")
    pairs = row.members.get("pairs")
    if not isinstance(pairs, list):
        row.refuse("pairs", pairs, "a list of pairs of numbers, [winner, loser]")
    judgements = []
    for i, pair in enumerate(pairs):
        place = f"{path}: pairs[{i}]"
        if (
            not isinstance(pair, list)
            or len(pair) != 2
            or any(isinstance(n, bool) or not isinstance(n, int) for n in pair)
        ):
            raise InputError(place, shown(pair), "two numbers, [winner, loser]", "correct it there")
        if not all(0 <= n < len(items) for n in pair):
            raise InputError(place, shown(pair), f"numbers from 0 to {len(items) - 1}", "add the item, or correct it")
        judgements.append(Pair("", items[pair[0]], items[pair[1]], 1, STRANGER, {}).judgement(place))
    return Read(tuple(judgements), left_out([row], ("n_items", "items", "pairs")))


CHOIX = Format(
    "choix", "choix pairs (winner, loser) as JSON", False,
    "the judge, how much better, which side stood first, the purpose, repetitions, cost and time", write, read,
)  # fmt: skip
