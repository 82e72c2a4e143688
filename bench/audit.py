"""The audit's interval: does it cover what it estimates as often as it says?

What it estimates is the agreement of M_test's labels with the overseer on *all* of D′. A simulated person can be asked
for all of it, in the very queries the audit would have drawn from.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bench.figure import Bench, Row, at_least
from bench.runs import built_in
from imitative.evaluation import clopper_pearson
from imitative.induction import Induced
from imitative.labelling import transfer
from imitative.overseers.overseer import Ledger, OrderSwapped, Overseer
from imitative.overseers.simulated import Simulated
from imitative.records import Kind, Query

RUNS = 200
INDUCTIONS = 10
"""Different z* in the 200 runs: what varies from run to run is who answers, and which questions are drawn."""


def audit(bench: Bench) -> Iterator[Row]:
    """200 runs each on huskies and on finite, the latter with a noisy reader: an exact one always agrees."""
    for name in ("huskies", "finite"):
        covered, agreements, widths = 0, [], []
        for run in range(RUNS):
            finished = built_in(bench, name, run % INDUCTIONS)
            overseer = noisy(finished.loaded.build_overseer(1000 + run))
            induced = replace(finished.induced, ledger=Ledger(OrderSwapped(overseer, run)))
            done = transfer(induced, seed=1000 + run)
            assert done.audit is not None
            truth = agreement(induced, done.labels, overseer)
            covered += done.audit.low <= truth <= done.audit.high
            agreements.append(truth)
            widths.append(done.audit.high - done.audit.low)
        interval = clopper_pearson(covered, RUNS)
        detail = {
            "runs": RUNS,
            "hypotheses": INDUCTIONS,
            "interval of the coverage": interval,
            "agreement on all of D′": {"mean": float(np.mean(agreements)), "least": min(agreements)},
            "mean width": float(np.mean(widths)),
        }
        yield at_least(f"audit: its interval covers the truth, {name}", covered / RUNS, 0.95, detail)


def agreement(induced: Induced, labels: np.ndarray[tuple[int], np.dtype[np.int64]], overseer: Overseer) -> float:
    """The share of all of D′ on which the overseer, asked as an audit asks, says what M_test does."""
    problem, text = induced.problem, induced.problem.space.show(induced.best)
    queries = [
        Query(Kind.ANSWER, (text,), problem.unlabelled.row(i), problem.answers, purpose="audit", repeat=i)
        for i in range(len(problem.unlabelled))
    ]
    judgements = asyncio.run(overseer.judge(queries))
    return float(np.mean([j.answer.choice == problem.answers[int(y)] for j, y in zip(judgements, labels, strict=True)]))


def noisy(overseer: Overseer) -> Simulated:
    """The same person, who now misreads and is careless now and then."""
    assert isinstance(overseer, Simulated)
    return replace(overseer, exact=False, noise=0.5, careless=0.05, ties=0.25) if overseer.exact else overseer
