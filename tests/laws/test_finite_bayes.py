"""On a finite Z nothing need be taken on trust: all of it is written out here from the formula, and compared.

    log posterior(z) = log P_H(z) + Σ_D log softmax_y( b_y + Σ_s applies_s(x) · w_s · [y = y_s] )

The brute force below reads hypotheses question by question and shares no code with the package but the records.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from imitative.data import Labelled, Table
from imitative.hypotheses.conditions import Relation
from imitative.hypotheses.statements import Hypothesis, Statement, StatementSpace, Strength
from imitative.induction import Induced, induce
from imitative.labelling import transfer
from imitative.likelihood import LITERAL
from imitative.overseers.overseer import Overseer
from imitative.overseers.recorded import Recorded
from imitative.overseers.simulated import Simulated
from imitative.posterior import Posterior
from imitative.prior import StatementPrior, TablePrior
from imitative.problem import Problem
from imitative.problems.finite import FEATURES, SPOKEN, candidates, exact, finite
from imitative.records import Judgement, Kind, Query, Question
from imitative.scoring import Scorer
from imitative.search.exhaustive import Exhaustive
from imitative.search.search import run
from imitative.search.tempering import Tempering
from imitative.settings import Settings
from imitative.traits import Traits
from imitative.waiting import waited

NATS = dict(zip(Strength, (0.25, 0.5, 1.0, 2.0, 4.0), strict=True))
EXACT = Settings(exact=True)


# -- brute force -------------------------------------------------------------------------------------------------------


def reading(x: Question, z: Hypothesis, answers: Sequence[str]) -> dict[str, float]:
    """log P(y | x, z) for every y."""
    logits = {y: NATS[z.default_strength] * (y == z.default) for y in answers}
    for s in z.statements:
        assert all(c.relation is Relation.IS for c in s.conditions)
        if all(x[c.feature] == c.values[0] for c in s.conditions):
            logits[s.answer] += NATS[s.strength]
    total = math.log(sum(math.exp(logit) for logit in logits.values()))
    return {y: logit - total for y, logit in logits.items()}


def log_posterior(
    problem: Problem, every: Sequence[Hypothesis], log_prior: Callable[[Hypothesis], float]
) -> dict[Hypothesis, float]:
    """z → log P(z | D), normalised over `every`."""
    examples = [problem.labelled.example(i) for i in range(len(problem.labelled))]
    seen: dict[tuple[Any, ...], int] = {}
    for example in examples:
        key = (tuple(sorted(example.question.items())), example.answer)
        seen[key] = seen.get(key, 0) + 1
    scores = {}
    for z in every:
        terms = [log_prior(z)]
        terms += [n * reading(dict(x), z, problem.answers)[y] for (x, y), n in seen.items()]
        scores[z] = math.fsum(terms)
    top = max(scores.values())
    total = top + math.log(math.fsum(math.exp(score - top) for score in scores.values()))
    return {z: score - total for z, score in scores.items()}


def labels(problem: Problem, z: Hypothesis) -> list[str]:
    """The likelier answer to every question of D′."""
    found = []
    for i in range(len(problem.unlabelled)):
        log_p = reading(problem.unlabelled.row(i), z, problem.answers)
        found.append(max(problem.answers, key=lambda y: log_p[y]))
    return found


def all_of(space: StatementSpace) -> list[Hypothesis]:
    """Every hypothesis of at most two statements with one condition each: 15,610 over three features of two values."""
    conditions = list(space.conditions())
    kinds = list(product(space.answers, Strength))
    sets: list[tuple[Statement, ...]] = [()]
    sets += [(Statement((c,), *kind),) for c in conditions for kind in kinds]
    sets += [
        (Statement((first,), *one), Statement((second,), *other))
        for first, second in combinations(conditions, 2)
        for one in kinds
        for other in kinds
    ]
    return [Hypothesis(statements, *default) for statements in sets for default in kinds]


# -- induction and transfer, whole -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_posterior_best_and_labels_equal_brute_force(seed: int) -> None:
    loaded = finite(seed)
    problem, overseer = loaded.problem, exact(loaded.problem.space)
    assert problem.candidates is not None
    truth = log_posterior(problem, problem.candidates, overseer.log_prior)

    induced = induce(problem, loaded.build_overseer(seed), seed=seed, budget=loaded.budget, settings=loaded.settings)

    assert {scored.hypothesis for scored in induced.found} == set(truth)
    assert induced.best == max(truth, key=lambda z: truth[z])
    for scored, probability in zip(induced.found, induced.probabilities, strict=True):
        assert probability == pytest.approx(math.exp(truth[scored.hypothesis]), abs=1e-9)
        gap = truth[scored.hypothesis] - truth[induced.best]
        assert scored.score - induced.found[0].score == pytest.approx(gap, abs=1e-9)
    for z in problem.candidates:
        said = overseer.log_prior(z) - overseer.log_prior(problem.candidates[0])
        assert induced.prior.log_prior(z) - induced.prior.log_prior(problem.candidates[0]) == pytest.approx(
            said, abs=1e-9
        )

    transferred = transfer(induced, seed=seed)
    assert [problem.answers[y] for y in transferred.labels] == labels(problem, induced.best)
    np.testing.assert_allclose(transferred.probabilities.sum(axis=1), 1.0, rtol=1e-12)
    assert transferred.audit is not None
    assert transferred.audit.agreement == 1.0


def test_the_ledger_adds_up_to_what_was_asked() -> None:
    loaded = finite(0)
    asked: list[str] = []

    class Counting:
        async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
            asked.extend(query.key for query in queries)
            return await exact(loaded.problem.space).judge(queries)

    induced = solve(loaded.problem, Counting())
    transfer(induced)
    assert induced.ledger.asked_in_all == len(asked) == len(set(asked)) <= loaded.budget


# -- what must not matter ----------------------------------------------------------------------------------------------


def solve(problem: Problem, overseer: Overseer, settings: Settings = EXACT) -> Induced:
    return induce(problem, overseer, budget=150, settings=settings)


def by_text(induced: Induced) -> dict[str, float]:
    show = induced.problem.space.show
    return {show(scored.hypothesis): float(p) for scored, p in zip(induced.found, induced.probabilities, strict=True)}


def spoken_labels(induced: Induced) -> list[str]:
    return [induced.problem.answers[y] for y in transfer(induced).labels]


def reordered_rows(problem: Problem, rng: np.random.Generator) -> Problem:
    return replace(problem, labelled=problem.labelled.take(rng.permutation(len(problem.labelled))))


def reordered_candidates(problem: Problem, rng: np.random.Generator) -> Problem:
    assert problem.candidates is not None
    return replace(problem, candidates=tuple(problem.candidates[i] for i in rng.permutation(len(problem.candidates))))


def reordered_answers(problem: Problem, rng: np.random.Generator) -> Problem:
    names = problem.answers[::-1]
    old, space = problem.labelled, problem.space
    return replace(
        problem,
        labelled=Labelled(old.table, len(names) - 1 - old.answers, names),
        space=StatementSpace(space.features, names, SPOKEN, space.limits),
    )


def reordered_features(problem: Problem, rng: np.random.Generator) -> Problem:
    def turned(table: Table) -> Table:
        return Table(table.features[::-1], table.columns)

    old, space = problem.labelled, problem.space
    return replace(
        problem,
        labelled=Labelled(turned(old.table), old.answers, old.names),
        unlabelled=turned(problem.unlabelled),
        space=StatementSpace(space.features[::-1], space.answers, SPOKEN, space.limits),
    )


@pytest.mark.parametrize("change", [reordered_rows, reordered_candidates, reordered_answers, reordered_features])
def test_order_changes_nothing(change: Callable[[Problem, np.random.Generator], Problem]) -> None:
    problem = finite(3).problem
    other = change(problem, np.random.default_rng(0))
    before, after = solve(problem, exact(problem.space)), solve(other, exact(other.space))
    assert problem.space.show(before.best) == other.space.show(after.best)
    assert by_text(after) == pytest.approx(by_text(before), abs=1e-9)
    assert spoken_labels(after) == spoken_labels(before)


def test_rows_of_d_prime_are_labelled_wherever_they_stand() -> None:
    problem = finite(3).problem
    order = np.random.default_rng(0).permutation(len(problem.unlabelled))
    other = replace(problem, unlabelled=problem.unlabelled.take(order))
    before = spoken_labels(solve(problem, exact(problem.space)))
    assert spoken_labels(solve(other, exact(problem.space))) == [before[i] for i in order]


def test_the_order_in_which_an_overseer_works_changes_nothing() -> None:
    """Even noisily and carelessly: what is said of a query depends on the query and on nothing else."""
    problem = finite(3).problem
    person = Simulated(problem.space, noise=0.5, careless=0.1, seed=7)

    class Backwards:
        async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
            return [(await person.judge([query]))[0] for query in reversed(queries)][::-1]

    settings = Settings()
    before, after = solve(problem, person, settings), solve(problem, Backwards(), settings)
    assert by_text(after) == by_text(before)
    assert before.ledger.judgements == after.ledger.judgements
    assert spoken_labels(after) == spoken_labels(before)


# -- prior and evidence ------------------------------------------------------------------------------------------------

TRUE = "If the plant stands in the sun, the plant will flower (strong evidence)."
BELIEVED = "If the pot is made of clay, the plant will flower (strong evidence)."


def drawn(space: StatementSpace, z: Hypothesis, rows: int) -> Labelled:
    """Examples that z itself would give."""
    rng = np.random.default_rng(rows)
    columns: dict[str, NDArray[np.generic]] = {f.name: rng.integers(2, size=rows, dtype=np.int32) for f in FEATURES}
    table = Table(FEATURES, columns)
    chance = [math.exp(reading(table.row(i), z, space.answers)[space.answers[1]]) for i in range(rows)]
    return Labelled(table, (rng.random(rows) < chance).astype(np.int64), space.answers)


def stubborn(space: StatementSpace) -> Simulated:
    """Sure of what is wrong: pots matter, the sun does not."""
    believes = [space.read_statement(BELIEVED)]
    return Simulated(space, believes, {"place": -6.0}, irrelevant=0.0, exact=True, noise=0.0, ties=0.0)


def test_with_no_evidence_the_prior_decides_and_enough_overrules_it() -> None:
    space = finite(0).problem.space
    every = candidates(space)
    person = stubborn(space)
    z = Hypothesis((space.read_statement(TRUE),), "leaves", Strength.HINT)
    weight = []
    for rows in (0, 10, 100, 1000):
        labelled = drawn(space, z, rows)
        posterior = Posterior(labelled, TablePrior({z: person.log_prior(z) for z in every}), LITERAL)
        found = run(Exhaustive(every, posterior.score), np.random.default_rng(0))
        likeliest = [scored.hypothesis for scored in found]
        if rows == 0:
            assert likeliest == sorted(every, key=person.log_prior, reverse=True)
            assert space.read_statement(BELIEVED) in likeliest[0].statements
        weight.append(posterior.score(z) - max(posterior.score(other) for other in every if not says_sun(other)))
    assert says_sun(likeliest[0])
    assert weight[1:] == sorted(weight[1:])
    assert weight[0] < -5.0
    assert weight[-1] > 5.0


def says_sun(z: Hypothesis) -> bool:
    return any(s.conditions[0].feature == "place" for s in z.statements)


def test_a_wrong_prior_is_overruled_by_asking_and_reading_too() -> None:
    problem = finite(0).problem
    z = Hypothesis((problem.space.read_statement(TRUE),), "leaves", Strength.HINT)
    for rows, found in ((4, False), (1000, True)):
        induced = solve(replace(problem, labelled=drawn(problem.space, z, rows)), stubborn(problem.space))
        assert says_sun(induced.best) is found


def test_an_archive_that_holds_an_exact_person_s_odds_is_as_good_as_the_person() -> None:
    problem = finite(0).problem
    person, show = exact(problem.space), problem.space.show
    assert problem.candidates is not None
    first, *others = problem.candidates
    elsewhere = Hypothesis((problem.space.read_statement(TRUE),), "leaves", Strength.OVERWHELMING)
    assert elsewhere not in problem.candidates  # what was said of other hypotheses tells nothing of these
    queries = [Query(Kind.ODDS, (show(z), show(first))) for z in (*others, elsewhere)]
    archive = Recorded(problem.space, judgements=waited(person.judge(queries)))
    asked, recorded = solve(problem, person), solve(problem, archive)
    assert by_text(recorded) == pytest.approx(by_text(asked), abs=1e-9)
    assert spoken_labels(recorded) == spoken_labels(asked)
    assert recorded.ledger.recorded == len(queries)
    assert max(asked.prior.sd(z) for z in problem.candidates) < 1e-3  # of scores beside the first's


def test_evidence_worth_nothing_leaves_the_prior() -> None:
    problem = finite(0).problem
    person = stubborn(problem.space)
    induced = solve(problem, person, Settings(exact=True, evidence=0.0))
    assert problem.candidates is not None
    assert person.log_prior(induced.best) == pytest.approx(max(map(person.log_prior, problem.candidates)))


# -- tempering against all of Z ----------------------------------------------------------------------------------------


@cache
def tiny(rows: int, sharp: float) -> tuple[Scorer, Mapping[Hypothesis, float]]:
    """The 15,610 hypotheses of the plants' language, a learned prior over them, and the posterior by brute force.

    Args:
        rows: of D.
        sharp: how far M_prior's weights are spread, in their own standard deviations.
    """
    problem = finite(11).problem
    problem = replace(problem, labelled=problem.labelled.take(range(rows)))
    traits = Traits(problem.space, None)
    mean, precision = traits.weights_prior()
    noise = np.random.default_rng(5).standard_normal(traits.size)
    prior = StatementPrior(traits, mean + sharp * noise / np.sqrt(precision))
    posterior = Posterior(problem.labelled, prior, LITERAL)
    scorer = Scorer(posterior, [(condition,) for condition in problem.space.conditions()])
    return scorer, log_posterior(problem, all_of(problem.space), prior.log_prior)


def test_tempering_reaches_every_hypothesis_and_scores_it_right() -> None:
    scorer, truth = tiny(20, 1.0)
    rng = np.random.default_rng(0)
    some = [list(truth)[i] for i in rng.permutation(len(truth))[:300]]
    gaps = []
    for z in some:
        slots = scorer.encode(z, 2)
        assert slots is not None
        assert scorer.decode(slots) == z
        gaps.append(scorer.log_prior(slots) + scorer.log_likelihood(scorer.logits(slots)) - truth[z])
    np.testing.assert_allclose(gaps, gaps[0], atol=1e-9)


@pytest.mark.parametrize(("seeds", "misses"), [(15, 0), pytest.param(100, 1, marks=pytest.mark.slow)])
def test_tempering_finds_the_best_of_all(seeds: int, misses: int) -> None:
    scorer, truth = tiny(20, 1.0)
    best = max(truth, key=lambda z: truth[z])
    search = Tempering(scorer, 2, 320)  # as many draws as induction's last round takes
    found = [run(search, np.random.default_rng(seed))[0].hypothesis == best for seed in range(seeds)]
    assert seeds - sum(found) <= misses


def test_tempering_visits_hypotheses_as_often_as_the_posterior_says() -> None:
    scorer, truth = tiny(12, 2.0)
    search, rng = Tempering(scorer, 2, 9_000, first=500, temperatures=(1.0, 2.5)), np.random.default_rng(2)
    state = search.init(rng)
    while not search.done(state):
        state, _ = search.step(state, rng)
    visits = sum(state.visits.values())
    exact_share = {z: math.exp(log_p) for z, log_p in truth.items()}
    distance = 0.5 * sum(abs(state.visits.get(z, 0) / visits - p) for z, p in exact_share.items())
    # What as many independent draws would show, on average: E|p̂ − p| ≈ √(2p/πn), at most 2p.
    independent = 0.5 * sum(min(math.sqrt(2.0 * p / (math.pi * visits)), 2.0 * p) for p in exact_share.values())
    assert distance < 2.0 * independent

    for share in (size_share, answer_share):
        expected: dict[object, float] = {}
        counted: dict[object, float] = {}
        for z, p in exact_share.items():
            expected[share(z)] = expected.get(share(z), 0.0) + p
        for z, n in state.visits.items():
            counted[share(z)] = counted.get(share(z), 0.0) + n / visits
        assert counted == pytest.approx(expected, abs=0.03)


def size_share(z: Hypothesis) -> object:
    return len(z.statements)


def answer_share(z: Hypothesis) -> object:
    return z.default, any(s.answer == z.default for s in z.statements)
