"""Hypotheses in free text: the guard against quotations, a model's bias corrected by a few people, and Goodhart."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.figure import Bench, Row, at_least
from imitative.config import load_problem
from imitative.data import Table
from imitative.evaluation import accuracy
from imitative.hypotheses.statements import Statement, Strength
from imitative.hypotheses.text import TextHypothesis, TextSpace
from imitative.overseers.mixed import Mixed
from imitative.overseers.overseer import Overseer
from imitative.records import MOST_ODDS, Answer, Judgement, Kind, Query, content_key
from imitative.search.sections import Sections
from imitative.settings import Settings
from imitative.testing.world import World
from imitative.texts.induction import TextInduced, induce_text
from imitative.texts.labelling import TextTransferred, transfer_text
from imitative.texts.problem import TextProblem
from imitative.texts.proposing import StatementProposer

WRONG = 0.2
SEEDS = 5
FRESH = range(120, 130)
"""Seeds of the bias: none of them was looked at while M_L, M_test or the correction was built; 100 to 119 were."""
SHARE, AUDIT_SHARE = 0.02, 0.17
"""Of the queries, and of an audit's, that people judge too: together below 5 % of all judgements."""


def guard(bench: Bench) -> Iterator[Row]:
    """Every way of copying a row of D, and sentences that copy none."""
    problem = load_problem("huskies", seed=0).problem
    text, rng = TextProblem.of(problem), np.random.default_rng(0)
    table = problem.labelled.table
    copies = []
    for i in rng.permutation(len(table))[:200]:
        row = table.row(int(i))
        words = str(row["description"]).split()
        start = int(rng.integers(max(1, len(words) - 10)))
        lines = text.phrasing.item({k: v for k, v in row.items() if k != "description"}).splitlines()
        chosen = [lines[j] for j in rng.permutation(len(lines))[:6]]
        spoken = problem.spoken[problem.answers[int(problem.labelled.answers[i])]]
        copies += [
            str(row["description"]),
            f"Such as: “{' '.join(words[start : start + 10]).upper()}”",
            f"If {', '.join(chosen)}, {spoken}.",
        ]
    missed = [copy for copy in copies if len(copy.split()) > 9 and TextHypothesis((copy,)) in text.space]
    space = problem.space
    conditions = list(space.conditions())
    pairs = [pair for pair in combinations(conditions, 2) if pair[0].feature != pair[1].feature]
    said = [(c,) for c in conditions] + [pairs[i] for i in rng.permutation(len(pairs))[:1000]]
    fair = [space.show_statement(Statement(each, problem.answers[0], Strength.STRONG)) for each in said]
    refused = [sentence for sentence in fair if TextHypothesis((sentence,)) not in text.space]
    detail = {"copies": len(copies), "missed": missed[:3], "fair sentences": len(fair), "refused of them": len(refused)}
    share = 1.0 - len(missed) / len(copies)
    yield at_least("verbatim copies refused, of three ways", share, 1.0, detail, not refused)


class Wrong:
    """A model that is wrong in a fifth of its judgements, always in the same direction.

    Towards the first answer where answers are judged, towards the longer text where texts are.
    """

    def __init__(self, overseer: Overseer, seed: int) -> None:
        self._overseer, self._seed = overseer, seed

    async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        said = await self._overseer.judge(queries)
        return [replace(self._turned(judgement), judge="model") for judgement in said]

    def _turned(self, judgement: Judgement) -> Judgement:
        query, answer = judgement.query, judgement.answer
        # Drawn from the two sides, not from which stands first: a swapped query meets the same mistake.
        sides = [sorted(query.hypotheses), sorted(query.answers), dict(query.question or {}), query.repeat, self._seed]
        if int(content_key(sides)[:13], 16) / 16**13 >= WRONG:
            return judgement
        if query.kind is Kind.ANSWER:
            return replace(judgement, answer=Answer(choice=sorted(query.answers)[0]))
        if query.kind is Kind.COMPARE_ANSWERS:
            return replace(judgement, answer=Answer(grade=1 if query.answers[0] < query.answers[1] else -1))
        if query.kind in (Kind.COMPARE_HYPOTHESES, Kind.ODDS):
            longer = 1 if len(query.hypotheses[0]) >= len(query.hypotheses[1]) else -1
            turned = Answer(grade=longer) if answer.grade is not None else Answer(ratio=3.0**longer)
            return replace(judgement, answer=turned)
        return judgement


def bias(bench: Bench) -> Iterator[Row]:
    """Five judgements in a hundred by people, the rest by a model that is wrong in a fifth: against people alone."""
    rows: list[dict[str, Any]] = []
    for seed in FRESH:
        loaded = load_problem("huskies", seed=seed)
        assert loaded.truth is not None
        people = World(loaded.build_overseer(seed), loaded.problem, seed)
        alone = _run(bench, seed, people, 1000)
        mixed = Mixed(Wrong(people, seed), people, SHARE, seed, audit_share=AUDIT_SHARE)
        done = _run(bench, seed, mixed, 1000)
        used = done[0].ledger.judgements
        corrected = done[1].compared.corrected
        assert corrected is not None
        truth = _agreement(loaded.problem.unlabelled, done, people)
        rows.append(
            {
                "D′, people alone": accuracy(loaded.truth.answers, alone[1].probabilities),
                "D′, mixed": accuracy(loaded.truth.answers, done[1].probabilities),
                "labels alike": float(np.mean(alone[1].labels == done[1].labels)),
                "share by people": float(np.mean([j.judge != "model" for j in used])),
                "audit, uncorrected": done[1].audit.agreement if done[1].audit else None,
                "audit, corrected": [corrected.value, corrected.low, corrected.high],
                "audit, people alone": alone[1].audit.agreement if alone[1].audit else None,
                "people agree with all labels": truth,
                "covered": corrected.low <= truth <= corrected.high,
            }
        )
        bench.say(str(rows[-1]))
    covered = [row["covered"] for row in rows]
    losses = [row["D′, people alone"] - row["D′, mixed"] for row in rows]
    lost, share = float(np.mean(losses)), float(np.mean([row["share by people"] for row in rows]))
    detail = {"seeds": rows, "mean D′ accuracy lost": lost, "worst": max(losses), "mean share by people": share}
    name = "bias: corrected intervals that hold what people would say"
    yield at_least(name, float(np.mean(covered)), 0.95, detail, abs(lost) <= 0.02 and share <= 0.05)


def _run(bench: Bench, seed: int, overseer: Overseer, budget: int) -> tuple[TextInduced, TextTransferred]:
    loaded = load_problem("huskies", seed=seed)
    text = TextProblem.of(loaded.problem)
    induced = induce_text(
        text, overseer, StatementProposer(), seed=seed, budget=budget, encode=bench.encode, settings=loaded.settings
    )
    return induced, transfer_text(induced, seed=seed)


def _agreement(table: Table, done: tuple[TextInduced, TextTransferred], people: Overseer) -> float:
    """How often people, asked about all of D′ under z*, say what the labels do."""
    induced, transferred = done
    answers, shown = induced.text.problem.answers, induced.text.space.show(induced.best)
    queries = [
        Query(Kind.ANSWER, (shown,), table.row(i), answers, purpose="audit", repeat=i) for i in range(len(table))
    ]
    said = asyncio.run(people.judge(queries))
    return float(np.mean([j.answer.choice == answers[y] for j, y in zip(said, transferred.labels, strict=True)]))


class Changing:
    """Its first `n` judgements of texts are by somebody who is fond of the photo; all later ones by the person."""

    def __init__(self, fond: Overseer, person: Overseer, n: int) -> None:
        self._fond, self._person, self._left = fond, person, n

    async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        now = self._fond if self._left > 0 else self._person
        self._left -= len(queries)
        return await now.judge(queries)


def _fondness(text: str) -> float:
    return 10.0 * sum("snow" in part or "winter" in part for part in text.split("\n\n"))


def goodhart(bench: Bench) -> Iterator[Row]:
    """M_prior was taught to overrate a phrase. Frozen, the search drifts to it; does it, asked again? Is it told?"""
    rows: list[dict[str, Any]] = []
    for seed in range(SEEDS):
        loaded = load_problem("huskies", seed=seed)
        assert loaded.truth is not None
        text = TextProblem.of(loaded.problem)
        person = World(loaded.build_overseer(seed), loaded.problem, seed)
        fond = World(loaded.build_overseer(seed), loaded.problem, seed, likes=_fondness, name="fond")
        found: dict[str, Any] = {}
        for name, again in (("frozen", False), ("asked again", True)):
            settings: Settings = replace(loaded.settings, ask_again=again)
            induced = induce_text(
                text, Changing(fond, person, 40), StatementProposer(), seed=seed, budget=300, encode=bench.encode,
                settings=settings,
            )  # fmt: skip
            done = transfer_text(induced, seed=seed)
            found[name] = accuracy(loaded.truth.answers, done.probabilities)
            if not again:
                found |= _pressed(induced, person, loaded.truth.answers)
        rows.append(found)
        bench.say(str(found))
    rang = [bool(row["rang in time"]) for row in rows]
    frozen, asked = (float(np.mean([row[name] for row in rows])) for name in ("frozen", "asked again"))
    detail = {"seeds": rows, "D′, frozen": frozen, "D′, asked again": asked}
    name = "Goodhart: alarms before D′ has fallen 5 % from its peak"
    yield at_least(name, float(np.mean(rang)), 1.0, detail, asked > frozen)


def _pressed(induced: TextInduced, person: World, truth: NDArray[np.int64]) -> dict[str, Any]:
    """A frozen M searched harder and harder: more sections allowed. Where does the alarm ring, where does D′ fall?"""
    space, pool = induced.text.space, induced.pool
    path, gaps = [], []
    for sections in range(1, space.sections + 1):
        tight = TextSpace(space.max_words, sections, space.guard)
        best = Sections(tight, pool, []).run(np.random.default_rng(sections))[0].hypothesis
        p = np.exp(
            induced.reading.log_probabilities(induced.text.problem.unlabelled, best, induced.text.problem.answers)
        )
        path.append(accuracy(truth, p) or 0.0)
        worth = [float(np.clip(induced.prior.worth(section), -MOST_ODDS, MOST_ODDS)) for section in best.sections]
        whole = person.log_prior(space.show(best))
        heard = [
            float(np.clip(whole - person.log_prior(space.show(best.without(i))), -MOST_ODDS, MOST_ODDS))
            for i in range(len(best.sections))
        ]
        tolerance = max(1.0, np.sqrt(len(worth)) + induced.prior.sd(best))
        gaps.append((sum(worth) - sum(heard)) / tolerance)
    peaks = np.maximum.accumulate(path)
    fallen = [i for i in range(len(path)) if path[i] < peaks[i] - 0.05]
    rings = [i for i, gap in enumerate(gaps) if gap > 1.0]
    # Where D′ never falls there is nothing to be late for.
    in_time = not fallen or (bool(rings) and rings[0] <= fallen[0])
    return {"D′ by pressure": path, "gap over tolerance": gaps, "rang in time": in_time, "fell": bool(fallen)}
