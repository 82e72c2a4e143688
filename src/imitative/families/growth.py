"""Growth of many related series: how much of the last growth carries over, and how high levels pull back.

For x = log(y + add), of every series and of the whole they belong to, and h = 1 … `steps` ahead:

    x_(t+h) − x_t = (1 + φ + … + φ^(h−1))·(drift + Σ_k carry_k·growth_(t−k) + Σ_k echo_k·whole growth_(t−k)
                     − pull·(x_t − mean x up to t) − shared pull·(the same of the whole)) + noise
    noise ~ Student t (tails), scale √((noise² + counting²/(y_t + add))·h^(2·spread) + rounding²/(y_t + add)²)

Numbers are whole, each known to within a half: `rounding` is the standard deviation of the difference of two such
errors. Without it a series of zeros has changes of exactly nothing, whose density grows without bound as the noise
vanishes.

An epidemic that stands high above its own past turns: that is the pull. All horizons are fitted together; as they share
their data, each counts for 1/steps of a row; with a half-life, older rows count for less. Which features enter is an
option: `beliefs/choosing.py` weighs several against each other by how they did in D's own past.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from imitative.errors import InputError, did_you_mean, listed, shown
from imitative.families.family import Built, Observed, Options, Spoken, positive, priors_of, real, settled

Floats = NDArray[np.float64]
BACK = 3
"""Rows that a forecast looks back on."""
ROUNDING = math.sqrt(1.0 / 6.0)
"""Of the difference of two numbers that are each uniform within ± ½ of what was counted (Sheppard 1898)."""

DRIFT = real("the drift", "growth in a step when nothing else moves", "about 0, give or take 0.1")
FEATURES = {
    "own": (
        real("the carry-over", "of its own last growth", "about 0.4, give or take 0.3"),
        real("the older carry-over", "of its own growth before that", "about 0, give or take 0.3"),
    ),
    "whole": (
        real("the whole's carry-over", "of the whole's last growth", "about 0.2, give or take 0.3"),
        real("the whole's older carry-over", "of the whole's growth before that", "about 0, give or take 0.3"),
    ),
    "pull": (
        real("the pull back", "growth lost for each unit of log level above its past", "about 0.05, give or take 0.1"),
    ),
    "whole's pull": (
        real("the whole's pull back", "the same of the whole", "about 0.05, give or take 0.1"),
    ),
}  # fmt: skip
"""What growth may be explained by, beside a drift: name → its coefficients."""
SHAPE = (
    positive("the damping", "the share of one step's growth that the next keeps", "about 0.9, give or take 0.2"),
    positive("the noise", "of large series, in log units, one step ahead", "about 0.2, give or take a factor of 2"),
    positive("the counting noise", "what small numbers add", "about 1, give or take a factor of 2"),
    positive("the spread", "the power of the horizon with which noise grows", "about 0.7, give or take 0.3"),
    positive("the tails", "degrees of freedom of the noise", "about 6, give or take a factor of 2"),
)  # fmt: skip


class Steps(NamedTuple):
    """All rows (t, h) of D."""

    features: Floats  # (N, K)
    change: Floats  # (N,)
    size: Floats  # (N,) y + add
    ahead: Floats  # (N,) h
    counts: Floats  # (N,) what the row counts for


@final
@dataclass(frozen=True)
class Settings:
    """The family's options, read.

    Args:
        whole: the series that is the sum of the others; None: their sum.
        steps: horizons fitted together.
        add: to every number before its logarithm is taken.
        features: of `FEATURES`, in their order.
        half_life: rows after which one counts for half; 0: never.
    """

    whole: str | None = None
    steps: int = 4
    add: int = 1
    features: tuple[str, ...] = tuple(FEATURES)
    half_life: int = 0

    @classmethod
    def read(cls, options: Options) -> Settings:
        """From the problem file.

        Raises:
            InputError: for a key or a feature that there is none of.
        """
        options.only("whole", "steps", "add", "features", "half_life")
        named = options.given.get("features", list(FEATURES))
        for name in named if isinstance(named, list) else [named]:
            if name not in FEATURES:
                remedy = did_you_mean(str(name), tuple(FEATURES))
                raise InputError(f"{options.place}.features", shown(name), f"some of {listed(tuple(FEATURES))}", remedy)
        whole = options.given.get("whole")
        return cls(
            None if whole is None else str(whole),
            options.whole("steps", 4, 1, 52),
            options.whole("add", 1, 1, 10**6),
            tuple(name for name in FEATURES if name in named),
            options.whole("half_life", 0, 0, 10_000),
        )

    @property
    def coefficients(self) -> tuple[Spoken, ...]:
        """The drift, and those of every feature."""
        return (DRIFT, *(each for name in self.features for each in FEATURES[name]))


class Now(NamedTuple):
    """What a forecast starts from."""

    features: Floats  # (groups, K)
    level: Floats  # (groups,) log(y + add)
    size: Floats  # (groups,) y + add


def growth(data: Observed, options: Options, said: Mapping[str, Spoken]) -> Built:
    """Options: those of `Settings`."""
    chosen = Settings.read(options)
    y = _counts(data, chosen.steps)
    x, level = _logs(y, data.groups, chosen, options.place)
    rows = _rows(x, level, y, chosen)
    now = now_of(y, data.groups, chosen, options.place)
    parameters = settled((*chosen.coefficients, *SHAPE), said)
    priors = priors_of(parameters)
    single = data.y.ndim == 1
    steps = chosen.steps

    def model(horizon: int = 0) -> None:
        import jax.numpy as jnp
        import numpyro
        import numpyro.distributions as dist
        from numpyro import handlers

        value = {name: numpyro.sample(name, prior) for name, prior in priors.items()}
        weights = jnp.stack([value[each.parameter.name] for each in chosen.coefficients])
        reach = jnp.cumsum(value["the damping"] ** jnp.arange(steps))
        mean = (jnp.asarray(rows.features) @ weights) * reach[jnp.asarray(rows.ahead.astype(int) - 1)]
        with handlers.scale(scale=jnp.asarray(rows.counts)):
            scale = _scale(value, jnp.asarray(rows.size), jnp.asarray(rows.ahead))
            numpyro.sample("changes", dist.StudentT(value["the tails"], mean, scale), obs=jnp.asarray(rows.change))
        if horizon:
            shock = numpyro.sample("shock", dist.StudentT(jnp.full(y.shape[1], value["the tails"]), 0.0, 1.0))
            ahead = looked_ahead(value, chosen, now, shock, horizon)
            numpyro.deterministic("forecast", ahead[:, 0] if single else ahead)

    return Built(model, parameters, batch=32)


def looked_ahead(value: Mapping[str, Any], chosen: Settings, now: Now, shock: Any, horizon: int) -> Any:
    """(horizon, groups) of y, for one draw of the parameters and of the noise's Student t's, (groups,)."""
    import jax.numpy as jnp

    weights = jnp.stack([value[each.parameter.name] for each in chosen.coefficients])
    reach = jnp.cumsum(value["the damping"] ** jnp.arange(horizon))
    h = jnp.arange(1, horizon + 1.0)[:, None]
    middle = jnp.asarray(now.level) + reach[:, None] * (jnp.asarray(now.features) @ weights)
    found = middle + _scale(value, jnp.asarray(now.size), h) * shock
    return jnp.maximum(jnp.exp(jnp.minimum(found, 40.0)) - chosen.add, 0.0)


def _scale(value: Mapping[str, Any], count: Any, h: Any) -> Any:
    import jax.numpy as jnp

    variance = value["the noise"] ** 2 + value["the counting noise"] ** 2 / count
    return jnp.sqrt(variance * h ** (2.0 * value["the spread"]) + (ROUNDING / count) ** 2)


def now_of(y: Floats, groups: tuple[str, ...], chosen: Settings, place: str = "model") -> Now:
    """What is known at the last row of y (T, groups)."""
    x, level = _logs(y, groups, chosen, place)
    return Now(_features(x, level, len(x) - 1, chosen.features), x[-1], y[-1] + chosen.add)


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


def _logs(y: Floats, groups: tuple[str, ...], chosen: Settings, place: str) -> tuple[Floats, Floats]:
    """log(y + add) of every series (T, groups), and of the whole (T, 1)."""
    if chosen.whole is not None:
        if chosen.whole not in groups:
            remedy = did_you_mean(chosen.whole, groups)
            raise InputError(f"{place}.whole", shown(chosen.whole), f"one of {listed(groups)}", remedy)
        whole = y[:, [groups.index(chosen.whole)]]
    else:
        whole = y.sum(axis=1, keepdims=True)
    return np.log(y + chosen.add), np.log(whole + chosen.add * y.shape[1])


def _features(x: Floats, level: Floats, t: int, names: tuple[str, ...]) -> Floats:
    """(groups, K) at row t, from what was known then."""
    own, older = x[t] - x[t - 1], x[t - 1] - x[t - 2]
    shape = np.ones(x.shape[1])
    whole, whole_older = (level[t] - level[t - 1]) * shape, (level[t - 1] - level[t - 2]) * shape
    high, whole_high = x[: t + 1].mean(axis=0) - x[t], (level[: t + 1].mean(axis=0) - level[t]) * shape
    known = {"own": [own, older], "whole": [whole, whole_older], "pull": [high], "whole's pull": [whole_high]}
    return np.stack([shape, *(column for name in names for column in known[name])], axis=1)


def _rows(x: Floats, level: Floats, y: Floats, chosen: Settings) -> Steps:
    parts = []
    for t in range(BACK, len(x) - 1):
        features = _features(x, level, t, chosen.features)
        age = len(x) - 1 - t
        counts = (0.5 ** (age / chosen.half_life) if chosen.half_life else 1.0) / chosen.steps
        for h in range(1, min(chosen.steps, age) + 1):
            parts.append((features, x[t + h] - x[t], y[t] + chosen.add, *np.full((2, x.shape[1]), [[h], [counts]])))
    return Steps(*(np.concatenate(each) for each in zip(*parts, strict=True)))
