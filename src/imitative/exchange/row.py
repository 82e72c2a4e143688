"""An object from a file of others, whose members are taken with care."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

from imitative.errors import InputError, did_you_mean, listed, shown


class Row(NamedTuple):
    """An object from a file, and where it stands there."""

    place: str
    members: Mapping[str, Any]

    def text(self, key: str, default: str | None = None) -> str:
        """A member that is text; `default` where it is missing or null.

        Raises:
            InputError: if it is something else, or missing without a default.
        """
        value = self.members.get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            self.refuse(key, value, "text")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A finite number, no less than 0; see `text`."""
        value = self.members.get(key)
        if value is None and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= sys.float_info.max:
            self.refuse(key, value, "a number, 0 or more")
        return float(value)

    def count(self, key: str, default: int | None = None) -> int:
        """A whole number, no less than 0; see `text`."""
        value = self.members.get(key)
        if value is None and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
            self.refuse(key, value, "a whole number, 0 or more")
        return value

    def texts(self, key: str) -> list[str]:
        """A list of texts."""
        value = self.members.get(key)
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            self.refuse(key, value, "a list of texts")
        return value

    def inside(self, key: str) -> Row:
        """An object inside."""
        value = self.members.get(key)
        if not isinstance(value, Mapping):
            self.refuse(key, value, "an object")
        return Row(f"{self.place}, {shown(key)}", value)

    def each(self, key: str) -> list[Row]:
        """A list of objects inside; missing or null: none."""
        value = self.members.get(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
            self.refuse(key, value, "a list of objects")
        return [Row(f"{self.place}, {key}[{i}]", each) for i, each in enumerate(value)]

    def refuse(self, key: str, value: object, expected: str, remedy: str = "") -> NoReturn:
        """Say what is wrong with a member.

        Raises:
            InputError: always.
        """
        if key not in self.members:
            near = did_you_mean(key, self.members) or f"it has {listed(self.members)}"
            raise InputError(self.place, f"no {shown(key)}", expected, remedy or near)
        raise InputError(f"{self.place}, {shown(key)}", shown(value), expected, remedy or "correct it there")
