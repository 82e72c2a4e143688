"""How people read the words of z*: whether a word covers a value that it does not name."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from imitative.data import Table
from imitative.hypotheses.conditions import Condition, Relation
from imitative.hypotheses.statements import Hypothesis, Statement, StatementSpace, Strength
from imitative.records import Kind, Query


def readings(
    z: Hypothesis, space: StatementSpace, unlabelled: Table, asked: Counter[tuple[str, str, str]], count: int
) -> list[tuple[Query, tuple[str, str, str]]]:
    """Does a word cover a value it does not name? Questions of D′ that hold a value near one that z names.

    Returns:
        queries comparing the statement's answer with another, and the (feature, said, met) each is about.
    """
    features = {feature.name: feature for feature in space.features}
    wanted: list[tuple[int, str, Statement, Condition, str]] = []
    for statement in z.statements:
        # A conjunction may fail to hold for its other conditions: only single ones tell how a word is read.
        for condition in statement.conditions if len(statement.conditions) == 1 else ():
            feature = features[condition.feature]
            if condition.relation not in (Relation.IS, Relation.IS_ONE_OF) or len(feature.values) < 3:
                continue
            said = condition.values[0]
            for met in feature.values:
                if met not in condition.values and asked[feature.name, said, met] < 2:
                    wanted.append((asked[feature.name, said, met], met, statement, condition, said))
    wanted.sort(key=lambda item: item[0])
    queries: list[tuple[Query, tuple[str, str, str]]] = []
    for times, met, statement, condition, said in wanted:
        if len(queries) >= count:
            break
        feature = features[condition.feature]
        rows = np.flatnonzero(unlabelled.codes(feature.name) == feature.values.index(met))
        if len(rows) == 0:
            continue
        other = next(answer for answer in space.answers if answer != statement.answer)
        shown = Hypothesis((replace(statement, strength=Strength.STRONG),), other)
        row = unlabelled.row(int(rows[times % len(rows)]))
        query = Query(Kind.COMPARE_ANSWERS, (space.show(shown),), row, (statement.answer, other), purpose="likelihood")
        queries.append((query, (feature.name, said, met)))
    return queries
