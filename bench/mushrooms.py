"""Mushrooms: D is one habitat, D′ all others, for each habitat with both answers; one problem file serves all six."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from bench.figure import Bench, Row, at_least, mean_and_worst
from bench.runs import EXAMPLES, Finished, direct_fits, finish, from_toml
from imitative.loaded import LoadedProblem

HABITATS = {"g": "grasses", "d": "woods", "p": "paths", "l": "leaves", "u": "urban", "m": "meadows"}
"""The six of seven habitats with edible and poisonous mushrooms; among wastes (w) all are edible."""
SEEDS = (0, 1, 2)
_LABELLED, _UNLABELLED = 'where = { habitat = "g" }', 'where = { habitat = { not = "g" } }'


_OVERSEER = "[overseer]\n"
_OWN_WORDS = 'phrases = { n = "the mushroom has no odour" }\n'
"""What a crowd did not hear: its rules say it as the table of names does."""


@cache
def habitat(code: str, data: Path, overseer: str = "") -> LoadedProblem:
    """The example's problem file with another habitat and nothing else changed, but for the overseer if one is given,
    who is asked in the words of the table of names.

    Raises:
        ValueError: if the file no longer says where D and D′ grow in the words that are replaced here.
    """
    text = (EXAMPLES / "mushrooms" / "problem.toml").read_text("utf-8")
    for line in (_LABELLED, _UNLABELLED):
        if text.count(line) != 1:
            raise ValueError(f"examples/mushrooms/problem.toml does not say `{line}` once")
        text = text.replace(line, line.replace('"g"', f'"{code}"'))
    if overseer:
        text = text.partition(_OVERSEER)[0].replace(_OWN_WORDS, "") + overseer  # the last section of the file
    return from_toml(text, data)


def mushrooms(bench: Bench) -> Iterator[Row]:
    """Mean over habitats and seeds, and the worst run of all."""
    found: dict[str, list[Finished]] = {}
    for code, name in HABITATS.items():
        for seed in SEEDS:
            run = finish(bench, habitat(code, bench.data), seed)
            found.setdefault(name, []).append(run)
            bench.say(f"{name}, seed {seed}: D′ accuracy {run.accuracy:.3f}")
    fitted = {name: direct_fits(runs[0].loaded, 0, rules=True) for name, runs in found.items()}
    accuracies = {name: [run.accuracy for run in runs] for name, runs in found.items()}
    every = [accuracy for runs in accuracies.values() for accuracy in runs]
    models = next(iter(fitted.values()))
    detail = {
        "seeds": list(SEEDS),
        "each": {name: {"seeds": each, **mean_and_worst(each)} for name, each in accuracies.items()},
        "rows of D": {name: len(runs[0].loaded.problem.labelled) for name, runs in found.items()},
        "judgements": max(run.asked for runs in found.values() for run in runs),
        "direct fits": {
            model: {
                "mean": float(np.mean([fitted[name][model]["unlabelled"] or 0.0 for name in fitted])),
                "each": {name: fitted[name][model]["unlabelled"] for name in fitted},
            }
            for model in models
        },
        "hypotheses": {name: [run.text for run in runs] for name, runs in found.items()},
    }
    yield at_least("mushrooms: D′ accuracy, mean of six habitats", float(np.mean(every)), 0.95, detail)
    yield at_least("mushrooms: D′ accuracy, worst habitat and seed", min(every), 0.90, {"see": "the mean's detail"})
