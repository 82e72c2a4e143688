"""A run from long ago, replayed: the same judgements give the same hypothesis, the same labels and the same audit.

`plants.json` holds the problem, what was said, and what came of it. Where a change of the method is meant to change
what comes of it, write it again: `python tests/golden/test_replay.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imitative.data import Feature, FeatureKind, Labelled, Table
from imitative.hypotheses.statements import Limits, StatementSpace
from imitative.induction import Induced, induce
from imitative.labelling import Transferred, transfer
from imitative.overseers.simulated import Simulated
from imitative.problem import Problem
from imitative.records import Answer, Judgement, Kind, Query, Value
from imitative.settings import Settings
from imitative.testing import Replayed, by_spelling

GOLDEN = Path(__file__).with_name("plants.json")
SETTINGS = Settings(rounds=2, steps=160, caution=0.0)
"""Without caution the score of z hangs on the judgements alone, not on the draws that carry M_prior's doubt."""
BUDGET = 200
"""More than was ever said, so that something is left for the transfer."""


def problem_of(golden: dict[str, Any]) -> Problem:
    space = StatementSpace.from_description(golden["space"])
    labelled, unlabelled = (Table.of(space.features, golden[name]) for name in ("labelled", "unlabelled"))
    answers = np.array([space.answers.index(answer) for answer in golden["answers"]])
    known = Labelled(labelled, answers, space.answers)
    return Problem("plants", "Is this plant poisonous?", known, unlabelled, space.spoken, space)


def judgements_of(golden: dict[str, Any]) -> list[Judgement]:
    return [
        Judgement(Query.from_json(row["query"]), Answer.from_json(row["answer"]), row["judge"])
        for row in golden["judgements"]
    ]


def replay(golden: dict[str, Any], seed: int) -> tuple[Induced, Transferred]:
    archive = Replayed(judgements_of(golden))
    done = induce(problem_of(golden), archive, seed=seed, budget=BUDGET, encode=by_spelling, settings=SETTINGS)
    return done, transfer(done)


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(GOLDEN.read_text("utf-8"))
    return found


def test_the_same_judgements_give_the_same_run(golden: dict[str, Any]) -> None:
    done, transferred = replay(golden, seed=0)
    assert done.problem.space.show(done.best).splitlines() == golden["hypothesis"]
    names = done.problem.answers
    assert [names[label] for label in transferred.labels] == golden["labels"]
    assert transferred.audit is not None
    assert [transferred.audit.agreement, transferred.audit.n] == golden["audit"]
    assert transferred.answered == golden["answered"]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_search_ends_there_from_wherever_it_begins(golden: dict[str, Any], seed: int) -> None:
    done, _ = replay(golden, seed)
    assert done.problem.space.show(done.best).splitlines() == golden["hypothesis"]


def test_every_judgement_is_still_what_its_key_says(golden: dict[str, Any]) -> None:
    assert [judgement.query.key for judgement in judgements_of(golden)] == [row["key"] for row in golden["judgements"]]


# -- writing it again --------------------------------------------------------------------------------------------------


def plants(rows: int, seed: int, confounded: bool) -> list[dict[str, Value]]:
    """Plants whose smell tells whether they are poisonous; in D every such plant stands in the sun too."""
    rng = np.random.default_rng(seed)
    found: list[dict[str, Value]] = []
    for _ in range(rows):
        smell = str(rng.choice(["foul", "fishy", "almond", "none"]))
        sun = smell in ("foul", "fishy") if confounded else bool(rng.random() < 0.5)
        note = str(rng.choice(["a fine plant", "not fine at all", "small, and fine"]))
        height = None if rng.random() < 0.1 else float(np.round(rng.normal(5.0, 2.0), 1))
        found.append({"smell": smell, "place": "sun" if sun else "shade", "height": height, "note": note})
    return found


def write() -> None:
    features = [
        Feature("smell", FeatureKind.CATEGORICAL, "the smell", {}, {"none": "the plant has no smell"},
                ("foul", "fishy", "almond", "none", "ham, egg and cheese")),
        Feature("place", FeatureKind.BOOLEAN, "the place", values=("sun", "shade")),
        Feature("height", FeatureKind.NUMERIC, "the height", unit="cm"),
        Feature("note", FeatureKind.TEXT, "the note"),
    ]  # fmt: skip
    spoken = {"p": "the plant is poisonous", "e": "the plant is edible"}
    space = StatementSpace(features, ("p", "e"), spoken, Limits(2, 1, 2), {"note": ("fine",)}, {"height": (3.0, 6.5)})
    labelled, unlabelled = plants(40, 1, confounded=True), plants(40, 2, confounded=False)
    golden: dict[str, Any] = {
        "space": space.describe(),
        "labelled": labelled,
        "answers": ["p" if row["smell"] in ("foul", "fishy") else "e" for row in labelled],
        "unlabelled": unlabelled,
    }
    belief = space.read_statement("If the smell is one of foul or fishy, the plant is poisonous (strong evidence).")
    person = Simulated(space, [belief], {"smell": 0.5, "place": -2.0}, careless=0.03, name="ann")
    asked = induce(problem_of(golden), person, budget=110, encode=by_spelling, settings=Settings(rounds=3, steps=60))
    said = [j for j in asked.ledger.judgements if j.query.purpose in ("prior", "likelihood")]
    golden["judgements"] = [_row(judgement) for judgement in said]
    done, _ = replay(golden, seed=0)
    # The questions that the transfer of this z* asks, answered by the same person.
    questions = [j.query for j in done.ledger.judgements if j.query.kind is Kind.ANSWER]
    golden["judgements"] += [_row(Judgement(query, person._answer(query), "ann")) for query in questions]
    done, transferred = replay(golden, seed=0)
    assert transferred.audit is not None
    golden["hypothesis"] = space.show(done.best).splitlines()
    golden["labels"] = [space.answers[label] for label in transferred.labels]
    golden["audit"] = [transferred.audit.agreement, transferred.audit.n]
    golden["answered"] = transferred.answered
    parts = []
    for name, value in golden.items():
        rows = isinstance(value, list) and name not in ("answers", "labels", "audit")
        lines = ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in value) if rows else ""
        parts.append(f'"{name}": ' + (f"[\n  {lines}\n]" if rows else json.dumps(value, ensure_ascii=False)))
    GOLDEN.write_text("{\n" + ",\n".join(parts) + "\n}\n", "utf-8")


def _row(judgement: Judgement) -> dict[str, Any]:
    query, answer = judgement.query, judgement.answer
    return {"key": query.key, "query": query.to_json(), "answer": answer.to_json(), "judge": judgement.judge}


if __name__ == "__main__":
    write()
