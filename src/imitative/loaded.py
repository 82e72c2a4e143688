"""A problem ready to be worked on: from a problem file, or built in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, final

from imitative.data import Floats
from imitative.guidance import Guide, Heard
from imitative.overseers.overseer import Overseer, Record
from imitative.problem import Problem, Truth
from imitative.records import Judgement
from imitative.rows import Origin
from imitative.settings import Settings
from imitative.traits import Encode


class Finished(NamedTuple):
    """What a study gives: what `result.json` and `model.json` hold, and (N′, |Y|) probabilities for D′."""

    result: dict[str, Any]
    model: dict[str, Any]
    probabilities: Floats


class Study(Protocol):
    """Steps 1–4 over hypotheses other than statements."""

    @property
    def fingerprint(self) -> str:
        """See `Problem.fingerprint`."""
        ...

    @property
    def described(self) -> dict[str, Any]:
        """Its space, in plain JSON values."""
        ...

    def finish(
        self,
        loaded: LoadedProblem,
        overseer: Overseer,
        *,
        seed: int,
        budget: int,
        known: Mapping[str, Judgement],
        record: Record,
        progress: Callable[[Any], None],
        encode: Encode,
        settings: Settings,
        guide: Guide | None = None,
        heard: Heard | None = None,
    ) -> Finished:
        """Run them; arguments as in `induction.induce` and `labelling.transfer`."""
        ...


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
        study: runs Steps 1–4 where hypotheses are no statements.
        keep_in: folder → the same problem, whose overseer keeps rows of its own there (calls that were paid for).
        told: what those rows come to, as plain JSON values for the result.
        judged: tells who judges, and what they are asked, from others: a run is not gone on with by another; empty:
            nobody looks.
        origin: where the rows of D′ came from; None where they are made.
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
    study: Study | None = None
    keep_in: Callable[[str], LoadedProblem] | None = None
    told: Callable[[], dict[str, Any]] | None = None
    judged: str = ""
    origin: Origin | None = None

    @property
    def fingerprint(self) -> str:
        """Of the problem, and of the study where there is one: see `Problem.fingerprint`."""
        return self.problem.fingerprint if self.study is None else self.study.fingerprint

    @property
    def described(self) -> dict[str, Any]:
        """Z, in plain JSON values."""
        return self.problem.space.describe() if self.study is None else self.study.described
