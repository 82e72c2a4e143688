"""One trunk for M_prior, M_L and M_test against three: what sharing buys after 50, 200 and 1,000 judgements.

The trunk is the tiny reader of `bench.causal`, trained on sentences about the dog. A third of the judgements goes to
each judge: which of two sentences the simulated person finds more plausible; what a paraphrase says of something that
holds; how the person answers, following one z of four sentences, when six things are known of a dog. All arms take as
many steps as a run does. What is told is the share of fresh judgements that each judge foresees.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple, final

import numpy as np

from bench.causal import reading_drawn, train
from bench.figure import Bench, Row, paired_p
from imitative.config import load_problem
from imitative.data import Table
from imitative.hypotheses.statements import Hypothesis, Statement, Strength
from imitative.likelihood import LITERAL
from imitative.overseers.simulated import Simulated
from imitative.testing.world import World
from imitative.texts.causal import CausalReader, Preferred, Reading
from imitative.texts.judges import STEPS
from imitative.texts.trunk import LIKELIHOOD, PRIOR, TEST, CausalJudges, Sharing

JUDGEMENTS = (50, 200, 1000)
SEEDS = tuple(range(3))
FRESH = 150
"""Judgements that each judge is tried on."""
KNOWN = 6
"""Things known of a dog that M_test is asked about."""


def sharing(bench: Bench) -> Iterator[Row]:
    """A row for 50, 200 and 1,000 judgements: what one adapter for all foresees above three models."""
    person = Person()
    trunk, right, seconds = train(bench, person.problem)
    for n in JUDGEMENTS:
        found: dict[str, list[dict[str, float]]] = {}
        for seed in SEEDS:
            given, fresh = person.judged(n, seed), person.judged(3 * FRESH, 1000 + seed)
            found.setdefault("untaught", []).append(foreseen(trunk, None, given, fresh, seed))
            for arm in Sharing:
                found.setdefault(arm.value, []).append(foreseen(trunk, arm, given, fresh, seed))
            bench.say(f"{n} judgements, seed {seed}: { {arm: each[-1] for arm, each in found.items()} }")
        yield _row(n, found, {"sentences the trunk reads rightly": right, "seconds of training": seconds})


def _row(n: int, found: dict[str, list[dict[str, float]]], trained: dict[str, float]) -> Row:
    means = {arm: [float(np.mean(list(each.values()))) for each in rows] for arm, rows in found.items()}
    by_judge = {
        arm: {judge: float(np.mean([each[judge] for each in rows])) for judge in (PRIOR, LIKELIHOOD, TEST)}
        for arm, rows in found.items()
    }
    shared = {arm: float(np.mean(means["adapter"]) - np.mean(means[arm])) for arm in ("trunk", "nothing")}
    p = {arm: paired_p(means["adapter"], means[arm]) for arm in ("trunk", "nothing")}
    detail: dict[str, Any] = {
        "foreseen": by_judge,
        "each seed, mean of the three judges": means,
        "gained over an adapter each": shared["trunk"],
        "gained over three models": shared["nothing"],
        "p that it is no more": p,
        **trained,
    }
    name = f"one trunk and adapter for three judges, {n} judgements: foreseen more than by three models"
    return Row(name, shared["nothing"], "told", True, detail)


class Judged(NamedTuple):
    """A third of the judgements each."""

    preferred: list[Preferred]
    readings: list[Reading]
    answers: list[Reading]


@final
class Person:
    """The simulated person of the huskies, in the trunk's plain sentences."""

    def __init__(self) -> None:
        loaded = load_problem("huskies", seed=0)
        self.problem = loaded.problem
        overseer = loaded.build_overseer(0)
        assert isinstance(overseer, Simulated)
        self.world = World(overseer, self.problem, noise=0.5)
        space = self.problem.space
        self.conditions = list(space.conditions())
        self.english = [space.english.conditions((condition,)) for condition in self.conditions]
        self.clauses = [self.problem.spoken[answer] for answer in self.problem.answers]
        # z: what the person holds truest of either answer.
        said = [Statement((c,), answer, Strength.STRONG) for c in self.conditions for answer in self.problem.answers]
        said.sort(key=overseer.taste, reverse=True)
        each = [[s for s in said if s.answer == answer][:2] for answer in self.problem.answers]
        self.statements = [statement for pair in zip(*each, strict=True) for statement in pair]
        self.z = Hypothesis(tuple(self.statements), self.problem.answers[0], Strength.HINT)
        self.text = " ".join(self._plain(statement) for statement in self.statements)

    def judged(self, n: int, seed: int) -> Judged:
        """n judgements."""
        rng = np.random.default_rng([n, seed, 5])
        third = n // 3
        readings = [reading_drawn(self.english, self.clauses, rng) for _ in range(third)]
        answers = [found for _ in range(20 * third) if (found := self._answered(rng)) is not None][:third]
        return Judged([self._preferred(rng) for _ in range(n - 2 * third)], readings, answers)

    def _plain(self, statement: Statement) -> str:
        condition = self.problem.space.english.conditions(statement.conditions)
        return f"If {condition}, {self.problem.spoken[statement.answer]}."

    def _preferred(self, rng: np.random.Generator) -> Preferred:
        """The person's choice between two sentences, with their noise."""
        two = [
            Statement(
                (self.conditions[int(rng.integers(len(self.conditions)))],),
                self.problem.answers[int(rng.integers(len(self.problem.answers)))],
                Strength.MODERATE,
            )
            for _ in range(2)
        ]
        d = self.world.person.taste(two[0]) - self.world.person.taste(two[1]) + float(rng.logistic(scale=0.5))
        return Preferred(self._plain(two[0]), self._plain(two[1]), 2 if d > 0.0 else -2)

    def _answered(self, rng: np.random.Generator) -> Reading | None:
        """How the person answers of a dog, following z; None where z says nothing of it."""
        table = self.problem.unlabelled
        row = table.row(int(rng.integers(len(table))))
        one = Table.of(self.problem.space.features, [row])
        log_p = LITERAL.log_probabilities(one, self.z, self.problem.answers)[0]
        holds = [i for i, condition in enumerate(self.conditions) if condition.applies(one)[0]]
        bearing = [i for i in holds if any(self.conditions[i] in s.conditions for s in self.statements)]
        if not bearing or len(holds) < KNOWN:
            return None
        others = [i for i in holds if i not in bearing]
        known = [*bearing, *rng.permutation(others)[: max(0, KNOWN - len(bearing))]]
        noisy = log_p + rng.logistic(scale=0.5, size=len(log_p))
        item = ", ".join(self.english[int(i)] for i in rng.permutation(known))
        return Reading(self.text, item, int(noisy.argmax()))


def foreseen(trunk: CausalReader, arm: Sharing | None, given: Judged, fresh: Judged, seed: int) -> dict[str, float]:
    """The share of fresh judgements that each judge foresees; `arm` None: by the trunk as it is."""
    base = CausalReader(copy.deepcopy(trunk.model), trunk.tokenizer, trunk.clauses, "", trunk._form)
    judges = CausalJudges(base, arm or Sharing.ADAPTER, seed=seed)
    if arm is not None:
        judges.fit(given.preferred, {LIKELIHOOD: given.readings, TEST: given.answers}, steps=STEPS)
    d = judges.scores([p.first for p in fresh.preferred]) - judges.scores([p.second for p in fresh.preferred])
    agreed = np.where(d == 0.0, 0.5, np.sign(d) == np.sign([p.grade for p in fresh.preferred]))
    read = [judges.log_probabilities([r.item], r.text)[0].argmax() == r.answer for r in fresh.readings]
    # The answers are two; that nothing follows is none of them.
    said = judges.log_probabilities([r.item for r in fresh.answers], fresh.answers[0].text, TEST)[:, :2].argmax(axis=1)
    answered = said == np.array([r.answer for r in fresh.answers])
    return {PRIOR: float(agreed.mean()), LIKELIHOOD: float(np.mean(read)), TEST: float(answered.mean())}
