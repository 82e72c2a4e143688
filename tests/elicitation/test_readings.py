"""Readings are asked about values that D′ holds and z* does not name."""

from __future__ import annotations

from collections import Counter

import pytest

from imitative.data import Table
from imitative.elicitation.readings import readings
from imitative.hypotheses.conditions import one_of
from imitative.hypotheses.statements import Hypothesis, Statement, Strength
from imitative.records import Kind
from tests.places import CLAY, PLACE, SOIL, SPACE, SUN, D, says


def test_readings_are_asked_where_d_prime_holds_a_value_z_does_not_name() -> None:
    unlabelled = Table.of(SPACE.features, [{"place": "sun", "soil": "sand"}, {"place": "shade", "soil": "clay"}])
    z = Hypothesis((SUN, CLAY), "e")
    asked = readings(z, SPACE, unlabelled, Counter(), 9)
    assert [about for _, about in asked] == [("soil", "clay", "sand")]  # no row is of peat, and a place is one of two
    [(query, _)] = asked
    assert query.kind is Kind.COMPARE_ANSWERS
    assert query.purpose == "likelihood"
    assert query.question == {"place": "sun", "soil": "sand"}
    assert SPACE.read(query.hypotheses[0]).statements == (CLAY,)
    assert readings(z, SPACE, unlabelled, Counter({("soil", "clay", "sand"): 2}), 9) == []


def test_a_conjunction_does_not_keep_single_conditions_from_being_asked_about() -> None:
    both = Statement((*says(PLACE, "shade").conditions, *says(SOIL, "sand").conditions), "e", Strength.STRONG)
    peat = Statement((one_of(SOIL, {"clay", "peat"}),), "p", Strength.STRONG)
    for statements in ((both, peat), (peat, both)):
        asked = readings(Hypothesis(statements, "e"), SPACE, D.table, Counter(), 9)
        assert [about for _, about in asked] == [("soil", "clay", "sand")]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_no_more_readings_are_asked_than_wanted(count: int) -> None:
    z = Hypothesis((CLAY,), "e")
    assert len(readings(z, SPACE, D.table, Counter(), count)) == count
