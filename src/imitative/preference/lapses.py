"""What the score would be without one answer: a slip of attention must not be believed for want of a second opinion.

The Gaussian of `fit.py` holds given how careful each answer was on the whole. An answer that alone tells of something
looks careful, since nothing contradicts it, and yet one answer in twenty is a slip. What is known of the weights is
therefore a mixture: answer i is left out with the probability λ_i that it was careless, judged by what all others say
of it. Leaving out answer i with leverage l = c·xᵀH⁻¹x moves the mode by H⁻¹x·j, j = slope/(1 − l), and widens it along
H⁻¹x by u, u² = c/(1 − l) (Sherman and Morrison 1950); what several do together is taken to add up. The mixture's mean
and covariance are

    mode + H⁻¹ · Σ λ_i j_i x_i,        H⁻¹ + H⁻¹ · Σ λ_i (u_i² + (1 − λ_i) j_i²) x_i x_iᵀ · H⁻¹.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from imitative.preference.arrow import Design, Factor
from imitative.preference.evidence import Floats

LEVERAGE = 0.98
"""An answer's leverage is taken to be at most this: beyond, the prior is all that is left, and no small step."""
MOST_DOUBT = 0.5
"""λ is at most this. What other answers contradict the fit itself has put down as careless; what contradicts the prior
alone may be something that people do think: its Gaussian has thin tails, and is nobody's second opinion.
"""


class Lapses(NamedTuple):
    """Which answers a draw leaves out, and what that does.

    Args:
        chance: (C,) λ, the probability that the answer was careless, at most `MOST_DOUBT`.
        jump: (C,) how far the mode moves along H⁻¹x without it.
        widen: (C,) how much wider the score is then along H⁻¹x.
        design: the rows x.
        mean, variance: (C,) of each answer's score difference, by what all others say.
    """

    chance: Floats
    jump: Floats
    widen: Floats
    design: Design
    mean: Floats
    variance: Floats

    @classmethod
    def of(
        cls,
        design: Design,
        factor: Factor,
        delta: Floats,
        slope: Floats,
        curve: Floats,
        careless: Floats,
        predictive: Callable[[Floats, Floats], Floats],
    ) -> Lapses:
        """From a fit as it ended.

        Args:
            design: the rows.
            factor: of the Hessian.
            delta: (C,) the score differences at the mode.
            slope: (C,) the loss's derivative there.
            curve: (C,) its second derivative.
            careless: (C,) ε_j · P(answer | careless).
            predictive: (mean, variance) of Δ → (1 − ε_j) · P(answer | careful), (C,).
        """
        own, spread = factor.of_rows(design)
        variance = np.sum(spread**2, axis=0) + (own**2 if len(own) else 0.0)
        left = 1.0 - np.minimum(curve * variance, LEVERAGE)
        mean, variance = delta + variance * slope / left, variance / left
        chance = np.minimum(careless / np.maximum(careless + predictive(mean, variance), 1e-300), MOST_DOUBT)
        return cls(chance, slope / left, np.sqrt(curve / left), design, mean, variance)

    @property
    def shift(self) -> Floats:
        """How far the mean lies from the mode along each H⁻¹x, (C,)."""
        return self.chance * self.jump

    @property
    def width(self) -> Floats:
        """How much wider than H⁻¹ the mixture is along each H⁻¹x, (C,)."""
        return np.sqrt(self.chance * (self.widen**2 + (1.0 - self.chance) * self.jump**2))

    def draw(self, n: int, rng: np.random.Generator) -> Floats:
        """What n draws add to the mean for the answers they leave out, or do not, before H⁻¹: (p, n)."""
        out = rng.random((n, len(self.chance))) < self.chance
        by_row = out * (self.jump + rng.standard_normal(out.shape) * self.widen) - self.shift
        return np.stack([self.design.back(row) for row in by_row], axis=1)
