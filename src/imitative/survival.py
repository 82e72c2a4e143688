"""Whether z* survives: what M_prior says its statements add, against the overseer's fresh judgement of the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from imitative.elicitation import Pair, without
from imitative.hypotheses.statements import Hypothesis
from imitative.prior import StatementPrior
from imitative.records import MOST_ODDS, Judgement


class Survival(NamedTuple):
    """M_prior's score of z* against the overseer's fresh judgement of it.

    Args:
        model: what M_prior says z*'s statements add up to, over the hypotheses they were left out of, in nats.
        overseer: the same by the overseer's odds, asked for this alone.
        judgements: how many odds.
        tolerance: how large a gap is within their noise and M_prior's uncertainty, in nats.
    """

    model: float
    overseer: float
    judgements: int
    tolerance: float

    @property
    def gap(self) -> float:
        """model − overseer: positive where M_prior flatters z*."""
        return self.model - self.overseer

    @property
    def survived(self) -> bool:
        """Whether z* is as plausible to the overseer as the model claims."""
        return self.gap <= self.tolerance

    @classmethod
    def of(
        cls, best: Hypothesis, prior: StatementPrior, pairs: Sequence[Pair], judgements: Sequence[Judgement]
    ) -> Survival | None:
        """From the overseer's odds for `pairs`; None if none was given.

        Args:
            best: z*.
            prior: M_prior, which has not heard these judgements.
            pairs: what was asked.
            judgements: the answers, in the same order.
        """
        said = [(j.answer.ratio, p) for j, p in zip(judgements, pairs, strict=True) if j.answer.ratio is not None]
        if not said:
            return None
        model = np.array([prior.log_prior(pair.first) - prior.log_prior(pair.second) for _, pair in said])
        heard = np.log([ratio for ratio, _ in said])
        noise = prior.preference.odds_sd if prior.preference is not None else 1.0
        uncertain = float(np.nan_to_num(noise, nan=1.0)) * np.sqrt(len(said)) + prior.sd(best)
        clipped = [float(np.clip(side, -MOST_ODDS, MOST_ODDS).sum()) for side in (model, heard)]
        return cls(clipped[0], clipped[1], len(said), float(max(1.0, uncertain)))


def leave_one_out(best: Hypothesis) -> list[Pair]:
    """z* against z* without each of its statements."""
    return [Pair(best, without(best, statement)) for statement in best.statements]
