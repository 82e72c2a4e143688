"""Files that mean harm, or were merely damaged: one line that names the file and the remedy, and nothing written."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitative.errors import InputError
from imitative.exchange.trips import FORMATS, export, import_file
from imitative.records import Answer, Judgement, Kind, Query, Value

MORE = 4 if os.environ.get("SLOW", "0") not in ("", "0") else 1
"""How many times as many examples are tried where there is time."""
X: dict[str, Value] = {"colour": "red", "size": 2.5}
SENT = [
    Judgement(Query(Kind.COMPARE_HYPOTHESES, ("a", "b")), Answer(grade=2), "ann", 0.5, 7.0),
    Judgement(Query(Kind.COMPARE_ANSWERS, ("z",), X, ("p", "e")), Answer(grade=-1), "bob"),
]
OK = {"kind": "compare_hypotheses", "hypotheses": ["a", "b"], "grade": 1, "judge": "ann"}
TASK: dict[str, Any] = {"data": {"left": "a", "right": "b"}, "annotations": [{"completed_by": 1, "result": []}]}
RECORD = {"left": "a", "right": "b", "better.responses": ["left"], "better.responses.users": ["u"]}
SUMMARY = {"summaries": [{"text": "a"}, {"text": "b"}], "choice": 0, "worker": "w", "extra": {}}


def pairwise(selected: object) -> dict[str, Any]:
    """A Label Studio task with this selection."""
    result = [{"type": "pairwise", "value": {"selected": selected}}]
    return {**TASK, "annotations": [{"completed_by": 1, "result": result}]}


def table(**columns: object) -> bytes:
    """A CSV of one row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns))
    writer.writeheader()
    writer.writerow(columns)
    return text.getvalue().encode()


def parquet(**columns: object) -> bytes:
    """A parquet file of one row."""
    packed = io.BytesIO()
    pl.DataFrame({name: [value] for name, value in columns.items()}).write_parquet(packed)
    return packed.getvalue()


ANYWHERE: dict[str, bytes] = {
    "empty": b"",
    "white space": b" \n\t\n",
    "a word": b"banana",
    "null": b"null",
    "a number": b"42",
    "true": b"true",
    "a text": b'"banana"',
    "an empty object": b"{}",
    "an empty list": b"[]",
    "a list of lists": b"[[[]]]",
    "a list of nulls": b"[null]",
    "NaN": b'{"grade": NaN}',
    "infinity": b'[{"ratio": Infinity}]',
    "a number too large": b'[{"ratio": 1e999}]',
    "a number of 5,000 digits": b'{"repeat": ' + b"9" * 5_000 + b"}",
    "100,000 brackets": b"[" * 100_000,
    "60 objects deep": b'{"a":' * 60 + b"1" + b"}" * 60,
    "the same name twice": b'{"kind": "odds", "kind": "bet"}',
    "a NUL": b'{"kind": "\\u0000"}',
    "half a surrogate pair": b'{"kind": "\\ud800"}',
    "not UTF-8": b'{"kind": "\xff\xfe\xfd"}',
    "UTF-16": '{"kind": "odds"}'.encode("utf-16"),
    "cut off": b'[{"kind": "compare_hypotheses", "hypo',
    "a page": b"<!doctype html><html><body>404</body></html>",
    "an archive": b"PK\x03\x04" + bytes(range(256)),
    "a parquet file without inside": b"PAR1" + b"\0" * 50 + b"PAR1",
    "a pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94.",
    "5 MB of one line": b"x" * 5_000_000,
    "an open quotation mark": b'kind,judge\n"odds,ann\n',
}
"""Nonsense to every format."""

PARTICULAR: dict[str, tuple[str, bytes]] = {
    "unknown kind": ("jsonl", json.dumps({**OK, "kind": "guess"}).encode()),
    "no judge": ("jsonl", json.dumps({**OK, "judge": " "}).encode()),
    "one side": ("jsonl", json.dumps({**OK, "hypotheses": ["a"]}).encode()),
    "sides that are no texts": ("jsonl", json.dumps({**OK, "hypotheses": [1, None]}).encode()),
    "a grade of 3": ("jsonl", json.dumps({**OK, "grade": 3}).encode()),
    "a grade of true": ("jsonl", json.dumps({**OK, "grade": True}).encode()),
    "a grade of 0.5": ("jsonl", json.dumps({**OK, "grade": 0.5}).encode()),
    "two answers at once": ("jsonl", json.dumps({**OK, "ratio": 2.0}).encode()),
    "a skip with an answer": ("jsonl", json.dumps({**OK, "outcome": "skipped"}).encode()),
    "an unknown member": ("jsonl", json.dumps({**OK, "__class__": "os.system"}).encode()),
    "odds of 0": ("jsonl", json.dumps({**OK, "kind": "odds", "grade": None, "ratio": 0}).encode()),
    "odds below 0": ("jsonl", json.dumps({**OK, "kind": "odds", "grade": None, "ratio": -1.5}).encode()),
    "a bet without heads": (
        "jsonl", json.dumps({**OK, "kind": "bet", "hypotheses": ["a"], "grade": None, "less_likely": True}).encode(),
    ),
    "a choice among none": (
        "jsonl",
        json.dumps({**OK, "kind": "answer", "hypotheses": ["a"], "question": X, "grade": None, "choice": "p"}).encode(),
    ),
    "a question of lists": (
        "jsonl",
        json.dumps({**OK, "kind": "compare_answers", "hypotheses": ["z"], "question": {"a": []}, "answers": ["p", "e"]})
        .encode(),
    ),
    "a negative cost": ("jsonl", json.dumps({**OK, "cost": -1}).encode()),
    "a repetition of 1.5": ("jsonl", json.dumps({**OK, "repeat": 1.5}).encode()),
    "a selection of both": ("label-studio", json.dumps([pairwise("both")]).encode()),
    "a selection of null": ("label-studio", json.dumps([pairwise(None)]).encode()),
    "a task without texts": ("label-studio", json.dumps([{**TASK, "data": {"image": "x.png"}}]).encode()),
    "annotations that are none": ("label-studio", json.dumps([{**TASK, "annotations": "none"}]).encode()),
    "made-up judges": ("label-studio", json.dumps([{"data": {**TASK["data"], "imitative_by": "[1]"}}]).encode()),
    "an unknown label": ("argilla", json.dumps([{**RECORD, "better.responses": ["upwards"]}]).encode()),
    "fewer judges than responses": ("argilla", json.dumps([{**RECORD, "better.responses": ["left", "tie"]}]).encode()),
    "responses that are no list": ("argilla", json.dumps([{**RECORD, "better.responses": "left"}]).encode()),
    "two questions": (
        "argilla", json.dumps([{"left": "a", "right": "b", "one.responses": [], "two.responses": []}]).encode(),
    ),
    "three summaries": (
        "summarize-from-feedback", json.dumps({**SUMMARY, "summaries": [{"text": "a"}] * 3}).encode(),
    ),
    "a choice of 2": ("summarize-from-feedback", json.dumps({**SUMMARY, "choice": 2}).encode()),
    "a choice of false": ("summarize-from-feedback", json.dumps({**SUMMARY, "choice": False}).encode()),
    "an item that is not there": ("choix", json.dumps({"items": ["a", "b"], "pairs": [[0, 2]]}).encode()),
    "an item of -1": ("choix", json.dumps({"items": ["a", "b"], "pairs": [[0, -1]]}).encode()),
    "an item of true": ("choix", json.dumps({"items": ["a", "b"], "pairs": [[0, True]]}).encode()),
    "three in a pair": ("choix", json.dumps({"items": ["a", "b"], "pairs": [[0, 1, 0]]}).encode()),
    "a label that is neither side": ("crowd-kit", table(worker="w", left="a", right="b", label="c")),
    "sides that are the same": ("crowd-kit", table(worker="w", left="a", right="a", label="a")),
    "no column of labels": ("crowd-kit", table(worker="w", left="a", right="b")),
    "a column twice": ("crowd-kit", b"worker,left,right,label,left\nw,a,b,a,a\n"),
    "a row too short": ("crowd-kit", b"worker,left,right,label\nw,a,b\n"),
    "a NUL in a cell": ("crowd-kit", b"worker,left,right,label\nw,a\0,b,a\0\n"),
    "a question that is no JSON": ("csv", table(kind="answer", judge="a", instructions="z", question="{", choice="p")),
    "a grade in words": ("csv", table(kind="compare_hypotheses", judge="a", first="x", second="y", grade="much")),
    "a grade of infinity": ("csv", table(kind="compare_hypotheses", judge="a", first="x", second="y", grade="1e999")),
    "perhaps": ("csv", table(kind="bet", judge="a", instructions="z", heads="1", less_likely="perhaps")),
    "chosen without rejected": ("trl", json.dumps([{"prompt": "p", "chosen": "a"}]).encode()),
    "an empty conversation": ("trl", json.dumps([{"chosen": [], "rejected": []}]).encode()),
    "a conversation of words": ("trl", json.dumps([{"chosen": ["a"], "rejected": ["b"]}]).encode()),
    "what travelled beside, cut": ("trl", json.dumps([{"chosen": "a", "rejected": "b", "imitative": "{"}]).encode()),
    "what travelled beside, of another make": (
        "trl", json.dumps([{"chosen": "a", "rejected": "b", "imitative": '{"hypotheses": ["x"]}'}]).encode(),
    ),
    "what travelled beside, as an object": (
        "trl", json.dumps([{"chosen": "a", "rejected": "b", "imitative": {"much": True}}]).encode(),
    ),
    "parquet with other columns": ("datasets", parquet(text="a")),
    "parquet with a question of bytes": ("datasets", parquet(**{**OK, "question": b"{}"})),
    "parquet with a question that is no JSON": ("datasets", parquet(**{**OK, "question": "{"})),
}  # fmt: skip
"""Nonsense to one format."""


def refused(file: Path, name: str, out: Path) -> None:
    with pytest.raises(InputError) as error:
        import_file(file, name, out)
    line = str(error.value)
    assert line.startswith(str(file))
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    assert len(line) < 1000
    assert not out.exists()


@pytest.mark.parametrize("name", FORMATS)
def test_nonsense_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    for i, content in enumerate(ANYWHERE.values()):
        for ending in ("json", "parquet"):
            file = tmp_path / f"{i}.{ending}"
            file.write_bytes(content)
            refused(file, name, tmp_path / "out")


@pytest.mark.parametrize("what", PARTICULAR)
def test_near_sense_is_refused_in_one_line(what: str, tmp_path: Path) -> None:
    name, content = PARTICULAR[what]
    (tmp_path / "file").write_bytes(content)
    refused(tmp_path / "file", name, tmp_path / "out")


def test_there_are_enough_kinds_of_nonsense() -> None:
    assert len(ANYWHERE) + len(PARTICULAR) >= 75


@pytest.mark.parametrize("name", FORMATS)
def test_paths_that_lead_nowhere(name: str, tmp_path: Path) -> None:
    refused(tmp_path / "nothing", name, tmp_path / "out")
    (tmp_path / "folder").mkdir()
    refused(tmp_path / "folder", name, tmp_path / "out")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", name, tmp_path / "out")
    with pytest.raises(InputError, match=r"null byte|no such file"):
        import_file(Path("a\0b"), name, tmp_path / "out")


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=15 * MORE)
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A byte changed, cut off or put in, anywhere."""
    folder = tmp_path_factory.mktemp("damaged")
    export(SENT, FORMATS[name], folder / "whole")
    [*files] = [file for file in (folder / "whole").rglob("*") if file.is_file()] or [folder / "whole"]
    file = data.draw(st.sampled_from(sorted(files)))
    content = file.read_bytes()
    at = data.draw(st.integers(0, max(0, len(content) - 1)))
    put = data.draw(
        st.binary(max_size=3) | st.sampled_from([b'"', b"{", b"[", b"null", b"\\", b",", b"-1", b"\n", b"\0"])
    )
    file.write_bytes(content[:at] + put + content[at + data.draw(st.integers(0, 3)) :])
    try:
        read = FORMATS[name].read(folder / "whole")
    except InputError as error:
        assert str(error).startswith(str(folder))
        assert str(error).isprintable()
    else:
        assert all(isinstance(judgement.query.key, str) for judgement in read.judgements)


@pytest.mark.parametrize("name", ["jsonl", "argilla", "label-studio", "summarize-from-feedback", "choix"])
@settings(max_examples=15 * MORE)
@given(data=st.data())
def test_any_value_in_any_place_is_read_or_refused(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("changed")
    export(SENT[:1], FORMATS[name], folder / "whole")
    root = json.loads((folder / "whole").read_text("utf-8"))
    places: list[tuple[Any, Any]] = []
    walk = [root]
    while walk:
        here = walk.pop()
        for key, value in here.items() if isinstance(here, dict) else enumerate(here):
            places.append((here, key))
            if isinstance(value, dict | list):
                walk.append(value)
    holder, key = data.draw(st.sampled_from(places))
    holder[key] = data.draw(_any_json)
    (folder / "changed").write_text(json.dumps(root), "utf-8")
    try:
        FORMATS[name].read(folder / "changed")
    except InputError as error:
        assert str(error).startswith(str(folder))


_any_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


# -- writing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_is_overwritten(name: str, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept", "utf-8")
    with pytest.raises(InputError, match="something there already"):
        export(SENT, FORMATS[name], tmp_path / "mine")
    assert (tmp_path / "mine").read_text("utf-8") == "kept"
    export(SENT, FORMATS[name], tmp_path / "theirs")
    import_file(tmp_path / "theirs", name, tmp_path / "said")
    with pytest.raises(InputError, match="something there already"):
        import_file(tmp_path / "theirs", name, tmp_path / "said")


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_what_no_file_can_hold_is_not_written(text: str, tmp_path: Path) -> None:
    for name in FORMATS:
        with pytest.raises(InputError, match="judgement 1"):
            export([Judgement(SENT[0].query, SENT[0].answer, text)], FORMATS[name], tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_an_unknown_format_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'choix'"):
        import_file(tmp_path, "choi", tmp_path / "out")
