"""The search over statements: tempering, or sweeping where z is long, in two passes; then a climb by readable edits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from imitative.data import Table
from imitative.hypotheses.statements import MANY, Hypothesis, StatementSpace
from imitative.pool import build_pool
from imitative.posterior import Posterior
from imitative.scoring import Scorer
from imitative.search.search import Scored, run
from imitative.search.sweeping import Sweeping
from imitative.search.tempering import Tempering

KEPT = 100
"""Hypotheses whose exact score is worth knowing."""
CLIMBS = 20
"""Readable edits made in a row at most."""


def find_statements(
    posterior: Posterior,
    space: StatementSpace,
    unlabelled: Table,
    starts: Sequence[Hypothesis],
    steps: int,
    rng: np.random.Generator,
) -> tuple[Scored, ...]:
    """z* and its rivals with their exact scores, best first.

        for each of two passes:
            pool ← what z may say now                the second pass pairs up what the first found
            z*, rivals ← tempering over the pool     starting where the last pass ended
        climb from z* by widening, narrowing, splitting

    Args:
        posterior: the objective.
        space: Z.
        unlabelled: D′, whose values may be spoken of.
        starts: where to begin, the best first; none: nowhere.
        steps: draws of each chain, in both passes together.
        rng: everything random.
    """
    slots = space.limits.statements
    found: tuple[Scored, ...] = ()
    starts = tuple(starts)
    for draws in (steps // 2, steps - steps // 2):
        scorer = Scorer(posterior, build_pool(space, posterior, unlabelled, starts))
        if slots > MANY:  # swept condition by condition: a slot at a time would take minutes
            found = run(Sweeping(scorer, slots, start=starts[:1]), rng)
            if space.limits.conditions == 1:
                break
        else:
            found = run(Tempering(scorer, slots, draws, starts), rng)
        starts = tuple(scored.hypothesis for scored in found[:3])
    climbed = [] if slots > MANY else _climb(found[0].hypothesis, posterior, space)
    every = dict.fromkeys([*climbed, *starts, *(scored.hypothesis for scored in found[:KEPT])])
    exact = [Scored(z, posterior.score(z)) for z in every]
    return tuple(sorted(exact, key=lambda scored: (-scored.score, space.show(scored.hypothesis))))


def _climb(best: Hypothesis, posterior: Posterior, space: StatementSpace) -> list[Hypothesis]:
    """By the readable edits the pool does not hold, until none is better."""
    path, score = [best], posterior.score(best)
    for _ in range(CLIMBS):
        near = list(space.refinements(path[-1]))
        scores = posterior.scores(near)
        if scores.max(initial=-np.inf) <= score + 1e-9:
            break
        score = float(scores.max())
        path.append(near[int(scores.argmax())].hypothesis)
    return path
