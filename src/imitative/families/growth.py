"""Growth of many related series: how much of the last growth carries over, and how high levels pull back.

For x = log(y + add), of every series and of the whole they belong to, and h = 1 … `steps` ahead:

    x_(t+h) − x_t = (1 + φ + … + φ^(h−1))·(drift + Σ_k carry_k·growth_(t−k) + Σ_k echo_k·whole growth_(t−k)
                     − pull·(x_t − mean x up to t) − shared pull·(the same of the whole)) + noise
    noise ~ Student t (tails), scale √(noise² + counting²/(y_t + add))·h^spread

An epidemic that stands high above its own past turns: that is the pull. All horizons are fitted together; as they share
their data, each counts for 1/steps of a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imitative.errors import InputError, did_you_mean, listed, shown
from imitative.families.family import Built, Observed, Options, Spoken, positive, priors_of, real, settled

Floats = NDArray[np.float64]
BACK = 3
"""Rows that a forecast looks back on."""

COEFFICIENTS = (
    real("the drift", "growth in a step when nothing else moves", "about 0, give or take 0.1"),
    real("the carry-over", "of its own last growth", "about 0.4, give or take 0.3"),
    real("the older carry-over", "of its own growth before that", "about 0, give or take 0.3"),
    real("the whole's carry-over", "of the whole's last growth", "about 0.2, give or take 0.3"),
    real("the whole's older carry-over", "of the whole's growth before that", "about 0, give or take 0.3"),
    real("the pull back", "growth lost for each unit of log level above its own past", "about 0.05, give or take 0.1"),
    real("the whole's pull back", "the same of the whole", "about 0.05, give or take 0.1"),
)
SHAPE = (
    positive("the damping", "the share of one step's growth that the next keeps", "about 0.9, give or take 0.2"),
    positive("the noise", "of large series, in log units, one step ahead", "about 0.2, give or take a factor of 2"),
    positive("the counting noise", "what small numbers add", "about 1, give or take a factor of 2"),
    positive("the spread", "the power of the horizon with which noise grows", "about 0.7, give or take 0.3"),
    positive("the tails", "degrees of freedom of the noise", "about 6, give or take a factor of 2"),
)  # fmt: skip


class Steps(NamedTuple):
    """All rows (t, h) of D."""

    features: Floats  # (N, 7)
    change: Floats  # (N,)
    size: Floats  # (N,) y + add
    ahead: Floats  # (N,) h


def growth(data: Observed, options: Options, said: Mapping[str, Spoken]) -> Built:
    """Options: `whole`, the series that is the sum of the others (by default their sum); `steps` (4); `add` (3)."""
    options.only("whole", "steps", "add")
    steps = options.whole("steps", 4, 1, 52)
    add = float(options.whole("add", 3, 1, 10**6))
    y = _counts(data, steps)
    whole = _whole(data, y, options)
    x, level = np.log(y + add), np.log(whole + add * (y.shape[1] if whole is not y else 1))
    rows = _rows(x, level, y + add, steps)
    now = _features(x, level, len(x) - 1)
    parameters = settled((*COEFFICIENTS, *SHAPE), said)
    priors = priors_of(parameters)
    single = data.y.ndim == 1

    def model(horizon: int = 0) -> None:
        import jax.numpy as jnp
        import numpyro
        import numpyro.distributions as dist
        from numpyro import handlers

        value = {name: numpyro.sample(name, prior) for name, prior in priors.items()}
        weights = jnp.stack([value[each.parameter.name] for each in COEFFICIENTS])
        phi, tails = value["the damping"], value["the tails"]

        def scale(count: Any, h: Any) -> Any:
            square = value["the noise"] ** 2 + value["the counting noise"] ** 2 / count
            return jnp.sqrt(square) * h ** value["the spread"]

        reach = jnp.cumsum(phi ** jnp.arange(max(steps, horizon)))
        where = jnp.asarray(rows.ahead.astype(int) - 1)
        mean = (jnp.asarray(rows.features) @ weights) * reach[where]
        with handlers.scale(scale=1.0 / steps):
            noise = dist.StudentT(tails, mean, scale(jnp.asarray(rows.size), jnp.asarray(rows.ahead)))
            numpyro.sample("changes", noise, obs=jnp.asarray(rows.change))
        if horizon:
            shock = numpyro.sample("shock", dist.StudentT(jnp.full(y.shape[1], tails), 0.0, 1.0))
            h = jnp.arange(1, horizon + 1.0)[:, None]
            middle = jnp.asarray(x[-1]) + reach[:horizon, None] * (jnp.asarray(now) @ weights)
            found = middle + scale(jnp.asarray(y[-1] + add), h) * shock
            ahead = jnp.maximum(jnp.exp(jnp.minimum(found, 40.0)) - add, 0.0)
            numpyro.deterministic("forecast", ahead[:, 0] if single else ahead)

    return Built(model, parameters, batch=32)


def _counts(data: Observed, steps: int) -> Floats:
    y = data.y if data.y.ndim == 2 else data.y[:, None]
    if len(y) < BACK + steps + 3:
        raise InputError(
            "labelled", f"{len(y)} rows", f"at least {BACK + steps + 3}", "add rows, or look fewer steps ahead"
        )
    if not np.isfinite(y).all():
        row, column = np.argwhere(~np.isfinite(y))[0]
        of = f" of {data.groups[column]}" if data.groups and data.groups[column] else ""
        raise InputError(f"labelled: row {row + 1}{of}", "a gap", "a number in every step", "fill it")
    if (y < 0).any():
        row, column = np.argwhere(y < 0)[0]
        raise InputError(f"labelled: row {row + 1}", f"{y[row, column]:g}", "numbers from 0")
    return np.asarray(y, dtype=np.float64)


def _whole(data: Observed, y: Floats, options: Options) -> Floats:
    name = options.given.get("whole")
    if name is None:
        return y if y.shape[1] == 1 else np.asarray(y.sum(axis=1, keepdims=True))
    if name not in data.groups:
        remedy = did_you_mean(str(name), data.groups)
        raise InputError(f"{options.place}.whole", shown(name), f"one of {listed(data.groups)}", remedy)
    return np.asarray(y[:, [data.groups.index(str(name))]])


def _features(x: Floats, level: Floats, t: int) -> Floats:
    """(groups, 7) at row t, from what was known then."""
    own, older = x[t] - x[t - 1], x[t - 1] - x[t - 2]
    shape = np.ones(x.shape[1])
    whole, whole_older = (level[t] - level[t - 1]) * shape, (level[t - 1] - level[t - 2]) * shape
    high, whole_high = x[: t + 1].mean(axis=0) - x[t], (level[: t + 1].mean(axis=0) - level[t]) * shape
    return np.stack([shape, own, older, whole, whole_older, high, whole_high], axis=1)


def _rows(x: Floats, level: Floats, count: Floats, steps: int) -> Steps:
    parts = []
    for t in range(BACK, len(x) - 1):
        features = _features(x, level, t)
        for h in range(1, min(steps, len(x) - 1 - t) + 1):
            parts.append((features, x[t + h] - x[t], count[t], np.full(x.shape[1], float(h))))
    return Steps(*(np.concatenate(each) for each in zip(*parts, strict=True)))
