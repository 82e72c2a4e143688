"""How people read the words of z*: whether a word covers a value that it does not name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from imitative.data import Table
from imitative.hypotheses.conditions import Relation
from imitative.hypotheses.statements import Hypothesis, Statement, StatementSpace, Strength
from imitative.likelihood import Reading
from imitative.records import Judgement, Kind, Query

ASKED, DOUBTED = 2, 4
"""How often each reading is asked about, and how often where people have not read to the letter so far."""


class Covering(NamedTuple):
    """A word and a value that it does not name: does *foul* cover *fishy*?"""

    feature: str
    said: str
    met: str


def heard(space: StatementSpace, judgements: Sequence[Judgement]) -> dict[Covering, list[int]]:
    """What was asked about → the grades it got, positive where people took the value to be covered; 0 for no answer."""
    found: dict[Covering, list[int]] = {}
    for judgement in judgements:
        query = judgement.query
        if query.kind is Kind.COMPARE_ANSWERS and query.question is not None:
            [statement] = space.read(query.hypotheses[0]).statements
            [condition] = statement.conditions
            about = Covering(condition.feature, condition.values[0], str(query.question.get(condition.feature)))
            side = 1 if query.answers[0] == statement.answer else -1
            found.setdefault(about, []).append(side * (judgement.answer.grade or 0))
    return found


def readings(
    z: Hypothesis,
    space: StatementSpace,
    unlabelled: Table,
    known: Reading,
    said: Mapping[Covering, Sequence[int]],
    count: int,
) -> list[Query]:
    """Does a word cover a value it does not name? Questions of D′ that hold a value near one that z names.

    What people seem to read otherwise than to the letter is asked first, until M_L has learned it: two answers alone
    may be slips. Every row of D′ is asked about once for one value; the query's `repeat` is the row.

    Args:
        z: whose single conditions are asked about; a conjunction may fail to hold for its other conditions.
        space: Z.
        unlabelled: D′.
        known: M_L, as it stands.
        said: what was asked before, from `heard`.
        count: at most so many queries.
    """
    features = {feature.name: feature for feature in space.features}
    wanted: list[tuple[int, int, Covering, Statement]] = []
    for statement in z.statements:
        for condition in statement.conditions if len(statement.conditions) == 1 else ():
            feature = features[condition.feature]
            if condition.relation not in (Relation.IS, Relation.IS_ONE_OF) or len(feature.values) < 3:
                continue
            covered = known.covers.get((feature.name, condition.values[0]), frozenset())
            for met in feature.values:
                about = Covering(feature.name, condition.values[0], met)
                grades = said.get(about, ())
                doubted = len(grades) >= ASKED and sum(grades) > 0 and met not in covered
                if met not in condition.values and len(grades) < (DOUBTED if doubted else ASKED):
                    wanted.append((0 if doubted else 1 + len(grades), len(grades), about, statement))
    wanted.sort(key=lambda item: item[0])
    queries: list[Query] = []
    for _, times, about, statement in wanted:
        if len(queries) >= count:
            break
        rows = np.flatnonzero(unlabelled.codes(about.feature) == features[about.feature].values.index(about.met))
        if times >= len(rows):
            continue
        row = int(rows[times])
        other = next(answer for answer in space.answers if answer != statement.answer)
        shown = Hypothesis((replace(statement, strength=Strength.STRONG),), other)
        sides = (statement.answer, other)
        asked = (space.show(shown),)
        queries.append(Query(Kind.COMPARE_ANSWERS, asked, unlabelled.row(row), sides, purpose="likelihood", repeat=row))
    return queries
