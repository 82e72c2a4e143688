"""Compound moves: z* edited in several places at once, where no edit would be worth making without the others.

Where every odourless mushroom of D is poisonous, *no smell is harmless* is against all D shows, and *green spores are a
warning* explains nothing that the default does not explain. Together they may explain D as well as z* does, and label
half of D′ otherwise. By itself either has next to no stake (`stakes.py`), so that neither would ever be asked about.

A compound is begun by a statement that people may well believe, or by an edit of z*, which would label much of D′
otherwise. What D then misses is made good by the statements that promise most in the light of what is not known, by
μ + σ of what they add. What the whole has over z* is then at stake as a single statement is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from imitative.data import Table
from imitative.elicitation.pairs import Pair
from imitative.elicitation.stakes import (
    Beside,
    Stakes,
    apart,
    best_of_each,
    by_condition,
    given_by,
    given_of,
    mean_score,
    stake,
    unsaid,
)
from imitative.hypotheses.statements import MANY, Hypothesis, Statement, StatementSpace
from imitative.likelihood import Reading
from imitative.posterior import Posterior
from imitative.prior import StatementPrior
from imitative.scoring import Scorer

MUCH = 0.05
"""The share of D′ that a compound labels otherwise, at least."""
BEGUN = 6
"""Compounds begun by a statement, and by an edit of z*: at most so many of each."""
REPAIRS = 2
"""Statements that make good what D misses, at most so many in a compound."""
TRIED = 12
"""Conditions tried for a repair, the most promising first: the best may undo what the compound was begun for."""


class Compounds(NamedTuple):
    """Where z* might go by a compound move.

    Args:
        z: z*.
        reached: the hypotheses.
        stakes: what hangs on what each has over z*.
    """

    z: Hypothesis
    reached: list[Hypothesis]
    stakes: Stakes

    @classmethod
    def of(
        cls, beside: Beside, posterior: Posterior, sample: Table, scorer: Scorer, space: StatementSpace
    ) -> Compounds:
        """From z*, the statements of the pool being weighed `beside` it.

        Args:
            beside: what each would do there.
            posterior: the objective.
            sample: questions of D′.
            scorer: the posterior over the pool.
            space: Z.
        """
        z, prior, reading = beside.z, posterior.prior, posterior.likelihood
        assert isinstance(prior, StatementPrior)
        assert isinstance(reading, Reading)
        if not scorer.options:
            return cls(z, [], Stakes.none(prior))
        given = given_by(z, posterior, sample)

        def relabelled(other: Hypothesis) -> float:
            return apart(given_by(other, posterior, sample), given)

        def repaired(begun: Hypothesis) -> Hypothesis:
            """As far as it can be, while it still labels much otherwise."""
            for _ in range(min(REPAIRS, space.limits.statements - len(begun.statements))):
                repairs = _promising(Beside.of(begun, posterior, sample, scorer), scorer)
                longer = (replace(begun, statements=(*begun.statements, repair)) for repair in repairs)
                better = next((other for other in longer if other in space and relabelled(other) >= MUCH), None)
                if better is None:
                    break
                begun = better
            return begun

        every = [] if len(z.statements) > MANY else list(space.refinements(z))
        read = zip(every, reading.edited(sample, every, scorer.answers), strict=True)
        edits = [edit for edit, log_p in read if apart(given_of(log_p), given) >= MUCH]
        order = np.argsort(-replace(posterior, caution=0.0).scores(edits), kind="stable")
        likeliest = [edits[i].hypothesis for i in order[:BEGUN]]
        claims = _claims(beside, scorer, space)
        reached = list(dict.fromkeys(map(repaired, [*claims, *likeliest])))
        if not reached:
            return cls(z, [], Stakes.none(prior))
        own, score = prior.traits.hypothesis(z), mean_score(z, posterior)
        traits = np.array([prior.traits.hypothesis(other) - own for other in reached])
        gain = np.array([mean_score(other, posterior) - score for other in reached])
        sd = np.array([prior.sd_of(row) for row in traits])
        worth = stake(gain, sd, np.array([relabelled(other) for other in reached]))
        return cls(z, reached, Stakes(reached, traits, worth))

    @property
    def said(self) -> list[Statement]:
        """What they say that z* does not."""
        return list(dict.fromkeys(s for z in self.reached for s in z.statements if s not in self.z.statements))

    @property
    def pairs(self) -> list[Pair]:
        """z* and each of them."""
        return [Pair(self.z, other) for other in self.reached]


def _claims(beside: Beside, scorer: Scorer, space: StatementSpace) -> Iterator[Hypothesis]:
    """z* with a statement that would label much otherwise: by μ + σ of its log prior, whatever D says of it."""
    z = beside.z
    if len(z.statements) >= space.limits.statements:
        return
    mean, sd = scorer.added(beside.again)
    value = by_condition(np.where(beside.relabelled >= MUCH, mean + sd, -np.inf), scorer)
    for option in best_of_each(unsaid(value, z, scorer), BEGUN):
        if np.isfinite(value.flat[option]):
            yield space.adopting(z, scorer.statement(option))


def _promising(beside: Beside, scorer: Scorer) -> Iterator[Statement]:
    """What may better the score, one statement for each condition, by μ + σ of its gain."""
    value = unsaid(by_condition(beside.gain + beside.sd, scorer), beside.z, scorer)
    for option in best_of_each(value, TRIED):
        if value.flat[option] > 0.0:
            yield scorer.statement(option)
