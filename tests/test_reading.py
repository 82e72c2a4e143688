"""Rows → D and D′, and new questions for features already known."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from imitative.columns import Stated
from imitative.data import FeatureKind
from imitative.errors import InputError
from imitative.reading import read_table
from imitative.row_filter import RowTest
from imitative.rows import Source
from tests.tables import PLAIN, given_text, read, refused, write_csv


def test_the_order_of_rows_changes_nothing_but_the_order(tmp_path: Path) -> None:
    lines = [f"{colour},{size},{'pe'[size % 2]}" for colour in ("red", "blue", "?") for size in range(4)]
    one = read(given_text(tmp_path, "colour,size,class\n" + "\n".join(lines)))
    turned = read(given_text(tmp_path, "colour,size,class\n" + "\n".join(lines[::-1]), "b.csv"))
    assert one.labelled.table.features == turned.labelled.table.features
    assert one.labelled.take(range(len(lines))[::-1]).fingerprint == turned.labelled.fingerprint


def test_d2_that_is_d_is_remarked_on(tmp_path: Path) -> None:
    source = given_text(tmp_path, "h,x,class\ng,1,p\ng,2,e\nw,3,p\n")
    part = Source(source.path, where=(RowTest("h", any_of=("g",)),))
    assert any("very rows of D" in note for note in read(source).notes)
    assert any("very rows of D" in note for note in read(part, part).notes)
    assert not any("very rows of D" in note for note in read(part, source).notes)


def test_plain(tmp_path: Path) -> None:
    data = read(given_text(tmp_path, PLAIN), truth="class")
    assert [f.kind for f in data.labelled.table.features] == [FeatureKind.CATEGORICAL, FeatureKind.NUMERIC]
    assert data.labelled.answers.tolist() == [1, 0, 1]
    assert data.truth is not None
    assert data.truth.tolist() == [1, 0, 1]
    assert data.labelled.table.row(2) == {"colour": "red", "size": None}
    assert data.labelled.table.feature("colour").spoken == "the colour"


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


def test_a_value_is_the_same_however_a_program_spells_it(tmp_path: Path) -> None:
    """pandas writes `1.0` where a column of `0` and `1` has a gap, and `True` where polars writes `true`."""
    first = given_text(tmp_path, "ripe,sold,colour,class\n0,True,1,y\n1,False,2,n\n", "a.csv")
    second = given_text(tmp_path, "ripe,sold,colour,class\n1.0,false,1.00,y\n,true,2,n\n", "b.csv")
    stated = {"colour": Stated(words={"1": "red", "2": "blue"})}
    data = read(first, second, answers=("y", "n"), stated=stated)
    assert [(f.name, f.values) for f in data.unlabelled.features] == [
        ("ripe", ("0", "1")), ("sold", ("False", "True")), ("colour", ("1", "2")),
    ]  # fmt: skip
    assert data.unlabelled.row(0) == {"ripe": "1", "sold": "False", "colour": "1"}
    assert data.unlabelled.row(1) == {"ripe": None, "sold": "True", "colour": "2"}
    assert any("'1.0' is read as '1'" in note for note in data.notes)
    later = given_text(tmp_path, "ripe,sold,colour\n0.0,TRUE,2.0\n", "c.csv")
    found = read_table(later, data.unlabelled.features)
    assert found.table.row(0) == {"ripe": "0", "sold": "True", "colour": "2"}
    assert found.notes == ()


def test_answers_are_the_same_however_a_program_spells_them(tmp_path: Path) -> None:
    first = given_text(tmp_path, "size,class\n1,True\n2,False\n", "a.csv")
    second = given_text(tmp_path, "size,class\n1,true\n2,false\n3,\n", "b.csv")
    data = read(first, second, answers=("True", "False"), truth="class")
    assert data.labelled.answers.tolist() == [0, 1]
    assert data.truth is not None
    assert data.truth.tolist() == [0, 1, -1]


@pytest.mark.parametrize("cell", ["1.5", "01", "1.10", "ja", "1,0"])
def test_what_is_another_value_stays_another_value(tmp_path: Path, cell: str) -> None:
    first = given_text(tmp_path, "code,class\n1,y\nyes,n\n", "a.csv")
    second = given_text(tmp_path, f'code,class\n"{cell}",y\n', "b.csv")
    data = read(first, second, answers=("y", "n"), stated={"code": Stated(FeatureKind.CATEGORICAL)})
    assert set(data.unlabelled.features[0].values) == {"1", "yes", cell}


def test_a_value_spoken_of_that_no_row_holds_may_be_a_slip_of_the_pen(tmp_path: Path) -> None:
    source = given_text(tmp_path, "smell,class\nfoul,y\nsweet,n\n")
    stated = {"smell": Stated(words={"fowl": "like a corpse", "sweet": "like honey", "musty": "like a cellar"})}
    notes = read(source, answers=("y", "n"), stated=stated).notes
    assert [note for note in notes if "no row holds" in note] == [
        "features.smell: no row holds 'fowl', which is spoken of there; did you mean 'foul'?"
    ]


def test_row_numbers_are_remarked_on_and_measurements_are_not(tmp_path: Path) -> None:
    def rows(start: int) -> str:
        cells = [f"{start + i},{i % 7},{i}.5,{'yn'[i % 2]}" for i in range(40)]
        return "\n".join(["customer,age,weight,class", *cells])

    first, second = given_text(tmp_path, rows(100), "a.csv"), given_text(tmp_path, rows(500), "b.csv")
    notes = read(first, second, answers=("y", "n")).notes
    assert [note.split("'")[1] for note in notes if "as row numbers" in note] == ["customer"]
    assert not any(
        "as row numbers" in note for note in read(first, second, answers=("y", "n"), only=["customer"]).notes
    )


def test_d2_that_lacks_a_feature(tmp_path: Path) -> None:
    second = given_text(tmp_path, "colour\nred\n", "b.csv")
    refused(given_text(tmp_path, PLAIN), "b.csv", "no column 'size'", "leave_out", second=second)
    refused(given_text(tmp_path, PLAIN), "truth", "no column 'klass'", truth="klass")


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
