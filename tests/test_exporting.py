"""z* for other tools, and what money bought."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from imitative.cli import app
from imitative.errors import InputError
from imitative.exporting import export_prompt, prompt_of
from imitative.inspecting import chosen, follow, items
from imitative.spending import spending, told

RESULT: dict[str, Any] = {
    "question": "Is it poisonous?",
    "hypothesis": "Foul ones are.\n\nOthers {mostly} not.",
    "answers": {"p": "it is poisonous", "e": "it is edible"},
    "judgements": {"asked": {"answer": 40, "odds": 10}, "cost": 2.0},
    "accuracy": {"labelled": 1.0, "unlabelled": 0.95},
    "baselines": {"tree": {"labelled": 1.0, "unlabelled": 0.9}, "rules": {"labelled": 1.0, "unlabelled": None}},
    "calls": {
        "money": 2.5,
        "models": [
            {
                "model": "m", "calls": 120, "tokens": 5000, "money": 2.5, "cached": 7,
                "purposes": [{"purpose": "prior", "calls": 120}], "uncertain": [{}],
            }
        ],
    },
}  # fmt: skip


def finished(folder: Path) -> Path:
    (folder / "run").mkdir()
    (folder / "run" / "result.json").write_text(json.dumps(RESULT), "utf-8")
    return folder / "run"


def test_a_prompt_holds_the_question_the_rules_and_the_answers(tmp_path: Path) -> None:
    run = finished(tmp_path)
    said = CliRunner().invoke(app, ["prompt", str(run), "--out", str(tmp_path / "deep" / "prompt.txt")])
    assert said.exit_code == 0
    text = (tmp_path / "deep" / "prompt.txt").read_text("utf-8")
    assert text == prompt_of(RESULT)
    for part in ("Is it poisonous?", "- Foul ones are.", "- Others {mostly} not.", "p: it is poisonous"):
        assert part in text
    with pytest.raises(InputError, match="no such folder"):
        export_prompt(tmp_path / "none", tmp_path / "p.txt")


def test_money_is_told_for_a_judgement_and_for_a_point() -> None:
    found = spending(RESULT)
    assert found == (2.5, 0.04, 0.5, 5.0)
    first, second = told(RESULT)
    assert "0.04 a judgement" in first
    assert "0.5 a point of accuracy on D′ (5.0 points above" in first
    assert "7 known before" in second
    assert "1 uncertain" in second
    nothing = {**RESULT, "calls": None, "judgements": {"asked": {"answer": 3}, "cost": 0.0}}
    assert told(nothing) == []
    worse = {**RESULT, "accuracy": {"unlabelled": 0.8}}
    assert spending(worse).point is None
    assert spending({**RESULT, "accuracy": {"unlabelled": None}}).gained is None


@pytest.mark.parametrize(
    ("reply", "answer"),
    [("p", "p"), (" 'e': it is edible", "e"), ("The answer is p.", "p"), ("p or e", None), ("", None), ("pe", None)],
)
def test_what_a_reply_names(reply: str, answer: str | None) -> None:
    assert chosen(reply, ["p", "e"]) == answer


def test_rows_become_items_with_their_answers(tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("odour,class\nfoul,p\n</item>,e\nalmond,unknown\n", "utf-8")
    found = items(tmp_path / "new.csv", "class", RESULT["answers"])
    assert [target for _, target in found] == ["p", "e"]
    assert "| odour: </item>" in found[1][0]
    with pytest.raises(InputError, match="no column 'klass'"):
        items(tmp_path / "new.csv", "klass", RESULT["answers"])


def test_without_inspect_ai_the_remedy_is_told(tmp_path: Path) -> None:
    pytest.importorskip("openai")
    try:
        import inspect_ai  # noqa: F401
    except ImportError:
        with pytest.raises(InputError, match="pip install inspect-ai"):
            follow(finished(tmp_path), tmp_path / "new.csv", "class")
