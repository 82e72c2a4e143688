"""Files → D and D′: every format says the same, and everything that cannot be used is named in one line."""

from __future__ import annotations

import csv
import itertools
import json
import math
import os
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitative.cells import MISSING
from imitative.columns import Stated
from imitative.data import FeatureKind
from imitative.errors import InputError
from imitative.parts import Part
from imitative.reading import Data, read_data, read_table
from imitative.row_filter import RowTest
from imitative.rows import Source, read_rows, written_like

Columns = Mapping[str, Sequence[Any]]
PLAIN = "colour,size,class\nred,1,p\nblue,2.5,e\nred,,p\n"


def write_csv(path: Path, columns: Columns, separator: str = ",") -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=separator)
        writer.writerow(columns)
        # A lone empty cell is a blank line unless it is quoted: csv.writer quotes it.
        cells = [
            [str(cell).lower() if isinstance(cell, bool) else cell for cell in column] for column in columns.values()
        ]
        writer.writerows(zip(*cells, strict=True))


def write_json_lines(path: Path, columns: Columns) -> None:
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_json_rows(path: Path, columns: Columns) -> None:
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")


def write_json_columns(path: Path, columns: Columns) -> None:
    path.write_text(json.dumps({name: list(cells) for name, cells in columns.items()}), encoding="utf-8")


def write_parquet(path: Path, columns: Columns) -> None:
    pl.DataFrame({name: list(cells) for name, cells in columns.items()}).write_parquet(path)


WRITERS: dict[str, Callable[[Path, Columns], None]] = {
    "a.csv": write_csv,
    "a.tsv": lambda path, columns: write_csv(path, columns, "\t"),
    "semicolon.csv": lambda path, columns: write_csv(path, columns, ";"),
    "a.jsonl": write_json_lines,
    "rows.json": write_json_rows,
    "columns.json": write_json_columns,
    "a.parquet": write_parquet,
}
SEPARATORS = {"a.csv": ",", "semicolon.csv": ";"}  # stated, since a name such as "," can be taken for one


def given_text(folder: Path, text: str | bytes, name: str = "a.csv", **settings: Any) -> Source:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return Source(path, **settings)


def read(source: Source, second: Source | None = None, **settings: Any) -> Data:
    settings = {"answer": "class", "answers": ("e", "p")} | settings
    return read_data(source, second or source, **settings)


def in_one_line(error: InputError) -> str:
    message = str(error)
    assert "\n" not in message
    assert message.isprintable()
    return message


def refused(source: Source, *said: str, second: Source | None = None, **settings: Any) -> str:
    """The message, which is one line and says all of `said`."""
    with pytest.raises(InputError) as caught:
        read(source, second, **settings)
    message = in_one_line(caught.value)
    for part in said:
        assert part in message, message
    return message


# -- one table, every format ----------------------------------------------------------------------------------------

word = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12).map(str.strip)
# `1,5` is a number between semicolons and may be a list between commas: no format's word.
sayable = word.filter(
    lambda text: (
        text not in MISSING and text.lower().lstrip("+-") not in ("inf", "infinity") and not re.search(r"\d,|,\d", text)
    )
)
number = st.floats(allow_nan=False, allow_infinity=False)
column = st.one_of(
    st.lists(st.none() | sayable, min_size=4, max_size=4),
    st.lists(st.none() | number, min_size=4, max_size=4),
    st.lists(st.none() | st.integers(-5, 5), min_size=4, max_size=4),
    st.lists(st.booleans(), min_size=4, max_size=4),
)
tables = st.dictionaries(sayable.filter(lambda name: name != "class"), column, min_size=1, max_size=4).map(
    lambda columns: {**columns, "class": ["e", "p", "p", "e"]}
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("round")


@settings(max_examples=40, deadline=None)
@given(columns=tables)
def test_every_format_gives_the_same_table(folder: Path, columns: Columns) -> None:
    features = [name for name in columns if name != "class" and any(cell is not None for cell in columns[name])]
    found = {}
    for name, write in WRITERS.items():
        write(folder / name, {key: cells for key, cells in columns.items() if key in (*features, "class")})
        if features:
            found[name] = read(Source(folder / name, separator=SEPARATORS.get(name)))
        else:
            refused(Source(folder / name, separator=SEPARATORS.get(name)), "no column to use as a feature")
    prints = {name: data.labelled.fingerprint for name, data in found.items()}
    assert len(set(prints.values())) <= 1, prints
    for data in found.values():
        for i in range(4):
            for key, cell in data.unlabelled.row(i).items():
                wrote = columns[key][i]
                if isinstance(cell, float):
                    assert cell == float(wrote)
                elif cell is not None and not isinstance(wrote, float):  # floats among codes: 1e20 or 1e+20
                    assert cell == ({True: "true", False: "false"}[wrote] if isinstance(wrote, bool) else str(wrote))
                else:
                    assert wrote is None or isinstance(wrote, float)


@settings(max_examples=150, deadline=None)
@given(junk=st.binary(max_size=60), name=st.sampled_from([*WRITERS, "a.map"]), cut=st.integers(0, 400))
def test_no_file_breaks_the_reader(folder: Path, junk: bytes, name: str, cut: int) -> None:
    """Whole files of junk, and good files with junk in the middle: read, or refused in one line."""
    good: Columns = {"colour": ["red", "blue", "a b"], "size": [1.5, None, 3.0], "class": ["p", "e", "p"]}
    WRITERS.get(name, write_csv)(folder / name, good)
    data = (folder / name).read_bytes()
    for spoilt in (junk, data[: cut % len(data)] + junk + data[cut % len(data) :], data[: cut % len(data)]):
        (folder / name).write_bytes(spoilt)
        try:
            read(Source(folder / name))
        except InputError as error:
            in_one_line(error)


def test_the_order_of_rows_changes_nothing_but_the_order(tmp_path: Path) -> None:
    lines = [f"{colour},{size},{'pe'[size % 2]}" for colour in ("red", "blue", "?") for size in range(4)]
    one = read(given_text(tmp_path, "colour,size,class\n" + "\n".join(lines)))
    turned = read(given_text(tmp_path, "colour,size,class\n" + "\n".join(lines[::-1]), "b.csv"))
    assert one.labelled.table.features == turned.labelled.table.features
    assert one.labelled.take(range(len(lines))[::-1]).fingerprint == turned.labelled.fingerprint


# -- kinds ---------------------------------------------------------------------------------------------------------


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


def columns_of(folder: Path, name: str, columns: Mapping[str, Sequence[str]]) -> Source:
    """A file of these columns, whose answers take turns."""
    write_csv(folder / name, {**columns, "class": ["ep"[i % 2] for i in range(len(next(iter(columns.values()))))]})
    return Source(folder / name)


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


def test_d2_that_is_d_is_remarked_on(tmp_path: Path) -> None:
    source = given_text(tmp_path, "h,x,class\ng,1,p\ng,2,e\nw,3,p\n")
    part = Source(source.path, where=(RowTest("h", any_of=("g",)),))
    assert any("very rows of D" in note for note in read(source).notes)
    assert any("very rows of D" in note for note in read(part, part).notes)
    assert not any("very rows of D" in note for note in read(part, source).notes)


# -- decimal commas ------------------------------------------------------------------------------------------------

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


# -- what works -----------------------------------------------------------------------------------------------------


def test_plain(tmp_path: Path) -> None:
    data = read(given_text(tmp_path, PLAIN), truth="class")
    assert [f.kind for f in data.labelled.table.features] == [FeatureKind.CATEGORICAL, FeatureKind.NUMERIC]
    assert data.labelled.answers.tolist() == [1, 0, 1]
    assert data.truth is not None
    assert data.truth.tolist() == [1, 0, 1]
    assert data.labelled.table.row(2) == {"colour": "red", "size": None}
    assert data.labelled.table.feature("colour").spoken == "the colour"


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf" + PLAIN.encode(),
        PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.replace("\n", "\n\n").encode(),
        PLAIN.replace(",", " , ").encode(),
        PLAIN.replace("red", "r\0ed").encode(),
        PLAIN.replace("red", '"red"').encode(),
        PLAIN.rstrip().encode(),
    ],
    ids=["byte-order mark", "windows lines", "blank lines", "spaces", "NULs", "quotes", "no last line end"],
)
def test_forms_of_the_same_file(tmp_path: Path, text: bytes) -> None:
    expected = read(given_text(tmp_path, PLAIN)).labelled.fingerprint
    assert read(given_text(tmp_path, text, "b.csv")).labelled.fingerprint == expected


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(tmp_path: Path, separator: str) -> None:
    expected = read(given_text(tmp_path, PLAIN)).labelled.fingerprint
    text = PLAIN.replace(",", separator)
    assert read(given_text(tmp_path, text, "b.csv")).labelled.fingerprint == expected
    commas = given_text(tmp_path, text.replace("blue", '"a, b, or c"'), "c.csv")
    assert read(commas).labelled.table.row(1) == {"colour": "a, b, or c", "size": 2.5}


def test_encodings(tmp_path: Path) -> None:
    text = PLAIN.replace("red", "café")
    expected = read(given_text(tmp_path, text)).labelled.fingerprint
    latin = given_text(tmp_path, text.encode("latin-1"), "b.csv")
    offset = text.encode("latin-1").index(b"\xe9")
    refused(latin, "b.csv", f"offset {offset}", 'encoding = "latin-1"')
    assert read(Source(latin.path, encoding="latin-1")).labelled.fingerprint == expected
    wide = given_text(tmp_path, text.encode("utf-16"), "c.csv")
    refused(wide, 'encoding = "utf-16"')
    assert read(Source(wide.path, encoding="utf-16")).labelled.fingerprint == expected
    for name in ("klingon", "rot13", "base64"):
        refused(Source(latin.path, encoding=name), "encoding", name)


def test_a_file_without_column_names(tmp_path: Path) -> None:
    bare = given_text(tmp_path, "red;p\nblue;e\n", separator=";", columns=("colour", "class"))
    assert read(bare).labelled.table.row(0) == {"colour": "red"}


def test_a_quotation_mark_that_is_none(tmp_path: Path) -> None:
    text = 'length\tclass\n7"\tp\n"small\te\n'
    refused(given_text(tmp_path, text, "a.tsv"), "line 3", 'quote = ""')
    assert read(given_text(tmp_path, text, "a.tsv", quote="")).labelled.table.row(1) == {"length": '"small'}


def test_one_row_of_d2(tmp_path: Path) -> None:
    data = read(given_text(tmp_path, PLAIN), given_text(tmp_path, "colour,size\ngreen,3\n", "b.csv"))
    assert len(data.unlabelled) == 1
    assert data.unlabelled.row(0) == {"colour": "green", "size": 3.0}


def test_repeated_rows_are_kept_and_remarked_on(tmp_path: Path) -> None:
    data = read(given_text(tmp_path, PLAIN + "red,1,p\n"))
    assert len(data.labelled) == 4
    assert "D: 1 of 4 rows repeat an earlier one; all are kept" in data.notes


def test_extra_columns_of_d2_are_ignored_and_remarked_on(tmp_path: Path) -> None:
    d2 = given_text(tmp_path, "size,shape,colour\n1,round,red\n2,flat,blue\n", "b.csv")
    data = read(given_text(tmp_path, PLAIN), d2)
    assert [f.name for f in data.unlabelled.features] == ["colour", "size"]
    assert any("'shape'" in note for note in data.notes)


def test_only_and_leave_out(tmp_path: Path) -> None:
    source = given_text(tmp_path, PLAIN)
    assert [f.name for f in read(source, only=["size", "colour"]).unlabelled.features] == ["size", "colour"]
    assert [f.name for f in read(source, leave_out=["size"]).unlabelled.features] == ["colour"]
    refused(source, "no column 'color'", "did you mean 'colour'?", leave_out=["color"])
    refused(source, "features.only", "the answer's column", only=["class"])
    refused(source, "no column to use", leave_out=["size", "colour"])


def test_an_empty_column_is_left_out_and_remarked_on(tmp_path: Path) -> None:
    data = read(given_text(tmp_path, "x,y,class\n1,,e\n2,NaN,p\n"))
    assert [f.name for f in data.unlabelled.features] == ["x"]
    assert any("'y' is empty" in note for note in data.notes)


def test_a_folder_of_texts(tmp_path: Path) -> None:
    for name, text in {"neg/1.txt": "Bad.", "neg/2.txt": "Awful.", "pos/1.txt": "Good."}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    data = read(Source(tmp_path), answer="folder", answers=("neg", "pos"), stated={"text": Stated(FeatureKind.TEXT)})
    assert data.labelled.answers.tolist() == [0, 0, 1]
    assert data.labelled.table.texts("text") == ["Bad.", "Awful.", "Good."]
    assert data.origin.files == ("neg/1.txt", "neg/2.txt", "pos/1.txt")
    where = (RowTest("folder", any_of=("pos",)),)
    assert read_rows(Source(tmp_path, where=where)).files == ("pos/1.txt",)


def test_unknown_truth_is_minus_one(tmp_path: Path) -> None:
    data = read(
        given_text(tmp_path, PLAIN), given_text(tmp_path, "colour,size,class\nred,1,\n", "b.csv"), truth="class"
    )
    assert data.truth is not None
    assert data.truth.tolist() == [-1]


def test_new_questions_for_known_features(tmp_path: Path) -> None:
    features = read(given_text(tmp_path, PLAIN)).labelled.table.features
    found = read_table(given_text(tmp_path, "size,colour\n4,mauve\n,red\n", "b.csv"), features)
    assert [found.table.row(i) for i in range(2)] == [{"colour": "mauve", "size": 4.0}, {"colour": "red", "size": None}]
    assert any("'mauve'" in note and "only what is said of other values" in note for note in found.notes)
    with pytest.raises(InputError, match="no column 'size'") as caught:
        read_table(given_text(tmp_path, "colour\nred\n", "c.csv"), features)
    assert "leave_out" not in str(caught.value)  # the run's features are settled
    with pytest.raises(InputError, match="row 1, column 'size'") as caught:
        read_table(given_text(tmp_path, "colour,size\nred,?\n", "c.csv"), features)
    assert "`missing`" not in str(caught.value)


def test_a_third_value_of_two_reads_as_missing(tmp_path: Path) -> None:
    features = read(given_text(tmp_path, "ripe,class\nyes,e\nno,p\n")).labelled.table.features
    found = read_table(given_text(tmp_path, "ripe\nperhaps\n", "b.csv"), features)
    assert found.table.row(0) == {"ripe": None}
    assert any("'perhaps'" in note and "read as missing" in note for note in found.notes)


# -- row filters ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("test", "rows"),
    [
        (RowTest("h", any_of=("g",)), [1, 4]),
        (RowTest("h", any_of=("g", "w")), [1, 2, 4]),
        (RowTest("h", none_of=("g",)), [2]),
        (RowTest("h", missing=True), [3]),
        (RowTest("h", missing=False), [1, 2, 4]),
        (RowTest("n", any_of=(3,)), [1, 2]),
        (RowTest("n", at_least=3), [1, 2, 4]),
        (RowTest("n", at_least=3, below=10), [1, 2]),
    ],
)
def test_filters(tmp_path: Path, test: RowTest, rows: list[int]) -> None:
    source = given_text(tmp_path, "h,n\ng,3\nw,3.0\n,x\ng,10\n", where=(test,))
    assert read_rows(source).numbers.tolist() == rows


def test_filters_that_cannot_be_used(tmp_path: Path) -> None:
    def asked(test: RowTest) -> Source:
        return given_text(tmp_path, PLAIN, where=(test,))

    refused(asked(RowTest("color", any_of=("red",))), "where", "did you mean 'colour'?")
    refused(asked(RowTest("colour", any_of=("green",))), "where", "no row", "'blue', 'red'")
    refused(asked(RowTest("colour", any_of=("red",))), "only the answer 'p'")


def test_one_file_split_in_two_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = given_text(tmp_path, "h,x,class\ng,1,p\ng,2,e\nw,3,p\n", where=(RowTest("h", any_of=("g",)),))
    other = Source(source.path, where=(RowTest("h", none_of=("g",)),))
    reads: list[Path] = []
    whole = Path.read_bytes

    def counted(self: Path) -> bytes:
        reads.append(self)
        return whole(self)

    monkeypatch.setattr(Path, "read_bytes", counted)
    data = read(source, other, leave_out=["h"])
    assert (len(data.labelled), len(data.unlabelled), len(reads)) == (2, 1, 1)


# -- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ["an empty file"]),
        ("colour,class\n", ["no rows"]),
        ("colour,colour,class\na,b,e\n", ["two columns called 'colour' (1 and 2)"]),
        ("colour,class\na,e\nb\n", ["row 2", "1 cells", "2"]),
        ("colour,class\na,e\nb,p,x\n", ["row 2", "3 cells", "2"]),
        ('colour,class\n"a,e\nb,p\n', ["line 3", "unexpected end of data"]),
        ("size,class\n1,e\ninf,p\n", ["row 2", "'size'", "'inf'", "a finite number"]),
        ("size,class\n1,e\n1e999,p\n", ["row 2", "'size'", "a finite number"]),
        ("colour,klass\na,e\nb,p\n", ["no column 'class'", "did you mean 'klass'?"]),
        ("colour,class\na,e\nb,P\n", ["row 2", "'P'", "'e', 'p'", "did you mean 'p'?"]),
        ("colour,class\na,e\nb,\n", ["row 2", "no answer"]),
        ("colour,class\na,e\nb,e\n", ["only the answer 'e' in all 2 rows", "at least two"]),
        ("colour,class\na,e\n", ["only the answer 'e' in all 1 rows"]),
    ],
)
def test_refused_csv(tmp_path: Path, text: str, said: list[str]) -> None:
    refused(given_text(tmp_path, text), "a.csv", *said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", ["no rows"]),
        ("{}", ["no rows"]),
        ("7", ["'7'", "a list of rows"]),
        ('{"x": [1, 2], "class": ["e"]}', ["columns of 1, 2 cells"]),
        ('[{"x": [1], "class": "e"}]', ["row 1, column 'x'", "a nested list"]),
        ('[{"x": 1, "x": 2}]', ["two columns called 'x'"]),
        ('[{"x": 1, "class": "e"}, 5]', ["row 2", "an object"]),
        ('{"x": ["a", "\\ud800"], "class": ["e", "p"]}', ["row 2, column 'x'", "surrogate"]),
        ('[{"x": 1', ["JSON"]),
        ("[" * 100_000, ["too deep"]),
        ('[{"x": 1, "class": "e"}, {"x": Infinity, "class": "p"}]', ["row 2", "a finite number"]),
    ],
)
def test_refused_json(tmp_path: Path, text: str, said: list[str]) -> None:
    refused(given_text(tmp_path, text, "a.json"), "a.json", *said)


def test_refused_parquet(tmp_path: Path) -> None:
    refused(given_text(tmp_path, b"PAR1 and so on", "a.parquet"), "no parquet file")
    refused(given_text(tmp_path, b"PAR1" + bytes(100) + b"PAR1", "a.parquet"), "damaged")
    pl.DataFrame({"x": [[1], [2]], "class": ["e", "p"]}).write_parquet(tmp_path / "b.parquet")
    refused(Source(tmp_path / "b.parquet"), "column 'x'", "plain cells")


def test_refused_paths(tmp_path: Path) -> None:
    given_text(tmp_path, PLAIN, "mushroom.csv")
    refused(Source(tmp_path / "mushrooms.csv"), "no such file", "did you mean 'mushroom.csv'?")
    (tmp_path / "empty").mkdir()
    refused(Source(tmp_path / "empty"), "a folder without .txt files")


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    os.mkfifo(tmp_path / "fifo.parquet")
    refused(Source(tmp_path / "fifo"), "fifo", "a pipe")
    refused(Source(tmp_path / "fifo.parquet"), "a pipe")
    refused(Source(Path("/dev/zero")), "/dev/zero", "a device")


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_archives_are_no_tables(tmp_path: Path, encoding: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as archive:
        archive.writestr("sheet.xml", "<x/>")
    message = refused(Source(tmp_path / "a.xlsx", encoding=encoding), "a zip archive", "export the table as csv")
    assert "latin" not in message


# -- another file, written alike -------------------------------------------------------------------------------------


def like(told: Source, path: Path) -> Data:
    return read(written_like(path, json.loads(json.dumps(told.written()))))


def test_another_file_is_read_as_the_first_was(tmp_path: Path) -> None:
    text = "grün|1,5|p\nrot|'2|5'|e\nrot|?|p\n".replace("'2|5'", "'2,5'").encode("latin-1")
    names = ("farbe", "größe", "class")
    said = given_text(
        tmp_path, text, encoding="latin-1", separator="|", quote="'", missing=("?",), columns=names, decimal=","
    )
    expected = read(said).labelled.fingerprint
    assert like(said, given_text(tmp_path, text, "b.csv").path).labelled.fingerprint == expected
    # What the file itself says to the contrary is heard.
    whole = "|".join(names) + "\n" + text.decode("latin-1")
    assert like(said, given_text(tmp_path, whole.encode("latin-1"), "c.csv").path).labelled.fingerprint == expected
    assert like(said, given_text(tmp_path, whole.encode("utf-8-sig"), "d.csv").path).labelled.fingerprint == expected
    assert like(said, given_text(tmp_path, whole.encode("utf-16"), "e.csv").path).labelled.fingerprint == expected
    tabs = whole.replace("|", "\t").encode("latin-1")
    assert like(said, given_text(tmp_path, tabs, "f.tsv").path).labelled.fingerprint == expected
    assert like(said, given_text(tmp_path, tabs, "g.csv").path).labelled.fingerprint == expected


# -- columns found in others -----------------------------------------------------------------------------------------

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


def test_d2_that_lacks_a_feature(tmp_path: Path) -> None:
    second = given_text(tmp_path, "colour\nred\n", "b.csv")
    refused(given_text(tmp_path, PLAIN), "b.csv", "no column 'size'", "leave_out", second=second)
    refused(given_text(tmp_path, PLAIN), "truth", "no column 'klass'", truth="klass")


def test_row_numbers_are_those_of_the_file(tmp_path: Path) -> None:
    where = (RowTest("h", any_of=("g",)),)
    source = given_text(tmp_path, "h,x,class\nw,1,e\ng,1,e\ng,2,p\ng,-inf,p\n", where=where)
    refused(source, "row 4, column 'x'")


# -- size -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [10**5, pytest.param(10**6, marks=pytest.mark.slow)])
def test_many_rows_are_read_at_once(tmp_path: Path, n: int) -> None:
    cells = {"a": np.arange(n) % 7, "class": np.where(np.arange(n) % 2, "e", "p")}
    pl.DataFrame(cells).write_csv(tmp_path / "a.csv")
    began = time.perf_counter()
    data = read(Source(tmp_path / "a.csv"))
    assert len(data.labelled) == n
    assert data.labelled.table.row(n - 1) == {"a": float((n - 1) % 7)}
    assert time.perf_counter() - began < 30  # a few seconds on an idle machine


def test_five_hundred_columns(tmp_path: Path) -> None:
    columns = {f"c{i}": [("ab"[j % 2] if i % 2 else j * i) for j in range(6)] for i in range(1, 501)}
    write_csv(tmp_path / "a.csv", columns | {"class": list("epepep")})
    assert len(read(Source(tmp_path / "a.csv")).unlabelled.features) == 500


def test_importing_is_cheap() -> None:
    code = "import sys, imitative.reading; assert 'polars' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_numbers_survive_to_the_last_bit(tmp_path: Path) -> None:
    exact = [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0, math.pi]
    for name, write in itertools.islice(WRITERS.items(), 7):
        write(tmp_path / name, {"x": exact, "class": list("epepep")})
        assert read(Source(tmp_path / name)).unlabelled.numbers("x").tolist() == exact
