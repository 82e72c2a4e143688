"""A run as one HTML page: what was learned, in words; why; how far to trust it; what it cost.

The page stands alone. It holds no script and asks for nothing from anywhere, and its content security policy forbids
both. Everything that came with the user's data is escaped by the template engine; characters that could make a sentence
read otherwise than it is written are replaced before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from imitative.charts import Picture, Span, calibration_picture, rounds_picture, spans
from imitative.display import (
    NONE,
    Entry,
    clean,
    count,
    duration,
    figure,
    fixed,
    label,
    nats,
    number,
    of_100,
    of_budget,
    percent,
    tick,
)
from imitative.evaluation import wilson
from imitative.explained import auditor, default, rivals, statements
from imitative.pages import digest, source, template
from imitative.spending import spending

FELL = 0.05
"""A fit that loses more than this share of right answers from D to D′ is marked."""

_KINDS = {
    "compare_hypotheses": "which of two hypotheses is more plausible",
    "compare_answers": "which of two answers is better, given a hypothesis",
    "odds": "how many times more plausible",
    "bet": "less likely than so many heads in a row",
    "answer": "the answer to a question, following a hypothesis",
}
_PURPOSES = {
    "prior": "to learn what is plausible",
    "likelihood": "to learn how hypotheses are read",
    "transfer": "to answer D′ under the best hypothesis",
    "audit": "to check; a check of z* that failed teaches the next round",
}


class Card(NamedTuple):
    """A key figure. `low`, `value` and `high` are of 100, for the small bar beneath it."""

    name: str
    figure: str
    note: str
    low: float | None = None
    value: float | None = None
    high: float | None = None


class Fit(NamedTuple):
    """A row of the table from D to D′. `before` and `after` are of 100, for its picture."""

    name: str
    ours: bool
    labelled: str
    unlabelled: str
    change: str
    fell: bool
    before: float | None
    after: float | None


class Rounds(NamedTuple):
    """The picture over rounds, the numbers behind it, and whether the best of some round fell in its audit."""

    picture: Picture
    rows: list[list[str]]
    fallen: bool


class Calibrated(NamedTuple):
    """The calibration picture, the numbers behind it, and the two sums over it."""

    picture: Picture | None
    rows: list[list[str]]
    error: str
    loss: str


class Amount(NamedTuple):
    """A number with its bar."""

    name: str
    figure: str
    bar: Span | None


def render(result: Mapping[str, Any], title: str | None = None) -> str:
    """The page of a run.

    Args:
        result: what `result.json` holds. A key that is absent, null or not of its kind leaves its part of the page
            out; nothing is ever an error.
        title: of the page; by default the problem's name and question.

    Returns:
        HTML that can be written as UTF-8.
    """
    run = Entry(clean(dict(result)))
    style = source("report.css")
    question = run.text("question") or run.text("problem") or "A run"
    judgements, fits = run.entry("judgements"), _fits(run)
    return template("report.html").render(
        style=style,
        digest=digest(style),
        title=clean(title) if title else " · ".join(dict.fromkeys(filter(None, [run.text("problem"), question]))),
        question=question,
        origin=_origin(run),
        verdict=_verdict(run),
        statements=statements(run),
        default=default(run),
        raw=run.text("hypothesis"),
        totals={key: count(value) for key, value in run.entry("rows").numbers().items()},
        cards=_cards(run),
        fits=fits,
        held_out=run.number("ours_held_out") is not None,
        moved=any(fit.unlabelled != NONE for fit in fits),
        rounds=_rounds(run),
        calibration=_calibration(run.entry("calibration")),
        rivals=rivals(run),
        audit=_audit(run.entry("audit"), len(run.items("statements")), run.entry("space").text("kind") == "text"),
        kinds=_amounts(judgements.entry("asked"), _KINDS),
        purposes=_amounts(judgements.entry("by_purpose"), _PURPOSES),
        cost=_cost(judgements, _point(result)),
        stages=_stages(run.entry("seconds")),
        notes=[note for note in run.items("notes") if isinstance(note, str) and note.strip()],
        scale=_scale(run.entry("scale")),
    )


def _origin(run: Entry) -> list[str]:
    seed, encoder = run.number("seed"), run.text("encoder")
    parts = [run.text("problem"), "" if seed is None else f"seed {count(seed)}", encoder and f"read with {encoder}"]
    return [part for part in parts if part]


def _verdict(run: Entry) -> str:
    """The run in a sentence or two: against the truth where it is known, against the overseer where it is not."""
    right = run.entry("accuracy").number("unlabelled")
    if right is not None:
        said = f"Followed on the new questions, it is right {percent(right)} of the time."
        others = {name: Entry(row).number("unlabelled") for name, row in run.entry("baselines").cells.items()}
        known = {name: value for name, value in others.items() if value is not None}
        if not known:
            return said
        best = max(known, key=lambda name: known[name])
        joint = "The best model" if len(known) > 1 else "The model"
        return f"{said} {joint} fitted directly to the same examples ({label(best)}) is right {percent(known[best])}."
    agreement, n = run.entry("audit").number("agreement"), run.entry("audit").number("n")
    if agreement is None:
        return ""
    asked = f"{count(n)} new questions" if n else "new questions"
    who = auditor(run.entry("audit").text("judge"))
    return f"On {asked} drawn at random, {who} agreed with {percent(agreement)} of its answers."


def _cards(run: Entry) -> list[Card]:
    accuracy, audit, judgements = run.entry("accuracy"), run.entry("audit"), run.entry("judgements")
    cards = []
    held, fitted, right = run.number("ours_held_out"), accuracy.number("labelled"), accuracy.number("unlabelled")
    if held is not None:
        cards.append(Card("Right on D, held out", percent(held), "examples it was not fitted to", value=of_100(held)))
    elif fitted is not None:
        cards.append(Card("Right on D", percent(fitted), "the examples it was fitted to", value=of_100(fitted)))
    if right is not None:
        note = "new questions, where the truth is known"
        cards.append(Card("Right on D′", percent(right), note, value=of_100(right)))
    if (agreement := audit.number("agreement")) is not None:
        low, high = map(of_100, audit.interval("interval") or (None, None))
        who = auditor(audit.text("judge"))
        who = "The overseer" if who == "the overseer" else who
        cards.append(Card(f"{who} agrees", percent(agreement), _interval(audit), low, of_100(agreement), high))
    budget, recorded = judgements.number("budget"), judgements.number("recorded") or 0.0
    if kinds := judgements.entry("asked").numbers():
        asked = sum(kinds.values()) - recorded
        note = f"of {count(budget)} allowed" if budget else "asked of the overseer"
        note += of_budget(asked, budget, recorded)[1]
        cards.append(Card("Judgements", count(asked), note, value=of_100(asked / budget) if budget else None))
    cost, seconds = judgements.number("cost"), judgements.number("seconds")
    if cost is not None:
        note = f"and {duration(seconds)} of the overseer’s time" if seconds else "in all"
        cards.append(Card("Cost", f"{cost:,.2f}", note))
    return cards


def _interval(audit: Entry) -> str:
    """`95 % interval 88.6 % to 99.1 %, 60 fresh questions`."""
    ends, n = audit.interval("interval"), audit.number("n")
    level = percent(audit.number("confidence") or 0.95).replace(".0", "")
    parts = [f"{level} interval {percent(ends[0])} to {percent(ends[1])}"] if ends else []
    return ", ".join([*parts, f"{count(n)} fresh questions"] if n else parts)


def _fits(run: Entry) -> list[Fit]:
    held, accuracy = run.number("ours_held_out"), run.entry("accuracy")
    before = accuracy.number("labelled") if held is None else held
    ours = _fit("this hypothesis", before, accuracy.number("unlabelled"), ours=True)
    others = [
        _fit(label(name), Entry(row).number("labelled"), Entry(row).number("unlabelled"))
        for name, row in run.entry("baselines").cells.items()
    ]
    others = [fit for fit in others if fit.before is not None or fit.after is not None]
    others.sort(key=lambda fit: (fit.after is None, -(fit.after or 0.0), -(fit.before or 0.0)))
    return [ours, *others] if others else []


def _fit(name: str, before: float | None, after: float | None, *, ours: bool = False) -> Fit:
    change = None if before is None or after is None else after - before
    moved = NONE if change is None else f"{100 * change:+,.1f}".replace("-", "−")
    fell = change is not None and change < -FELL
    return Fit(name, ours, percent(before), percent(after), moved, fell, of_100(before), of_100(after))


def _rounds(run: Entry) -> Rounds | None:
    rows = [(int(i), row) for row in run.entries("rounds") if (i := row.number("round")) is not None]
    rows.sort(key=lambda pair: pair[0])
    at = [i for i, _ in rows]
    if not rows or max(map(abs, at)) > 100_000:
        return None
    model, gap = [row.number("log_posterior") for _, row in rows], [row.number("gap") for _, row in rows]
    overseer = [None if m is None or g is None else m - g for m, g in zip(model, gap, strict=True)]
    stood = [row.cells.get("survived") for _, row in rows]
    right = [row.number("unlabelled_accuracy") for _, row in rows]
    picture = rounds_picture(at, model, overseer, gap, [known is not False for known in stood], right, tick)
    table = [
        [str(i), count(row.number("asked")) or NONE, nats(m), nats(o), nats(g, signed=True),
         "yes" if known is True else "no" if known is False else NONE, percent(share)]
        for (i, row), m, o, g, known, share in zip(rows, model, overseer, gap, stood, right, strict=True)
    ]  # fmt: skip
    return None if picture is None else Rounds(picture, table, False in stood)


def _calibration(found: Entry) -> Calibrated | None:
    bins = []
    for row in found.items("bins"):
        sizes = [size for size in map(number, row if isinstance(row, list) else ()) if size is not None]
        if len(sizes) == 3 and 0 <= sizes[0] <= 1 and 0 <= sizes[1] <= 1 and 1 <= sizes[2] < 1e12:
            bins.append((sizes[0], sizes[1], int(sizes[2])))
    error, loss = found.number("expected_calibration_error"), found.number("log_loss")
    if not bins and error is None and loss is None:
        return None
    table = [[percent(confidence), percent(right), count(n)] for confidence, right, n in bins]
    return Calibrated(calibration_picture(bins, wilson), table, fixed(error), fixed(loss))


def _audit(audit: Entry, parts: int, text: bool) -> dict[str, str] | None:
    score = audit.entry("score")
    agreement, model, overseer, gap = (
        audit.number("agreement"), score.number("model"), score.number("overseer"), score.number("gap")
    )  # fmt: skip
    if gap is None and model is not None and overseer is not None:
        gap = model - overseer
    if agreement is None and gap is None:
        return None
    which = "sections the first" if text else "statements those that matter most to the model"
    return {
        "agreement": "" if agreement is None else percent(agreement),
        "note": _interval(audit),
        "who": auditor(audit.text("judge")),
        "judge": audit.text("judge"),
        "model": "" if model is None else nats(model),
        "overseer": "" if overseer is None else nats(overseer),
        "gap": "" if gap is None else nats(gap, signed=True),
        "reading": "" if gap is None else _gap(gap),
        "n": count(score.number("n")),
        "parts": f"{count(parts)} {which}" if (score.number("n") or 0) < parts else "",
        "each": ("rival" if parts == 1 else "section") if text else "statement",
        **_corrected(audit.entry("corrected")),
    }


def _corrected(found: Entry) -> dict[str, str]:
    """What people would say, where a model answered most of the audit for them; empty where none did."""
    value, low, high = (found.number(key) for key in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return {"corrected": "", "people": ""}
    from_whom = (
        f"{count(found.number('n'))} answers of theirs and {count(found.number('many'))} asked of the model alone"
    )
    return {"corrected": percent(value), "people": f"between {percent(low)} and {percent(high)}, from {from_whom}"}


def _gap(gap: float) -> str:
    if abs(gap) < 0.5:  # odds of 1.6: half of what the word *moderate* says
        return "The model and the overseer, asked afresh, think the same of this hypothesis."
    thinks = "better" if gap > 0 else "worse"
    return f"The model thinks {thinks} of this hypothesis than the overseer, asked afresh, does."


def _point(result: Mapping[str, Any]) -> float | None:
    """The price of a point of accuracy; None where the result is too old or too odd to tell."""
    try:
        return spending(result).point
    except (KeyError, TypeError, AttributeError, ValueError):
        return None


def _cost(judgements: Entry, point: float | None) -> list[tuple[str, str]]:
    asked = sum(judgements.entry("asked").numbers().values())
    cost, seconds, budget = judgements.number("cost"), judgements.number("seconds"), judgements.number("budget")
    found = []
    if asked:
        found.append(("judgements", "".join(of_budget(asked, budget, judgements.number("recorded") or 0.0))))
    if unanswered := judgements.number("unanswered"):
        found.append(("skipped, or not to be read", count(unanswered)))
    if cost is not None:
        found.append(("cost", f"{cost:,.2f}"))
    if cost is not None and asked:
        found.append(("for each", fixed(cost / asked)))
    if point is not None:
        found.append(("a point of accuracy", fixed(point)))
    if seconds is not None:
        found.append(("overseer’s time", duration(seconds)))
    return found


def _amounts(counts: Entry, words: Mapping[str, str]) -> list[Amount]:
    rows = sorted(((name, value) for name, value in counts.numbers().items() if value > 0), key=lambda row: -row[1])
    bars = spans([value for _, value in rows])
    names = [words.get(name, label(name)) for name, _ in rows]
    return [Amount(name, count(value), bar) for name, (_, value), bar in zip(names, rows, bars, strict=True)]


def _scale(scale: Entry) -> str:
    """`1.31 (0.92 to 1.74)`: nats per unit of the judgements, and its interval where one was found."""
    per_unit, low, high = scale.number("nats_per_unit"), scale.number("low"), scale.number("high")
    if per_unit is None:
        return ""
    return figure(per_unit) + ("" if low is None or high is None else f" ({figure(low)} to {figure(high)})")


def _stages(seconds: Entry) -> list[Amount]:
    rows = {name: value for name, value in seconds.numbers().items() if value >= 0}
    bars = spans(list(rows.values()))
    return [Amount(label(name), duration(value), bar) for (name, value), bar in zip(rows.items(), bars, strict=True)]
