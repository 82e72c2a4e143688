"""D and D′ as columns: what goes in comes out, in the order asked for, and is known by its fingerprint."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitative.data import Feature, FeatureKind, Labelled, Table, WordIndex
from imitative.hypotheses.conditions import Condition, Relation
from imitative.hypotheses.statements import Hypothesis, Statement, Strength
from imitative.problem import Problem
from imitative.records import Value
from imitative.testing import labelled, problems, questions, spaces, tables

few = settings(max_examples=25)


@few
@given(st.data())
def test_questions_come_out_as_they_went_in(data: st.DataObject) -> None:
    space = data.draw(spaces())
    rows = data.draw(st.lists(questions(space), max_size=6))
    table = Table.of(space.features, rows)
    assert len(table) == len(rows)
    assert [table.row(i) for i in range(len(rows))] == rows


@few
@given(st.data())
def test_taking_rows_is_taking_questions(data: st.DataObject) -> None:
    space = data.draw(spaces())
    table = data.draw(tables(space, fewest=1))
    rows = data.draw(st.lists(st.integers(0, len(table) - 1), max_size=8))
    assert [table.take(rows).row(i) for i in range(len(rows))] == [table.row(row) for row in rows]


@few
@given(st.data())
def test_the_same_questions_in_the_same_order_have_the_same_fingerprint(data: st.DataObject) -> None:
    space = data.draw(spaces())
    table = data.draw(tables(space, fewest=1))
    rows = [table.row(i) for i in range(len(table))]
    assert Table.of(space.features, rows).fingerprint == table.fingerprint
    order = data.draw(st.permutations(range(len(table))))
    same = [rows[i] for i in order] == rows
    assert (table.take(order).fingerprint == table.fingerprint) == same
    assert Table.of(space.features, [*rows, rows[0]]).fingerprint != table.fingerprint


@few
@given(st.data())
def test_answers_are_part_of_the_fingerprint_of_examples(data: st.DataObject) -> None:
    space = data.draw(spaces())
    known = data.draw(labelled(space))
    other = known.answers.copy()
    other[0] = (other[0] + 1) % len(known.names)
    assert Labelled(known.table, other, known.names).fingerprint != known.fingerprint
    assert Labelled(known.table, known.answers.copy(), known.names).fingerprint == known.fingerprint


def test_a_data_frame_s_gap_in_a_text_is_no_word() -> None:
    table = Table.of([Feature("note", FeatureKind.TEXT, "the note")], [{"note": float("nan")}, {"note": "nan bread"}])
    assert table.row(0) == {"note": None}
    assert table.row(1) == {"note": "nan bread"}


def test_a_question_from_a_program_is_read_as_a_file_would_be() -> None:
    dry = Feature("dry", FeatureKind.BOOLEAN, "it", values=("false", "true"))
    year = Feature("year", FeatureKind.ORDINAL, "the year", values=("2018", "2019"))
    depth = Feature("depth", FeatureKind.NUMERIC, "the depth")
    rows: list[dict[str, Value]] = [
        {"dry": True, "year": 2019.0, "depth": 1},
        {"dry": "no", "year": "soon", "depth": None, "note": "x"},
    ]
    table = Table.of([dry, year, depth], rows)
    assert table.row(0) == {"dry": "true", "year": "2019", "depth": 1.0}
    assert table.row(1) == {"dry": None, "year": None, "depth": None}
    with pytest.raises(ValueError, match=r"no question says 'depth'; did you mean 'dept'"):
        Table.of([depth, dry], [{"dept": 2.0}])
    with pytest.raises(ValueError, match=r"'depth' holds numbers: .*deep"):
        Table.of([depth], [{"depth": "deep"}])
    assert Table.of([depth], [{"page": 3, "depth": "NA"}]).row(0) == {"depth": None}
    assert Table.of([replace(depth, name="age"), dry], [{"page": 3, "dry": True}]).row(0) == {
        "age": None,
        "dry": "true",
    }


def test_a_question_kept_from_long_ago_is_read_as_far_as_it_can_be() -> None:
    depth, size = (Feature(name, FeatureKind.NUMERIC, "it") for name in ("depth", "size"))
    every: list[dict[str, Value]] = [{"dept": 2.0, "size": 1.0}, {"depth": "deep", "size": 1.0}]
    for kept in every:
        assert Table.of([depth, size], [kept], strict=False).row(0) == {"depth": None, "size": 1.0}


@pytest.mark.parametrize(
    ("answers", "names", "told"),
    [
        ([0], ("p", "e"), "one to each of 2 rows"),
        ([0, 2], ("p", "e"), "0 to 2: give indices of the 2"),
        ([-1, 0], ("p", "e"), "-1 to 0"),
        ([0.0, 1.0], ("p", "e"), "float64"),
        ([0, 1], ("p", "p"), "twice"),
    ],
)
def test_labels_that_are_none_are_refused(answers: list[float], names: tuple[str, ...], told: str) -> None:
    table = Table.of([Feature("i", FeatureKind.NUMERIC, "the i")], [{"i": 0.0}, {"i": 1.0}])
    with pytest.raises(ValueError, match=told):
        Labelled(table, np.array(answers), names)


@few
@given(problems())
def test_a_problem_s_parts_are_of_one_another(problem: Problem) -> None:
    fewer = Table(problem.space.features[1:], problem.unlabelled.columns)
    with pytest.raises(ValueError, match="D′ has the features"):
        replace(problem, unlabelled=fewer)
    first, *rest = problem.space.features
    kind = FeatureKind.NUMERIC if first.kind is FeatureKind.TEXT else FeatureKind.TEXT
    other = (replace(first, kind=kind), *rest)
    with pytest.raises(ValueError, match="D has the features"):
        replace(problem, labelled=replace(problem.labelled, table=Table(other, problem.labelled.table.columns)))
    strange = Statement((Condition("another", Relation.IS, ("x",)),), problem.answers[0], Strength.HINT)
    for z in (Hypothesis((), "another"), Hypothesis((strange,), problem.answers[0])):
        with pytest.raises(ValueError, match="candidates: not of the space"):
            replace(problem, candidates=(z,))
    with pytest.raises(ValueError, match="they must be the same"):
        replace(problem, spoken={"another": "it is another"})


def test_an_example_is_a_question_with_its_answer() -> None:
    feature = Feature("f", FeatureKind.CATEGORICAL, "the f", values=("a", "b"))
    known = Labelled(Table.of([feature], [{"f": "a"}, {"f": None}]), np.array([1, 0]), ("p", "e"))
    assert (known.example(0).question, known.example(0).answer) == ({"f": "a"}, "e")
    assert (known.example(1).question, known.example(1).answer) == ({"f": None}, "p")


def test_columns_have_one_length() -> None:
    features = (Feature("a", FeatureKind.NUMERIC, "the a"), Feature("b", FeatureKind.NUMERIC, "the b"))
    with pytest.raises(ValueError, match="columns differ in length"):
        Table(features, {"a": np.zeros(2), "b": np.zeros(3)})


def test_a_table_without_features_is_empty() -> None:
    assert len(Table((), {})) == 0
    assert Table((), {}).fingerprint


def test_an_unknown_value_reads_as_missing() -> None:
    feature = Feature("f", FeatureKind.CATEGORICAL, "the f", values=("a", "b"))
    assert Table.of([feature], [{"f": "c"}, {}]).codes("f").tolist() == [-1, -1]


@few
@given(st.lists(st.text(alphabet="ab .n't,not", max_size=20), max_size=6))
def test_a_word_index_lists_each_row_once_in_order(texts: list[str]) -> None:
    index = WordIndex.build(texts)
    assert index.size == len(texts)
    for rows in (*index.plain.values(), *index.negated.values()):
        assert rows.tolist() == sorted(set(rows.tolist()))
        assert len(rows) > 0
    said = {word for words in (index.plain, index.negated) for word in words}
    for word in said:
        saying = {*index.rows(word).tolist(), *index.rows(word, negated=True).tolist()}
        assert all(word in texts[row] for row in saying)
    assert index.rows("nobody says this").tolist() == []
