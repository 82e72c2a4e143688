"""What `result.json` says of the judgements and of the audit, whatever hypotheses are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from imitative.display import cell
from imitative.labelling import Audit
from imitative.overseers.mixed import Mixed
from imitative.overseers.overseer import Ledger
from imitative.overseers.prompts import suspicious
from imitative.prediction_powered import Estimate
from imitative.records import Judgement, Kind, Outcome
from imitative.survival import Survival


class Ended(Protocol):
    """A round, as far as it matters here."""

    @property
    def number(self) -> int:
        """Of the run's rounds, from 1."""
        ...

    @property
    def audit(self) -> Survival | None:
        """Of the z* it ended with."""
        ...

    @property
    def best(self) -> object:
        """z*."""
        ...


def judgements_told(ledger: Ledger, budget: int) -> dict[str, Any]:
    """How many of each kind, how many of them an archive held, what for, and what they cost."""
    used = ledger.judgements
    return {
        "asked": ledger.asked(),
        "recorded": ledger.recorded,
        "by_purpose": dict(Counter(judgement.query.purpose for judgement in used)),
        "unanswered": sum(not judgement.answered for judgement in used),
        "by_judge": dict(Counter(judgement.judge for judgement in used)),
        "cost": ledger.cost,
        "seconds": sum(judgement.seconds for judgement in used),
        "budget": budget,
    }


def unaudited(found: Audit | None) -> list[str]:
    """A note where nothing says how far the labels are to be trusted."""
    if found is not None:
        return []
    return [
        "no audit: none of the questions of D′ that were kept for it was answered, so that nothing says how far the "
        "overseer would agree with the labels"
    ]


def sought_again(rounds: Sequence[Ended], auditable: bool) -> list[str]:
    """A note where the last audit refuted z*, and nothing was left to ask about what was found with what it said.

    Args:
        rounds: all of them.
        auditable: whether z* says anything that could be asked about without the rest.
    """
    *before, last = rounds
    audit = before[-1].audit if before else None
    if audit is None or audit.survived or last.audit is not None or not auditable:
        return []
    if last.best == before[-1].best:
        return [
            f"the last audit refuted z*, which M_prior scored {audit.gap:.1f} nats above the overseer; it was found "
            "again with what the audit said, and has no other: raise the budget for one"
        ]
    return [
        f"the last audit refuted the z* of round {before[-1].number}, which M_prior scored {audit.gap:.1f} nats above "
        "the overseer; z* is what was found with what it said, and has no audit of its own: raise the budget for one"
    ]


_OF_A_CLAUSE = (
    "text", "strength", "nats", "answer", "log_prior", "log_likelihood", "applies_labelled", "applies_unlabelled",
    "decides",
)  # fmt: skip


def clauses_told(result: Mapping[str, Any]) -> dict[str, Any]:
    """What each clause of z* decides, for the page of a run: what `result.json` holds of it, its texts cut short."""
    rows = [
        {name: clause[name] for name in _OF_A_CLAUSE if name in clause}
        | {"examples": [{name: _brief(value) for name, value in x.items()} for x in clause.get("examples", [])]}
        for clause in result["statements"]
    ]
    return {"statements": rows, "rows": result["rows"], "answers": result["answers"]}


def _brief(value: Any) -> Any:
    return cell(value) if isinstance(value, str) else value


def unanswered_before(overseer: object, judgements: Sequence[Judgement]) -> list[str]:
    """A note where a model was silent before this sitting, which its own notes do not know."""
    model = overseer.model if isinstance(overseer, Mixed) else overseer
    name, here = getattr(model, "name", None), getattr(model, "unanswered", None)
    if name is None or here is None:
        return []
    silent = Counter(judgement.answer.outcome.value for judgement in judgements if judgement.judge == name)
    del silent[Outcome.ANSWERED.value]
    if silent.total() <= here:
        return []
    told = " and ".join(f"{n} {outcome}" for outcome, n in sorted(silent.items()))
    return [f"{name} left queries unanswered, before the run was stopped too: {told} in all"]


def flagged(overseer: object, judgements: Sequence[Judgement]) -> list[dict[str, Any]]:
    """Questions whose text speaks to whoever answers, where a model was asked them: in this sitting or before."""
    if not hasattr(overseer.model if isinstance(overseer, Mixed) else overseer, "flagged"):
        return []
    met = {j.query.key: j.query for j in judgements if j.query.question and suspicious(j.query.question)}
    queries = met.values()
    # Only where an answer is asked for does `repeat` say which row of D′ it is.
    rows = [q.repeat + 1 if q.kind is Kind.ANSWER else None for q in queries]
    return [
        {"question": dict(query.question or {}), "row": row, "purpose": query.purpose}
        for query, row in zip(queries, rows, strict=True)
    ]


def audit_told(
    found: Audit | None, rounds: Sequence[Ended], best: object, corrected: Estimate | None = None
) -> dict[str, Any] | None:
    """M_test against the overseer on questions nothing was fitted to, corrected where a model answered for people, and
    M_prior against the overseer on z*.
    """
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
        "corrected": None if corrected is None else corrected._asdict(),
    }
