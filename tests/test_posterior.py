"""log posterior(z) = log prior(z) + Σ_D log P(y | x, z), read straight from its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitative.data import Feature, FeatureKind, Labelled, Table
from imitative.hypotheses.statements import Hypothesis, StatementSpace, Strength
from imitative.likelihood import LITERAL, Reading
from imitative.posterior import Posterior
from imitative.prior import StatementPrior, TablePrior
from imitative.testing import hypotheses, labelled, spaces
from imitative.traits import Traits

few = settings(max_examples=30)
COIN = Feature("coin", FeatureKind.BOOLEAN, "the coin", values=("heads", "tails"))
SPACE = StatementSpace([COIN], ("p", "e"), {"p": "it is p", "e": "it is e"})


@few
@given(st.data(), st.floats(0.0, 2.0), st.floats(0.1, 1.0))
def test_the_score_is_the_sum_of_its_terms(data: st.DataObject, caution: float, evidence: float) -> None:
    space = data.draw(spaces())
    known, z = data.draw(labelled(space)), data.draw(hypotheses(space))
    prior, reading = StatementPrior.unasked(Traits(space, None)), Reading(1.3)
    posterior = Posterior(known, prior, reading, caution, evidence)
    log_p = reading.log_probabilities(known.table, z, known.names)
    likelihood = evidence * sum(log_p[i, y] for i, y in enumerate(known.answers))
    assert posterior.log_likelihood(z) == pytest.approx(likelihood)
    assert posterior.log_prior(z) == pytest.approx(prior.log_prior(z) - caution * prior.sd(z))
    assert posterior.score(z) == pytest.approx(posterior.log_prior(z) + likelihood)


@few
@given(st.data())
def test_the_order_of_rows_and_of_answers_changes_nothing(data: st.DataObject) -> None:
    space = data.draw(spaces())
    known, z = data.draw(labelled(space)), data.draw(hypotheses(space))
    prior = TablePrior({z: 0.0})
    expected = Posterior(known, prior, LITERAL).score(z)
    shuffled = known.take(data.draw(st.permutations(range(len(known)))))
    assert Posterior(shuffled, prior, LITERAL).score(z) == pytest.approx(expected)
    names = tuple(data.draw(st.permutations(known.names)))
    renamed = Labelled(known.table, np.array([names.index(known.names[y]) for y in known.answers]), names)
    assert Posterior(renamed, prior, LITERAL).score(z) == pytest.approx(expected)


def examples(count: int) -> Labelled:
    """So many coins, each of which lay as `p` says it would: heads."""
    table = Table.of(SPACE.features, [{"coin": "heads"}] * count)
    return Labelled(table, np.zeros(count, dtype=np.int64), SPACE.answers)


def test_more_evidence_overrules_a_wrong_prior_and_with_none_the_prior_decides() -> None:
    right = SPACE.read("If the coin is heads, it is p (strong evidence).\nBy default, it is e (a hint).")
    wrong = SPACE.read("If the coin is heads, it is e (strong evidence).\nBy default, it is e (a hint).")
    prior = TablePrior({right: -20.0, wrong: 0.0})
    margins = []
    for count in (0, 1, 3, 10, 100):
        posterior = Posterior(examples(count), prior, LITERAL)
        margins.append(posterior.score(right) - posterior.score(wrong))
    assert margins[0] == -20.0
    assert margins == sorted(margins)
    assert margins[-1] > 0


def test_caution_prices_doubt() -> None:
    sure, unsure = Hypothesis((), "p", Strength.HINT), Hypothesis((), "p", Strength.SLIGHT)
    prior = TablePrior({sure: 0.0, unsure: 0.5}, {unsure: 2.0})
    bold, careful = (Posterior(examples(0), prior, LITERAL, caution) for caution in (0.0, 1.0))
    assert bold.score(unsure) > bold.score(sure)
    assert careful.score(unsure) < careful.score(sure)
    assert careful.score(sure) == bold.score(sure)
