"""An answer that may have been a slip, and would change z* if it was, is asked for again; others are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from imitative.elicitation.checks import checks
from imitative.elicitation.pairs import Pair, alone, query_of, silent
from imitative.elicitation.stakes import Beside, Own
from imitative.hypotheses.statements import Hypothesis, Statement
from imitative.likelihood import LITERAL
from imitative.overseers.overseer import OrderSwapped
from imitative.overseers.simulated import Simulated
from imitative.posterior import Posterior
from imitative.prior import StatementPrior
from imitative.records import Answer, Judgement, Kind, Query
from imitative.scoring import Scorer
from imitative.testing import Counting
from imitative.traits import Traits
from imitative.waiting import waited
from tests.places import CLAY, PLACE, SOIL, SPACE, SUN, D, says

SHADE = says(PLACE, "shade", "e")
Z = Hypothesis((CLAY,), "e")


def said(statement: Statement, ratio: float, repeat: int = 0) -> Judgement:
    """How much more plausible than silence somebody finds it."""
    return Judgement(query_of(Pair(alone(statement, "e"), silent("e")), SPACE, Kind.ODDS, repeat=repeat),
                     Answer(ratio=ratio), "ann")  # fmt: skip


SURE = [said(CLAY, 30.0, i) for i in range(3)] + [said(SHADE, 2.0, i) for i in range(9)]
"""Answers that agree with each other."""


def checked(judgements: Sequence[Judgement]) -> list[tuple[Query, float]]:
    """What would be asked again, and what that is worth."""
    prior = StatementPrior.fit(Traits(SPACE, None), judgements)
    posterior = Posterior(D, prior, LITERAL)
    scorer = Scorer(posterior, [(condition,) for condition in SPACE.conditions()])
    beside = Beside.of(Z, posterior, D.table, scorer)
    return [(check.query, check.gain) for check in checks(beside, Own.of(Z, posterior, D.table), prior, scorer)]


def test_a_lone_answer_that_keeps_something_out_of_z_is_asked_for_again_from_the_other_side() -> None:
    against = said(SUN, 1e-3)
    found = checked([*SURE, against])
    [(query, gain)] = found  # the others were asked more than once
    assert query == replace(against.query.swapped(), repeat=1)
    shown = [Counting(simulated) for simulated in 2 * [Simulated(SPACE)]]
    for counting, asked in zip(shown, (against.query, query), strict=True):
        waited(OrderSwapped(counting).judge([asked]))
    assert not set(shown[0].asked) & set(shown[1].asked)  # in whatever order the sides are shown
    assert gain > 0.0


def test_what_nobody_would_miss_is_worth_less() -> None:
    """Where the sun points explains D, and where peat points nothing of it."""

    def worth(statement: Statement) -> float:
        turned = replace(statement, answer="e")
        query = query_of(Pair(alone(statement, "e"), alone(turned, "e")), SPACE, Kind.ODDS)
        [(_, gain)] = checked([*SURE, Judgement(query, Answer(ratio=1e-3), "ann")])
        return gain

    assert worth(SUN) > worth(says(SOIL, "peat"))


def test_a_likely_answer_is_worth_less_than_an_unlikely_one() -> None:
    [(_, likely)], [(_, unlikely)] = checked([*SURE, said(SUN, 0.5)]), checked([*SURE, said(SUN, 1e-3)])
    assert unlikely > likely


@pytest.mark.parametrize("again", [query_of(Pair(alone(SUN, "e"), silent("e")), SPACE, Kind.COMPARE_HYPOTHESES),
                                   said(SUN, 1.0).query.swapped()])  # fmt: skip
def test_what_was_asked_twice_in_whatever_form_is_not_asked_a_third_time(again: Query) -> None:
    answer = Answer(grade=-2) if again.kind is Kind.COMPARE_HYPOTHESES else Answer(ratio=1e3)
    assert checked([*SURE, said(SUN, 1e-3), Judgement(again, answer, "ann")]) == []


def test_bets_and_what_was_skipped_are_not_asked_again() -> None:
    bet = Judgement(Query(Kind.BET, (SPACE.show(Z),), heads=3), Answer(less_likely=True), "ann")
    assert checked([*SURE, bet]) == []
    assert checked([]) == []


@pytest.mark.parametrize("seed", range(6))
def test_the_mean_moves_as_a_fit_without_the_answer_says(seed: int) -> None:
    """`Preference.slips` against fitting again: one Newton step from where all answers stand."""
    rng = np.random.default_rng(seed)
    every = [says(f, v, a) for f in (PLACE, SOIL) for v in f.values for a in ("p", "e")]
    judgements = [
        said(every[i], float(np.exp(rng.normal(0.0, 1.5))), repeat) for repeat in range(3) for i in rng.permutation(10)
    ]
    traits = Traits(SPACE, None)
    prior = StatementPrior.fit(traits, judgements)
    assert prior.preference is not None
    chance, moved = prior.preference.slips()
    assert chance.shape == (len(judgements),)
    assert ((chance >= 0.0) & (chance <= 1.0)).all()
    for i in range(0, len(judgements), 5):
        left = [judgement for judgement in prior.heard if judgement is not prior.heard[i]]
        change = StatementPrior.fit(traits, left).weights - prior.weights
        expected = (1.0 - chance[i]) * moved[i]  # by the rest of the way the mean has gone already
        assert np.linalg.norm(expected - change) < 0.15 + 0.5 * np.linalg.norm(change)
