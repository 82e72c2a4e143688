"""A simulated person who reads and writes texts: as an overseer, and as a mind behind a real server.

What the person knows is the table of a simulated overseer. Of a text they understand the sentences of controlled
English (of anything else they think little, and make nothing of it). Behind a server they read the prompts
of this package: the blocks behind bars, and the lettered options; and they write what a proposer is asked for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, final

import numpy as np

from imitative.calls import Message
from imitative.data import FeatureKind, Table
from imitative.hypotheses.statements import Hypothesis, Statement, Strength
from imitative.likelihood import LITERAL
from imitative.overseers.overseer import Overseer
from imitative.overseers.prompts import Phrasing
from imitative.overseers.reader import STRANGE, Reader
from imitative.overseers.simulated import Simulated
from imitative.problem import Problem
from imitative.records import Answer, Judgement, Kind, Query, Question, content_key
from imitative.testing.server import Spoken, Wish, spoken_of


@final
class World:
    """A person of a problem; satisfies `Overseer` over texts, and `server.Mind`.

    Args:
        person: a simulated overseer of the problem.
        problem: whose question, answers and features it is about.
        seed: of its noise and its writing.
        noise: the scale of the logistic noise on what it judges, in nats.
        likes: text → nats that the person is known to overrate or underrate it by.
        name: of the model and the judge.
    """

    def __init__(
        self,
        person: Overseer,
        problem: Problem,
        seed: int = 0,
        noise: float = 0.5,
        likes: Callable[[str], float] | None = None,
        name: str = "world",
    ) -> None:
        assert isinstance(person, Simulated)
        self.person, self.problem, self.seed, self.noise, self.name = person, problem, seed, noise, name
        self._likes = likes
        self.phrasing = Phrasing(problem.question, problem.spoken, problem.space.features)
        self._reader = Reader(person, problem.space, problem.answers)

    # -- what it thinks ----------------------------------------------------------------------------------------------

    def understood(self, text: str) -> tuple[Hypothesis, int]:
        """See `Reader.understood`."""
        return self._reader.understood(text)

    def log_prior(self, text: str) -> float:
        """How plausible the person finds a text, in nats."""
        z, strange = self.understood(text)
        extra = self._likes(text) if self._likes is not None else 0.0
        return self.person.log_prior(z) + STRANGE * strange + extra

    def log_likelihood(self, text: str, question: Question) -> dict[str, float]:
        """log P(y | x, z) as the person reads z."""
        z, _ = self.understood(text)
        table = Table.of(self.problem.space.features, [question])
        log_p = LITERAL.log_probabilities(table, z, self.problem.answers)[0]
        return dict(zip(self.problem.answers, log_p.tolist(), strict=True))

    # -- as an overseer ----------------------------------------------------------------------------------------------

    async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        """See `Overseer.judge`."""
        return [
            Judgement(query, self._answer(query), self.name, self.person.cost, self.person.seconds) for query in queries
        ]

    def _answer(self, query: Query) -> Answer:
        rng = self._rng(query.key)
        worth = self.worth(query, rng)
        if query.kind is Kind.ANSWER:
            return Answer(choice=max(query.answers, key=worth.__getitem__))
        first, second = ("first", "second") if query.kind is not Kind.COMPARE_ANSWERS else query.answers
        d = worth[first] - worth[second]
        if query.kind is Kind.BET:
            return Answer(less_likely=d < 0.0)
        if query.kind is Kind.ODDS:
            return Answer(ratio=math.exp(float(np.clip(d, -6.9, 6.9))))
        grade = 0 if abs(d) < self.person.ties else 1 if abs(d) < self.person.much else 2
        return Answer(grade=grade if d > 0 else -grade)

    def worth(self, query: Query, rng: np.random.Generator) -> dict[str, float]:
        """What each side of a query is worth to the person, in nats, with their noise.

        The noise is of what is judged, not of where it stands: asking in both orders does not take it away.
        """

        def heard(nats: float) -> float:
            return nats + (float(rng.logistic(scale=self.noise)) if self.noise > 0.0 else 0.0)

        if query.kind in (Kind.COMPARE_HYPOTHESES, Kind.ODDS):
            first, second = query.hypotheses
            worth = {"first": self.log_prior(first), "second": self.log_prior(second)}
            noisy = "first" if first <= second else "second"
            return worth | {noisy: heard(worth[noisy])}
        if query.kind is Kind.BET:
            return {"first": heard(self.log_prior(query.hypotheses[0])), "second": -query.heads * math.log(2.0)}
        log_p = self.log_likelihood(query.hypotheses[0], query.question or {})
        return {answer: heard(log_p[answer]) for answer in sorted(query.answers)}

    def _rng(self, key: str) -> np.random.Generator:
        return np.random.default_rng(int(content_key([self.seed, key])[:16], 16))

    # -- behind a server ---------------------------------------------------------------------------------------------

    def speak(self, messages: Sequence[Message], wish: Wish) -> Spoken:
        """See `server.Mind`."""
        whole = "\n".join(message.content for message in messages)
        read = len(whole) // 4
        if messages[0].content.startswith("You write rules"):
            return spoken_of("\n".join(self._writes(messages[-1].content, wish.seed)), read=read)
        query, options = self._asked(messages[-1].content)
        worth = self.worth(query, self._rng(content_key(sorted(_blocks(whole)))))
        scores = np.array([worth[side] for side in options])
        log_p = scores - np.logaddexp.reduce(scores)
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: len(options)]
        rng = np.random.default_rng([wish.seed, self.seed])
        chosen = int(log_p.argmax()) if wish.temperature <= 0.0 else int(rng.choice(len(log_p), p=np.exp(log_p)))
        told = list(zip(letters, log_p.tolist(), strict=True)) if wish.alternatives else []
        return spoken_of(letters[chosen], told, read)

    def _asked(self, prompt: str) -> tuple[Query, list[str]]:
        """The query behind a prompt, and the side that each letter stands for."""
        blocks = [(name, text) for name, text in _blocks(prompt)]
        rules = [text for name, text in blocks if name == "rules"]
        items = [text for name, text in blocks if name == "item"]
        outside = re.sub(r"<(\w+)-(\w+)>\n.*?\n</\1-\2>", "", prompt, flags=re.DOTALL)
        options = re.findall(r"^([A-Z]): (.*)$", outside, flags=re.MULTILINE)
        if items:
            answers = {clause: answer for answer, clause in self.problem.spoken.items()}
            sides = [answers[text] for _, text in options]
            return Query(Kind.ANSWER, (rules[0],), self.item(items[0]), tuple(sides)), sides
        if len(rules) == 2:
            return Query(Kind.COMPARE_HYPOTHESES, (rules[0], rules[1])), ["first", "second"]
        heads = re.search(r"landing heads(?: (\d+) times)?", outside)
        sides = ["second" if "coin" in text else "first" for _, text in options]
        return Query(Kind.BET, (rules[0],), heads=int((heads and heads.group(1)) or 1)), sides

    def item(self, shown: str) -> Question:
        """The question behind an item's lines, as `Phrasing.item` writes them."""
        found: dict[str, Any] = {}
        for line in shown.splitlines():
            for feature in self.problem.space.features:
                if feature.discrete:
                    for value in feature.values:
                        if line == (feature.phrases.get(value) or f"{feature.spoken}: {feature.word(value)}"):
                            found[feature.name] = value
                elif line.startswith(f"{feature.spoken}: "):
                    said = line.removeprefix(f"{feature.spoken}: ")
                    found[feature.name] = float(said.split()[0]) if feature.kind is FeatureKind.NUMERIC else said
        return found

    def _writes(self, prompt: str, seed: int) -> list[str]:
        """Six sentences: what the examples shown have in common with their answers, or what it thinks of items."""
        spoken = {clause: a for a, clause in self.problem.spoken.items()}
        examples: list[tuple[Question, str | None]] = []
        known: set[str] = set()
        for name, text in _blocks(prompt):
            item, arrow, clause = text.rpartition("→ ")
            if name == "example" and arrow and clause.strip() in spoken:
                examples.append((self.item(item.strip()), spoken[clause.strip()]))
            elif name == "item":
                examples.append((self.item(text), None))
            elif name == "rules":
                known.update(text.split("\n\n"))
        return self.rules(examples, np.random.default_rng([seed, self.seed, len(prompt)]), known)

    def rules(
        self,
        examples: Sequence[tuple[Question, str | None]],
        rng: np.random.Generator,
        known: Collection[str] = (),
    ) -> list[str]:
        """Six sentences, none of those known, that the person would write after these questions and their answers.

        score(s) = examples s answers rightly − wrongly + taste(s) + a Gumbel draw of scale 2

        Of questions without an answer they have nothing but their taste.
        """
        space = self.problem.space
        conditions = list(space.conditions())
        if not examples or not conditions:
            return []
        table = Table.of(space.features, [question for question, _ in examples])
        ranked: list[tuple[float, str]] = []
        for i in rng.permutation(len(conditions))[:400]:
            holds = conditions[i].applies(table)
            for answer in self.problem.answers:
                said = [a for (_, a), h in zip(examples, holds, strict=True) if h]
                hits = sum((a == answer) - (a not in (answer, None)) for a in said)
                if hits > 0 or (None in said and hits == 0):
                    strength = (Strength.MODERATE, Strength.STRONG)[int(rng.integers(2))]
                    statement = Statement((conditions[i],), answer, strength)
                    score = hits + self.person.taste(statement) + float(rng.gumbel(scale=2.0))
                    ranked.append((score, space.show_statement(statement)))
        ranked.sort(reverse=True)
        return [text for _, text in ranked if text not in known][:6]


def _blocks(prompt: str) -> list[tuple[str, str]]:
    """(name, text) of every block behind bars."""
    found = re.findall(r"<(\w+)-(\w+)>\n(.*?)\n</\1-\2>", prompt, flags=re.DOTALL)
    return [
        (name, "\n".join(line.removeprefix("|").removeprefix(" ") for line in text.splitlines()))
        for name, _, text in found
    ]
