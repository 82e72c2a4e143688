"""Whole runs, Steps 1–4, each made once however many figures look at it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.figure import Bench
from imitative.config import load_problem
from imitative.direct_fits import RULES, available
from imitative.evaluation import baselines, folds
from imitative.hypotheses.statements import Hypothesis
from imitative.induction import Induced, induce
from imitative.labelling import Transferred, transfer
from imitative.likelihood import LITERAL
from imitative.loaded import LoadedProblem
from imitative.settings import Settings

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


class Finished(NamedTuple):
    """A run, and the problem it was about."""

    loaded: LoadedProblem
    induced: Induced
    transferred: Transferred
    seed: int

    @property
    def accuracy(self) -> float:
        """The share of D′ that was labelled as it truly is."""
        return right(self.loaded, self.transferred.labels)

    @property
    def asked(self) -> int:
        """How many judgements were asked in all."""
        return self.induced.ledger.asked_in_all

    @property
    def text(self) -> str:
        """z*."""
        return self.loaded.problem.space.show(self.induced.best)


def finish(
    bench: Bench,
    loaded: LoadedProblem,
    seed: int,
    *,
    settings: Settings | None = None,
    budget: int | None = None,
) -> Finished:
    """Run Steps 1–4; the overseer's noise is drawn from the same seed."""
    problem = loaded.problem
    induced = induce(
        problem,
        loaded.build_overseer(seed),
        seed=seed,
        budget=loaded.budget if budget is None else budget,
        encode=None if problem.candidates else bench.encode,
        settings=settings or loaded.settings,
    )
    return Finished(loaded, induced, transfer(induced, seed=seed), seed)


_FINISHED: dict[tuple[Bench, str, int, Settings], Finished] = {}


def built_in(bench: Bench, name: str, seed: int, settings: Settings | None = None) -> Finished:
    """A run of a built-in problem, drawn from `seed` too; kept."""
    loaded = load_problem(name, seed=seed)
    key = (bench, name, seed, settings or loaded.settings)
    if key not in _FINISHED:
        _FINISHED[key] = finish(bench, loaded, seed, settings=settings)
        bench.say(f"{name}, seed {seed}: D′ accuracy {_FINISHED[key].accuracy:.3f}")
    return _FINISHED[key]


def from_toml(text: str, data: Path, seed: int = 0) -> LoadedProblem:
    """Load a problem file that stands nowhere; its paths are absolute or begin with `data:`."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "problem.toml"
        path.write_text(text, "utf-8")
        return load_problem(path, data, seed=seed)


def direct_fits(loaded: LoadedProblem, seed: int, *, rules: bool) -> dict[str, dict[str, float | None]]:
    """What the direct fits make of held-out rows of D and of D′; RuleFit, which takes seconds a fit, of one fold."""
    found = baselines(loaded.problem, loaded.truth, seed)
    if rules and RULES in available():
        one = folds(loaded.problem.labelled.answers, seed)[:1]
        found |= baselines(loaded.problem, loaded.truth, seed, held_out=one, models=(RULES,))
    return found


def right(loaded: LoadedProblem, labels: NDArray[np.int64]) -> float:
    """The share of known answers of D′ that `labels` gives."""
    assert loaded.truth is not None, "this problem's answers on D′ are not known"
    known = loaded.truth.answers >= 0
    return float(np.mean(labels[known] == loaded.truth.answers[known]))


def literal_accuracy(loaded: LoadedProblem, z: Hypothesis) -> float:
    """The accuracy on D′ of z, read to the letter."""
    problem = loaded.problem
    return right(loaded, LITERAL.answered(problem.unlabelled, z, problem.answers))
