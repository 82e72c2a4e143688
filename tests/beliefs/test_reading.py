from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from imitative.beliefs.reading import Read, read_arrays, read_examples, read_series
from imitative.errors import InputError
from imitative.families.family import Observed, Options
from imitative.families.growth import growth
from imitative.families.series import above_zero, whole
from imitative.rows import Source


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


def months(first: str, step: int, count: int) -> list[np.datetime64]:
    return list(np.datetime64(first, "M") + step * np.arange(count))


def on_day(day: int) -> Callable[[np.datetime64], str]:
    """A month → that day of it, or its last day where it is shorter."""

    def written(month: np.datetime64) -> str:
        last = (month + 1).astype("datetime64[D]") - 1
        return str(min(month.astype("datetime64[D]") + (day - 1), last))

    return written


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("step", [1, 2, 3, 6, 12])
@pytest.mark.parametrize("written", [on_day(1), on_day(15), on_day(29), on_day(30), on_day(31), str])
def test_months_are_even_on_the_calendar_whichever_are_missing(
    tmp_path: Path, written: Callable[[np.datetime64], str], step: int, seed: int
) -> None:
    whole = [written(month) for month in months("2019-11", step, 36)]
    rng = np.random.default_rng(seed)
    missing = {
        1,
        *rng.choice(np.arange(1, 29), size=5, replace=False).tolist(),
    }  # the second row: no step is left there
    found = read(tmp_path, [f"{day},{i}" for i, day in enumerate(whole[:30]) if i not in missing], horizon=6)
    assert found.labels == tuple(whole[:30])
    assert found.ahead == tuple(whole[30:])
    assert set(np.flatnonzero(np.isnan(found.observed.y)).tolist()) == missing
    assert found.observed.step == {1: "month", 3: "quarter", 12: "year"}.get(step, f"{step} months")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("step", "called"),
    [
        ("24h", "day"), ("168h", "week"), ("336h", "fortnight"), ("72h", "3 days"), ("672h", "28 days"),
        ("1h", "hour"), ("6h", "6 hours"), ("15m", "15 minutes"), ("10s", "10 seconds"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("zone", ["", "+02:00"])
def test_days_hours_and_minutes_are_even_whichever_are_missing(
    tmp_path: Path, step: str, called: str, zone: str, seed: int
) -> None:
    apart = np.timedelta64({"h": 3600, "m": 60, "s": 1}[step[-1]] * int(step[:-1]), "s")
    size = 10 if int(step[:-1]) >= 24 and step.endswith("h") else 19
    times = [f"{at}{zone if size > 10 else ''}" for at in np.datetime_as_string(
        np.datetime64("2023-12-30T00:00:00") + apart * np.arange(36), unit="D" if size == 10 else "s"
    )]  # fmt: skip
    rng = np.random.default_rng(seed)
    missing = {1, *rng.choice(np.arange(1, 29), size=5, replace=False).tolist()}
    found = read(tmp_path, [f"{at},{i}" for i, at in enumerate(times[:30]) if i not in missing], horizon=6)
    assert set(np.flatnonzero(np.isnan(found.observed.y)).tolist()) == missing
    assert [datetime.fromisoformat(label) for label in (*found.labels, *found.ahead)] == [
        datetime.fromisoformat(at) for at in times
    ]
    assert found.observed.step == called


@pytest.mark.parametrize(
    ("rows", "ahead"),
    [
        (["2020-02-29", "2021-02-28", "2022-02-28"], ("2023-02-28", "2024-02-29")),
        (["2022-02-28", "2023-02-28", "2024-02-28"], ("2025-02-28", "2026-02-28")),
        (["1999", "2000", "2001"], ("2002", "2003")),
        (
            ["2023-01-01", "2023-01-03", "2023-01-04", "2023-01-06", "2023-01-08", "2023-01-09"],
            ("2023-01-10", "2023-01-11"),
        ),
        (["2023-01-01 00:00:00", "2023-01-02 00:00:00", "2023-01-03 00:00:00"], ("2023-01-04", "2023-01-05")),
        (["2021-12-01", "2022-01-29", "2022-02-26"], None),
    ],
)
def test_what_is_ahead_goes_on_as_the_past_is_written(
    tmp_path: Path, rows: list[str], ahead: tuple[str, ...] | None
) -> None:
    if ahead is None:
        with pytest.raises(InputError, match="59 days apart"):
            read(tmp_path, [f"{day},1" for day in rows])
    else:
        assert read(tmp_path, [f"{day},1" for day in rows]).ahead == ahead


@pytest.mark.parametrize(
    ("until", "rows"),
    [("2021-02", 2), ("2021-02-28", 2), ("2021-02-27", 1), ("2021", 12), ("2021-03-31T12:00", 3)],
)
def test_until_reaches_to_the_end_of_what_it_names(tmp_path: Path, until: str, rows: int) -> None:
    ends = [on_day(31)(month) for month in months("2021-01", 1, 14)]
    if rows < 2:
        with pytest.raises(InputError, match="1 row of D"):
            read(tmp_path, [f"{day},1" for day in ends], until=until)
    else:
        assert len(read(tmp_path, [f"{day},1" for day in ends], until=until).labels) == rows


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (["2021-01-01", "2021-02-01", "2021-03-01", "2021-04-02", "2021-05-01"], "2021-03-01 and 2021-04-02 32 days"),
        (["2021-01-31", "2021-02-28", "2021-03-31", "2021-04-28"], "2021-03-31 and 2021-04-28.*one month"),
        (["2021-01-01", "2021-04-01", "2021-07-01", "2021-08-01", "2021-10-01"], "2021-07-01 and 2021-08-01.*quarter"),
        (["2024-01-01T00:00", "2024-01-01T01:00", "2024-01-01T02:00", "2024-01-01T02:20"], "T02:00 and .*T02:20.*hour"),
        (["2024-01-01T00:00", "2024-01-01T01:00Z"], "all say their zone"),
        (["2023-01-01", "2023-01-02", "2023-01-03", "2203-01-04"], "2023-01-03 and 2203-01-04.*gaps"),
        (["9999-11-01", "9999-12-01"], "the year 9999"),
        (["2021-13"], "row 1, column 'day'.*'2021-13'"),
    ],
)
def test_dates_on_no_even_steps_are_named(tmp_path: Path, rows: list[str], told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        read(tmp_path, [f"{day},1" for day in rows])
    assert "\n" not in str(caught.value)


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
