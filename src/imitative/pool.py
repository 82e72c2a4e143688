"""What a search may say: the conditions that statements are made of, chosen anew wherever the search stands.

Single conditions; *natural groups* of a feature's values (those that D answers alike, and those that M_prior finds to
lean alike, whether D holds them or not); and conjunctions of the conditions that promise most next to the present z.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from imitative.data import Feature, Labelled, Table
from imitative.hypotheses.conditions import Condition, Relation, one_of
from imitative.hypotheses.statements import Hypothesis, Statement, StatementSpace
from imitative.likelihood import Reading
from imitative.posterior import Posterior
from imitative.prior import StatementPrior
from imitative.scoring import Scorer
from imitative.traits import NATS, STRENGTHS

Conditions = tuple[Condition, ...]

PAIRED = 40
"""Conditions tried in pairs for conjunctions: 40 give 780 pairs, about as many as there are single conditions."""
CONJUNCTIONS = 150
"""Conjunctions kept."""


def build_pool(
    space: StatementSpace, posterior: Posterior, unlabelled: Table, around: Sequence[Hypothesis] = ()
) -> tuple[Conditions, ...]:
    """The conditions to search, given M_prior, M_L and where the search stands.

    Args:
        space: what may be said.
        posterior: with D, M_prior and M_L.
        unlabelled: the questions of D′; their answers are not known here.
        around: hypotheses the search has found; their conditions stay in the pool, and conjunctions are chosen for what
            they would add to the first.
    """
    assert isinstance(posterior.prior, StatementPrior)
    assert isinstance(posterior.likelihood, Reading)
    reading, labelled = posterior.likelihood, posterior.labelled
    singles = [(c,) for c in space.conditions() if _met(c, reading, labelled.table, unlabelled)]
    groups = [
        (group,)
        for feature in space.features
        if feature.discrete and len(feature.values) > 2
        for group in _groups(feature, space, posterior.prior, labelled)
    ]
    kept = [statement.conditions for z in around for statement in z.statements]
    pool = list(dict.fromkeys([*singles, *groups, *kept]))
    if space.limits.conditions > 1 and pool:
        pool = list(dict.fromkeys([*pool, *_conjunctions(space, posterior, pool, around)]))
    return tuple(pool)


def _met(condition: Condition, reading: Reading, *tables: Table) -> bool:
    """Whether the condition holds of some question and not of all: what never varies explains nothing."""
    masks = [reading.condition(condition, table) for table in tables]
    return any(mask.any() for mask in masks) and not all(mask.all() for mask in masks)


def _groups(feature: Feature, space: StatementSpace, prior: StatementPrior, labelled: Labelled) -> Iterator[Condition]:
    """Groups of values that lean towards the same answer, by M_prior and by D: prefixes of each order."""
    each = [(Condition(feature.name, Relation.IS, (value,)),) for value in feature.values]
    believed = (prior.score_conditions(each).mean * NATS).sum(axis=2)
    believed = believed - believed.mean(axis=1, keepdims=True)
    codes = labelled.table.codes(feature.name)
    present = codes >= 0
    counts = np.zeros((len(feature.values), len(space.answers)))
    np.add.at(counts, (codes[present], labelled.answers[present]), 1.0)
    smoothed = np.log(counts + 1.0)
    shown = smoothed - smoothed.mean(axis=1, keepdims=True)
    seen: set[tuple[str, ...]] = set()
    for leaning in (believed, shown, believed / (np.abs(believed).max() or 1.0) + shown / (np.abs(shown).max() or 1.0)):
        for answer in range(len(space.answers)):
            order = np.argsort(-leaning[:, answer], kind="stable")
            favours = int((leaning[:, answer] > 1e-9).sum())
            for size in range(2, min(favours, len(feature.values) - 1) + 1):
                group = one_of(feature, {feature.values[i] for i in order[:size]})
                if group.values not in seen:
                    seen.add(group.values)
                    yield group


def _conjunctions(
    space: StatementSpace, posterior: Posterior, pool: Sequence[Conditions], around: Sequence[Hypothesis]
) -> list[Conditions]:
    """Pairs of the most promising conditions, by what they would add to z beyond what either adds alone."""
    base = around[0] if around else Hypothesis((), space.answers[0])
    reading = posterior.likelihood
    assert isinstance(reading, Reading)
    per_condition = len(space.answers) * len(NATS)

    def promise(candidates: Sequence[Conditions]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """For each condition, the best over z and over z less one statement."""
        own = (statement.conditions for statement in base.statements)  # what z claims already must be sayable, too
        scorer = Scorer(posterior, list(dict.fromkeys([*candidates, *own])))
        best = np.full(len(scorer.pool), -np.inf)
        for less in (base, *(base.without(statement) for statement in base.statements)):
            logits = reading.logits(posterior.labelled.table, less, space.answers).T
            both = scorer.likelihood_of_all([logits])[0] + scorer.added(scorer.again_beside(less))[0]
            best = np.maximum(best, both.reshape(len(scorer.pool), per_condition).max(axis=1))
        return best[: len(candidates)]

    alone = promise(pool)
    leading = [pool[i] for i in np.argsort(-alone, kind="stable") if len(pool[i]) < space.limits.conditions][:PAIRED]
    worth = dict(zip(pool, alone.tolist(), strict=True))
    pairs = {}
    for i, first in enumerate(leading):
        for second in leading[i + 1 :]:
            joined = Statement((*first, *second), space.answers[0], STRENGTHS[0]).conditions
            features = {condition.feature for condition in joined}
            if len(features) == len(joined) <= space.limits.conditions:
                pairs[joined] = max(worth[first], worth[second])
    if not pairs:
        return []
    together = promise(list(pairs))
    gain = together - np.array(list(pairs.values()))
    order = np.argsort(-gain, kind="stable")[:CONJUNCTIONS]
    keys = list(pairs)
    return [keys[i] for i in order if gain[i] > -5.0]
