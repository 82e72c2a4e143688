"""What people are shown of a query over beliefs, as plain values; and queries with a known answer.

A belief is shown in its words, beside a picture of what it would make happen. Every other comparison is asked the other
way round: the pictures first, *which looks more plausible?*, and the words behind a fold. Either way it is the same
query: of two beliefs, which is more plausible; and the answer teaches the prior the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

import numpy as np

from imitative.beliefs.consequences import Consequences
from imitative.hypotheses.belief import BeliefSpace, Parameter
from imitative.hypotheses.marginal import Clause, Form, Marginal, written
from imitative.mail import Posting, Role
from imitative.records import Answer, Kind, Query
from imitative.streams import Stream, generator

WARM_UPS: Final = 3
GOLD: Final = 20
ASKED_ABOUT: Final = "the number"
"""What a check's question is about: the feature that names the parameter."""

Show = Callable[[Query], dict[str, Any]]


def presenter(question: str, space: BeliefSpace, consequences: Consequences | None) -> Show:
    """Query → what is shown of it.

    Args:
        question: the problem's.
        space: the parameters that beliefs speak of.
        consequences: what beliefs would make happen, where that can be shown.
    """
    about = [{"name": p.name, "about": p.sentence, "unit": p.unit} for p in space.parameters]

    def show(query: Query) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "space": "belief",
            "asks": question,
            "hypotheses": [[{"text": line} for line in text.splitlines()] for text in query.hypotheses],
            "answers": {name: name for name in query.answers},
            "parameters": about,
        }
        if query.question is not None:
            spoken = str(query.question[ASKED_ABOUT])
            named = next((p for p in space.parameters if p.name == spoken), Parameter(spoken))
            shown["asks"] = f"What is {spoken}?"
            cells = (("what it is", named.sentence), ("in", named.unit))
            shown["item"] = [{"name": name, "value": value} for name, value in cells if value]
        elif consequences is not None:
            # Which of several series is looked at is drawn from the query, so that each comes up.
            found = consequences.of(query.hypotheses, int(query.key[:8], 16))
            if found is not None:
                first = query.kind is Kind.COMPARE_HYPOTHESES and int(query.key[8:10], 16) % 2 == 0
                shown["consequences"] = {**found, "first": first}
        return shown

    return show


def checks(space: BeliefSpace, show: Show, seed: int) -> list[Posting]:
    """Queries with known answers: `WARM_UPS` to learn on, then `GOLD` to be mixed in.

    Nobody's taste is tested. What is known is which of two numbers a belief expects, and that a belief is as plausible
    as itself.
    """
    drawn = _drawn(space, generator(seed, Stream.CHECKS))
    made: list[tuple[Query, Answer, Role]] = []
    for i, (query, answer) in enumerate(islice(drawn, WARM_UPS - 1 + GOLD)):
        made.append((query, answer, Role.WARM_UP if i < WARM_UPS - 1 else Role.GOLD))
    text = made[0][0].hypotheses[0]
    same = Query(Kind.COMPARE_HYPOTHESES, (text, text), purpose="check")
    made.insert(WARM_UPS - 1, (same, Answer(grade=0), Role.WARM_UP))
    found = []
    for query, answer, role in made:
        told = show(query) if query.question is not None else _in_words(space, query)
        found.append(Posting(query, told, role, expected=answer))
    return found


def _in_words(space: BeliefSpace, query: Query) -> dict[str, Any]:
    """A belief beside itself, about one parameter only: it makes nothing happen."""
    return presenter("", space, None)(query)


def _drawn(space: BeliefSpace, rng: np.random.Generator) -> Iterator[tuple[Query, Answer]]:
    """Without end: a belief about one parameter, a number that it expects, and one that it does not."""
    i = 0
    while True:
        k = int(rng.integers(len(space.parameters)))
        p = space.parameters[k]
        clause, inside, outside = _clear(p, rng)
        text = space.show_marginal(k, Marginal((clause,)))
        right_first = bool(rng.random() < 0.5)
        answers = (written(inside), written(outside))
        sides = answers if right_first else answers[::-1]
        question = {ASKED_ABOUT: p.name}
        query = Query(Kind.COMPARE_ANSWERS, (text,), question, sides, purpose="check", repeat=i)
        yield query, Answer(grade=1 if right_first else -1)
        i += 1


def _clear(p: Parameter, rng: np.random.Generator) -> tuple[Clause, float, float]:
    """A clause that fits where the parameter must end, a number well within what it says, and one well outside.

    The numbers have nothing to do with what is likely: nobody should learn from them what to believe.
    """
    if math.isfinite(p.lower) and math.isfinite(p.upper):
        width = p.upper - p.lower
        a, b, inside, outside = (_round(p.lower + share * width) for share in (0.1, 0.3, 0.2, 0.8))
        if rng.random() < 0.5:
            a, b, inside, outside = (_round(p.lower + share * width) for share in (0.7, 0.9, 0.8, 0.2))
        return Clause(Form.BETWEEN, (a, b)), inside, outside
    start = p.lower if math.isfinite(p.lower) else (p.upper - 20.0 if math.isfinite(p.upper) else 0.0)
    middle = float(rng.integers(3, 9))
    away = 0.25 if math.isfinite(p.upper) else float(rng.choice([4.0, 0.25]))
    forms = ["between", "about"] + (["factor"] if p.lower == 0.0 and math.isinf(p.upper) else [])
    form = forms[int(rng.integers(len(forms)))]
    if form == "factor":
        return Clause(Form.FACTOR, (middle, 1.2)), _round(middle * 1.1), _round(middle * away)
    inside, outside = _round(start + middle * 1.05), _round(start + middle * away)
    if form == "about":
        return Clause(Form.ABOUT, (start + middle, 0.5)), inside, outside
    return Clause(Form.BETWEEN, (start + middle - 1.0, start + middle + 1.0)), inside, outside


def _round(x: float) -> float:
    return float(f"{x:.3g}")
