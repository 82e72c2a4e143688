from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imitative.errors import InputError
from imitative.families.family import Observed, Options
from imitative.families.growth import growth
from imitative.families.series import above_zero, whole
from imitative.rows import Source
from imitative.series_reading import Read, read_arrays, read_examples, read_series


def source(tmp_path: Path, text: str) -> Source:
    path = tmp_path / "y.csv"
    path.write_text(text, "utf-8")
    return Source(path)


def read(tmp_path: Path, rows: list[str], until: str | None = None, group: str | None = None, horizon: int = 2) -> Read:
    head = "day,y,place" if group else "day,y"
    text = "\n".join([head, *rows]) + "\n"
    return read_series(
        source(tmp_path, text), value="y", day="day", group=group, until=until, horizon=horizon, unit="people"
    )


WEEKS = ["2023-01-01,1", "2023-01-08,2", "2023-01-15,3", "2023-01-22,4"]


def test_rows_after_until_are_d_prime(tmp_path: Path) -> None:
    found = read(tmp_path, WEEKS, until="2023-01-08")
    assert found.observed.y.tolist() == [1.0, 2.0]
    assert found.observed.step == "week"
    assert found.truth is not None
    assert found.truth.tolist() == [3.0, 4.0]
    assert found.ahead == ("2023-01-15", "2023-01-22")


def test_the_order_of_rows_is_of_no_account(tmp_path: Path) -> None:
    assert read(tmp_path, WEEKS[::-1]).observed.y.tolist() == read(tmp_path, WEEKS).observed.y.tolist()


def test_a_missing_date_is_a_gap_and_is_told(tmp_path: Path) -> None:
    found = read(tmp_path, [WEEKS[0], WEEKS[1], WEEKS[3]])
    assert np.isnan(found.observed.y).tolist() == [False, False, True, False]
    assert found.notes == ("1 of 4 cells of D are gaps",)


def test_decimal_commas_that_are_said_are_read(tmp_path: Path) -> None:
    text = "day;y\n" + "".join(f"{row.replace(',', ';')},5\n" for row in WEEKS)
    said = replace(source(tmp_path, text), decimal=",")
    found = read_series(said, value="y", day="day", group=None, until=None, horizon=2, unit="people")
    assert found.observed.y.tolist() == [1.5, 2.5, 3.5, 4.5]


def test_groups_become_columns(tmp_path: Path) -> None:
    rows = [f"{row},{place}" for place in ("b", "a") for row in WEEKS]
    assert read(tmp_path, rows, group="place").observed.groups == ("a", "b")


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([*WEEKS, WEEKS[0]], "the date 2023-01-01 2 times"),
        ([*WEEKS, "2023-01-25,5"], "3 days apart"),
        (["2023-01-01,1"], "1 date"),
        ([*WEEKS, "soon,5"], "'soon'.*a date such as"),
        ([*WEEKS, "2023-01-29,many"], "row 5, column 'y'.*'many'"),
        ([*WEEKS, "2023-01-29,inf"], "row 5, column 'y'"),
        ([*WEEKS, '2023-01-29,"1,5"'], "row 5, column 'y'.*decimal = \",\""),
    ],
)
def test_what_is_wrong_with_a_series_is_one_line(tmp_path: Path, rows: list[str], told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        read(tmp_path, rows)
    assert "\n" not in str(caught.value)


def test_a_gap_is_refused_by_families_that_need_every_step() -> None:
    with pytest.raises(InputError, match=r"row 3.*a gap"):
        whole(Observed(np.array([1.0, 2.0, np.nan, 4.0])), 2)


def test_one_point_is_too_few() -> None:
    with pytest.raises(InputError, match="1 row"):
        whole(Observed(np.array([1.0])), 3)


@pytest.mark.parametrize(("value", "told"), [(0.0, "zero"), (-2.0, "a negative number")])
def test_what_has_no_logarithm_is_named(value: float, told: str) -> None:
    with pytest.raises(InputError, match=f"row 2.*{told}"):
        above_zero(np.array([1.0, value, 3.0]))


def test_growth_refuses_negative_counts() -> None:
    y = np.ones((20, 2))
    y[4, 1] = -1.0
    with pytest.raises(InputError, match=r"row 5.*-1"):
        growth(Observed(y, groups=("a", "b")), Options(), {})


def test_examples_without_numbers_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="row 2, column 'x'"):
        read_examples(source(tmp_path, "x,y\n1,2\n,3\n"), None, value="y", columns=["x"], unit="")


def test_arrays_say_how_far_d_goes(tmp_path: Path) -> None:
    for name, last in (("now", [2, 3]), ("later", [4, 4])):
        (tmp_path / f"{name}.json").write_text(json.dumps({"d": [[1, 5], [2, 6], [3, 7], [4, 8]], "n": last}))
    found = read_arrays(tmp_path / "now.json", {"y": "d", "last": "n"}, 2, "deaths", tmp_path / "later.json")
    assert np.isfinite(found.observed.y).sum(axis=0).tolist() == [2, 3]
    assert found.truth is not None
    assert found.truth[:, 0].tolist() == [3.0, 4.0]
    assert found.truth[0, 1] == 8.0
    assert np.isnan(found.truth[1, 1])


@pytest.mark.parametrize(
    ("text", "told"),
    [("[1]", "d"), ("{", "JSON"), ('{"d": [[1], [1, 2]]}', "different lengths"), ('{"e": 1}', "nothing")],
)
def test_what_is_wrong_with_arrays_is_one_line(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=told):
        read_arrays(tmp_path / "a.json", {"y": "d"}, 0, "", None)
