"""log posterior(z) = log prior(z) + Σ_D log P(y | x, z), read straight from its definition."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitative.data import Feature, FeatureKind, Labelled, Table
from imitative.hypotheses.statements import Edit, Hypothesis, Statement, StatementSpace, Strength
from imitative.likelihood import LITERAL, Reading
from imitative.posterior import Posterior
from imitative.prior import StatementPrior, TablePrior
from imitative.testing import hypotheses, labelled, random_prior, spaces
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


KINDS = [FeatureKind.TEXT, FeatureKind.TEXT, FeatureKind.CATEGORICAL, FeatureKind.NUMERIC]


@few
@given(st.data(), st.sampled_from([0.0, 0.7]), st.sampled_from([0, 5]), st.sampled_from([1.0, 1.4]))
def test_the_score_of_an_edit_is_the_score_of_what_it_makes(
    data: st.DataObject, caution: float, draws: int, sharpness: float
) -> None:
    space = data.draw(spaces(KINDS))
    known, z = data.draw(labelled(space)), data.draw(hypotheses(space))
    prior = random_prior(space, data.draw(st.integers(0, 99)), draws)
    posterior = Posterior(known, prior, Reading(sharpness), caution, 0.4)
    cut = data.draw(st.integers(0, len(z.statements)))
    said = Edit(Hypothesis(z.statements[:cut], z.default, z.default_strength), z.statements[cut:], "say the rest")
    edits = data.draw(st.permutations([*list(space.refinements(z))[:60], said]))
    assert said.hypothesis == z
    expected = [posterior.score(edit.hypothesis) for edit in edits]
    np.testing.assert_allclose(posterior.scores(edits), expected, atol=1e-9)
    assert posterior.scores([]).shape == (0,)


TITLE, STORY = (Feature(name, FeatureKind.TEXT, f"the {name}") for name in ("title", "story"))
WORDS = ("bad", "dull", "fun", "good", "odd")
STORIES = StatementSpace([TITLE, STORY], ("p", "e"), SPACE.spoken, words={"title": WORDS[:2], "story": WORDS})
TOLD = STORIES.read("""
    If the story mentions “fun” or “good” and the title mentions “bad”, it is p (a hint).
    If the story mentions “bad”, it is e (a hint).
    If the story mentions “dull” or “good”, it is e (slight evidence).
    If the story mentions “dull” or “odd”, it is e (strong evidence).
    By default, it is p (a hint).
""")


def reviews() -> Posterior:
    table = Table.of([TITLE, STORY], [{"title": "bad", "story": "good fun"}, {"title": "dull", "story": "dull, bad"}])
    return Posterior(Labelled(table, np.array([0, 1]), STORIES.answers), random_prior(STORIES, 0), LITERAL, 0.5)


def test_what_is_new_may_claim_again_what_is_kept_or_new() -> None:
    posterior, edits = reviews(), list(STORIES.refinements(TOLD))
    traits = Traits(STORIES, None)
    among_new = [sum(traits.again(s, edit.new[:i]) for i, s in enumerate(edit.new)) for edit in edits]
    of_kept = [sum(traits.again(s, edit.kept.statements) for s in edit.new) for edit in edits]
    assert max(among_new) > 0.0
    assert max(of_kept) > 0.0
    expected = [posterior.score(edit.hypothesis) for edit in edits]
    np.testing.assert_allclose(posterior.scores(edits), expected, atol=1e-9)


def test_an_edit_rereads_nothing_of_what_it_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    posterior, edits = reviews(), list(STORIES.refinements(TOLD))
    read, whole, plain = list[Statement](), list[Hypothesis](), (Reading.statement, Traits.hypothesis)

    def statement(self: Reading, statement: Statement, table: Table) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        read.append(statement)
        return plain[0](self, statement, table)

    def hypothesis(self: Traits, z: Hypothesis) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        whole.append(z)
        return plain[1](self, z)

    monkeypatch.setattr(Reading, "statement", statement)
    monkeypatch.setattr(Traits, "hypothesis", hypothesis)
    posterior.scores(edits)
    kept = list(dict.fromkeys(edit.kept for edit in edits))
    assert len(edits) > 2 * len(kept)
    assert whole == kept
    assert Counter(read) == Counter(
        s for said in (*(z.statements for z in kept), *(e.new for e in edits)) for s in said
    )


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
