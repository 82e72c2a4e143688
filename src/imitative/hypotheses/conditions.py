"""Conditions on one feature, and their exact reading."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from itertools import product
from typing import final

import numpy as np

from imitative.data import Feature, FeatureKind, Mask, Table


class Relation(StrEnum):
    """What a condition says of a feature."""

    IS = "is"
    IS_ONE_OF = "is one of"
    IS_NOT = "is not"
    AT_LEAST = "is at least"
    BELOW = "is below"
    MENTIONS = "mentions"
    NEGATES = "negates"


OF_WORDS = frozenset({Relation.MENTIONS, Relation.NEGATES})
"""What is said of the words of a text."""


@final
@dataclass(frozen=True, slots=True, order=True)
class Condition:
    """Something that is true or not of a question. Missing values satisfy no condition, not even `is not`.

    Args:
        feature: the name of the feature.
        relation: what is said of it.
        values: one value (IS, IS_NOT), several in the feature's order (IS_ONE_OF), the least value that satisfies
            the condition or the least that does not (AT_LEAST and BELOW of an ordinal feature), or the words of which
            one must occur (MENTIONS, NEGATES).
        threshold: for AT_LEAST and BELOW of a numeric feature, in its unit.

    Raises:
        ValueError: for a threshold that is not finite.
    """

    feature: str
    relation: Relation
    values: tuple[str, ...] = ()
    threshold: float | None = None

    def __post_init__(self) -> None:
        # NaN equals nothing, itself included, and infinity has no English: neither could be read back.
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise ValueError(f"a threshold is a finite number; found {self.threshold} for {self.feature}")

    def applies(self, table: Table) -> Mask:
        """The exact reading: (N,) booleans.

        Raises:
            KeyError: if the table has no such feature.
        """
        feature = table.feature(self.feature)
        if self.relation in OF_WORDS:
            found = np.zeros(len(table), dtype=np.bool_)
            index = table.mentions(self.feature)
            for word in self.values:
                found[index.rows(word, negated=self.relation is Relation.NEGATES)] = True
            return found
        if feature.kind is FeatureKind.NUMERIC:
            numbers = table.numbers(self.feature)
            assert self.threshold is not None
            with np.errstate(invalid="ignore"):  # NaN compares false, which is what a missing value should do
                return numbers >= self.threshold if self.relation is Relation.AT_LEAST else numbers < self.threshold
        return self.satisfying(feature)[table.codes(self.feature)]

    def satisfying(self, feature: Feature) -> Mask:
        """Which of a discrete feature's values satisfy the condition: (V + 1,) booleans, the last for missing."""
        truth = np.zeros(len(feature.values) + 1, dtype=np.bool_)
        truth[list(_codes(self.relation, self.values, feature.values))] = True
        return truth


@lru_cache(maxsize=1 << 16)  # a search asks the same of the same few thousand conditions a million times
def _codes(relation: Relation, named: tuple[str, ...], values: tuple[str, ...]) -> frozenset[int]:
    """Which of a discrete feature's values satisfy the condition, as places among them."""
    codes = [values.index(value) for value in named if value in values]
    if relation in (Relation.IS, Relation.IS_ONE_OF):
        return frozenset(codes)
    if relation is Relation.IS_NOT:
        return frozenset(range(len(values))).difference(codes)
    # A value the feature does not have has no place in its order.
    if relation is Relation.AT_LEAST and codes:
        return frozenset(range(codes[0], len(values)))
    if relation is Relation.BELOW and codes:
        return frozenset(range(codes[0]))
    return frozenset()


def one_of(feature: Feature, values: frozenset[str] | set[str]) -> Condition:
    """`is` for one value, `is one of` for several, in the feature's own order."""
    ordered = tuple(value for value in feature.values if value in values)
    return Condition(feature.name, Relation.IS if len(ordered) == 1 else Relation.IS_ONE_OF, ordered)


def overlap(first: tuple[Condition, ...], second: tuple[Condition, ...], features: Mapping[str, Feature]) -> bool:
    """Whether two conjunctions say the same thing of the same things: over the same discrete features, some value of
    each satisfies both. Thresholds and words may overlap: `at least 3` and `at least 5` are two different remarks.
    """
    if [c.feature for c in first] != [c.feature for c in second]:
        return False
    if first == second:
        return True
    return all(
        (feature := features[a.feature]).discrete
        and not _codes(a.relation, a.values, feature.values).isdisjoint(_codes(b.relation, b.values, feature.values))
        for a, b in zip(first, second, strict=True)
    )


Said = frozenset[tuple[str, Relation, str]]
"""What a condition says of its feature: (feature, how it is spoken of, value, word or threshold)."""


def repeated(first: tuple[Condition, ...], second: tuple[Condition, ...], said: Callable[[Condition], Said]) -> int:
    """Of how many values two conjunctions both speak: *foul, and red* and *foul or musty* of one, foul.

    Where both name values of several features, the one with most counts: *foul, red and flat* beside *foul, red and
    scaly* is about one kind of mushroom. A word, or a threshold, is one value: *at least 3* and *at least 5* are two
    remarks.

    Args:
        first: one conjunction.
        second: the other.
        said: condition → `values_of` it.
    """
    return max((len(said(c) & said(d)) for c in first for d in second), default=0)


def repeatable(conditions: tuple[Condition, ...]) -> bool:
    """Whether something else of the same z may speak of the same values: conjunctions may, and several words of a text.
    All others overlap where they name one value (`overlap`), and never stand in one z.
    """
    return len(conditions) > 1 or (conditions[0].relation in OF_WORDS and len(conditions[0].values) > 1)


def values_of(condition: Condition, feature: Feature) -> Said:
    """What a condition says, alike for synonyms: of an order *at least the last* is the last, and *not the first* is
    *at least the second*.
    """
    name, relation, values = condition.feature, condition.relation, condition.values
    if condition.threshold is not None:
        return frozenset({(name, relation, repr(condition.threshold))})
    if relation not in (Relation.IS, Relation.IS_ONE_OF) and feature.discrete:
        held = condition.satisfying(feature)[:-1]
        met = tuple(value for value, holds in zip(feature.values, held, strict=True) if holds)
        return frozenset({(name, Relation.IS if len(met) == 1 else Relation.IS_ONE_OF, "\0".join(met))})
    return frozenset((name, Relation.IS if relation is Relation.IS_ONE_OF else relation, value) for value in values)


def named(conditions: tuple[Condition, ...]) -> Iterator[tuple[Condition, ...]]:
    """The conjunctions about one value each that a conjunction about several comprises: `foul or musty` is two."""
    said = {Relation.IS_ONE_OF: Relation.IS, Relation.MENTIONS: Relation.MENTIONS, Relation.NEGATES: Relation.NEGATES}
    each = [
        [replace(c, relation=said[c.relation], values=(v,)) for v in c.values] if c.relation in said else [c]
        for c in conditions
    ]
    yield from product(*each)
