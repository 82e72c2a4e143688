"""z* in `inspect_ai`: a task that has any model answer labelled questions following z*, and a scorer of what it says.

    # task.py
    from imitative.inspecting import follow
    task = follow("runs/mushrooms-0", "new.csv", answer="class")

    inspect eval task.py --model openai/…

Needs the package `inspect_ai`, which is no dependency of this one: it wants other versions of what both use, so install
both into an environment of their own (`pip install imitative inspect-ai`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from imitative.errors import InputError
from imitative.exporting import prompt_of
from imitative.overseers.prompts import quoted
from imitative.rows import Source, read_rows
from imitative.store.runs import read_result


def chosen(reply: str, answers: Sequence[str]) -> str | None:
    """The answer that a reply names; None where it names none, or several.

    >>> answers = ["edible", "poisonous"]
    >>> chosen("edible: it smells of almonds", answers), chosen("edible or poisonous", answers)
    ('edible', None)
    """
    first = reply.strip().strip("\"'*`.").split(":", 1)[0].strip()
    if first in answers:
        return first
    named = [answer for answer in answers if re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", reply)]
    return named[0] if len(named) == 1 else None


def items(file: Path, answer: str, answers: Mapping[str, str]) -> list[tuple[str, str]]:
    """(item as it is shown, right answer) of every row whose answer is known.

    Raises:
        InputError: if the file or its column cannot be read.
    """
    frame = read_rows(Source(file)).frame
    if answer not in frame.columns:
        raise InputError(str(file), f"no column {answer!r}", f"one of {', '.join(frame.columns[:8])}", "give answer=")
    found = []
    for row in frame.iter_rows(named=True):
        target = row.pop(answer)
        if target in answers:
            lines = [f"{name}: {value}" for name, value in row.items() if value not in (None, "")]
            found.append((quoted("item", "\n".join(lines)), str(target)))
    return found


def follow(run: str | Path, file: str | Path, answer: str) -> Any:
    """An `inspect_ai` task: every labelled row of `file`, answered following the run's z*.

    Args:
        run: a finished run's folder.
        file: rows with their answers.
        answer: the column of those.

    Raises:
        InputError: if something of it cannot be read, or `inspect_ai` is not installed.
    """
    try:
        from inspect_ai import Task
        from inspect_ai.dataset import MemoryDataset, Sample
        from inspect_ai.solver import generate, system_message
    except ImportError:
        raise InputError("inspect_ai", "no such package", "it installed", "pip install inspect-ai") from None
    result = read_result(Path(run))
    rows = items(Path(file), answer, result["answers"])
    # inspect_ai fills {braces} in a system message: z* is a text, not a template.
    prompt = prompt_of(result).replace("{", "{{").replace("}", "}}")
    return Task(
        dataset=MemoryDataset([Sample(input=item, target=target) for item, target in rows], name=result["problem"]),
        solver=[system_message(prompt), generate()],
        scorer=follows(tuple(result["answers"])),
    )


def follows(answers: Sequence[str]) -> Any:
    """An `inspect_ai` scorer: right where the reply names the right answer and no other."""
    from inspect_ai.scorer import CORRECT, INCORRECT, Score, accuracy, scorer, stderr

    def named() -> Any:
        async def score(state: Any, target: Any) -> Any:
            said = chosen(state.output.completion, answers)
            told = "unreadable" if said is None else ""
            return Score(value=CORRECT if said == target.text else INCORRECT, answer=said, explanation=told)

        return score

    return scorer(metrics=[accuracy(), stderr()])(named)()
