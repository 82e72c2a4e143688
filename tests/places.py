"""A small Z for tests of what is asked: is it p or e, by where it stands and in which soil."""

from __future__ import annotations

import numpy as np

from imitative.data import Feature, FeatureKind, Labelled, Table
from imitative.hypotheses.conditions import Condition, Relation
from imitative.hypotheses.statements import Limits, Statement, StatementSpace, Strength

PLACE = Feature("place", FeatureKind.BOOLEAN, "the place", values=("sun", "shade"))
SOIL = Feature("soil", FeatureKind.CATEGORICAL, "the soil", values=("clay", "sand", "peat"))
SPACE = StatementSpace([PLACE, SOIL], ("p", "e"), {"p": "it is p", "e": "it is e"}, Limits(4, 2, 1))
ROWS = [{"place": place, "soil": soil} for place in PLACE.values for soil in SOIL.values]
D = Labelled(Table.of(SPACE.features, ROWS), np.array([0, 0, 0, 1, 1, 1]), SPACE.answers)


def says(feature: Feature, value: str, answer: str = "p", strength: Strength = Strength.STRONG) -> Statement:
    """That one value speaks for an answer."""
    return Statement((Condition(feature.name, Relation.IS, (value,)),), answer, strength)


SUN, CLAY = says(PLACE, "sun"), says(SOIL, "clay")
