"""Which two items to compare next: the pair whose answer is expected to tell most about the scores.

With δ = s(i) − s(j) ~ N(μ, v) after what is known, and P(first | δ) = (1 − ε)·σ(β·δ) + ε/2 for the average judge:

    gain(i, j) = H(E_δ[P]) − E_δ[H(P)]        the mutual information of the answer and the scores, nats; ≤ ln 2

It is small where the answer is known beforehand (|μ| large) and where nobody could know it (v small). Houlsby, Huszár,
Ghahramani & Lengyel, Bayesian active learning for classification and preference learning, 2011.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr, expit

from imitative.preference.evidence import Floats, Integers, matrix
from imitative.preference.fit import Preference

MOST = 20_000
"""Pairs that are weighed; of more, so many at random: the best of 20,000 is in the best thousandth of all, surely."""
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


class Comparable(NamedTuple):
    """Two items by their numbers, in the order to show them."""

    first: int
    second: int


def random_pairs(items: int, count: int, rng: np.random.Generator) -> list[Comparable]:
    """Pairs along random tours of all items: what to ask while nothing is known.

    A tour connects all items and compares each twice, which drawing pairs one by one does not.

    Raises:
        ValueError: for fewer than two items.
    """
    if items < 2:
        raise ValueError(f"items is {items}; give at least two, for there is nothing to compare")
    found: list[Comparable] = []
    while len(found) < count:
        tour = rng.permutation(items).tolist()
        found += itertools.starmap(Comparable, itertools.pairwise([*tour, tour[0]] if items > 2 else tour))
    return found[:count]


def information(fitted: Preference, mean: ArrayLike, variance: ArrayLike) -> Floats:
    """The gain of comparisons with score differences N(mean, variance), in nats: shapes of `mean`.

    Args:
        fitted: the average judge's discrimination and carelessness are taken from it.
        mean: μ, nats.
        variance: v, nats².
    """
    p = _answers(fitted, np.asarray(mean, dtype=np.float64), np.asarray(variance, dtype=np.float64))
    seen = p @ _WEIGHTS
    return np.asarray(np.maximum(entr(seen) + entr(1.0 - seen) - (entr(p) + entr(1.0 - p)) @ _WEIGHTS, 0.0))


def informative_pairs(
    fitted: Preference, items: ArrayLike, count: int, rng: np.random.Generator, allowed: ArrayLike | None = None
) -> list[Comparable]:
    """The most telling pairs, one after another, each chosen as though those before it had been answered.

        repeat `count` times:
            (i, j) ← argmax gain;    Σ ← Σ − Σa·aᵀΣ · c / (1 + c·aᵀΣa),    a = e_i − e_j,  c = E[β²·σ′(β·δ)]

    An answer of unknown direction leaves the mean where it is and takes from the variance what it must. The sides are
    shown in random order: who leans to one of them then sways no item.

    Args:
        fitted: what is known.
        items: (N, d) their features; `np.eye(N)` for plain items.
        count: how many pairs; fewer are given where `allowed` has fewer. None is given twice.
        rng: of the order of the sides, and of which pairs are weighed where there are more than `MOST`.
        allowed: (P, 2) the pairs that may be asked; None: all.

    Raises:
        ValueError: for items of other features than were fitted, or a pair of an item with itself.
    """
    x = matrix("items", items, len(fitted.mean))
    pairs = _candidates(len(x), allowed, rng)
    mean, covariance = fitted.score(x), fitted.covariance(x)
    first, second = pairs.T
    mu = mean[first] - mean[second]
    found: list[Comparable] = []
    open_ = np.ones(len(pairs), dtype=np.bool_)
    for _ in range(min(count, len(pairs))):
        own = np.diag(covariance)
        variance = np.maximum(own[first] + own[second] - 2.0 * covariance[first, second], 0.0)
        k = int(np.where(open_, information(fitted, mu, variance), -1.0).argmax())
        open_[k] = False
        i, j = pairs[k].tolist()
        found.append(Comparable(i, j) if rng.random() < 0.5 else Comparable(j, i))
        told = _curvature(fitted, mu[k], variance[k])
        along = covariance[i] - covariance[j]
        covariance = covariance - np.outer(along, along) * (told / (1.0 + told * variance[k]))
    return found


def _candidates(items: int, allowed: ArrayLike | None, rng: np.random.Generator) -> Integers:
    """The pairs to weigh (P, 2), at most `MOST`."""
    if allowed is None and items * (items - 1) // 2 > 4 * MOST:
        drawn = np.sort(rng.integers(items, size=(2 * MOST, 2)), axis=1)  # listing all pairs would be most of the work
        return np.asarray(rng.permutation(np.unique(drawn[drawn[:, 0] < drawn[:, 1]], axis=0))[:MOST])
    pairs = np.stack(np.triu_indices(items, 1), axis=1) if allowed is None else np.asarray(allowed, dtype=np.int64)
    pairs = pairs.reshape(-1, 2)
    if (pairs[:, 0] == pairs[:, 1]).any() or not ((pairs >= 0) & (pairs < items)).all():
        raise ValueError(f"allowed holds a pair that is not of two of the {items} items")
    if len(pairs) > MOST:
        pairs = pairs[np.sort(rng.choice(len(pairs), MOST, replace=False))]
    return np.asarray(pairs, dtype=np.int64)


def _answers(fitted: Preference, mean: Floats, variance: Floats) -> Floats:
    """P(first) at the nodes of δ: (..., nodes)."""
    who = fitted.population
    delta = mean[..., None] + np.sqrt(variance)[..., None] * _NODES
    return np.asarray((1.0 - who.carelessness) * expit(who.discrimination * delta) + 0.5 * who.carelessness)


def _curvature(fitted: Preference, mean: float, variance: float) -> float:
    """c: what one careful answer adds to the precision of δ, per nats²; a careless one adds nothing."""
    who = fitted.population
    p = expit(who.discrimination * (mean + np.sqrt(variance) * _NODES))
    return float((1.0 - who.carelessness) * who.discrimination**2 * (p * (1.0 - p)) @ _WEIGHTS)
