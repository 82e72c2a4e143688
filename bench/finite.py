"""Finite problems: tempering against the whole list, and Steps 1–4 against Bayes' rule written out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from math import exp, log

import numpy as np

from bench.figure import Bench, Row, at_least
from bench.runs import built_in
from imitative.hypotheses.statements import Hypothesis, Statement, StatementSpace, Strength
from imitative.induction import induce
from imitative.overseers.simulated import Simulated
from imitative.posterior import Posterior
from imitative.problem import Problem
from imitative.problems.finite import finite as plants
from imitative.records import Question
from imitative.scoring import Scorer
from imitative.search.search import run
from imitative.search.tempering import Tempering

PROBLEMS, SEARCHES = 10, 10
STEPS = 500
SEEDS = range(20)
TOLERANCE = 1e-9


def finite(bench: Bench) -> Iterator[Row]:
    """Both figures."""
    yield tempering(bench)
    yield from brute_force(bench)


# -- tempering -------------------------------------------------------------------------------------------------------


def tempering(bench: Bench) -> Row:
    """How often tempering finds the best of every hypothesis that the problem's grammar allows, not of its short list.

    M_prior is what an exact overseer's judgements make of it, and scores are the plain posterior's.
    """
    found, gaps = 0, []
    for seed in range(PROBLEMS):
        posterior, space = _open(bench, seed)
        best = max(map(posterior.score, every(space)))
        scorer = Scorer(posterior, [(condition,) for condition in space.conditions()])
        for search in range(SEARCHES):
            rng = np.random.default_rng([seed, search])
            reached = posterior.score(run(Tempering(scorer, space.limits.statements, STEPS), rng)[0].hypothesis)
            gaps.append(best - reached)
            found += gaps[-1] < 1e-6  # the search's own scores are kept in single precision
        bench.say(f"plants {seed}: {found} found of {len(gaps)}")
    size = sum(1 for _ in every(plants(0).problem.space))
    detail = {
        "hypotheses": size,
        "steps": STEPS,
        "problems": PROBLEMS,
        "searches of each": SEARCHES,
        "worst gap": max(gaps),
    }
    return at_least("finite: tempering finds the exhaustive z*, of 100", float(found), 99, detail)


def _open(bench: Bench, seed: int) -> tuple[Posterior, StatementSpace]:
    """The posterior over the whole grammar after a few judgements: the built-in problem without its short list."""
    loaded = plants(seed)
    problem = replace(loaded.problem, candidates=None)
    settings = replace(loaded.settings, rounds=1, steps=20, caution=0.0, exact=False)
    induced = induce(problem, loaded.build_overseer(seed), seed=seed, budget=60, encode=bench.encode, settings=settings)
    return induced.posterior, problem.space


def every(space: StatementSpace) -> Iterator[Hypothesis]:
    """Every member of a small space that single conditions without `is one of` can say."""
    statements = [
        Statement((condition,), answer, strength)
        for condition in space.conditions()
        for answer in space.answers
        for strength in Strength
    ]
    for size in range(space.limits.statements + 1):
        for chosen in combinations(statements, size):
            if len({statement.conditions for statement in chosen}) == size:
                for answer in space.answers:
                    for strength in Strength:
                        yield Hypothesis(chosen, answer, strength)


# -- Bayes' rule, written out ----------------------------------------------------------------------------------------


def brute_force(bench: Bench) -> Iterator[Row]:
    """Posterior, z* and labels of the built-in problem against sums and products in plain Python."""
    errors, same_best, same_labels = [], 0, 0
    for seed in SEEDS:
        finished = built_in(bench, "finite", seed)
        problem, overseer = finished.loaded.problem, finished.loaded.build_overseer(seed)
        assert isinstance(overseer, Simulated)
        assert problem.candidates is not None
        posterior = bayes(problem, problem.candidates, [overseer.log_prior(z) for z in problem.candidates])
        induced = finished.induced
        ours = {s.hypothesis: float(p) for s, p in zip(induced.found, induced.probabilities, strict=True)}
        errors.append(max(abs(posterior[z] - ours.get(z, 0.0)) for z in problem.candidates))
        best = max(posterior, key=lambda z: posterior[z])
        same_best += posterior[best] - posterior[induced.best] < TOLERANCE
        chances = [_answers(problem, best, problem.unlabelled.row(i)) for i in range(len(problem.unlabelled))]
        labels = finished.transferred.labels
        # Where z* leaves two answers even, either is right.
        same_labels += all(
            max(chance.values()) - chance[problem.answers[int(label)]] < TOLERANCE
            for chance, label in zip(chances, labels, strict=True)
        )
    n, detail = len(SEEDS), {"seeds": list(SEEDS), "errors": errors}
    worst = max(errors)
    yield Row("finite: posterior against brute-force Bayes", worst, f"≤ {TOLERANCE:g}", worst <= TOLERANCE, detail)
    yield at_least("finite: z* is brute-force Bayes', of 20", float(same_best), n, {})
    yield at_least("finite: labels are brute-force Bayes', of 20", float(same_labels), n, {})


def bayes(problem: Problem, every: Sequence[Hypothesis], log_priors: Sequence[float]) -> dict[Hypothesis, float]:
    """P(z | D) ∝ P(z) · Π_D P(y | x, z)."""
    rows = [problem.labelled.example(i) for i in range(len(problem.labelled))]
    scores = [
        log_prior + sum(log(_answers(problem, z, row.question)[row.answer]) for row in rows)
        for z, log_prior in zip(every, log_priors, strict=True)
    ]
    weights = [exp(score - max(scores)) for score in scores]
    return {z: weight / sum(weights) for z, weight in zip(every, weights, strict=True)}


def _answers(problem: Problem, z: Hypothesis, question: Question) -> dict[str, float]:
    """P(y | x, z) from the definition: the literal softmax, for `is` alone."""
    nats = dict.fromkeys(problem.answers, 0.0)
    nats[z.default] += z.default_strength.nats
    for statement in z.statements:
        if all(question.get(c.feature) == c.values[0] for c in statement.conditions):
            nats[statement.answer] += statement.strength.nats
    total = sum(map(exp, nats.values()))
    return {answer: exp(each) / total for answer, each in nats.items()}
