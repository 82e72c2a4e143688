"""One column → one feature: what it holds is inferred from D and D′, or stated."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitative.columns import Stated
from imitative.data import FeatureKind
from imitative.reading import Data, read_table
from imitative.row_filter import RowTest
from imitative.rows import Source, read_rows
from tests.tables import Columns, columns_of, given_text, read, refused, write_csv


def kinds(folder: Path, cells: Sequence[str], **settings: Any) -> tuple[FeatureKind, tuple[str, ...]]:
    rows = [[cell, "ep"[i % 2]] for i, cell in enumerate(cells)]
    path = folder / "kinds.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["x", "class"], *rows])
    data = read(Source(path, missing=settings.pop("missing", ())), **settings)
    return data.unlabelled.features[0].kind, data.notes


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2.5", "-3e4", ".5", "NaN", "+7"], FeatureKind.NUMERIC),
        (["yes", "no"], FeatureKind.BOOLEAN),
        (["True", "False", ""], FeatureKind.BOOLEAN),
        (["0", "1"], FeatureKind.BOOLEAN),
        (["0", "1", "2"], FeatureKind.NUMERIC),
        (["007", "010"], FeatureKind.CATEGORICAL),
        (["red", "light blue"], FeatureKind.CATEGORICAL),
        (["?", "a"], FeatureKind.CATEGORICAL),
        (
            ["A film that nobody should see, let alone twice in one week, with or without friends." * 2, "Good."],
            FeatureKind.TEXT,
        ),
        ([f"a nice day {i}" for i in range(30)], FeatureKind.TEXT),
    ],
)
def test_kinds_are_inferred(tmp_path: Path, cells: Sequence[str], kind: FeatureKind) -> None:
    assert kinds(tmp_path, cells)[0] is kind


def test_mixed_types_are_categorical_and_remarked_on(tmp_path: Path) -> None:
    kind, notes = kinds(tmp_path, ["1", "2", "3", "many"])
    assert kind is FeatureKind.CATEGORICAL
    assert any("mixes numbers" in note and "'many'" in note for note in notes)
    assert kinds(tmp_path, ["1", "2", "3", "many"], missing=("many",))[0] is FeatureKind.NUMERIC


MANY = [f"C{i:03}" for i in range(60)]
DATES = [f"2019-{1 + i % 12:02}-{1 + i // 12:02}" for i in range(60)]
names = st.from_regex(r"[A-M][0-9]{3,5}", fullmatch=True)


@settings(max_examples=10, deadline=None)
@given(ids=st.lists(names, min_size=21, max_size=40, unique=True), rows=st.integers(2, 21))
def test_identifiers_leave_the_other_columns_as_they_are(folder: Path, ids: list[str], rows: int) -> None:
    """Whatever names the rows, D and D′ read as if it was not there, and a person is told how to keep it."""
    others = {"colour": ["red", "blue", "green"] * 14}

    def both(columns: Columns) -> Data:
        cut = {"d.csv": rows, "d2.csv": len(ids)}
        return read(*(columns_of(folder, name, {k: v[:n] for k, v in columns.items()}) for name, n in cut.items()))

    with_ids, without = both({"id": ids, **others}), both(others)
    assert with_ids.labelled.fingerprint == without.labelled.fingerprint
    assert with_ids.unlabelled.fingerprint == without.unlabelled.fingerprint
    assert any("'id'" in note and 'kind = "categorical"' in note for note in with_ids.notes)


@pytest.mark.parametrize("cells", [MANY, DATES])
def test_who_wants_an_identifier_says_so(tmp_path: Path, cells: list[str]) -> None:
    source = columns_of(tmp_path, "a.csv", {"x": cells, "colour": ["red", "blue"] * 30})

    def used(**settings: Any) -> list[str]:
        return [feature.name for feature in read(source, **settings).unlabelled.features]

    assert used() == ["colour"]
    assert used(stated={"x": Stated(FeatureKind.CATEGORICAL)}) == ["x", "colour"]
    assert used(kept=["x"]) == ["x", "colour"]  # as the names of pictures are
    assert used(stated={"x": Stated(words={cells[0]: "the first"})}) == ["x", "colour"]
    assert used(only=["x", "colour"]) == ["x", "colour"]
    refused(source, "no column to use", '[features."x"] kind = "categorical"', leave_out=["colour"])


def test_words_that_repeat_are_no_identifiers(tmp_path: Path) -> None:
    towns = [f"town {i % 25}" for i in range(60)]
    few = columns_of(tmp_path, "few.csv", {"x": towns[:26]})
    many = columns_of(tmp_path, "many.csv", {"x": towns})
    assert read(few, many).unlabelled.features[0].name == "x"
    assert read(many, few).unlabelled.features[0].name == "x"
    days = columns_of(tmp_path, "days.csv", {"x": DATES[:10] * 3})
    assert any("'x' holds dates" in note for note in read(days).notes)


def test_columns_that_say_nothing_are_remarked_on(tmp_path: Path) -> None:
    d = given_text(tmp_path, "same,lost,won,mark,class\na,1,,x,e\na,2,,,p\n")
    d2 = given_text(tmp_path, "same,lost,won,mark\na,,1,x\na,,2,\n", "b.csv")
    data = read(d, d2)
    said = {name: [note for note in data.notes if f"'{name}'" in note] for name in ("same", "lost", "won", "mark")}
    assert [f.name for f in data.unlabelled.features] == ["same", "lost", "won", "mark"]
    assert ["'a' in every row" in note for note in said["same"]] == [True]
    assert ["empty in all of D′" in note for note in said["lost"]] == [True]
    assert ["empty in all of D:" in note for note in said["won"]] == [True]
    assert said["mark"] == []  # a cross or nothing tells rows apart


def test_codes_that_nobody_has_said_the_meaning_of_are_remarked_on(tmp_path: Path) -> None:
    source = given_text(tmp_path, "hair,smell,size,class\n0,f,big,e\n1,n,small,p\n0,n,big,e\n")
    [note] = [note for note in read(source).notes if "look like codes" in note]
    assert "columns 'hair', 'smell': values like '0'" in note
    assert '[features."hair"] phrases' in note
    said = {"hair": Stated(phrases={"0": "it has no hair", "1": "it has hair"})}
    [note] = [note for note in read(source, stated=said).notes if "look like codes" in note]
    assert "column 'smell': values like 'f'" in note
    said["smell"] = Stated(words={"f": "foul", "n": "absent"})
    assert not any("look like codes" in note for note in read(source, stated=said).notes)


decimals = st.lists(st.floats(-1e6, 1e6).map(lambda x: round(x, 2)), min_size=4, max_size=4)


def with_commas(cells: Sequence[Any]) -> list[str]:
    return [str(cell).replace(".", ",") for cell in cells]


@settings(max_examples=25, deadline=None)
@given(cells=decimals, separator=st.sampled_from(";\t|,"))
def test_decimal_commas_read_as_points_do(folder: Path, cells: list[float], separator: str) -> None:
    """Said, whatever separates the cells; unsaid, wherever no comma does."""
    columns: dict[str, Sequence[Any]] = {"x": cells, "class": list("epep")}
    write_csv(folder / "points.csv", columns, separator)
    write_csv(folder / "commas.csv", {**columns, "x": with_commas(cells)}, separator)
    points = read(Source(folder / "points.csv", separator=separator))
    commas = Source(folder / "commas.csv", separator=separator)
    said = read(replace(commas, decimal=","))
    assert said.labelled.fingerprint == points.labelled.fingerprint
    unsaid = read(commas)
    if separator != ",":
        assert unsaid.labelled.fingerprint == points.labelled.fingerprint
        assert any("decimal commas" in note for note in unsaid.notes)
        known = read_table(commas, points.unlabelled.features)
        assert known.table.fingerprint == points.unlabelled.fingerprint
        assert any("decimal commas" in note and "kind =" not in note for note in known.notes)
    at_least = (RowTest("x", at_least=min(cells)),)
    assert len(read_rows(replace(commas, decimal=",", where=at_least)).numbers) == 4
    if separator != ",":
        assert len(read_rows(replace(commas, where=at_least)).numbers) == 4


def test_decimal_commas_only_where_they_are_beyond_doubt(tmp_path: Path) -> None:
    def kind(*cells: str, **said: Any) -> FeatureKind:
        lines = [f"{cell};{'ep'[i % 2]}" for i, cell in enumerate(cells)]
        source = given_text(tmp_path, "\n".join(["x;class", *lines]), separator=";", decimal=said.pop("decimal", None))
        return read(source, **said).unlabelled.features[0].kind

    assert kind("1,5", "2") is FeatureKind.NUMERIC
    assert kind("1,5", "") is FeatureKind.NUMERIC
    assert kind("1,5", "2", decimal=".") is FeatureKind.CATEGORICAL
    assert kind("1,5", "2", stated={"x": Stated(FeatureKind.CATEGORICAL)}) is FeatureKind.CATEGORICAL
    assert kind("1,5", "2.5") is FeatureKind.CATEGORICAL
    assert kind("1,5", "much") is FeatureKind.CATEGORICAL
    assert kind("1,234", "2,500") is FeatureKind.CATEGORICAL  # thousands, perhaps
    assert kind("1,234", "2,500", decimal=",") is FeatureKind.NUMERIC
    assert kind("0,234", "2,500") is FeatureKind.NUMERIC


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["1,234.5", "2.0", "3.0"], "write 1234.5"),
        (["1.234,5", "2.0", "3.0"], "write 1234.5"),
        (["1,234", "2,500", "7"], 'write 1234, without signs between thousands, or say decimal = ","'),
        (["12 345", "7"], "write 12345"),
        (["2 kg", "3 kg", "4"], "leave the number alone"),
        (["2 kg", "3,5 kg", "?"], "leave the number alone"),
        (["5 %", "7 %"], "leave the number alone"),
        (["€5", "€7.50"], "leave the number alone"),
        (["1,5", "2.5"], 'decimal = ","'),
    ],
)
def test_no_advice_throws_a_number_away(tmp_path: Path, cells: list[str], said: str) -> None:
    kind, notes = kinds(tmp_path, cells)
    assert kind is FeatureKind.CATEGORICAL
    assert any(said in note for note in notes), notes
    assert not any("missing =" in note for note in notes)
    refused(columns_of(tmp_path, "b.csv", {"x": cells}), said, stated={"x": Stated(FeatureKind.NUMERIC)})


def test_codes_are_no_numbers_with_units(tmp_path: Path) -> None:
    for cells in (["1a", "2a"], ["3x4", "2"], ["A 1", "A 2"], ["10-20", "20-30"]):
        assert not any("unit" in note or "thousands" in note for note in kinds(tmp_path, cells)[1])


def test_kinds_can_be_stated(tmp_path: Path) -> None:
    said = {"x": Stated(kind=FeatureKind.ORDINAL, values=("3", "1", "2"))}
    assert kinds(tmp_path, ["1", "2", "3"], stated=said)[0] is FeatureKind.ORDINAL
    source = given_text(tmp_path, "x,class\n1,e\n4,p\n")
    refused(source, "row 2, column 'x'", "'4'", stated=said)
    refused(source, "x.values", stated={"x": Stated(kind=FeatureKind.ORDINAL)})
    refused(
        given_text(tmp_path, "x,class\n1,e\nhigh,p\n"),
        "row 2, column 'x'",
        "'high'",
        "a number",
        stated={"x": Stated(kind=FeatureKind.NUMERIC)},
    )
    refused(
        given_text(tmp_path, "x,class\na,e\nb,p\nc,p\n"),
        "two for a boolean",
        stated={"x": Stated(kind=FeatureKind.BOOLEAN)},
    )


def test_values_are_those_of_d_of_d2_and_of_the_problem(tmp_path: Path) -> None:
    d = given_text(tmp_path, "odor,class\nf,p\nn,e\n")
    d2 = given_text(tmp_path, "odor\nm\nf\nNA\n", "b.csv")
    said = {"odor": Stated(words={"c": "creosote"}, phrases={"n": "it has no smell"}, values=("s",))}
    data = read(d, d2, stated=said)
    feature = data.labelled.table.feature("odor")
    assert feature.values == ("s", "c", "f", "m", "n")
    assert data.unlabelled.row(2) == {"odor": None}
    assert data.unlabelled.row(0) == {"odor": "m"}


def test_a_marker_among_the_values_is_a_value(tmp_path: Path) -> None:
    text = "country,class\nNA,p\nFR,e\n"
    assert read(given_text(tmp_path, text)).unlabelled.row(0) == {"country": None}
    said = {"country": Stated(words={"NA": "Namibia"})}
    assert read(given_text(tmp_path, text), stated=said).unlabelled.row(0) == {"country": "NA"}


def test_an_empty_column_is_left_out_and_remarked_on(tmp_path: Path) -> None:
    data = read(given_text(tmp_path, "x,y,class\n1,,e\n2,NaN,p\n"))
    assert [f.name for f in data.unlabelled.features] == ["x"]
    assert any("'y' is empty" in note for note in data.notes)
