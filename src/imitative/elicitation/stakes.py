"""What hangs on what M_prior does not know: which scores it matters to know, and how undecided D′ is.

Whether a statement belongs beside the rest of z* hangs on its gain, what it adds to the score, of which M_prior knows
N(μ, σ²). Going by μ costs σ · φ(μ/σ) − |μ| · Φ(−|μ|/σ) nats on average (the expected value of perfect information), and
a nat² of variance less lowers that by

    φ(μ/σ) / 2σ.

A nat counts for the share of D′ whose labels hang on the statement, and a little besides: that is its *stake*. Before
the first search there is no z* to stand beside; then a statement's stake is what it explains of D by itself. That a
search goes by μ less some of σ is left out of account, and so is what a newcomer would drive out of z*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from imitative.data import Floats, Table
from imitative.hypotheses.statements import Hypothesis, Statement, Strength
from imitative.likelihood import Reading
from imitative.posterior import Posterior
from imitative.prior import StatementPrior
from imitative.scoring import Scorer
from imitative.traits import NATS

CURIOSITY = 0.02
"""The share of D′ that a nat of the score counts for before it is known to bear on any answer."""
EVEN = 1e-9
"""Nats by which two answers differ that are even."""


class Stakes(NamedTuple):
    """What hangs on what is not known.

    Args:
        about: statements, or other hypotheses than z*: what they add to its score is to be known.
        traits: (T, d) of what each adds.
        worth: (T,) what a nat² less of the variance of each is worth.
    """

    about: Sequence[Statement | Hypothesis]
    traits: Floats
    worth: Floats

    @classmethod
    def none(cls, prior: StatementPrior) -> Stakes:
        """Where nothing is at stake."""
        return cls([], np.empty((0, prior.traits.size)), np.empty(0))

    def joined(self, other: Stakes) -> Stakes:
        """Both."""
        return Stakes(
            [*self.about, *other.about],
            np.concatenate([self.traits, other.traits]),
            np.concatenate([self.worth, other.worth]),
        )


def promising(scorer: Scorer, prior: StatementPrior, count: int) -> Stakes:
    """The statements that explain most of D by themselves, one for each condition, by the nats they explain, > 0."""
    if not scorer.options:
        return Stakes.none(prior)
    explained = np.asarray(scorer.explained, dtype=np.float64)
    options = [o for o in best_of_each(by_condition(explained, scorer), count) if explained[o] > 0.0]
    if not options:
        return Stakes.none(prior)
    statements = [scorer.statement(option) for option in options]
    return Stakes(statements, np.array([prior.traits.statement(s) for s in statements]), explained[options])


class Own(NamedTuple):
    """What each statement of z* does there.

    Args:
        traits: (S, d) of what each adds beside the others.
        gain: (S,) what it adds to the score's mean, in nats.
        relabelled: (S,) the share of a sample of D′ that z* would label otherwise without it.
    """

    traits: Floats
    gain: Floats
    relabelled: Floats

    @classmethod
    def of(cls, z: Hypothesis, posterior: Posterior, sample: Table) -> Own:
        """In the order of z's statements."""
        prior = posterior.prior
        assert isinstance(prior, StatementPrior)
        without = [z.without(statement) for statement in z.statements]
        score, given = mean_score(z, posterior), given_by(z, posterior, sample)
        gain = score - np.array([mean_score(less, posterior) for less in without])
        relabelled = np.array([apart(given_by(less, posterior, sample), given) for less in without])
        traits = np.empty((len(without), prior.traits.size))
        claimed_at = prior.traits.claimed_at
        whole = prior.traits.hypothesis(z)[claimed_at]
        for row, statement, less in zip(traits, z.statements, without, strict=True):
            row[:] = prior.traits.statement(statement)
            row[claimed_at] = whole - prior.traits.hypothesis(less)[claimed_at]
        return cls(traits, gain, relabelled)


class Beside(NamedTuple):
    """What each statement of the pool would do beside a hypothesis.

    Args:
        z: the hypothesis.
        gain: (K·A·W,) μ, what it adds to the score's mean, in nats.
        sd: (K·A·W,) σ, how uncertain that is, in nats.
        relabelled: (K·A·W,) the share of a sample of D′ that it would label otherwise.
        again: (K·A·W,) what it claims again of what z claims already, nats²; None where nothing can be.
    """

    z: Hypothesis
    gain: Floats
    sd: Floats
    relabelled: Floats
    again: Floats | None

    @classmethod
    def of(cls, z: Hypothesis, posterior: Posterior, sample: Table, scorer: Scorer) -> Beside:
        """Every statement of the scorer's pool beside z."""
        if not scorer.options:
            return cls(z, np.empty(0), np.empty(0), np.empty(0), None)
        reading = posterior.likelihood
        assert isinstance(reading, Reading)
        logits, elsewhere = (reading.logits(t, z, scorer.answers).T for t in (posterior.labelled.table, sample))
        again = scorer.again_beside(z)
        mean, sd = scorer.added(again)
        held = np.array([reading.conditions(conditions, sample) for conditions in scorer.pool], dtype=np.float32)
        relabelled = np.empty((len(scorer.pool), len(scorer.answers), len(NATS)))
        given, top = given_of(elsewhere.T), elsewhere.max(axis=0)
        level = np.count_nonzero(given, axis=1)  # how many answers are level at the top
        for a in range(len(scorer.answers)):
            ahead = elsewhere[a] + NATS[:, None] * scorer.sharpness - top
            turned = np.where(ahead > EVEN, 1.0 - given[:, a], (np.abs(ahead) <= EVEN) / (1.0 + level))
            relabelled[:, a] = held @ turned.T.astype(np.float32) / len(sample)
        return cls(z, scorer.likelihood_of_all([logits])[0] + mean, sd, relabelled.reshape(-1), again)


def hopeful(beside: Beside, scorer: Scorer, count: int) -> list[Statement]:
    """What might be worth adding to z*: statements that may raise the score and would change answers on D′.

    The search goes by the lower bound, so what it leaves out for want of judgements must be asked about here. Ranked
    by P(it raises the score) · (share of D′ it relabels + 1 %), one for each condition.
    """
    if not scorer.options:
        return []
    value = unsaid(by_condition(ndtr(beside.gain / beside.sd) * (beside.relabelled + 0.01), scorer), beside.z, scorer)
    return [scorer.statement(option) for option in best_of_each(value, count)]


def by_condition(value: Floats, scorer: Scorer) -> Floats:
    """Of the options, (K·A·W,), as (K, A·W)."""
    return value.reshape(len(scorer.pool), scorer.per_condition)


def unsaid(value: Floats, z: Hypothesis, scorer: Scorer) -> Floats:
    """(K, A·W), −∞ for the conditions that z speaks of already."""
    value[[k for s in z.statements if (k := scorer.find(s.conditions)) is not None]] = -np.inf
    return value


def best_of_each(value: Floats, count: int) -> list[int]:
    """The options of the greatest values, one for each condition: from (K, A·W), at most `count`."""
    order = np.argsort(-value.max(axis=1), kind="stable")[:count]
    return [int(k) * value.shape[1] + int(value[k].argmax()) for k in order]


def at_stake(beside: Beside, own: Own, prior: StatementPrior, scorer: Scorer, count: int) -> Stakes:
    """What hangs on each statement of z* and on those others that might best stand beside them.

    Args:
        beside: what others would do beside z*.
        own: what those of z* do.
        prior: M_prior.
        scorer: the posterior over the pool.
        count: how many others, one for each condition.
    """
    found, claimed_at = Stakes.none(prior), prior.traits.claimed_at
    if scorer.options:
        worth = stake(beside.gain, beside.sd, beside.relabelled)
        options = best_of_each(by_condition(worth, scorer), count)
        statements = [scorer.statement(option) for option in options]
        traits = np.array([prior.traits.statement(statement) for statement in statements])
        if beside.again is not None:
            traits[:, claimed_at] += beside.again[options]
        found = Stakes(statements, traits, worth[options])
    if beside.z.statements:
        worth = stake(own.gain, np.array([prior.sd_of(row) for row in own.traits]), own.relabelled)
        found = found.joined(Stakes(beside.z.statements, own.traits, worth))
    return found


def stake(gain: Floats, sd: Floats, relabelled: Floats) -> Floats:
    """φ(μ/σ) / 2σ · (share of D′ + `CURIOSITY`)."""
    sd = np.maximum(sd, 1e-6)
    density = np.exp(-0.5 * (gain / sd) ** 2) / np.sqrt(2.0 * np.pi)
    return np.asarray(density / (2.0 * sd) * (relabelled + CURIOSITY))


def mean_score(z: Hypothesis, posterior: Posterior) -> float:
    """The score without caution, in nats."""
    return posterior.prior.log_prior(z) + posterior.log_likelihood(z)


def given_by(z: Hypothesis, posterior: Posterior, table: Table) -> Floats:
    """The chance that z gives each answer to each question: (N, |Y|)."""
    return given_of(posterior.likelihood.log_probabilities(table, z, posterior.labelled.names))


def given_of(logits: Floats) -> Floats:
    """(N, |Y|) → the chance of each answer, those that are even being given alike."""
    best = logits > logits.max(axis=1, keepdims=True) - EVEN
    return np.asarray(best / best.sum(axis=1, keepdims=True))


def apart(first: Floats, second: Floats) -> float:
    """The share of questions labelled otherwise: total variation."""
    return float(0.5 * np.abs(first - second).sum(axis=-1).mean())


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
    scores = np.array([mean_score(z, posterior) for z in candidates])
    deviations = np.array([prior.deviations(z) for z in candidates])
    best, times = np.unique((scores[:, None] + deviations).argmax(axis=0), return_counts=True)
    given = [given_by(candidates[i], posterior, sample) for i in best]
    between = np.array([[apart(one, other) for other in given] for one in given])
    share = times / times.sum()
    return float(share @ between @ share)
