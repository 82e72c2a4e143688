"""A problem: D, D′, the question and its answers, and the space of hypotheses. What induction and transfer are given.

The true answers of D′, where anybody knows them, are not part of it: they travel separately, as `Truth`, and only
`evaluation` opens them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from imitative.data import Labelled, Table
from imitative.hypotheses.statements import Hypothesis, StatementSpace
from imitative.records import content_key


@final
@dataclass(frozen=True, eq=False)
class Problem:
    """What is to be learned.

    Args:
        name: a short name, used for folders.
        question: what is asked of each item, `Is this mushroom poisonous?`.
        labelled: D.
        unlabelled: D′, with the same features.
        spoken: answer → the clause that says it, `p` → `the mushroom is poisonous`.
        space: Z.
        candidates: where Z is a short list, its members; None: all of `space`.

    Raises:
        ValueError: where D, D′, Z and the answers are not of one another.
    """

    name: str
    question: str
    labelled: Labelled
    unlabelled: Table
    spoken: Mapping[str, str]
    space: StatementSpace
    candidates: tuple[Hypothesis, ...] | None = None

    def __post_init__(self) -> None:
        features = [(feature.name, feature.kind.value) for feature in self.space.features]
        for what, table in (("D", self.labelled.table), ("D′", self.unlabelled)):
            found = [(feature.name, feature.kind.value) for feature in table.features]
            if found != features:
                raise ValueError(f"{what} has the features {found}, and the space {features}: they must be the same")
        if self.space.answers != self.answers or set(self.spoken) != set(self.answers):
            raise ValueError(
                f"the answers are {self.answers} in D, {self.space.answers} in the space and {tuple(self.spoken)} in "
                "`spoken`: they must be the same"
            )
        strange = [z for z in self.candidates or () if not self._is_of(z)]
        if strange:
            raise ValueError(f"candidates: not of the space: {strange[0]}")

    def _is_of(self, z: Hypothesis) -> bool:
        said = {z.default, *(statement.answer for statement in z.statements)}
        spoken_of = {condition.feature for statement in z.statements for condition in statement.conditions}
        return said <= set(self.answers) and spoken_of <= self.space.feature.keys() and z in self.space

    @property
    def answers(self) -> tuple[str, ...]:
        """Y, in the order of every array whose axis is the answers."""
        return self.labelled.names

    @property
    def fingerprint(self) -> str:
        """Tells one problem from another: a run folder remembers it and refuses to go on with a different one."""
        return content_key(
            [
                self.labelled.fingerprint,
                self.unlabelled.fingerprint,
                dict(self.spoken),
                self.space.describe(),
                [self.space.show(z) for z in self.candidates or ()],
            ]
        )


@final
@dataclass(frozen=True, eq=False)
class Truth:
    """The true answers of D′, (N′,) indices into the problem's answers, −1 where unknown. For evaluation only."""

    answers: NDArray[np.int64]
