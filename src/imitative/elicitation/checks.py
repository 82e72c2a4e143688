"""Which answers to ask for again: those that may have been slips, and would change z* if they were.

An answer that alone tells of something looks careful, since nothing contradicts it, and M_prior then knows next to
nothing else of it: no design asks about it any more. But one answer in twenty is a slip. With the probability λ_i by
what all others say (`preference/lapses.py`) answer i was one; then the weights lie elsewhere by v = (1 − λ_i)·v_i, and
what statement s adds to the score is not μ_s but μ_s + φ(s) · v. If it was meant, they lie elsewhere by v = −λ_i·v_i.
Going by the mean costs, in either case,

    max_s ( (μ_s + φ(s) · v)⁺ − μ_s⁺ ) · (the share of D′ that hangs on s + 2 %)

nats over the statements that might stand beside z*, or the same with −μ_s and −v over those of z*: the most that one
would gain, or lose, beyond what is believed. Asking again is worth what it costs on average. A new comparison's worth
is in the same nats (`comparisons.choose`), and the two stand beside each other.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from imitative.data import Floats
from imitative.elicitation.pairs import Pair
from imitative.elicitation.stakes import CURIOSITY, Beside, Own
from imitative.prior import StatementPrior
from imitative.records import Kind, Query
from imitative.scoring import Scorer

COMPARISONS = (Kind.COMPARE_HYPOTHESES, Kind.ODDS)


class Check(NamedTuple):
    """A comparison asked again, its sides exchanged.

    Args:
        query: what is asked.
        gain: what it is worth per unit of cost.
    """

    query: Query
    gain: float

    @property
    def sides(self) -> frozenset[str]:
        """The hypotheses compared."""
        return frozenset(self.query.hypotheses)


def checks(beside: Beside, own: Own, prior: StatementPrior, scorer: Scorer) -> list[Check]:
    """Every comparison that was asked once, as asked again, those worth most first.

    Args:
        beside: z*, and what every statement of the pool would do beside it.
        own: what those of z* do there.
        prior: M_prior.
        scorer: the posterior over the pool.
    """
    if prior.preference is None:
        return []
    chance, moved = prior.preference.slips()
    times = Counter(frozenset(judgement.query.hypotheses) for judgement in prior.heard)
    once = np.array(
        [j.query.kind in COMPARISONS and times[frozenset(j.query.hypotheses)] == 1 for j in prior.heard], dtype=np.bool_
    )
    at = np.flatnonzero(once)
    slipped, meant = chance[at], 1.0 - chance[at]
    there, mine = _changes(beside, own, prior, scorer, moved[at])
    lost = slipped * _lost(beside, own, meant * there, meant * mine)
    lost += meant * _lost(beside, own, -slipped * there, -slipped * mine)
    space, found = prior.traits.space, list[Check]()
    for i, nats in zip(at, lost, strict=True):
        query = prior.heard[i].query
        cost = Pair(*map(space.read, query.hypotheses)).cost
        # Whoever exchanges sides at random may show the very query of before: that it is a repetition must be told.
        found.append(Check(replace(query.swapped(), purpose="prior", repeat=1), float(nats) / cost))
    return sorted(found, key=lambda check: -check.gain)


def _changes(beside: Beside, own: Own, prior: StatementPrior, scorer: Scorer, moved: Floats) -> tuple[Floats, Floats]:
    """What statements add, where the weights lie elsewhere by each of `moved`, (N, d), beyond what they do: (K·A·W, N)
    of the pool's and (S, N) of z*'s own, nats.
    """
    there = np.empty((0, len(moved)))
    if scorer.options:
        there = prior.shares(moved, scorer.pool).reshape(scorer.options, len(moved))
        if beside.again is not None:
            there += np.outer(beside.again, moved[:, prior.traits.claimed_at])
    return there, own.traits @ moved.T


def _lost(beside: Beside, own: Own, there: Floats, mine: Floats) -> Floats:
    """What going by the mean costs where statements add so much more, by `_changes`: (N,) nats."""
    gained = np.maximum(beside.gain[:, None] + there, 0.0) - np.maximum(beside.gain, 0.0)[:, None]
    regretted = np.maximum(-own.gain[:, None] - mine, 0.0) - np.maximum(-own.gain, 0.0)[:, None]
    gained *= (beside.relabelled + CURIOSITY)[:, None]
    regretted *= (own.relabelled + CURIOSITY)[:, None]
    return np.asarray(np.maximum(gained.max(axis=0, initial=0.0), regretted.max(axis=0, initial=0.0)))
