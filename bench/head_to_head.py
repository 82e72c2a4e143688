"""Free text against gepa: the same simulated person behind the same server, the same budget of calls.

Both are given D with its answers, the question, and the server: whoever judges, writes and answers is one model. Both
may send so many requests; what gepa sends beyond it, to end a step it has begun, is let pass. Neither sees an answer
of D′. gepa is used as its documentation says: its default adapter and metric, the rest of D for its reflection and a
sample for its validation, told apart by two settings, of which the better counts at every budget.

    ours      pairs, odds and readings of texts it wrote for us; D read by M_L at no charge, as it reads controlled
              English exactly; labels of D′ by M_test
    gepa      its instruction with the best score on the sample; D′ answered under it without noise and at no charge
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from bench.figure import Bench, Row, at_least, paired_p
from bench.mushrooms import habitat
from bench.prompted import Prompted
from imitative.calls import Book, Limits, Paid, Server, Service
from imitative.config import load_problem
from imitative.evaluation import accuracy
from imitative.loaded import LoadedProblem
from imitative.overseers.language_model import LanguageModel
from imitative.testing.server import Serving
from imitative.testing.world import World
from imitative.texts.induction import induce_text
from imitative.texts.labelling import transfer_text
from imitative.texts.problem import TextProblem
from imitative.texts.proposing import LanguageModelProposer

BUDGETS = (50, 100, 200, 500, 1000, 2000)
SEEDS = tuple(range(200, 210))
"""Seeds that nothing here was chosen on."""
CALLS_A_ROUND = 4
"""Of the proposer."""
MOST_ROUNDS = 8
ORDERS = 2
"""Calls a judgement."""
MINIBATCHES = {"gepa": 3, "gepa, 12 examples": 12}
"""Examples a reflection: gepa's default, and as many as our proposer shows."""


class Reached(NamedTuple):
    """What a budget bought.

    Args:
        unlabelled, labelled: accuracy on D′ and D.
        calls: requests the server counted.
        text: the instruction.
    """

    unlabelled: float
    labelled: float
    calls: int
    text: str


def against_gepa(bench: Bench) -> Iterator[Row]:
    """D′ accuracy at budgets from 50 to 2,000 calls."""
    if find_spec("gepa") is None:
        raise ValueError("gepa is not installed: pip install 'imitative[rivals]'")
    for budget in BUDGETS:
        for name, load in problems(bench).items():
            table: dict[str, list[Reached]] = {}
            for seed in SEEDS:
                loaded = load(seed)
                table.setdefault("ours", []).append(ours(bench, loaded, budget, seed))
                for rival, shown in MINIBATCHES.items():
                    table.setdefault(rival, []).append(rivals(loaded, budget, seed, shown))
            bench.say(f"{name}, {budget} calls: " + "; ".join(_told(who, each) for who, each in table.items()))
            yield _row(name, budget, table)


def problems(bench: Bench) -> dict[str, Callable[[int], LoadedProblem]]:
    """Name → seed → problem; mushrooms where their data are at hand."""
    found: dict[str, Callable[[int], LoadedProblem]] = {"huskies": lambda seed: load_problem("huskies", seed=seed)}
    if bench.folder is not None:
        found["mushrooms from grasses"] = lambda _: habitat("g", bench.data)
    return found


def _told(who: str, found: Sequence[Reached]) -> str:
    d, d2 = (float(np.mean([getattr(each, part) for each in found])) for part in ("labelled", "unlabelled"))
    return f"{who} D {d:.3f} D′ {d2:.3f}"


def _row(name: str, budget: int, table: dict[str, list[Reached]]) -> Row:
    """Our mean less the better rival's; reached where it is above 0, and D no worse."""

    def mean(who: str, part: str) -> float:
        return float(np.mean([getattr(each, part) for each in table[who]]))

    better = max(MINIBATCHES, key=lambda who: mean(who, "unlabelled"))
    mine, theirs = ([each.unlabelled for each in table[who]] for who in ("ours", better))
    lead = mean("ours", "unlabelled") - mean(better, "unlabelled")
    detail = {
        "mean D′": {who: mean(who, "unlabelled") for who in table},
        "mean D": {who: mean(who, "labelled") for who in table},
        "calls": {who: mean(who, "calls") for who in table},
        "p": paired_p(mine, theirs),
        "better rival": better,
        "seeds": list(SEEDS),
        "D′": {who: [each.unlabelled for each in found] for who, found in table.items()},
        "texts": {who: found[0].text for who, found in table.items()},
    }
    no_worse = mean("ours", "labelled") >= mean(better, "labelled") - 1e-9
    return at_least(f"{name}, {budget} calls: D′ above gepa's", lead, 0.0, detail, lead > 0.0 and no_worse)


def ours(bench: Bench, loaded: LoadedProblem, budget: int, seed: int) -> Reached:
    """Steps 1–4 over free text, the model proposing and judging."""
    assert loaded.truth is not None
    problem = loaded.problem
    world = World(loaded.build_overseer(seed), problem, seed)
    mind = Prompted(world)
    text = TextProblem.of(problem)
    rounds = int(np.clip(budget // 50, 1, MOST_ROUNDS))
    judgements = (budget - CALLS_A_ROUND * rounds) // ORDERS
    with Serving(mind) as server:
        service = Service(world.name, server.base_url)
        paid = Paid(Server(service), Book(None, "bench"), limits=Limits(calls=budget))
        judge = LanguageModel(paid, service.base_url, world.name, text.phrasing)
        writer = LanguageModelProposer(paid, service.base_url, world.name)
        settings = replace(loaded.settings, rounds=rounds)
        induced = induce_text(
            text, judge, writer, seed=seed, budget=judgements, encode=bench.encode, settings=settings
        )  # fmt: skip
        done = transfer_text(induced, seed=seed)
        calls = server.seen.requests
    assert calls <= budget, f"{calls} calls, more than {budget}"
    on_d = accuracy(problem.labelled.answers, done.model.probabilities(problem.labelled.table))
    on_d2 = accuracy(loaded.truth.answers, done.probabilities)
    return Reached(on_d2 or 0.0, on_d or 0.0, calls, text.space.show(induced.best))


def rivals(loaded: LoadedProblem, budget: int, seed: int, shown: int) -> Reached:
    """gepa on the same, with so many examples a reflection."""
    from openai import OpenAI

    gepa: Any = import_module("gepa")  # types may come with it or not: mypy has to agree either way

    assert loaded.truth is not None
    problem = loaded.problem
    mind = Prompted(World(loaded.build_overseer(seed), problem, seed))
    text = TextProblem.of(problem)
    clauses = [problem.spoken[answer] for answer in problem.answers]
    order = np.random.default_rng([seed, 9]).permutation(len(problem.labelled))
    table, answers = problem.labelled.table, problem.labelled.answers
    data = [
        {"input": text.phrasing.item(table.row(int(i))), "additional_context": {}, "answer": clauses[int(answers[i])]}
        for i in order[:1000]
    ]
    checked = int(np.clip(budget // 10, 5, 100))  # some eight candidates are scored in full, whatever the budget
    seed_text = f"{problem.question} Reply with one of: {'; '.join(clauses)}."
    with Serving(mind) as server, OpenAI(api_key="none", base_url=server.base_url, max_retries=0) as client:
        drawn = iter(range(10**9))

        def ask(messages: Any) -> str:
            if isinstance(messages, str):
                messages = [{"role": "user", "content": messages}]
            reply = client.chat.completions.create(model=mind.name, messages=messages, seed=next(drawn))
            return reply.choices[0].message.content or ""

        found = gepa.optimize(
            seed_candidate={"instructions": seed_text},
            trainset=data[checked:],
            valset=data[:checked],
            task_lm=ask,
            reflection_lm=ask,
            reflection_minibatch_size=shown,
            stop_callbacks=lambda _: server.seen.requests >= budget,
            logger=_Silent(),
            seed=seed,
        )
        calls = server.seen.requests
    best = str(found.best_candidate["instructions"])
    on_d, on_d2 = (mind.meant(best, each) for each in (table, problem.unlabelled))
    return Reached(accuracy(loaded.truth.answers, on_d2) or 0.0, accuracy(answers, on_d) or 0.0, calls, best)


class _Silent:
    def log(self, message: str) -> None:
        pass
