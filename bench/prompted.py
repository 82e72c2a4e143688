"""A simulated person behind a server, for prompt optimisers that know nothing of this package.

Beside this package's own prompts (`imitative.testing.world`) it understands the two kinds of conversation that gepa
holds: a task, with the instructions as the system's message and an item as the user's; and a reflection, with the
instructions and what came of them on some items. It answers a task as it answers our overseer's questions, and writes
rules as it writes them for our proposer: the same taste, the same noise, six at a time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, final

import numpy as np

from imitative.calls.call import Message
from imitative.data import Floats, Table
from imitative.hypotheses.text import split_sections
from imitative.likelihood import LITERAL
from imitative.records import Kind, Query, Question, content_key
from imitative.testing.server import Spoken, Wish, spoken_of
from imitative.testing.world import World

MOST_RULES = 12
"""Of an instruction, as of a text of ours."""
_REFLECTION = "Your task is to write a new instruction for the assistant."
_EXAMPLE = re.compile(
    r"^# Example \d+\n## Inputs\n(.*?)\n+## Generated Outputs\n(.*?)\n+## Feedback\n(.*?)(?=^# Example |\Z)",
    re.M | re.S,
)


@final
class Prompted:
    """See the module; satisfies `server.Mind`.

    Args:
        world: the person.
    """

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def name(self) -> str:
        """The model's name."""
        return self.world.name

    def speak(self, messages: Sequence[Message], wish: Wish) -> Spoken:
        """See `server.Mind`."""
        last = messages[-1].content
        read = sum(len(message.content) for message in messages) // 4
        if _REFLECTION in last:
            return spoken_of(f"```\n{self._reflected(last, wish.seed)}\n```", read=read)
        if len(messages) == 2 and not _ours(messages[0].content):
            return spoken_of(self.said(messages[0].content, self.world.item(last)), read=read)
        return self.world.speak(messages, wish)

    def said(self, instruction: str, question: Question) -> str:
        """The clause of the answer the person gives, following an instruction, with their noise."""
        problem = self.world.problem
        query = Query(Kind.ANSWER, (instruction,), question, problem.answers)
        rng = np.random.default_rng(int(content_key([self.world.seed, instruction, dict(question)])[:16], 16))
        worth = self.world.worth(query, rng)
        return problem.spoken[max(worth, key=worth.__getitem__)]

    def meant(self, instruction: str, table: Table) -> Floats:
        """(N, |Y|) log P of the answers the person would give without noise."""
        z, _ = self.world.understood(instruction)
        return LITERAL.log_probabilities(table, z, self.world.problem.answers)

    def _reflected(self, prompt: str, seed: int) -> str:
        """The instruction again, with rules for the examples: what they contradict goes, six new ones come.

        Of more than `MOST_RULES` the ones the person finds most plausible stay.
        """
        world, space = self.world, self.world.problem.space
        instruction = prompt.split("```")[1]
        clauses = {clause: answer for answer, clause in world.problem.spoken.items()}
        examples = []
        for shown, _, feedback in _EXAMPLE.findall(prompt):
            right = next((answer for clause, answer in clauses.items() if f"'{clause}'" in feedback), None)
            if right is not None:
                examples.append((world.item(shown.strip()), right))
        task, rules = [], []
        for section in split_sections(instruction):
            try:
                space.read_statement(section)
            except ValueError:
                task.append(section)
            else:
                rules.append(section)
        kept = [rule for rule in rules if self._borne_out(rule, examples) >= 0]
        new = world.rules(examples, np.random.default_rng([seed, world.seed, len(prompt)]), set(rules))
        every = dict.fromkeys([*kept, *new])
        best = sorted(every, key=lambda rule: -world.person.taste(space.read_statement(rule)))[:MOST_RULES]
        return "\n\n".join([*task, *best])

    def _borne_out(self, rule: str, examples: Sequence[tuple[Question, Any]]) -> int:
        """Examples that a rule answers rightly, less those it answers wrongly."""
        space = self.world.problem.space
        statement = space.read_statement(rule)
        table = Table.of(space.features, [question for question, _ in examples])
        holds = np.all([condition.applies(table) for condition in statement.conditions], axis=0)
        return sum((1 if right == statement.answer else -1) for h, (_, right) in zip(holds, examples, strict=True) if h)


def _ours(system: str) -> bool:
    return system.startswith("You write rules") or "You give one judgement at a time" in system
