"""A run as one HTML page: what was learned, in words; why; how far to trust it; what it cost.

The page stands alone. It holds no script and asks for nothing from anywhere, and its content security policy forbids
both. Everything that came with the user's data is escaped by the template engine; characters that could make a sentence
read otherwise than it is written are replaced before.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

from imitative import readable as r
from imitative.charts import Picture, Span, calibration_picture, rounds_picture, spans
from imitative.evaluation import wilson
from imitative.hypotheses.statements import Strength

if TYPE_CHECKING:
    from jinja2 import Template

Json = Mapping[str, Any]

CELLS = 8
"""An example is shown by so many of its cells, those its statement speaks of first; more would bury the reason."""

_STRENGTHS = tuple(strength.value for strength in Strength)
_WITH_STRENGTH = re.compile(rf"\s*\(({'|'.join(_STRENGTHS)})\)\.?\s*$")
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
    "audit": "to check, and for nothing else",
}


class Said(NamedTuple):
    """A statement as the page shows it."""

    condition: str
    consequence: str
    strength: str
    pips: int
    nats: str
    prior: str
    evidence: str
    prior_bar: Span | None
    evidence_bar: Span | None
    why: str
    reach: str
    examples: list[Example]


class Example(NamedTuple):
    """A row that a statement decides: cells as (name, value), how many are left out, the answer if it was given."""

    cells: list[tuple[str, str]]
    more: int


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


class Change(NamedTuple):
    """A line of the difference between a hypothesis and the best one: `+`, `−` or `±`."""

    sign: str
    spoken: str
    text: str


class Rival(NamedTuple):
    """A row of the table of runners-up."""

    name: str
    changes: list[Change]
    log_prior: str
    log_likelihood: str
    score: str
    probability: str
    bar: Span | None


class Amount(NamedTuple):
    """A number with its bar."""

    name: str
    figure: str
    bar: Span | None


def render(result: Json, title: str | None = None) -> str:
    """The page of a run.

    Args:
        result: what `result.json` holds. A key that is absent, null or not of its kind leaves its part of the page
            out; nothing is ever an error.
        title: of the page; by default the problem's name and question.

    Returns:
        HTML that can be written as UTF-8.
    """
    run = r.clean(dict(result))
    question = r.text(run.get("question")) or r.text(run.get("problem")) or "A run"
    style = _source("report.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    audit, accuracy, judgements = r.mapping(run.get("audit")), r.mapping(run.get("accuracy")), r.mapping(run.get("judgements"))
    fits = _fits(run)
    return _template().render(
        style=style,
        digest=digest,
        title=r.clean(title) if title else " · ".join(filter(None, [r.text(run.get("problem")), question])),
        question=question,
        origin=_origin(run),
        verdict=_verdict(accuracy, audit, r.mapping(run.get("baselines"))),
        statements=_statements(run),
        default=_default(run),
        raw=None if run.get("statements") else r.text(run.get("hypothesis")),
        totals=_totals(run),
        cards=_cards(run, accuracy, audit, judgements),
        fits=fits,
        fits_unlabelled=any(fit.unlabelled != "–" for fit in fits),
        rounds=_rounds(run),
        calibration=_calibration(run),
        rivals=_rivals(run),
        audit=_audit(audit),
        kinds=_amounts(r.mapping(judgements.get("asked")), _KINDS),
        purposes=_amounts(r.mapping(judgements.get("by_purpose")), _PURPOSES),
        cost=_cost(judgements),
        stages=_stages(r.mapping(run.get("seconds"))),
        notes=[text for text in map(r.text, r.items(run.get("notes"))) if text],
        scale=[(r.label(name), r.figure(value)) for name, value in r.mapping(run.get("scale")).items() if r.number(value) is not None],
    )  # fmt: skip


def _origin(run: Json) -> list[str]:
    parts = [r.text(run.get("problem"))]
    if (seed := r.number(run.get("seed"))) is not None:
        parts.append(f"seed {seed:.0f}")
    if encoder := r.text(run.get("encoder")):
        parts.append(f"read with {encoder}")
    return [part for part in parts if part]


def _verdict(accuracy: Json, audit: Json, baselines: Json) -> str:
    """The run in one sentence: against the truth where it is known, against the overseer where it is not."""
    right, agreement = r.number(accuracy.get("unlabelled")), r.number(audit.get("agreement"))
    if right is not None:
        others = {name: r.number(r.mapping(figures).get("unlabelled")) for name, figures in baselines.items()}
        known = {name: value for name, value in others.items() if value is not None}
        said = f"Followed on the new questions, it is right {r.percent(right)} of the time."
        if not known:
            return said
        best = max(known, key=lambda name: known[name])
        joint = "The best model" if len(known) > 1 else "The model"
        return f"{said} {joint} fitted directly to the same examples ({best}) is right {r.percent(known[best])} of the time."
    if agreement is not None:
        n = r.count(audit.get("n"))
        return f"On {n + ' ' if n else ''}new questions drawn at random, the overseer agreed with {r.percent(agreement)} of its answers."
    return ""


def _statements(run: Json) -> list[Said]:
    rows = [row for row in map(r.mapping, r.items(run.get("statements"))) if r.text(row.get("text"))]
    priors = [r.number(row.get("log_prior")) for row in rows]
    gains = [r.number(row.get("log_likelihood")) for row in rows]
    bars = spans([*priors, *gains])
    spoken, totals = r.mapping(run.get("answers")), _totals(run)
    found = []
    for i, (row, prior, gain) in enumerate(zip(rows, priors, gains, strict=True)):
        condition, consequence, strength = _sentence(r.text(row.get("text")), r.text(spoken.get(r.text(row.get("answer")))))
        strength = strength or r.text(row.get("strength"))
        found.append(
            Said(
                condition,
                consequence,
                strength,
                _pips(strength),
                r.figure(row.get("nats")),
                r.nats(prior, signed=True),
                r.nats(gain, signed=True),
                bars[i],
                bars[len(rows) + i],
                _why(prior, gain),
                _reach(row, totals),
                [_example(example, r.text(row.get("text")), spoken) for example in r.items(row.get("examples"))[:3]],
            )
        )
    return found


def _sentence(text: str, clause: str) -> tuple[str, str, str]:
    """A statement's condition, its consequence (last, for emphasis) and its strength, as far as they can be told apart."""
    match = _WITH_STRENGTH.search(text)
    strength = match.group(1) if match else ""
    body = (text[: match.start()] if match else text).rstrip(". ")
    if clause and body.endswith(clause):
        return body[: -len(clause)], clause + ".", strength
    condition, comma, consequence = body.rpartition(", ")
    return (condition + comma, consequence + ".", strength) if comma else ("", body + ".", strength)


def _pips(strength: str) -> int:
    said = strength.lower()
    names = {**{s.value: i for i, s in enumerate(Strength, 1)}, **{s.name.lower(): i for i, s in enumerate(Strength, 1)}}
    return names.get(said, 0)


def _why(prior: float | None, gain: float | None) -> str:
    if prior is None or gain is None:
        return ""
    if prior >= 0 and gain > 0:
        return "Plausible to people, and borne out by the examples."
    if gain > 0 and gain + prior > 0:
        return "The examples speak for it by more than the prior holds against it."
    if prior > 0:
        return "People believe it; the labelled examples do not ask for it."
    return "Worth little alone: it is here for what it does together with the others."


def _reach(row: Json, totals: dict[str, int]) -> str:
    """`decides 792 of the 2,148 examples and 1,368 of the 5,976 new questions`."""
    parts = []
    for key, name, one in (("labelled", "examples", "example"), ("unlabelled", "new questions", "new question")):
        count = r.number(row.get(f"applies_{key}"))
        if count is None:
            continue
        share = f" of the {totals[key]:,}" if key in totals else ""
        parts.append(f"{count:,.0f}{share} {one if count == 1 and not share else name}")
    return f"Applies to {' and '.join(parts)}." if parts else ""


def _example(row: Any, text: str, spoken: Json) -> Example:
    """A row by the cells its statement speaks of, then the others."""
    cells = dict(r.mapping(row))
    answer = cells.pop("answer", None) if isinstance(cells.get("question"), Mapping) else None
    cells = dict(r.mapping(cells.get("question"))) if answer is not None else cells
    if not cells and not isinstance(row, Mapping):
        cells = {"": row}
    said = text.lower()
    shown = [(r.label(name), r.cell(value)) for name, value in cells.items() if value is not None and value != ""]
    shown.sort(key=lambda cell: cell[0].lower() not in said)
    kept = shown[:CELLS]
    if answer is not None:
        kept.append(("answer", r.text(spoken.get(str(answer))) or r.cell(answer)))
    return Example(kept, max(0, len(shown) - CELLS))


def _default(run: Json) -> tuple[str, str, int] | None:
    """The default's clause, its strength and its pips."""
    default = r.mapping(run.get("default"))
    answer = r.text(default.get("answer"))
    if not answer:
        return None
    strength = r.text(default.get("strength"))
    return r.text(r.mapping(run.get("answers")).get(answer)) or answer, strength, _pips(strength)


def _totals(run: Json) -> dict[str, int]:
    rows = {key: r.number(value) for key, value in r.mapping(run.get("rows")).items()}
    return {key: int(value) for key, value in rows.items() if value is not None}


def _cards(run: Json, accuracy: Json, audit: Json, judgements: Json) -> list[Card]:
    cards = []
    held, fitted = r.number(run.get("ours_held_out")), r.number(accuracy.get("labelled"))
    if held is not None:
        cards.append(Card("Right on D, held out", r.percent(held), "examples it was not fitted to", value=100 * held))
    elif fitted is not None:
        cards.append(Card("Right on D", r.percent(fitted), "the examples it was fitted to", value=100 * fitted))
    if (right := r.number(accuracy.get("unlabelled"))) is not None:
        cards.append(Card("Right on D′", r.percent(right), "new questions, where the truth is known", value=100 * right))
    if (agreement := r.number(audit.get("agreement"))) is not None:
        ends = [100 * end for end in map(r.number, r.items(audit.get("interval"))) if end is not None]
        low, high = (ends[0], ends[1]) if len(ends) == 2 else (None, None)
        cards.append(Card("The overseer agrees", r.percent(agreement), _interval_note(audit), low, 100 * agreement, high))
    asked = sum(value for value in map(r.number, r.mapping(judgements.get("asked")).values()) if value is not None)
    budget = r.number(judgements.get("budget"))
    if judgements.get("asked"):
        note = f"of {budget:,.0f} allowed" if budget else "asked of the overseer"
        cards.append(Card("Judgements", f"{asked:,.0f}", note, value=min(100.0, 100 * asked / budget) if budget else None))
    cost, seconds = r.number(judgements.get("cost")), r.number(judgements.get("seconds"))
    if cost is not None:
        cards.append(Card("Cost", f"{cost:,.2f}", f"and {r.duration(seconds)} of the overseer’s time" if seconds else "in all"))
    return cards


def _interval_note(audit: Json) -> str:
    ends = [end for end in map(r.number, r.items(audit.get("interval"))) if end is not None]
    level, n = r.number(audit.get("confidence")), r.count(audit.get("n"))
    parts = []
    if len(ends) == 2:
        parts.append(f"{100 * (level or 0.95):.0f} % interval {100 * ends[0]:.1f} to {r.percent(ends[1])}")
    if n:
        parts.append(f"{n} fresh questions")
    return ", ".join(parts)


def _fits(run: Json) -> list[Fit]:
    accuracy = r.mapping(run.get("accuracy"))
    held = r.number(run.get("ours_held_out"))
    before, after = accuracy.get("labelled") if held is None else held, accuracy.get("unlabelled")
    ours = _fit("this hypothesis", before, after, True)
    others = [_fit(name, r.mapping(row).get("labelled"), r.mapping(row).get("unlabelled"), False)
              for name, row in r.mapping(run.get("baselines")).items()]  # fmt: skip
    others.sort(key=lambda fit: (fit.after is None, -(fit.after or 0.0), -(fit.before or 0.0)))
    return [fit for fit in (ours, *others) if others and (fit.before is not None or fit.after is not None)]


def _fit(name: str, labelled: Any, unlabelled: Any, ours: bool) -> Fit:
    before, after = r.number(labelled), r.number(unlabelled)
    change = None if before is None or after is None else 100 * (after - before)
    return Fit(
        name,
        ours,
        r.percent(before),
        r.percent(after),
        "–" if change is None else f"{'+' if change >= 0.05 else '−' if change <= -0.05 else ''}{abs(change):.1f}",
        change is not None and change <= -5,
        r.of_100(before),
        r.of_100(after),
    )


def _rounds(run: Json) -> tuple[Picture, list[list[str]], bool] | None:
    """The picture over rounds, the numbers behind it, and whether some round did not survive its audit."""
    rows = [row for row in map(r.mapping, r.items(run.get("rounds"))) if r.number(row.get("round")) is not None]
    rows = sorted(rows, key=lambda row: r.number(row.get("round")) or 0.0)
    at = [int(r.number(row.get("round")) or 0) for row in rows]
    if not rows or max(at) - min(at) > 100_000:
        return None
    model, gap = [r.number(row.get("log_posterior")) for row in rows], [r.number(row.get("gap")) for row in rows]
    overseer = [None if m is None or g is None else m - g for m, g in zip(model, gap, strict=True)]
    survived = [row.get("survived") is not False for row in rows]
    right = [r.number(row.get("unlabelled_accuracy")) for row in rows]
    picture = rounds_picture(at, model, overseer, gap, survived, right, r.tick)
    if picture is None:
        return None
    table = [
        [str(i), r.count(row.get("asked")) or "–", r.nats(m), r.nats(o), r.nats(g, signed=True),
         {True: "yes", False: "no"}.get(row.get("survived") if isinstance(row.get("survived"), bool) else None, "–"),
         r.percent(r)]
        for i, row, m, o, g, r in zip(at, rows, model, overseer, gap, right, strict=True)
    ]  # fmt: skip
    return picture, table, not all(survived)


def _calibration(run: Json) -> tuple[Picture | None, list[list[str]], str, str] | None:
    """The picture, the numbers behind it, the expected calibration error and the log loss."""
    found = r.mapping(run.get("calibration"))
    bins = []
    for row in map(r.items, r.items(found.get("bins"))):
        numbers = [number for number in map(r.number, row) if number is not None]
        if len(numbers) == 3 and 0 <= numbers[0] <= 1 and 0 <= numbers[1] <= 1 and 1 <= numbers[2] < 1e12:
            bins.append((numbers[0], numbers[1], int(numbers[2])))
    error, loss = r.number(found.get("expected_calibration_error")), r.number(found.get("log_loss"))
    if not bins and error is None and loss is None:
        return None
    table = [[r.percent(confidence), r.percent(right), f"{n:,}"] for confidence, right, n in bins]
    return calibration_picture(bins, lambda right, n: tuple(wilson(right, n))), table, r.short(error), r.short(loss)


def _rivals(run: Json) -> list[Rival]:
    best = r.text(run.get("hypothesis"))
    prior, likelihood = r.number(run.get("log_prior")), r.number(run.get("log_likelihood"))
    rows = [row for row in map(r.mapping, r.items(run.get("runners_up"))) if r.text(row.get("hypothesis"))]
    if not rows:
        return []
    score = None if prior is None or likelihood is None else prior + likelihood
    shares = [r.number(run.get("probability")), *(r.number(row.get("probability")) for row in rows)]
    bars = spans([None if share is None else min(max(share, 0.0), 1.0) for share in shares] + [1.0])
    found = [Rival("z*", [], r.nats(prior), r.nats(likelihood), r.nats(score), r.percent(shares[0]), bars[0])]
    for i, row in enumerate(rows, 1):
        changes = _changes(best, r.text(row.get("hypothesis")))
        numbers = [r.nats(row.get(key)) for key in ("log_prior", "log_likelihood", "score")]
        found.append(Rival(str(i + 1), changes, numbers[0], numbers[1], numbers[2], r.percent(shares[i]), bars[i]))
    return found


def _changes(best: str, other: str) -> list[Change]:
    """What `other` says that `best` does not (+), the reverse (−), and what it says more or less strongly (±)."""
    ours, theirs = _by_sentence(best), _by_sentence(other)
    found = [Change("−", "without", line) for sentence, line in ours.items() if sentence not in theirs]
    for sentence, line in theirs.items():
        if sentence not in ours:
            found.append(Change("+", "with", line))
        elif line != ours[sentence]:
            was, now = (_WITH_STRENGTH.search(text) for text in (ours[sentence], line))
            said = f" ({was.group(1)} → {now.group(1)})" if was and now else ""
            found.append(Change("±", "changed", sentence + said))
    return found


def _by_sentence(hypothesis: str) -> dict[str, str]:
    """Each line by what it says without its strength."""
    lines = [line.strip() for line in hypothesis.splitlines() if line.strip()]
    return {_WITH_STRENGTH.sub("", line).rstrip("."): line for line in lines}


def _audit(audit: Json) -> dict[str, str] | None:
    score = r.mapping(audit.get("score"))
    model, overseer, gap = (r.number(score.get(key)) for key in ("model", "overseer", "gap"))
    gap = model - overseer if gap is None and model is not None and overseer is not None else gap
    if r.number(audit.get("agreement")) is None and model is None and gap is None:
        return None
    return {
        "agreement": "" if r.number(audit.get("agreement")) is None else r.percent(r.number(audit.get("agreement"))),
        "note": _interval_note(audit),
        "judge": r.text(audit.get("judge")),
        "model": "" if model is None else r.nats(model),
        "overseer": "" if overseer is None else r.nats(overseer),
        "gap": "" if gap is None else r.nats(gap, signed=True),
        "reading": "" if gap is None else _gap_reading(gap),
        "n": r.count(score.get("n")),
    }


def _gap_reading(gap: float) -> str:
    if abs(gap) < 0.5:
        return "The model and the overseer, asked afresh, think the same of this hypothesis."
    thinks = "better" if gap > 0 else "worse"
    return f"The model thinks {thinks} of this hypothesis than the overseer does when asked afresh."


def _cost(judgements: Json) -> list[tuple[str, str]]:
    asked = [value for value in map(r.number, r.mapping(judgements.get("asked")).values()) if value is not None]
    cost, seconds, budget = (r.number(judgements.get(key)) for key in ("cost", "seconds", "budget"))
    found = []
    if asked:
        found.append(("judgements", f"{sum(asked):,.0f}" + (f" of {budget:,.0f}" if budget is not None else "")))
    if cost is not None:
        found.append(("cost", f"{cost:,.2f}"))
        if sum(asked):
            found.append(("for each", f"{cost / sum(asked):,.3f}"))
    if seconds is not None:
        found.append(("overseer’s time", r.duration(seconds)))
    return found


def _amounts(counts: Json, words: Mapping[str, str]) -> list[Amount]:
    found = {words.get(name, r.label(name)): r.number(value) for name, value in counts.items()}
    rows = sorted(((name, value) for name, value in found.items() if value), key=lambda row: -row[1])
    bars = spans([value for _, value in rows])
    return [Amount(name, f"{value:,.0f}", bar) for (name, value), bar in zip(rows, bars, strict=True)]


def _stages(seconds: Json) -> list[Amount]:
    rows = [(r.label(name), value) for name, value in ((name, r.number(value)) for name, value in seconds.items())
            if value is not None and value >= 0]  # fmt: skip
    bars = spans([value for _, value in rows])
    return [Amount(name, r.duration(value), bar) for (name, value), bar in zip(rows, bars, strict=True)]


def _source(name: str) -> str:
    from importlib.resources import files

    return files("imitative").joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_source("report.html"))
