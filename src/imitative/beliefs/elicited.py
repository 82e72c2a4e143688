"""A prior that was learned from a person: a Gaussian over the free coordinates of the parameters."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imitative.hypotheses.belief import gaussian_noise
from imitative.search.gradient import Gaussian, root

Floats = NDArray[np.float64]


class Elicited(NamedTuple):
    """The prior that was learned: a Gaussian over x.

    Args:
        mean, covariance: over x.
        centre, scale: x = (u − centre)/scale, with u the parameters' free coordinates.
        spread: (d,) the standard deviation, over what the judgements leave open, of the means.
        doubt: expected KL, in nats, between densities that the judgements allow and this one; infinite where it lies at
            the end of what was looked at.
        judgements: how many were used.
        nats_per_unit: the fitted scale of preferences.
        agreement: share of the comparisons that it calls as the judges did; None without comparisons.
    """

    mean: Floats
    covariance: Floats
    centre: Floats
    scale: Floats
    spread: Floats
    doubt: float
    judgements: int
    nats_per_unit: float
    agreement: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` is the inverse."""
        row = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in self._asdict().items()}
        return row | {"doubt": self.doubt if math.isfinite(self.doubt) else None}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Elicited:
        """Rebuild from `to_json`."""
        arrays = {key: np.array(row[key], dtype=float) for key in ("mean", "covariance", "centre", "scale", "spread")}
        doubt = math.inf if row["doubt"] is None else float(row["doubt"])
        agreement = None if row["agreement"] is None else float(row["agreement"])
        return cls(
            **arrays, doubt=doubt, judgements=int(row["judgements"]), nats_per_unit=float(row["nats_per_unit"]),
            agreement=agreement,
        )  # fmt: skip

    def log_density_u(self, u: Floats) -> Floats:
        """log prior over u (n, d): (n,) nats."""
        x = (u - self.centre) / self.scale
        gaussian = Gaussian(self.mean, root(self.covariance))
        return gaussian.log_density(x) - float(np.log(self.scale).sum())

    def draw_u(self, n: int, seed: int) -> Floats:
        """u (n, d)."""
        noise = gaussian_noise(n, len(self.mean), seed)
        return self.centre + self.scale * (self.mean + noise @ root(self.covariance).T)


def left_open(doubt: float | None) -> str:
    """What the answers leave open of a learned prior, as a reader is told; see `Elicited` of `doubt`."""
    if doubt is None or not math.isfinite(doubt):
        return "where it ends is not known: it lies at the end of what was looked at, so state a wider one"
    return f"{doubt:.3g} nats of it left open"


def gaussian_kl(m: Floats, c: Floats, m2: Floats, c2: Floats) -> float:
    """KL(N(m, c) ‖ N(m2, c2)), nats."""
    inverse = np.linalg.inv(c2)
    gap = m2 - m
    log_det = np.linalg.slogdet(c2)[1] - np.linalg.slogdet(c)[1]
    return 0.5 * float(np.trace(inverse @ c) + gap @ inverse @ gap - len(m) + log_det)
