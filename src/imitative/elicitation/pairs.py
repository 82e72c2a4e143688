"""Two hypotheses to be compared: as a query, and what reading them costs."""

from __future__ import annotations

from typing import NamedTuple

from imitative.hypotheses.statements import Hypothesis, Statement, StatementSpace
from imitative.records import Kind, Query


class Pair(NamedTuple):
    """Two hypotheses to be compared."""

    first: Hypothesis
    second: Hypothesis

    @property
    def cost(self) -> float:
        """What reading both sides costs, in sentences: those both have are read once, at half the pains."""
        shared = set(self.first.statements) & set(self.second.statements)
        return 2.0 + len(set(self.first.statements) | set(self.second.statements)) - 0.5 * len(shared)


def query_of(pair: Pair, space: StatementSpace, kind: Kind, purpose: str = "prior", repeat: int = 0) -> Query:
    """The query that asks for a comparison of the two, or for odds."""
    return Query(kind, (space.show(pair.first), space.show(pair.second)), purpose=purpose, repeat=repeat)


def alone(statement: Statement, default: str) -> Hypothesis:
    """The hypothesis that says nothing else."""
    return Hypothesis((statement,), default)


def silent(default: str) -> Hypothesis:
    """The hypothesis that says nothing."""
    return Hypothesis((), default)
