"""A problem ready to be worked on: from a problem file, or built in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

from imitative.overseers.overseer import Overseer
from imitative.problem import Problem, Truth
from imitative.settings import Settings


@final
@dataclass(frozen=True, eq=False)
class LoadedProblem:
    """Everything a run needs.

    Args:
        problem: D, D′, the question, its answers and the space.
        truth: the answers of D′, where anybody knows them; for `evaluation` only.
        build_overseer: seed → a fresh overseer.
        seed: of the run, unless another is given.
        budget: how many judgements may be asked, unless another is given.
        settings: how the run spends its budget and time, unless others are given.
        notes: what a person should know about how the data were read.
        source: the problem file, or the built-in name.
        images: the folder of the pictures that people are shown, or None.
    """

    problem: Problem
    truth: Truth | None
    build_overseer: Callable[[int], Overseer]
    seed: int = 0
    budget: int = 300
    settings: Settings = field(default_factory=Settings)
    notes: tuple[str, ...] = ()
    source: str = ""
    images: str | None = None
