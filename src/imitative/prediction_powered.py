"""A mean from many cheap judgements and a few dear ones, without the cheap ones' bias.

    θ̂ = mean of λ·f over the N that have f alone  +  mean of (y − λ·f) over the n that have both

f is what the model said, y what people said. The second term measures how far the model is off and takes it back, so θ̂
estimates the mean of y whatever the model does; λ is the slope of y on f, so a model that is right narrows the interval
and one that is useless changes nothing. Source: Angelopoulos, Bates, Fannjiang, Jordan & Zrnic, *Prediction-powered
inference* (Science 2023), and Angelopoulos, Duchi & Zrnic, *PPI++* (2023), for λ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class Estimate(NamedTuple):
    """A mean with its interval.

    Args:
        value: θ̂.
        low, high: of the interval, kept within `bounds`.
        confidence: how often such an interval covers the mean.
        n, many: questions that people judged, and that only the model was asked.
        bias: how far the model's own mean is from θ̂: what was corrected.
        slope: λ, how much of the model was used.
    """

    value: float
    low: float
    high: float
    confidence: float
    n: int
    many: int
    bias: float
    slope: float


def corrected_mean(
    people: ArrayLike,
    model: ArrayLike,
    alone: ArrayLike,
    *,
    confidence: float = 0.95,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Estimate:
    """The mean of what people would say, from n both were asked and N the model alone.

    Student's t with n − 1 degrees of freedom. Where people and model agree on everything asked of both, the sample
    variance would be 0 and the interval a point, which n agreements do not warrant: the variance of y − λ·f is
    therefore taken with one observation more at either end of what it can be, and the slope with one agreement more
    at either end.

    Args:
        people: (n,) what people said.
        model: (n,) what the model said of the same.
        alone: (N,) what the model said of the rest, drawn from the same questions.
        confidence: of the interval.
        bounds: the least and the most a value can be.

    Raises:
        ValueError: for fewer than two judgements of people, or lengths that differ.

    >>> found = corrected_mean([1, 1, 0, 1] * 10, [1, 1, 1, 1] * 10, [1] * 360)
    >>> round(found.value, 3), round(found.bias, 3), found.low < 0.75 < found.high
    (0.75, 0.25, True)
    """
    y, f, rest = (np.asarray(value, dtype=np.float64) for value in (people, model, alone))
    if len(y) != len(f) or len(y) < 2:
        raise ValueError(f"people and model judge the same questions, two at least; found {len(y)} and {len(f)}")
    every, n = np.concatenate([f, rest]), len(y)
    width = bounds[1] - bounds[0]
    slope = _slope(y, f, every, len(rest), bounds) if len(rest) else 0.0
    centre = float(np.mean(y - slope * f))
    value = slope * float(rest.mean()) + centre if len(rest) else float(y.mean())
    spread = _variance(y - slope * f, (centre - width, centre + width)) / n
    if len(rest):
        # Of the N alone: those n that have both are in the other term already, and would not be independent of it.
        spread += slope**2 * float(np.var(every)) / len(rest)
    from scipy.special import stdtrit

    reach = float(stdtrit(n - 1, 0.5 + confidence / 2.0)) * float(np.sqrt(spread))
    low, high = max(bounds[0], value - reach), min(bounds[1], value + reach)
    bias = float(np.mean(every)) - value
    return Estimate(min(max(value, low), high), low, high, confidence, n, len(rest), bias, slope)


def _variance(values: Floats, ends: Sequence[float]) -> float:
    """The variance with one observation more at either end."""
    return float(np.var(np.concatenate([values, np.asarray(ends)]), ddof=1))


def _slope(y: Floats, f: Floats, every: Floats, many: int, ends: tuple[float, float]) -> float:
    """λ of PPI++: cov(y, f) / ((1 + n/N) var f), within [0, 1], with one agreement more at either end."""
    both = np.concatenate([y, ends]), np.concatenate([f, ends])
    covariance, variance = float(np.cov(*both)[0, 1]), float(np.var(both[1], ddof=1))
    return float(np.clip(covariance / ((1.0 + len(y) / many) * variance), 0.0, 1.0))
