"""Huskies: a noisy person, at most 300 judgements, and a D in which the background is never wrong."""

from __future__ import annotations

from collections.abc import Iterator

from bench.figure import Bench, Row, at_least, mean_and_worst
from bench.runs import built_in
from imitative.direct_fits import available
from imitative.evaluation import baselines

SEEDS = range(10)
BUDGET = 300


def huskies(bench: Bench) -> Iterator[Row]:
    """D′ accuracy of the worst seed; beside it what the direct fits make of D and of D′."""
    finished = [built_in(bench, "huskies", seed) for seed in SEEDS]
    fitted = [baselines(run.loaded.problem, run.loaded.truth, run.seed, models=tuple(available())) for run in finished]
    found = [run.accuracy for run in finished]
    detail = {
        "seeds": list(SEEDS),
        "each": found,
        **mean_and_worst(found),
        "judgements": [run.asked for run in finished],
        "direct fits": {
            name: {
                "held-out D": mean_and_worst([fit[name]["labelled"] or 0.0 for fit in fitted]),
                "D′": mean_and_worst([fit[name]["unlabelled"] or 0.0 for fit in fitted]),
            }
            for name in fitted[0]
        },
        "hypotheses": [run.text for run in finished],
    }
    within = max(run.asked for run in finished) <= BUDGET
    yield at_least("huskies: D′ accuracy, worst of 10 seeds", min(found), 0.95, detail, within)
