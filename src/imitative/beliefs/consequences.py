"""What beliefs would make happen: D′ as a model has it under each, for people who compare what they expect.

    θ ~ z,   everything else ~ the model given θ,   y′ ~ p(y′ | θ)

Two beliefs are drawn with the same noise, so that what differs between their pictures is the beliefs' doing. D is seen
by the model where it must begin somewhere (the last value of a series) and never drawn; how D′ turned out is not here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from imitative.families.family import Built
from imitative.hypotheses.belief import BeliefSpace, gaussian_noise
from imitative.search.target import load_jax

Floats = NDArray[np.float64]
DRAWS: Final = 128
"""Draws of θ and of everything else, for each belief."""
CURVES: Final = 8
"""Of these, so many are shown one by one: the first, none chosen."""
POINTS: Final = 40
"""Points of a curve: more could not be told apart on a phone."""
BAND: Final = (0.1, 0.5, 0.9)
"""What is shown of all draws: where eight in ten of them lie, and their middle."""
FINE: Final = 0.9
"""Share of the draws that must be numbers, for a picture to be shown."""


class Across(NamedTuple):
    """What D′ lies along.

    Args:
        kind: `time`, for steps in their order; `number`, for rows along one column; `rows`, for rows beside each other.
        name: of the steps, the column or the rows.
        labels: (H,) what each step or row is called.
        x: (H,) the column's numbers, where there is one.
    """

    kind: str
    name: str
    labels: tuple[str, ...]
    x: tuple[float, ...] = ()

    @property
    def order(self) -> NDArray[np.int64]:
        """At most `POINTS` of the steps, in the order they are drawn in."""
        order = np.argsort(np.array(self.x), kind="stable") if self.kind == "number" else np.arange(len(self.labels))
        return np.asarray(order[np.unique(np.linspace(0, len(order) - 1, POINTS).round().astype(int))])


NOWHERE: Final = Across("rows", "row", ())
"""Where there is no D′."""


@final
class Consequences:
    """Draws of D′ under beliefs in words, as plain values.

    Args:
        built: the model.
        space: the parameters that beliefs speak of.
        across: what D′ lies along.
        groups: the names of the series.
        of: what y is, `deaths`.
        seed: of everything drawn.
    """

    def __init__(
        self, built: Built, space: BeliefSpace, across: Across, groups: Sequence[str], of: str, seed: int = 0
    ) -> None:
        self._built, self._space, self._across = built, space, across
        self._groups, self._of, self._seed = tuple(groups), of, seed
        self._noise = gaussian_noise(DRAWS, len(space.parameters), seed + 17)
        self._run: Callable[[Floats], Floats] | None = None

    def of(self, texts: Sequence[str], series: int = 0) -> dict[str, Any] | None:
        """What each belief would make happen to one of the series; None where a model has no D′ to speak of.

        Args:
            texts: beliefs.
            series: the number of the series, taken modulo how many there are.

        Raises:
            ValueError: for a text that is no belief.
        """
        if not self._built.samples_forecast or not self._across.labels:
            return None
        drawn = [self._drawn(text) for text in texts]
        if any(np.isfinite(each).reshape(len(each), -1).all(axis=1).mean() < FINE for each in drawn):
            return None  # one of them blows up ahead: there is no picture of that
        several = drawn[0].ndim == 3 and drawn[0].shape[2] > 1
        place = series % drawn[0].shape[2] if several else 0
        order = self._across.order
        return {
            "of": self._of,
            "group": self._groups[place] if several and place < len(self._groups) else "",
            "kind": self._across.kind,
            "along": self._across.name,
            "labels": [self._across.labels[i] for i in order],
            "x": [_short(self._across.x[i]) for i in order] if self._across.x else [],
            "sides": [_side((each[:, :, place] if each.ndim == 3 else each)[:, order]) for each in drawn],
        }

    def _drawn(self, text: str) -> Floats:
        """(draws, H[, groups])."""
        if self._run is None:
            self._run = self._compiled()
        return self._run(self._space.draw(self._space.read(text), self._noise))

    def _compiled(self) -> Callable[[Floats], Floats]:
        jax = load_jax()
        from numpyro import handlers

        names, horizon = [p.name for p in self._space.parameters], len(self._across.labels)

        def one(theta: Any, key: Any) -> Any:
            given = {name: theta[i] for i, name in enumerate(names)}
            fixed = handlers.substitute(handlers.seed(self._built.model, key), data=given)
            return handlers.trace(fixed).get_trace(horizon=horizon)["forecast"]["value"]

        keys = jax.random.split(jax.random.PRNGKey(self._seed), DRAWS)
        many = jax.jit(jax.vmap(one))
        return lambda theta: np.asarray(many(theta, keys), dtype=float)


def _side(draws: Floats) -> dict[str, Any]:
    """Draws (n, H) as a band, its middle, and some of them; without those that are no numbers."""
    fine = draws[np.isfinite(draws).all(axis=1)]
    low, middle, high = np.quantile(fine, BAND, axis=0)
    told = {"low": low, "middle": middle, "high": high}
    curves = [[_short(v) for v in curve] for curve in fine[:CURVES]]
    return {name: [_short(v) for v in values] for name, values in told.items()} | {"curves": curves}


def _short(x: float) -> float:
    """Four figures: finer than any screen, and short to keep."""
    return float(f"{x:.4g}")
