"""Judges of our own: what a shared prefix saves, whether a trained reader recovers z*, what sharing a trunk buys."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from bench.figure import Bench, Row, at_least
from imitative.config import load_problem
from imitative.data import Floats
from imitative.evaluation import accuracy
from imitative.overseers.overseer import Overseer
from imitative.problem import Problem
from imitative.records import Judgement, Query
from imitative.testing.tiny import tiny_model, word_tokenizer
from imitative.testing.world import World
from imitative.texts.causal import CausalReader, Reading
from imitative.texts.induction import induce_text
from imitative.texts.labelling import transfer_text
from imitative.texts.prior import TextPrior
from imitative.texts.problem import TextProblem
from imitative.texts.proposing import Proposal, Situation, StatementProposer
from imitative.texts.reading import Reads, TextReading
from imitative.traits import Encode

QUESTIONS, WORDS = 1000, 400
WIDTH, LAYERS = 256, 4
FORMS = (
    "If {c}, {a}.", "When {c}, {a}.", "{c}, so {a}.", "Where {c}, say that {a}.", "{a} whenever {c}.",
    "It is clear that {a} if {c}.",
)  # fmt: skip
AGAINST = ("If {c}, it is not the case that {a}.", "{c}, so it is wrong that {a}.")
NOTHING = "nothing follows"
STEPS = 5000


def prefix(bench: Bench) -> Iterator[Row]:
    """1,000 questions under a z of 400 words: its keys and values once, against reading every pair whole."""
    import torch

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    vocabulary = [f"word{i}" for i in range(800)]
    tokenizer = word_tokenizer([" ".join(vocabulary), "Answer: Is it? A: it is bad. B: it is good."])
    model = tiny_model(len(tokenizer), width=WIDTH, layers=LAYERS)
    reader = CausalReader(model, tokenizer, ["it is bad", "it is good"], "Is it?")
    text = " ".join(rng.choice(vocabulary, WORDS))
    items = [" ".join(rng.choice(vocabulary, int(rng.integers(15, 30)))) for _ in range(QUESTIONS)]
    reader.log_probabilities(items[:64], text)
    started = time.process_time()
    shared = reader.log_probabilities(items, text)
    quick = time.process_time() - started
    started = time.process_time()
    whole = reader.whole(items, text)
    slow = time.process_time() - started
    error = float(np.abs(shared - whole).max())
    weights = sum(p.numel() for p in model.model.layers.parameters())
    tokens = WORDS + sum(len(reader._ids(item + reader._form(text, reader._ask)[1])) for item in items)
    work = 2.0 * weights * tokens + 4.0 * LAYERS * WIDTH * tokens * WORDS
    detail = {
        "processor seconds": {"shared": quick, "whole": slow},
        "questions a second": QUESTIONS / quick,
        "largest difference, nats": error,
        "share of this processor's peak, one thread": work / quick / _peak(),
        "model": f"{LAYERS} layers of width {WIDTH}, float32",
    }
    yield at_least("shared prefix: times faster, 1,000 questions", slow / quick, 8.0, detail, error <= 1e-4)


def _peak() -> float:
    """Operations a second of one large matrix product, the most this processor does in one thread."""
    import torch

    a = torch.randn(1024, 1024)
    best = 0.0
    for _ in range(5):
        started = time.process_time()
        a @ a
        best = max(best, 2.0 * 1024**3 / (time.process_time() - started))
    return best


# -- a trained reader --------------------------------------------------------------------------------------------------


def reader(bench: Bench) -> Iterator[Row]:
    """A tiny transformer learns to read sentences; then huskies is run in free text, read by it alone."""
    loaded = load_problem("huskies", seed=0)
    problem = loaded.problem
    trained, right, seconds = train(bench, problem)

    def reads(conditions: Sequence[str]) -> Callable[[str], Floats]:
        def read(section: str) -> Floats:
            p = np.exp(trained.log_probabilities(list(conditions), section))[:, :2]
            return np.vstack([np.where(p > 0.5, p, 0.0), np.zeros(2)])

        return read

    found: dict[str, list[float]] = {"trained": [], "literal": []}
    about_the_dog = []
    for seed in range(3):
        loaded = load_problem("huskies", seed=seed)
        text = TextProblem.of(loaded.problem)
        for name in found:
            free = Paraphrasing(loaded.problem, seed, plain=name == "literal")
            overseer = Understanding(World(loaded.build_overseer(seed), loaded.problem, seed), free.meant)
            induced = induce_text(
                text, overseer, free, seed=seed, budget=loaded.budget, encode=bench.encode, settings=loaded.settings,
                judges=Trained(bench.encode, reads) if name == "trained" else None,
            )  # fmt: skip
            done = transfer_text(induced, seed=seed)
            assert loaded.truth is not None
            found[name].append(accuracy(loaded.truth.answers, done.probabilities) or 0.0)
            if name == "trained":
                shown = text.space.show(induced.best)
                about_the_dog.append("photo" not in shown and "background" not in shown)
                bench.say(f"seed {seed}: {found[name][-1]:.3f} {shown[:200]!r}")
    detail = {
        "sentences read rightly, held out": right,
        "seconds of training": seconds,
        "D′ accuracy, read by the trained model": found["trained"],
        "D′ accuracy, controlled English read literally": found["literal"],
        "z* speaks of the dog alone": about_the_dog,
    }
    yield at_least("a trained tiny reader on huskies: D′ accuracy", float(np.mean(found["trained"])), 0.9, detail)


class Trained:
    """Sections are read by a model that was trained before and learns nothing more; see `texts.judges.Judges`."""

    def __init__(self, encode: Encode, reads: Reads) -> None:
        self.encode, self.reads, self.answers_by = encode, reads, reads

    def learn(self, judgements: Sequence[Judgement]) -> bool:
        return False


def train(bench: Bench, problem: Problem) -> tuple[CausalReader, float, float]:
    """The reader, the share of held-out sentences it reads rightly, and the seconds it took."""
    import torch

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    space, clauses = problem.space, [problem.spoken[answer] for answer in problem.answers]
    english = [space.english.conditions((condition,)) for condition in space.conditions()]

    def drawn(n: int) -> list[Reading]:
        return [reading_drawn(english, clauses, rng) for _ in range(n)]

    every = [form.format(c=c, a=a) for form in (*FORMS, *AGAINST) for c in english for a in clauses]
    tokenizer = word_tokenizer([*every, f"A: B: C: {NOTHING}. Answer: ?"])
    model = tiny_model(len(tokenizer), width=64, layers=2)
    found = CausalReader(model, tokenizer, [*clauses, NOTHING], "", lambda text, _: (f"{text} ", " Answer:"))
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=3e-3, total_steps=STEPS)
    started = time.process_time()
    model.train()
    for step in range(STEPS):
        loss = found.loss(drawn(64))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        if step % 250 == 0:
            bench.say(f"step {step}: loss {loss.item():.3f}")
    model.eval()  # type: ignore[no-untyped-call]
    fresh = drawn(500)
    right = float(np.mean([found.log_probabilities([r.item], r.text)[0].argmax() == r.answer for r in fresh]))
    return found, right, time.process_time() - started


def reading_drawn(english: Sequence[str], clauses: Sequence[str], rng: np.random.Generator) -> Reading:
    """A sentence about one condition, and an item that is it, or another of which nothing follows."""
    about, y = int(rng.integers(len(english))), int(rng.integers(len(clauses)))
    against = rng.random() < 0.2
    form = str(rng.choice(AGAINST if against else FORMS))
    text = form.format(c=english[about], a=clauses[y])
    met = about if rng.random() < 0.5 else int(rng.integers(len(english)))
    said = (1 - y if against else y) if met == about else len(clauses)
    return Reading(text, english[met], said)


class Paraphrasing:
    """Writes what `StatementProposer` does, in words of its own, and remembers what it meant."""

    def __init__(self, problem: Problem, seed: int, plain: bool) -> None:
        self.problem, self.plain = problem, plain
        self.meant: dict[str, str] = {}
        self._rng = np.random.default_rng([seed, 11])
        self._writer = StatementProposer()

    async def propose(
        self, situation: Situation, prior: TextPrior, reading: TextReading, rng: np.random.Generator
    ) -> list[Proposal]:
        proposals = await self._writer.propose(situation, prior, reading, rng)
        return proposals if self.plain else [Proposal(self._said(p.section), p.move) for p in proposals]

    def _said(self, sentence: str) -> str:
        try:
            statement = self.problem.space.read_statement(sentence)
        except ValueError:
            return sentence
        condition = self.problem.space.english.conditions(statement.conditions)
        clause = self.problem.spoken[statement.answer]
        text = str(self._rng.choice(FORMS)).format(c=condition, a=clause)
        self.meant.setdefault(text, sentence)
        return text


class Understanding:
    """People understand a paraphrase as what its writer meant."""

    def __init__(self, people: Overseer, meant: dict[str, str]) -> None:
        self._people, self._meant = people, meant

    async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        turned = [replace(query, hypotheses=tuple(map(self._turned, query.hypotheses))) for query in queries]
        said = await self._people.judge(turned)
        return [replace(judgement, query=query) for judgement, query in zip(said, queries, strict=True)]

    def _turned(self, text: str) -> str:
        return "\n\n".join(self._meant.get(section, section) for section in text.split("\n\n"))
