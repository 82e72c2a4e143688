"""What search adds and takes away is what a recomputation from nothing says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from imitative.data import Feature, FeatureKind, Labelled, Table
from imitative.hypotheses.conditions import Condition, Relation, overlap, repeatable, repeated
from imitative.hypotheses.statements import Hypothesis, StatementSpace
from imitative.likelihood import Reading
from imitative.posterior import Posterior
from imitative.prior import StatementPrior
from imitative.scoring import EMPTY, Scorer, Slots
from imitative.testing import hypotheses, labelled, random_prior, spaces, statements
from imitative.traits import STRENGTHS

few = settings(max_examples=20)
CLOSE = 2e-3  # float32 sums over a dozen rows of gains of at most a dozen nats


@st.composite
def compiled(draw: st.DrawFn) -> tuple[Posterior, Scorer, Hypothesis, int]:
    """A posterior, its compiled form over a pool that can say z, z, and how many slots it has."""
    space = draw(spaces(most=2))
    z = draw(hypotheses(space))
    extra = draw(st.lists(statements(space), max_size=5))
    pool = list(dict.fromkeys(s.conditions for s in (*z.statements, *extra)))
    assume(pool)
    caution, evidence = draw(st.sampled_from([0.0, 0.7])), draw(st.sampled_from([1.0, 0.4]))
    covers = {(f.name, f.values[0]): frozenset(f.values[-1:]) for f in space.features if f.discrete}
    reading = draw(st.sampled_from([Reading(), Reading(1.4, covers)]))
    prior = random_prior(space, draw(st.integers(0, 99)), draw(st.sampled_from([0, 5])))
    posterior = Posterior(draw(labelled(space)), prior, reading, caution, evidence)
    return posterior, Scorer(posterior, pool), z, space.limits.statements


@few
@given(compiled())
def test_encoding_is_undone_by_decoding(drawn: tuple[Posterior, Scorer, Hypothesis, int]) -> None:
    _, scorer, z, size = drawn
    slots = scorer.encode(z, size)
    assert slots is not None
    assert scorer.decode(slots) == z
    assert scorer.encode(z, len(z.statements) - 1) is None
    for option in range(0, scorer.options, 7):
        k, a, w = scorer.split(option)
        statement = scorer.statement(option)
        assert statement.conditions == scorer.pool[k]
        assert scorer.find(statement.conditions) == k
        assert (statement.answer, statement.strength) == (scorer.answers[a], STRENGTHS[w])


@few
@given(compiled())
def test_the_compiled_score_is_the_score(drawn: tuple[Posterior, Scorer, Hypothesis, int]) -> None:
    posterior, scorer, z, size = drawn
    slots = scorer.encode(z, size)
    assert slots is not None
    assert scorer.log_prior(slots) == pytest.approx(posterior.log_prior(z), abs=CLOSE)
    logits = scorer.logits(slots)
    expected = posterior.likelihood.log_probabilities(posterior.labelled.table, z, scorer.answers)
    np.testing.assert_allclose(logits - np.logaddexp.reduce(logits, axis=0), expected.T, atol=1e-6)
    assert scorer.log_likelihood(logits) == pytest.approx(posterior.log_likelihood(z), abs=1e-6)


@few
@given(compiled())
def test_filling_a_slot_changes_the_score_as_a_recomputation_says(
    drawn: tuple[Posterior, Scorer, Hypothesis, int],
) -> None:
    posterior, scorer, z, size = drawn
    slots = scorer.encode(z, size + 1)
    assert slots is not None
    at = int(np.flatnonzero(slots.options == EMPTY)[0])
    taken = {k for option in slots.options if option != EMPTY for k in scorer.conflicts(int(option))}
    [likelihood] = scorer.likelihood_of_all([scorer.logits(slots)])
    prior = scorer.prior_of_all(slots)
    for option in range(scorer.options):
        if scorer.split(option)[0] in taken:
            continue
        filled = slots.options.copy()
        filled[at] = option
        bigger = scorer.decode(Slots(filled, slots.default))
        change = posterior.log_likelihood(bigger) - posterior.log_likelihood(z)
        assert likelihood[option] == pytest.approx(change, abs=CLOSE)
        change = posterior.log_prior(bigger) - posterior.log_prior(z)
        assert prior[option] == pytest.approx(change, abs=CLOSE)


@few
@given(compiled())
def test_several_slots_are_scored_at_once_as_each_alone(drawn: tuple[Posterior, Scorer, Hypothesis, int]) -> None:
    _, scorer, z, size = drawn
    slots = scorer.encode(z, size)
    assert slots is not None
    rest = [scorer.logits(slots), np.zeros((len(scorer.answers), len(scorer.y)))]
    both = scorer.likelihood_of_all(rest)
    for found, logits in zip(both, rest, strict=True):
        np.testing.assert_allclose(found, scorer.likelihood_of_all([logits])[0], atol=1e-4)


@few
@given(compiled())
def test_changing_the_default_changes_the_score_as_a_recomputation_says(
    drawn: tuple[Posterior, Scorer, Hypothesis, int],
) -> None:
    posterior, scorer, z, size = drawn
    slots = scorer.encode(z, size)
    assert slots is not None
    rest = scorer.logits(slots) - scorer.logits(Slots(np.full(size, EMPTY), slots.default))
    likelihood, prior = scorer.likelihood_of_defaults(rest), scorer.prior_of_defaults(slots)
    others = [scorer.decode(Slots(slots.options, option)) for option in range(len(prior))]
    assert likelihood.tolist() == pytest.approx([posterior.log_likelihood(other) for other in others], abs=1e-6)
    expected = np.array([posterior.log_prior(other) for other in others])
    np.testing.assert_allclose(prior - prior[0], expected - expected[0], atol=CLOSE)


@few
@given(compiled())
def test_conflicts_are_overlaps_and_mutual(drawn: tuple[Posterior, Scorer, Hypothesis, int]) -> None:
    posterior, scorer, _, _ = drawn
    features = {feature.name: feature for feature in posterior.labelled.table.features}
    per_condition = scorer.options // len(scorer.pool)
    rivals = [set(scorer.conflicts(k * per_condition)) for k in range(len(scorer.pool))]
    for i, mine in enumerate(scorer.pool):
        assert scorer.conflicts(i * per_condition)[0] == i
        for j, other in enumerate(scorer.pool):
            assert (j in rivals[i]) == overlap(mine, other, features) == (i in rivals[j])


@few
@given(compiled())
def test_what_can_be_said_twice_is_what_the_conditions_repeat(drawn: tuple[Posterior, Scorer, Hypothesis, int]) -> None:
    posterior, scorer, _, _ = drawn
    assert isinstance(posterior.prior, StatementPrior)
    said = posterior.prior.traits.said
    for k, mine in enumerate(scorer.pool):
        others, counts = scorer.repeating(k)
        apart = {j: other for j, other in enumerate(scorer.pool) if repeatable(mine) or repeatable(other)}
        joined = {j: repeated(mine, other, said) for j, other in apart.items()}
        assert dict(zip(others.tolist(), counts.tolist(), strict=True)) == {
            j: count for j, count in joined.items() if count and j != k
        }


def test_a_pool_of_nothing_has_no_options() -> None:
    height = Feature("height", FeatureKind.NUMERIC, "the height")
    space = StatementSpace([height], ("p", "e"), {"p": "it is p", "e": "it is e"})
    known = Labelled(Table.of([height], [{"height": None}]), np.array([0]), space.answers)
    scorer = Scorer(Posterior(known, random_prior(space, 0), Reading()), [])
    assert scorer.options == 0
    assert scorer.encode(Hypothesis((), "p"), 2) is not None
    tall = Condition("height", Relation.AT_LEAST, threshold=1.0)
    assert scorer.find((tall,)) is None
