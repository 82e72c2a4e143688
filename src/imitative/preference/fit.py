"""The fit: a Gaussian over w by damped Newton, in rounds with the parameters of the answers."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Literal, NamedTuple, TypeVar, final

import numpy as np
from numpy.typing import ArrayLike

from imitative.preference.answers import Answers, log_between
from imitative.preference.arrow import Factor
from imitative.preference.evidence import Bets, Comparisons, Floats, Mask, Odds, RowSpace, matrix, prepare
from imitative.preference.lapses import Lapses
from imitative.records import GRADES

Item = TypeVar("Item")
JudgesModel = Literal["each", "none"]
RESTS = 3e-3  #: change of θ that ends the rounds: log parameters are never known to better than some 3 %.


class Judge(NamedTuple):
    """What was learned of one judge."""

    discrimination: float  #: β_j ≥ 0, logits per nat: how sharply their answers follow the score.
    carelessness: float  #: ε_j, the probability that an answer is drawn at random from the possible ones.
    bias: float  #: b_j in logits, positive for who leans to the first side.
    answers: int  #: how many answers of theirs were used.


class Scale(NamedTuple):
    """Nats per logit of the population, 1/β, and its 95 % interval: (0, ∞) where nothing fixed the scale."""

    nats_per_unit: float
    low: float
    high: float
    identified: bool


@final
@dataclass(frozen=True, eq=False)
class Preference:
    """The fitted score: a Gaussian over w, given the judges' parameters, all in nats.

    Args:
        mean: (d,) of the weights: their mode, less what was believed of answers that may have been careless.
        cuts: (−c₂, −c₁, c₁, c₂) in logits. c₁ = 0 where no tie was seen, c₂ = ∞ where no *much*.
        odds_sd: σ_odds in nats; NaN without odds.
        scale: nats per logit.
        population: the average judge, without bias; who never judged is taken for them.
        judges: each judge by name.
        log_evidence: Laplace's approximation of log P(answers), nats. Compare prior precisions with it.
        size: how many answers were used.
    """

    mean: Floats
    cuts: tuple[float, float, float, float]
    odds_sd: float
    scale: Scale
    population: Judge
    judges: Mapping[str, Judge]
    log_evidence: float
    size: int
    _levels: Mask = field(repr=False)
    _space: RowSpace = field(repr=False)
    _factor: Factor = field(repr=False)
    _lapses: Lapses = field(repr=False)
    _answers: Answers = field(repr=False)

    def score(self, x: ArrayLike) -> Floats:
        """x·mean for feature rows (N, d): (N,) nats."""
        return np.asarray(matrix("x", x, len(self.mean)) @ self.mean)

    def sd(self, x: ArrayLike) -> Floats:
        """The posterior standard deviation of x·w for feature rows (N, d): (N,) nats."""
        white = matrix("x", x, len(self.mean)) / self._space.root
        inside = self._space.into(white)
        outside = np.maximum(np.sum(white**2, axis=1) - np.sum(inside**2, axis=1), 0.0)
        variance = np.sum(self._spread(inside) ** 2, axis=0)
        return np.asarray(np.sqrt(variance + (outside if self._space.basis is not None else 0.0)))

    def covariance(self, x: ArrayLike) -> Floats:
        """The posterior covariance of x·w for feature rows (N, d): (N, N); its diagonal is sd²."""
        white = matrix("x", x, len(self.mean)) / self._space.root
        inside = self._space.into(white)
        outside = white @ white.T - inside @ inside.T if self._space.basis is not None else 0.0
        spread = self._spread(inside)
        return np.asarray(spread.T @ spread + outside)

    def _spread(self, inside: Floats) -> Floats:
        """V, (p + C, N), for rows in t coordinates, (N, p): Vᵀ·V is the covariance of what they see of t."""
        half = self._factor.half(inside.T)
        return np.concatenate(
            [half, self._lapses.width[:, None] * self._lapses.design.scores(self._factor.other_half(half))]
        )

    def sample(self, n: int, rng: np.random.Generator) -> Floats:
        """Draw w n times from the posterior, each draw without the answers it takes for careless: (n, d)."""
        noise = rng.standard_normal((self._factor.size, n)) + self._factor.half(self._lapses.draw(n, rng))
        inside = self._factor.other_half(noise).T
        if self._space.basis is None:
            return np.asarray(self.mean + inside / self._space.root)
        white = rng.standard_normal((n, len(self.mean)))
        white += (inside - self._space.into(white)) @ self._space.basis.T
        return np.asarray(self.mean + white / self._space.root)

    def slips(self) -> tuple[Floats, Floats]:
        """Of each answer, the comparisons first, then bets, then odds: the probability that it was careless by what all
        others say, λ (C,), and v, (C, d) nats: if it was, the mean is too little by (1 − λ)·v, else too much by λ·v.
        """
        out = np.diag(self._lapses.jump)
        moved = np.stack([self._lapses.design.back(row) for row in out], axis=1)
        inside = self._factor.other_half(self._factor.half(moved)).T
        white = inside if self._space.basis is None else inside @ self._space.basis.T
        return self._lapses.chance, np.asarray(white / self._space.root)

    def probabilities(self, delta: ArrayLike, judge: str | None = None) -> Floats:
        """P(grade) over `GRADES` for score differences of `delta` nats: (..., 5), summing to one.

        Without a judge, swapping the sides (−delta) reverses the last axis exactly. A grade whose kind no
        comparison showed has probability zero.
        """
        return self.said_by(self.population if judge is None else self.judges.get(judge, self.population), delta)

    def said_by(self, who: Judge, delta: ArrayLike) -> Floats:
        """`probabilities` of a judge who need not have judged."""
        logits = np.asarray(who.discrimination * np.asarray(delta, dtype=np.float64) + who.bias)[..., None]
        edges = np.array([-math.inf, *self.cuts, math.inf])
        reached = np.zeros((*logits.shape[:-1], len(GRADES)))
        reached[..., self._levels] = np.exp(log_between(logits, edges[:-1][self._levels], edges[1:][self._levels]))
        random = self._levels / self._levels.sum()
        careful = reached / reached.sum(axis=-1, keepdims=True)
        return np.asarray((1.0 - who.carelessness) * careful + who.carelessness * random)


def fit_preference(
    comparisons: Comparisons | None = None,
    odds: Odds | None = None,
    bets: Bets | None = None,
    *,
    mean: ArrayLike | None = None,
    precision: ArrayLike = 1.0,
    judges_model: JudgesModel = "each",
    exact: bool = False,
    rounds: int = 200,
) -> Preference:
    """Fit the score to all evidence.

    Pseudo-code, with θ = (log β, log β_j/β, b_j, cuts, σ_odds) and q the Gaussian over w:

        repeat until θ rests:
            q ← Laplace at argmax_w log N(w; mean, precision⁻¹) + Σ_i P(i careful)·log P(i | w, θ)    damped Newton
            P(i careful), ε_j ← expectation–maximisation under q
            θ ← θ + (H_θθ − H_θw H_ww⁻¹ H_wθ)⁻¹ E_q[∂ log P / ∂θ]
        mean, covariance of w ← those of q with each answer left out as likely as it was careless        `lapses.py`

    The step of θ has the fixed point of expectation–maximisation, ∂ log P(answers | θ)/∂θ = 0 by Fisher's identity,
    without its crawl along β·|w| = constant. As w is averaged out, not maximised, β is not inflated by overfitting.

    Graded answers are an ordered logit with symmetric cuts. With grades ±1 alone this is Bradley and Terry (1952),
    with ties Rao and Kupper (1967) with log θ = c₁; c₁ → 0 gives back the former. Cuts exist only between
    kinds of grade that were seen. The bias is in logits, not nats, so that who always says *first* can have β_j → 0.
    A careless answer of odds is uniform on ± the largest ratio seen.

    The posterior differs from the prior only in the span of the rows: with C < d rows everything is done there, at
    O(C²·d) once and O(C³) a step. Where hundreds of rows tell of features that no other row tells of, as ratings of
    single words do, these cost next to nothing (`arrow.py`).

    Args:
        comparisons: graded comparisons. One row of evidence is needed in all, and the same d columns everywhere.
        odds: how many times more plausible.
        bets: against heads in a row.
        mean: (d,) prior mean of w; None for zero.
        precision: prior precision of w, (d,) or one number, > 0.
        judges_model: `each` fits every judge's discrimination, carelessness and bias; `none` takes all for the same,
            careful and unbiased, which on grades ±1 is plain Bradley–Terry.
        exact: take odds at their word.
        rounds: at most so many refinements of θ. One judge takes about ten, a crowd who differ some tens.

    Raises:
        ValueError: naming the argument at fault and the remedy.

    Warns:
        RuntimeWarning: if θ has not come to rest in `rounds`: what is returned is the last refinement.

    >>> beliefs = fit_preference(Comparisons([[1.0], [1.0], [-1.0]], [1, 1, 1]))
    >>> bool(beliefs.mean[0] > 0)
    True
    """
    if judges_model not in ("each", "none"):
        raise ValueError(f"judges_model is {judges_model!r}; give 'each' or 'none'")
    data = prepare(comparisons, odds, bets, mean, precision)
    answers = Answers(data, judges_model == "each", exact)
    mode = np.zeros(data.design.size)
    for _ in range(rounds if answers.tunable else 0):
        mode, factor = _newton(answers, mode, steps=6, tolerance=1e-5)
        if answers.refine(mode, factor) < RESTS:
            break
    else:
        if answers.tunable:
            left = f"what is said of the judges has not come to rest in {rounds} of `rounds`"
            warnings.warn(left, RuntimeWarning, stacklevel=2)
    mode, _ = _newton(answers, mode, steps=100, tolerance=1e-18)
    return _finish(answers, mode, data.design.factor(answers.loss(data.design.scores(mode) + data.offset)[2]))


class Scored(NamedTuple, Generic[Item]):
    """Items with their scores in nats, centred, and the standard deviations of the centred scores."""

    items: tuple[Item, ...]
    scores: Floats
    sd: Floats
    preference: Preference


def bradley_terry(
    pairs: Sequence[tuple[Item, Item]],
    items: Sequence[Item] | None = None,
    *,
    ties: Sequence[tuple[Item, Item]] = (),
    precision: float = 1e-6,
    judges: Sequence[str] | None = None,
) -> Scored[Item]:
    """Score items from (winner, loser) pairs.

    Args:
        pairs: who beat whom.
        items: the order of the scores; None for the order of first appearance.
        ties: pairs judged even.
        precision: of the Gaussian prior on each score; twice the `alpha` of `choix.opt_pairwise`.
        judges: who judged each of `pairs`, then of `ties`; None takes all judges for the same.

    Raises:
        ValueError: for no pairs, or a pair that names an unknown item or the same one twice.

    >>> bradley_terry([("fig", "plum"), ("fig", "plum"), ("plum", "fig")]).scores.round(3).tolist()
    [0.347, -0.347]
    """
    both = [*pairs, *ties]
    names = tuple(items) if items is not None else tuple(dict.fromkeys(item for pair in both for item in pair))
    place = {item: i for i, item in enumerate(names)}
    rows = np.zeros((len(both), len(names)))
    for row, (first, second) in zip(rows, both, strict=True):
        if first not in place or second not in place or first == second:
            raise ValueError(f"pairs: ({first!r}, {second!r}) must be two different members of items")
        row[place[first]], row[place[second]] = 1.0, -1.0
    fitted = fit_preference(
        Comparisons(rows, [1] * len(pairs) + [0] * len(ties), judges or ()),
        precision=precision,
        judges_model="none" if judges is None else "each",
    )
    centring = np.eye(len(names)) - 1.0 / len(names)
    return Scored(names, centring @ fitted.mean, fitted.sd(centring), fitted)


def _finish(answers: Answers, mode: Floats, factor: Factor) -> Preference:
    """What was learned, for the eyes of others."""
    data, n, count = answers.data, answers.n, len(answers.data.names)
    delta = data.design.scores(mode) + data.offset
    odds = answers.density(delta[n:], (delta[n:] - data.ratio) ** 2)
    likelihood = np.concatenate([np.exp(answers.ordinal(delta[:n])[0]), odds])
    chance = answers.careless[data.judge]
    with np.errstate(divide="ignore"):
        log_p = np.log((1.0 - chance) * likelihood + chance * data.chance)
    evidence = float(log_p.sum()) - 0.5 * float(mode @ mode) - factor.log_diagonal
    given = np.bincount(data.judge, minlength=count)
    betas, biases = np.exp(answers.theta[0] + answers.theta[1 : 1 + count]), answers.theta[1 + count : -3]
    judges = {
        name: Judge(float(betas[j]), float(answers.careless[j]), float(biases[j]), int(given[j]))
        for j, name in enumerate(data.names)
    }
    beta = math.exp(answers.theta[0])
    average = float(given @ answers.careless) / int(given.sum())
    c1, c2 = float(answers.edges[4]), float(answers.edges[5])
    if not data.levels[3:].all():
        c2 = c1 if data.levels[4] else math.inf
    wide = math.exp(min(1.959964 * answers.log_beta_sd, 700.0)) if answers.identified else math.inf
    lapses = _lapses(answers, mode, factor)
    mean = mode + factor.solve(data.design.back(lapses.shift))
    white = mean if data.space.basis is None else data.space.basis @ mean
    return Preference(
        mean=data.prior_mean + white / data.space.root,
        cuts=(-c2, -c1, c1, c2),
        odds_sd=answers.odds_sd if len(data.ratio) else math.nan,
        scale=Scale(1.0 / beta, 1.0 / beta / wide, wide / beta, answers.identified),
        population=Judge(beta, average, 0.0, int(given.sum())),
        judges=judges,
        log_evidence=evidence,
        size=len(data.judge),
        _levels=data.levels,
        _space=data.space,
        _factor=factor,
        _lapses=lapses,
        _answers=answers,
    )


def _lapses(answers: Answers, mode: Floats, factor: Factor) -> Lapses:
    """How likely each answer was careless, by what all others say, and what the score is without it."""
    data = answers.data
    delta = data.design.scores(mode) + data.offset
    _, slope, curve = answers.loss(delta)
    error = answers.careless[data.judge]
    if answers.exact:
        error[answers.n :] = 0.0
    return Lapses.of(
        data.design,
        factor,
        delta,
        slope,
        curve,
        error * data.chance,
        lambda mean, variance: (1.0 - error) * answers.predictive(mean, variance),
    )


def _newton(answers: Answers, start: Floats, steps: int, tolerance: float) -> tuple[Floats, Factor]:
    """argmin_t ½|t|² + loss(design·t + offset) by damped Newton, and the lower Cholesky factor of its last Hessian.

    Convex, so a step halved often enough always descends. The Hessian costs more than all else and is kept for as
    long as each step is a fifth of the one before; `tolerance` is on the squared length of a step in its metric.
    """
    design, offset = answers.data.design, answers.data.offset
    mode = start
    delta = design.scores(mode) + offset
    value, slope, curve = answers.loss(delta)
    value += 0.5 * float(mode @ mode)
    last = 0.0
    factor = design.factor(curve)
    for _ in range(steps):
        gradient = mode + design.back(slope)
        step = factor.solve(-gradient)
        decrement = -float(gradient @ step)
        if decrement > 0.05 * last > 0.0:
            factor = design.factor(curve)
            step = factor.solve(-gradient)
            decrement = -float(gradient @ step)
        length, moved, last = 1.0, design.scores(step), decrement
        while True:
            trial = mode + length * step
            loss, new_slope, new_curve = answers.loss(delta + length * moved)
            loss += 0.5 * float(trial @ trial)
            if loss <= value - 1e-4 * length * decrement or length * decrement < 1e-12 * (1.0 + abs(value)):
                break
            length *= 0.5
        mode, value, slope, curve = trial, loss, new_slope, new_curve
        delta = design.scores(mode) + offset
        if decrement < tolerance:
            break
    return mode, factor
