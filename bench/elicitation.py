"""What asking is worth: where the search is against once and for all, and the most telling query against any.

Three ways to spend the same judgements on the same problems, over paired seeds of huskies, a hundred or two:

    active      the default: in rounds, each query chosen for what it tells about the choice of z
    frozen      all judgements before the first search; M is never asked about where the search ends
    random      in rounds, each query drawn at random from the same candidates

and the first and the last over thirty pairs of mushrooms, where a few values of many matter (docs/decisions/0021).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np

from bench.figure import SIGNIFICANT, Bench, Row, paired_p
from bench.mushrooms import HABITATS, habitat
from bench.runs import Finished, built_in, finish, literal_accuracy
from imitative.elicitation.pairs import Pair, query_of
from imitative.overseers.overseer import OrderSwapped
from imitative.problems import BUILTIN
from imitative.records import MOST_ODDS, Kind

SEEDS = range(400, 500)
FURTHER = range(800, 900)
"""A second hundred pairs for what a hundred could not tell, docs/decisions/0036."""
TWO_LOOKS = 0.0294
"""Pocock's (1977) bound at each of two looks, for 0.05 in all."""
PROBLEM = "huskies"
MUSHROOM_SEEDS = range(10, 15)
"""Of each habitat."""
LEVEL = 0.95
"""The D′ accuracy whose price in judgements is compared: what the issue asks of the worst seed."""
FRESH = 5
"""How often each fresh judgement is asked: the median of five is not moved by one careless answer."""


def _arms(bench: Bench, seeds: Sequence[int] = SEEDS, **changed: Any) -> list[Finished]:
    settings = BUILTIN[PROBLEM](0).settings
    return [built_in(bench, PROBLEM, seed, replace(settings, **changed)) for seed in seeds]


def _habitats(bench: Bench, **changed: Any) -> list[Finished]:
    found = []
    for code, name in HABITATS.items():
        loaded = habitat(code, bench.data)
        for seed in MUSHROOM_SEEDS:
            run = finish(bench, loaded, seed, settings=replace(loaded.settings, **changed))
            bench.say(f"{name}, seed {seed}, {changed}: D′ accuracy {run.accuracy:.3f}")
            found.append(run)
    return found


def on_distribution(bench: Bench) -> Iterator[Row]:
    """Asking where the search is against M frozen after the first round."""
    seeds = (*SEEDS, *FURTHER)
    ours, frozen = (_arms(bench, seeds, ask_again=again, active=True) for again in (True, False))
    gaps, frozen_gaps = ([abs(gap(run)) for run in runs] for runs in (ours, frozen))
    signed = {name: [gap(run) for run in runs] for name, runs in (("on", ours), ("frozen", frozen))}
    yield _compared(
        "on-distribution: gap of M's score of z*, nats", gaps, frozen_gaps, "<", "frozen", {"signed": signed}, TWO_LOOKS
    )
    found, others = ([run.accuracy for run in runs] for runs in (ours, frozen))
    detail = {"by round": _by_round(ours)}
    yield _compared("on-distribution: D′ accuracy", found, others, ">", "frozen", detail, TWO_LOOKS)


def active(bench: Bench) -> Iterator[Row]:
    """Active against random elicitation, on huskies."""
    yield _fewer(PROBLEM, _arms(bench, ask_again=True, active=True), _arms(bench, ask_again=True, active=False))


def active_mushrooms(bench: Bench) -> Iterator[Row]:
    """Active against random elicitation, on mushrooms."""
    yield _fewer("mushrooms", _habitats(bench, active=True), _habitats(bench, active=False))


def _fewer(problem: str, ours: list[Finished], random: list[Finished]) -> Row:
    prices, others = ([judgements_to(run, LEVEL) for run in runs] for runs in (ours, random))
    accuracies = {name: [run.accuracy for run in runs] for name, runs in (("active", ours), ("random", random))}
    detail = {
        "by round": {"active": _by_round(ours), "random": _by_round(random)},
        "final D′ accuracy": {name: float(np.mean(found)) for name, found in accuracies.items()},
        "p of the final accuracy": paired_p(accuracies["active"], accuracies["random"]),
        "never reached": {
            name: sum(max(curve(run)[1]) < LEVEL for run in runs)
            for name, runs in (("active", ours), ("random", random))
        },
    }
    return _compared(f"active: judgements to {LEVEL:g} on D′, {problem}", prices, others, "<", "random", detail)


def _compared(
    figure: str,
    ours: Sequence[float],
    others: Sequence[float],
    sign: str,
    rival: str,
    detail: dict[str, Any],
    level: float = SIGNIFICANT,
) -> Row:
    """A row that is reached where the mean is better and the paired test says so."""
    p = paired_p(ours, others) if sign == ">" else paired_p(others, ours)
    mean, other = float(np.mean(ours)), float(np.mean(others))
    detail |= {
        "p": p,
        "test": "sign-flip permutation over paired seeds, one-sided",
        "seeds": len(ours),
        "each": {"ours": list(ours), rival: list(others)},
        rival: other,
    }
    return Row(figure, mean, f"{sign} {rival}'s {other:.4g}, p < {level}", p < level, detail)


def gap(run: Finished) -> float:
    """M_prior's score of z* over z* less each statement, minus the overseer's fresh odds of the same: nats.

    Positive where M_prior flatters z*. The judgements are asked for this alone; nothing was fitted to them.
    """
    induced, space = run.induced, run.loaded.problem.space
    best = induced.best
    pairs = [Pair(best, replace(best, statements=tuple(o for o in best.statements if o != s))) for s in best.statements]
    if not pairs:
        return 0.0
    queries = [query_of(pair, space, Kind.ODDS, "bench", repeat) for pair in pairs for repeat in range(FRESH)]
    judgements = asyncio.run(OrderSwapped(run.loaded.build_overseer(run.seed), run.seed).judge(queries))
    said = np.log([judgement.answer.ratio or 1.0 for judgement in judgements]).reshape(len(pairs), FRESH)
    model = [induced.prior.log_prior(pair.first) - induced.prior.log_prior(pair.second) for pair in pairs]
    return float(np.clip(model, -MOST_ODDS, MOST_ODDS).sum() - np.median(said, axis=1).sum())


def curve(run: Finished) -> tuple[list[int], list[float]]:
    """Judgements asked by the end of each round, and the D′ accuracy of its z*, read to the letter."""
    rounds = run.induced.rounds
    return list(accumulate(r.asked for r in rounds)), [literal_accuracy(run.loaded, r.best) for r in rounds]


def judgements_to(run: Finished, level: float) -> float:
    """Judgements until z* first is so accurate, linear between rounds; the whole budget where it never is."""
    asked, found = curve(run)
    for i, accuracy in enumerate(found):
        if accuracy >= level:
            if i == 0:
                return float(asked[0])
            share = (level - found[i - 1]) / (accuracy - found[i - 1])
            return float(asked[i - 1] + share * (asked[i] - asked[i - 1]))
    return float(run.induced.budget)


def _by_round(runs: Sequence[Finished]) -> list[dict[str, float]]:
    """The mean over the seeds after each round; a run that ended earlier stays where it ended."""
    curves = [curve(run) for run in runs]
    longest = max(len(asked) for asked, _ in curves)
    return [
        {
            "asked": float(np.mean([asked[min(i, len(asked) - 1)] for asked, _ in curves])),
            "accuracy": float(np.mean([found[min(i, len(found) - 1)] for _, found in curves])),
        }
        for i in range(longest)
    ]
