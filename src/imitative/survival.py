"""Whether z* survives: what M_prior says its statements add, against the overseer's fresh judgement of the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from imitative.elicitation.pairs import Pair
from imitative.hypotheses.statements import Hypothesis
from imitative.preference import Preference
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
        cls, expected: Sequence[float], judgements: Sequence[Judgement], preference: Preference | None, doubt: float
    ) -> Survival | None:
        """From the overseer's odds; None if none was given.

        Args:
            expected: what M_prior, which has not heard them, says each comes to, in nats.
            judgements: the odds, in the same order.
            preference: the fit M_prior comes from, for the noise of odds.
            doubt: M_prior's standard deviation of z*, in nats.
        """
        said = [(j.answer.ratio, e) for j, e in zip(judgements, expected, strict=True) if j.answer.ratio is not None]
        if not said:
            return None
        noise = preference.odds_sd if preference is not None else 1.0
        uncertain = float(np.nan_to_num(noise, nan=1.0)) * np.sqrt(len(said)) + doubt
        sides = np.array([e for _, e in said]), np.log([ratio for ratio, _ in said])
        model, heard = (float(np.clip(side, -MOST_ODDS, MOST_ODDS).sum()) for side in sides)
        return cls(model, heard, len(said), float(max(1.0, uncertain)))


def leave_one_out(best: Hypothesis) -> list[Pair]:
    """z* against z* without each of its statements."""
    return [Pair(best, best.without(statement)) for statement in best.statements]
