"""A figure of the benchmark: its rows, its seeds, and when a difference counts as one."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np

from imitative.encoders import sentence_encoder
from imitative.traits import Encode

SIGNIFICANT = 0.05
"""The p below which a difference over paired seeds is called one."""


class Row(NamedTuple):
    """One line of the benchmark.

    Args:
        figure: what was measured, and on what.
        value: what was found.
        target: what is to be reached, in words and numbers.
        reached: whether it was.
        detail: everything behind it, as plain JSON values.
    """

    figure: str
    value: float
    target: str
    reached: bool
    detail: dict[str, Any]


@final
@dataclass(frozen=True, eq=False)
class Bench:
    """What every figure is given.

    Args:
        folder: of the real data, in the form of `../shared/data`; None: only built-in problems can be measured.
    """

    folder: Path | None = None

    @property
    def data(self) -> Path:
        """The folder of the real data.

        Raises:
            ValueError: if none was given.
        """
        if self.folder is None:
            raise ValueError("this figure is measured on real data: give --data DIR, or set IMITATIVE_DATA")
        return self.folder

    @cached_property
    def encode(self) -> Encode:
        """The sentence encoder, loaded once."""
        return sentence_encoder()

    def say(self, text: str) -> None:
        """Progress, for whoever waits."""
        print(f"  {text}", file=sys.stderr, flush=True)


Measure = Callable[[Bench], Iterable[Row]]
"""A figure's measurement: yields each row as soon as it is known, so that its seconds are its own."""


def mean_and_worst(values: Sequence[float]) -> dict[str, float]:
    """The two numbers every accuracy is told by.

    >>> mean_and_worst([1.0, 0.5])
    {'mean': 0.75, 'worst': 0.5}
    """
    return {"mean": float(np.mean(values)), "worst": float(np.min(values))}


def at_least(figure: str, value: float, least: float, detail: dict[str, Any], also: bool = True) -> Row:
    """A row that is reached where `value` ≥ `least` and whatever else was asked holds."""
    return Row(figure, value, f"≥ {least:.4g}", bool(value >= least) and also, detail)


def paired_p(better: Sequence[float], worse: Sequence[float], draws: int = 100_000) -> float:
    """One-sided sign-flip permutation test over paired seeds: P(mean difference at least this large | no difference).

    Under the null each seed's difference is as likely to have either sign. Exact up to 16 seeds, else from `draws`
    drawn sign patterns, the observed one counted among them (Phipson & Smyth 2010), so that p is never 0.

    >>> paired_p([2.0, 2.0, 2.0, 2.0], [1.0, 1.0, 1.0, 1.0])
    0.0625
    """
    difference = np.asarray(better, dtype=np.float64) - np.asarray(worse, dtype=np.float64)
    n = len(difference)
    if n <= 16:
        signs = 1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        return float(np.mean(signs @ difference >= difference.sum() - 1e-12))
    signs = 1.0 - 2.0 * np.random.default_rng(0).integers(2, size=(draws, n))
    return (1.0 + float(np.sum(signs @ difference >= difference.sum() - 1e-12))) / (1.0 + draws)


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: NumPy's numbers as Python's, NaN and infinities as null."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
