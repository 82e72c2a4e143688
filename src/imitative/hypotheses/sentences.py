"""What somebody wrote of some of the parameters, a sentence each; what they leave unsaid is taken from elsewhere.

A sentence that cannot be read is refused with the reason and an example of one that can, so that whoever wrote it can
mend it at once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from imitative.hypotheses.belief import Belief, BeliefSpace, Dependence, Parameter
from imitative.hypotheses.marginal import Clause, Form, Marginal

LONGEST: Final = 300
"""Characters of a sentence: names and numbers need no more, and longer ones are refused before they are read."""
MOST: Final = 100
"""Sentences in a text."""


class Unread(ValueError):
    """A text that is no belief.

    Args:
        why: what is wrong with it.
        example: a sentence that can be read.
    """

    def __init__(self, why: str, example: str) -> None:
        super().__init__(why, example)
        self.why = why
        self.example = example

    def __str__(self) -> str:
        return self.why


class Said(NamedTuple):
    """What a text says: of which parameters what, and what depends on what."""

    marginals: Mapping[int, Marginal]
    dependences: tuple[Dependence, ...]

    def show(self, space: BeliefSpace) -> str:
        """The sentences, as they are always written."""
        both = space.show(Belief((), self.dependences)).splitlines()
        return "\n".join([*(space.show_marginal(i, m) for i, m in sorted(self.marginals.items())), *both])


def said(space: BeliefSpace, text: str) -> Said:
    r"""Read a text of sentences about parameters: one a line, or one after the other.

    Raises:
        Unread: for a sentence that cannot be read, two about one parameter, or none.

    >>> space = BeliefSpace((Parameter("R0", lower=0.0), Parameter("the delay", "days", lower=0.0)))
    >>> said(space, "r0 is between 2 and 3. The delay is about 6, give or take 1").show(space)
    'R0 is between 2 and 3.\nThe delay is about 6 days, give or take 1.'
    """
    lines = _lines(space, text)
    if not lines:
        raise Unread("no sentence", example(space))
    if len(lines) > MOST:
        raise Unread(f"{len(lines)} sentences; at most {MOST} are read", example(space))
    marginals: dict[int, Marginal] = {}
    dependences: list[Dependence] = []
    for line in lines:
        if len(line) > LONGEST:
            start = line[:40].rstrip()
            why = f"the sentence that begins “{start}…” has {len(line)} characters; at most {LONGEST} are read"
            raise Unread(why, example(space, line))
        try:
            if re.match(r"(?i)when\b", line):
                dependences.append(space.read_dependence(line))
                continue
            i, marginal = space.read_sentence(line)
        except (ValueError, OverflowError) as error:
            raise Unread(str(error), example(space, line)) from None
        if i in marginals:
            raise Unread(f"two sentences about {space.parameters[i].name}", example(space, line))
        marginals[i] = marginal
    try:
        space.checked(Belief((), tuple(dependences)))
    except ValueError as error:
        raise Unread(str(error), example(space)) from None
    return Said(marginals, tuple(dependences))


def completed(space: BeliefSpace, sentences: Sequence[str], own: Belief) -> tuple[Belief, tuple[str, ...]]:
    """The belief that some sentences say, and the names they speak of; the rest is as in `own`.

    A dependence of `own` stays where neither of its parameters is spoken of, and nothing was said of dependences.

    Raises:
        ValueError: for what `said` refuses, or dependences that make no belief.
    """
    found = said(space, "\n".join(sentences))
    names = {space.parameters[i].name for i in found.marginals}
    tied = [] if found.dependences else [d for d in own.dependences if not names & {d.first, d.second}]
    marginals = tuple(found.marginals.get(i, m) for i, m in enumerate(own.marginals))
    z = space.checked(replace(own, marginals=marginals, dependences=(*found.dependences, *tied)))
    return z, tuple(space.parameters[i].name for i in found.marginals)


def example(space: BeliefSpace, line: str = "") -> str:
    """A sentence that can be read, about the parameter that `line` begins with, or the first.

    Its numbers are the same for every problem, but for where the parameter must end: they are no hint.

    >>> example(BeliefSpace((Parameter("R0", lower=0.0),)))
    'R0 is between 2 and 3, most likely 2.4.'
    """
    names = sorted(enumerate(space.parameters), key=lambda pair: -len(pair[1].name))
    near = (i for i, p in names if line.lower().startswith(p.name.lower()))
    i = next(near, 0)
    return space.show_marginal(i, Marginal((_example(space.parameters[i]),)))


def _example(p: Parameter) -> Clause:
    low, mode, high = 2.0, 2.4, 3.0
    if p.lower <= low and high <= p.upper:
        return Clause(Form.LIKELY, (low, high, mode))
    if math.isfinite(p.lower) and math.isfinite(p.upper):
        width = p.upper - p.lower
        a, c, b = (_short(p.lower + share * width, width) for share in (0.2, 0.3, 0.5))
        return Clause(Form.LIKELY, (a, b, c))
    start = p.lower if math.isfinite(p.lower) else p.upper - 4.0
    return Clause(Form.LIKELY, (start + 1.0, start + 3.0, start + 2.0))


def _short(x: float, width: float) -> float:
    """A number with two more digits than its interval's width has."""
    return round(x, max(0, 2 - math.floor(math.log10(width))))


def _lines(space: BeliefSpace, text: str) -> list[str]:
    """The sentences: one a line, or parted by semicolons, or by a full stop before the next name."""
    names = "|".join(re.escape(p.name) for p in sorted(space.parameters, key=lambda p: -len(p.name)))
    parts = re.split(rf"[\n\r;]|(?i:(?<=\.)\s+(?=(?:when|(?:{names})\s+is)\b))", text)
    return [" ".join(line.split()) for line in parts if line.strip()]


__all__ = ["LONGEST", "MOST", "Said", "Unread", "completed", "example", "said"]
