"""What hangs on what M_prior does not know: which scores it matters to know, and how undecided D′ is.

Whether a statement belongs beside the rest of z* hangs on its gain, what it adds to the score, of which M_prior knows
N(μ, σ²). Going by μ costs σ · φ(μ/σ) − |μ| · Φ(−|μ|/σ) nats on average (the expected value of perfect information), and
a nat² of variance less lowers that by

    φ(μ/σ) / 2σ.

A nat counts for the share of D′ whose labels hang on the statement, and a little besides: that is its *stake*. Before
the first search there is no z* to stand beside; then a statement's stake is what it explains of D by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from imitative.data import Floats, Table
from imitative.hypotheses.statements import Hypothesis, Statement, Strength
from imitative.likelihood import Reading
from imitative.posterior import Posterior
from imitative.prior import StatementPrior
from imitative.scoring import Scorer
from imitative.traits import NATS

Integers = NDArray[np.int64]

CURIOSITY = 0.02
"""The share of D′ that a nat of the score counts for before it is known to bear on any answer."""


class Stakes(NamedTuple):
    """What hangs on what is not known.

    Args:
        statements: whose scores are to be known.
        worth: (T,) what a nat² less of the variance of each is worth.
    """

    statements: list[Statement]
    worth: Floats


def promising(scorer: Scorer, count: int) -> Stakes:
    """The statements that explain most of D by themselves, one for each condition, by the nats they explain, > 0."""
    if not scorer.options:
        return Stakes([], np.empty(0))
    logits = np.zeros((len(scorer.answers), len(scorer.y)))
    explained = np.asarray(scorer.likelihood_of_all([logits])[0], dtype=np.float64)
    options = [o for o in _best_of_each(_by_condition(explained, scorer), count) if explained[o] > 0.0]
    return Stakes([scorer.statement(option) for option in options], explained[options])


class Beside(NamedTuple):
    """What each statement of the pool would do beside z*.

    Args:
        z: z*.
        gain: (K·A·W,) μ, what it adds to the score's mean, in nats.
        sd: (K·A·W,) σ, how uncertain that is, in nats.
        relabelled: (K·A·W,) the share of a sample of D′ that it would label otherwise.
    """

    z: Hypothesis
    gain: Floats
    sd: Floats
    relabelled: Floats

    @classmethod
    def of(cls, z: Hypothesis, posterior: Posterior, sample: Table, scorer: Scorer) -> Beside:
        """Every statement of the scorer's pool beside z."""
        if not scorer.options:
            return cls(z, np.empty(0), np.empty(0), np.empty(0))
        reading = posterior.likelihood
        assert isinstance(reading, Reading)
        logits, elsewhere = (reading.logits(t, z, scorer.answers).T for t in (posterior.labelled.table, sample))
        gain = scorer.likelihood_of_all([logits])[0] + scorer.mean_beside(z)
        held = np.array([reading.conditions(conditions, sample) for conditions in scorer.pool], dtype=np.float32)
        relabelled = np.empty((len(scorer.pool), len(scorer.answers), len(NATS)))
        top, labels = elsewhere.max(axis=0), elsewhere.argmax(axis=0)
        for a in range(len(scorer.answers)):
            turned = (labels != a) & (elsewhere[a] + NATS[:, None] * scorer.sharpness > top)
            relabelled[:, a] = held @ turned.T.astype(np.float32) / len(sample)
        return cls(z, gain, np.sqrt(scorer.variance + 1e-9), relabelled.reshape(-1))


def hopeful(beside: Beside, scorer: Scorer, count: int) -> list[Statement]:
    """What might be worth adding to z*: statements that may raise the score and would change answers on D′.

    The search goes by the lower bound, so what it leaves out for want of judgements must be asked about here. Ranked
    by P(it raises the score) · (share of D′ it relabels + 1 %), one for each condition.
    """
    if not scorer.options:
        return []
    value = _by_condition(ndtr(beside.gain / beside.sd) * (beside.relabelled + 0.01), scorer)
    value[[k for s in beside.z.statements if (k := scorer.find(s.conditions)) is not None]] = -np.inf
    return [scorer.statement(option) for option in _best_of_each(value, count)]


def _by_condition(value: Floats, scorer: Scorer) -> Floats:
    return value.reshape(len(scorer.pool), scorer.per_condition)


def _best_of_each(value: Floats, count: int) -> list[int]:
    """The options of the greatest values, one for each condition: from (K, A·W), at most `count`."""
    order = np.argsort(-value.max(axis=1), kind="stable")[:count]
    return [int(k) * value.shape[1] + int(value[k].argmax()) for k in order]


def at_stake(beside: Beside, posterior: Posterior, sample: Table, scorer: Scorer, count: int) -> Stakes:
    """What hangs on each statement of z* and on those others that might best stand beside them.

    Args:
        beside: what the others would do.
        posterior: what z* is chosen by.
        sample: of D′.
        scorer: the posterior over the pool.
        count: how many others, one for each condition.
    """
    prior, z = posterior.prior, beside.z
    assert isinstance(prior, StatementPrior)
    statements: list[Statement] = []
    worth = np.empty(0)
    if scorer.options:
        others = _stake(beside.gain, beside.sd, beside.relabelled)
        options = _best_of_each(_by_condition(others, scorer), count)
        statements, worth = [scorer.statement(option) for option in options], others[options]
    if z.statements:
        without = [z.without(statement) for statement in z.statements]
        score, labels = _mean_score(z, posterior), _labels(z, posterior, sample)
        gain = score - np.array([_mean_score(less, posterior) for less in without])
        apart = np.array([(_labels(less, posterior, sample) != labels).mean() for less in without])
        sd = np.array([prior.deviation(statement) for statement in z.statements])
        statements, worth = [*statements, *z.statements], np.concatenate([worth, _stake(gain, sd, apart)])
    return Stakes(statements, worth)


def _stake(gain: Floats, sd: Floats, relabelled: Floats) -> Floats:
    """φ(μ/σ) / 2σ · (share of D′ + `CURIOSITY`)."""
    sd = np.maximum(sd, 1e-6)
    density = np.exp(-0.5 * (gain / sd) ** 2) / np.sqrt(2.0 * np.pi)
    return np.asarray(density / (2.0 * sd) * (relabelled + CURIOSITY))


def _mean_score(z: Hypothesis, posterior: Posterior) -> float:
    """The score without caution, in nats."""
    return posterior.prior.log_prior(z) + posterior.log_likelihood(z)


def _labels(z: Hypothesis, posterior: Posterior, table: Table) -> Integers:
    """The answers z gives, as indices."""
    found = posterior.likelihood.log_probabilities(table, z, posterior.labelled.names)
    return np.asarray(found.argmax(axis=1), dtype=np.int64)


def doubting(z: Hypothesis, answers: Sequence[str]) -> list[Hypothesis]:
    """z less each of its statements, and with each turned to another answer, at every strength."""
    turned = [
        replace(z, statements=tuple(replace(t, answer=answer, strength=w) if t == s else t for t in z.statements))
        for s in z.statements
        for answer in answers
        if answer != s.answer
        for w in Strength
    ]
    return [*(z.without(s) for s in z.statements), *turned]


def undecided(candidates: Sequence[Hypothesis], posterior: Posterior, sample: Table) -> float:
    """How differently two draws of M_prior would have D′ labelled: Rao's quadratic entropy, a share of D′.

    Each draw is believed in turn, and labels D′ by the best of the candidates under it.
    """
    prior = posterior.prior
    assert isinstance(prior, StatementPrior)
    scores = np.array([_mean_score(z, posterior) for z in candidates])
    deviations = np.array([prior.deviations(z) for z in candidates])
    best, times = np.unique((scores[:, None] + deviations).argmax(axis=0), return_counts=True)
    labels = np.array([_labels(candidates[i], posterior, sample) for i in best])
    between = np.array([(labels != row).mean(axis=1) for row in labels])
    share = times / times.sum()
    return float(share @ between @ share)
