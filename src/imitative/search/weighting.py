"""How far a belief is from the exact posterior: importance weights, their tail, and the evidence.

    w_k = p(D, u_k) / q(u_k),  u_k ~ q        log p(D) ≈ log mean w        KL(z ‖ posterior) = log p(D) − score(z)

The proposal q is a mixture of Student t's, fitted to its own weighted draws in a few rounds (adaptive importance
sampling: Cappé et al. 2008). The weights' tail says whether the answer can be believed: Pareto-smoothed importance
sampling (Vehtari, Simpson, Gelman, Yao & Gabry 2024) fits a generalised Pareto distribution to the largest weights;
with its shape k̂ below 0.7 the estimates are reliable.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, special

from imitative.hypotheses.belief import gaussian_noise
from imitative.search.gradient import Gaussian, root
from imitative.search.target import Target

Floats = NDArray[np.float64]
RELIABLE = 0.7
"""k̂ from which on importance sampling is not to be believed (Vehtari et al., section 3.2.4)."""
FREEDOM = 7.0
"""Degrees of freedom of the proposal: tails fat enough for a posterior's, thin enough to waste few draws."""


class Smoothed(NamedTuple):
    """Pareto-smoothed log weights, normalised, and the shape k̂ of their tail."""

    log_weights: Floats
    k_hat: float


class Weighted(NamedTuple):
    """Draws with weights: the posterior as importance sampling has it."""

    u: Floats  # (n, d)
    weights: Floats  # (n,) summing to one
    log_joint: Floats  # (n,) log p(D, u)
    log_likelihood: Floats  # (n,)
    k_hat: float
    log_evidence: float
    error: float  #: standard error of the log evidence, nats
    effective: float  #: 1/Σ w²: how many independent draws they are worth


class Students(NamedTuple):
    """A mixture of multivariate Student t's over u: the proposal."""

    weights: Floats  # (K,)
    parts: tuple[Gaussian, ...]

    def draw(self, n: int, seed: int) -> Floats:
        """(n, d), every part its share."""
        d = len(self.parts[0].mean)
        noise = gaussian_noise(n, d + 1, seed)
        scale = np.sqrt(FREEDOM / (2.0 * special.gammaincinv(FREEDOM / 2.0, special.ndtr(noise[:, d]))))
        order = np.random.default_rng(seed).permutation(n)
        counts = np.round(np.cumsum(self.weights) * n).astype(int)
        pieces = np.split(order, counts[:-1])
        u = np.empty((n, d))
        for part, rows in zip(self.parts, pieces, strict=True):
            u[rows] = part.draw(noise[rows, :d] * scale[rows, None])
        return u

    def log_parts(self, u: Floats) -> Floats:
        """log weight_k + log t_k(u): (n, K)."""
        d = u.shape[1]
        constant = (
            special.gammaln((FREEDOM + d) / 2) - special.gammaln(FREEDOM / 2) - 0.5 * d * math.log(FREEDOM * math.pi)
        )
        columns = []
        for part in self.parts:
            white = linalg.solve_triangular(part.factor, (u - part.mean).T, lower=True)
            square = np.sum(white**2, axis=0)
            log_det = float(np.log(np.diag(part.factor)).sum())
            columns.append(constant - log_det - 0.5 * (FREEDOM + d) * np.log1p(square / FREEDOM))
        return np.asarray(np.stack(columns, axis=1) + np.log(np.maximum(self.weights, 1e-300)))

    def log_density(self, u: Floats) -> Floats:
        """(n,) nats."""
        return np.asarray(special.logsumexp(self.log_parts(u), axis=1))

    def refitted(self, u: Floats, weights: Floats) -> Students:
        """One round of expectation–maximisation on weighted draws; a part that died is dropped."""
        each = self.log_parts(u)
        share = np.exp(each - special.logsumexp(each, axis=1, keepdims=True)) * weights[:, None]
        total, parts, kept = share.sum(axis=0), [], []
        d = u.shape[1]
        for k, part in enumerate(self.parts):
            effective = total[k] ** 2 / max(float(np.sum(share[:, k] ** 2)), 1e-300)
            if total[k] < 0.01 or effective < 2 * d + 5:
                continue
            white = linalg.solve_triangular(part.factor, (u - part.mean).T, lower=True)
            gamma = share[:, k] * (FREEDOM + d) / (FREEDOM + np.sum(white**2, axis=0))
            mean = gamma @ u / gamma.sum()
            centred = u - mean
            covariance = (centred * gamma[:, None]).T @ centred / total[k]
            covariance += 1e-9 * np.diag(np.maximum(np.diag(covariance), 1e-12))
            try:
                parts.append(Gaussian(mean, root(covariance)))
            except np.linalg.LinAlgError:
                continue
            kept.append(total[k])
        if not parts:
            return self
        return Students(np.array(kept) / sum(kept), tuple(parts))


def smoothed(log_weights: Floats) -> Smoothed:
    """Pareto-smoothed importance weights: the largest are replaced by the order statistics of the fitted tail."""
    log_w = np.where(np.isfinite(log_weights), log_weights, -np.inf)
    log_w = log_w - special.logsumexp(log_w)
    n = len(log_w)
    count = math.ceil(min(0.2 * n, 3.0 * math.sqrt(n)))
    order = np.argsort(log_w)
    tail = order[-count:]
    cut = log_w[order[-count - 1]]
    if not math.isfinite(cut) or log_w[tail[-1]] - log_w[tail[0]] < 1e-10:
        return Smoothed(log_w, -math.inf if math.isfinite(cut) else math.inf)
    excess = np.exp(log_w[tail] - log_w[tail[-1]]) - math.exp(cut - log_w[tail[-1]])
    k, sigma = _pareto(np.maximum(excess, 1e-300))
    places = (np.arange(count) + 0.5) / count
    sizes = sigma * np.expm1(-k * np.log1p(-places)) / k if abs(k) > 1e-12 else -sigma * np.log1p(-places)
    new = np.minimum(np.log(sizes + math.exp(cut - log_w[tail[-1]])), 0.0) + log_w[tail[-1]]
    log_w = log_w.copy()
    log_w[tail] = new
    return Smoothed(log_w - special.logsumexp(log_w), k)


def _pareto(x: Floats) -> tuple[float, float]:
    """Shape and scale of the generalised Pareto distribution of sorted x > 0 (Zhang & Stephens 2009), with the weak
    prior on the shape that PSIS adds: ten observations of k = 0.5.
    """
    x = np.sort(x)
    n, quarter = len(x), x[int(len(x) / 4 + 0.5) - 1]
    m = 30 + int(math.sqrt(n))
    theta = 1.0 / x[-1] + (1.0 - np.sqrt(m / (np.arange(1, m + 1) - 0.5))) / (3.0 * quarter)
    shape = np.mean(np.log1p(-theta[:, None] * x), axis=1)
    likelihood = n * (np.log(-theta / shape) - shape - 1.0)
    weights = special.softmax(likelihood)
    best = float(theta @ weights)
    k = float(np.mean(np.log1p(-best * x)))
    sigma = -k / best
    return (n * k + 10.0 * 0.5) / (n + 10.0), sigma


def weighted(target: Target, proposal: Students, n: int, seed: int) -> Weighted:
    """Draw from the proposal and weigh."""
    u = proposal.draw(n, seed)
    parts = target.heights(u)
    raw = parts.log_joint - proposal.log_density(u)
    if not np.isfinite(raw).any():
        raw = np.full(len(u), -np.inf)
        return Weighted(u, np.full(n, 1.0 / n), parts.log_joint, parts.log_likelihood, math.inf, -math.inf, math.inf, 0)
    log_w, k = smoothed(raw)
    weights = np.exp(log_w)
    evidence = float(special.logsumexp(raw) - math.log(n))
    relative = np.exp(np.where(np.isfinite(raw), raw, -np.inf) - evidence)
    error = float(relative.std(ddof=1) / math.sqrt(n))
    return Weighted(
        u, weights, parts.log_joint, parts.log_likelihood, k, evidence, error, float(1.0 / np.sum(weights**2))
    )


def adapted(target: Target, starts: list[Gaussian], seed: int, n: int = 4096, rounds: int = 6) -> Students:
    """A proposal fitted to the posterior: draw, weigh, refit, until the effective share of draws rests."""
    wide = [Gaussian(part.mean, 1.2 * part.factor) for part in starts]
    proposal = Students(np.full(len(wide), 1.0 / len(wide)), tuple(wide))
    best, last = proposal, 0.0
    for r in range(rounds):
        found = weighted(target, proposal, n, seed + r)
        if found.effective < 1.02 * last:
            break
        best, last = proposal, found.effective
        proposal = proposal.refitted(found.u, found.weights)
        if last > 0.9 * n:
            break
    return best


def split(proposal: Students, found: Weighted, parts: int, seed: int) -> Students:
    """The proposal with more parts, centred on draws: for posteriors that bend."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(found.u), size=parts, p=found.weights)
    mean = found.weights @ found.u
    centred = found.u - mean
    covariance = (centred * found.weights[:, None]).T @ centred
    factor = root(covariance + 1e-9 * np.diag(np.diag(covariance) + 1e-12))
    new = [Gaussian(found.u[i], 0.7 * factor) for i in chosen]
    weights = np.concatenate([0.3 * proposal.weights, np.full(parts, 0.7 / parts)])
    return Students(weights / weights.sum(), (*proposal.parts, *new))


def bridged(target: Target, draws: Floats, log_joint: Floats, seed: int) -> tuple[float, float]:
    """log p(D) by bridge sampling (Meng & Wong 1996) between posterior draws and a Gaussian fitted to half of them.

    Returns:
        The log evidence and its standard error, nats.
    """
    first, second = draws[::2], draws[1::2]
    covariance = np.cov(first.T).reshape(draws.shape[1], draws.shape[1])
    proposal = Gaussian(first.mean(axis=0), root(covariance + 1e-12 * np.eye(draws.shape[1])))
    n = len(second)
    u = proposal.draw(gaussian_noise(n, draws.shape[1], seed))
    at_draws = log_joint[1::2] - proposal.log_density(second)
    at_proposal = target.heights(u).log_joint - proposal.log_density(u)
    log_r = float(np.median(at_draws))
    for _ in range(200):
        top = special.logsumexp(at_proposal - np.logaddexp(at_proposal, log_r))
        bottom = special.logsumexp(-np.logaddexp(at_draws, log_r))
        new = float(top - bottom)
        if abs(new - log_r) < 1e-10:
            break
        log_r = new
    f1 = np.exp(at_proposal - np.logaddexp(at_proposal, log_r))
    f2 = np.exp(log_r - np.logaddexp(at_draws, log_r))
    error = math.sqrt(f1.var() / f1.mean() ** 2 / n + 2.0 * f2.var() / f2.mean() ** 2 / n)  # draws are not independent
    return log_r, float(error)
