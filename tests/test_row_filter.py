"""Which rows of a file are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from imitative.row_filter import RowTest
from imitative.rows import Source, read_rows
from tests.tables import PLAIN, given_text, read, refused


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


def test_row_numbers_are_those_of_the_file(tmp_path: Path) -> None:
    where = (RowTest("h", any_of=("g",)),)
    source = given_text(tmp_path, "h,x,class\nw,1,e\ng,1,e\ng,2,p\ng,-inf,p\n", where=where)
    refused(source, "row 4, column 'x'")
