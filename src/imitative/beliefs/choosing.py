"""Which features a forecast should rest on: several models weighed by how each did in D's own past, and nothing else.

At every row of the past, each model is fitted to the rows up to there (again every `REFIT` rows) and looks ahead; the
rows that followed, still D's, say how well. The forecasts' quantiles are then averaged with the weights

    w = argmin over the simplex of Σ over past rows, steps and series of WIS(Σ_c w_c·q_c, y)

which is convex, since the pinball loss is. Averaging quantiles (Ratcliff 1979; Lichtendahl, Grushka-Cockayne & Winkler
2013) keeps a forecast as sharp as its parts, where a mixture of distributions would be wider than all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, final

import numpy as np
from numpy.typing import NDArray

from imitative.beliefs.forecasting import LEVELS, Forecast, flat_line
from imitative.families.family import Observed, Options
from imitative.families.growth import BACK, Settings, growth, looked_ahead, now_of
from imitative.search.gradient import climbed, laplace
from imitative.search.target import Target, load_jax

Floats = NDArray[np.float64]
REFIT = 8
"""Rows between fits: a forecast uses the newest fit to no row after its own."""
EARLIEST = 12
"""Rows of past that the first forecast inside D rests on."""
UNJUDGED = 4
"""Forecasts inside D below which every model weighs the same."""
DRAWS = 1000
CANDIDATES: Mapping[str, Mapping[str, Any]] = {
    "no growth": {"features": []},
    "own growth": {"features": ["own"]},
    "own growth and the whole's": {"features": ["own", "whole"]},
    "own growth, pulled back": {"features": ["own", "pull"]},
    "everything": {},
    "own growth and the whole's, lately": {"features": ["own", "whole"], "half_life": 12},
    "everything, lately": {"half_life": 12},
}
"""Models of `growth` that are weighed against each other, beside the hubs' flat line."""


class Forecaster(Protocol):
    """Looks ahead from any row, knowing the rows up to it."""

    def draws(self, y: Floats) -> Floats:
        """Draws (DRAWS, steps, groups) of the rows after y (T, groups)."""
        ...


@final
@dataclass(eq=False)
class Growing:
    """`growth` with some options, looking ahead from any row: the Gaussian at the posterior's top stands for it.

    With thousands of rows and a dozen parameters the posterior is all but Gaussian, and a forecast's spread is the
    noise's.

    Args:
        groups: names of the series.
        options: of the family.
        steps: to look ahead.
        seed: of the draws.
    """

    groups: tuple[str, ...]
    options: Mapping[str, Any]
    steps: int
    seed: int = 0
    _fits: dict[int, dict[str, Floats]] = field(default_factory=dict, repr=False)
    _like: Target | None = field(default=None, repr=False)
    _ahead: Any = field(default=None, repr=False)

    def draws(self, y: Floats) -> Floats:
        """See `Forecaster`."""
        value = self._fit(y)
        jax = load_jax()
        chosen = Settings.read(Options(self.options))
        if self._ahead is None:
            one = lambda value, shock, now: looked_ahead(value, chosen, now, shock, self.steps)  # noqa: E731
            self._ahead = jax.jit(jax.vmap(one, in_axes=(0, 0, None)))
        rng = np.random.default_rng([self.seed, len(y)])
        shock = rng.standard_t(value["the tails"][:, None], (DRAWS, y.shape[1]))
        return np.asarray(self._ahead(value, shock, now_of(y, self.groups, chosen)))

    def _fit(self, y: Floats) -> dict[str, Floats]:
        """Draws of the parameters, name → (DRAWS,), fitted to as many rows as were there at the last fit."""
        rows = len(y) - (len(y) - EARLIEST) % REFIT if len(y) >= EARLIEST else len(y)
        if rows not in self._fits:
            built = growth(Observed(y[:rows], groups=self.groups), Options(self.options), {})
            target = Target(built.model, {}, batch=1, name="growth")
            # The parameters are the same whatever the rows: their transforms are compiled once.
            self._like = self._like or target
            near = laplace(target, climbed(target, np.zeros(target.size)))
            noise = np.random.default_rng([self.seed, rows]).standard_normal((DRAWS, target.size))
            found = self._like.shaped(self._like.constrain(near.draw(noise)))
            self._fits[rows] = {name: np.asarray(draws) for name, draws in found.items()}
        return self._fits[rows]


@final
@dataclass(frozen=True)
class Flat:
    """The hubs' flat line; see `forecasting.flat_line`."""

    steps: int

    def draws(self, y: Floats) -> Floats:
        """See `Forecaster`."""
        return flat_line(y, self.steps, seed=len(y), draws=DRAWS).draws


@final
@dataclass(eq=False)
class Chooser:
    """Forecasts that are averages of several models', weighed by their past.

    Args:
        models: by name.
        steps: to look ahead.
        tell: told what is being done.
    """

    models: Mapping[str, Forecaster]
    steps: int
    tell: Callable[[str], None] = lambda _: None
    _made: dict[int, Floats] = field(default_factory=dict, repr=False)
    _weights: dict[int, Floats] = field(default_factory=dict, repr=False)

    @classmethod
    def of_growth(cls, groups: tuple[str, ...], whole: str | None, steps: int, **more: Any) -> Chooser:
        """Over `CANDIDATES` and the flat line."""
        shared: dict[str, Any] = {"steps": steps} if whole is None else {"whole": whole, "steps": steps}
        models: dict[str, Forecaster] = {
            name: Growing(groups, {**shared, **options}, steps) for name, options in CANDIDATES.items()
        }
        return cls({**models, "flat line": Flat(steps)}, steps, **more)

    def made(self, y: Floats) -> Floats:
        """(models, levels, steps, groups): what each model says, knowing y."""
        if len(y) not in self._made:
            self.tell(f"looking ahead from row {len(y)}")
            self._made[len(y)] = np.stack([Forecast(model.draws(y)).quantiles() for model in self.models.values()])
        return self._made[len(y)]

    def weights(self, y: Floats) -> Floats:
        """(models,) from the forecasts inside y, each judged by the rows of y that followed it."""
        if len(y) not in self._weights:
            first = max(EARLIEST, BACK + self.steps + 3)
            told, happened = [], []
            for row in range(first, len(y)):
                after = y[row : row + self.steps]
                q = self.made(y[:row])[:, :, : len(after)]
                told.append(q.reshape(*q.shape[:2], -1))
                happened.append(after.reshape(-1))
            if len(told) < UNJUDGED:
                self._weights[len(y)] = np.full(len(self.models), 1.0 / len(self.models))
            else:
                before = self.weights(y[:-1])  # all but there already: one more row moves them little
                self._weights[len(y)] = least(np.concatenate(told, axis=2), np.concatenate(happened), before)
        return self._weights[len(y)]

    def __call__(self, y: Floats) -> Floats:
        """The average of the models' quantiles (levels, steps, groups)."""
        return np.asarray(np.tensordot(self.weights(y), self.made(y), axes=1))

    def draws(self, y: Floats) -> Floats:
        """The same as draws, which are averaged in their order: see `Forecaster`."""
        ordered = np.stack([np.sort(model.draws(y), axis=0) for model in self.models.values()])
        return np.asarray(np.tensordot(self.weights(y), ordered, axes=1))

    def said(self, y: Floats) -> str:
        """What each model weighs, in words; those of less than a hundredth are left out."""
        parts = [f"{name} {100 * w:.0f} %" for name, w in zip(self.models, self.weights(y), strict=True) if w >= 0.01]
        return f"the forecast averages models weighed by how each did in D's own past: {', '.join(parts)}"


def least(quantiles: Floats, y: Floats, start: Floats | None = None, steps: int = 40) -> Floats:
    """The weights (C,) under which the averaged quantiles (C, levels, N) have the least WIS at y (N,).

    By exponentiated gradients (Kivinen & Warmuth 1997) from `start`, or from equal weights; the best seen are returned.
    """
    tau = np.asarray(LEVELS)[:, None]
    same = np.full(len(quantiles), 1.0 / len(quantiles))
    weights = same if start is None else 0.98 * start + 0.02 * same  # what has gone to nothing may come back
    best, least_loss = weights, np.inf
    usual = max(float(np.abs(quantiles - y).mean()), 1e-12)
    for step in range(steps):
        gap = y - np.tensordot(weights, quantiles, axes=1)
        loss = float(np.maximum(tau * gap, (tau - 1.0) * gap).mean())
        if loss < least_loss:
            best, least_loss = weights, loss
        slope = np.einsum("ln,cln->c", np.where(gap > 0, -tau, 1.0 - tau), quantiles) / gap.size / usual
        weights = weights * np.exp(-4.0 / np.sqrt(1.0 + step) * (slope - slope.min()))
        weights = weights / weights.sum()
    return best
