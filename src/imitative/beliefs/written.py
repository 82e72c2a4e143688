"""Beliefs that people wrote, scored as z* is: how plausible by the prior, how well the data agree, what the words say.

score(z) = E_{θ~z}[ log p(D | θ) ] − KL(z ‖ prior); what they leave unsaid is as z* has it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from imitative.hypotheses.belief import Belief, BeliefSpace
from imitative.hypotheses.sentences import completed
from imitative.mail import Proposed
from imitative.search.exact import ExactPosterior
from imitative.search.readable import Readable, score_words

SURELY: Final = 2.0
"""Standard errors by which a written belief must score better than the search's own, to be z*."""


class Written(NamedTuple):
    """A belief that somebody wrote.

    Args:
        wrote: who, and what.
        worth: its score and distances; None where it could not be scored.
        said: the parameters it speaks of.
        why: why it could not be scored; '' where it was.
    """

    wrote: Proposed
    worth: Readable | None
    said: tuple[str, ...] = ()
    why: str = ""

    def told(self, space: BeliefSpace, posterior: ExactPosterior, places: Sequence[int]) -> dict[str, Any]:
        """Everything about it, as plain values: beside each number it speaks of, the exact posterior's."""
        row: dict[str, Any] = {"id": self.wrote.id, "author": self.wrote.author, "text": self.wrote.text}
        if self.worth is None:
            return row | {"why": self.why}
        says = []
        firsts = [next(s for s in posterior.target.sites if s.start == place).first for place in places]
        for i, p in enumerate(space.parameters):
            if p.name in self.said:
                mean, sd = float(posterior.means[firsts[i]]), float(posterior.sds[firsts[i]])
                own = float(self.worth.means[i])
                says.append({
                    "name": p.name, "unit": p.unit, "mean": own, "sd": float(self.worth.sds[i]), "exact_mean": mean,
                    "exact_sd": sd, "apart": abs(own - mean) / max(sd, 1e-300),
                })  # fmt: skip
        return row | {
            "hypothesis": space.show(self.worth.belief), "score": self.worth.score, "error": self.worth.error,
            "words_lose": self.worth.loss, "log_prior": -self.worth.kl, "log_likelihood": self.worth.log_likelihood,
            "says": says,
        }  # fmt: skip


def scored(
    posterior: ExactPosterior, space: BeliefSpace, places: Sequence[int], own: Belief, wrote: Sequence[Proposed],
    seed: int = 0,
) -> tuple[Written, ...]:  # fmt: skip
    """What each is worth, by the same draws. What cannot be read or scored says why: one person's text ends no run.

    Args:
        posterior: exact, checked.
        space: the parameters.
        places: where each lies in u.
        own: z*, for what they leave unsaid.
        wrote: by people.
        seed: of the draws.
    """
    found = []
    for each in wrote:
        try:
            z, said = completed(space, [each.text], own)
            worth = score_words(posterior, space, places, z, seed=seed)
        except (ValueError, ArithmeticError) as error:
            found.append(Written(each, None, why=str(error)))
            continue
        why = "" if math.isfinite(worth.score) else "it believes what the model calls impossible"
        found.append(Written(each, None if why else worth, said, why))
    return tuple(found)


def better(own: Readable, written: Sequence[Written]) -> Written | None:
    """The one that surely scores better than the search's own, the best of them; None if there is none."""
    able = [each for each in written if each.worth is not None]
    if not able:
        return None
    best = max(able, key=lambda each: -math.inf if each.worth is None else each.worth.score)
    assert best.worth is not None
    margin = SURELY * math.hypot(best.worth.error, own.error)
    return best if best.worth.score > own.score + margin else None
