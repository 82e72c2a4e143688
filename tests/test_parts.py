"""Columns found in others."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from imitative.columns import Stated
from imitative.data import FeatureKind
from imitative.parts import Part
from imitative.row_filter import RowTest
from imitative.rows import Source, read_rows, written_like
from tests.tables import given_text, read, refused, write_json_lines

REVIEWS = "text,class\nfine: 7/10,e\n3/10 or 4/10,p\nno grade,p\n,e\n"
GRADE = Part("grade", "text", r"([0-9]+)/10")


def test_a_part_of_a_text_is_a_feature(tmp_path: Path) -> None:
    found = read(given_text(tmp_path, REVIEWS, parts=(GRADE,)), stated={"text": Stated(FeatureKind.TEXT)})
    table = found.labelled.table
    assert [(feature.name, feature.kind) for feature in table.features] == [
        ("text", FeatureKind.TEXT),
        ("grade", FeatureKind.NUMERIC),
    ]
    np.testing.assert_array_equal(table.numbers("grade"), [7.0, 3.0, np.nan, np.nan])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(alphabet="ab1/0 ", max_size=12), min_size=1, max_size=8))
def test_a_part_is_what_python_finds_too(folder: Path, cells: list[str]) -> None:
    write_json_lines(folder / "parts.jsonl", {"text": cells})
    parts = (GRADE, Part("whole", "text", "[ab]+"), Part("inner", "whole", "b"))
    frame = read_rows(Source(folder / "parts.jsonl", parts=parts)).frame
    for i, cell in enumerate(cells):
        grade, whole = re.search(GRADE.pattern, cell), re.search("[ab]+", cell)
        assert frame["grade"][i] == (grade.group(1) if grade else None)
        assert frame["whole"][i] == (whole.group() if whole else None)
        assert frame["inner"][i] == ("b" if whole and "b" in whole.group() else None)


def test_a_part_is_a_cell_like_any_other(tmp_path: Path) -> None:
    """White space around it goes, and what says nothing holds no part."""
    text = "text,class\nfine: 7 /10,e\nNA,p\n?,p\n"
    parts = (Part("grade", "text", "( [0-9]+ )/10"), Part("letter", "text", "."))
    frame = read_rows(given_text(tmp_path, text, parts=parts, missing=("?",))).frame
    assert frame["grade"].to_list() == ["7", None, None]
    assert frame["letter"].to_list() == ["f", None, None]


def test_parts_that_cannot_be(tmp_path: Path) -> None:
    second = given_text(tmp_path, "text,class,known\n1/10,e,e\n2/10,p,p\n", "b.csv")
    for column, truth in (("class", None), ("known", "known")):
        parts = (Part("leak", column, "."),)
        first = given_text(tmp_path, "text,class,known\n1/10,e,e\n2/10,p,p\n", parts=parts)
        refused(first, "leak", "the answer's column", second=replace(second, parts=parts), truth=truth)
    nowhere = given_text(tmp_path, REVIEWS, parts=(Part("grade", "text", "([0-9]) stars"),))
    refused(nowhere, "grade", "found in no row", "a pattern that some row holds")


def test_another_file_need_not_hold_what_no_feature_is_found_in(tmp_path: Path) -> None:
    parts = (GRADE, Part("whole", "text", "[a-z]+"), Part("inner", "whole", "[a-e]"))
    said = given_text(
        tmp_path, REVIEWS.replace("class", "size,class").replace(",e", ",1,e").replace(",p", ",2,p"), parts=parts
    )
    assert [part.name for part in read(said, only=["size"]).origin.source.parts] == []
    found = read(said, only=["size", "inner"])
    assert [part.name for part in found.origin.source.parts] == ["whole", "inner"]
    assert not any("ignored" in note and "text" in note for note in found.notes)


def test_rows_are_kept_by_what_is_found_in_them_and_another_file_is_read_alike(tmp_path: Path) -> None:
    where = (RowTest("grade", at_least=3.0),)
    said = given_text(tmp_path, REVIEWS, parts=(GRADE,), where=where)
    assert read_rows(said).numbers.tolist() == [1, 2]
    again = written_like(said.path, json.loads(json.dumps(said.written())))
    assert read_rows(again).frame["grade"].to_list() == ["7", "3", None, None]
    before = said.written()
    del before["parts"]  # as a run from before there were parts tells it
    assert read_rows(written_like(said.path, before)).frame.columns == ["text", "class"]
