"""Regressions: linear, generalised linear, and the hierarchical normal model. Rows of D are examples; D′ are new rows.

Default priors are in the units of the data: an effect about 0, give or take 2.5 standard deviations of y for one of its
column, as rstanarm's are; an intercept about the mean of y, give or take as much as those effects leave open where
every column is 0, 2.5·√(1 + Σ_k (mean x_k / sd x_k)²) standard deviations of y. rstanarm's intercept is where columns
are at their means; ours is said of what it is called, and a column of years is 0 two thousand years ago.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from imitative.errors import InputError
from imitative.families.family import (
    Built,
    Observed,
    Options,
    Spoken,
    around,
    positive,
    priors_of,
    real,
    scale_of,
    settled,
    up_to,
    varying,
)  # fmt: skip

INTERCEPT = "the intercept"
NOISE = "the noise"


def effect(column: str) -> str:
    """How the coefficient of a column is spoken of."""
    return f"the effect of {column}"


def linear(data: Observed, options: Options, said: Mapping[str, Spoken]) -> Built:
    """y = intercept + Σ_k effect_k·x_k + N(0, noise²). `intercept = false` leaves the intercept out."""
    options.only("intercept")
    x, y = _columns(data), varying(data.series())
    spread, unit = scale_of(y), data.unit
    with_intercept = bool(options.given.get("intercept", True))
    at_zero = around(float(np.nanmean(y)), 2.5 * spread * _far(x))
    own = [real(INTERCEPT, "y where every column is 0", at_zero, unit)]
    own = own[: int(with_intercept)] + _effects(data, x, 2.5 * spread)
    own.append(positive(NOISE, "the standard deviation of y around the line", up_to(2.5 * spread), unit))
    parameters = settled(tuple(own), said)
    names = [effect(column) for column in data.columns]
    priors = priors_of(parameters)

    def model(horizon: int = 0) -> None:
        import jax.numpy as jnp
        import numpyro
        import numpyro.distributions as dist

        value = {name: numpyro.sample(name, prior) for name, prior in priors.items()}
        weights = jnp.stack([value[name] for name in names]) if names else jnp.zeros(0)
        base = value.get(INTERCEPT, 0.0)
        numpyro.sample("y", dist.Normal(base + jnp.asarray(x) @ weights, value[NOISE]), obs=jnp.asarray(y))
        if horizon:
            new = _new(data, horizon)
            numpyro.sample("forecast", dist.Normal(base + jnp.asarray(new) @ weights, value[NOISE]))

    return Built(model, parameters)


def generalised(data: Observed, options: Options, said: Mapping[str, Spoken]) -> Built:
    """y ~ answer(intercept + Σ_k effect_k·x_k): `answer` is bernoulli (logit), poisson or negative-binomial (log)."""
    options.only("answer")
    kind = options.choice("answer", ("bernoulli", "poisson", "negative-binomial"))
    x, y = _columns(data), data.series()
    _check_answers(kind, y)
    middle = 0.0 if kind == "bernoulli" else math.log(max(float(np.nanmean(y)), 0.1))
    own = [
        real(INTERCEPT, "the linear predictor where every column is 0", around(middle, 2.5 * _far(x))),
        *_effects(data, x, 2.5),
    ]
    if kind == "negative-binomial":
        own.append(
            positive("the concentration", "how nearly the counts are Poisson", "about 5, give or take a factor of 4")
        )
    parameters = settled(tuple(own), said)
    names = [effect(column) for column in data.columns]
    priors = priors_of(parameters)

    def model(horizon: int = 0) -> None:
        import jax.numpy as jnp
        import numpyro

        value = {name: numpyro.sample(name, prior) for name, prior in priors.items()}
        weights = jnp.stack([value[name] for name in names]) if names else jnp.zeros(0)
        base, more = value[INTERCEPT], value.get("the concentration")
        numpyro.sample("y", _answer(kind, base + jnp.asarray(x) @ weights, more), obs=jnp.asarray(y))
        if horizon:
            numpyro.sample("forecast", _answer(kind, base + jnp.asarray(_new(data, horizon)) @ weights, more))

    return Built(model, parameters)


def hierarchical(data: Observed, options: Options, said: Mapping[str, Spoken]) -> Built:
    """y_j ~ N(θ_j, s_j), θ_j ~ N(mean, spread²): s_j from the column `sd`, as in a meta-analysis.

    The θ_j are drawn as mean + spread·N(0, 1) (non-centred); a forecast is a new group's θ.
    """
    options.only()
    y = data.series()
    if data.x is None or data.columns != ("sd",) or not (data.x > 0).all():
        raise InputError("labelled.columns", str(data.columns), "['sd']: the standard error of each y, above 0")
    error, spread = data.x[:, 0], scale_of(y)
    own = (
        real("the mean", "the mean of the groups", around(float(y.mean()), 2.5 * spread), data.unit),
        positive("the spread", "how far groups differ", f"half-cauchy({spread:.3g})", data.unit),
    )
    parameters = settled(own, said)
    priors = priors_of(parameters)

    def model(horizon: int = 0) -> None:
        import jax.numpy as jnp
        import numpyro
        import numpyro.distributions as dist

        value = {name: numpyro.sample(name, prior) for name, prior in priors.items()}
        own = numpyro.sample("offset", dist.Normal(0.0, 1.0).expand([len(y)]))
        theta = numpyro.deterministic("theta", value["the mean"] + value["the spread"] * own)
        numpyro.sample("y", dist.Normal(theta, jnp.asarray(error)), obs=jnp.asarray(y))
        if horizon:
            numpyro.sample("forecast", dist.Normal(value["the mean"], value["the spread"]).expand([horizon]))

    return Built(model, parameters)


def _columns(data: Observed) -> Any:
    x = np.zeros((len(data.y), 0)) if data.x is None else data.x
    if not (np.isfinite(x).all() and np.isfinite(data.y).all()):
        row = int(
            np.flatnonzero(~(np.isfinite(x).all(axis=1) & np.isfinite(data.y).reshape(len(x), -1).all(axis=1)))[0]
        )
        raise InputError(f"labelled: row {row + 1}", "a cell without a number", "numbers in every row")
    return x


def _new(data: Observed, horizon: int) -> Any:
    if data.x_new is None:
        return np.zeros((horizon, 0 if data.x is None else data.x.shape[1]))
    return data.x_new[:horizon]


def _far(x: Any) -> float:
    """How much less is known of y where every column is 0 than where they are at their means."""
    spread = x.std(axis=0)
    return float(np.sqrt(1.0 + ((x.mean(axis=0) / np.where(spread > 0, spread, 1.0)) ** 2).sum()))


def _effects(data: Observed, x: Any, spread: float) -> list[Spoken]:
    found = []
    for k, column in enumerate(data.columns):
        own = float(np.std(x[:, k])) or 1.0
        sentence = f"what one more of {column} adds"
        found.append(real(effect(column), sentence, around(0.0, spread / own)))
    return found


def _check_answers(kind: str, y: Any) -> None:
    if kind == "bernoulli":
        wrong, expected = ~np.isin(y, (0.0, 1.0)), "0 or 1"
    else:
        wrong, expected = (y < 0) | (y != np.round(y)), "counts: whole numbers from 0"
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(f"labelled: row {row + 1}", f"{y[row]:g}", expected, "take another `answer`, or mend the row")


def _answer(kind: str, eta: Any, concentration: Any) -> Any:
    import jax.numpy as jnp
    import numpyro.distributions as dist

    if kind == "bernoulli":
        return dist.Bernoulli(logits=eta)
    rate = jnp.exp(jnp.clip(eta, -30.0, 30.0))
    return dist.Poisson(rate) if kind == "poisson" else dist.NegativeBinomial2(rate, concentration)
