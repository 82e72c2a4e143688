"""From a posterior to a belief in words: which clause for each parameter, which dependences, which numbers.

    forms, numbers ← of the clauses that fit each parameter's draws, the one they find most likely
    dependences    ← sentence by sentence, the one that explains most of the draws' correlation, in words
    numbers        ← climb score(z) = E_{θ~z}[log p(D|θ)] − KL(z ‖ prior) by reparameterised gradients
    numbers        ← rounded to what a twentieth of the spread can tell apart

What the words leave unsaid (parameters without a sentence) is filled in as the posterior's draws have it, given those
that are said (`filling.py`). What the words lose is log p(D) − score(z) = KL(z ‖ posterior), in nats.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from imitative.beliefs.objective import Score, drawn_score
from imitative.hypotheses.belief import DEGREES, LEAST_LEFT, Belief, BeliefSpace, Dependence, gaussian_noise
from imitative.hypotheses.marginal import Clause, Form, Marginal
from imitative.search.exact import ExactPosterior
from imitative.search.filling import Filled
from imitative.search.gradient import paired_noise

Floats = NDArray[np.float64]
WORTH = 0.03
"""Nats that a sentence about dependence must be worth: what a `slightly` says."""
MOST_CAUSES = 3
"""Sentences about what one parameter depends on: more could not be held in mind."""
TWO = 10.0
"""Nats of BIC by which two bumps must beat one before `either … or` is said."""


class Readable(NamedTuple):
    """A belief in words, and what it is worth."""

    belief: Belief
    score: float  #: E log p(D|θ) − KL(z‖prior), nats
    error: float  #: its Monte Carlo standard error
    loss: float  #: log p(D) − score: KL from z to the exact posterior, nats
    means: Floats  # (d,) of the words
    sds: Floats
    log_likelihood: float = -math.inf  #: E log p(D|θ), nats
    kl: float = math.inf  #: KL(z‖prior), nats


def in_words(posterior: ExactPosterior, space: BeliefSpace, places: Sequence[int], *, seed: int = 0) -> Readable:
    """The best belief in words.

    Args:
        posterior: exact, checked.
        space: the parameters that are spoken of.
        places: (s,) where each of them lies in u; they must be one number of θ each.
        seed: of the draws that score it.
    """
    draws = np.stack(
        [unfree(posterior.u[:, k], p.lower, p.upper) for k, p in zip(places, space.parameters, strict=True)], 1
    )
    marginals = tuple(fitted(draws[:, i], p.lower, p.upper) for i, p in enumerate(space.parameters))
    belief = Belief(marginals, dependences(space, draws))
    filled = Filled.of(posterior.u, np.asarray(places))
    climbed = _climbed(posterior, space, belief, filled, seed)
    best = max((rounded(belief), rounded(climbed)), key=lambda z: score(posterior, space, z, filled, seed + 1).score)
    return _worth(posterior, space, best, filled, seed + 2)


def score_words(
    posterior: ExactPosterior, space: BeliefSpace, places: Sequence[int], belief: Belief, *, seed: int = 0
) -> Readable:
    """What any belief in words is worth: one that a person wrote, say. −∞ where it believes what cannot be."""
    return _worth(posterior, space, belief, Filled.of(posterior.u, np.asarray(places)), seed)


def _worth(posterior: ExactPosterior, space: BeliefSpace, z: Belief, filled: Filled, seed: int) -> Readable:
    found = score(posterior, space, z, filled, seed, 4096)
    loss, numbers = posterior.log_evidence - found.score, np.array(space.summary(z))
    return Readable(z, found.score, found.error, loss, numbers[:, 0], numbers[:, 1], found.log_likelihood, found.kl)


def fitted(x: Floats, lower: float, upper: float) -> Marginal:
    """The clause that draws of one parameter find most likely; two, where they have two bumps."""
    mean, sd = float(x.mean()), max(float(x.std()), 1e-12 * max(1.0, abs(float(x.mean()))))
    options = [Clause(Form.ABOUT, (mean, sd))] if lower <= mean <= upper else []
    if lower == 0.0 and math.isinf(upper) and (x > 0).all():
        logs = np.log(x)
        options.append(Clause(Form.FACTOR, (math.exp(float(logs.mean())), math.exp(max(float(logs.std()), 1e-9)))))
        options.append(Clause(Form.EVENTS, (mean, (mean / sd) ** 2)))
    if lower == 0.0 and upper == 1.0 and 0 < mean < 1:
        cases = mean * (1 - mean) / sd**2 - 1.0
        if cases > 0:
            options.append(Clause(Form.CASES, (mean, cases)))
    likely = [float(np.mean(Marginal((c,)).log_density(x, lower, upper))) for c in options]
    best = options[int(np.argmax(likely))]
    return _two(x, lower, upper, max(likely)) or Marginal((best,))


def _two(x: Floats, lower: float, upper: float, one: float) -> Marginal | None:
    """`either … or …`, where two normals beat one clause by enough and stand apart."""
    thin = np.sort(x)[:: max(1, len(x) // 1000)]
    m, s, w = np.quantile(thin, [0.2, 0.8]), np.full(2, thin.std() / 2), np.full(2, 0.5)
    for _ in range(60):
        log_p = stats.norm.logpdf(thin[:, None], m, s) + np.log(w)
        share = special.softmax(log_p, axis=1)
        w = share.mean(axis=0)
        m = (share * thin[:, None]).sum(axis=0) / share.sum(axis=0)
        s = np.sqrt((share * (thin[:, None] - m) ** 2).sum(axis=0) / share.sum(axis=0)) + 1e-9 * thin.std()
    if w.min() < 0.03 or abs(m[1] - m[0]) < 2.0 * s.sum() or not (lower < m.min() and m.max() < upper):
        return None
    percent = float(np.clip(round(100 * w[0]), 1, 99))
    both = Marginal(
        tuple(Clause(Form.ABOUT, (float(a), float(b))) for a, b in zip(m, s, strict=True)), (percent, 100 - percent)
    )
    gain = len(thin) * (float(np.mean(both.log_density(thin, lower, upper))) - one) - 1.5 * math.log(len(thin))
    return both if gain > TWO else None


def dependences(space: BeliefSpace, draws: Floats) -> tuple[Dependence, ...]:
    """The sentences that say most of the draws' correlation, for the parameters in their order.

    For each parameter, given those before it, the sentence that lowers KL(draws ‖ words) most is added or reworded
    until none is worth `WORTH` nats. Later parameters depend on earlier ones, so there are no circles.
    """
    d = draws.shape[1]
    t = special.ndtri((stats.rankdata(draws, axis=0) - 0.5) / len(draws))
    real = np.corrcoef(t.T).reshape(d, d)
    words = np.array([sign * size for size in DEGREES.values() for sign in (1.0, -1.0)])
    said: list[Dependence] = []
    told = np.eye(d)  # the correlations that the words imply
    for j in range(1, d):
        pull = np.zeros(j)
        now = _misfit(pull, real, told, j)
        while True:
            options = [
                (_misfit(_set(pull, i, w), real, told, j), i, w)
                for i in range(j)
                for w in (words if pull[i] == 0 else (*words, 0.0))
                if pull[i] != 0 or np.count_nonzero(pull) < MOST_CAUSES
            ]
            best, i, w = min(options)
            if now - best < WORTH:
                break
            pull, now = _set(pull, i, w), best
        told[j, :j] = told[:j, j] = told[:j, :j] @ pull
        said += [_dependence(space, int(i), j, float(pull[i])) for i in np.flatnonzero(pull)]
    return tuple(said)


def _set(pull: Floats, i: int, word: float) -> Floats:
    new = pull.copy()
    new[i] = word
    return new


def _misfit(pull: Floats, real: Floats, told: Floats, j: int) -> float:
    """½(log s² + E(t_j − pull·t)²/s²) under the draws: what the words cost beside the draws' own entropy, nats."""
    rest = 1.0 - float(pull @ told[:j, :j] @ pull)
    if rest < 2.0 * LEAST_LEFT:
        return math.inf
    square = 1.0 - 2.0 * float(pull @ real[:j, j]) + float(pull @ real[:j, :j] @ pull)
    return 0.5 * (math.log(rest) + square / rest)


def _dependence(space: BeliefSpace, i: int, j: int, rho: float) -> Dependence:
    adverb = next(word for word, size in DEGREES.items() if size == abs(rho))
    return Dependence(space.parameters[i].name, space.parameters[j].name, adverb, rho > 0)


def score(
    posterior: ExactPosterior, space: BeliefSpace, z: Belief, filled: Filled, seed: int, draws: int = 1024
) -> Score:
    """The score of z, from draws of z; −∞ where z believes what the model calls impossible."""
    u, rest = _placed(space, z, filled, gaussian_noise(draws, posterior.target.size, seed))
    found = posterior.target.heights(u)
    if not np.isfinite(found.log_joint + rest).all():
        return Score(-math.inf, -math.inf, math.inf)
    return drawn_score(-rest, found.log_prior, found.log_likelihood)


def _placed(space: BeliefSpace, z: Belief, filled: Filled, noise: Floats) -> tuple[Floats, Floats]:
    """u of draws of z, and −log density of what was drawn, in u: everything of the score but log p(D, u)."""
    s = len(filled.said)
    theta = space.draw(z, noise[:, :s])
    said = np.empty_like(theta)
    log_jacobian = np.zeros(len(theta))
    for i, p in enumerate(space.parameters):
        said[:, i], more = free(theta[:, i], p.lower, p.upper)
        log_jacobian += more
    u = filled.u(said, noise[:, s:])
    return u, -log_jacobian - space.log_density(z, theta) - filled.log_density(said, noise[:, s:])


def free(theta: Floats, lower: float, upper: float) -> tuple[Floats, Floats]:
    """One parameter → its unconstrained number u, and log |dθ/du| there: numpyro's transforms."""
    if math.isinf(lower) and math.isinf(upper):
        return theta, np.zeros_like(theta)
    if math.isinf(upper):
        u = np.log(np.maximum(theta - lower, 1e-300))
        return u, u
    p = np.clip((theta - lower) / (upper - lower), 1e-300, 1 - 1e-16)
    u = special.logit(p)
    return u, np.log(p) + np.log1p(-p) + math.log(upper - lower)


def unfree(u: Floats, lower: float, upper: float) -> Floats:
    """The inverse of `free`."""
    if math.isinf(lower) and math.isinf(upper):
        return u
    if math.isinf(upper):
        return np.asarray(lower + np.exp(u))
    return np.asarray(lower + (upper - lower) * special.expit(u))


# -- the numbers, by reparameterised gradients -------------------------------------------------------------------------


def _climbed(posterior: ExactPosterior, space: BeliefSpace, z: Belief, filled: Filled, seed: int) -> Belief:
    """Climb score(z) over the numbers of its clauses, forms and dependences held, with fixed noise.

    ∂score/∂number = E_ε[∇_u log p(D, u)·∂u/∂number] + ∂E_ε[−log z]/∂number: the model is differentiated once for a
    whole batch; how u and log z move with a number is cheap, and differenced.
    """
    noise = paired_noise(256, posterior.target.size, seed)
    first = _numbers(z)

    def loss(numbers: Floats) -> tuple[float, Floats]:
        belief = _with(z, numbers)
        if belief is None:
            return 1e300, np.zeros_like(numbers)
        u, rest = _placed(space, belief, filled, noise)
        parts = posterior.target.parts(u)
        value = float((parts.log_joint + rest).mean())
        if not math.isfinite(value):
            return 1e300, np.zeros_like(numbers)
        slope = np.zeros_like(numbers)
        for k in range(len(numbers)):
            moved = []
            for sign in (1.0, -1.0):
                shifted = numbers.copy()
                shifted[k] += sign * 1e-5
                other = _with(z, shifted)
                if other is None:
                    return 1e300, np.zeros_like(numbers)
                moved.append(_placed(space, other, filled, noise))
            du, drest = (moved[0][0] - moved[1][0]) / 2e-5, (moved[0][1] - moved[1][1]) / 2e-5
            slope[k] = float((np.sum(parts.gradient * du, axis=1) + drest).mean())
        return -value, -slope

    # Where a number sets a cut (a normal cut off at 0), draws that cross it end a step: the best seen is kept.
    found = optimize.minimize(loss, first, jac=True, method="L-BFGS-B", options={"maxiter": 15, "ftol": 1e-9})
    return _with(z, found.x) or z


def _numbers(z: Belief) -> Floats:
    """The clauses' numbers as free ones, in units of the clause's own spread, starting at 0."""
    return np.zeros(sum(2 * len(m.clauses) for m in z.marginals))


def _with(z: Belief, numbers: Floats) -> Belief | None:
    """z with its middles moved by numbers·spread and its spreads stretched by exp(numbers)."""
    marginals, at = [], 0
    try:
        for marginal in z.marginals:
            clauses = []
            for clause in marginal.clauses:
                move, stretch = numbers[at : at + 2]
                at += 2
                clauses.append(_moved(clause, float(move), float(np.clip(stretch, -5, 5))))
            marginals.append(Marginal(tuple(clauses), marginal.percents))
    except (ValueError, OverflowError):
        return None
    return Belief(tuple(marginals), z.dependences)


def _moved(clause: Clause, move: float, stretch: float) -> Clause:
    a, b = clause.numbers[:2]
    if clause.form is Form.ABOUT:
        return Clause(clause.form, (a + move * b, b * math.exp(stretch)))
    if clause.form is Form.FACTOR:
        return Clause(clause.form, (a * b**move, math.exp(math.log(b) * math.exp(stretch))))
    if clause.form is Form.CASES:
        spread = math.sqrt(a * (1 - a) / (b + 1))
        middle = float(special.expit(special.logit(a) + move * spread / (a * (1 - a))))
        return Clause(clause.form, (middle, b * math.exp(-2 * stretch)))
    if clause.form is Form.EVENTS:
        return Clause(clause.form, (a * math.exp(move / math.sqrt(b)), b * math.exp(-2 * stretch)))
    return clause


def rounded(z: Belief) -> Belief:
    """Numbers with no more digits than a twentieth of the spread can tell apart; spreads with two."""
    marginals = []
    for marginal in z.marginals:
        clauses = []
        for clause in marginal.clauses:
            a, b = clause.numbers[:2]
            spread = _spread(clause)
            if spread is None:
                clauses.append(clause)
                continue
            second = 1.0 + _two_digits(b - 1.0) if clause.form is Form.FACTOR else _two_digits(b)
            clauses.append(Clause(clause.form, (to_step(a, spread / 20.0), float(f"{second:.12g}"))))
        marginals.append(Marginal(tuple(clauses), marginal.percents))
    return Belief(tuple(marginals), z.dependences)


def _spread(clause: Clause) -> float | None:
    """One standard deviation or so of a clause with a middle; None for one between two ends."""
    a, b = clause.numbers[:2]
    if clause.form is Form.ABOUT:
        return b
    if clause.form is Form.FACTOR:
        return a * math.log(b)
    if clause.form is Form.CASES:
        return math.sqrt(a * (1 - a) / (b + 1))
    return a / math.sqrt(b) if clause.form is Form.EVENTS else None


def to_step(x: float, step: float) -> float:
    """x rounded to the power of ten at or below `step`.

    >>> to_step(0.69213, 0.0035), to_step(25.83, 0.29)
    (0.692, 25.8)
    """
    digits = -math.floor(math.log10(step)) if step > 0 else 12
    return float(round(x, min(digits, 15)))


def _two_digits(x: float) -> float:
    return float(f"{x:.2g}")
