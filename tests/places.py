"""A small Z for tests of what is asked: is it p or e, by where it stands and in which soil."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from imitative.data import Feature, FeatureKind, Labelled, Table
from imitative.elicitation.stakes import Beside, Own
from imitative.hypotheses.conditions import Condition, Relation
from imitative.hypotheses.statements import Hypothesis, Limits, Statement, StatementSpace, Strength
from imitative.likelihood import LITERAL
from imitative.posterior import Posterior
from imitative.prior import StatementPrior
from imitative.scoring import Scorer
from imitative.testing import random_prior

PLACE = Feature("place", FeatureKind.BOOLEAN, "the place", values=("sun", "shade"))
SOIL = Feature("soil", FeatureKind.CATEGORICAL, "the soil", values=("clay", "sand", "peat"))
SPACE = StatementSpace([PLACE, SOIL], ("p", "e"), {"p": "it is p", "e": "it is e"}, Limits(4, 2, 1))
ROWS = [{"place": place, "soil": soil} for place in PLACE.values for soil in SOIL.values]
D = Labelled(Table.of(SPACE.features, ROWS), np.array([0, 0, 0, 1, 1, 1]), SPACE.answers)


def says(feature: Feature, value: str, answer: str = "p", strength: Strength = Strength.STRONG) -> Statement:
    """That one value speaks for an answer."""
    return Statement((Condition(feature.name, Relation.IS, (value,)),), answer, strength)


SUN, CLAY = says(PLACE, "sun"), says(SOIL, "clay")

ELSEWHERE = Table.of(SPACE.features, [ROWS[i] for i in (0, 0, 1, 3, 4, 4, 4)])


class Case(NamedTuple):
    """A posterior, its pool, and a z within it."""

    posterior: Posterior
    scorer: Scorer
    z: Hypothesis

    @classmethod
    def drawn(cls, seed: int, conjunctions: bool = False) -> Case:
        rng = np.random.default_rng(seed)
        single = [(condition,) for condition in SPACE.conditions()]
        both = [(*a, *b) for a in single for b in single if (a[0].feature, b[0].feature) == ("place", "soil")]
        conditions = single + (both if conjunctions else [])
        posterior = Posterior(D, random_prior(SPACE, seed), LITERAL)
        named = rng.choice(len(conditions), size=int(rng.integers(0, 4)), replace=False)
        z = Hypothesis((), "e")
        for k in named:
            answer, strength = SPACE.answers[int(rng.integers(2))], tuple(Strength)[int(rng.integers(4))]
            z = SPACE.adopting(z, Statement(conditions[k], answer, strength))
        return cls(posterior, Scorer(posterior, conditions), z)

    @property
    def prior(self) -> StatementPrior:
        assert isinstance(self.posterior.prior, StatementPrior)
        return self.posterior.prior

    def beside(self) -> Beside:
        return Beside.of(self.z, self.posterior, ELSEWHERE, self.scorer)

    def own(self) -> Own:
        return Own.of(self.z, self.posterior, ELSEWHERE)

    def score(self, z: Hypothesis) -> float:
        return self.prior.log_prior(z) + self.posterior.log_likelihood(z)

    def labels(self, z: Hypothesis) -> list[float]:
        """Of each question: 0 or 1, and a half where z is even about it."""
        logits = LITERAL.logits(ELSEWHERE, z, SPACE.answers)
        return [0.5 + 0.5 * float(np.sign(round(second - first, 6))) for first, second in logits]

    def adds(self, z: Hypothesis, less: Hypothesis) -> float:
        """How uncertain it is what z has over `less`, by the draws."""
        return float((self.prior.deviations(z) - self.prior.deviations(less)).std())

    def told_apart(self, z: Hypothesis, other: Hypothesis) -> float:
        """The share of questions labelled otherwise, those about which one is even by halves."""
        return float(np.mean([abs(a - b) for a, b in zip(self.labels(z), self.labels(other), strict=True)]))


def expected_cost(gain: float, variance: float) -> float:
    """E[max(g, 0)] − max(E[g], 0) for g ~ N(gain, variance): what deciding by the mean costs."""
    sd = float(np.sqrt(variance))
    return float(sd * norm.pdf(gain / sd) - abs(gain) * norm.cdf(-abs(gain) / sd))
