"""What z may speak of where the problem does not say: thresholds of a number, and the words of texts."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from imitative.data import Table


def cut_points(numbers: NDArray[np.float64], most: int) -> tuple[float, ...]:
    """At most `most` thresholds that part the numbers into groups of about equal size, none empty.

    Each is the number that is shortest to write within a quarter of a group of where it should be.

    >>> cut_points(np.array([0.0, 1.0, 2.0, 3.0, np.nan]), 8)
    (1.0, 2.0, 3.0)
    >>> cut_points(np.random.default_rng(0).normal(size=1000), 3)
    (-0.7, 0.0, 0.8)
    """
    known = np.sort(numbers[np.isfinite(numbers)])
    distinct = np.unique(known)
    if len(distinct) - 1 <= most:
        return tuple(_shortest(float(low), float(high)) for low, high in itertools.pairwise(distinct))
    by_gap: dict[int, float] = {}  # two thresholds between the same two numbers would be one
    for k in range(1, most + 1):
        low, high = (float(known[int(len(known) * (k + side) / (most + 1))]) for side in (-0.25, 0.25))
        if low == high:
            gap = max(1, int(np.searchsorted(distinct, low)))
            low, high = float(distinct[gap - 1]), float(distinct[gap])
        cut = _shortest(low, high)
        by_gap.setdefault(int(np.searchsorted(distinct, cut)), cut)
    return tuple(by_gap.values())


def _shortest(low: float, high: float) -> float:
    """A number in (low, high] with the fewest decimals: whole numbers part between themselves at the higher one."""
    for decimals in range(-15, 16):
        for candidate in (round(high, decimals), round(low + (high - low) / 2.0, decimals)):
            if low < candidate <= high:
                return candidate
    return high


def vocabulary(
    feature: str, tables: Sequence[Table], minimum: int, most: int, rated: Collection[str] = ()
) -> tuple[str, ...]:
    """The words that occur in at least `minimum` rows of the tables together, the most frequent `most`, sorted.

    Words that people `rated` come first and need occur but once: what is thought of them no data have to teach. Numbers
    and single letters are left out. Only questions are read, so D′ takes part.
    """
    counts: Counter[str] = Counter()
    for table in tables:
        index = table.mentions(feature)
        for word in index.plain.keys() | index.negated.keys():
            counts[word] += len(np.union1d(index.rows(word), index.rows(word, negated=True)))
    usable = [
        (word not in rated, -n, word)
        for word, n in counts.items()
        if (n >= minimum or word in rated) and len(word) > 1 and not word.isdigit()
    ]
    return tuple(sorted(word for *_, word in sorted(usable)[:most]))
