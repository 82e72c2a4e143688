"""M_prior: the learned imitation of log P_H(z).

    log prior(z) = θ · φ(z),    θ ~ N(mean, covariance) after people's comparisons

Linear in the traits φ of `traits.py`; its uncertainty is the covariance of θ, carried by an ensemble of draws, so that
a search can price it in without ever forming a d × d product.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import NamedTuple, Protocol, final, runtime_checkable

import numpy as np
from scipy.sparse import csr_array

from imitative.data import Floats
from imitative.hypotheses.conditions import Condition
from imitative.hypotheses.statements import Edit, Hypothesis, Statement, by_kept
from imitative.preference import Bets, Comparisons, Odds, Preference, fit_preference
from imitative.records import MOST_ODDS, Judgement, Kind
from imitative.traits import NATS, STRENGTHS, Traits

HEARD = (Kind.COMPARE_HYPOTHESES, Kind.BET, Kind.ODDS)
"""What M_prior learns from, in the order in which a fit numbers its answers."""
ENSEMBLE = 48
"""Draws of θ that carry M_prior's uncertainty: their standard deviation is known to about 10 %."""


@runtime_checkable
class PriorModel(Protocol):
    """log P_H(z), up to one constant for all z, with its uncertainty."""

    def log_prior(self, z: Hypothesis) -> float:
        """Nats."""
        ...

    def sd(self, z: Hypothesis) -> float:
        """How uncertain that is, in nats."""
        ...


class ConditionScores(NamedTuple):
    """log prior of every statement a pool of K conditions can make, for A answers and W strengths.

    Args:
        mean: (K, A, W) nats.
        deviations: (K, A, W, E): what each draw of the ensemble adds to the mean.
    """

    mean: Floats
    deviations: np.ndarray[tuple[int, ...], np.dtype[np.float32]]


@final
class StatementPrior:
    """M_prior for statements.

    Args:
        traits: φ.
        weights: θ's mean, (d,).
        draws: (E, d) draws of θ; none: certain.
        preference: the fit they come from, if any.
        heard: the judgements it was fitted to, in the order of `Preference.slips`.
    """

    def __init__(
        self,
        traits: Traits,
        weights: Floats,
        draws: Floats | None = None,
        preference: Preference | None = None,
        heard: Sequence[Judgement] = (),
    ) -> None:
        self.heard = tuple(heard)
        self.traits = traits
        self.preference = preference
        self.weights = weights
        self.draws = np.empty((0, traits.size)) if draws is None else draws
        self._thetas = np.vstack([weights, self.draws - self.draws.mean(axis=0) if len(self.draws) else self.draws])
        self._deviations = self._thetas[1:]
        self._deviations[:, traits.constant_at] = 0.0  # what all hypotheses share is no uncertainty about which is best

    @classmethod
    def unasked(cls, traits: Traits, seed: int = 0) -> StatementPrior:
        """M_prior before the first judgement."""
        mean, precision = traits.weights_prior()
        noise = np.random.default_rng(seed).standard_normal((ENSEMBLE, traits.size))
        return cls(traits, mean, mean + noise / np.sqrt(precision))

    @classmethod
    def fit(cls, traits: Traits, judgements: Sequence[Judgement], seed: int = 0) -> StatementPrior:
        """M_prior after judgements: comparisons of hypotheses, odds and bets; others are ignored."""
        mean, precision = traits.weights_prior()
        evidence = evidence_of(judgements, traits)
        if evidence is None:
            return cls.unasked(traits, seed)
        preference = fit_preference(*evidence, mean=mean, precision=precision)
        draws = preference.sample(ENSEMBLE, np.random.default_rng(seed))
        heard = [j for kind in HEARD for j in judgements if j.answered and j.query.kind is kind]
        return cls(traits, preference.mean, draws, preference, heard)

    def log_prior(self, z: Hypothesis) -> float:
        """θ · φ(z), in nats."""
        return float(self.weights @ self.traits.hypothesis(z))

    def sd(self, z: Hypothesis) -> float:
        """The ensemble's standard deviation of log_prior(z), in nats."""
        return float(self.members(z).std()) if len(self.draws) else 0.0

    def members(self, z: Hypothesis) -> Floats:
        """Each draw's log prior of z, centred on the mean's: (E,) nats."""
        return np.asarray(self.log_prior(z) + self._deviations @ self.traits.hypothesis(z))

    def deviations(self, z: Hypothesis) -> Floats:
        """What each draw adds to the mean: (E,) nats."""
        return np.asarray(self._deviations @ self.traits.hypothesis(z))

    def edited(self, edits: Sequence[Edit]) -> Floats:
        """log prior of what each edit makes, then what each draw adds: (C, 1 + E) nats.

        φ is additive but for what is claimed again: an edit costs 1 + E additions for each statement that is new, where
        reading what it makes costs (1 + E) · d multiplications.
        """
        traits, found = self.traits, [np.empty((0, len(self._thetas)))]
        for kept, group in by_kept(edits):
            several = [edit.new for edit in group]
            pool = list(dict.fromkeys(s.conditions for new in several for s in new))
            shares = dict(zip(pool, self.shares(self._thetas, pool), strict=True))
            rows = np.tile(self._thetas @ traits.hypothesis(kept), (len(several), 1))
            for row, new in zip(rows, several, strict=True):
                for i, s in enumerate(new):
                    row += shares[s.conditions][traits.space.answers.index(s.answer), STRENGTHS.index(s.strength)]
                    row += traits.again(s, (*kept.statements, *new[:i])) * self._thetas[:, traits.claimed_at]
            found.append(rows)
        return np.concatenate(found)

    def deviation(self, statement: Statement) -> float:
        """The standard deviation of what one statement adds, in nats."""
        return self.sd_of(self.traits.statement(statement))

    def sd_of(self, traits: Floats) -> float:
        """The ensemble's standard deviation of traits · θ, in nats."""
        return float((self._deviations @ traits).std()) if len(self.draws) else 0.0

    def covariance(self, rows: Floats) -> Floats:
        """The covariance of rows · θ, (N, N) nats²: not the ensemble's, whose draws are fewer than θ's directions.

        Where no judgement was fitted, that of what is believed of people beforehand (`Traits.weights_prior`).

        Args:
            rows: (N, d) differences of traits, in which what all hypotheses share cancels.
        """
        if self.preference is not None:
            return self.preference.covariance(rows)
        return np.asarray((rows / self.traits.weights_prior().precision) @ rows.T)

    def claims(self) -> tuple[float, Floats]:
        """What a nat² of claims about a value adds, and what each draw adds to that: a number, and (E,)."""
        at = self.traits.claimed_at
        return float(self.weights[at]), np.asarray(self._deviations[:, at])

    def score_conditions(self, pool: Sequence[tuple[Condition, ...]]) -> ConditionScores:
        """The log prior share of every (conditions, answer, strength): one matrix product for all."""
        every = self.shares(self._thetas, pool)
        return ConditionScores(every[..., 0], np.ascontiguousarray(every[..., 1:], dtype=np.float32))

    def shares(self, thetas: Floats, pool: Sequence[tuple[Condition, ...]]) -> Floats:
        """What every (conditions, answer, strength) has of the log prior by T weight vectors: (K, A, W, T) nats."""
        traits = self.traits
        if not pool:
            return np.empty((0, len(traits.space.answers), len(NATS), len(thetas)))
        parts = [traits.parts(conditions) for conditions in pool]
        relevance = np.array([p.relevance for p in parts])
        meaning = np.array([p.meaning for p in parts])
        affinity = np.array([p.affinity for p in parts])
        ends = np.cumsum([0, *(len(p.atoms) for p in parts)])
        atoms = list(chain.from_iterable(p.atoms for p in parts))
        signs = list(chain.from_iterable(p.signs for p in parts))
        named = csr_array((signs, atoms, ends), shape=(len(parts), traits.polarity_size - meaning.shape[1]))
        values = 1.0 + relevance[:, 1]
        by_strength = thetas[:, 1] * NATS[:, None] + values[:, None, None] * thetas[:, 2] * NATS[:, None] ** 2
        leaning = affinity[:, :, None] * thetas[:, -1]
        for m in range(traits.contrasts.shape[1]):
            by_atom, by_meaning = np.split(thetas[:, traits.polarity_at(m)].T, [named.shape[1]])
            towards = named @ by_atom + meaning @ by_meaning
            leaning = leaning + towards[:, None, :] * traits.contrasts[:, m, None]
        if traits.texts:
            words = np.array([p.words for p in parts], dtype=np.float64)
            by_strength = by_strength + words[:, None, None] * thetas[:, traits.words_at] * NATS[:, None] ** 2
        constant = thetas[:, 0] + relevance @ thetas[:, traits.relevance_at].T
        if traits.texts:
            constant = constant + np.array([p.unrated for p in parts])[:, None] * thetas[:, traits.unrated_at]
        return np.asarray(constant[:, None, None, :] + by_strength[:, None] + leaning[:, :, None, :] * NATS[:, None])


class Described(Protocol):
    """Anything that turns a hypothesis, given as text, into traits."""

    def text(self, text: str) -> Floats:
        """(d,) traits."""
        ...


def evidence_of(
    judgements: Sequence[Judgement], traits: Described
) -> tuple[Comparisons | None, Odds | None, Bets | None] | None:
    """Judgements on hypotheses as rows of traits for `fit_preference`; None if there is nothing to learn from."""
    said: dict[Kind, list[tuple[Floats, float, str, float]]] = {kind: [] for kind in HEARD}
    for judgement in judgements:
        query, answer = judgement.query, judgement.answer
        if not judgement.answered or query.kind not in said:
            continue
        row = traits.text(query.hypotheses[0])
        if query.kind is Kind.BET:
            said[query.kind].append((row, float(bool(answer.less_likely)), judgement.judge, float(query.heads)))
        else:
            value = float(answer.grade or 0) if answer.ratio is None else float(np.log(answer.ratio))
            said[query.kind].append((row - traits.text(query.hypotheses[1]), value, judgement.judge, 0.0))
    if not any(said.values()):
        return None

    def columns(kind: Kind) -> tuple[Floats, Floats, list[str], Floats] | None:
        if not said[kind]:
            return None
        rows, values, judges, heads = zip(*said[kind], strict=True)
        return np.array(rows), np.array(values), list(judges), np.array(heads)

    compared, odds, bets = columns(Kind.COMPARE_HYPOTHESES), columns(Kind.ODDS), columns(Kind.BET)
    return (
        Comparisons(compared[0], compared[1].astype(int), compared[2]) if compared else None,
        Odds(odds[0], odds[1], odds[2], most=MOST_ODDS) if odds else None,
        Bets(bets[0], bets[3], bets[1] > 0.5, bets[2]) if bets else None,
    )


@final
class TablePrior:
    """M_prior for a finite Z: one free score for each hypothesis, exact where the judgements are.

    Args:
        scores: hypothesis → nats.
        sds: hypothesis → nats; absent: certain.
    """

    def __init__(self, scores: dict[Hypothesis, float], sds: dict[Hypothesis, float] | None = None) -> None:
        self.scores = dict(scores)
        self.sds = dict(sds or {})

    @classmethod
    def fit(
        cls,
        show: Callable[[Hypothesis], str],
        every: Sequence[Hypothesis],
        judgements: Sequence[Judgement],
        exact: bool = False,
    ) -> TablePrior:
        """One free score per hypothesis, the first's being 0; `exact` takes odds at their word.

        Args:
            show: hypothesis → its text.
            every: Z.
            judgements: comparisons and odds among its members; others are ignored.
            exact: whether odds carry no noise.
        """
        table = _Unit({show(z): i for i, z in enumerate(every)})
        among = [j for j in judgements if j.query.kind is not Kind.BET and table.places.keys() >= {*j.query.hypotheses}]
        evidence = evidence_of(among, table)
        if evidence is None:
            return cls(dict.fromkeys(every, 0.0), dict.fromkeys(every, 3.0))
        preference = fit_preference(*evidence, precision=1e-9 if exact else 0.04, exact=exact)
        beside = np.eye(len(every))
        beside[:, 0] -= 1.0  # scores are told beside the first's: what all of them share nobody was asked
        scores, sds = beside @ preference.mean, preference.sd(beside)
        return cls(dict(zip(every, scores.tolist(), strict=True)), dict(zip(every, sds.tolist(), strict=True)))

    def log_prior(self, z: Hypothesis) -> float:
        """Nats. Raises KeyError outside the finite Z."""
        return self.scores[z]

    def sd(self, z: Hypothesis) -> float:
        """Nats."""
        return self.sds.get(z, 0.0)


class _Unit(NamedTuple):
    """Traits that name the hypothesis and say nothing else of it."""

    places: dict[str, int]

    def text(self, text: str) -> Floats:
        found = np.zeros(len(self.places))
        found[self.places[text]] = 1.0
        return found
