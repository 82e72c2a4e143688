"""A compound is what its words say, and what no statement is worth by itself is at stake as part of one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitative.data import Feature, FeatureKind, Labelled, Table
from imitative.elicitation import stakes
from imitative.elicitation.compounds import BEGUN, MUCH, REPAIRS, Compounds
from imitative.elicitation.stakes import CURIOSITY, Beside, Own
from imitative.hypotheses.statements import Hypothesis, Limits, Statement, StatementSpace
from imitative.likelihood import LITERAL
from imitative.pool import build_pool
from imitative.posterior import Posterior
from imitative.prior import StatementPrior
from imitative.records import Question
from imitative.scoring import Scorer
from imitative.traits import Traits
from tests.places import ELSEWHERE, SPACE, Case, expected_cost


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.booleans())
def test_a_compound_stays_in_z_labels_much_otherwise_and_its_stake_is_what_less_variance_saves(
    seed: int, conjunctions: bool
) -> None:
    case = Case.drawn(seed, conjunctions)
    found = Compounds.of(case.beside(), case.posterior, ELSEWHERE, case.scorer, SPACE)
    edits = {edit.hypothesis for edit in SPACE.refinements(case.z)}
    assert len(set(found.reached)) == len(found.reached) <= 2 * BEGUN
    assert list(found.stakes.about) == found.reached
    for z, traits, worth in zip(found.reached, found.stakes.traits, found.stakes.worth, strict=True):
        assert z in SPACE
        assert case.told_apart(z, case.z) >= MUCH
        begun = [edit for edit in edits if set(edit.statements) <= set(z.statements) and edit.default == z.default]
        added = len(set(z.statements) - set(case.z.statements))
        assert begun or added <= 1 + REPAIRS
        prior = case.prior.traits
        np.testing.assert_allclose(traits, prior.hypothesis(z) - prior.hypothesis(case.z), atol=1e-9)
        gain, sd = case.score(z) - case.score(case.z), case.adds(z, case.z)
        step = 1e-3 * sd**2
        saved = (expected_cost(gain, sd**2 + step) - expected_cost(gain, sd**2 - step)) / (2 * step)
        assert worth == pytest.approx(saved * (case.told_apart(z, case.z) + CURIOSITY), rel=1e-2, abs=1e-12)
    assert {s for z in found.reached for s in z.statements} - set(case.z.statements) == set(found.said)
    assert [pair.second for pair in found.pairs] == found.reached


SMELL = Feature("smell", FeatureKind.CATEGORICAL, "the smell", values=("none", "foul", "sweet"))
SPORES = Feature("spores", FeatureKind.CATEGORICAL, "the colour of the spores", values=("green", "white", "brown"))
MEADOW = StatementSpace([SMELL, SPORES], ("p", "e"), {"p": "it is poisonous", "e": "it is edible"}, Limits(6, 1, 3))


def met(smell: str, spores: str, times: int) -> list[Question]:
    return [{"smell": smell, "spores": spores}] * times


def test_that_no_smell_is_harmless_needs_that_green_spores_are_not() -> None:
    """In D all that smells of nothing is poisonous, and has green spores; in D′ most has not."""
    rows = [*met("none", "green", 20), *met("foul", "white", 10), *met("sweet", "white", 10)]
    known = Labelled(Table.of(MEADOW.features, rows), np.array([0] * 30 + [1] * 10), MEADOW.answers)
    elsewhere = Table.of(
        MEADOW.features, [*met("none", "white", 5), *met("none", "green", 1), *met("foul", "brown", 4)]
    )
    z = MEADOW.read("If the smell is sweet, it is edible (overwhelming evidence).\n"
                    "By default, it is poisonous (slight evidence).")  # fmt: skip
    prior = StatementPrior.unasked(Traits(MEADOW, None))
    posterior = Posterior(known, prior, LITERAL, evidence=0.3)
    scorer = Scorer(posterior, build_pool(MEADOW, posterior, elsewhere, [z]))
    beside, own = Beside.of(z, posterior, elsewhere, scorer), Own.of(z, posterior, elsewhere)
    found = Compounds.of(beside, posterior, elsewhere, scorer, MEADOW)

    def labels(one: Hypothesis, table: Table) -> list[int]:
        answers: list[int] = LITERAL.log_probabilities(table, one, MEADOW.answers).argmax(axis=1).tolist()
        return answers

    def explains(one: Hypothesis) -> bool:
        return labels(one, known.table) == known.answers.tolist() and labels(one, elsewhere)[:6] == [1] * 5 + [0]

    both = [i for i, other in enumerate(found.reached) if explains(other)]
    assert both
    singly = stakes.at_stake(beside, own, prior, scorer, 1000)
    said = {(s.conditions, s.answer) for i in both for s in found.reached[i].statements if s not in z.statements}
    each = zip(singly.about, singly.worth, strict=True)
    alone = [worth for s, worth in each if isinstance(s, Statement) and (s.conditions, s.answer) in said]
    assert max(found.stakes.worth[both]) > max(alone, default=0.0)


def test_where_nothing_can_be_said_there_is_no_compound() -> None:
    case = Case.drawn(0)
    nothing = Scorer(case.posterior, [])
    found = Compounds.of(
        Beside.of(case.z, case.posterior, ELSEWHERE, nothing), case.posterior, ELSEWHERE, nothing, SPACE
    )
    assert (found.reached, found.said, found.pairs) == ([], [], [])
    assert len(found.stakes.worth) == 0
