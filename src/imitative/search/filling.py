"""What a belief in words leaves unsaid, given what it says: as the posterior's draws have it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from imitative.search.gradient import LOG_2PI, root

Floats = NDArray[np.float64]
REACH = 3.0
"""Standard deviations of what is said beyond which a curve through the draws is not believed to go on bending."""
FUNNEL = 3.0
"""Log standard deviations by which what is said may stretch what is not: a factor of twenty either way."""


class Filled(NamedTuple):
    """u_rest = mean + slope·φ(x) + stretch(x)·(factor·ε), with x = (u_said − centre)/scale.

    φ(x) are x_i and x_i·x_j; stretch = exp(bend·(1, φ(x))). So groups' own effects may be curved in, and narrower with,
    the spread they share (Neal's funnel), which no one Gaussian of all of u can be.

    Args:
        said: (s,) where the spoken parameters lie in u; rest: (r,) the others.
        centre, scale: (s,) of the former.
        mean, slope: (r,), (r, f) of the latter.
        bend: (r, 1 + f), zero where the draws show no stretch.
        factor: (r, r) lower triangular.
    """

    said: NDArray[np.int64]
    rest: NDArray[np.int64]
    centre: Floats
    scale: Floats
    mean: Floats
    slope: Floats
    bend: Floats
    factor: Floats

    @classmethod
    def of(cls, u: Floats, said: NDArray[np.int64]) -> Filled:
        """From draws u (n, d): straight where no curve is worth its numbers, by BIC."""
        n, rest = len(u), np.setdiff1d(np.arange(u.shape[1]), said)
        centre, scale = u[:, said].mean(axis=0), np.maximum(u[:, said].std(axis=0), 1e-12)
        phi = _features((u[:, said] - centre) / scale)
        s, f = len(said), phi.shape[1]
        if not len(rest):
            none = np.zeros((0, 0))
            return cls(said, rest, centre, scale, np.zeros(0), np.zeros((0, f)), np.zeros((0, 1 + f)), none)
        y = u[:, rest]
        ones = np.ones((n, 1))
        straight, curved = (_regressed(np.concatenate([ones, part], axis=1), y) for part in (phi[:, :s], phi))
        straight = np.concatenate([straight, np.zeros((len(rest), f - s))], axis=1)
        design = np.concatenate([ones, phi], axis=1)
        left = [np.maximum(((y - design @ each.T) ** 2).mean(axis=0), 1e-300) for each in (straight, curved)]
        worth = 0.5 * n * np.log(left[0] / left[1]) > 0.5 * (f - s) * np.log(n)
        found = np.where(worth[:, None], curved, straight)
        residual = y - design @ found.T
        bend = _stretched(design, residual)
        white = residual / np.exp(_within(design @ bend.T))
        cov = np.cov(white.T).reshape(len(rest), -1)
        factor = root(cov + 1e-10 * np.diag(np.diag(cov) + 1e-12))
        return cls(said, rest, centre, scale, found[:, 0], found[:, 1:], bend, factor)

    def u(self, said: Floats, noise: Floats) -> Floats:
        """u (n, d) from the said part (n, s) and noise (n, r)."""
        out = np.empty((len(said), len(self.said) + len(self.rest)))
        out[:, self.said] = said
        if len(self.rest):
            phi = _features((said - self.centre) / self.scale)
            out[:, self.rest] = self.mean + phi @ self.slope.T + np.exp(self._stretch(phi)) * (noise @ self.factor.T)
        return out

    def log_density(self, said: Floats, noise: Floats) -> Floats:
        """(n,) log density of the filled-in part given the said one, from the noise that made it."""
        if not len(self.rest):
            return np.zeros(len(noise))
        stretch = self._stretch(_features((said - self.centre) / self.scale))
        log_det = float(np.log(np.diag(self.factor)).sum())
        return np.asarray(
            -0.5 * np.sum(noise**2, axis=1) - log_det - stretch.sum(axis=1) - 0.5 * len(self.rest) * LOG_2PI
        )

    def _stretch(self, phi: Floats) -> Floats:
        return _within(self.bend[:, 0] + phi @ self.bend[:, 1:].T)


def _features(x: Floats) -> Floats:
    """φ(x) of (n, s): straight for ever, curved as far as the draws reach."""
    near = np.clip(x, -REACH, REACH)
    rows, columns = np.tril_indices(x.shape[1])
    return np.concatenate([x, near[:, rows] * near[:, columns]], axis=1)


def _within(stretch: Floats) -> Floats:
    return np.clip(stretch, -FUNNEL, FUNNEL)


def _regressed(design: Floats, y: Floats) -> Floats:
    """Coefficients (r, f) of least squares."""
    gram = design.T @ design
    return np.asarray(linalg.solve(gram + 1e-9 * np.diag(np.diag(gram)), design.T @ y, assume_a="pos").T)


def _stretched(design: Floats, residual: Floats) -> Floats:
    """(r, 1 + f) of log standard deviations, by regression of log residual²; zero where it is not worth its numbers."""
    n, f = design.shape
    sd = np.maximum(residual.std(axis=0), 1e-150)
    log_square = np.log(np.maximum((residual / sd) ** 2, 1e-12))
    bend = 0.5 * _regressed(design, log_square)
    stretch = _within(design @ bend.T)
    level = 0.5 * np.log(((residual / sd / np.exp(stretch)) ** 2).mean(axis=0))
    bend[:, 0] += level  # log of a square is not centred at nought
    stretch = _within(design @ bend.T)
    gain = -stretch.sum(axis=0) - 0.5 * n * np.log(((residual / sd / np.exp(stretch)) ** 2).mean(axis=0))
    return np.where((gain > 0.5 * f * np.log(n))[:, None], bend, 0.0)
