"""Judgements out and in: nothing is lost silently, nothing made up, and nothing hostile gets further than one line."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import choix
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitative.exchange import label_studio, trl
from imitative.exchange.lines import JSONL
from imitative.exchange.spreadsheet import escaped, harmless, unescaped
from imitative.exchange.trips import FORMATS, export
from imitative.preference import bradley_terry
from imitative.records import GRADES, LEAST_RATIO, Answer, Judgement, Kind, Outcome, Query, Value

ROOT = Path(__file__).resolve().parents[1]
MORE = 4 if os.environ.get("SLOW", "0") not in ("", "0") else 1
"""How many times as many examples are tried where there is time."""
COMPLETE = ("jsonl", "csv", "datasets")
"""Those that hold everything."""
PAIRS = ("trl", "argilla", "label-studio", "crowd-kit", "summarize-from-feedback")
"""Those that hold comparisons, whole."""

Judgements = tuple[Judgement, ...]

# -- any judgement at all --------------------------------------------------------------------------------------------

printable = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
risky = st.sampled_from(
    ["=1+1", " =cmd|'/C calc'!A0", "@SUM(1)", "'tis", "-", "+x", "\t=", "\r", "a\r\nb", '"', ";=1", "＝1"]
)
texts = printable | risky
sides = st.lists(texts, min_size=2, max_size=2, unique=True).map(tuple)
numbers = st.floats(allow_nan=False, allow_infinity=False)
questions = st.dictionaries(texts, texts | numbers | st.none(), max_size=3)


@st.composite
def judgements(draw: st.DrawFn) -> Judgement:
    """One judgement of any kind."""
    kind = draw(st.sampled_from(list(Kind)))
    two = kind in (Kind.COMPARE_HYPOTHESES, Kind.ODDS)
    asked = kind in (Kind.COMPARE_ANSWERS, Kind.ANSWER)
    query = Query(
        kind,
        draw(sides) if two else (draw(texts),),
        draw(questions) if asked else None,
        draw(sides) if asked else (),
        draw(st.integers(1, 99)) if kind is Kind.BET else 0,
        draw(st.sampled_from(["prior", "likelihood", "audit", "transfer"])),
        draw(st.integers(0, 2**40)),
    )
    said = {
        Kind.ODDS: st.floats(LEAST_RATIO, 1.0 / LEAST_RATIO).map(lambda ratio: Answer(ratio=ratio)),
        Kind.BET: st.booleans().map(lambda less: Answer(less_likely=less)),
        Kind.ANSWER: st.sampled_from(query.answers or ("",)).map(lambda choice: Answer(choice=choice)),
    }.get(kind, st.sampled_from(GRADES).map(lambda grade: Answer(grade=grade)))
    answer = draw(said | st.sampled_from([Answer(Outcome.SKIPPED), Answer(Outcome.UNREADABLE)]))
    judge = draw(texts.filter(str.strip))
    return Judgement(query, answer, judge, draw(st.floats(0, 1e6)), draw(st.floats(0, 1e6)))


def whole(judgement: Judgement) -> tuple[Judgement, float]:
    return judgement, judgement.seconds  # seconds take no part in comparing judgements


def told(found: Sequence[Judgement]) -> list[str]:
    return sorted(repr(whole(judgement)) for judgement in found)


def there_and_back(
    name: str, sent: Sequence[Judgement], folder: Path
) -> tuple[tuple[Judgement, ...], tuple[Judgement, ...]]:
    """What came back, and what the format could not hold."""
    path = folder / f"{name}-{len(list(folder.iterdir()))}"
    export(sent, FORMATS[name], path)
    rest = path.with_name(path.name + ".rest.jsonl")
    return FORMATS[name].read(path).judgements, JSONL.read(rest).judgements if rest.exists() else ()


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=15 * MORE)
@given(sent=st.lists(judgements(), max_size=5))
def test_nothing_is_lost_on_the_way(name: str, sent: list[Judgement], tmp_path_factory: pytest.TempPathFactory) -> None:
    back, rest = there_and_back(name, sent, tmp_path_factory.mktemp("trip"))
    assert len(back) + len(rest) == len(sent)
    if name in COMPLETE:
        held = [j for j in sent if name != "csv" or j.answer.choice != ""]  # an empty cell is none
        assert list(map(whole, back)) == list(map(whole, held))
    elif name in PAIRS:
        assert told([*back, *rest]) == told(sent)
        assert {j.query.kind for j in back} <= {Kind.COMPARE_HYPOTHESES, Kind.COMPARE_ANSWERS}
    else:
        preferred = [(j.query.hypotheses, np.sign(j.answer.grade or 0)) for j in sent if j not in rest]
        won = [sides if sign > 0 else sides[::-1] for sides, sign in preferred]
        assert [j.query.hypotheses for j in back] == won


# -- what survives, as docs/exchange.md says -------------------------------------------------------------------------

X: dict[str, Value] = {"colour": "red", "size": 2.5, "shape": None}
COMPARED = Judgement(
    Query(Kind.COMPARE_HYPOTHESES, ("a", "b"), purpose="audit", repeat=3), Answer(grade=-2), "ann", 0.5, 7.0
)
ANSWERED = Query(Kind.COMPARE_ANSWERS, ("z",), X, ("p", "e"), purpose="likelihood")
PROBES: dict[str, Judgement] = {
    "which hypothesis is better": COMPARED,
    "which answer is better, with its question and instructions": Judgement(ANSWERED, Answer(grade=1), "ann"),
    "tie": replace(COMPARED, answer=Answer(grade=0)),
    "skip": replace(COMPARED, answer=Answer(Outcome.SKIPPED)),
    "unreadable": replace(COMPARED, answer=Answer(Outcome.UNREADABLE)),
    "odds": Judgement(Query(Kind.ODDS, ("a", "b")), Answer(ratio=3.5), "ann"),
    "bet": Judgement(Query(Kind.BET, ("a",), heads=5), Answer(less_likely=True), "ann"),
    "answer": Judgement(Query(Kind.ANSWER, ("z",), X, ("p", "e"), repeat=7), Answer(choice="e"), "ann"),
}  # fmt: skip
ASPECTS: dict[str, Any] = {
    "which side stood first": lambda j: j.query.hypotheses,
    "how much better": lambda j: abs(j.answer.grade or 0),
    "judge": lambda j: j.judge,
    "purpose and repetition": lambda j: (j.query.purpose, j.query.repeat),
    "cost and time": lambda j: (j.cost, j.seconds),
}


def survives(name: str, folder: Path) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for what, probe in PROBES.items():
        back, rest = there_and_back(name, [probe], folder)
        found[what] = not rest
        if what == "which hypothesis is better":
            assert (back[0].answer.grade or 0) * (1 if back[0].query.hypotheses == ("a", "b") else -1) < 0
            found |= {aspect: part(back[0]) == part(probe) for aspect, part in ASPECTS.items()}
    return found


def test_the_page_says_what_survives(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "exchange.md").read_text("utf-8")
    lines = [
        [cell.strip() for cell in line.strip("| ").split("|")] for line in page.splitlines() if line.startswith("|")
    ]
    head = next(i for i, line in enumerate(lines) if line[0] == "what")
    names = [name.strip("`") for name in lines[head][1:]]
    assert sorted(names) == sorted(FORMATS)
    said = {line[0]: line[1:] for line in lines[head + 2 : head + 2 + len(PROBES) + len(ASPECTS)]}
    for i, name in enumerate(names):
        assert {what: cells[i] == "yes" for what, cells in said.items()} == survives(name, tmp_path), name


def test_what_a_format_loses_it_says(tmp_path: Path) -> None:
    trip = export([COMPARED], FORMATS["choix"], tmp_path / "out")
    assert any("no place for the judge" in note for note in trip.notes)
    trip = export([*PROBES.values()], FORMATS["trl"], tmp_path / "trl")
    assert trip.made == 3
    assert any(
        "1 skipped, 1 unreadable, 1 odds, 1 bet, 1 answer" in note and ".rest.jsonl" in note for note in trip.notes
    )
    assert any("1 ties stand in their own table" in note for note in trip.notes)


# -- real files: people's judgements, and what the tools themselves make of ours --------------------------------------


@pytest.fixture(scope="module")
def crowd(data: Path) -> list[Judgement]:
    """1,029 judgements of people."""
    with (data / "rule_plausibility" / "judgements.csv").open(encoding="utf-8", newline="") as file:
        return [
            Judgement(
                Query(Kind.COMPARE_HYPOTHESES, (row["r1"], row["r2"])), Answer(grade=int(row["pref_r1"])), row["worker"]
            )
            for row in csv.DictReader(file)
        ]


@pytest.mark.parametrize("name", FORMATS)
def test_people_survive(name: str, crowd: list[Judgement], tmp_path: Path) -> None:
    back, rest = there_and_back(name, crowd, tmp_path)
    assert len(crowd) == 1029
    if name != "choix":
        assert told([*back, *rest]) == told(crowd)
    assert len(rest) == (sum(j.answer.grade == 0 for j in crowd) if name in ("choix", "crowd-kit", PAIRS[-1]) else 0)


def test_choix_fits_what_we_fit(crowd: list[Judgement], tmp_path: Path) -> None:
    export(crowd, FORMATS["choix"], tmp_path / "pairs.json")
    found = json.loads((tmp_path / "pairs.json").read_text("utf-8"))
    theirs = choix.opt_pairwise(found["n_items"], found["pairs"], alpha=0.1)
    said = [j for j in crowd if j.answer.grade]
    pairs = [j.query.hypotheses if (j.answer.grade or 0) > 0 else j.query.hypotheses[::-1] for j in said]
    ours = bradley_terry([(a, b) for a, b in pairs], found["items"], precision=0.2)
    np.testing.assert_allclose(ours.scores, theirs - theirs.mean(), atol=1e-5)


@pytest.mark.filterwarnings("ignore")  # what the library warns of is its own affair
def test_the_datasets_library_loads_both_folders(crowd: list[Judgement], tmp_path: Path) -> None:
    from datasets import load_dataset

    sent = [*crowd[:50], *PROBES.values()]
    export(sent, FORMATS["datasets"], tmp_path / "folder")
    found = load_dataset(str(tmp_path / "folder"), cache_dir=str(tmp_path / "cache"))["train"]
    assert len(found) == len(sent)
    assert found[0]["hypotheses"] == list(sent[0].query.hypotheses)
    assert [row["judge"] for row in found] == [j.judge for j in sent]
    assert json.loads(found[-1]["question"]) == X
    export(crowd, FORMATS["trl"], tmp_path / "trl")
    file = str(tmp_path / "trl" / trl.PREFERENCES)
    rows = load_dataset("json", data_files=file, cache_dir=str(tmp_path / "cache"))["train"]
    assert {"prompt", "chosen", "rejected"} <= set(rows.column_names)
    assert len(rows) == sum(j.answer.grade != 0 for j in crowd)


def test_pandas_reads_the_crowd_kit_table(crowd: list[Judgement], tmp_path: Path) -> None:
    export(crowd, FORMATS["crowd-kit"], tmp_path / "pairs.csv")
    rows = pl.read_csv(tmp_path / "pairs.csv")
    assert {"worker", "left", "right", "label"} <= set(rows.columns)
    assert ((rows["label"] == rows["left"]) | (rows["label"] == rows["right"])).all()


# -- other tools' files ----------------------------------------------------------------------------------------------


def written(folder: Path, content: object, name: str = "theirs.json") -> Path:
    path = folder / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def test_trl_as_its_documentation_has_it(tmp_path: Path) -> None:
    """huggingface.co/docs/trl/dataset_formats: standard, implicit prompt, conversational."""
    plain = [{"prompt": "The sky is", "chosen": " blue.", "rejected": " green."}]
    implicit = [{"chosen": "The sky is blue.", "rejected": "The sky is green."}]
    talk = [{
        "prompt": [{"role": "user", "content": "What colour is the sky?"}],
        "chosen": [{"role": "assistant", "content": "It is blue."}],
        "rejected": [{"role": "assistant", "content": "It is green."}],
    }]  # fmt: skip
    for rows, sides in ((plain, (" blue.", " green.")), (implicit, ("The sky is blue.", "The sky is green.")),
                        (talk, ("It is blue.", "It is green."))):  # fmt: skip
        read = FORMATS["trl"].read(written(tmp_path, rows))
        assert read.judgements == (Judgement(Query(Kind.COMPARE_HYPOTHESES, sides), Answer(grade=1), "unknown"),)
        assert any("prompts are not kept" in note for note in read.notes)
    pl.DataFrame([{**plain[0], "score_chosen": 0.5}]).write_parquet(tmp_path / "theirs.parquet")
    read = FORMATS["trl"].read(tmp_path / "theirs.parquet")
    assert read.judgements[0].answer.grade == 1
    assert any("score_chosen" in note for note in read.notes)


def test_label_studio_as_it_exports(tmp_path: Path) -> None:
    """With the template's names, annotators by number and by address, a skip, a silent one, and predictions."""
    task = {
        "id": 1, "project": 83, "created_at": "2021-03-09T21:52:49.513742Z", "data": {"text1": "a", "text2": "b"},
        "annotations": [
            {"id": 1001, "completed_by": 10, "was_cancelled": False, "lead_time": 4.25, "result": [{
                "id": "Dx", "type": "pairwise", "from_name": "pw", "to_name": "text1,text2",
                "value": {"selected": "right"},
            }]},
            {"completed_by": {"id": 2, "email": "ann@example.org"}, "was_cancelled": True, "result": []},
            {"completed_by": 10, "result": []},
        ],
        "predictions": [{"model_version": "m", "result": []}],
    }  # fmt: skip
    read = FORMATS["label-studio"].read(written(tmp_path, [task]))
    assert [j.judge for j in read.judgements] == ["10", "ann@example.org", "10"]
    assert [j.answer for j in read.judgements] == [
        Answer(grade=-1),
        Answer(Outcome.SKIPPED),
        Answer(Outcome.UNREADABLE),
    ]
    assert read.judgements[0].seconds == 4.25
    assert any("1 predictions" in note for note in read.notes)
    assert any("1 annotations choose neither" in note for note in read.notes)


def test_tasks_of_ours_that_were_in_label_studio_and_judged_there_too() -> None:
    """What Label Studio 1.23.2 exported: three tasks of ours under `CONFIG`, each judged again there by account 1."""
    read = FORMATS["label-studio"].read(Path(__file__).parent / "golden" / "exchange" / "label_studio.json")
    foul, red = ("If the odour is foul, it is poisonous.", "If the cap is red, it is poisonous.")
    rules = Query(Kind.COMPARE_HYPOTHESES, (foul, red))
    answers = Query(Kind.COMPARE_ANSWERS, (foul,), {"odour": "foul", "height": None}, ("p", "e"), purpose="likelihood")
    lengths = Query(Kind.COMPARE_HYPOTHESES, ("short", "long"))
    assert list(map(whole, read.judgements)) == [
        (Judgement(rules, Answer(grade=2), "ann", 0.5), 4.25),
        (Judgement(rules, Answer(Outcome.SKIPPED), "ann2"), 0.0),
        (Judgement(rules, Answer(grade=-1), "1"), 3.5),
        (Judgement(answers, Answer(grade=-1), "ann"), 0.0),
        (Judgement(answers, Answer(Outcome.SKIPPED), "1"), 2.5),
        (Judgement(lengths, Answer(grade=0), "ann"), 1.5),
        (Judgement(lengths, Answer(grade=0), "1"), 2.5),
    ]
    assert read.notes == ()


def test_a_task_of_ours_judged_anew_in_label_studio_comes_back_with_the_new_judgement(tmp_path: Path) -> None:
    export([Judgement(ANSWERED, Answer(grade=2), "ann")], FORMATS["label-studio"], tmp_path / "tasks.json")
    [task] = json.loads((tmp_path / "tasks.json").read_text("utf-8"))
    for name in re.findall(r'value="\$(\w+)"', label_studio.CONFIG):
        assert isinstance(task["data"][name], str), "the configuration shows a member that tasks lack"
    task["annotations"] = [{"completed_by": {"email": "bob"}, "result": [
        {"type": "pairwise", "from_name": "better", "to_name": "left,right", "value": {"selected": "right"}},
        {"type": "choices", "from_name": "how", "to_name": "left", "value": {"choices": [label_studio.MUCH]}},
    ]}]  # fmt: skip
    read = FORMATS["label-studio"].read(written(tmp_path, [task]))
    assert read.judgements == (Judgement(ANSWERED, Answer(grade=-2), "bob"),)


def test_argilla_as_it_flattens(tmp_path: Path) -> None:
    """Keys as `GenericIO._record_to_dict(flatten=True)` writes them; missing ones are null."""
    record = {
        "id": "external-id-0", "_server_id": "8986eef4", "status": "completed", "source": "web",
        "left": "a", "right": "b",
        "preference.responses": ["left", "tie", None, "right"], "preference.responses.users": ["u1", "u2", "u3", "u4"],
        "preference.responses.status": ["submitted", "submitted", "discarded", "draft"],
        "preference.suggestion": "left", "preference.suggestion.score": 0.9, "preference.suggestion.agent": "m",
    }  # fmt: skip
    other = {**dict.fromkeys(record), "id": "1", "left": "c", "right": "d"}
    read = FORMATS["argilla"].read(written(tmp_path, [record, other]))
    assert [(j.judge, j.answer) for j in read.judgements] == [
        ("u1", Answer(grade=1)), ("u2", Answer(grade=0)), ("u3", Answer(Outcome.SKIPPED)),
    ]  # fmt: skip
    assert "1 drafts" in " ".join(read.notes)
    assert "1 suggestions" in " ".join(read.notes)
    assert "source" in " ".join(read.notes)


def test_a_file_that_argilla_made(tmp_path: Path) -> None:
    """Records of argilla 2.8.0, by its own `GenericIO.to_list(records, flatten=True)`."""
    read = FORMATS["argilla"].read(Path(__file__).parent / "golden" / "exchange" / "argilla.json")
    one, two = (f"00000000-0000-0000-0000-00000000000{i}" for i in (1, 2))
    assert [(j.judge, j.answer) for j in read.judgements] == [
        (one, Answer(grade=1)), (two, Answer(grade=-2)), (one, Answer(grade=0)), (two, Answer(Outcome.SKIPPED)),
    ]  # fmt: skip
    assert read.judgements[0].query.hypotheses[0] == "If the odour is foul, it is poisonous."
    assert read.notes[:2] == ("1 drafts and pending responses were left out", "1 suggestions of models were left out")
    assert read.notes[2].endswith(": 'source'")


def test_summaries_as_published(tmp_path: Path) -> None:
    row = {
        "info": {"id": "t3_1", "post": "Long.", "title": "T", "subreddit": "r", "site": None, "article": None},
        "summaries": [{"text": " a", "policy": "sup2", "note": ""}, {"text": " b", "policy": "ref", "note": ""}],
        "choice": 1, "worker": "w1", "batch": "batch3", "split": "train", "extra": {"confidence": 7},
    }  # fmt: skip
    read = FORMATS["summarize-from-feedback"].read(written(tmp_path, json.dumps(row) + "\n" + json.dumps(row)))
    assert read.judgements == (Judgement(Query(Kind.COMPARE_HYPOTHESES, (" a", " b")), Answer(grade=-1), "w1"),) * 2
    assert any("confidence of 2" in note for note in read.notes)


def test_crowd_kit_as_its_pages_show(tmp_path: Path) -> None:
    path = written(tmp_path, "question,worker,left,right,label\nq1,w1,a,b,a\nq1,w2,a,b,b\n", "theirs.csv")
    read = FORMATS["crowd-kit"].read(path)
    assert [(j.judge, j.answer.grade) for j in read.judgements] == [("w1", 1), ("w2", -1)]
    assert any("question" in note for note in read.notes)


def test_a_csv_saved_again_by_a_spreadsheet_is_still_read(tmp_path: Path) -> None:
    export([*PROBES.values()], FORMATS["csv"], tmp_path / "ours.csv")
    with (tmp_path / "ours.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    with (tmp_path / "again.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";").writerows(rows)
    assert FORMATS["csv"].read(tmp_path / "again.csv").judgements == tuple(PROBES.values())


# -- spreadsheets ----------------------------------------------------------------------------------------------------


@given(texts)
def test_escaping_is_undone(text: str) -> None:
    assert unescaped(escaped(text)) == text
    assert not escaped(text).lstrip(" ").startswith(tuple("=+-@\t\r\n＝＋－＠"))


@given(texts | st.from_regex(r"[=+@' -]*[0-9.,e+-]*", fullmatch=True))
def test_a_harmless_cell_is_no_formula_and_a_number_stays_one(text: str) -> None:
    cell = harmless(text)
    assert unescaped(cell) == text
    assert re.fullmatch(r"[+-][0-9.,]*(e[+-]?[0-9]+)?", cell, re.I) or cell == escaped(text)


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(("", "+")))
def test_a_number_is_harmless_as_it_is(number: float, sign: str) -> None:
    text = str(number) if number < 0 else sign + str(number)
    assert harmless(text) == text


@pytest.mark.parametrize("name", ["csv", "crowd-kit"])
def test_no_cell_is_a_formula(name: str, tmp_path: Path) -> None:
    formulas = [
        '=HYPERLINK("http://x","y")',
        "+1",
        "-2+3+cmd|' /C calc'!A0",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        " =1",
        "＝1",
        "\n=1",
    ]
    for i, text in enumerate(formulas):
        sent = [Judgement(Query(Kind.COMPARE_HYPOTHESES, (text, "plain")), Answer(grade=-1), text)]
        export(sent, FORMATS[name], tmp_path / f"{i}.csv")
        raw = (tmp_path / f"{i}.csv").read_bytes()
        assert raw.startswith(b"\xef\xbb\xbf")
        with (tmp_path / f"{i}.csv").open(encoding="utf-8-sig", newline="") as file:
            for cell in (cell for row in csv.reader(file) for cell in row):
                assert re.fullmatch(r"-?[0-9.]+", cell) or not cell.lstrip().startswith(tuple("=+-@＝＋－＠")), cell
        assert FORMATS[name].read(tmp_path / f"{i}.csv").judgements == tuple(sent)


def test_a_cell_that_excel_would_cut_is_told_of(tmp_path: Path) -> None:
    sent = [Judgement(Query(Kind.BET, ("x" * 40_000,), heads=1), Answer(less_likely=True), "ann")]
    assert any("40000 characters" in note for note in export(sent, FORMATS["csv"], tmp_path / "a.csv").notes)
    assert FORMATS["csv"].read(tmp_path / "a.csv").judgements == tuple(sent)
