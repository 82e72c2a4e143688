"""problem.toml ↔ objects: what a file may say, what it becomes, and how every mistake in one is named."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from imitative.beliefs.problem_file import BeliefFile
from imitative.config import load_problem
from imitative.data import Feature, FeatureKind, Table
from imitative.describing import describe
from imitative.errors import InputError
from imitative.hypotheses.vocabulary import cut_points, vocabulary
from imitative.loaded import LoadedProblem
from imitative.problem_file import FeatureSection, ProblemFile, _models, read_problem_file, row_tests
from imitative.records import Kind, Query
from imitative.row_filter import RowTest

Toml = dict[str, Any]

ROWS = """colour,size,note,where,class
r,1,a bad thing,here,p
g,2,not a bad thing,here,e
r,3,bad,here,p
b,4,good,there,e
r,5,a good thing,there,p
"""
NAMES = """"orig","friendly"
"colour=r","hue is <i>red</i>"
"colour=g","hue is <i>green</i>"
"colour=b","it has <i>no colour</i>"
"taste=s","taste is <i>sweet</i>"
"""
RATINGS = "orig,rating\ncolour,10\ncolour,1\nsize,10\nweight,5\nsize,\n"

PROBLEM: Toml = {
    "problem": {"name": "small", "question": "Is it poisonous?", "seed": 3, "budget": 20},
    "answers": {"e": "it is edible", "p": "it is poisonous"},
    "labelled": {"file": "rows.csv", "answer": "class", "where": {"where": "here"}},
    "unlabelled": {"where": {"where": {"not": "here"}}, "truth": "class"},
    "features": {
        "leave_out": ["where"],
        "names": {"file": "names.csv"},
        "size": {"spoken": "the size", "unit": "cm"},
        "note": {"kind": "text", "spoken": "the note"},
    },
    "space": {"statements": 4, "words": {"from": "data", "minimum": 2}},
    "overseer": {
        "kind": "simulated",
        "believes": [
            "If the hue is red, it is poisonous (strong evidence).",
            "If the size is below 2 cm, it is edible (a hint).",
        ],
        "relevance": {"note": 0.5},
        "relevance_file": "ratings.csv",
        "covers": {"colour": {"red": ["green"]}},
        "careless": 0.0,
        "noise": 0.0,
    },
}


def toml(value: Any) -> str:
    """A value as TOML writes it, tables inline."""
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"{json.dumps(key, ensure_ascii=False)} = {toml(each)}" for key, each in value.items())
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def write(folder: Path, problem: Any, name: str = "problem.toml") -> Path:
    path = folder / name
    text = problem if isinstance(problem, str) else "".join(f"{toml(key)} = {toml(problem[key])}\n" for key in problem)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("problem")
    for name, text in {"rows.csv": ROWS, "names.csv": NAMES, "ratings.csv": RATINGS}.items():
        (made / name).write_text(text)
    return made


@pytest.fixture(autouse=True)
def _no_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IMITATIVE_DATA", raising=False)


def changed(**sections: Any) -> Toml:
    """The problem with some keys of some sections replaced; None removes."""
    problem = copy.deepcopy(PROBLEM)
    for name, section in sections.items():
        if not isinstance(section, dict):
            problem[name] = section
            continue
        problem.setdefault(name, {}).update(section)
        for key in [key for key, value in section.items() if value is None]:
            del problem[name][key]
    return problem


def in_one_line(error: InputError) -> str:
    message = str(error)
    assert "\n" not in message
    assert message.isprintable()
    return message


def refused(folder: Path, problem: Any, *said: str, data: Path | None = None) -> str:
    with pytest.raises(InputError) as caught:
        load_problem(write(folder, problem), data)
    message = in_one_line(caught.value)
    for part in said:
        assert part in message, message
    return message


# -- what it becomes --------------------------------------------------------------------------------------------------


def test_a_problem(folder: Path) -> None:
    loaded = load_problem(write(folder, PROBLEM))
    problem = loaded.problem
    assert (loaded.seed, loaded.budget, problem.name) == (3, 20, "small")
    assert (len(problem.labelled), len(problem.unlabelled)) == (3, 2)
    assert problem.answers == ("e", "p")
    assert loaded.truth is not None
    assert loaded.truth.answers.tolist() == [0, 1]
    assert [f.name for f in problem.space.features] == ["colour", "size", "note"]
    assert problem.space.cuts == {"size": (2.0, 3.0, 4.0, 5.0)}
    assert problem.space.words == {"note": ("bad", "good", "thing")}
    assert problem.space.limits.statements == 4
    assert load_problem(folder).problem.fingerprint == problem.fingerprint
    assert load_problem(folder, seed=8).seed == 8


def test_names_from_a_table(folder: Path) -> None:
    feature = load_problem(write(folder, PROBLEM)).problem.labelled.table.feature("colour")
    assert feature.spoken == "the hue"
    assert feature.words == {"r": "red", "g": "green", "b": "no colour"}
    assert feature.phrases == {"b": "it has no colour"}
    said = changed(
        features={"colour": {"spoken": "the paint", "words": {"r": "crimson"}, "phrases": {"b": "it is clear"}}}
    )
    said["overseer"] = {"kind": "simulated"}
    feature = load_problem(write(folder, said)).problem.labelled.table.feature("colour")
    assert (feature.spoken, feature.word("r"), feature.word("g")) == ("the paint", "crimson", "green")
    assert feature.phrases == {"b": "it is clear"}


def test_the_simulated_person_knows_what_the_file_says(folder: Path) -> None:
    overseer: Any = load_problem(write(folder, PROBLEM)).build_overseer(7)
    assert overseer.seed == 7
    assert [statement.answer for statement in overseer.believes] == ["p", "e"]
    # colour: mean 5.5 of 1 … 10 is half-way between −2 and 1; size: 10; what the file itself says wins.
    assert overseer.relevance == pytest.approx({"colour": -0.5, "size": 1.0, "note": 0.5})
    assert overseer.covers == {("colour", "r"): frozenset({"g"})}
    assert overseer.careless == 0.0
    query = Query(
        Kind.COMPARE_HYPOTHESES,
        (
            "If the hue is red, it is poisonous (strong evidence).\nBy default, it is edible (a hint).",
            "If the hue is red, it is edible (strong evidence).\nBy default, it is edible (a hint).",
        ),
    )
    (judgement,) = asyncio.run(overseer.judge([query]))
    assert judgement.answer.grade == 2


def test_recorded_people(folder: Path) -> None:
    pytest.importorskip("imitative.overseers.recorded")
    (folder / "lexicon.txt").write_text('bad\t-2.5\t0.8\t[-3, -2]\ngood\t1.9\t0.9\t[2, 1]\n:"(\t-1\t1\t[]\n')
    ratings = {"file": "lexicon.txt", "columns": ["w", "mean", "sd", "all"], "separator": "\t", "quote": ""}
    overseer = {"kind": "recorded", "ratings": ratings | {"item": "w", "rating": "mean", "spread": "sd"}}
    loaded = load_problem(write(folder, changed() | {"overseer": overseer}))
    notes = describe(loaded)["notes"]  # what could not be used is told before anything is asked
    assert set(getattr(loaded.build_overseer(0), "notes", ())) <= set(notes)
    assert any("rated items are neither features nor words" in note for note in notes)
    refused(
        folder,
        changed() | {"overseer": {"kind": "recorded"}},
        "overseer",
        "neither judgements nor comparisons nor ratings",
    )
    missing = ratings | {"file": "nope.txt", "item": "w", "rating": "mean"}
    refused(
        folder, changed() | {"overseer": {"kind": "recorded", "ratings": missing}}, "nope.txt", "no such file; expected"
    )


def test_a_unit_is_one_line(folder: Path) -> None:
    sections = changed(features={"size": {"unit": "c\nm"}}) | {"overseer": {"kind": "simulated"}}
    assert load_problem(write(folder, sections)).problem.space.feature["size"].unit == "c m"


def test_d2_may_be_another_file(folder: Path) -> None:
    (folder / "other.json").write_text('[{"colour": "v", "size": 9, "note": "x", "class": "p"}]')
    loaded = load_problem(write(folder, changed(unlabelled={"file": "other.json", "where": None})))
    assert loaded.problem.unlabelled.row(0) == {"colour": "v", "size": 9.0, "note": "x"}
    assert "v" in loaded.problem.labelled.table.feature("colour").values


def test_a_problem_without_truth(folder: Path) -> None:
    assert load_problem(write(folder, changed(unlabelled={"truth": None}))).truth is None


def test_a_byte_order_mark(folder: Path) -> None:
    path = write(folder, "\ufeff" + "".join(f"{toml(key)} = {toml(PROBLEM[key])}\n" for key in PROBLEM))
    assert load_problem(path).seed == 3


def test_where() -> None:
    where = {"a": "g", "b": ["x", 2], "c": {"not": "g"}, "d": {"at_least": 3, "below": 10.5}, "e": True}
    assert row_tests(where, "w") == (
        RowTest("a", any_of=("g",)),
        RowTest("b", any_of=("x", 2)),
        RowTest("c", none_of=("g",)),
        RowTest("d", at_least=3, below=10.5),
        RowTest("e", any_of=("true",)),
    )
    assert row_tests({"a": {"missing": True}}, "w") == (RowTest("a", missing=True),)


def test_cut_points_part_the_numbers() -> None:
    rng = np.random.default_rng(0)
    for most in (1, 3, 8):
        for numbers in (rng.normal(size=500), rng.integers(0, 5, 100).astype(float), rng.lognormal(0, 9, 50)):
            cuts = cut_points(numbers, most)
            groups = np.bincount(np.searchsorted(cuts, numbers, side="right"), minlength=len(cuts) + 1)
            assert 0 < len(cuts) <= most
            assert list(cuts) == sorted(set(cuts))
            assert groups.min() > 0
    assert cut_points(np.array([np.nan, 2.0, 2.0]), 4) == ()
    assert cut_points(np.array([]), 4) == ()


def test_a_problem_file_in_another_encoding_is_told_to_be_utf_8(folder: Path) -> None:
    path = write(folder, changed())
    path.write_bytes(path.read_text("utf-8").encode("latin-1", "replace") + b"# \xe9\n")
    with pytest.raises(InputError, match="expected TOML, which is UTF-8; save it as UTF-8"):
        load_problem(path)


def test_vocabulary_counts_rows_not_words() -> None:
    feature = Feature("t", FeatureKind.TEXT, "it")
    tables = [
        Table.of([feature], [{"t": text} for text in texts]) for texts in (["bad bad", "not bad"], ["a 7 dog", "7"])
    ]
    assert vocabulary("t", tables, 2, 10) == ("bad",)
    assert vocabulary("t", tables, 1, 10) == ("bad", "dog", "not")
    assert vocabulary("t", tables, 1, 2) == ("bad", "dog")
    assert vocabulary("t", tables, 2, 10, {"dog", "cat"}) == ("bad", "dog")  # what people rated, if it is there at all
    assert vocabulary("t", tables, 1, 1, {"dog"}) == ("dog",)


# -- paths ------------------------------------------------------------------------------------------------------------


def test_data_paths(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = changed(labelled={"file": "data:rows.csv"})
    refused(folder, problem, "labelled.file", "--data DIR", "IMITATIVE_DATA")
    path = write(folder, problem)
    assert len(load_problem(path, folder).problem.labelled) == 3
    monkeypatch.setenv("IMITATIVE_DATA", str(folder))
    assert len(load_problem(path).problem.labelled) == 3
    assert len(load_problem(path, tmp_path).problem.labelled) == 3  # not in the one, but in the other
    assert (
        len(load_problem(write(folder, changed(labelled={"file": "${IMITATIVE_DATA}/rows.csv"}))).problem.labelled) == 3
    )
    refused(folder, changed(labelled={"file": "data:row.csv"}), "no such file", "did you mean 'rows.csv'?")


def test_paths_that_cannot_be(folder: Path) -> None:
    refused(folder, changed(labelled={"file": "https://example.org/a.csv"}), "labelled.file", "a path on this machine")
    refused(folder, changed(labelled={"file": "${IMITATIVE_DATA}/a.csv"}), "labelled.file", "IMITATIVE_DATA")
    refused(folder, changed(labelled={"file": "package:no_such_thing/a.csv"}), "no installed package 'no_such_thing'")
    refused(folder, changed(labelled={"file": "a\0.csv"}), "labelled.file")
    refused(folder, changed(labelled={"file": "x" * 5000}), "xxx", "too long")


def test_relative_paths_start_at_the_problem(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(folder, PROBLEM)
    monkeypatch.chdir(tmp_path)
    assert len(load_problem(os.path.relpath(path)).problem.labelled) == 3


def test_a_name_that_is_nothing(tmp_path: Path) -> None:
    problems = pytest.importorskip("imitative.problems")
    if not hasattr(problems, "BUILTIN"):
        pytest.skip("no built-in problems yet")
    with pytest.raises(InputError) as caught:
        load_problem("nonsense")
    assert all(name in str(caught.value) for name in problems.BUILTIN)
    with pytest.raises(InputError, match="no such file"):
        load_problem(tmp_path / "none.toml")
    with pytest.raises(InputError):
        load_problem("a\0b")


@pytest.mark.parametrize("name", ["huskies", "finite"])
def test_built_in_problems(name: str) -> None:
    problems = pytest.importorskip("imitative.problems")
    if not hasattr(problems, "BUILTIN"):
        pytest.skip("no built-in problems yet")
    loaded = load_problem(name, seed=5)
    assert isinstance(loaded, LoadedProblem)
    assert loaded.seed == 5


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"problem": {"nam": "x"}}, ["problem.toml: problem:", "'nam'", "did you mean 'name'?"]),
        ({"problem": {"name": None}}, ["problem.name", "nothing"]),
        ({"problem": {"name": "../up"}}, ["problem.name", "letters"]),
        ({"problem": {"budget": -1}}, ["problem.budget", "-1", "greater than or equal to 1"]),
        ({"problem": {"budget": 0}}, ["problem.budget", "0", "greater than or equal to 1"]),
        ({"problem": {"budget": "many"}}, ["problem.budget", "'many'", "integer"]),
        ({"problem": {"seed": True}}, ["problem.seed", "True", "integer"]),
        ({"problem": 5}, ["problem:", "5"]),
        ({"answers": {"p": None}}, ["answers", "at least 2"]),
        ({"answers": {"p": " "}}, ["answers.p", "a line of printable text"]),
        ({"answers": {"p": "it is edible"}}, ["both", "it is edible"]),
        ({"labelled": {"answer": "klass"}}, ["no column 'klass'", "did you mean 'class'?"]),
        ({"labelled": {"file": "row.csv"}}, ["row.csv", "no such file", "did you mean 'rows.csv'?"]),
        ({"labelled": {"where": {"were": "x"}}}, ["no column 'were'", "did you mean 'where'?"]),
        ({"labelled": {"where": {"where": {"nto": "x"}}}}, ["labelled.where.where", "'nto'", "did you mean 'not'?"]),
        ({"labelled": {"where": {"size": {"below": "x"}}}}, ["labelled.where.size.below", "'x'", "a number"]),
        ({"labelled": {"where": {"size": []}}}, ["labelled.where.size", "an empty list"]),
        ({"labelled": {"where": {"where": "nowhere"}}}, ["no row", "'here', 'there'"]),
        ({"labelled": {"encoding": "klingon"}}, ["encoding", "'klingon'"]),
        ({"labelled": {"separator": ";;"}}, ["labelled.separator", "at most 1 character"]),
        ({"unlabelled": {"truth": "klass"}}, ["truth", "no column 'klass'"]),
        ({"features": {"leave_out": ["colur"]}}, ["features.leave_out", "did you mean 'colour'?"]),
        ({"features": {"colur": {"spoken": "x"}}}, ["features", "'colur'", "did you mean 'colour'?"]),
        ({"features": {"colour": {"spokn": "x"}}}, ["features.colour", "'spokn'", "did you mean 'spoken'?"]),
        ({"features": {"leaveout": ["where"]}}, ["features.leaveout", "dictionary"]),
        ({"features": {"colour": {"kind": "colour"}}}, ["features.colour.kind", "'categorical'"]),
        ({"features": {"colour": {"kind": "numeric"}}}, ["column 'colour'", "'r'", "a number"]),
        ({"features": {"colour": {"spoken": "the size"}}}, ["the size"]),
        ({"features": {"grade": {"part_of": {"column": "nota", "pattern": "x"}}}}, ["'nota'", "did you mean 'note'?"]),
        ({"features": {"note": {"part_of": {"column": "size", "pattern": "x"}}}}, ["'note' already", "rename"]),
        ({"features": {"grade": {"part_of": {"column": "note"}}}}, ["features.grade.part_of.pattern", "add the key"]),
        (
            {"features": {"grade": {"part_of": {"column": "note", "pattern": "(a"}}}},
            ["features.grade.part_of.pattern", "unclosed group", "a regular expression"],
        ),
        (
            {"features": {"grade": {"part_of": {"column": "note", "pattern": "(a)(b)"}}}},
            ["features.grade.part_of.pattern", "2 groups", "at most one group"],
        ),
        ({"overseer": {"kind": "simulated", "tolerance": 1e-300}}, ["overseer.tolerance", "greater than or equal"]),
        ({"features": {"names": {"file": "rows.csv"}}}, ["features.names.value", "no column 'orig'"]),
        (
            {"features": {"names": {"file": "names.csv", "value": "friendly"}}},
            ["features.names: row 1", "FEATURE=VALUE"],
        ),
        ({"space": {"statements": 0}}, ["space.statements", "0", "greater than or equal to 1"]),
        ({"space": {"words": {"from": ["Two words"]}}}, ["space.words.from[0]", "one word"]),
        ({"space": {"words": {"from": 3}}}, ["space.words.from", "3"]),
        ({"space": {"words": {"mininum": 3}}}, ["space.words", "did you mean 'minimum'?"]),
        ({"overseer": {"kind": "simulate"}}, ["overseer.kind", "'simulate'", "'simulated' or 'recorded' or 'people'"]),
        ({"overseer": {"kind": None}}, ["overseer.kind", "nothing"]),
        ({"overseer": {"belives": []}}, ["overseer", "did you mean 'believes'?"]),
        (
            {"overseer": {"believes": ["Red is bad."]}},
            ["overseer.believes[0]", "“Red is bad.”", "“If the hue is red, it is edible (moderate evidence).”"],
        ),
        ({"overseer": {"believes": ["x", 3]}}, ["overseer.believes[1]", "3", "string"]),
        ({"overseer": {"careless": 1.5}}, ["overseer.careless", "1.5", "less than 1"]),
        ({"overseer": {"noise": float("nan")}}, ["overseer.noise", "finite"]),
        ({"overseer": {"relevance": {"colr": 1.0}}}, ["overseer.relevance", "did you mean 'colour'?"]),
        ({"overseer": {"relevance_file": {"file": "rows.csv"}}}, ["overseer.relevance_file", "no column 'orig'"]),
        ({"overseer": {"relevance_file": {"file": "ratings.csv", "between": [1, 5]}}}, ["relevance_file", "rating 10"]),
        ({"overseer": {"relevance_file": {"file": "ratings.csv", "between": [5, 1]}}}, ["relevance_file.between"]),
        ({"overseer": {"covers": {"colour": {"redd": []}}}}, ["overseer.covers.colour", "did you mean 'red'?"]),
        ({"labeled": {}}, ["'labeled'", "did you mean 'labelled'?"]),
    ],
)
def test_refused(folder: Path, sections: Toml, said: list[str]) -> None:
    refused(folder, changed(**sections), *said)


def test_toml_that_is_none(folder: Path) -> None:
    refused(folder, "a = 1\nb = [1,\nc = 2\n", "problem.toml", "line 3")
    refused(folder, "a = 1\na = 2\n", "problem.toml", "line 2")
    refused(folder, "a = " + "[" * 5000, "problem.toml")
    refused(folder, "", "problem", "nothing")
    path = write(folder, "")
    path.write_bytes(b'a = "\xff"\n')
    with pytest.raises(InputError, match="offset 5"):
        load_problem(path)


# -- whatever is written, one line comes back -------------------------------------------------------------------------


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    for key, each in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(each, (*path, key))


words = st.text(st.characters(codec="utf-8"), max_size=8)
values = st.recursive(
    st.one_of(st.booleans(), st.integers(-3, 10**20), st.floats(), words, st.sampled_from(["rows.csv", "class", "r"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=4,
)


def broken(path: tuple[Any, ...], how: str, value: Any, key: str) -> Toml:
    problem = copy.deepcopy(PROBLEM)
    *parents, last = path
    parent: Any = problem
    for part in parents:
        parent = parent[part]
    if how == "replace":
        parent[last] = value
    elif how == "remove":
        del parent[last]
    elif isinstance(parent, dict):
        parent[key] = parent.pop(last) if how == "rename" else value
    else:
        parent.append(value)
    return problem


@settings(max_examples=150, deadline=None)
@given(
    path=st.sampled_from(list(places(PROBLEM))),
    how=st.sampled_from(["replace", "remove", "rename", "add"]),
    value=values,
    key=words | st.sampled_from(["class", "file", "where", "kind", "names", "size"]),
)
def test_a_broken_file_is_one_line_or_works(
    folder: Path, path: tuple[Any, ...], how: str, value: Any, key: str
) -> None:
    file = write(folder, broken(path, how, value, key), "broken.toml")
    try:
        load_problem(file).build_overseer(0)
    except InputError as error:
        in_one_line(error)


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, 10**4), junk=st.binary(max_size=5), cut=st.integers(0, 20))
def test_spoilt_bytes_are_one_line_or_work(folder: Path, at: int, junk: bytes, cut: int) -> None:
    data = write(folder, PROBLEM, "spoilt.toml").read_bytes()
    at %= len(data)
    (folder / "spoilt.toml").write_bytes(data[:at] + junk + data[at + cut :])
    try:
        load_problem(folder / "spoilt.toml").build_overseer(0)
    except InputError as error:
        in_one_line(error)


@settings(max_examples=40, deadline=None)
@given(
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,20}", fullmatch=True),
    budget=st.integers(1, 10**6),
    statements=st.integers(1, 50),
    where=st.dictionaries(
        words.filter(bool), st.integers(0, 9) | words | st.lists(words, min_size=1, max_size=3), max_size=3
    ),
)
def test_what_is_written_is_what_is_read(folder: Path, name: str, budget: int, statements: int, where: Toml) -> None:
    problem = changed(
        problem={"name": name, "budget": budget}, space={"statements": statements}, labelled={"where": where}
    )
    found = read_problem_file(write(folder, problem, "round.toml"))
    assert (found.problem.name, found.problem.budget, found.space.statements) == (name, budget, statements)
    assert found.labelled.where == where
    assert {test.column for test in row_tests(where, "w")} == set(where)


# -- the documentation and the examples -------------------------------------------------------------------------------


def keys_of(model: type[BaseModel]) -> set[str]:
    """Every key that a file of this shape may hold, at any depth."""
    own = {field.alias or name for name, field in model.model_fields.items()}
    inner = [section for field in model.model_fields.values() for section in _models(field.annotation)]
    if (extra := model.__annotations__.get("__pydantic_extra__")) is not None:
        assert extra == "dict[str, FeatureSection]"
        inner.append(FeatureSection)
    return own.union(*(keys_of(section) for section in inner))


@pytest.mark.parametrize(
    ("shape", "pages"),
    [
        (ProblemFile, ("problem-file.md", "people.md", "language-models.md")),
        (BeliefFile, ("beliefs.md", "problem-file.md", "people.md")),
    ],
)
def test_every_key_is_documented(shape: type[BaseModel], pages: tuple[str, ...]) -> None:
    text = "\n".join((Path(__file__).resolve().parents[1] / "docs" / page).read_text("utf-8") for page in pages)
    fenced = re.compile(r"^```.*?^```", re.M | re.S)
    said = fenced.findall(text) + re.findall(r"`[^`\n]+`", fenced.sub("", text))
    words = {word for part in said for word in re.findall(r"\w+", part)}
    assert keys_of(shape) - words == set()


def test_the_worked_example_of_the_documentation(tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs" / "problem-file.md").read_text(encoding="utf-8")
    table, problem = page.split("```")[1].strip(), page.split("```toml")[1].split("```")[0]
    (tmp_path / "plants.csv").write_text(table)
    loaded = load_problem(write(tmp_path, problem))
    assert (len(loaded.problem.labelled), len(loaded.problem.unlabelled), loaded.budget) == (4, 2, 100)
    assert loaded.problem.unlabelled.row(1)["smell"] is None
    assert loaded.notes == ()


EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.parametrize(
    ("name", "labelled", "unlabelled", "features"),
    [("mushrooms", 2148, 5976, 21), ("admission", 200, 200, 1), ("reviews", 1707, 245, 2)],
)
def test_examples(name: str, labelled: int, unlabelled: int, features: int) -> None:
    data = os.environ.get("IMITATIVE_TEST_DATA") or str(Path(__file__).parent.parent.parent / "shared" / "data")
    if not Path(data, name).is_dir():
        pytest.skip(f"no {name} data: put the files in ../shared/data")
    if name == "reviews":
        pytest.importorskip("imitative.overseers.recorded")
        pytest.importorskip("vaderSentiment", reason="the lexicon of the reviews example is in vaderSentiment")
    loaded = load_problem(EXAMPLES / name, data)
    assert len(loaded.problem.labelled) == labelled
    assert len(loaded.problem.unlabelled) == unlabelled
    assert len(loaded.problem.space.features) == features
    assert loaded.truth is not None
    assert loaded.build_overseer(0) is not None
