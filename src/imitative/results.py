"""What `result.json` says of the judgements and of the audit, whatever hypotheses are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol

from imitative.labelling import Audit
from imitative.overseers.overseer import Ledger
from imitative.survival import Survival


class Ended(Protocol):
    """A round, as far as it matters here."""

    @property
    def audit(self) -> Survival | None:
        """Of the z* it ended with."""
        ...

    @property
    def best(self) -> object:
        """z*."""
        ...


def judgements_told(ledger: Ledger, budget: int) -> dict[str, Any]:
    """How many of each kind, what for, and what they cost."""
    used = ledger.judgements
    return {
        "asked": ledger.asked(),
        "by_purpose": dict(Counter(judgement.query.purpose for judgement in used)),
        "by_judge": dict(Counter(judgement.judge for judgement in used)),
        "cost": ledger.cost,
        "seconds": sum(judgement.seconds for judgement in used),
        "budget": budget,
    }


def audit_told(found: Audit | None, rounds: Sequence[Ended], best: object) -> dict[str, Any] | None:
    """M_test against the overseer on questions nothing was fitted to, and M_prior against the overseer on z*."""
    judged = [ended.audit for ended in rounds if ended.audit is not None and ended.best == best]
    if found is None and not judged:
        return None
    score = None
    if judged:
        last = judged[-1]
        score = {"model": last.model, "overseer": last.overseer, "gap": last.gap, "n": last.judgements}
    return {
        "agreement": None if found is None else found.agreement,
        "n": 0 if found is None else found.n,
        "interval": [0.0, 1.0] if found is None else [found.low, found.high],
        "confidence": 0.95 if found is None else found.confidence,
        "judge": "" if found is None else found.judge,
        "score": score,
    }
