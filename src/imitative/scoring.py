"""Every way to fill one slot of a hypothesis, scored at once.

Take a statement out of z; the logits without it are `rest`. Putting in a statement for answer a with w nats changes the
log probability of row i, where it applies, by

    g_i(a, w) = w · [y_i = a] − log(1 + p_i(a) · (e^w − 1)),        p_i = softmax(rest_i),

and nowhere else. So the change of the log likelihood for *all* K conditions, A answers and W strengths is one matrix
product of the K × n masks with the n × A·W table g: K · n · A · W multiplications where a plain recomputation needs
that many times a softmax and |z| readings. The floor is reading the masks once, 4 · K · n bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from imitative.data import FeatureKind, Floats
from imitative.hypotheses.conditions import Condition, Relation, overlap, repeatable
from imitative.hypotheses.statements import Hypothesis, Statement
from imitative.likelihood import Reading
from imitative.posterior import Posterior
from imitative.prior import StatementPrior
from imitative.traits import NATS, STRENGTHS

Singles = NDArray[np.float32]
Pool = Sequence[tuple[Condition, ...]]
"""The conditions a search may use: K conjunctions."""

EMPTY = -1
"""The option of leaving a slot empty."""


class Slots(NamedTuple):
    """z as a search holds it.

    Args:
        options: (S,) option indices, EMPTY where nothing stands.
        default: the default's option, answer · W + strength.
    """

    options: NDArray[np.int64]
    default: int


@final
class Scorer:
    """The posterior over one pool, compiled for search.

    Args:
        posterior: with a `StatementPrior` and a `Reading`.
        pool: what statements may be made of. An *option* is one statement: (k · A + a) · W + w.
    """

    def __init__(self, posterior: Posterior, pool: Pool) -> None:
        assert isinstance(posterior.prior, StatementPrior)
        assert isinstance(posterior.likelihood, Reading)
        labelled, self.sharpness = posterior.labelled, posterior.likelihood.sharpness
        self.pool = tuple(pool)
        self.answers = labelled.names
        self.masks = np.empty((len(self.pool), len(labelled)), dtype=np.float32)
        for k, conditions in enumerate(self.pool):
            self.masks[k] = posterior.likelihood.conditions(conditions, labelled.table)
        self.y = labelled.answers
        self.evidence = posterior.evidence
        self.caution = posterior.caution
        self._prior(posterior.prior)
        self._said = posterior.prior.traits.said
        self._features = {feature.name: feature for feature in labelled.table.features}
        self._alike: dict[tuple[str, ...], list[int]] = {}
        for k, conditions in enumerate(self.pool):
            self._alike.setdefault(tuple(c.feature for c in conditions), []).append(k)
        self._conflicts: dict[int, tuple[int, ...]] = {}
        self._index = {conditions: k for k, conditions in enumerate(self.pool)}
        self._repeating: dict[int, tuple[NDArray[np.intp], Floats]] = {}
        self._joined = any(map(repeatable, self.pool))
        self._is_answer = np.arange(len(self.answers))[:, None] == self.y
        self._rows = np.arange(len(self.y))

    def _prior(self, prior: StatementPrior) -> None:
        shares = prior.score_conditions(self.pool)
        self.mean = shares.mean.reshape(-1)
        self.deviations = shares.deviations.reshape(len(self.mean), shares.deviations.shape[-1])
        defaults = [Hypothesis((), answer, strength) for answer in self.answers for strength in STRENGTHS]
        self.default_mean = np.array([prior.log_prior(z) for z in defaults])
        self.default_deviations = np.array([prior.deviations(z) for z in defaults], dtype=np.float32)
        # What a nat² of claims costs, by M_prior and by each of its draws: see `repeats`.
        self.claim, self.claim_deviations = prior.claims()
        draws = self.deviations.shape[1]
        self._with_claims = self.deviations @ self.claim_deviations / max(draws, 1)
        self.variance = (self.deviations.astype(np.float64) ** 2).mean(axis=1) if draws else np.zeros(len(self.mean))

    # -- hypotheses and slots --------------------------------------------------------------------------------------

    @property
    def options(self) -> int:
        """How many statements the pool can make: K · A · W."""
        return len(self.mean)

    @property
    def per_condition(self) -> int:
        """How many statements one condition can make: A · W."""
        return len(self.answers) * len(NATS)

    def encode(self, z: Hypothesis, slots: int) -> Slots | None:
        """z in `slots` slots, or None if the pool cannot say it."""
        if len(z.statements) > slots or any(s.conditions not in self._index for s in z.statements):
            return None
        found = np.full(slots, EMPTY)
        for i, s in enumerate(z.statements):
            k, a, w = self._index[s.conditions], self.answers.index(s.answer), STRENGTHS.index(s.strength)
            found[i] = (k * len(self.answers) + a) * len(NATS) + w
        return Slots(found, self.answers.index(z.default) * len(NATS) + STRENGTHS.index(z.default_strength))

    def decode(self, slots: Slots) -> Hypothesis:
        """The inverse of `encode`."""
        statements = tuple(self.statement(int(option)) for option in slots.options if option != EMPTY)
        answer, strength = divmod(slots.default, len(NATS))
        return Hypothesis(statements, self.answers[answer], STRENGTHS[strength])

    def find(self, conditions: tuple[Condition, ...]) -> int | None:
        """Where conditions stand in the pool, if they do."""
        return self._index.get(conditions)

    def statement(self, option: int) -> Statement:
        """The statement an option stands for."""
        k, a, w = self.split(option)
        return Statement(self.pool[k], self.answers[a], STRENGTHS[w])

    def split(self, option: int) -> tuple[int, int, int]:
        """(condition, answer, strength) of an option."""
        rest, w = divmod(option, len(NATS))
        k, a = divmod(rest, len(self.answers))
        return k, a, w

    @cached_property
    def _naming(self) -> dict[tuple[str, Relation, str], list[tuple[int, int]]]:
        """Value → the conditions of the pool that name it, and which of their conjuncts does."""
        found: dict[tuple[str, Relation, str], list[tuple[int, int]]] = {}
        for k, conditions in enumerate(self.pool):
            for i, condition in enumerate(conditions):
                for value in self._said(condition):
                    found.setdefault(value, []).append((k, i))
        return found

    def conflicts(self, option: int) -> tuple[int, ...]:
        """The conditions of the pool that may not stand beside an option's: its own, then those that overlap."""
        k = self.split(option)[0]
        if k not in self._conflicts:
            mine = self.pool[k]
            # Words and thresholds overlap with nothing but themselves, and there may be thousands of words.
            discrete = all(self._features[condition.feature].discrete for condition in mine)
            rivals = self._alike[tuple(c.feature for c in mine)] if discrete else []
            self._conflicts[k] = (k, *(r for r in rivals if r != k and overlap(mine, self.pool[r], self._features)))
        return self._conflicts[k]

    def repeating(self, k: int) -> tuple[NDArray[np.intp], Floats]:
        """The other conditions of the pool that speak of values of which k speaks, and of how many: see `repeated`."""
        if k not in self._repeating:
            counts: dict[int, int] = {}
            for condition in self.pool[k]:
                met = Counter(place for value in self._said(condition) for place in self._naming.get(value, ()))
                for (other, _), count in met.items():
                    counts[other] = max(counts.get(other, 0), count)
            alone = not repeatable(self.pool[k])
            found = sorted(o for o in counts if o != k and not (alone and not repeatable(self.pool[o])))
            self._repeating[k] = np.array(found, dtype=np.intp), np.array([counts[o] for o in found], dtype=np.float64)
        return self._repeating[k]

    def repeats(self, options: Sequence[int] | NDArray[np.int64]) -> Floats | None:
        """What a z of these options claims of the values of which each condition speaks, by answer: (K, A) nats.

        2 · w · `claim` times that is what a statement of w nats costs beside them, over what it costs alone. None where
        nothing can be said twice.
        """
        if not self._joined:
            return None
        found = np.zeros((len(self.pool), len(self.answers)))
        for option in options:
            k, a, w = self.split(int(option))
            others, counts = self.repeating(k)
            found[others, a] += counts * NATS[w]
        return found

    def claimed_again(self, options: Sequence[int] | NDArray[np.int64]) -> float:
        """What these options claim again, 2 · Σ w · w′: nats²."""
        repeats = self.repeats(options)
        if repeats is None:
            return 0.0
        each = (self.split(int(option)) for option in options)
        return float(sum(repeats[k, a] * NATS[w] for k, a, w in each))  # every pair from both sides

    def thresholds(self) -> list[list[int]]:
        """The conditions that are thresholds of one number and nothing else, number by number."""
        return [
            found
            for names, found in self._alike.items()
            if len(names) == 1 and self._features[names[0]].kind is FeatureKind.NUMERIC
        ]

    # -- the pieces a search adds and takes away -------------------------------------------------------------------

    def contribution(self, option: int) -> tuple[int, Floats]:
        """The answer an option speaks for, and what it adds to that answer's logits: (n,) nats."""
        k, a, w = self.split(option)
        return a, self.sharpness * NATS[w] * self.masks[k]

    def logits(self, slots: Slots) -> Floats:
        """(A, n) nats: answers first, so that sums over the answers run along memory."""
        found = np.zeros((len(self.answers), len(self.y)))
        answer, strength = divmod(slots.default, len(NATS))
        found[answer] += self.sharpness * NATS[strength]
        for option in slots.options:
            if option != EMPTY:
                a, added = self.contribution(int(option))
                found[a] += added
        return found

    def log_likelihood(self, logits: Floats) -> float:
        """e · Σ_D log softmax(logits)_y, in nats."""
        at_answer = logits[self.y, self._rows]
        return self.evidence * float((at_answer - np.logaddexp.reduce(logits, axis=0)).sum())

    def gains(self, rest: Floats) -> Singles:
        """g, (n, A·W): what each (answer, strength) would change at each row, in nats."""
        chance = np.exp(rest - np.logaddexp.reduce(rest, axis=0)).astype(np.float32)
        w = (self.sharpness * NATS).astype(np.float32)
        found = np.empty((len(self.answers), len(w), len(self.y)), dtype=np.float32)
        for a, p in enumerate(chance):
            found[a] = w[:, None] * self._is_answer[a] - np.log1p(p * np.expm1(w)[:, None])
        return np.ascontiguousarray(np.float32(self.evidence) * found.reshape(-1, len(self.y)).T)

    def likelihood_of_all(self, rest: Sequence[Floats]) -> Singles:
        """What filling the empty slot with each option adds to the log likelihood, for C sets of logits.

        One matrix product for all C, so that the masks are read once.

        Returns:
            (C, K·A·W) nats.
        """
        gains = np.hstack([self.gains(logits) for logits in rest])
        product = (self.masks @ gains).reshape(len(self.pool), len(rest), len(self.default_mean))
        return np.ascontiguousarray(product.transpose(1, 0, 2)).reshape(len(rest), self.options)

    @cached_property
    def explained(self) -> Singles:
        """What each option explains of D by itself, beside a z that is even about every answer: (K·A·W,) nats."""
        return np.asarray(self.likelihood_of_all([np.zeros((len(self.answers), len(self.y)))])[0])

    def prior_of_all(self, slots: Slots) -> Floats:
        """What filling an empty slot of `slots` with each option adds to log prior − κ · sd: (K·A·W,) nats."""
        again = self._again(slots)
        return self._prior_beside(self.deviation(slots), slice(None), again)

    def again_beside(self, z: Hypothesis) -> Floats | None:
        """What each option claims again beside z: (K·A·W,) nats²; None where nothing can, or the pool cannot say z."""
        slots = self.encode(z, len(z.statements))
        return None if slots is None else self._again(slots)

    def added(self, again: Floats | None) -> tuple[Floats, Floats]:
        """What each option adds to the mean of log prior, in nats, and how uncertain that is: (K·A·W,) and their sd.

        Args:
            again: from `again_beside`.
        """
        mean, variance = self.mean, self.variance
        if again is not None:
            claims = self.claim_deviations
            mean = mean + self.claim * again
            variance = variance + 2.0 * again * self._with_claims + again**2 * (claims @ claims) / max(len(claims), 1)
        return mean, np.sqrt(np.maximum(variance, 0.0) + 1e-9)

    def _again(self, slots: Slots) -> Floats | None:
        """What each option claims again beside `slots`: (K·A·W,) nats², or None where nothing can be said twice."""
        repeats = self.repeats(slots.options[slots.options != EMPTY])
        return None if repeats is None else _by_strength(repeats)

    def prior_beside(self, rest: Floats | Singles, k: int, claimed: Floats | None = None) -> Floats:
        """The same for the statements about condition k alone, beside a z of which M_prior's draws say `rest`: (A·W,).

        Args:
            rest: (E,) what each draw adds to the mean of z, from `deviation`.
            k: which condition.
            claimed: its row of `repeats`, (A,).
        """
        again = None if claimed is None else _by_strength(claimed)
        return self._prior_beside(rest, slice(k * self.per_condition, (k + 1) * self.per_condition), again)

    def _prior_beside(self, rest: Floats | Singles, options: slice, again: Floats | None) -> Floats:
        mean, deviations = self.mean[options], self.deviations[options]
        if again is not None:
            mean = mean + self.claim * again
        if not self.caution or not len(rest):
            return mean
        variance = rest @ rest / len(rest) + 2.0 * (deviations @ rest) / len(rest) + self.variance[options]
        if again is not None:
            claims = self.claim_deviations
            variance = variance + 2.0 * again * (claims @ rest / len(rest) + self._with_claims[options])
            variance = variance + again**2 * (claims @ claims) / len(rest)
        return np.asarray(mean - self.caution * (np.sqrt(np.maximum(variance, 0.0)) - rest.std()))

    def likelihood_of(self, rows: NDArray[np.intp], rest: Floats) -> Floats:
        """What a statement of each answer and strength that holds at `rows` adds to the log likelihood: (A·W,) nats.

        Args:
            rows: (n′,) indices into D.
            rest: (A, n′) the logits there without it.
        """
        chance = np.exp(rest - np.logaddexp.reduce(rest, axis=0))
        w = self.sharpness * NATS
        right = self._is_answer[:, rows].sum(axis=1)[:, None] * w
        normaliser = np.log1p(chance[:, None, :] * np.expm1(w)[:, None]).sum(axis=2)
        return np.asarray(self.evidence * (right - normaliser)).ravel()

    def prior_of_defaults(self, slots: Slots) -> Floats:
        """log prior − κ · sd of z with each default: (A·W,) nats, up to what its statements add to the mean."""
        if not self.caution or not self.deviations.shape[1]:
            return self.default_mean
        statements = self.deviation(slots) - self.default_deviations[slots.default]
        return np.asarray(self.default_mean - self.caution * (statements + self.default_deviations).std(axis=1))

    def log_prior(self, slots: Slots) -> float:
        """log prior(z) − κ · sd(z), in nats."""
        filled = slots.options[slots.options != EMPTY]
        again = self.claimed_again(filled)
        mean = float(self.default_mean[slots.default] + self.mean[filled].sum()) + self.claim * again
        sd = float(self._deviation(slots, again).std()) if self.caution and self.deviations.shape[1] else 0.0
        return mean - self.caution * sd

    def likelihood_of_defaults(self, rest: Floats) -> Floats:
        """The log likelihood with each default, `rest` being the logits without one: (A·W,) nats."""
        found = np.empty(len(self.default_mean))
        for option in range(len(found)):
            answer, strength = divmod(option, len(NATS))
            logits = rest.copy()
            logits[answer] += self.sharpness * NATS[strength]
            found[option] = self.log_likelihood(logits)
        return found

    def deviation(self, slots: Slots) -> Singles:
        """What each of M_prior's draws adds to the mean of z: (E,) nats."""
        return self._deviation(slots, self.claimed_again(slots.options[slots.options != EMPTY]))

    def _deviation(self, slots: Slots, again: float) -> Singles:
        filled = slots.options[slots.options != EMPTY]
        alone = self.default_deviations[slots.default] + self.deviations[filled].sum(axis=0)
        return np.asarray(alone + again * self.claim_deviations if again else alone)


def _by_strength(claimed: Floats) -> Floats:
    """2 · w · what is claimed already, (…, A) nats, for every strength w: (… · A · W,) nats²."""
    return np.asarray(2.0 * claimed[..., None] * NATS).reshape(-1)
