"""Label Studio's JSON of pairwise comparisons: tasks with annotations, `result[].value.selected` = left or right.

    {"data": {"prompt": "…", "left": "…", "right": "…"},
     "annotations": [{"completed_by": 7, "was_cancelled": false, "lead_time": 4.2,
                      "result": [{"type": "pairwise", "from_name": "better", "to_name": "left,right",
                                  "value": {"selected": "left"}}]}]}

`CONFIG` is the labelling configuration under which these tasks can be imported there and judged further. A tie and
*much better* are a choice beside the pair; a cancelled annotation is a skip; one without a choice is unreadable.

Label Studio refuses annotators it has no account of, so ours are named in the task, by the annotation's id, which it
gives back as `import_id`. Annotations made there are by whoever made them. Tried with Label Studio 1.23.2.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from imitative.errors import InputError, shown
from imitative.exchange.flat import split
from imitative.exchange.format import Exported, Format, Read
from imitative.exchange.pairs import BESIDE, STRANGER, Pair, beside_of, fits, named, pair_of
from imitative.exchange.parsing import json_rows, parsed
from imitative.exchange.row import Row
from imitative.records import Answer, Judgement, Outcome
from imitative.store.files import write_atomically

BY = "imitative_by"
"""The member of a task's data that says who gave the annotations that came with it, and at what cost."""
TIE, MUCH = "neither is better", "much better"
CONFIG: Final = f"""<View>
  <Text name="prompt" value="$prompt"/>
  <Pairwise name="better" toName="left,right"/>
  <Text name="left" value="$left"/>
  <Text name="right" value="$right"/>
  <Choices name="how" toName="left" choice="single"><Choice value="{TIE}"/><Choice value="{MUCH}"/></Choices>
</View>"""


def write(judgements: Sequence[Judgement], path: Path) -> Exported:
    """See `Format`. Judgements of one query are annotations of one task."""
    kept, left = split(judgements, [fits(judgement, ties=True, skips=True) for judgement in judgements])
    tasks: dict[str, dict[str, Any]] = {}
    for judgement in kept:
        if pair := pair_of(judgement):
            task = tasks.setdefault(judgement.query.key, _task(len(tasks) + 1, pair))
            task["annotations"].append(_annotation(len(task["annotations"]) + 1, pair.grade, judgement.seconds))
            task["data"][BY].append([judgement.judge, judgement.cost])
    for task in tasks.values():
        task["data"][BY] = json.dumps(task["data"][BY], ensure_ascii=False)
    write_atomically(path, json.dumps(list(tasks.values()), ensure_ascii=False, indent=1) + "\n")
    return Exported(left)


def _task(number: int, pair: Pair) -> dict[str, Any]:
    data = {"prompt": pair.prompt, "left": pair.left, "right": pair.right, BESIDE: pair.asked_text, BY: []}
    return {"id": number, "data": data, "annotations": []}


def _annotation(number: int, grade: int | None, seconds: float) -> dict[str, Any]:
    about = {"id": number, "was_cancelled": grade is None, "ground_truth": False, "lead_time": seconds}
    return {**about, "result": _result(grade)}


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
        beside, by = beside_of(data), _by(data)
        predictions += len(task.each("predictions"))
        for annotation in task.each("annotations"):
            grade, told = _grade(annotation)
            judge, cost = _judge(annotation, by)
            about = {**beside, "cost": cost, "seconds": annotation.number("lead_time", 0.0)}
            judgement = Pair("", left, right, grade, judge, about).judgement(annotation.place)
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


def _by(data: Row) -> list[tuple[str, float]]:
    """(judge, cost) of the annotations that came with a task of ours; empty for others."""
    text = data.text(BY, "")
    if not text:
        return []
    place = f"{data.place}, {shown(BY)}"
    found = parsed(text, place)
    if not isinstance(found, list) or not all(isinstance(each, list) and len(each) == 2 for each in found):
        raise InputError(place, shown(text), "the text that was exported", "restore it, or remove the annotations")
    rows = [Row(place, {"judge": judge, "cost": cost}) for judge, cost in found]
    return [(row.text("judge"), row.number("cost")) for row in rows]


def _judge(annotation: Row, by: Sequence[tuple[str, float]]) -> tuple[str, float]:
    """(judge, cost): as it came, or whoever made or last changed it there, by number or e-mail address."""
    number = annotation.members.get("import_id" if "import_id" in annotation.members else "id")
    who = annotation.members.get("updated_by")
    if isinstance(number, int) and 1 <= number <= len(by) and (who is None or "import_id" not in annotation.members):
        return by[number - 1]
    who = annotation.members.get("completed_by") if who is None else who
    if isinstance(who, dict):
        who = who.get("email") or who.get("id")
    if who is None or isinstance(who, bool) or not isinstance(who, str | int):
        return STRANGER, 0.0
    return named(str(who)), 0.0


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
