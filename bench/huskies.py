"""Huskies: a noisy person, at most 300 judgements, and a D in which the background is never wrong."""

from __future__ import annotations

from collections.abc import Iterator

from bench.figure import Bench, Row, at_least, mean_and_worst
from bench.runs import built_in, direct_fits

SEEDS = range(10)
BUDGET = 300
WITH_RULES = 2
"""RuleFit is fitted for so many seeds: it takes seconds a fit and does as the tree does."""


def huskies(bench: Bench) -> Iterator[Row]:
    """D′ accuracy of the worst seed; beside it what the direct fits make of D and of D′."""
    finished = [built_in(bench, "huskies", seed) for seed in SEEDS]
    fitted = [direct_fits(run.loaded, run.seed, rules=run.seed < WITH_RULES) for run in finished]
    models = fitted[0]
    found = [run.accuracy for run in finished]
    detail = {
        "seeds": list(SEEDS),
        "each": found,
        **mean_and_worst(found),
        "judgements": [run.asked for run in finished],
        "direct fits": {
            name: {
                "held-out D": mean_and_worst([fit[name]["labelled"] or 0.0 for fit in fitted if name in fit]),
                "D′": mean_and_worst([fit[name]["unlabelled"] or 0.0 for fit in fitted if name in fit]),
            }
            for name in models
        },
        "hypotheses": [run.text for run in finished],
    }
    within = max(run.asked for run in finished) <= BUDGET
    yield at_least("huskies: D′ accuracy, worst of 10 seeds", min(found), 0.95, detail, within)
