"""Label Studio's JSON of pairwise comparisons: tasks with annotations, `result[].value.selected` = left or right.

    {"data": {"prompt": "…", "left": "…", "right": "…"},
     "annotations": [{"completed_by": {"email": "ann"}, "was_cancelled": false, "lead_time": 4.2,
                      "result": [{"type": "pairwise", "from_name": "better", "to_name": "left,right",
                                  "value": {"selected": "left"}}]}]}

`CONFIG` is the labelling configuration under which these tasks can be imported there and judged further. A tie and
*much better* are a choice beside the pair; a cancelled annotation is a skip; one without a choice is unreadable.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from imitative.errors import InputError, shown
from imitative.exchange.flat import split
from imitative.exchange.format import Format, Read, Written
from imitative.exchange.pairs import BESIDE, STRANGER, Pair, beside_of, fits, pair_of
from imitative.exchange.parsing import json_rows
from imitative.exchange.row import Row
from imitative.records import Answer, Judgement, Outcome
from imitative.store.files import write_atomically

TIE, MUCH = "neither is better", "much better"
CONFIG: Final = f"""<View>
  <Text name="prompt" value="$prompt"/>
  <Pairwise name="better" toName="left,right"/>
  <Text name="left" value="$left"/>
  <Text name="right" value="$right"/>
  <Choices name="how" toName="left" choice="single"><Choice value="{TIE}"/><Choice value="{MUCH}"/></Choices>
</View>"""


def write(judgements: Sequence[Judgement], path: Path) -> Written:
    """See `Format`. Judgements of one query are annotations of one task."""
    kept, left = split(judgements, [fits(judgement, ties=True, skips=True) for judgement in judgements])
    tasks: dict[str, dict[str, Any]] = {}
    for judgement in kept:
        if pair := pair_of(judgement):
            task = tasks.setdefault(judgement.query.key, _task(len(tasks) + 1, pair))
            task["annotations"].append(_annotation(pair, judgement))
    write_atomically(path, json.dumps(list(tasks.values()), ensure_ascii=False, indent=1) + "\n")
    return Written(left)


def _task(number: int, pair: Pair) -> dict[str, Any]:
    data = {"prompt": pair.prompt, "left": pair.left, "right": pair.right, BESIDE: pair.asked_text}
    return {"id": number, "data": data, "annotations": []}


def _annotation(pair: Pair, judgement: Judgement) -> dict[str, Any]:
    return {
        "completed_by": {"email": pair.judge},
        "was_cancelled": pair.grade is None,
        "lead_time": judgement.seconds,
        "cost": judgement.cost,
        "result": _result(pair.grade),
    }


def _result(grade: int | None) -> list[dict[str, Any]]:
    how = TIE if grade == 0 else MUCH if grade in (-2, 2) else None
    result: list[dict[str, Any]] = []
    if grade:
        value = {"selected": "left" if grade > 0 else "right"}
        result.append({"type": "pairwise", "from_name": "better", "to_name": "left,right", "value": value})
    if how:
        result.append({"type": "choices", "from_name": "how", "to_name": "left", "value": {"choices": [how]}})
    return result


def read(path: Path) -> Read:
    """See `Format`."""
    judgements: list[Judgement] = []
    predictions = silent = 0
    for task in json_rows(path):
        data = task.inside("data")
        left, right = _sides(data)
        beside = beside_of(data)
        predictions += len(task.each("predictions"))
        for annotation in task.each("annotations"):
            grade, told = _grade(annotation)
            about = {**beside, "cost": annotation.number("cost", 0.0), "seconds": annotation.number("lead_time", 0.0)}
            judgement = Pair("", left, right, grade, _judge(annotation), about).judgement(annotation.place)
            silent += not told
            judgements.append(judgement if told else replace(judgement, answer=Answer(Outcome.UNREADABLE)))
    notes: tuple[str, ...] = (f"{predictions} predictions of models were left out",) if predictions else ()
    if silent:
        notes += (f"{silent} annotations choose neither side nor say that neither is better: they count as unreadable",)
    return Read(tuple(judgements), notes)


def _sides(data: Row) -> tuple[str, str]:
    """The texts compared, under the names of our configuration or of Label Studio's template."""
    for names in (("left", "right"), ("text1", "text2")):
        if all(name in data.members for name in names):
            return data.text(names[0]), data.text(names[1])
    remedy = "rename the members that hold the two texts"
    raise InputError(data.place, "no 'left' and 'right' (nor 'text1' and 'text2')", "the two texts", remedy)


def _judge(annotation: Row) -> str:
    """Who: a number, an e-mail address or an object that holds them."""
    who = annotation.members.get("completed_by")
    if isinstance(who, dict):
        who = who.get("email") or who.get("id")
    if who is None or isinstance(who, bool) or not isinstance(who, str | int):
        return STRANGER
    return str(who).strip() or STRANGER


def _grade(annotation: Row) -> tuple[int | None, bool]:
    """The grade, None for a skip; and whether anything was said."""
    if annotation.members.get("was_cancelled") is True:
        return None, True
    side, how = 0, ""
    for result in annotation.each("result"):
        kind, value = result.text("type", ""), result.members.get("value")
        if kind == "pairwise":
            selected = result.inside("value").text("selected")
            if selected not in ("left", "right"):
                raise InputError(
                    f"{result.place}, 'selected'", shown(selected), "'left' or 'right'", "correct it there"
                )
            side = 1 if selected == "left" else -1
        elif kind == "choices" and isinstance(value, dict) and isinstance(value.get("choices"), list):
            how = next((each for each in value["choices"] if each in (TIE, MUCH)), how)
    if how == TIE and side:
        raise InputError(annotation.place, f"a side and {TIE!r}", "one of the two", "correct it there")
    if not side:
        return (0, True) if how == TIE else (None, False)
    return (2 * side if how == MUCH else side), True


LABEL_STUDIO = Format("label-studio", "Label Studio's JSON of pairwise comparisons", False, "", write, read)
