"""What tokens cost: a table that the user writes, and what is believed of a server's own counts.

[models."small-model"]
input = 0.15        # money per million tokens read
output = 0.60       # and per million tokens written
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, final

from imitative.calls.call import Call, estimate_tokens
from imitative.errors import InputError, listed, shown
from imitative.text_files import read_text

MILLION = 1_000_000


@final
@dataclass(frozen=True)
class Price:
    """Money per million tokens, read and written."""

    input: float = 0.0
    output: float = 0.0

    def of(self, input_tokens: int, output_tokens: int) -> float:
        """What so many tokens cost.

        >>> Price(1.0, 2.0).of(1_000_000, 500_000)
        2.0
        """
        return (self.input * input_tokens + self.output * output_tokens) / MILLION

    def most(self, call: Call) -> float:
        """The most a call can cost: all it may write."""
        return self.of(call.input_tokens, call.most_tokens)


FREE = Price()
"""A model on one's own machine."""


def read_prices(path: Path) -> dict[str, Price]:
    """Model → its price, from a TOML file.

    Raises:
        InputError: naming the file, the model and the key.
    """
    try:
        raw = tomllib.loads(read_text(path))
    except OSError as error:
        raise InputError(str(path), error.strerror or str(error), "a price table", "check the path") from None
    except ValueError as error:
        raise InputError(str(path), str(error), "TOML") from None
    models = raw.get("models")
    if not isinstance(models, dict) or set(raw) != {"models"}:
        raise InputError(str(path), listed(raw), 'tables such as [models."NAME"]')
    return {str(name): _price(row, f"{path}: models.{name}") for name, row in models.items()}


def _price(row: Any, place: str) -> Price:
    if not isinstance(row, Mapping) or not set(row) <= {"input", "output"}:
        raise InputError(place, shown(row), "input and output, in money per million tokens")
    for key, value in row.items():
        right = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
        if not right:
            raise InputError(f"{place}.{key}", shown(value), "money per million tokens, 0 or more")
    return Price(**{key: float(value) for key, value in row.items()})


class Counted(NamedTuple):
    """Tokens read and written, and whether a server's own counts were passed over."""

    input: int
    output: int
    doubted: bool


def counted(usage: Any, call: Call, text: str) -> Counted:
    """What to charge: the server's counts where they are possible, our estimates from above where they are not.

    Possible is: whole numbers; no more tokens read than bytes and a chat template come to, and no fewer than a
    twentieth; no more written than were allowed or than there are bytes. A server that reports otherwise would empty
    a budget, or let it be exceeded.
    """
    read, written = (_whole(usage.get(name)) if isinstance(usage, Mapping) else None for name in _USAGE)
    size = sum(len(message.content.encode("utf-8", "replace")) for message in call.messages)
    most_read = size + 64 * len(call.messages) + 512
    most_written = max(call.most_tokens, len(text.encode("utf-8", "replace"))) + 16
    if read is not None and written is not None:
        least_written = 1 if text else 0
        if size / 20 <= read <= most_read and least_written <= written <= most_written:
            return Counted(read, written, False)
    return Counted(call.input_tokens, min(call.most_tokens, estimate_tokens([text])), True)


_USAGE = ("prompt_tokens", "completion_tokens")


def _whole(value: Any) -> int | None:
    """A whole number, 0 or more; None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
