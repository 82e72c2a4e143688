"""z* and its runners-up as the report explains them: why each statement is there, how each rival differs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from imitative.charts import Span, spans
from imitative.display import Entry, cell, count, counted, label, nats, percent
from imitative.hypotheses.statements import Strength
from imitative.records import LITERAL_READER

CELLS = 8
"""An example is shown by so many of its cells, those its statement speaks of first; more would bury the reason."""

_WITH_STRENGTH = re.compile(rf"\s*\(({'|'.join(strength.value for strength in Strength)})\)\.?\s*$")
_PIPS = {word: i for i, s in enumerate(Strength, 1) for word in (s.value, s.name.lower())}


class Example(NamedTuple):
    """A row that a statement decides: (name, value) of the cells shown, and how many more there are."""

    cells: list[tuple[str, str]]
    more: int


class Said(NamedTuple):
    """A statement as the page shows it, with why it is there."""

    condition: str
    consequence: str
    strength: str
    pips: int
    prior: str
    evidence: str
    prior_bar: Span | None
    evidence_bar: Span | None
    why: str
    reach: str
    examples: list[Example]


class Default(NamedTuple):
    """What is answered where no statement applies."""

    consequence: str
    strength: str
    pips: int


class Change(NamedTuple):
    """A line of the difference between a hypothesis and the best one; `spoken` says the sign for a screen reader."""

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


def statements(run: Entry) -> list[Said]:
    """The statements of z*, each with why it is there; their bars share one scale."""
    rows = [row for row in run.entries("statements") if row.text("text")]
    priors, gains = [row.number("log_prior") for row in rows], [row.number("log_likelihood") for row in rows]
    bars = spans([*priors, *gains])
    spoken = run.entry("answers")
    found = []
    for row, prior, gain, left, right in zip(rows, priors, gains, bars[: len(rows)], bars[len(rows) :], strict=True):
        condition, consequence, strength = _sentence(row.text("text"), spoken.text(row.text("answer")))
        strength = strength or row.text("strength")
        worth = row.number("nats")
        found.append(
            Said(
                condition,
                consequence,
                strength if worth is None else ", ".join(filter(None, [strength, counted(worth, "nat", "nats")])),
                _PIPS.get(strength.lower(), 0),
                nats(prior, signed=True),
                nats(gain, signed=True),
                left,
                right,
                _why(prior, gain),
                _reach(row, run.entry("rows")),
                [_example(example, row.text("text"), spoken) for example in row.entries("examples")[:3]],
            )
        )
    return found


def _sentence(text: str, clause: str) -> tuple[str, str, str]:
    """A statement's condition, its consequence (for emphasis) and its strength, as far as they can be told apart."""
    match = _WITH_STRENGTH.search(text)
    strength = match.group(1) if match else ""
    body = (text[: match.start()] if match else text).rstrip(". ")
    if clause and body.endswith(clause):
        return body[: -len(clause)], clause + ".", strength
    condition, comma, consequence = body.rpartition(", ")
    return (condition + comma, consequence + ".", strength) if comma else ("", body + ".", strength)


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


def _reach(row: Entry, totals: Entry) -> str:
    """`Applies to 792 of the 2,148 examples and 1,368 of the 5,976 new questions.`"""
    parts = []
    for key, one, many in (("labelled", "example", "examples"), ("unlabelled", "new question", "new questions")):
        applies, total = row.number(f"applies_{key}"), totals.number(key)
        if applies is not None:
            share = "" if total is None else f" of the {count(total)}"
            parts.append(f"{count(applies)}{share} {one if (applies if total is None else total) == 1 else many}")
    decides = row.number("decides")
    more = "" if decides is None else f" Without it, {count(decides)} of them would be answered otherwise."
    return f"Applies to {' and '.join(parts)}.{more}" if parts else ""


def _example(row: Entry, statement: str, spoken: Entry) -> Example:
    """A row by the cells its statement speaks of, then the others; (question, answer) pairs are opened."""
    pair = isinstance(row.cells.get("question"), Mapping)
    cells = row.entry("question").cells if pair else row.cells
    words = set(re.findall(r"\w+", statement.lower()))
    shown = [(label(name), cell(value)) for name, value in cells.items() if value is not None and value != ""]
    shown.sort(key=lambda pair: not any(set(re.findall(r"\w+", part.lower())) <= words for part in pair))
    kept = shown[:CELLS]
    if pair and row.text("answer"):
        kept.append(("answer", spoken.text(row.text("answer")) or cell(row.text("answer"))))
    return Example(kept, max(0, len(shown) - CELLS))


def gist(hypothesis: str, most: int, elsewhere: str = "") -> list[str]:
    r"""The lines of a hypothesis; of many more than `most`, the strongest, how many more, and the default.

    >>> gist("If a, p (a hint).\nIf b, p (strong evidence).\nIf c, e (a hint).\nBy default, e (a hint).", 2)
    ['If b, p (strong evidence).', '… and 2 more.', 'By default, e (a hint).']
    """
    lines = [line for line in hypothesis.splitlines() if line.strip()]
    more = len(lines) - most
    if more <= 1:  # saying that there is one more takes a line, too
        return lines
    by_default = lines[-1:] if lines[-1].startswith("By default, ") else []
    said = sorted(lines[: len(lines) - len(by_default)], key=_pips, reverse=True)  # of one strength: as they stand
    return [*said[: most - len(by_default)], f"… and {more:,} more{elsewhere}.", *by_default]


def _pips(line: str) -> int:
    match = _WITH_STRENGTH.search(line)
    return _PIPS[match.group(1)] if match else 0


def auditor(judge: str) -> str:
    """Who answered the audit's questions, by the name that its judgements bear."""
    return "z* itself, read to the letter," if judge == LITERAL_READER else "the overseer"


def default(run: Entry) -> Default | None:
    """What is answered where no statement applies, if the result says."""
    answer, strength = run.entry("default").text("answer"), run.entry("default").text("strength")
    if not answer:
        return None
    return Default(run.entry("answers").text(answer) or answer, strength, _PIPS.get(strength.lower(), 0))


def rivals(run: Entry) -> list[Rival]:
    """z* and the runners-up, or nothing where there are none."""
    rows = [row for row in run.entries("runners_up") if row.text("hypothesis")]
    if not rows:
        return []
    prior, likelihood = run.number("log_prior"), run.number("log_likelihood")
    score = run.number("score")
    if score is None and prior is not None and likelihood is not None:  # a run from before it was kept
        score = prior + likelihood
    shares = [run.number("probability"), *(row.number("probability") for row in rows)]
    # The 1 at the end makes the bars shares of certainty, not of the largest.
    bars = spans([*(None if share is None else min(max(share, 0.0), 1.0) for share in shares), 1.0])
    found = [Rival("z*", [], nats(prior), nats(likelihood), nats(score), percent(shares[0]), bars[0])]
    for rank, (row, share, bar) in enumerate(zip(rows, shares[1:], bars[1:-1], strict=True), 2):
        scores = [nats(row.number(key)) for key in ("log_prior", "log_likelihood", "score")]
        changes = _changes(run.text("hypothesis"), row.text("hypothesis"))
        found.append(Rival(str(rank), changes, scores[0], scores[1], scores[2], percent(share), bar))
    return found


def _changes(best: str, other: str) -> list[Change]:
    """What `other` leaves out of `best` (−), what it adds (+), and what it says more or less strongly (±)."""
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
