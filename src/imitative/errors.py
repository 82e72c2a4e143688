"""What is said when something given to the program cannot be used: one line, with a remedy."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import NoReturn, final

LONGEST_SHOWN = 60
"""Characters of an offending value quoted in a message: enough to recognise it, short enough for one line."""
_MARKDOWN = re.compile(r"[\\`*<&\[\]]")
"""What a word may hold and Markdown would take for its own."""


@final
class InputError(ValueError):
    """Something outside the program is wrong: a file, a key, a value, a path.

    The message is always one printable line, `place: found X; expected Y; remedy`. The command line prints it and
    exits with code 2.

    Args:
        place: where, from the outside in: `problem.toml: labelled.file`, `mushroom.csv: row 7, column 'odor'`.
        found: what is there.
        expected: what should be there.
        remedy: what to do about it.

    >>> print(InputError("a.toml: seed", "'x'", "a whole number", "write seed = 1"))
    a.toml: seed: found 'x'; expected a whole number; write seed = 1
    """

    def __init__(self, place: str, found: str, expected: str = "", remedy: str = "") -> None:
        super().__init__(place, found, expected, remedy)  # all of them, so that the error survives a process boundary
        self.place = place
        self.found = found
        self.expected = expected
        self.remedy = remedy

    def __str__(self) -> str:
        parts = [f"found {self.found}", f"expected {self.expected}" if self.expected else "", self.remedy]
        return one_line(f"{self.place}: " + "; ".join(part for part in parts if part))


def one_line(text: str) -> str:
    """`text` with every run of white space made one space, and what cannot be printed escaped."""
    words = " ".join(text.split())
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in words)


def in_markdown(text: str) -> str:
    r"""A line of text as Markdown shows it as it stands: no link, no tag, no code.

    >>> in_markdown("is it [so](x), <b>?")
    'is it \\[so\\](x), \\<b>?'
    """
    return _MARKDOWN.sub(r"\\\g<0>", one_line(text))


def shown(value: object) -> str:
    """`value` as a message quotes it, cut to `LONGEST_SHOWN` characters."""
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"


def listed(values: Iterable[object], most: int = 8) -> str:
    """The first few of `values`, for a message.

    >>> listed(["a", "b", "c"], most=2)
    "'a', 'b', … (3 in all)"
    """
    everything = list(values)
    if not everything:
        return "none"
    text = ", ".join(shown(value) for value in everything[:most])
    return text if len(everything) <= most else f"{text}, … ({len(everything)} in all)"


def did_you_mean(word: str, options: Iterable[str], alike: float = 0.6) -> str:
    """`did you mean 'odor'?`, or the empty string when nothing is `alike`, from 0 to 1.

    >>> did_you_mean("odour", ["odor", "habitat"])
    "did you mean 'odor'?"
    """
    known = list(options)
    lowered = {option.lower(): option for option in known}
    near = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=alike)
    return f"did you mean {lowered[near[0]]!r}?" if near else ""


def no_column(name: str, columns: Sequence[str], place: str) -> NoReturn:
    """Say that there is no such column, and which one may be meant.

    Raises:
        InputError: always.
    """
    remedy = did_you_mean(name, columns) or f"it has the columns {listed(columns)}"
    raise InputError(place, f"no column {shown(name)}", "a column of the file", remedy)
