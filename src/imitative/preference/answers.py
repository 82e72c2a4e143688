"""The likelihood of the answers given the score, and the parameters beside w: the judges, the cuts, the scale."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import expit, log_ndtr

from imitative.preference.arrow import Factor
from imitative.preference.evidence import Floats, Rows

POPULATION_SD = 1.0  #: of log β, the population's discrimination: a logit is 1/8 to 8 nats, nineteen times in twenty.
JUDGE_SD = 0.7  #: of log(β_j/β): judges differ by a factor of four either way, nineteen times in twenty.
BIAS_SD = 0.5  #: of b_j in logits: an even comparison is said to favour one side at most 73 % of the time, likewise.
BIAS_ANSWERS = 10  #: comparisons a judge must have given before a bias is fitted at all.
CARELESS = (0.5, 9.5)  #: Beta prior of ε_j: mean 0.05, worth ten answers.
CUT_MEANS, CUT_SD = np.log([0.5, 1.5]), 1.0  #: of log c₁ and log(c₂ − c₁), in logits.
ODDS_SD, ODDS_WEIGHT, ODDS_FLOOR = 0.5, 2.0, 0.05  #: prior of σ_odds in nats, the answers it is worth, its floor.
EXACT_SD = 1e-6  #: σ_odds when odds are exact: moves a score by less than 1e-11 of the prior's pull.
WIDEST = 3.0  #: sd, in logits, up to which a score's Gaussian is believed when averaging over it: beyond, σ is flat.
PACE_GAIN = 1.4  #: how fast steps that were too long and were halved grow again: 1.2 does as well.
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(7)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_BY_CUT = np.array([[0, -1, -1, 0, 1, 1, 0], [0, -1, 0, 0, 0, 1, 0]])  # what c₁ and c₂ − c₁ add to each edge


class Answers:
    """The parameters beside w, and the likelihood they give.

    θ = (log β, log β_j/β for every judge, b_j for every judge, log c₁, log(c₂ − c₁), log σ_odds), of which only those
    at `free` are fitted.
    """

    def __init__(self, data: Rows, each: bool, exact: bool) -> None:
        self.data, self.n, self.exact = data, len(data.lower), exact
        self.end = np.zeros_like(data.end) if exact else data.end
        n, count = self.n, len(data.names)
        compared = np.bincount(data.judge[:n][data.biased], minlength=count)
        answered = np.bincount(data.judge[:n], minlength=count)
        ties, grades = bool(data.levels[2]), data.levels[3:]
        self.each = each
        self.identified = n > 0 and (len(data.ratio) > 0 or not data.biased.all())
        self.free = np.concatenate(
            [
                [self.identified],
                (answered > 0) & each & (np.count_nonzero(answered) > 1),
                (compared >= BIAS_ANSWERS) & each,
                [ties, bool(grades.all()), len(data.ratio) > 0 and not exact],
            ]
        ).nonzero()[0]
        blank = np.zeros(count)
        self.prior_mean = np.concatenate([[0.0], blank, blank, CUT_MEANS, [0.0]])
        self.prior_sd = np.concatenate([[POPULATION_SD], blank + JUDGE_SD, blank + BIAS_SD, [CUT_SD, CUT_SD, math.inf]])
        self.theta = self.prior_mean.copy()
        self.theta[-1] = math.log(EXACT_SD if exact else 2.0 * ODDS_SD)
        self.floor = np.where(self.free == len(self.theta) - 1, math.log(ODDS_FLOOR), -math.inf)
        self.open = np.array([ties, grades.all()], dtype=np.float64)
        # Where each row's five local parameters (β, β_j, b_j, cuts) stand in θ.
        judge = data.judge[:n]
        self.places = np.stack(
            [np.zeros_like(judge), 1 + judge, 1 + count + judge, *np.broadcast_to([[1], [2]], (2, n)) + 2 * count], 1
        )
        self.careless = np.full(count, CARELESS[0] / sum(CARELESS) if each else 0.0)
        self.careful = np.ones(len(data.judge))
        self.tunable = len(self.free) > 0 or each
        self.trail: list[tuple[Floats, Floats]] = []
        self.pace = 1.0
        self.log_beta_sd = math.inf

    @property
    def beta(self) -> Floats:
        """(n,) each ordinal row's discrimination."""
        each = self.theta[1 : 1 + len(self.data.names)]
        return np.asarray(np.exp(self.theta[0] + each)[self.data.judge[: self.n]])

    @property
    def bias(self) -> Floats:
        """(n,) each ordinal row's bias."""
        each = self.theta[1 + len(self.data.names) : -3]
        return np.where(self.data.biased, each[self.data.judge[: self.n]], 0.0)

    @property
    def odds_sd(self) -> float:
        """σ_odds in nats."""
        return math.exp(self.theta[-1])

    @property
    def edges(self) -> Floats:
        """(7,) the borders between grades, −∞, −c₂, −c₁, 0, c₁, c₂, ∞."""
        inner = (np.exp(self.theta[-3:-1]) * self.open) @ _BY_CUT
        inner[0], inner[-1] = -math.inf, math.inf
        return np.asarray(inner)

    def ordinal(self, delta: Floats) -> tuple[Floats, Floats, Floats]:
        """Log P of the ordinal answers given Δ (n, ...), and the derivative and curvature by Δ."""
        shape = (-1,) + (1,) * (delta.ndim - 1)
        lower, upper = (self.edges[place].reshape(shape) for place in (self.data.lower, self.data.upper))
        beta, bias = self.beta.reshape(shape), self.bias.reshape(shape)
        logits = beta * delta + bias
        low, high = expit(lower - logits), expit(logits - upper)
        curve = beta**2 * (low * (1.0 - low) + high * (1.0 - high))
        return log_between(logits, lower, upper), beta * (low - high), curve

    def loss(self, delta: Floats) -> tuple[float, Floats, Floats]:
        """−Σ P(careful)·log P given Δ (C,), its slope by Δ (C,) and its curvature (C,)."""
        log_p, slope, curve = self.ordinal(delta[: self.n])
        lost, push, bend = self.marked(delta[self.n :])
        value = -float(self.careful[: self.n] @ log_p) + float(self.careful[self.n :] @ lost)
        return value, self.careful * np.concatenate([-slope, push]), self.careful * np.concatenate([curve, bend])

    def marked(self, delta: Floats) -> tuple[Floats, Floats, Floats]:
        """−log P of the odds given Δ, up to a constant, its slope by Δ and its curvature; all (C − n,).

        ½·r² with r = (Δ − ratio)/σ; at an end of the scale −log Φ(u), u = ±r, whose slope is ∓λ/σ and whose curvature
        λ·(λ + u)/σ², with λ = φ(u)/Φ(u).
        """
        r = (delta - self.data.ratio) / self.odds_sd
        u, log_p, hazard = self._at_end(delta)
        censored = self.end != 0.0
        lost = np.where(censored, -log_p, 0.5 * r**2)
        slope = np.where(censored, -self.end * hazard, r) / self.odds_sd
        return lost, slope, np.where(censored, hazard * (hazard + u), 1.0) / self.odds_sd**2

    def refine(self, mode: Floats, factor: Factor) -> float:
        """One step of everything but w, given its Gaussian: the largest change made or, of θ, still called for."""
        data, n, called_for = self.data, self.n, 0.0
        before = np.concatenate([self.theta, self.careless])
        mean = data.design.scores(mode) + data.offset
        own, spread = factor.of_rows(data.design)
        variance = np.sum(spread**2, axis=0) + (own**2 if len(own) else 0.0)
        sd = np.minimum(np.sqrt(variance[:n]), WIDEST / self.beta)
        delta = mean[:n, None] + sd[:, None] * _NODES
        squares = self.squares(mean[n:], variance[n:])
        likelihood = np.concatenate([np.exp(self.ordinal(delta)[0]) @ _WEIGHTS, self.density(mean[n:], squares)])
        for _ in range(5 if self.each else 0):
            self._weigh(likelihood)
        if len(self.free):
            gradient, hessian, cross = self._by_theta(delta)
            careful, precision = self.careful[n:], self.odds_sd**-2
            # σ_odds: E_q of the squares, and the second moment of the score, without which this step would crawl.
            fit, prior = careful * squares * precision, ODDS_WEIGHT * ODDS_SD**2 * precision
            gradient[-1] = float(fit.sum()) + prior - float(careful.sum()) - ODDS_WEIGHT
            between, push, bend = self.end == 0.0, *self.by_odds_sd(mean[n:])
            cross[n:, -1] = careful * push
            overlap = (spread[:, n:].T @ spread[:, n:]) * precision
            if len(own):
                overlap[np.diag_indices_from(overlap)] += own[n:] ** 2 * precision
            marked = careful * between
            hessian[-1, -1] = 2.0 * (prior - float(marked @ overlap**2 @ marked))
            hessian[-1, -1] += float(np.where(between, 2.0 * fit, careful * bend).sum())
            through = spread @ cross[:, self.free]
            marginal = hessian[np.ix_(self.free, self.free)] - through.T @ through
            if len(own):
                marginal -= (own[:, None] * cross[:, self.free]).T @ (own[:, None] * cross[:, self.free])
            gradient = gradient[self.free]
            values, vectors = np.linalg.eigh(marginal)
            # Away from the optimum the curvature may have the wrong sign; there the prior's own is a safe length.
            values = np.where(values > 0.1, values, np.maximum(np.abs(values), 1.0))
            step = np.maximum(vectors @ ((vectors.T @ gradient) / values), self.floor - self.theta[self.free])
            called_for = float(np.abs(step).max())
            step = self._extrapolate(step)
            self.theta[self.free] += step / max(1.0, float(np.abs(step).max()))
            self.theta[self.free] = np.maximum(self.theta[self.free], self.floor)
            if self.identified:
                self.log_beta_sd = math.sqrt(float(vectors[0] ** 2 @ (1.0 / values)))
        return max(called_for, float(np.abs(np.concatenate([self.theta, self.careless]) - before).max()))

    def _extrapolate(self, step: Floats) -> Floats:
        """Anderson's mixing of the last steps: how q's width and P(careful) follow θ is left out of the Hessian.

        A step longer than the last says that the mixing misled: it begins anew. One that turns back as well says that
        steps reach too far, as they do where few ties place a cut: their `pace` is halved, and recovers as they shrink.
        """
        if self.trail:
            last = self.trail[-1][1]
            if step @ step > last @ last:
                self.trail = []
                self.pace *= 0.5 if step @ last < 0.0 else 1.0
            else:
                self.pace = min(1.0, PACE_GAIN * self.pace)
        self.trail = [*self.trail, (self.theta[self.free].copy(), step)][-4:]
        if len(self.trail) < 3:
            return self.pace * step
        places, steps = (np.diff(np.stack(side), axis=0).T for side in zip(*self.trail, strict=True))
        share = np.linalg.lstsq(steps, step, rcond=1e-6)[0]
        return np.asarray(self.pace * step - (places + self.pace * steps) @ share)

    def _at_end(self, delta: Floats) -> tuple[Floats, Floats, Floats]:
        """u = ±(Δ − ratio)/σ, log Φ(u) and λ = φ(u)/Φ(u) of the odds: of use only at an end of the scale."""
        u = self.end * (delta - self.data.ratio) / self.odds_sd
        log_p = log_ndtr(u)
        return u, log_p, np.exp(-0.5 * u**2 - log_p) / math.sqrt(2.0 * math.pi)

    def squares(self, mean: Floats, variance: Floats) -> Floats:
        """E of (log ratio − Δ)²; at an end of the scale of the ratio that was meant: σ²·(1 − u·λ) in excess of it."""
        u, _, hazard = self._at_end(mean)
        return np.where(self.end != 0.0, self.odds_sd**2 * (1.0 - u * hazard), (mean - self.data.ratio) ** 2 + variance)

    def predictive(self, mean: Floats, variance: Floats) -> Floats:
        """The likelihood of each answer, Δ being normal: (C,)."""
        n = self.n
        sd = np.minimum(np.sqrt(variance[:n]), WIDEST / self.beta)
        ordinal = np.exp(self.ordinal(mean[:n, None] + sd[:, None] * _NODES)[0]) @ _WEIGHTS
        wide = np.sqrt(self.odds_sd**2 + variance[n:])
        r = (mean[n:] - self.data.ratio) / wide
        between = np.exp(-0.5 * r**2) / (wide * math.sqrt(2.0 * math.pi))
        return np.concatenate([ordinal, np.where(self.end != 0.0, np.exp(log_ndtr(self.end * r)), between)])

    def by_odds_sd(self, mean: Floats) -> tuple[Floats, Floats]:
        """∂²log P/∂Δ∂log σ of the odds, and −∂²log P/∂(log σ)² of those at an end of the scale; (C − n,) each.

        2r/σ between the ends; from log Φ(u) at one, with v = λ·(1 − u·(λ + u)), ∓v/σ and −u·v.
        """
        r = (mean - self.data.ratio) / self.odds_sd
        u, _, hazard = self._at_end(mean)
        bent = hazard * (1.0 - u * (hazard + u))
        return np.where(self.end != 0.0, -self.end * bent, 2.0 * r) / self.odds_sd, -u * bent

    def density(self, mean: Floats, squares: Floats) -> Floats:
        """The likelihood of odds; at an end of the scale the probability of being there, spread over a nat."""
        between = np.exp(-0.5 * squares / self.odds_sd**2) / (self.odds_sd * math.sqrt(2.0 * math.pi))
        return np.where(self.end != 0.0, np.exp(self._at_end(mean)[1]), between)

    def _weigh(self, likelihood: Floats) -> None:
        """Whether each answer was careful, then how often each judge is; exact odds are careful by definition."""
        judge, count = self.data.judge, len(self.data.names)
        random = self.careless[judge] * self.data.chance
        self.careful = 1.0 - random / np.maximum(random + (1.0 - self.careless[judge]) * likelihood, 1e-300)
        if self.exact:
            self.careful[self.n :] = 1.0
        lapses = np.bincount(judge, 1.0 - self.careful, minlength=count)
        self.careless = (lapses + CARELESS[0]) / (np.bincount(judge, minlength=count) + sum(CARELESS))

    def _by_theta(self, delta: Floats) -> tuple[Floats, Floats, Floats]:
        """E_q of the gradient (F,) and minus the Hessian (F, F) of log P + log prior by θ, and of ∂²/∂Δ∂θ (C, F).

        Without σ_odds, which the ordinal answers know nothing of.
        """
        data, n, edges = self.data, self.n, self.edges
        beta = self.beta[:, None]
        stretched = beta * delta
        lower, upper = edges[data.lower][:, None], edges[data.upper][:, None]
        logits = stretched + self.bias[:, None]
        low, high = expit(lower - logits), expit(logits - upper)
        bent_low, bent_high = low * (1.0 - low), high * (1.0 - high)
        gap = upper - lower
        push = np.where(np.isinf(gap), 0.0, np.exp(-gap) / -np.expm1(-gap))
        bent_gap = push * (1.0 + push)
        # Derivatives by (logit, lower edge, upper edge), then by the five local parameters through their Jacobian.
        first = np.stack([low - high, -low - push, high + push], -1)
        second = np.empty((*delta.shape, 3, 3))
        second[..., 0, 0] = -bent_low - bent_high
        second[..., 0, 1] = second[..., 1, 0] = bent_low
        second[..., 0, 2] = second[..., 2, 0] = bent_high
        second[..., 1, 1], second[..., 2, 2] = -bent_low - bent_gap, -bent_high - bent_gap
        second[..., 1, 2] = second[..., 2, 1] = bent_gap
        cuts = (np.exp(self.theta[-3:-1]) * self.open)[:, None] * _BY_CUT
        jacobian = np.zeros((*delta.shape, 3, 5))
        jacobian[..., 0, :2] = stretched[..., None]
        jacobian[..., 0, 2] = data.biased[:, None]
        jacobian[..., 1, 3:], jacobian[..., 2, 3:] = (cuts.T[at][:, None] for at in (data.lower, data.upper))
        turned = np.swapaxes(jacobian, -1, -2)
        slope = (turned @ first[..., None])[..., 0]
        bend = turned @ second @ jacobian
        # log β and the log cuts enter through exponentials, whose second derivative is their first.
        bend[..., :2, :2] += slope[..., :1, None]
        for k in (3, 4):
            bend[..., k, k] += slope[..., k]
        across = beta[..., None] * (second[..., :1, :] @ jacobian)[..., 0, :]
        across[..., :2] += (beta * first[..., 0])[..., None]
        weights = self.careful[:n, None] * _WEIGHTS
        size = len(self.theta)
        gradient, hessian, cross = np.zeros(size), np.zeros((size, size)), np.zeros((len(data.judge), size))
        np.add.at(gradient, self.places, np.einsum("nq,nqi->ni", weights, slope))
        np.add.at(
            hessian, (self.places[:, :, None], self.places[:, None, :]), np.einsum("nq,nqij->nij", weights, -bend)
        )
        cross[np.arange(n)[:, None], self.places] = np.einsum("nq,nqi->ni", weights, across)
        pull = (self.theta - self.prior_mean) / self.prior_sd**2
        hessian += np.diag(self.prior_sd**-2.0)
        return gradient - pull, hessian, cross


def log_between(logits: Floats, lower: Floats, upper: Floats) -> Floats:
    """log[σ(a) − σ(b)] = log σ(a) + log σ(−b) + log(1 − e^(b − a)), with a = logits − lower and b = logits − upper."""
    with np.errstate(divide="ignore"):
        room = np.log(-np.expm1(lower - upper))
    return np.asarray(room - np.logaddexp(0.0, lower - logits) - np.logaddexp(0.0, logits - upper))
