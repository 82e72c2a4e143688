"""The design of the fit and the factor of its Hessian, where many rows have a direction to themselves.

A rating of one word among thousands tells of a feature that no other row tells of. In coordinates t = (a, s), a_i being
row i's own direction, the Hessian of ½|t|² + loss(design·t) is an arrow: diagonal in a, dense in the few s that rows
share. It is then factored at O(C·p_s² + p_s³) instead of O(C³).

    design = [ diag(alone) | shared ],      L = | diag(l)    0   |,    l² = 1 + W·alone²
                                                | Bᵀ       corner |     B  = W·alone·shared / l
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular

Floats = NDArray[np.float64]


class Design(NamedTuple):
    """All rows in t coordinates.

    Args:
        alone: (C,) what row i sees of its own direction; empty where no row has one.
        shared: (C, p_s).
    """

    alone: Floats
    shared: Floats

    @property
    def size(self) -> int:
        """p, how many coordinates t has."""
        return len(self.alone) + int(self.shared.shape[1])

    def scores(self, t: Floats) -> Floats:
        """design · t, for t (p,) or (p, n): (C,) or (C, n)."""
        if not len(self.alone):
            return np.asarray(self.shared @ t)
        return np.asarray((self.alone * t[: len(self.alone)].T).T + self.shared @ t[len(self.alone) :])

    def back(self, slope: Floats) -> Floats:
        """designᵀ · slope: (p,)."""
        if not len(self.alone):
            return np.asarray(self.shared.T @ slope)
        return np.concatenate([self.alone * slope, self.shared.T @ slope])

    def factor(self, curve: Floats) -> Factor:
        """The lower Cholesky factor of I + designᵀ · diag(curve) · design."""
        own = np.sqrt(1.0 + curve * self.alone**2) if len(self.alone) else self.alone
        left = curve / own**2 if len(own) else curve
        scaled = np.sqrt(left)[:, None] * self.shared
        corner = scaled.T @ scaled
        corner[np.diag_indices_from(corner)] += 1.0
        couple = (curve * self.alone / own)[:, None] * self.shared if len(own) else self.shared[:0]
        return Factor(own, couple, cholesky(corner, lower=True, overwrite_a=True, check_finite=False))


class Factor(NamedTuple):
    """L, lower triangular, with L·Lᵀ the Hessian.

    Args:
        own: (C,) l, or empty.
        couple: (C, p_s) B, or empty.
        corner: (p_s, p_s), lower.
    """

    own: Floats
    couple: Floats
    corner: Floats

    @property
    def size(self) -> int:
        """p."""
        return len(self.own) + len(self.corner)

    @property
    def log_diagonal(self) -> float:
        """Half the log determinant of the Hessian."""
        return float(np.log(np.diag(self.corner)).sum() + np.log(self.own).sum())

    def half(self, v: Floats) -> Floats:
        """L⁻¹ · v, for v (p,) or (p, n)."""
        m = len(self.own)
        if not m:
            return np.asarray(solve_triangular(self.corner, v, lower=True, check_finite=False))
        top = (v[:m].T / self.own).T
        below = solve_triangular(self.corner, v[m:] - self.couple.T @ top, lower=True, check_finite=False)
        return np.concatenate([top, below])

    def other_half(self, v: Floats) -> Floats:
        """L⁻ᵀ · v, for v (p,) or (p, n)."""
        m = len(self.own)
        below = solve_triangular(self.corner.T, v[m:], check_finite=False)
        return np.concatenate([((v[:m] - self.couple @ below).T / self.own).T, below]) if m else np.asarray(below)

    def solve(self, v: Floats) -> Floats:
        """H⁻¹ · v."""
        return self.other_half(self.half(v))

    def of_rows(self, design: Design) -> tuple[Floats, Floats]:
        """L⁻¹ · designᵀ: what stands on its diagonal, (C,) or empty, and its last p_s rows, (p_s, C)."""
        if not len(self.own):
            return self.own, np.asarray(solve_triangular(self.corner, design.shared.T, lower=True, check_finite=False))
        rest = (design.shared / self.own[:, None] ** 2).T
        return design.alone / self.own, np.asarray(solve_triangular(self.corner, rest, lower=True, check_finite=False))
