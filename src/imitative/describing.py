"""What a problem is, before anything is asked: for `imitative check` and for whoever writes a problem.toml."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from imitative.data import Feature, Table
from imitative.hypotheses.statements import Statement, StatementSpace, Strength
from imitative.loaded import LoadedProblem
from imitative.overseers.overseer import Overseer
from imitative.overseers.reader import Reader


def describe(loaded: LoadedProblem) -> dict[str, Any]:
    """The problem in plain values: D, D′, answers, features with an example sentence each, Z, who judges.

    Nobody is asked anything, and the answers of D′ are not looked at.
    """
    problem, space = loaded.problem, loaded.problem.space
    counts = np.bincount(problem.labelled.answers, minlength=len(problem.answers))
    overseer = loaded.build_overseer(loaded.seed)
    return {
        "problem": problem.name,
        "question": problem.question,
        "source": loaded.source,
        "labelled": len(problem.labelled),
        "unlabelled": len(problem.unlabelled),
        "truth": loaded.truth is not None,
        "answers": {
            name: {"spoken": problem.spoken[name], "labelled": int(n)}
            for name, n in zip(problem.answers, counts, strict=True)
        },
        "features": [
            _feature(feature, problem.labelled.table, problem.unlabelled, space) for feature in space.features
        ],
        "space": _space(loaded),
        "overseer": _kind(overseer),
        "budget": loaded.budget,
        "seed": loaded.seed,
        "notes": [*loaded.notes, *getattr(overseer, "notes", ())],
    }


def _space(loaded: LoadedProblem) -> dict[str, Any]:
    """How much Z can say: of statements how many there are, of texts how long they may be."""
    if loaded.study is not None:
        return loaded.described
    candidates = loaded.problem.candidates
    return space_size(loaded.problem.space) if candidates is None else {"hypotheses": float(len(candidates))}


def _kind(overseer: Overseer) -> str:
    """Who judges, by the word that problem files have for them; of any other overseer its class."""
    if isinstance(overseer, Reader):
        return "simulated"  # who reads texts, made of one who reads statements
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(overseer).__name__).lower()


def _feature(feature: Feature, labelled: Table, unlabelled: Table, space: StatementSpace) -> dict[str, Any]:
    condition = next(iter(space.conditions_on(feature)), None)
    sentence = None
    if condition is not None:
        whole = space.show_statement(Statement((condition,), space.answers[0], Strength.MODERATE))
        sentence = whole.split(f", {space.spoken[space.answers[0]]}")[0] + ", …"
    found: dict[str, Any] = {"name": feature.name, "kind": feature.kind.value, "sentence": sentence}
    if feature.discrete:
        met = [np.unique(table.codes(feature.name)) for table in (labelled, unlabelled)]
        new = np.setdiff1d(met[1], met[0])
        found["values"] = len(feature.values)
        found["never_in_labelled"] = [feature.word(feature.values[code]) for code in new.tolist() if code >= 0]
    elif feature.name in space.words:
        found["values"] = len(space.words[feature.name])
    return found


def space_size(space: StatementSpace) -> dict[str, float]:
    """How many conditions and statements Z can say, and the decimal logarithm of how many hypotheses at most.

        |Z| ≤ |Y| · W · Σ_{k ≤ K} C(S, k),      S = |Y| · W · Σ_{j ≤ J} C(C, j)

    with C conditions, W strengths, at most J conditions a statement and K statements a hypothesis. A bound: two
    conditions of a conjunction never speak of the same feature in the same way.
    """
    conditions = sum(1 for _ in space.conditions())
    heads = len(space.answers) * len(Strength)
    statements = heads * sum(math.comb(conditions, j) for j in range(1, space.limits.conditions + 1))
    most = min(space.limits.statements, statements)
    # Σ_k C(S, k) by logarithms: the number itself has tens of thousands of digits.
    steps = np.log10((float(statements) - np.arange(most)) / np.arange(1, most + 1))
    counts = np.concatenate([[0.0], np.cumsum(steps)])
    hypotheses = math.log10(heads) + counts.max() + math.log10(float((10.0 ** (counts - counts.max())).sum()))
    return {
        "conditions": float(conditions),
        "statements": float(statements),
        "log10_hypotheses": float(hypotheses),
        "most_statements": float(space.limits.statements),
        "most_conditions": float(space.limits.conditions),
    }
