"""Values of unknown kind and text of unknown origin, made fit for a person to read.

A value that is not of the kind asked for reads as absent, so that a page leaves out what it cannot show.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, final

CHARACTERS = 280
"""A cell is shown up to so many characters: a film review is a page long."""

LARGEST = 1e30
"""A number beyond it is no finding; and sums and squares of what is kept stay finite."""

NONE = "–"
"""Stands where there is no number."""

SPACE = "\u00a0"
"""Between a number and its unit, which no line may part."""

_MISLEADING = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
"""Controls, halves of characters, and the marks that turn the direction of the text after them."""


@final
class Entry:
    """A mapping from outside, read by the kind of value that is expected.

    >>> entry = Entry({"seed": 3, "name": None})
    >>> entry.number("seed"), entry.text("name"), entry.entry("audit").number("n")
    (3.0, '', None)
    """

    def __init__(self, value: Any) -> None:
        self.cells: Mapping[str, Any] = value if isinstance(value, Mapping) else {}

    def number(self, key: str) -> float | None:
        """The number there, if there is one."""
        return number(self.cells.get(key))

    def numbers(self) -> dict[str, float]:
        """Every entry that is a number."""
        return {key: found for key, value in self.cells.items() if (found := number(value)) is not None}

    def text(self, key: str) -> str:
        """The text there without the space around it, or ''."""
        value = self.cells.get(key)
        return value.strip() if isinstance(value, str) else ""

    def entry(self, key: str) -> Entry:
        """The mapping there, or an empty one."""
        return Entry(self.cells.get(key))

    def items(self, key: str) -> Sequence[Any]:
        """The list there, or an empty one."""
        value = self.cells.get(key)
        return value if isinstance(value, list) else ()

    def entries(self, key: str) -> list[Entry]:
        """The mappings in the list there."""
        return [Entry(value) for value in self.items(key) if isinstance(value, Mapping)]

    def interval(self, key: str) -> tuple[float, float] | None:
        """The two numbers of the list there, lower first."""
        ends = [end for end in map(number, self.items(key)) if end is not None]
        return (min(ends), max(ends)) if len(ends) == 2 else None


def number(value: Any) -> float | None:
    """A number no larger than `LARGEST`, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if abs(found) <= LARGEST else None  # false for NaN


def clean(value: Any) -> Any:
    """The same value with every text, keys too, free of what cannot be written or would mislead the eye."""
    if isinstance(value, str):
        return _MISLEADING.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {clean(str(key)): clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(item) for item in value]
    return value


def label(name: str) -> str:
    """A column's or a stage's name with spaces for joints."""
    return name.replace("_", " ").replace("-", " ").strip() or name


def cell(value: Any) -> str:
    """One cell of an example."""
    if number(value) is not None:
        return figure(value)
    said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return said if len(said) <= CHARACTERS else said[:CHARACTERS].rsplit(" ", 1)[0] + " …"


def percent(share: float | None) -> str:
    """`96.8 %`, `100 %`."""
    if share is None:
        return NONE
    return _minus(f"{100 * share:,.1f}".removesuffix(".0") if share in (0, 1) else f"{100 * share:,.1f}") + SPACE + "%"


def of_100(share: float | None) -> float | None:
    """A share as a place between 0 and 100."""
    return None if share is None else round(min(max(100 * share, 0.0), 100.0), 2)


def nats(value: float | None, *, signed: bool = False) -> str:
    """`−1,204`, `−12.3`, `−1.23`: three figures, or all before the point."""
    if value is None:
        return NONE
    places = 0 if abs(value) >= 1000 else 1 if abs(value) >= 10 else 2
    written = f"{value:{'+' if signed else ''},.{places}f}"
    return _minus(written) if float(written.replace(",", "")) else "0"


def figure(value: Any) -> str:
    """A number in four figures, or all before the point."""
    found = number(value)
    return NONE if found is None else _minus(f"{found:,.0f}" if 10_000 <= abs(found) < 1e15 else f"{found:.4g}")


def short(value: Any) -> str:
    """A number in four figures, with an exponent where it is large or small: eleven characters at most."""
    found = number(value)
    return NONE if found is None else _minus(f"{found:.4g}")


def fixed(value: float | None) -> str:
    """A number in three places."""
    return NONE if value is None else _minus(f"{value:,.3f}" if abs(value) < 1e9 else f"{value:.3g}")


def tick(value: float) -> str:
    """The number beside a mark of an axis."""
    return _minus(f"{value:,.10g}" if abs(value) < 1e6 else f"{value:.3g}")


def count(value: float | None) -> str:
    """`1,204`, or '' for none."""
    return "" if value is None else _minus(f"{value:,.0f}" if abs(value) < 1e15 else f"{value:.3g}")


def of_budget(asked: float, budget: float | None, recorded: float = 0.0) -> tuple[str, str]:
    """How many judgements of how many that may be asked, and what to add where an archive held some: they were asked
    before, and no budget counts them.

    >>> of_budget(12, 40), of_budget(80, 30, 50), of_budget(7, None)
    (('12 of 40', ''), ('30 of 30', ', and 50 recorded before'), ('7', ''))
    """
    said = count(asked - recorded) + ("" if budget is None else f" of {count(budget)}")
    return said, f", and {count(recorded)} recorded before" if recorded else ""


def counted(value: float, one: str, many: str) -> str:
    """`1 nat`, `2 nats`."""
    return f"{figure(value)}{SPACE}{one if value == 1 else many}"


def duration(seconds: float) -> str:
    """`0.8 s`, `15 s`, `1.2 min`, `2.0 h`."""
    for size, unit, most in ((1.0, "s", 60.0), (60.0, "min", 5400.0), (3600.0, "h", math.inf)):
        if seconds < most:
            spare = seconds / size
            return f"{spare:.0f}{SPACE}{unit}" if unit == "s" and spare >= 10 else f"{spare:,.1f}{SPACE}{unit}"
    raise AssertionError("every number of seconds is below infinity")


def _minus(written: str) -> str:
    return written.replace("-", "−")
