"""What a belief is worth: how well the data agree with it, less how far it went from the prior.

    score(z) = E_{θ~z}[ Σ_(x,y)∈D log p(y | x, θ) ] − KL(z ‖ prior)

the evidence lower bound: at most log p(D), and equal to it only where z is the exact posterior; what is missing is
KL(z ‖ posterior). The expectation is over one θ that made *all* the data, outside the sum and the logarithm.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Score(NamedTuple):
    """A belief's score and its two parts, nats, with the Monte Carlo standard error of the score."""

    score: float
    log_likelihood: float
    kl: float
    error: float = 0.0


def belief_score(weights: Floats, log_likelihood: Floats, kl: float) -> Score:
    """The score of a belief that is given by nodes.

    Args:
        weights: (K,) the belief's probability at each node θ_k: quadrature weights, or 1/K for draws.
        log_likelihood: (K, N) log p(y_i | x_i, θ_k), normalised over the answers of question i.
        kl: KL(z ‖ prior), nats.
    """
    expected = float(weights @ log_likelihood.sum(axis=1))
    return Score(expected - kl, expected, kl)


def drawn_score(log_z: Floats, log_prior: Floats, log_likelihood: Floats) -> Score:
    """The same from draws θ_k ~ z: mean of log p(D | θ) − (log z(θ) − log prior(θ)).

    Args:
        log_z: (K,) log density of z at its own draws.
        log_prior: (K,) log density of the prior there.
        log_likelihood: (K,) log p(D | θ_k).
    """
    each = log_likelihood + log_prior - log_z
    error = float(each.std(ddof=1) / np.sqrt(len(each))) if len(each) > 1 else float("inf")
    return Score(float(each.mean()), float(log_likelihood.mean()), float((log_z - log_prior).mean()), error)
