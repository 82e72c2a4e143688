"""What a run's money bought: the price of a judgement, and of a point of accuracy, as a result tells them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Spending(NamedTuple):
    """Money, in the unit of the price table; None where it cannot be said.

    Args:
        total: of judgements and proposals.
        judgement: for each judgement.
        point: for each point (1 in 100) of accuracy on D′ above the best direct fit to D.
        gained: so many points.
    """

    total: float
    judgement: float | None
    point: float | None
    gained: float | None


def spending(result: Mapping[str, Any]) -> Spending:
    """What `result.json` says of its money.

    >>> judged = {"asked": {"answer": 50}, "cost": 2.0}
    >>> spending({"judgements": judged, "accuracy": {"unlabelled": 0.9}, "baselines": {"tree": {"unlabelled": 0.85}}})
    Spending(total=2.0, judgement=0.04, point=0.4, gained=5.0)
    """
    judged = result["judgements"]
    asked, cost = sum(judged["asked"].values()), float(judged["cost"] or 0.0)
    total = max(cost, float((result.get("calls") or {}).get("money", 0.0)))
    ours = result["accuracy"]["unlabelled"]
    direct = [fit["unlabelled"] for fit in result["baselines"].values() if fit["unlabelled"] is not None]
    gained = None if ours is None or not direct else round(100.0 * (ours - max(direct)), 6)
    point = total / gained if gained is not None and gained > 0.0 and total > 0.0 else None
    return Spending(total, cost / asked if asked else None, point, gained)


def told(result: Mapping[str, Any]) -> list[str]:
    """The same in lines for a person: nothing where nothing was paid."""
    found = spending(result)
    if found.total <= 0.0:
        return []
    lines = [f"money: {found.total:.4g} in all"]
    if found.judgement is not None:
        lines[0] += f", {found.judgement:.3g} a judgement"
    if found.point is not None and found.gained is not None:
        lines[0] += (
            f", {found.point:.3g} a point of accuracy on D′ ({found.gained:.1f} points above the best direct fit)"
        )
    for model in (result.get("calls") or {}).get("models", ()):
        by_purpose = ", ".join(f"{p['calls']} {p['purpose']}" for p in model["purposes"])
        lines.append(
            f"calls to {model['model']}: {model['calls']} sent ({by_purpose}), {model['cached']} known before, "
            f"{model['tokens']:,} tokens, {model['money']:.4g}"
            + (f"; {len(model['uncertain'])} uncertain" if model["uncertain"] else "")
        )
    return lines
