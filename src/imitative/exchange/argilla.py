"""Argilla's flattened records: what `dataset.records.to_list(flatten=True)` gives, as a JSON list.

    {"id": "…", "prompt": "…", "left": "…", "right": "…",
     "better.responses": ["left"], "better.responses.users": ["ann"], "better.responses.status": ["submitted"]}

The question is a label question called `better`; records of ours hold the answers in `LABELS`. A response that was
discarded is a skip; drafts and pending ones are no judgements.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imitative.errors import InputError, did_you_mean, listed, shown
from imitative.exchange.flat import split
from imitative.exchange.format import Exported, Format, Read
from imitative.exchange.pairs import BESIDE, Pair, beside_of, fits, left_out, named, pair_of
from imitative.exchange.parsing import json_rows
from imitative.exchange.row import Row
from imitative.records import Judgement
from imitative.store.files import write_atomically

QUESTION = "better"
LABELS = {"left is much better": 2, "left": 1, "tie": 0, "right": -1, "right is much better": -2}
"""What can be answered: the five grades."""
COSTS, SECONDS = "imitative.costs", "imitative.seconds"
_OURS = ("id", "_server_id", "status", "inserted_at", "updated_at", "prompt", "left", "right", BESIDE, COSTS, SECONDS)


def write(judgements: Sequence[Judgement], path: Path) -> Exported:
    """See `Format`. Judgements of one query are responses to one record."""
    kept, left = split(judgements, [fits(judgement, ties=True, skips=True) for judgement in judgements])
    said = {grade: label for label, grade in LABELS.items()}
    records: dict[str, dict[str, Any]] = {}
    for judgement in kept:
        if pair := pair_of(judgement):
            record = records.setdefault(judgement.query.key, _record(judgement.query.key, pair))
            response = None if pair.grade is None else said[pair.grade]
            status = "discarded" if response is None else "submitted"
            for key, value in (("", response), (".users", pair.judge), (".status", status)):
                record[f"{QUESTION}.responses{key}"].append(value)
            record[COSTS].append(judgement.cost)
            record[SECONDS].append(judgement.seconds)
    write_atomically(path, json.dumps(list(records.values()), ensure_ascii=False, indent=1) + "\n")
    return Exported(left)


def _record(key: str, pair: Pair) -> dict[str, Any]:
    empty: dict[str, Any] = {f"{QUESTION}.responses{part}": [] for part in ("", ".users", ".status")}
    asked = {"id": key, "status": "completed", "prompt": pair.prompt, "left": pair.left, "right": pair.right}
    return {**asked, BESIDE: pair.asked_text, **empty, COSTS: [], SECONDS: []}


def read(path: Path) -> Read:
    """See `Format`."""
    rows = list(json_rows(path))
    judgements: list[Judgement] = []
    unsaid, suggested, seen = 0, 0, set(_OURS)
    for row in rows:
        question = _question(row)
        seen |= {key for key in row.members if key.startswith((f"{question}.responses", f"{question}.suggestion"))}
        suggested += row.members.get(f"{question}.suggestion") is not None
        beside = beside_of(row)
        for i, (value, judge, status) in enumerate(_responses(row, question)):
            if status not in ("submitted", "discarded", None):
                unsaid += 1
                continue
            about = beside | {"cost": _of(row, COSTS, i), "seconds": _of(row, SECONDS, i)}
            grade = None if status == "discarded" else _grade(row, question, value)
            pair = Pair("", row.text("left"), row.text("right"), grade, judge, about)
            judgements.append(pair.judgement(row.place))
    counted = ((unsaid, "drafts and pending responses"), (suggested, "suggestions of models"))
    notes = tuple(f"{count} {what} were left out" for count, what in counted if count)
    return Read(tuple(judgements), notes + left_out(rows, tuple(seen)))


def _question(row: Row) -> str:
    """The name of the question that was answered: ours, or the only one."""
    names = [key.removesuffix(".responses") for key in row.members if key.endswith(".responses")]
    if QUESTION in names or not names:
        return QUESTION
    if len(names) > 1:
        raise InputError(row.place, f"{len(names)} questions, {listed(names)}", f"one, or one called {QUESTION!r}")
    return names[0]


def _responses(row: Row, question: str) -> list[tuple[Any, str, str | None]]:
    """(what was said, who, status) of each response; a record without responses has none."""
    key = f"{question}.responses"
    lists: list[list[Any]] = []
    for part in (key, f"{key}.users", f"{key}.status"):
        value = row.members.get(part)
        if value is not None and not isinstance(value, list):
            row.refuse(part, value, "a list with one entry for each response")
        lists.append(value or [])
    said, users, statuses = lists
    for part, given in (("users", users), ("status", statuses)):
        if given and len(given) != len(said):
            raise InputError(
                f"{row.place}, '{key}.{part}'", f"{len(given)} entries", f"{len(said)}, as many as responses"
            )
    found = []
    for i, value in enumerate(said):
        user, status = users[i] if users else None, statuses[i] if statuses else None
        if not (user is None or isinstance(user, str)) or not (status is None or isinstance(status, str)):
            raise InputError(f"{row.place}, '{key}'", shown([user, status]), "names and states as texts")
        found.append((value, named(user), status))
    return found


def _grade(row: Row, question: str, value: Any) -> int:
    if not isinstance(value, str) or value not in LABELS:
        near = did_you_mean(value, LABELS) if isinstance(value, str) else ""
        place = f"{row.place}, '{question}.responses'"
        raise InputError(place, shown(value), f"one of {listed(LABELS)}", near or "rename the labels")
    return LABELS[value]


def _of(row: Row, key: str, i: int) -> float:
    """The cost or the seconds of the i-th response, 0 where nobody noted it."""
    values = row.members.get(key)
    if not isinstance(values, list) or i >= len(values):
        return 0.0
    return Row(f"{row.place}, {shown(key)}", {f"entry {i + 1}": values[i]}).number(f"entry {i + 1}", 0.0)


ARGILLA = Format("argilla", "Argilla's flattened records", False, "", write, read)
