"""Search for a belief by reparameterised gradients: Gaussians and mixtures of them.

A belief over u is u = m + L·ε with ε standard normal. Its score (`beliefs/objective.py`) is climbed with *fixed* ε: a
smooth function of (m, L) that L-BFGS climbs to the top in tens of steps, the same top every time (Giordano, Ingram &
Broderick 2024, "Black box variational inference with a deterministic objective"). ε is drawn in ± pairs and made to
have exactly mean zero and covariance one, so where the posterior is a Gaussian the full-rank belief is the posterior,
to rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize, special

from imitative.hypotheses.belief import gaussian_noise
from imitative.search.target import Target

Floats = NDArray[np.float64]
LOG_2PI = math.log(2.0 * math.pi)
STARTS, CLIMB_STEPS = 48, 150
CLOSE = 0.3
"""How near a known top a climb must have come for it to be no other."""
DEAR = 64
"""Models that evaluate fewer points than this together are dear: they are climbed from fewer places."""
_NOWHERE = 1e300  # what a search that minimises is told where the density is zero


def root(covariance: Floats) -> Floats:
    """The lower-triangular factor of a covariance (Cholesky)."""
    return np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)


class Gaussian(NamedTuple):
    """N(mean, factor·factorᵀ) over u."""

    mean: Floats  # (d,)
    factor: Floats  # (d, d) lower triangular

    def draw(self, noise: Floats) -> Floats:
        """u (n, d) from standard normals (n, d)."""
        return np.asarray(self.mean + noise @ self.factor.T)

    def log_density(self, u: Floats) -> Floats:
        """(n,) nats."""
        white = linalg.solve_triangular(self.factor, (u - self.mean).T, lower=True)
        log_det = float(np.log(np.diag(self.factor)).sum())
        return np.asarray(-0.5 * np.sum(white**2, axis=0) - log_det - 0.5 * len(self.mean) * LOG_2PI)

    @property
    def covariance(self) -> Floats:
        """(d, d)."""
        return np.asarray(self.factor @ self.factor.T)


@final
@dataclass(frozen=True, eq=False)
class Mixture:
    """Σ_k weight_k·N(mean_k, factor_k·factor_kᵀ)."""

    weights: Floats  # (K,)
    parts: tuple[Gaussian, ...]

    def draw(self, noise: Floats) -> Floats:
        """u (n, d) from standard normals (n, d); every component gets its share of n, not a random number."""
        ends = np.round(np.cumsum(self.weights) * len(noise)).astype(int)
        pieces = np.split(noise, ends[:-1])
        return np.concatenate([part.draw(piece) for part, piece in zip(self.parts, pieces, strict=True)])

    def log_density(self, u: Floats) -> Floats:
        """(n,) nats."""
        each = np.stack([part.log_density(u) for part in self.parts], axis=1)
        return np.asarray(special.logsumexp(each + np.log(self.weights), axis=1))


class Fitted(NamedTuple):
    """A belief over u, and its score: a lower bound on log p(D)."""

    belief: Gaussian | Mixture
    score: float
    error: float


def tops(target: Target, seed: int, most: int = 4) -> list[Floats]:
    """Points of high log p(D, u), best first, a unit apart: from prior draws, uphill side by side, then polished."""
    dear = target.batch < DEAR
    most = 1 if dear else most
    for number in (128, 512) if dear else (512,):
        draws = target.prior_draws(number, seed)
        value = target.heights(draws).log_joint
        if np.isfinite(value).any():
            break
    else:
        return []
    best = np.argsort(-value)[: target.batch if dear else STARTS]
    best = best[np.isfinite(value[best])]
    u = _uphill(target, draws[best])
    reached = target.heights(u).log_joint
    # Uphill may lead over an edge beyond which nothing is possible: then the place it began at is kept.
    kept = np.isfinite(reached)
    u, value = np.where(kept[:, None], u, draws[best]), np.where(kept, reached, value[best])
    order = np.argsort(-value)
    found: list[tuple[float, Floats]] = []
    for i in order[:: max(1, len(order) // (2 * most))]:
        if any(np.abs(u[i] - other).max() < CLOSE for _, other in found):
            continue
        top, height = _polished(target, u[i])
        if math.isfinite(height) and all(np.abs(top - other).max() > 1.0 for _, other in found):
            found.append((height, top))
        if len(found) == most:
            break
    return [top for _, top in sorted(found, key=lambda pair: -pair[0])]


def _uphill(target: Target, u: Floats, rate: float = 0.1) -> Floats:
    """Adam from every row at once: one batch of gradients a step, whatever the number of rows."""
    mean, square = np.zeros_like(u), np.zeros_like(u)
    for step in range(1, CLIMB_STEPS + 1):
        gradient = np.nan_to_num(target.parts(u).gradient, nan=0.0, posinf=0.0, neginf=0.0)
        mean, square = 0.9 * mean + 0.1 * gradient, 0.99 * square + 0.01 * gradient**2
        size = rate * min(1.0, 2.0 * (1.0 - step / (CLIMB_STEPS + 1)))
        u = u + size * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.99**step)) + 1e-12)
    return u


def climbed(target: Target, start: Floats) -> Floats:
    """The top that lies uphill of one point."""
    return _polished(target, start)[0]


def _polished(target: Target, start: Floats) -> tuple[Floats, float]:
    def loss(u: Floats) -> tuple[float, Floats]:
        parts = target.parts(u[None])
        value = float(parts.log_joint[0])
        return (-value, -parts.gradient[0]) if math.isfinite(value) else (_NOWHERE, np.zeros_like(u))

    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200, "ftol": 1e-13})
    height = -float(found.fun)
    return np.asarray(found.x), height if height > -_NOWHERE else -math.inf


def laplace(target: Target, top: Floats) -> Gaussian:
    """The Gaussian with the curvature at a top: the Hessian from differences of gradients.

    Where the surface is flat or bends upwards, one prior standard unit is taken instead.
    """
    d = target.size
    step = 1e-4 * np.maximum(1.0, np.abs(top))
    points = np.concatenate([top + np.diag(step), top - np.diag(step)])
    gradient = target.parts(points).gradient
    hessian = -(gradient[:d] - gradient[d:]) / (2.0 * step[:, None])
    hessian = np.nan_to_num(0.5 * (hessian + hessian.T))
    values, vectors = np.linalg.eigh(hessian)
    spread = 1.0 / np.sqrt(np.where(values > 1e-4, values, 1.0))
    covariance = (vectors * spread**2) @ vectors.T
    return Gaussian(top, root(covariance))


def paired_noise(n: int, d: int, seed: int) -> Floats:
    """(n, d) standard normals in ± pairs with covariance exactly the identity."""
    half = gaussian_noise(max(n // 2, d + 1), d, seed)
    white = root(half.T @ half / len(half))
    half = linalg.solve_triangular(white, half.T, lower=True).T
    return np.concatenate([half, -half])


def full_rank(target: Target, start: Gaussian, seed: int = 0, draws: int = 256, steps: int = 60) -> Fitted:
    """The best Gaussian: argmax over m, L of E_ε[log p(D, m + Lε)] + log |L|."""
    d = target.size
    noise = paired_noise(max(draws, 4 * d), d, seed)
    places = np.tril_indices(d)
    on_diagonal = places[0] == places[1]

    def unpack(numbers: Floats) -> Gaussian:
        inner = np.zeros((d, d))
        inner[places] = np.where(on_diagonal, np.exp(np.clip(numbers[d:], -20, 20)), numbers[d:])
        return Gaussian(start.mean + start.factor @ numbers[:d], start.factor @ inner)

    def loss(numbers: Floats) -> tuple[float, Floats]:
        belief = unpack(numbers)
        parts = target.parts(belief.draw(noise))
        joint = parts.log_joint
        if not np.isfinite(joint).all():
            return _NOWHERE, np.zeros_like(numbers)
        pulled = parts.gradient @ start.factor
        slope = (pulled.T @ noise / len(noise))[places]
        slope = np.where(on_diagonal, slope * np.exp(np.clip(numbers[d:], -20, 20)) + 1.0, slope)
        value = float(joint.mean()) + float(numbers[d:][on_diagonal].sum())
        return -value, -np.concatenate([pulled.mean(axis=0), slope])

    first = np.zeros(d + len(places[0]))
    found = optimize.minimize(
        loss, first, jac=True, method="L-BFGS-B", options={"maxiter": steps, "ftol": 1e-14, "gtol": 1e-9}
    )
    belief = unpack(found.x)
    if not np.isfinite(belief.factor).all():
        raise np.linalg.LinAlgError("a curvature that is no number")
    return scored(target, belief, seed + 1)


def scored(target: Target, belief: Gaussian | Mixture, seed: int, draws: int = 1024) -> Fitted:
    """A belief with its score from fresh draws, free of the optimism of those that it was fitted with."""
    u = belief.draw(gaussian_noise(draws, target.size, seed))
    each = target.heights(u).log_joint - belief.log_density(u)
    return Fitted(belief, float(each.mean()), float(each.std(ddof=1) / math.sqrt(draws)))


def mixture(target: Target, starts: list[Gaussian], seed: int = 0, draws: int = 256, steps: int = 60) -> Fitted:
    """The best mixture with as many parts as `starts`.

    score = Σ_k w_k·E_ε[log p(D, u_k) − log q(u_k)], u_k = m_k + L_k·ε: every part is drawn from as often as any other,
    so the shares w have a gradient too.
    """
    d, count = target.size, len(starts)
    noise = paired_noise(max(draws // count, 4 * d), d, seed)
    rows, columns = np.tril_indices(d)
    on_diagonal = rows == columns
    each = d + len(rows)

    def unpack(numbers: Floats) -> Mixture:
        parts = []
        for k, start in enumerate(starts):
            own = numbers[count + k * each : count + (k + 1) * each]
            inner = np.zeros((d, d))
            inner[rows, columns] = np.where(on_diagonal, np.exp(np.clip(own[d:], -20, 20)), own[d:])
            parts.append(Gaussian(start.mean + start.factor @ own[:d], start.factor @ inner))
        return Mixture(special.softmax(numbers[:count]), tuple(parts))

    def loss(numbers: Floats) -> tuple[float, Floats]:
        q = unpack(numbers)
        u = np.concatenate([part.draw(noise) for part in q.parts])
        parts = target.parts(u)
        if not np.isfinite(parts.log_joint).all():
            return _NOWHERE, np.zeros_like(numbers)
        log_q = q.log_density(u)
        share = np.exp(np.stack([p.log_density(u) for p in q.parts], axis=1) + np.log(q.weights) - log_q[:, None])
        pull = parts.gradient.copy()
        for k, part in enumerate(q.parts):  # −∇_u log q(u)
            white = linalg.cho_solve((part.factor, True), (u - part.mean).T).T
            pull += share[:, [k]] * white
        gain = (parts.log_joint - log_q).reshape(count, -1).mean(axis=1)
        value = float(q.weights @ gain)
        slope = np.zeros_like(numbers)
        slope[:count] = q.weights * (gain - value)
        for k, start in enumerate(starts):
            own = numbers[count + k * each : count + (k + 1) * each]
            mine = slice(k * len(noise), (k + 1) * len(noise))
            # The draws move (pull), and so does q as a function of its own numbers; that part's mean is zero.
            pulled = q.weights[k] * (pull[mine] @ start.factor)
            outer = (pulled.T @ noise / len(noise))[rows, columns]
            outer = np.where(on_diagonal, outer * np.exp(np.clip(own[d:], -20, 20)), outer)
            slope[count + k * each : count + (k + 1) * each] = np.concatenate([pulled.mean(axis=0), outer])
        return -value, -slope

    first = np.zeros(count + count * each)
    best = (math.inf, first)
    found = first
    # The dropped part has mean zero over random draws, not over fixed ones: steps are short, and the best is kept.
    for _ in range(steps):
        value, slope = loss(found)
        if value < best[0]:
            best = (value, found)
        found = found - 0.05 * slope / max(1.0, float(np.abs(slope).max()))
    return scored(target, unpack(best[1]), seed + 1)
