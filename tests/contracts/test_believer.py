"""The contract of whoever judges beliefs, bare and in every wrapper: a simulated person who believes something."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence

import pytest

from imitative.hypotheses.belief import BeliefSpace, Parameter
from imitative.overseers.believer import Believer
from imitative.overseers.overseer import Budgeted, BudgetSpent, Ledger, OrderSwapped, Overseer
from imitative.records import Judgement, Kind, Outcome, Query

SPACE = BeliefSpace((Parameter("R0", lower=0.0), Parameter("the effect", "%")))
OWN = SPACE.read("R0 is about 2.4, give or take a factor of 1.3.\nThe effect is about -1 %, give or take 0.5.")
NEAR = "R0 is about 2.5, give or take a factor of 1.3.\nThe effect is about -0.9 %, give or take 0.5."
FAR = "R0 is about 6, give or take a factor of 1.2.\nThe effect is about 1 %, give or take 0.3."
BOUND = (
    "R0 is between 2 and 3, most likely 2.4.\n"
    "The effect is either about -1 %, give or take 0.3 (70 %) or about 0 %, give or take 1."
)
PAIRS = [(NEAR, FAR), (FAR, BOUND), (BOUND, NEAR), (NEAR, NEAR)]
QUERIES = [
    *(Query(Kind.COMPARE_HYPOTHESES, pair) for pair in PAIRS),
    *(Query(Kind.ODDS, pair, repeat=repeat) for pair in PAIRS for repeat in range(2)),
    *(Query(Kind.BET, (text,), heads=heads) for text in (NEAR, FAR) for heads in (1, 9)),
]


def believer(**changes: object) -> Believer:
    return Believer(SPACE, OWN, cost=0.25, **changes)  # type: ignore[arg-type]


OVERSEERS: dict[str, Callable[[], Overseer]] = {
    "exact": lambda: believer(exact=True),
    "noisy": believer,
    "swapped": lambda: OrderSwapped(believer(exact=True)),
    "ledger": lambda: Ledger(believer(exact=True)),
    "budgeted": lambda: Budgeted(believer(exact=True), 100),
}


def judged(overseer: Overseer, queries: Sequence[Query]) -> list[Judgement]:
    return asyncio.run(overseer.judge(list(queries)))


@pytest.mark.parametrize("name", OVERSEERS)
def test_every_query_gets_one_judgement_in_order(name: str) -> None:
    overseer = OVERSEERS[name]()
    found = judged(overseer, QUERIES)
    assert [judgement.query.key for judgement in found] == [query.key for query in QUERIES]
    assert all(judgement.cost >= 0 for judgement in found)
    for judgement in found:
        if judgement.query.kind is Kind.ODDS:
            assert judgement.answer.ratio is not None
            assert math.isfinite(judgement.answer.ratio)


@pytest.mark.parametrize("name", OVERSEERS)
def test_the_same_query_is_answered_the_same(name: str) -> None:
    first, second = judged(OVERSEERS[name](), QUERIES), judged(OVERSEERS[name](), QUERIES)
    assert [judgement.answer for judgement in first] == [judgement.answer for judgement in second]


def test_swapping_the_sides_negates_the_log_odds() -> None:
    for pair in PAIRS:
        there, back = judged(believer(exact=True), [Query(Kind.ODDS, pair), Query(Kind.ODDS, pair[::-1])])
        assert there.answer.ratio is not None
        assert back.answer.ratio is not None
        assert math.log(there.answer.ratio) == pytest.approx(-math.log(back.answer.ratio), abs=1e-9)


def test_the_odds_are_those_of_minus_kl() -> None:
    person = believer(exact=True)
    (told,) = judged(person, [Query(Kind.ODDS, (NEAR, FAR))])
    assert told.answer.ratio is not None
    assert math.log(told.answer.ratio) == pytest.approx(person.log_prior(NEAR) - person.log_prior(FAR))
    assert person.log_prior(SPACE.show(OWN)) == pytest.approx(0.0, abs=1e-9)


def test_what_is_no_belief_is_unreadable_and_not_a_tie() -> None:
    (told,) = judged(believer(), [Query(Kind.COMPARE_HYPOTHESES, ("R0 is nice.", NEAR))])
    assert told.answer.outcome is Outcome.UNREADABLE


def test_a_budget_ends_it() -> None:
    with pytest.raises(BudgetSpent):
        judged(Budgeted(believer(), 2), QUERIES)
