"""Two hypotheses side by side: what both say, what only one says, and within a changed sentence, which words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

ALIKE = 0.6
"""Two sentences that share more than this of their words are shown as one sentence changed."""
MOST_WORDS = 400


class Piece(NamedTuple):
    """Some words, and whether the other side lacks them."""

    text: str
    new: bool


class Line(NamedTuple):
    """A sentence of a hypothesis.

    Args:
        pieces: its words.
        shared: whether the other side says it too.
        bears: whether it bears on the question; None where there is no question, or it is the default.
        default: whether it is the sentence for everything else.
    """

    pieces: tuple[Piece, ...]
    shared: bool
    bears: bool | None
    default: bool


def alone(lines: Sequence[Mapping[str, Any]]) -> list[Line]:
    """One hypothesis, with nothing to compare it to; what bears on the question comes first, the default last."""
    plain = [
        Line((Piece(str(line["text"]), False),), True, line.get("bears"), bool(line.get("default"))) for line in lines
    ]
    return sorted(plain, key=lambda line: (line.default, line.bears is False))


def compared(first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]) -> tuple[list[Line], list[Line]]:
    """Both sides, each sentence marked; sentences that only one says stand first, so that they are read first.

    >>> left, right = compared([{"text": "It is so."}, {"text": "a"}], [{"text": "It is not so."}, {"text": "a"}])
    >>> [piece for piece in right[0].pieces if piece.new]
    [Piece(text='not ', new=True)]
    >>> left[-1].shared
    True
    """
    texts = [[str(line["text"]) for line in side] for side in (first, second)]
    both = set(texts[0]) & set(texts[1])
    only = [[text for text in side if text not in both] for side in texts]
    partner = _partners(*only)
    sides = []
    for side, lines, pairs in zip((first, second), texts, (partner, {b: a for a, b in partner.items()}), strict=True):
        made = [
            Line(
                _pieces(text, pairs.get(text)) if text not in both else (Piece(text, False),), text in both, None, False
            )
            for text, _ in zip(lines, side, strict=True)
        ]
        sides.append(sorted(made, key=lambda line: line.shared))
    return sides[0], sides[1]


def _partners(first: Sequence[str], second: Sequence[str]) -> dict[str, str]:
    """Sentences that are probably one, changed: greedily, the most alike first."""
    if len(first) * len(second) > 400:
        return {}
    ratios = [
        (SequenceMatcher(None, _words(a), _words(b), autojunk=False).ratio(), a, b) for a in first for b in second
    ]
    found: dict[str, str] = {}
    for ratio, a, b in sorted(ratios, key=lambda item: -item[0]):
        if ratio > ALIKE and a not in found and b not in found.values():
            found[a] = b
    return found


def _pieces(text: str, other: str | None) -> tuple[Piece, ...]:
    if other is None:
        return (Piece(text, True),)
    here, there = _words(text), _words(other)
    if len(here) + len(there) > MOST_WORDS:
        return (Piece(text, True),)
    pieces = []
    for tag, i, j, _, _ in SequenceMatcher(None, here, there, autojunk=False).get_opcodes():
        if i < j:
            pieces.append(Piece("".join(here[i:j]), tag != "equal"))
    return tuple(pieces)


def _words(text: str) -> list[str]:
    return re.findall(r"\S+\s*", text)
