"""Where a person's prior is looked at, and how closely: the coordinates that beliefs are shown and learned in."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SURER = 0.5
"""Mean of the logarithm of how many times narrower than the given prior somebody's own is (Laplace): comparisons tell
of the scale the least, and what they leave open is not to be taken for sureness."""
CLOSER = 4.0
"""By how many times the coordinates may close in, or draw back, in one step."""


class Shown(NamedTuple):
    """A belief that was shown: its words, and what they say of x in the coordinates given at the start.

    Args:
        text: the words.
        mean: (d,) E_z[x].
        square: (d, d) E_z[x·xᵀ].
        entropy: of z over x, nats.
    """

    text: str
    mean: Floats
    square: Floats
    entropy: float


class Focus(NamedTuple):
    """Coordinates x = (x₀ − centre)/scale, x₀ being those given at the start; both (d,), scale at most 1."""

    centre: Floats
    scale: Floats

    def log_prior(self) -> float:
        """How plausible they are before anybody was asked, nats up to a constant."""
        return -float(0.5 * self.centre @ self.centre + np.abs(np.log(self.scale)).sum() / SURER)

    def towards(self, mean: Floats, sd: Floats, share: float) -> Focus:
        """A share of the way to a density with this mean and these standard deviations, in the present coordinates."""
        step = np.clip(np.log(sd), -math.log(CLOSER), math.log(CLOSER))
        return Focus(self.centre + share * self.scale * mean, np.minimum(self.scale * np.exp(share * step), 1.0))
