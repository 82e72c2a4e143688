"""The prior by comparison: a density over parameters learned from which beliefs people find more plausible.

Nobody is asked for a probability. Shown are pairs of beliefs in words, equally vague,

    R0 is about 2.4, give or take a factor of 1.1.      or      R0 is about 3.1, give or take a factor of 1.1.

and which is more plausible, or how many times more. A belief z is as plausible as −KL(z ‖ prior) = E_z[log prior] +
entropy(z), so with log prior(x) = w·φ(x) + const, a comparison tells of w·(E_z[φ] − E_z′[φ]): the preference model's
(`preference/`). x are the free coordinates of the parameters (logarithms, logits), centred and scaled; φ are x_i, x_i²
and x_i·x_j: the density learned is a Gaussian over x. Its uncertainty is that of w.

Where x is centred, and how coarse it is, is learned too. Somebody a hundred times surer than the given prior finds
every pair on its scale a thousand to one: the answers say *narrower, and on this side*, and no more. So the coordinates
are those under which all that was said so far is most probable, the next pairs are about the density so found, and the
scale closes in on the person's own by a factor every few answers, as a bisection does.
"""

from __future__ import annotations

import math
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from imitative.beliefs.elicited import Elicited, gaussian_kl
from imitative.beliefs.focus import Focus, Shown
from imitative.hypotheses.belief import Belief, BeliefSpace, gaussian_noise
from imitative.hypotheses.marginal import Clause, Form, Marginal
from imitative.overseers.overseer import Overseer
from imitative.preference import Comparisons, Odds, Preference, fit_preference
from imitative.records import MOST_ODDS, Judgement, Kind, Query
from imitative.search.gradient import root
from imitative.search.readable import WORTH, dependences, free, rounded, to_step, unfree

Floats = NDArray[np.float64]
VAGUE = 3.0
"""How far from the given prior's middle, in its standard deviations, a belief is looked for and how vague it may be."""
WIDTH = 0.25
"""How vague a shown belief is, in the same units: narrow beside the prior, wide enough to be believed."""
ROUND = 6
"""Queries chosen before the next fit."""
CANDIDATES = 400
LOOSE = 0.5
"""Prior precision of each weight: a standard deviation of 1.4. What is further off, the coordinates follow."""
CLOSINGS = 8
"""Steps of the coordinates in one fit."""
SETTLED = 0.05
"""In standard deviations: coordinates that moved less than this are kept."""
TELLABLE = 4.0
"""Nats apart up to which a pair is shown: nobody can tell a thousand to one from ten thousand to one."""


@final
class Elicitor:
    """Chooses pairs of beliefs to show, and learns from the answers.

    Args:
        space: the parameters asked about.
        centre, scale: (d,) where their free coordinates are thought to lie before anybody is asked, and how widely.
        seed: of the candidates.
        odds_every: every so many queries, the odds are asked for: they fix the scale in nats. 1: always; 0: never.
        exact: whether odds are taken at their word: for an overseer without noise.
    """

    def __init__(
        self,
        space: BeliefSpace,
        centre: Floats,
        scale: Floats,
        *,
        seed: int = 0,
        odds_every: int = 3,
        exact: bool = False,
    ) -> None:
        self.space, self.centre, self.scale = space, np.asarray(centre, float), np.asarray(scale, float)
        self._rng = np.random.default_rng(seed)
        self._odds_every, self._exact = (1 if exact else odds_every), exact
        self._noise = gaussian_noise(512, len(space.parameters), 11)
        self.judged: list[tuple[Judgement, Shown, Shown]] = []
        self._shown: dict[str, Shown] = {}
        d = len(space.parameters)
        self.focus = Focus(np.zeros(d), np.ones(d))
        self._heard: list[Judgement] = []
        self._fitted: Preference | None = None
        self._pairs = [(i, j) for i in range(d) for j in range(i + 1)]

    # -- features ----------------------------------------------------------------------------------------------------

    def features(self, x: Floats) -> Floats:
        """φ(x) of (n, d): (n, d + d(d+1)/2)."""
        return np.concatenate([x, *(x[:, [i]] * x[:, [j]] for i, j in self._pairs)], axis=1)

    def expected(self, shown: Shown, focus: Focus) -> Floats:
        """E_z[φ(x)] of a shown belief, x being the coordinates of `focus`."""
        mean = (shown.mean - focus.centre) / focus.scale
        gap = np.outer(focus.centre, shown.mean)
        square = shown.square - gap - gap.T + np.outer(focus.centre, focus.centre)
        square = square / np.outer(focus.scale, focus.scale)
        return np.concatenate([mean, [square[i, j] for i, j in self._pairs]])

    def show(self, point: Floats) -> Shown:
        """The belief about a point of x₀, in words, and what the words say of it (they are rounded)."""
        marginals = []
        for k, p in enumerate(self.space.parameters):
            u, spread = self.centre[k] + self.scale[k] * point[k], self.scale[k] * self.focus.scale[k] * WIDTH
            middle = float(unfree(np.array([u]), p.lower, p.upper)[0])
            marginals.append(Marginal((_vague(middle, spread, p.lower, p.upper),)))
        return self.read(self.space.show(Belief(tuple(marginals))))

    def read(self, text: str) -> Shown:
        """A belief in words as it counts."""
        if text not in self._shown:
            z = self.space.read(text)
            theta = self.space.draw(z, self._noise)
            jacobian = np.zeros(len(theta))
            x = np.empty_like(theta)
            for k, p in enumerate(self.space.parameters):
                u, more = free(theta[:, k], p.lower, p.upper)
                x[:, k], jacobian = (u - self.centre[k]) / self.scale[k], jacobian + more + math.log(self.scale[k])
            entropy = -float((self.space.log_density(z, theta) + jacobian).mean())
            self._shown[text] = Shown(text, x.mean(axis=0), x.T @ x / len(x), entropy)
        return self._shown[text]

    # -- learning ----------------------------------------------------------------------------------------------------

    @property
    def _anchor(self) -> Floats:
        """The weights of N(0, 1), what is expected of a person whose prior is as wide as the coordinates."""
        d = len(self.space.parameters)
        weights = np.zeros(d + len(self._pairs))
        for k, (i, j) in enumerate(self._pairs):
            weights[d + k] = -0.5 if i == j else 0.0
        return weights

    def fit(self) -> Preference | None:
        """w from every answer so far, in the coordinates that make these most probable; None before the first.

        Pseudo-code, with (c, r) the coordinates:

            repeat until (c, r) rests:
                q ← the preference model's w | answers, its prior being about N(0, 1) in (c, r)
                (c, r) ← mean and standard deviations of exp(w·φ), or half of the way there,
                         while log P(answers | c, r) + log prior(c, r) grows
        """
        heard = [judgement for judgement, _, _ in self.judged]
        if heard != self._heard:
            if heard[: len(self._heard)] != self._heard:  # something was taken back: nor is the focus to rest on it
                self.focus = Focus(np.zeros_like(self.centre), np.ones_like(self.scale))
            self._heard, self._fitted = heard, self._closed_in()
        return self._fitted

    def _closed_in(self) -> Preference | None:
        found = self._fit_at(self.focus)
        if found is None:
            return None
        worth = found.log_evidence + self.focus.log_prior()
        for _ in range(CLOSINGS):
            mean, covariance = self.density(found.mean)
            sd = np.sqrt(np.diag(covariance))
            if max(float(np.abs(mean).max()), float(np.abs(np.log(sd)).max())) < SETTLED:
                break
            for share in (1.0, 0.5):
                focus = self.focus.towards(mean, sd, share)
                tried = self._fit_at(focus)
                if tried is not None and tried.log_evidence + focus.log_prior() > worth:
                    self.focus, found, worth = focus, tried, tried.log_evidence + focus.log_prior()
                    break
            else:
                break
        return found

    def _fit_at(self, focus: Focus) -> Preference | None:
        graded = [(j, a, b) for j, a, b in self.judged if j.answer.grade is not None]
        ratios = [(j, a, b) for j, a, b in self.judged if j.answer.ratio is not None]
        if not graded and not ratios:
            return None

        def rows(part: list[tuple[Judgement, Shown, Shown]]) -> tuple[Floats, Floats]:
            return (
                np.array([self.expected(a, focus) - self.expected(b, focus) for _, a, b in part]),
                np.array([a.entropy - b.entropy for _, a, b in part]),
            )

        comparisons = odds = None
        if graded:
            x, offsets = rows(graded)
            comparisons = Comparisons(x, [float(j.answer.grade or 0) for j, _, _ in graded], offsets=offsets)
        if ratios:
            x, offsets = rows(ratios)
            # Past the end of the scale nobody can tell one number from another: it says *so much or more*.
            said = np.clip([math.log(j.answer.ratio or 1.0) for j, _, _ in ratios], -MOST_ODDS, MOST_ODDS)
            odds = Odds(x, said, offsets=offsets, most=MOST_ODDS)
        precision = np.full(len(self._anchor), LOOSE)
        return fit_preference(comparisons, odds, mean=self._anchor, precision=precision, judges_model="none")

    def _taken_at_their_word(self) -> Floats:
        """The weights nearest the start's that give every odds exactly: least squares."""
        told = [(math.log(j.answer.ratio), a, b) for j, a, b in self.judged if j.answer.ratio is not None]
        if not told:
            return self._anchor
        x = np.array([self.expected(a, self.focus) - self.expected(b, self.focus) for _, a, b in told])
        gap = np.array([r - (a.entropy - b.entropy) for r, a, b in told]) - x @ self._anchor
        return np.asarray(self._anchor + np.linalg.lstsq(x, gap, rcond=1e-12)[0])

    def density(self, weights: Floats) -> tuple[Floats, Floats]:
        """Mean and covariance over x of exp(w·φ); where w makes none, the nearest that is one, no vaguer than `VAGUE`
        and no further away, from the present centre and from the one given.
        """
        mean, covariance, _ = self._held(weights)
        return mean, covariance

    def _held(self, weights: Floats) -> tuple[Floats, Floats, bool]:
        """`density`, and whether it is held back at the end of what is looked at: where it lies is not known then."""
        d = len(self.space.parameters)
        centre, scale = self.focus
        bend = np.zeros((d, d))
        for (i, j), w in zip(self._pairs, weights[d:], strict=True):
            bend[i, j] -= w
            bend[j, i] -= w
        values, vectors = np.linalg.eigh(bend)
        precision = np.maximum(values, 1.0 / VAGUE**2)
        covariance = (vectors / precision) @ vectors.T
        free_mean = covariance @ weights[:d]
        mean = (_within(centre + scale * _within(free_mean)) - centre) / scale
        return mean, covariance, not np.allclose(mean, free_mean)

    def elicited(self) -> Elicited:
        """What has been learned."""
        fitted = None if self._exact else self.fit()
        at, scale = self.centre + self.scale * self.focus.centre, self.scale * self.focus.scale
        if self._exact:
            mean, covariance = self.density(self._taken_at_their_word())
            none = np.zeros(len(mean))
            return Elicited(mean, covariance, at, scale, none, 0.0, len(self.judged), 1.0, None)
        weights = self._anchor if fitted is None else fitted.mean
        mean, covariance, held = self._held(weights)
        spread, doubt = np.full(len(mean), VAGUE), math.inf
        if fitted is not None and not held:  # where it is held back all draws are alike, and that is no knowledge
            many = [self.density(w) for w in fitted.sample(100, np.random.default_rng(0))]
            spread = np.std([m for m, _ in many], axis=0)
            doubt = float(np.mean([gaussian_kl(m, c, mean, covariance) for m, c in many]))
        right = None
        graded = [(j.answer.grade, a, b) for j, a, b in self.judged if j.answer.grade]
        if fitted is not None and graded:
            said = [(self._told(a, fitted) - self._told(b, fitted)) * g for g, a, b in graded]
            right = float(np.mean(np.array(said) > 0))
        nats = 1.0 if fitted is None else fitted.scale.nats_per_unit
        return Elicited(mean, covariance, at, scale, spread, doubt, len(self.judged), nats, right)

    def _told(self, shown: Shown, fitted: Preference) -> float:
        """log prior of a shown belief, nats up to a constant."""
        return float(self.expected(shown, self.focus) @ fitted.mean) + shown.entropy

    # -- asking ------------------------------------------------------------------------------------------------------

    def queries(self, count: int) -> list[tuple[Query, Shown, Shown]]:
        """The pairs expected to tell most: variance of what they ask about, times how open the answer is."""
        fitted = None if self._exact else self.fit()
        d = len(self.space.parameters)
        if fitted is None:
            points = self._rng.standard_normal((2 * CANDIDATES, d)) * 1.5
            cov = np.diag(np.full(d + len(self._pairs), 1.0))
            weights = self._anchor
        else:
            weights = fitted.mean
            sampled = fitted.sample(200, self._rng)
            cov = np.cov(sampled.T)
            mean, covariance = self.density(weights)
            # A little wider than the density: curvature shows at its edges.
            points = mean + 1.2 * self._rng.standard_normal((2 * CANDIDATES, d)) @ root(covariance).T
        centre, scale = self.focus
        points = (np.clip(centre + scale * points, -1.2 * VAGUE, 1.2 * VAGUE) - centre) / scale
        left, right = _pairs(points, self._rng)
        gap = self.features(left) - self.features(right)
        delta = gap @ weights
        chosen: list[tuple[Query, Shown, Shown]] = []
        asked = len(self.judged)
        for n in range(count):
            with_odds = self._odds_every > 0 and (asked + n) % self._odds_every == 0
            variance = np.einsum("ij,jk,ik->i", gap, cov, gap)
            # p · (1 − p), never quite zero: an answer that is known beforehand is no division by nothing.
            open_ = np.maximum(expit(delta) * expit(-delta), 1e-12)
            noise = 1.0 / open_ if not with_odds else 0.25 + 0.05 * delta**2  # people are surer of small ratios
            best = int(np.argmax(np.where(np.abs(delta) < TELLABLE, np.log1p(variance / noise), -1.0)))
            first, second = (self.show(centre + scale * side[best]) for side in (left, right))
            row = gap[best]
            cov = cov - np.outer(cov @ row, cov @ row) / (noise[best] + variance[best])
            gap[best] = 0.0  # asked: nothing more to learn from it
            kind = Kind.ODDS if with_odds else Kind.COMPARE_HYPOTHESES
            if first.text != second.text:
                chosen.append((Query(kind, (first.text, second.text), purpose="prior"), first, second))
        return chosen

    def learn(self, judgement: Judgement, first: Shown, second: Shown) -> None:
        """Take in an answer; a skip teaches nothing."""
        if judgement.answered:
            self.judged.append((judgement, first, second))

    def belief(self) -> Belief:
        """The learned prior in words."""
        return self.words(self.elicited())

    def words(self, found: Elicited) -> Belief:
        """A learned prior in words."""
        u = found.draw_u(4096, 3)
        marginals = []
        for k, p in enumerate(self.space.parameters):
            middle = float(unfree(np.array([found.centre[k] + found.scale[k] * found.mean[k]]), p.lower, p.upper)[0])
            sd = float(found.scale[k] * math.sqrt(found.covariance[k, k]))
            marginals.append(Marginal((_vague(middle, sd, p.lower, p.upper),)))
        said = dependences(self.space, u) if u.shape[1] > 1 else ()
        return rounded(Belief(tuple(marginals), said))


async def ask_prior(
    elicitor: Elicitor, overseer: Overseer, budget: int, *, enough: float = WORTH, told: Any = lambda _: None
) -> Elicited:
    """Ask, fit, ask again, until the budget is spent or the density is known to `enough` nats of expected KL."""
    while len(elicitor.judged) < budget:
        batch = elicitor.queries(min(ROUND, budget - len(elicitor.judged)))
        if not batch:
            break
        before = len(elicitor.judged)
        for judgement, (_, first, second) in zip(await overseer.judge([q for q, _, _ in batch]), batch, strict=True):
            elicitor.learn(judgement, first, second)
        found = elicitor.elicited()
        told(found)
        if len(elicitor.judged) == before or found.doubt < enough:
            break
    return elicitor.elicited()


def _within(x: Floats) -> Floats:
    """x (d,), or where its ray leaves the ball that is looked at."""
    return x * min(1.0, VAGUE * math.sqrt(len(x)) / max(float(np.sqrt(x @ x)), 1e-300))


def start_of(draws: Floats) -> tuple[Floats, Floats]:
    """Centre and scale of the free coordinates from draws u (n, d) of the given prior: median, a normal's spread."""
    low, middle, high = np.quantile(draws, [0.16, 0.5, 0.84], axis=0)
    return middle, np.maximum(0.5 * (high - low), 1e-9)


def _pairs(points: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Candidate pairs: half of them any two points, half of them two that differ in one parameter only."""
    half = len(points) // 2
    left, right = points[:half], points[half:]
    k = rng.integers(points.shape[1], size=half)
    near = left.copy()
    near[np.arange(half), k] = right[np.arange(half), k]
    return np.concatenate([left, left]), np.concatenate([right, near])


def _vague(middle: float, spread: float, lower: float, upper: float) -> Clause:
    """A clause about `middle` whose free coordinate is spread by `spread`, in round numbers."""
    if math.isinf(lower) and math.isinf(upper):
        return Clause(Form.ABOUT, (to_step(middle, spread / 20), float(f"{spread:.2g}")))
    if lower == 0.0 and math.isinf(upper):
        factor = 1.0 + float(f"{max(math.expm1(spread), 0.01):.2g}")
        return Clause(Form.FACTOR, (to_step(middle, middle * spread / 20), float(f"{factor:.12g}")))
    if lower == 0.0 and upper == 1.0:
        sd = spread * middle * (1 - middle)
        cases = max(middle * (1 - middle) / sd**2 - 1.0, 0.5)
        inside = min(max(to_step(middle, sd / 20), 0.001), 0.999)
        return Clause(Form.CASES, (inside, float(f"{cases:.2g}")))
    width = spread * (middle - lower) * (1.0 if math.isinf(upper) else (upper - middle) / (upper - lower))
    return Clause(Form.ABOUT, (to_step(middle, width / 20), float(f"{max(width, 1e-12):.2g}")))
