"""The score of a belief, and three tempting versions of it that are wrong. Each must be found out.

A belief is given by nodes θ_k with weights w_k: right is Σ_k w_k·Σ_i log p(y_i|θ_k) − KL. Written for numpy and jax.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Objective = Callable[[Any, Any, Any, Any, Any], Any]
"""(np or jnp, weights (K,), log likelihood (K, N), the same not normalised over answers (K, N), KL) → nats."""


def right(xp: Any, weights: Any, log_likelihood: Any, _loose: Any, kl: Any) -> Any:
    """E_{θ~z}[Σ log p(y|x, θ)] − KL(z ‖ prior)."""
    return weights @ xp.sum(log_likelihood, axis=1) - kl


def plus_kl(xp: Any, weights: Any, log_likelihood: Any, _loose: Any, kl: Any) -> Any:
    """The sign of one of the sources: the prior repels."""
    return weights @ xp.sum(log_likelihood, axis=1) + kl


def datum_by_datum(xp: Any, weights: Any, log_likelihood: Any, _loose: Any, kl: Any) -> Any:
    """Σ_i (log E_{θ~z}[p(y_i|x_i, θ)] − KL): forgets that one θ made all the data."""
    top = xp.max(log_likelihood, axis=0)
    each = top + xp.log(weights @ xp.exp(log_likelihood - top))
    return xp.sum(each - kl)


def not_normalised(xp: Any, weights: Any, _log_likelihood: Any, loose: Any, kl: Any) -> Any:
    """Scores of answers in place of their probabilities: an unknown constant for every θ, times |D|."""
    return weights @ xp.sum(loose, axis=1) - kl


WRONG: dict[str, Objective] = {
    "+KL": plus_kl,
    "datum by datum": datum_by_datum,
    "likelihood not normalised": not_normalised,
}
