"""Files of others, read without trust: every complaint is one line with the file, the line and the remedy."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from imitative.errors import InputError, shown
from imitative.exchange.row import Row
from imitative.text_files import read_text

DEEPEST = 50
"""Brackets within brackets: no format here needs more than ten."""


def text_of(path: Path) -> str:
    """The text of a file that others made.

    Raises:
        InputError: if it is missing, no plain file, or no UTF-8.
    """
    try:
        if path.is_dir():
            raise InputError(str(path), "a folder", "a file", "name the file inside it")
        if path.exists() and not path.is_file():
            raise InputError(str(path), "a device or a pipe", "a file", "save it to a file first")
        return read_text(path)
    except FileNotFoundError:
        raise InputError(str(path), "no such file", "a file of judgements", "check the path") from None
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(str(path), reason, "a file that can be read", "check the path") from None


def json_rows(path: Path) -> Iterator[Row]:
    """The objects of a JSON list, or of JSON lines: whichever the file is.

    Raises:
        InputError: naming the line of JSON lines, or the place in the list.
    """
    text = text_of(path)
    if text.lstrip()[:1] == "[":
        for i, each in enumerate(parsed(text, str(path)), 1):
            yield row_of(each, f"{path}: item {i}")
    else:
        # Not splitlines: JSON strings may hold the other signs that it takes for ends of lines.
        for i, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield row_of(parsed(line, f"{path}: line {i}"), f"{path}: line {i}")


def row_of(value: object, place: str) -> Row:
    """An object as a row.

    Raises:
        InputError: if it is none.
    """
    if not isinstance(value, dict):
        raise InputError(place, shown(value), 'an object such as {"prompt": "…"}', "was another format meant?")
    return Row(place, value)


def parsed(text: str, place: str) -> Any:
    """JSON without what two readers may read differently: the same name twice, NaN, half a surrogate pair, NUL.

    Raises:
        InputError: naming the place.
    """
    try:
        value = json.loads(text, object_pairs_hook=_members, parse_constant=_no_number)
        _check(value, 0)
    except RecursionError:
        raise InputError(place, "brackets nested too deeply", "judgements", "is this the right file?") from None
    except ValueError as error:
        raise InputError(place, str(error), "JSON", "correct it there") from None
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise ValueError(f"the name {shown(twice)} twice in one object")
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name}, which is no number in JSON")


def _check(value: Any, depth: int) -> None:
    if depth > DEEPEST:
        raise RecursionError
    if isinstance(value, str):
        check_text(value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number too large to hold")
    elif isinstance(value, dict):
        for key, each in value.items():
            check_text(key)
            _check(each, depth + 1)
    elif isinstance(value, list):
        for each in value:
            _check(each, depth + 1)


def check_text(text: str) -> None:
    """Refuse what databases and files of text cannot hold.

    Raises:
        ValueError: for a NUL, or half of a surrogate pair.
    """
    if "\0" in text:
        raise ValueError(f"a NUL in {shown(text)}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"half of a surrogate pair in {shown(text)}") from None
