"""One series in time: autoregression, ARMA, GARCH, and local level, trend and season."""

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
    share,
    up_to,
    varying,
)  # fmt: skip

LEVEL, NOISE = "the level", "the noise"


def lag(k: int) -> str:
    """How the coefficient of y, k steps ago, is spoken of."""
    return f"the pull of {k} {'step' if k == 1 else 'steps'} ago"


def shock(k: int) -> str:
    """How the coefficient of the error, k steps ago, is spoken of."""
    return f"the echo of {k} {'step' if k == 1 else 'steps'} ago"


def autoregression(data: Observed, options: Options, said: Mapping[str, Spoken]) -> Built:
    """y_t = level + Σ_k pull_k·y_(t−k) + N(0, noise²), given the first `lags` values."""
    options.only("lags")
    p = options.whole("lags", 1, 1, 30)
    y = whole(data, p + 2)
    spread = scale_of(y)
    own = (
        real(LEVEL, "what y is pulled to from 0", _pulled(y, p), data.unit),
        *(real(lag(k), f"how much of y {k} back carries over", around(0.0, 1.0)) for k in range(1, p + 1)),
        positive(NOISE, "the standard deviation of what is new in a step", up_to(2.5 * spread), data.unit),
    )
    parameters = settled(own, said)
    priors = priors_of(parameters)
    past = np.stack([y[p - k : len(y) - k] for k in range(1, p + 1)], axis=1)

    def model(horizon: int = 0) -> None:
        import jax
        import jax.numpy as jnp
        import numpyro
        import numpyro.distributions as dist

        value = {name: numpyro.sample(name, prior) for name, prior in priors.items()}
        pull = jnp.stack([value[lag(k)] for k in range(1, p + 1)])
        mean = value[LEVEL] + jnp.asarray(past) @ pull
        numpyro.sample("y", dist.Normal(mean, value[NOISE]), obs=jnp.asarray(y[p:]))
        if horizon:
            noise = numpyro.sample("news", dist.Normal(0.0, 1.0).expand([horizon]))

            def step(last: Any, e: Any) -> tuple[Any, Any]:
                new = value[LEVEL] + last @ pull + value[NOISE] * e
                return jnp.concatenate([new[None], last[:-1]]), new

            _, path = jax.lax.scan(step, jnp.asarray(y[::-1][:p].copy()), noise)
            numpyro.deterministic("forecast", path)

    return Built(model, parameters)


def arma(data: Observed, options: Options, said: Mapping[str, Spoken]) -> Built:
    """y_t = level + Σ pull_k·y_(t−k) + Σ echo_k·ε_(t−k) + ε_t, ε_t ~ N(0, noise²); errors before the start are 0."""
    options.only("lags", "echoes")
    p, q = options.whole("lags", 1, 0, 10), options.whole("echoes", 1, 0, 10)
    y = whole(data, p + q + 2)
    spread = scale_of(y)
    own = (
        real(LEVEL, "what y is pulled to from 0", _pulled(y, p), data.unit),
        *(real(lag(k), f"how much of y {k} back carries over", around(0.0, 1.0)) for k in range(1, p + 1)),
        *(real(shock(k), f"how much of the error {k} back echoes", around(0.0, 0.5)) for k in range(1, q + 1)),
        positive(NOISE, "the standard deviation of what is new in a step", up_to(2.5 * spread), data.unit),
    )
    parameters = settled(own, said)
    priors = priors_of(parameters)

    def model(horizon: int = 0) -> None:
        import jax
        import jax.numpy as jnp
        import numpyro
        import numpyro.distributions as dist

        value = {name: numpyro.sample(name, prior) for name, prior in priors.items()}
        pull = jnp.array([value[lag(k)] for k in range(1, p + 1)])
        echo = jnp.array([value[shock(k)] for k in range(1, q + 1)])

        def mean(last: Any, errors: Any) -> Any:
            return value[LEVEL] + jnp.dot(last, pull) + jnp.dot(errors, echo)

        def observe(carry: Any, new: Any) -> Any:
            last, errors = carry
            error = new - mean(last, errors)
            return (_pushed(last, new), _pushed(errors, error)), error

        start = (jnp.asarray(y[:p][::-1].copy()), jnp.zeros(q))
        end, errors = jax.lax.scan(observe, start, jnp.asarray(y[p:]))
        numpyro.sample("y", dist.Normal(0.0, value[NOISE]), obs=errors)
        if horizon:
            noise = numpyro.sample("news", dist.Normal(0.0, 1.0).expand([horizon]))

            def step(carry: Any, e: Any) -> Any:
                last, errors = carry
                new = mean(last, errors) + value[NOISE] * e
                return (_pushed(last, new), _pushed(errors, value[NOISE] * e)), new

            numpyro.deterministic("forecast", jax.lax.scan(step, end, noise)[1])

    return Built(model, parameters)


def _pulled(y: Any, lags: int) -> str:
    """The default prior of level in level + Σ_k pull_k·y_(t−k): what pulls about 0, give or take 1, leave open.

    Where y stays near its mean m the level is m·(1 − Σ_k pull_k): about m, give or take m·√lags and what y varies by.
    """
    mean = float(y.mean())
    return around(mean, math.hypot(2.5 * scale_of(y), math.sqrt(lags) * mean))


def _pushed(window: Any, new: Any) -> Any:
    import jax.numpy as jnp

    return jnp.concatenate([new[None], window[:-1]]) if window.shape[0] else window


def garch(data: Observed, options: Options, said: Mapping[str, Spoken]) -> Built:
    """y_t = level + ε_t, ε_t ~ N(0, h_t), h_t = variance·(1 − reaction − memory) + reaction·ε²_(t−1) + memory·h_(t−1).

    With memory = (1 − reaction)·persistence, so that any two shares make a stationary process.
    """
    options.only()
    y = whole(data, 10)
    spread = scale_of(y)
    own = (
        real(LEVEL, "the mean of y", around(float(y.mean()), 2.5 * spread), data.unit),
        positive("the usual size", "the standard deviation of y in the long run", around(spread, spread), data.unit),
        share("the reaction", "how much of the last surprise, squared, enters the variance", "beta(1.5, 6)"),
        share("the persistence", "how much of the remaining variance is remembered", "beta(3, 1.5)"),
    )
    parameters = settled(own, said)
    priors = priors_of(parameters)

    def model(horizon: int = 0) -> None:
        import jax
        import jax.numpy as jnp
        import numpyro
        import numpyro.distributions as dist

        value = {name: numpyro.sample(name, prior) for name, prior in priors.items()}
        a = value["the reaction"]
        b = (1.0 - a) * value["the persistence"]
        base = value["the usual size"] ** 2 * (1.0 - a - b)
        error = jnp.asarray(y) - value[LEVEL]

        def step(h: Any, e: Any) -> Any:
            return base + a * e**2 + b * h, h

        last, h = jax.lax.scan(step, value["the usual size"] ** 2, error)
        numpyro.sample("y", dist.Normal(value[LEVEL], jnp.sqrt(h)), obs=jnp.asarray(y))
        if horizon:
            noise = numpyro.sample("news", dist.Normal(0.0, 1.0).expand([horizon]))

            def ahead(h: Any, e: Any) -> Any:
                new = jnp.sqrt(h) * e
                return base + a * new**2 + b * h, value[LEVEL] + new

            numpyro.deterministic("forecast", jax.lax.scan(ahead, last, noise)[1])

    return Built(model, parameters)


def structural(data: Observed, options: Options, said: Mapping[str, Spoken]) -> Built:
    """y_t = level_t + season_t + N(0, noise²); level and slope walk at random.

        level_t = level_(t−1) + slope_(t−1) + N(0, wander²)      slope_t = slope_(t−1) + N(0, turn²)

    `trend = false` leaves the slope out; `season = 12` adds `harmonics` sines and cosines of that period; `log = true`
    models log y. Level and slope are integrated out (Kalman filter), so gaps (missing y) cost nothing.
    """
    options.only("trend", "season", "harmonics", "log")
    y = varying(data.series()).copy()
    if np.isfinite(y).sum() < 4:
        raise InputError("labelled", f"{int(np.isfinite(y).sum())} observations", "at least 4")
    logged = bool(options.given.get("log", False))
    if logged:
        y = np.log(above_zero(y))
    period = options.whole("season", 0, 0, 400)
    harmonics = options.whole("harmonics", min(2, period // 2), 0, 10) if period else 0
    trend = bool(options.given.get("trend", True))
    spread, change = scale_of(y), scale_of(np.diff(y[np.isfinite(y)]))
    unit = "" if logged else data.unit
    own = [
        positive(NOISE, "the standard deviation of y around its level", up_to(spread), unit),
        positive("the wander", "how far the level moves in a step", up_to(2 * change), unit),
    ]
    if trend:
        own.append(positive("the turn", "how far the slope changes in a step", up_to(change), unit))
    waves = [
        (f"the {kind} of wave {k}", k, kind)
        for k in range(1, harmonics + 1)
        for kind in ("sine", "cosine")
        if kind == "cosine" or 2 * k % period  # a sine of two steps is nothing at every step
    ]
    own += [real(name, f"the {period}-step season's part {k}", around(0.0, spread), unit) for name, k, kind in waves]
    parameters = settled(tuple(own), said)
    priors = priors_of(parameters)
    steps = len(y)
    seen = np.isfinite(y)
    first = float(y[seen][0])

    def model(horizon: int = 0) -> None:
        import jax
        import jax.numpy as jnp
        import numpyro
        import numpyro.distributions as dist

        value = {name: numpyro.sample(name, prior) for name, prior in priors.items()}
        clock = 2 * jnp.pi * jnp.arange(steps + horizon) / max(period, 1)
        season = jnp.zeros(steps + horizon)
        for name, k, kind in waves:
            season = season + value[name] * (jnp.sin(k * clock) if kind == "sine" else jnp.cos(k * clock))
        turn = value["the turn"] if trend else 0.0
        move = jnp.array([[1.0, 1.0 if trend else 0.0], [0.0, 1.0]])
        news = jnp.array([value["the wander"] ** 2, turn**2])
        noise = value[NOISE] ** 2

        def step(carry: Any, row: Any) -> Any:
            mean, cov = carry
            new, there = row
            mean, cov = move @ mean, move @ cov @ move.T + jnp.diag(news)
            error, variance = new - mean[0], cov[0, 0] + noise
            gain = cov[:, 0] / variance * there
            log_p = there * dist.Normal(0.0, jnp.sqrt(variance)).log_prob(error)
            return (mean + gain * error, cov - jnp.outer(gain, cov[0])), log_p

        start = (jnp.array([first, 0.0]), jnp.diag(jnp.array([spread**2, change**2 if trend else 0.0])))
        rows = (jnp.asarray(np.where(seen, y, 0.0)) - season[:steps], jnp.asarray(seen.astype(float)))
        (mean, cov), log_p = jax.lax.scan(step, start, rows)
        numpyro.factor("y", log_p.sum())
        if horizon:
            state = numpyro.sample("state", dist.Normal(0.0, 1.0).expand([2]))
            walk = numpyro.sample("news", dist.Normal(0.0, 1.0).expand([horizon, 3]))
            root = jnp.linalg.cholesky(cov + 1e-12 * jnp.trace(cov) * jnp.eye(2))  # whatever the unit of y

            def ahead(state: Any, e: Any) -> Any:
                state = move @ state + jnp.sqrt(news) * e[:2]
                return state, state[0] + value[NOISE] * e[2]

            path = jax.lax.scan(ahead, mean + root @ state, walk)[1] + season[steps:]
            numpyro.deterministic("forecast", jnp.exp(path) if logged else path)

    return Built(model, parameters)


def whole(data: Observed, least: int) -> Any:
    """One series without gaps, that varies.

    Raises:
        InputError: for a gap, too few rows, or one number in all of them.
    """
    y = data.series()
    if len(y) < least:
        raise InputError(
            "labelled",
            f"{len(y)} {'row' if len(y) == 1 else 'rows'}",
            f"at least {least}",
            "add rows, or take fewer lags",
        )
    if not np.isfinite(y).all():
        row = int(np.flatnonzero(~np.isfinite(y))[0])
        raise InputError(
            f"labelled: row {row + 1}",
            "a gap",
            "a number in every step",
            'fill it, or take family = "structural", which lets gaps be',
        )
    return varying(y)


def above_zero(y: Any) -> Any:
    """y, where all that was observed is above 0.

    Raises:
        InputError: naming the first row that is not.
    """
    wrong = np.flatnonzero(np.isfinite(y) & (y <= 0))
    if len(wrong):
        row, value = int(wrong[0]), float(y[wrong[0]])
        what = "zero" if value == 0 else "a negative number"
        raise InputError(
            f"labelled: row {row + 1}",
            f"{what} ({value:g}), which has no logarithm",
            "numbers above 0",
            "leave `log` out",
        )
    return y
