"""log posterior(z) = log prior(z) + Σ_D log P(y | x, z).

    score(z) = log P_H(z) − κ · sd(z) + e · Σ_(x,y)∈D log P_H(y | x, z)

κ ≥ 0 is the price of M_prior's own uncertainty: with κ > 0 the search maximises a lower bound and cannot win by
finding where M_prior is wrong (Goodhart). e ≤ 1 is how many independent examples a row of D is worth; 1 unless the
problem says that its rows repeat each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from imitative.data import Floats, Labelled
from imitative.hypotheses.statements import Edit, Hypothesis
from imitative.likelihood import LikelihoodModel, Reading
from imitative.prior import PriorModel, StatementPrior


@final
@dataclass(frozen=True, eq=False)
class Posterior:
    """The objective of the search, read straight from its definition.

    Args:
        labelled: D.
        prior: M_prior.
        likelihood: M_L.
        caution: κ, standard deviations of M_prior to subtract.
        evidence: e, independent examples per row.
    """

    labelled: Labelled
    prior: PriorModel
    likelihood: LikelihoodModel
    caution: float = 0.0
    evidence: float = 1.0

    def log_prior(self, z: Hypothesis) -> float:
        """log P_H(z) − κ · sd(z), in nats, up to the constant that comparisons leave open."""
        return self.prior.log_prior(z) - (self.caution * self.prior.sd(z) if self.caution else 0.0)

    def log_likelihood(self, z: Hypothesis) -> float:
        """e · Σ_D log P_H(y | x, z), in nats."""
        return self._explained(self.likelihood.log_probabilities(self.labelled.table, z, self.labelled.names))

    def score(self, z: Hypothesis) -> float:
        """log posterior(z), in nats, up to one constant for all z."""
        return self.log_prior(z) + self.log_likelihood(z)

    def scores(self, edits: Sequence[Edit]) -> Floats:
        """The score of what each edit makes, (C,) nats: what is new is read, and what is kept is not read again.

        The floor, for an edit of a z of S statements: n bytes of where the new holds, n · |Y| exponentials and 1 + E
        additions. `score` reads S · n bytes, and multiplies (1 + E) · d weights with φ.
        """
        assert isinstance(self.prior, StatementPrior)
        assert isinstance(self.likelihood, Reading)
        mean, *deviations = self.prior.edited(edits).T
        doubt = self.caution * np.std(deviations, axis=0) if self.caution and deviations else 0.0
        read = self.likelihood.edited(self.labelled.table, edits, self.labelled.names)
        return np.asarray(mean - doubt + np.array([self._explained(log_p) for log_p in read]))

    def _explained(self, log_p: Floats) -> float:
        return self.evidence * float(log_p[self._rows, self.labelled.answers].sum())

    @cached_property
    def _rows(self) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
        return np.arange(len(self.labelled))
