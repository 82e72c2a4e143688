"""Values of unknown kind and text of unknown origin, made fit for a person to read.

A value that is not of the kind asked for reads as absent, so that a page leaves out what it cannot show.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

CHARACTERS = 280
"""A cell is shown up to so many characters: a film review is a page long."""

_HIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
"""Controls, halves of characters, and the marks that turn the direction of text that follows."""


def number(value: Any) -> float | None:
    """A finite number, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def mapping(value: Any) -> Json:
    return value if isinstance(value, Mapping) else {}


def items(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else ()


def clean(value: Any) -> Any:
    """The same value with every text, keys too, free of what cannot be written or would mislead the eye."""
    if isinstance(value, str):
        return _HIDDEN.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {clean(str(key)): clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(item) for item in value]
    return value


def label(name: str) -> str:
    return name.replace("_", " ").replace("-", " ").strip() or name


def cell(value: Any) -> str:
    number = number(value)
    if number is not None:
        return figure(number)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= CHARACTERS else text[:CHARACTERS].rsplit(" ", 1)[0] + " …"


def percent(share: float | None) -> str:
    return "–" if share is None else f"{minus(f'{100 * share:.1f}')} %"


def of_100(share: float | None) -> float | None:
    return None if share is None else round(min(max(100 * share, 0.0), 100.0), 2)


def nats(value: Any, *, signed: bool = False) -> str:
    """`−1,204`, `−12.3`, `−1.23`: three figures or all before the point."""
    number = number(value)
    if number is None:
        return "–"
    places = 0 if abs(number) >= 1000 else 1 if abs(number) >= 10 else 2
    text = f"{number:{'+' if signed else ''},.{places}f}"
    return minus(text) if float(text.replace(",", "")) else minus(text).lstrip("+−")


def figure(value: Any) -> str:
    number = number(value)
    return "–" if number is None else minus(f"{number:,.0f}" if abs(number) >= 10_000 else f"{number:.4g}")


def short(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def tick(value: float) -> str:
    return minus(f"{value:,.10g}") if abs(value) < 1e9 else minus(f"{value:.3g}")


def minus(text: str) -> str:
    return text.replace("-", "−")


def count(value: Any) -> str:
    number = number(value)
    return "" if number is None else f"{number:,.0f}"


def duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
