"""On D's own held-out rows, what does it cost to be readable and to listen to people?

z* and M_test are induced from D less a part, the direct fits are fitted to the same rows, and both answer that part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bench.admission import FAMILIES, sets
from bench.figure import Bench, Row, at_least
from bench.mushrooms import HABITATS, habitat
from bench.runs import EXAMPLES, finish
from imitative.config import load_problem
from imitative.direct_fits import available
from imitative.evaluation import Fold, baselines, folds
from imitative.loaded import LoadedProblem

BEHIND = 0.01
ENOUGH = 120
"""Folds are held out in turn until so many rows were; rows of a problem's members add up."""
ALL_FOLDS = ("mushrooms",)
"""Problems every row of which is held out once: which rows of a habitat are alike is a lottery."""

Problems = Callable[[Bench], Sequence[tuple[str, LoadedProblem]]]

PROBLEMS: dict[str, Problems] = {
    "huskies": lambda bench: [(f"seed {seed}", load_problem("huskies", seed=seed)) for seed in range(10)],
    "finite": lambda bench: [(f"seed {seed}", load_problem("finite", seed=seed)) for seed in range(10)],
    "mushrooms": lambda bench: [(name, habitat(code, bench.data)) for code, name in HABITATS.items()],
    **{
        title: lambda bench, family=family: [(each.name, each.loaded) for each in sets(bench.data, family)]  # type: ignore[misc]
        for family, title in FAMILIES.items()
    },
    "reviews": lambda bench: [("original", load_problem(EXAMPLES / "reviews", bench.data))],
}
"""Every problem: its members' names and problems."""


def competitiveness(bench: Bench) -> Iterator[Row]:
    """The mean over a problem's members of ours less the best direct fit's."""
    for problem, members in PROBLEMS.items():
        found: dict[str, dict[str, Any]] = {}
        for name, loaded in members(bench):
            row = found[name] = compare(bench, loaded, every_fold=problem in ALL_FOLDS)
            bench.say(f"{problem}, {name}: {row['ours']:.3f} against {row['best']}, {row['difference']:+.3f}")
        differences = [row["difference"] for row in found.values()]
        detail = {"members": found, "worst": min(differences)}
        lead = round(float(np.mean(differences)), 12)  # a hundredth below is not more than a hundredth below
        yield at_least(f"held-out D, {problem}: ours − best direct fit", lead, -BEHIND, detail)


def compare(bench: Bench, loaded: LoadedProblem, *, every_fold: bool = False) -> dict[str, Any]:
    """Ours, the best direct fit, and each of them, on the same held-out rows."""
    labelled = loaded.problem.labelled
    every = folds(labelled.answers, 0)
    parts = every if every_fold else _parts(every)
    hits: list[np.ndarray[Any, np.dtype[np.bool_]]] = []
    for part in parts:
        fewer = replace(loaded, problem=replace(loaded.problem, labelled=labelled.take(part.fitted)))
        model = finish(bench, fewer, 0).transferred.model
        labels = model.probabilities(labelled.table.take(part.held)).argmax(axis=1)
        hits.append(labels == labelled.answers[part.held])
    fits = baselines(loaded.problem, None, 0, held_out=parts, models=tuple(available()))
    direct = {name: fit["labelled"] or 0.0 for name, fit in fits.items()}
    ours, best = float(np.mean(np.concatenate(hits))), max(direct, key=lambda name: direct[name])
    rows = int(sum(len(part.held) for part in parts))
    return {"ours": ours, "best": best, "difference": ours - direct[best], "held-out rows": rows, "direct fits": direct}


def _parts(every: tuple[Fold, ...]) -> tuple[Fold, ...]:
    held = np.cumsum([len(part.held) for part in every])
    return every[: int(np.searchsorted(held, ENOUGH)) + 1]
