"""Where the lines, points and bars of the report's pictures lie. Geometry only: the template draws it.

Coordinates are those of an SVG: x to the right, y down, in units of the picture's own width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

WIDTH = 360.0
LEFT, RIGHT = 46.0, 350.0
"""The plotting area; to its left stand the numbers of the vertical axis."""


class Tick(NamedTuple):
    """A mark on an axis and the number beside it."""

    at: float
    text: str


class Point(NamedTuple):
    """A value in a picture. `low` and `high` are the ends of its interval, where it has one."""

    x: float
    y: float
    text: str
    filled: bool = True
    radius: float = 3.2
    low: float | None = None
    high: float | None = None


class Line(NamedTuple):
    """Points in the order they are joined. `name` is the style the template gives it."""

    name: str
    path: str
    points: tuple[Point, ...]


class Bar(NamedTuple):
    """An upright bar from the zero line."""

    x: float
    y: float
    width: float
    height: float
    text: str


class Panel(NamedTuple):
    """One pair of axes: what stands in it, and from where to where it reaches."""

    title: str
    top: float
    bottom: float
    ticks: tuple[Tick, ...]
    lines: tuple[Line, ...] = ()
    bars: tuple[Bar, ...] = ()
    zero: float | None = None


class Picture(NamedTuple):
    """Panels above one another that share their horizontal axis."""

    height: float
    panels: tuple[Panel, ...]
    ticks: tuple[Tick, ...]
    axis: str
    width: float = WIDTH
    left: float = LEFT
    right: float = RIGHT


class Span(NamedTuple):
    """A bar lying between two values of 0 to 100, and where zero is: for bars that stand beside their number."""

    start: float
    length: float
    zero: float


def ticks(low: float, high: float, count: int = 4) -> tuple[float, ...]:
    """Round numbers (1, 2 or 5 times a power of ten apart) that cover low to high, about `count` + 1 of them.

    >>> ticks(0.0, 9.0)
    (0.0, 2.0, 4.0, 6.0, 8.0, 10.0)
    """
    if not high - low > 1e-9 * max(abs(low), abs(high), 1e-9):  # nothing a reader could tell apart
        reach = max(abs(low), 1.0) * 0.5
        low, high = low - reach, high + reach
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * times for times in (1.0, 2.0, 5.0, 10.0) if power * times >= rough * 0.85)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return tuple(i * step for i in range(first, last + 1))


def scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """The straight line that takes low to start and high to end, rounded to a hundredth."""

    def to(value: float) -> float:
        return round(start + (value - low) / (high - low) * (end - start), 2)

    return to


def spans(values: Sequence[float | None]) -> list[Span | None]:
    """Bars to the left and right of one shared zero, to scale with one another; None where there is no number.

    A bar that would be shorter than a fiftieth of the space is drawn that long, and a side that has any bar has at
    least a tenth of it: on which side of zero a bar lies must be seen, however small it is beside the others.
    """
    found = [value for value in values if value is not None]
    below, above = max([0.0, *(-value for value in found)]), max([0.0, *found])
    left = 0.0 if not below else min(max(100 * below / (below + above), 10.0), 90.0 if above else 100.0)
    per_unit = min((left / below) if below else math.inf, ((100 - left) / above) if above else math.inf)

    def span(value: float) -> Span:
        length = min(max(abs(value) * per_unit, 2.0), 100.0) if value else 0.0
        return Span(round(left - length if value < 0 else left, 2), round(length, 2), round(left, 2))

    return [None if value is None else span(value) for value in values]


def rounds_picture(
    rounds: Sequence[int],
    model: Sequence[float | None],
    overseer: Sequence[float | None],
    gap: Sequence[float | None],
    survived: Sequence[bool],
    accuracy: Sequence[float | None],
    written: Callable[[float], str],
) -> Picture | None:
    """Score, gap and accuracy against the round, each in a panel of its own; None where there is nothing to draw.

    Args:
        rounds: the number of each round.
        model: what the model makes of the best hypothesis, in nats.
        overseer: what the overseer made of it when asked afresh, in nats.
        gap: the first less the second.
        survived: whether it stood the audit of that round.
        accuracy: on D′, of 1.
        written: how a number is written.
    """
    if not rounds or not any(value is not None for value in (*model, *gap, *accuracy)):
        return None
    low, high = min(rounds), max(rounds)
    across = scale(low - 0.5, high + 0.5, LEFT, RIGHT)
    panels: list[Panel] = []
    top = 24.0
    if any(value is not None for value in model):
        found = [value for value in (*model, *overseer) if value is not None]
        marks = ticks(min(found), max(found))
        up = scale(marks[0], marks[-1], top + 112, top)
        lines = [
            _line("overseer", rounds, overseer, [True] * len(rounds), across, up, "the overseer", written),
            _line("model", rounds, model, survived, across, up, "the model", written),
        ]
        panels.append(Panel("score of the best hypothesis, nats", top, top + 112, _marks(marks, up, written),
                            tuple(line for line in lines if line.points)))  # fmt: skip
        top += 112 + 40
    if any(value is not None for value in gap):
        found = [value for value in gap if value is not None]
        marks = ticks(min(0.0, *found), max(0.0, *found), 2)
        up = scale(marks[0], marks[-1], top + 52, top)
        wide = min(16.0, (RIGHT - LEFT) / (high - low + 1) * 0.6)
        bars = tuple(
            Bar(round(across(at) - wide / 2, 2), min(up(value), up(0.0)), round(wide, 2),
                round(max(abs(up(value) - up(0.0)), 0.8), 2), f"round {at}: gap {written(value)} nats")
            for at, value in zip(rounds, gap, strict=True) if value is not None
        )  # fmt: skip
        panels.append(Panel("gap, nats", top, top + 52, _marks(marks, up, written), bars=bars, zero=up(0.0)))
        top += 52 + 40
    if any(value is not None for value in accuracy):
        up = scale(0.0, 1.0, top + 52, top)
        line = _line("accuracy", rounds, accuracy, [True] * len(rounds), across, up, "right on D′",
                     lambda value: f"{100 * value:.1f} %")  # fmt: skip
        shown = (Tick(up(0.0), "0"), Tick(up(0.5), "50 %"), Tick(up(1.0), "100 %"))
        panels.append(Panel("right on D′ (for the reader; the search never saw it)", top, top + 52, shown, (line,)))
        top += 52 + 40
    step = max(1, math.ceil((high - low + 1) / 10))
    below = tuple(Tick(across(at), str(at)) for at in range(low, high + 1, step))
    return Picture(top + 6, tuple(panels), below, "round")


def calibration_picture(
    bins: Sequence[tuple[float, float, int]], interval: Callable[[int, int], tuple[float, float]]
) -> Picture | None:
    """How often the answers of each bin are right against their mean confidence; None where there are no bins.

    Args:
        bins: (mean confidence, accuracy, how many).
        interval: (how many are right, how many) → the ends of the interval drawn.
    """
    if not bins:
        return None
    low = min(0.5, math.floor(10 * min(min(confidence, right) for confidence, right, _ in bins)) / 10)
    marks = ticks(low, 1.0)
    low = marks[0]
    top, bottom = 24.0, 244.0
    across, up = scale(low, 1.0, LEFT, RIGHT - 6), scale(low, 1.0, bottom, top)
    largest = max(n for *_, n in bins) or 1
    points = []
    for confidence, right, n in bins:
        ends = [up(max(low, end)) for end in interval(round(right * n), n)]
        text = f"{n:,} answers given with confidence {100 * confidence:.1f} %: {100 * right:.1f} % right"
        radius = round(1.8 + 3.2 * math.sqrt(n / largest), 2)
        points.append(Point(across(confidence), up(right), text, radius=radius, low=ends[0], high=ends[1]))
    shown = [Tick(mark, f"{100 * mark:.0f} %") for mark in marks if mark <= 1.0 + 1e-9]
    lines = (
        Line("ideal", f"M{across(low)} {up(low)}L{across(1.0)} {up(1.0)}", ()),
        Line("found", _path([(point.x, point.y) for point in points]), tuple(points)),
    )
    panel = Panel("how often right", top, bottom, tuple(Tick(up(t.at), t.text) for t in shown), lines)
    return Picture(bottom + 40, (panel,), tuple(Tick(across(t.at), t.text) for t in shown), "confidence")


def _line(
    name: str,
    at: Sequence[int],
    values: Sequence[float | None],
    filled: Sequence[bool],
    across: Callable[[float], float],
    up: Callable[[float], float],
    said: str,
    written: Callable[[float], str],
) -> Line:
    points = tuple(
        Point(across(x), up(value), f"round {x}, {said}: {written(value)}", full)
        for x, value, full in zip(at, values, filled, strict=True)
        if value is not None
    )
    return Line(name, _path([(point.x, point.y) for point in points]), points)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x} {y}" for x, y in points) if len(points) > 1 else ""


def _marks(values: Sequence[float], up: Callable[[float], float], written: Callable[[float], str]) -> tuple[Tick, ...]:
    return tuple(Tick(up(value), written(value)) for value in values)
