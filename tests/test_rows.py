"""Files → rows: every format says the same, and everything that cannot be used is named in one line."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import zipfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitative.cells import MISSING
from imitative.columns import Stated
from imitative.data import FeatureKind
from imitative.errors import InputError
from imitative.reading import Data
from imitative.row_filter import RowTest
from imitative.rows import Source, read_rows, written_like
from tests.tables import PLAIN, WRITERS, Columns, given_text, in_one_line, read, refused, write_csv

SEPARATORS = {"a.csv": ",", "semicolon.csv": ";"}  # stated, since a name such as "," can be taken for one
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


def test_numbers_survive_to_the_last_bit(tmp_path: Path) -> None:
    exact = [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0, math.pi]
    for name, write in itertools.islice(WRITERS.items(), 7):
        write(tmp_path / name, {"x": exact, "class": list("epepep")})
        assert read(Source(tmp_path / name)).unlabelled.numbers("x").tolist() == exact


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
