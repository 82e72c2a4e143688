"""Two pictures of what could happen, side by side on the same axes: where their lines lie, and what they say in words.

Geometry only: the template draws it. What comes from the database is read by the kind of value expected; a posting that
holds something else has no pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, Final, NamedTuple

from imitative.charts import Tick, scale, ticks
from imitative.display import Entry, figure, number

RIGHT: Final = 330.0
TOP: Final = 12.0
BOTTOM: Final = 176.0
A_LETTER: Final = 6.9
"""How wide a letter of the axis is, at most."""
MOST_CURVES: Final = 12
MOST_POINTS: Final = 100
FAR_APART: Final = 30.0
"""Where one side's values are so many times the other's, both are drawn in steps of ten times."""
DECADES: Final = 8.0
"""What is smaller by so many powers of ten than the largest lies on the ground."""
LARGE: Final = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"))


class Side(NamedTuple):
    """One picture: paths, and the same in words."""

    band: str
    middle: str
    curves: tuple[str, ...]
    bars: tuple[tuple[float, float, float, float], ...]  #: x, low, middle, high: of rows, which no line joins
    told: str


class Pictures(NamedTuple):
    """Both, and the axes they share.

    Args:
        sides: the two, in the order they are shown.
        up: marks of the axis upwards.
        across: marks of the axis to the right.
        left: where the axes meet.
        of: what goes upwards.
        along: what goes to the right.
        times: how many times the one below each mark upwards is; 0 where they are evenly apart.
        first: whether the pictures come before the words.
    """

    sides: tuple[Side, ...]
    up: tuple[Tick, ...]
    across: tuple[Tick, ...]
    left: float
    of: str
    along: str
    times: int
    first: bool


class _Drawn(NamedTuple):
    low: list[float]
    middle: list[float]
    high: list[float]
    curves: list[list[float]]


def pictures(shown: Any, swapped: bool) -> Pictures | None:
    """What a posting says would happen under two beliefs; None if it says nothing that can be drawn."""
    told = Entry(shown)
    sides = [_side(each) for each in told.entries("sides")]
    labels = [each for each in told.items("labels") if isinstance(each, str)][:MOST_POINTS]
    if len(sides) != 2 or not labels:
        return None
    both = [side for side in sides if side is not None and len(side.middle) == len(labels)]
    if len(both) != 2:
        return None
    both = both[::-1] if swapped else both
    kind = told.text("kind")
    x = [each for each in map(number, told.items("x")) if each is not None]
    x = x if kind == "number" and len(x) == len(labels) else []
    tens = _far_apart(both)
    low, high = _range(both, tens)
    marks = _powers(low, high) if tens else ticks(low, high)
    times = round(marks[1] / marks[0]) if tens else 0
    names = [_large(mark) for mark in marks]
    left = min(14.0 + A_LETTER * max(map(len, names)), 96.0)
    reach = (marks[0], marks[-1]) if not tens else (math.log10(marks[0]), math.log10(max(marks[-1], high)))
    straight = scale(*reach, BOTTOM, TOP)

    def up(value: float) -> float:
        return straight(max(math.log10(max(value, 1e-300)), reach[0]) if tens else value)

    rows = kind == "rows"
    across = _across(x, len(labels), rows, left)
    made = tuple(_drawn(side, across, up, rows, _told(side, labels, x, told)) for side in both)
    of = " · ".join(part for part in (told.text("of"), told.text("group")) if part)
    shown_marks = tuple(Tick(up(mark), name) for mark, name in zip(marks, names, strict=True))
    below = _below(labels, x, rows, across, left, told)
    return Pictures(made, shown_marks, below, left, of, _along(told), times, told.cells.get("first") is True)


def _side(entry: Entry) -> _Drawn | None:
    parts = [[number(v) for v in entry.items(name)][:MOST_POINTS] for name in ("low", "middle", "high")]
    lists = [each for each in entry.items("curves")[:MOST_CURVES] if isinstance(each, list)]
    curves = [[number(v) for v in each][:MOST_POINTS] for each in lists]
    if any(v is None for part in (*parts, *curves) for v in part) or len({len(part) for part in parts}) != 1:
        return None
    low, middle, high = ([v for v in part if v is not None] for part in parts)
    whole = [[v for v in curve if v is not None] for curve in curves if len(curve) == len(middle)]
    return _Drawn(low, middle, high, whole) if middle else None


def _far_apart(sides: Sequence[_Drawn]) -> bool:
    """Whether, on a common straight axis, one side would lie on the ground."""
    if min(min(side.low) for side in sides) < 0.0:
        return False
    peaks = [max(side.middle) for side in sides]
    return max(max(side.high) for side in sides) > FAR_APART * max(min(peaks), 1e-300) and min(peaks) > 0.0


def _range(sides: Sequence[_Drawn], tens: bool) -> tuple[float, float]:
    low, high = min(min(side.low) for side in sides), max(max(side.high) for side in sides)
    if tens:
        positive = [v for side in sides for v in side.low if v > 0.0] or [high / 10.0]
        return max(min(positive), high / 10.0**DECADES), high
    if low >= 0.0 and low < 0.4 * high:
        low = 0.0  # what may lie near nothing is measured from nothing
    return low, high


def _powers(low: float, high: float) -> tuple[float, ...]:
    """Powers of ten from below `low`, at most six of them, and none above `high` but the second."""
    first, last = math.floor(math.log10(low) + 1e-9), math.floor(math.log10(high) + 1e-9)
    last = max(last, first + 1)
    step = max(1, math.ceil((last - first) / 5))
    return tuple(10.0**power for power in range(first, last + 1, step))


def _across(x: Sequence[float], n: int, rows: bool, left: float) -> list[float]:
    if x and max(x) > min(x):
        to = scale(min(x), max(x), left, RIGHT)
        return [to(v) for v in x]
    if rows or n == 1:
        to = scale(0.0, float(n), left, RIGHT)
        return [to(k + 0.5) for k in range(n)]
    to = scale(0.0, float(n - 1), left, RIGHT)
    return [to(float(k)) for k in range(n)]


def _drawn(side: _Drawn, across: Sequence[float], up: Callable[[float], float], rows: bool, told: str) -> Side:
    if rows or len(across) == 1:
        places = zip(across, side.low, side.middle, side.high, strict=True)
        return Side("", "", (), tuple((x, up(low), up(middle), up(high)) for x, low, middle, high in places), told)
    edge = [f"{x} {up(v)}" for x, v in zip(across, side.high, strict=True)]
    edge += [f"{x} {up(v)}" for x, v in zip(reversed(across), reversed(side.low), strict=True)]
    return Side(f"M{'L'.join(edge)}Z", _line(across, side.middle, up), tuple(_line(across, c, up) for c in side.curves),
                (), told)  # fmt: skip


def _line(across: Sequence[float], values: Sequence[float], up: Callable[[float], float]) -> str:
    return "M" + "L".join(f"{x} {up(v)}" for x, v in zip(across, values, strict=True))


def _below(
    labels: Sequence[str], x: Sequence[float], rows: bool, across: Sequence[float], left: float, told: Entry
) -> tuple[Tick, ...]:
    if x and max(x) > min(x):
        to = scale(min(x), max(x), left, RIGHT)
        return tuple(Tick(to(m), figure(m)) for m in ticks(min(x), max(x)) if min(x) <= m <= max(x))
    spoken = _spoken(labels)
    if rows:
        step = max(1, math.ceil(len(labels) / 8))
        return tuple(Tick(across[k], spoken[k]) for k in range(0, len(labels), step))
    places = sorted({0, (len(labels) - 1) // 2, len(labels) - 1})
    return tuple(Tick(across[k], spoken[k]) for k in places)


def _along(told: Entry) -> str:
    """What the axis to the right is called; dates need no name."""
    if told.text("kind") in ("number", "rows"):
        return told.text("along")
    counted = any(isinstance(label, str) and label.startswith("+") for label in told.items("labels"))
    return f"{told.text('along') or 'step'}s ahead" if counted else ""


def _told(side: _Drawn, labels: Sequence[str], x: Sequence[float], told: Entry) -> str:
    """What a picture shows, for whoever cannot see it and for whoever wants the numbers."""

    def at(k: int) -> str:
        low, middle, high = (_large(each[k], 2) for each in (side.low, side.middle, side.high))
        return f"about {middle} ({low} to {high})"

    last = len(labels) - 1
    if told.text("kind") == "rows":
        said = "; ".join(f"row {labels[k]}: {at(k)}" for k in range(min(len(labels), 6)))
        return f"{said[:1].upper()}{said[1:]}."
    if x:
        order = sorted((0, last), key=lambda k: x[k])
        name = told.text("along") or "it"
        said = "; ".join(f"where {name} is {figure(x[k])}, {at(k)}" for k in dict.fromkeys(order))
        return f"{said[:1].upper()}{said[1:]}."
    spoken = _spoken(labels)
    if not last:
        return f"{spoken[0]}: {at(0)}."
    top = max(range(len(labels)), key=lambda k: side.middle[k])
    peak = ""
    if 0 < top < last and side.middle[top] > 1.1 * max(side.middle[0], side.middle[last]) > 0.0:
        peak = f" Highest around {spoken[top]}: about {_large(side.middle[top], 2)}."
    return f"{spoken[0]}: {at(0)}. {spoken[last]}: {at(last)}.{peak}"


def _spoken(labels: Sequence[str]) -> list[str]:
    """Dates as they are said, `4 Mar`, with the year where there are two; anything else as it is."""
    try:
        days = [date.fromisoformat(label) for label in labels]
    except ValueError:
        return [label[:24] for label in labels]
    year = len({day.year for day in days}) > 1
    return [f"{day.day} {day:%b}" + (f" {day.year}" if year else "") for day in days]


def _large(value: float, figures: int = 3) -> str:
    """A number in so many figures, with its millions in words.

    >>> _large(1234.5), _large(2.5e6), _large(1e18), _large(0.000001)
    ('1,230', '2.5 million', '1 × 10¹⁸', '1 × 10⁻⁶')
    """
    size = abs(value)
    if size and not 1e-4 <= size < 1e15:
        power = math.floor(math.log10(size))
        raised = str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return f"{value / 10.0**power:.{figures}g} × 10{raised}".replace("-", "−")
    for at, name in LARGE:
        if size >= at:
            return f"{float(f'{value / at:.{figures}g}'):g} {name}".replace("-", "−")
    rounded = float(f"{value:.{figures}g}")
    return figure(rounded) if abs(rounded) < 1000 else f"{rounded:,.0f}".replace("-", "−")


__all__ = ["Pictures", "Side", "pictures"]
