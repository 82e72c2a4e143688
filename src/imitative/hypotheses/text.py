"""Free text: a hypothesis as instructions that a person or a language model would write, in sections.

    z = section 1, section 2, …        a section is a paragraph; blank lines part them

Sections are what is edited, scored and explained: each is a clause a person can strike out. The space says how long z
may be and refuses what quotes D: a z that repeats its rows word for word has memorised them, and says nothing of D′.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, final

import numpy as np

from imitative.data import FeatureKind, Table
from imitative.hypotheses.space import Neighbour

QUOTED_WORDS = 8
"""So many words in a row that a row of D holds too are a quotation: fewer occur by chance (the text of rows written in
the same English shares runs of up to seven words with any sentence about them)."""
QUOTED_CELLS = 4
"""A section that names the words of so many cells of one row, all of them, may describe that row and no other."""
ROWS_ALIKE = 3
"""A section speaks of a kind, and describes no row, if more rows that differ hold all that it names, …"""
RECITED_CELLS = 6
"""… unless it names so many cells: that recites a row, whatever others hold."""
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


@final
@dataclass(frozen=True, slots=True)
class TextHypothesis:
    """z: sections in the order they are read.

    Args:
        sections: paragraphs, each of one line or more, none empty and none twice.
    """

    sections: tuple[str, ...]

    def __post_init__(self) -> None:
        cleaned = tuple(dict.fromkeys(part for section in self.sections for part in _canonical(section)))
        object.__setattr__(self, "sections", cleaned)

    @property
    def words(self) -> int:
        """How long it is."""
        return sum(len(section.split()) for section in self.sections)

    def without(self, i: int) -> TextHypothesis:
        """z less one section."""
        return TextHypothesis(self.sections[:i] + self.sections[i + 1 :])

    def replaced(self, i: int, section: str) -> TextHypothesis:
        """z with another section in the place of one."""
        return TextHypothesis((*self.sections[:i], section, *self.sections[i + 1 :]))

    def added(self, section: str) -> TextHypothesis:
        """z with one section more."""
        return TextHypothesis((*self.sections, section))


class Refusal(NamedTuple):
    """Why a proposal is no member of the space: a word for the rule, and a line for a person."""

    rule: str
    told: str


@final
class TextSpace:
    """Z: every text of at most so many words and sections that does not quote D.

    Args:
        max_words: of all sections together.
        sections: at most so many.
        guard: what may not be quoted; None: nothing is guarded.

    Raises:
        ValueError: for a limit below 1.
    """

    def __init__(self, max_words: int = 400, sections: int = 12, guard: Guard | None = None) -> None:
        if min(max_words, sections) < 1:
            raise ValueError(f"a text has at least one word and one section; found {max_words} and {sections}")
        self.max_words, self.sections, self.guard = max_words, sections, guard

    def refuse(self, z: TextHypothesis) -> Refusal | None:
        """Why z is no member; None where it is one."""
        if not z.sections:
            return Refusal("empty", "it says nothing")
        if z.words > self.max_words:
            return Refusal("too long", f"{z.words} words, more than {self.max_words}")
        if len(z.sections) > self.sections:
            return Refusal("too many sections", f"{len(z.sections)} sections, more than {self.sections}")
        if self.guard is not None and (quote := self.guard.quotation(z)) is not None:
            return Refusal("quotes the examples", f"it repeats an example: “{quote}”")
        return None

    def __contains__(self, z: TextHypothesis) -> bool:
        return self.refuse(z) is None

    def show(self, z: TextHypothesis) -> str:
        """z as a person reads it: sections, a blank line between."""
        return "\n\n".join(z.sections)

    def read(self, text: str) -> TextHypothesis:
        """The inverse of `show`; also takes what language models write around sections: bullets, numbers, headings.

        Raises:
            ValueError: if there is nothing to read.
        """
        z = TextHypothesis(tuple(split_sections(text)))
        if not z.sections:
            raise ValueError("a hypothesis says something; found no words")
        return z

    def sample(self, rng: np.random.Generator, pool: Sequence[str] = ()) -> TextHypothesis:
        """A few sections of a pool. What people would write cannot be drawn at random: that is for a proposer."""
        if not pool:
            return TextHypothesis(("Nothing is known yet.",))
        size = int(rng.integers(1, min(self.sections, len(pool)) + 1))
        return TextHypothesis(tuple(pool[i] for i in rng.permutation(len(pool))[:size]))

    def neighbours(self, z: TextHypothesis, pool: Sequence[str] = ()) -> Iterator[Neighbour[TextHypothesis]]:
        """Every text a section away: one struck out, one of the pool added or put in the place of another."""
        seen = {z}
        for neighbour in self._edits(z, pool):
            if neighbour.hypothesis not in seen and neighbour.hypothesis in self:
                seen.add(neighbour.hypothesis)
                yield neighbour

    def _edits(self, z: TextHypothesis, pool: Sequence[str]) -> Iterator[Neighbour[TextHypothesis]]:
        places = range(len(z.sections))
        for i in places:
            yield Neighbour(z.without(i), "drop")
        for section in pool:
            yield Neighbour(z.added(section), "add")
            for i in places:
                yield Neighbour(z.replaced(i, section), "replace")

    def describe(self) -> dict[str, Any]:
        """Everything that makes this space this space, in plain JSON values."""
        guarded = None if self.guard is None else self.guard.size
        return {"kind": "text", "max_words": self.max_words, "sections": self.sections, "guarded": guarded}

    @classmethod
    def from_description(cls, row: Mapping[str, Any]) -> TextSpace:
        """Rebuild a space from `describe`, without its guard: the rows of D are no part of a description.

        Raises:
            KeyError, ValueError: if `row` is not what `describe` writes.
        """
        return cls(int(row["max_words"]), int(row["sections"]))


@final
class Guard:
    """Finds where a text quotes rows of D.

    Two ways of quoting: a run of `QUOTED_WORDS` words that some row's text holds too, and a section that recites
    `QUOTED_CELLS` cells that no more than `ROWS_ALIKE` rows have together, or `RECITED_CELLS` of any.

    Args:
        table: D's questions.
        item: row → what a reader of it reads (`Phrasing.item`).
        allowed: texts that may be said, whatever rows say: the question, the clauses of the answers.
    """

    def __init__(self, table: Table, items: Sequence[str], allowed: Iterable[str] = ()) -> None:
        self.size = len(table)
        free = {run for text in allowed for run in _runs(_words(text))}
        texts = [table.texts(f.name) for f in table.features if f.kind is FeatureKind.TEXT]
        self._runs = {run for column in texts for text in column for run in _runs(_words(text))} - free
        lines = [frozenset(_bare(line) for line in item.splitlines()) for item in items]
        whole = [" ".join(_words(item)) for item in items]
        self._rows = list(dict.fromkeys(zip(lines, whole, strict=True)))
        self._lines = sorted({line for row, _ in self._rows for line in row if line}, key=len, reverse=True)

    def quotation(self, z: TextHypothesis) -> str | None:
        """A piece of z that repeats a row; None where nothing does."""
        for section in z.sections:
            words = _words(section)
            for run in _runs(words):
                if run in self._runs:
                    return run
            if recited := self._recited(" ".join(words)):
                return recited
        return None

    def _recited(self, section: str) -> str | None:
        """The cells of one row that a section names, all in one sentence's breath, if that many tell the row apart."""
        padded = f" {section} "
        said = {line for line in self._lines if f" {line} " in padded}
        if len(said) < QUOTED_CELLS:
            return None
        rows = [row for row, _ in self._rows if len(row & said) >= QUOTED_CELLS and len(row & said) > 0.8 * len(said)]
        recited = rows if len(rows) <= ROWS_ALIKE else [row for row in rows if len(row & said) >= RECITED_CELLS]
        return "; ".join(sorted(recited[0] & said)) if recited else None


@lru_cache(maxsize=10_000)
def _canonical(section: str) -> tuple[str, ...]:
    """A section as reading gives it back: bullets within bullets are taken off until none is left."""
    found = split_sections(clean_section(section))
    while len(found) == 1 and (again := split_sections(found[0])) != found:
        found = again
    return tuple(found)


def clean_section(text: str) -> str:
    """A paragraph as it is kept: single spaces, printable, one line."""
    words = text if text.isprintable() else "".join(sign if sign.isprintable() else " " for sign in text)
    return " ".join(words.split())


def split_sections(text: str) -> list[str]:
    r"""The sections of a text as people and models write them.

    Paragraphs are parted by blank lines; a list's items are sections of their own, without their bullets.

    >>> split_sections("# Rules\n\n1. A foul smell is bad.\n2. So is slime,\n   always.\n\nElse it is fine.")
    ['A foul smell is bad.', 'So is slime, always.', 'Else it is fine.']
    >>> split_sections("**Rules:**\n**A foul smell is bad.**")
    ['A foul smell is bad.']
    """
    sections: list[list[str]] = [[]]
    for line in text.strip().splitlines():
        bare = line.strip()
        if not bare or _HEADING.match(bare) or _FENCE.match(bare):
            sections.append([])
        elif stressed := _STRESSED.match(bare):
            sections.append([stressed.group(1)])
        elif item := _BULLET.match(bare):
            sections.append([bare[item.end() :]])
        else:
            sections[-1].append(bare)
    return [found for lines in sections if (found := clean_section(" ".join(lines)))]


_BULLET = re.compile(r"(?:[-*•–]|\(?\d{1,3}[.):])\s+")
_STRESSED = re.compile(r"\*\*([^*]+[.!?])\*\*$")  # a sentence in bold is a rule
_HEADING = re.compile(r"#{1,6}\s|\*\*[^*]*[^*.!?]\*\*:?$|={3,}$|-{3,}$")
_FENCE = re.compile(r"```")


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def _bare(line: str) -> str:
    return " ".join(_words(line))


def _runs(words: Sequence[str]) -> Iterator[str]:
    for i in range(len(words) - QUOTED_WORDS + 1):
        yield " ".join(words[i : i + QUOTED_WORDS])
