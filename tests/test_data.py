"""D and D′ as columns: what goes in comes out, in the order asked for, and is known by its fingerprint."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitative.data import Feature, FeatureKind, Labelled, Table, WordIndex
from imitative.testing import labelled, questions, spaces, tables

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


@few
@given(st.data(), st.floats(0.05, 0.95), st.integers(0, 2**32 - 1))
def test_a_split_loses_and_repeats_nothing(data: st.DataObject, share: float, seed: int) -> None:
    size = data.draw(st.integers(1, 30))
    feature = Feature("i", FeatureKind.NUMERIC, "the i")
    table = Table.of([feature], [{"i": float(i)} for i in range(size)])
    whole = Labelled(table, np.arange(size) % 2, ("p", "e"))
    kept, held = whole.split(share, seed)
    found = [*kept.table.numbers("i"), *held.table.numbers("i")]
    assert sorted(found) == list(range(size))
    assert len(held) == (max(1, round(share * size)) if size > 1 else 0)
    for part in (kept, held):
        np.testing.assert_array_equal(part.answers, part.table.numbers("i").astype(int) % 2)
    again = whole.split(share, seed)[1].table.numbers("i")
    np.testing.assert_array_equal(again, held.table.numbers("i"))


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
