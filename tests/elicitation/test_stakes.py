"""What hangs on a doubt is what deciding without an answer would cost, and a round leaves less of it than chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitative.config import load_problem
from imitative.elicitation import stakes
from imitative.elicitation.agenda import Agenda, Known
from imitative.elicitation.comparisons import ANSWER_VARIANCE
from imitative.elicitation.pairs import silent
from imitative.elicitation.stakes import CURIOSITY, Beside, Own
from imitative.hypotheses.statements import Hypothesis, Statement
from imitative.likelihood import LITERAL
from imitative.posterior import Posterior
from imitative.prior import StatementPrior
from imitative.records import Kind, Query
from imitative.scoring import Scorer
from imitative.search.statements import find_statements
from imitative.settings import Settings
from imitative.testing import random_prior
from imitative.traits import Traits
from imitative.waiting import waited
from tests.places import ELSEWHERE, SPACE, Case, D, expected_cost

few = settings(max_examples=25)


def said(found: stakes.Stakes) -> list[Statement]:
    """The statements that something hangs on."""
    return [each for each in found.about if isinstance(each, Statement)]


@few
@given(st.integers(0, 10_000), st.booleans())
def test_what_a_statement_would_do_beside_z_is_what_it_does(seed: int, conjunctions: bool) -> None:
    case = Case.drawn(seed, conjunctions)
    beside, stated = case.beside(), {s.conditions for s in case.z.statements}
    for option in range(case.scorer.options):
        statement = case.scorer.statement(option)
        if statement.conditions in stated:
            continue
        both = Hypothesis((*case.z.statements, statement), case.z.default)
        assert beside.gain[option] == pytest.approx(case.score(both) - case.score(case.z), abs=1e-4)
        assert beside.sd[option] == pytest.approx(case.adds(both, case.z), abs=1e-3)
        assert beside.relabelled[option] == pytest.approx(case.told_apart(both, case.z), abs=1e-6)


@few
@given(st.integers(0, 10_000), st.booleans())
def test_a_stake_is_what_less_variance_saves(seed: int, conjunctions: bool) -> None:
    case = Case.drawn(seed, conjunctions)
    beside = case.beside()
    found = stakes.at_stake(beside, case.own(), case.prior, case.scorer, 5)
    own = len(case.z.statements)
    assert len(said(found)) == len(found.worth) == 5 + own
    assert len({statement.conditions for statement in said(found)[:5]}) == 5
    assert set(said(found)[5:]) == set(case.z.statements)
    options = {case.scorer.statement(option): option for option in range(case.scorer.options)}
    for place, (statement, worth) in enumerate(zip(said(found), found.worth, strict=True)):
        if place < 5:
            option = options[statement]
            gain, sd, share = (float(a[option]) for a in (beside.gain, beside.sd, beside.relabelled))
            if statement.conditions not in {own.conditions for own in case.z.statements}:
                more = Hypothesis((*case.z.statements, statement), case.z.default)
                difference = case.prior.traits.hypothesis(more) - case.prior.traits.hypothesis(case.z)
                np.testing.assert_allclose(found.traits[place], difference, atol=1e-9)
        else:
            less = case.z.without(statement)
            gain, sd = case.score(case.z) - case.score(less), case.adds(case.z, less)
            share = case.told_apart(case.z, less)
            difference = case.prior.traits.hypothesis(case.z) - case.prior.traits.hypothesis(less)
            np.testing.assert_allclose(found.traits[place], difference, atol=1e-9)
        step = 1e-3 * sd**2
        saved = (expected_cost(gain, sd**2 + step) - expected_cost(gain, sd**2 - step)) / (2 * step)
        assert worth == pytest.approx(saved * (share + CURIOSITY), rel=1e-2, abs=1e-12)


@few
@given(st.integers(0, 99))
def test_what_is_promising_explains_d_by_itself(seed: int) -> None:
    case = Case.drawn(seed)
    found = stakes.promising(case.scorer, case.prior, 5)
    assert len({statement.conditions for statement in said(found)}) == len(said(found)) > 0
    assert found.worth.tolist() == sorted(found.worth.tolist(), reverse=True)
    nothing = -len(D) * np.log(len(SPACE.answers))  # what is explained by a z that is even about every answer
    for statement, nats in zip(said(found), found.worth, strict=True):
        logits = np.zeros((len(D), len(SPACE.answers)))
        held = LITERAL.conditions(statement.conditions, D.table)
        logits[:, SPACE.answers.index(statement.answer)] += held * statement.strength.nats
        at_answer = logits[np.arange(len(D)), D.answers] - np.logaddexp.reduce(logits, axis=1)
        assert nats == pytest.approx(case.posterior.evidence * at_answer.sum() - nothing, abs=1e-4)


@few
@given(st.integers(0, 99))
def test_what_is_hopeful_is_new_and_one_for_each_condition(seed: int) -> None:
    case = Case.drawn(seed)
    hopefuls = stakes.hopeful(case.beside(), case.scorer, 3)
    conditions = [statement.conditions for statement in hopefuls]
    assert len(set(conditions)) == len(conditions) == 3
    assert not set(conditions) & {statement.conditions for statement in case.z.statements}


def test_where_nothing_can_be_said_nothing_is_at_stake() -> None:
    prior = random_prior(SPACE, 0)
    posterior = Posterior(D, prior, LITERAL)
    scorer = Scorer(posterior, [])
    beside = Beside.of(silent("e"), posterior, ELSEWHERE, scorer)
    assert stakes.hopeful(beside, scorer, 5) == []
    assert stakes.promising(scorer, prior, 5).about == []
    assert stakes.at_stake(beside, Own.of(silent("e"), posterior, ELSEWHERE), prior, scorer, 5).about == []


@few
@given(st.integers(0, 10_000))
def test_undecided_is_how_often_two_draws_label_a_question_differently(seed: int) -> None:
    case = Case.drawn(seed)
    everything = [*stakes.doubting(case.z, SPACE.answers), case.z, silent("e"), silent("p")]
    scores, chosen = [case.score(z) for z in everything], []
    for draw in range(len(case.prior.draws)):
        total = [score + case.prior.deviations(z)[draw] for score, z in zip(scores, everything, strict=True)]
        chosen.append(everything[int(np.argmax(total))])
    apart = float(np.mean([case.told_apart(a, b) for a in chosen for b in chosen]))
    assert stakes.undecided(everything, case.posterior, ELSEWHERE) == pytest.approx(apart)
    certain = StatementPrior(case.prior.traits, case.prior.weights, case.prior.draws[:1])
    assert stakes.undecided(everything, Posterior(D, certain, LITERAL), ELSEWHERE) == 0.0


# -- whole rounds ------------------------------------------------------------------------------------------------------


def left(found: stakes.Stakes, prior: StatementPrior, asked: list[Query]) -> float:
    """Σ q · Var of what is at stake when these have been answered, by the textbook's conditional covariance."""
    traits = prior.traits
    sides = [q.hypotheses for q in asked if q.kind in (Kind.ODDS, Kind.COMPARE_HYPOTHESES)]
    heard = np.array([traits.text(first) - traits.text(second) for first, second in sides])
    wanted = found.traits
    joint = prior.covariance(np.vstack([wanted, heard]))
    across, within = joint[: len(wanted), len(wanted) :], joint[len(wanted) :, len(wanted) :]
    told = np.linalg.solve(within + ANSWER_VARIANCE * np.eye(len(heard)), across.T)
    return float(found.worth @ (np.diagonal(joint)[: len(wanted)] - (across * told.T).sum(axis=1)))


@pytest.mark.parametrize("later", [False, True], ids=["the first round", "a later round"])
def test_a_round_leaves_less_at_stake_than_one_drawn_at_random(later: bool) -> None:
    loaded = load_problem("huskies")
    problem, evidence = loaded.problem, loaded.settings.evidence
    pool = [(condition,) for condition in problem.space.conditions()]

    def scorer_of(prior: StatementPrior) -> Scorer:
        return Scorer(Posterior(problem.labelled, prior, LITERAL, evidence=evidence), pool)

    def planned(active: bool, known: Known, seed: int) -> list[Query]:
        how = Settings(active=active, evidence=evidence)
        agenda = Agenda(problem, problem.labelled, evidence, how, 225, 0)
        return agenda.plan(known, 225, False, np.random.default_rng(seed)).queries

    traits = Traits(problem.space, None)
    known = Known(StatementPrior.unasked(traits), LITERAL, (), ())
    scorer = scorer_of(known.prior)
    found = stakes.promising(scorer, known.prior, 100)
    if later:
        said = tuple(waited(loaded.build_overseer(0).judge(planned(True, known, 0))))
        prior = StatementPrior.fit(traits, said)
        posterior = Posterior(problem.labelled, prior, LITERAL, 0.5, evidence)
        rng = np.random.default_rng(0)
        best = find_statements(posterior, problem.space, problem.unlabelled, (), 40, rng)
        known = Known(prior, LITERAL, best, said)
        beside = Beside.of(best[0].hypothesis, posterior, problem.unlabelled, scorer_of(prior))
        own = Own.of(best[0].hypothesis, posterior, problem.unlabelled)
        found = stakes.at_stake(beside, own, prior, scorer_of(prior), 100)

    def doubt(active: bool, seed: int) -> float:
        return left(found, known.prior, planned(active, known, seed))

    assert max(doubt(True, seed) for seed in range(3)) < min(doubt(False, seed) for seed in range(3))
