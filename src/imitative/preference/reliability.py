"""How much a judge's answers can be relied on, as the preference model has it, with its uncertainty.

A judge errs in two ways: by answering at random now and then (ε_j), and by following the score only loosely (β_j). A
few dozen answers cannot tell the two apart, but they tell what both come to: the probability that the judge prefers the
more plausible of two hypotheses such as were compared,

    R_j = (1 − ε_j)·mean_i P(the higher | β_j, |Δ_i|) + ε_j/2,   a tie counting half.

One half is a coin; what even a perfect judge falls short of one is how close the pairs were. Its posterior is summed
over a grid of (log β_j, ε_j) under the priors of the fit, each answer's Δ being what all other answers say of it. The
cuts, the bias and the other judges are taken as fitted.
"""

from __future__ import annotations

import copy
from typing import Final, NamedTuple

import numpy as np
from scipy.special import betainc

from imitative.preference.answers import CARELESS, JUDGE_SD, Answers
from imitative.preference.evidence import Floats
from imitative.preference.fit import Judge, Preference
from imitative.records import GRADES

STEEP: Final = np.linspace(-3.0, 3.0, 25) * JUDGE_SD  #: of log β_j/β
_EDGES: Final = np.linspace(0.0, 1.0, 61) ** 2  # finer where most judges are
ERRING: Final = (_EDGES[:-1] + _EDGES[1:]) / 2.0  #: of ε_j
_LIKELY: Final = np.log(np.diff(betainc(*CARELESS, _EDGES)))  # how likely ε_j lies between two edges


class Reliability(NamedTuple):
    """R_j: its posterior mean and central 95 % interval."""

    mean: float
    low: float
    high: float


def reliabilities(fitted: Preference) -> dict[str, Reliability]:
    """Each judge's; none where nothing was compared, or the fit takes all judges for the same."""
    answers, lapses = fitted._answers, fitted._lapses
    if answers.n == 0 or not answers.each:
        return {}
    delta = np.abs(lapses.mean[: answers.n])
    right = np.array([_right(fitted, steep, delta) for steep in STEEP])
    careful = np.array([_predictive(answers, steep, lapses.mean, lapses.variance) for steep in STEEP])
    value = ((1.0 - ERRING) * right[:, None] + 0.5 * ERRING).ravel()
    order = np.argsort(value)
    prior = -0.5 * (STEEP[:, None] / JUDGE_SD) ** 2
    prior = prior + _LIKELY
    found = {}
    for j, name in enumerate(answers.data.names):
        theirs = answers.data.judge == j
        mixed = (1.0 - ERRING)[:, None] * careful[:, None, theirs] + ERRING[:, None] * answers.data.chance[theirs]
        log_p = (prior + np.log(np.maximum(mixed, 1e-300)).sum(axis=-1)).ravel()
        p = np.exp(log_p - log_p.max())
        p /= p.sum()
        low, high = np.interp((0.025, 0.975), np.cumsum(p[order]), value[order])
        found[name] = Reliability(float(p @ value), float(low), float(high))
    return found


def _right(fitted: Preference, steep: float, delta: Floats) -> float:
    who = Judge(fitted.population.discrimination * float(np.exp(steep)), 0.0, 0.0, 0)
    p = fitted.said_by(who, delta)
    return float((p @ (0.5 + 0.5 * np.sign(GRADES))).mean())


def _predictive(answers: Answers, steep: float, mean: Floats, variance: Floats) -> Floats:
    """P(answer | careful), were every judge as steep as this."""
    varied = copy.copy(answers)
    varied.theta = answers.theta.copy()
    varied.theta[1 : 1 + len(answers.data.names)] = steep
    return varied.predictive(mean, variance)
