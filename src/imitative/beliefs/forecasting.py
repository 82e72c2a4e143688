"""Forecasts of D′ as distributions, and how good they were: quantiles, intervals, proper scores.

    WIS = 1/K Σ_k 2·(1[y ≤ q_k] − τ_k)·(q_k − y)        mean pinball loss over the K quantile levels, twice
    CRPS = E|X − y| − ½·E|X − X′|                        what WIS tends to with ever more levels
    log score = log p(y)                                 from the draws' density, nats

(Bracher, Ray, Gneiting & Reich 2021; Gneiting & Raftery 2007). Lower WIS and CRPS are better, both in the unit of y.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from imitative.errors import InputError
from imitative.search.exact import ExactPosterior
from imitative.search.target import load_jax

Floats = NDArray[np.float64]
LEVELS = (0.01, 0.025, *(round(0.05 * i, 2) for i in range(1, 20)), 0.975, 0.99)
"""The 23 quantile levels that the forecast hubs ask for."""
INTERVALS = (0.5, 0.9)


@final
@dataclass(frozen=True, eq=False)
class Forecast:
    """Draws of D′.

    Args:
        draws: (n, H) or (n, H, groups).
    """

    draws: Floats

    def quantiles(self, levels: Sequence[float] = LEVELS) -> Floats:
        """(levels, H[, groups])."""
        return np.asarray(np.quantile(self.draws, levels, axis=0))

    def interval(self, mass: float) -> tuple[Floats, Floats]:
        """The ends of the central interval that holds a share `mass`."""
        low, high = np.quantile(self.draws, [0.5 - mass / 2, 0.5 + mass / 2], axis=0)
        return low, high


def forecast(
    model: Callable[..., None], posterior: ExactPosterior, horizon: int, *, seed: int = 0, most: int = 4000
) -> Forecast:
    """Run the model ahead from draws of the posterior.

    Raises:
        InputError: if the model samples nothing called `forecast`, or what it samples is no number.
    """
    jax = load_jax()
    from numpyro import handlers

    target = posterior.target
    u = posterior.u[:: max(1, len(posterior.u) // most)][:most]

    def one(u: Any, key: Any) -> Any:
        values, _ = target.values(u)
        fixed = handlers.substitute(handlers.seed(model, key), data=values)
        trace = handlers.trace(fixed).get_trace(**{**target.data, "horizon": horizon})
        if "forecast" not in trace:
            raise InputError(target.name, "no site named forecast", 'numpyro.sample("forecast", …) where horizon > 0')
        return trace["forecast"]["value"]

    keys = jax.random.split(jax.random.PRNGKey(seed), len(u))
    draws = np.asarray(jax.jit(jax.vmap(one))(u, keys), dtype=float)
    fine = np.isfinite(draws).reshape(len(draws), -1).all(axis=1)
    if fine.mean() < 0.99:
        raise InputError(
            target.name, f"forecasts that are no numbers in {100 * (1 - fine.mean()):.0f} % of the draws",
            remedy="the model blows up ahead: forecast fewer steps, or say more in the priors",
        )  # fmt: skip
    return Forecast(draws[fine])


def wis(quantiles: Floats, y: Floats, levels: Sequence[float] = LEVELS) -> Floats:
    """Weighted interval score of quantiles (levels, …) at y (…): (…), in the unit of y.

    >>> wis(np.zeros(23), np.asarray(1.0)).round(6).item()
    1.0
    """
    tau = np.asarray(levels).reshape(-1, *([1] * np.ndim(y)))
    gap = y - quantiles
    return np.asarray(2.0 * np.mean(np.maximum(tau * gap, (tau - 1.0) * gap), axis=0))


def crps(draws: Floats, y: Floats) -> Floats:
    """Continuous ranked probability score of draws (n, …) at y (…)."""
    ordered = np.sort(draws, axis=0)
    n = len(ordered)
    weight = (2.0 * np.arange(1, n + 1) - n - 1.0).reshape(-1, *([1] * np.ndim(y)))
    return np.asarray(np.abs(draws - y).mean(axis=0) - (weight * ordered).sum(axis=0) / n**2)


def log_score(draws: Floats, y: Floats) -> Floats:
    """log p(y) with p the draws' density, smoothed by Silverman's rule, nats per unit of y."""
    n = len(draws)
    spread = np.minimum(draws.std(axis=0), np.subtract(*np.quantile(draws, [0.75, 0.25], axis=0)) / 1.34)
    width = np.maximum(0.9 * spread * n**-0.2, 1e-9 * np.maximum(np.abs(y), 1.0))
    z = -0.5 * ((draws - y) / width) ** 2
    top = z.max(axis=0)
    return np.asarray(top + np.log(np.exp(z - top).mean(axis=0)) - np.log(width) - 0.5 * np.log(2 * np.pi))


def assessed(found: Forecast, truth: Floats) -> dict[str, Any]:
    """Every score over the cells of D′ whose truth is known, and by horizon."""
    known = np.isfinite(truth)
    if not known.any():
        return {}
    quantiles = found.quantiles()
    scores = {
        "wis": wis(quantiles, truth), "crps": crps(found.draws, truth), "log_score": log_score(found.draws, truth),
        "absolute_error": np.abs(np.median(found.draws, axis=0) - truth),
    }  # fmt: skip
    result: dict[str, Any] = {name: float(np.mean(each[known])) for name, each in scores.items()}
    result["cells"] = int(known.sum())
    result["coverage"] = {}
    for mass in INTERVALS:
        low, high = found.interval(mass)
        result["coverage"][f"{mass:.0%}"] = float(np.mean(((truth >= low) & (truth <= high))[known]))
    result["wis_by_horizon"] = [
        float(np.mean(scores["wis"][h][known[h]])) if known[h].any() else None for h in range(len(truth))
    ]
    return result


def flat_line(y: Floats, horizon: int, *, seed: int = 0, draws: int = 4000) -> Forecast:
    """The baseline of the forecast hubs: the last value, spread by past changes and their opposites, summed up.

    Args:
        y: (T,) or (T, groups); gaps are passed over.
        horizon: steps ahead.
        seed: of the draws.
        draws: how many.
    """
    rng = np.random.default_rng(seed)
    table = y if y.ndim == 2 else y[:, None]
    out = np.empty((draws, horizon, table.shape[1]))
    for g in range(table.shape[1]):
        seen = table[np.isfinite(table[:, g]), g]
        change = np.diff(seen)
        paths = seen[-1] + np.cumsum(rng.choice(np.concatenate([change, -change]), (draws, horizon)), axis=1)
        paths += seen[-1] - np.median(paths, axis=0)
        out[:, :, g] = np.maximum(paths, 0.0) if (seen >= 0).all() else paths
    return Forecast(out if y.ndim == 2 else out[:, :, 0])
