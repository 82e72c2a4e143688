"""The roles of a hypothesis and of the space it lives in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np

Z = TypeVar("Z")


class Neighbour(NamedTuple, Generic[Z]):
    """A hypothesis one readable edit away, and what the edit is called."""

    hypothesis: Z
    move: str


class HypothesisSpace(Protocol[Z]):
    """Z: what can be searched and how its members are written and read.

    The law every space keeps: `read(show(z)) == z`.
    """

    def sample(self, rng: np.random.Generator) -> Z:
        """A random member, from a distribution with full support."""
        ...

    def neighbours(self, z: Z) -> Iterator[Neighbour[Z]]:
        """Every member one named edit away from z; never z itself, each at most once."""
        ...

    def show(self, z: Z) -> str:
        """z as a person reads it."""
        ...

    def read(self, text: str) -> Z:
        """The inverse of `show`.

        Raises:
            ValueError: naming the first part that cannot be read.
        """
        ...
