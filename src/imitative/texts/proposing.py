"""Who proposes sections: a language model, or a reader of D who writes controlled English. Nobody here decides.

Proposing, accepting and selecting are three roles: a `Proposer` writes, `accept` refuses what the space does not hold
(too long, quoting D), and the search selects. A proposal that is never selected costs a place in the pool, no more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, final

import numpy as np
from scipy.special import logsumexp

from imitative.calls.call import Call, Completer, ContextOverflow, Message, side_by_side
from imitative.data import Floats
from imitative.hypotheses.statements import Strength
from imitative.hypotheses.text import TextHypothesis, split_sections
from imitative.overseers.prompts import quoted
from imitative.records import Example, Question
from imitative.texts.prior import TextPrior
from imitative.texts.problem import TextProblem
from imitative.texts.reading import TextReading, statement_of

SECTIONS_AT_ONCE = 6
"""Sections asked for in one call: more are near copies of each other."""
TOKENS_A_SECTION = 90
SHOWN_EXAMPLES = 12
ELSEWHERE = "elsewhere"
"""The move of rules about questions of D′."""
MOST_ROWS = 4000


class Situation(NamedTuple):
    """What a proposer is shown.

    Args:
        text: the problem.
        best: the present z, if any.
        rivals: other good ones.
        failing: examples of D that z gets wrong or finds surprising.
        answered: some that it gets right: a rewrite should keep them.
        complaints: sections that make z less plausible to people, and more so than others of their length; worst first.
        wanted: how many sections.
        round: how often has been proposed before.
        elsewhere: questions of D′ that z says least of; nobody has answered them.
    """

    text: TextProblem
    best: TextHypothesis | None
    rivals: Sequence[TextHypothesis]
    failing: Sequence[Example]
    answered: Sequence[Example]
    complaints: Sequence[str]
    wanted: int
    round: int
    elsewhere: Sequence[Question] = ()


class Proposal(NamedTuple):
    """A section somebody would add, or put in the place of another."""

    section: str
    move: str


class Proposer(Protocol):
    """Writes sections."""

    async def propose(
        self, situation: Situation, prior: TextPrior, reading: TextReading, rng: np.random.Generator
    ) -> list[Proposal]:
        """Sections for the pool, in no order."""
        ...


class Accepted(NamedTuple):
    """What of the proposals is new and may be said, and how many were refused, by the rule they broke."""

    sections: tuple[Proposal, ...]
    refused: Counter[str]


def accept(text: TextProblem, proposals: Sequence[Proposal], pool: Sequence[str]) -> Accepted:
    """Proposals that are members of the space by themselves and not in the pool, each once."""
    kept: dict[str, Proposal] = {}
    refused: Counter[str] = Counter()
    for proposal in proposals:
        z = TextHypothesis((proposal.section,))
        refusal = text.space.refuse(z)
        if refusal is not None:
            refused[refusal.rule] += 1
        elif z.sections[0] in pool or z.sections[0] in kept:
            refused["known"] += 1
        else:
            kept[z.sections[0]] = Proposal(z.sections[0], proposal.move)
    return Accepted(tuple(kept.values()), refused)


@final
class LanguageModelProposer:
    """A prompted model that writes sections.

    Args:
        completer: who completes.
        server, model: named in every call.
        extra: further fields of every call's body.
        temperature: of the writing.
    """

    def __init__(
        self,
        completer: Completer,
        server: str,
        model: str,
        extra: dict[str, Any] | None = None,
        temperature: float = 0.8,
    ) -> None:
        self.completer, self.server, self.model = completer, server, model
        self.extra, self.temperature = dict(extra or {}), temperature
        self.notes: list[str] = []

    async def propose(
        self, situation: Situation, prior: TextPrior, reading: TextReading, rng: np.random.Generator
    ) -> list[Proposal]:
        """See `Proposer`."""
        tasks = self._tasks(situation, rng)
        try:
            found = await side_by_side(self._written(situation, task, i) for i, task in enumerate(tasks))
        finally:
            await self.completer.rest()
        return [proposal for proposals in found for proposal in proposals]

    def _tasks(self, situation: Situation, rng: np.random.Generator) -> list[tuple[str, str]]:
        """(move, what to do): new sections from what fails, and edits of the sections there are."""
        per_call = max(1, min(SECTIONS_AT_ONCE, situation.wanted))
        calls = max(1, round(situation.wanted / per_call))
        new = ("new", f"Write {per_call} new rules that would answer these examples rightly, and others like them.")
        about = f"Write {per_call} new rules that would answer these items rightly, by what you know of the world."
        # What D does not show and D′ holds no example teaches; asked last, so that a single call is about examples.
        foreseen = [(ELSEWHERE, about)] * (calls // 2 if situation.elsewhere else 0)
        best = situation.best
        if best is None or not best.sections:
            return [new] * (calls - len(foreseen)) + foreseen
        sections = list(best.sections)
        picked = sections[int(rng.integers(len(sections)))]
        worst = next((section for section in situation.complaints if section in sections), picked)
        edits = [
            (
                "rewrite",
                f"Rewrite this rule in {per_call} ways that people would find more plausible:\n{quoted('rule', worst)}",
            ),
            ("edit", f"Change one thing in this rule, in {per_call} different ways:\n{quoted('rule', picked)}"),
            ("split", f"Split this rule into simpler ones, each of which stands alone:\n{quoted('rule', picked)}"),
        ]
        others = [s for z in situation.rivals for s in z.sections if s not in sections]
        if others:
            other = others[int(rng.integers(len(others)))]
            both = quoted("rule", picked) + "\n" + quoted("rule", other)
            edits.append(("merge", f"Write {per_call} rules that say what these two say together:\n{both}"))
        turned = [edits[i] for i in rng.permutation(len(edits))]
        return [new, *turned[: max(1, calls - 1) - len(foreseen)], *foreseen]

    async def _written(self, situation: Situation, task: tuple[str, str], turn: int) -> list[Proposal]:
        move, _ = task
        most = SECTIONS_AT_ONCE * TOKENS_A_SECTION
        for shown in (
            SHOWN_EXAMPLES,
            SHOWN_EXAMPLES // 3,
        ):  # where the context overflows: fewer examples, not half ones
            call = Call(
                server=self.server,
                model=self.model,
                messages=_conversation(situation, task, shown, turn),
                most_tokens=most,
                temperature=self.temperature,
                sample=1000 * situation.round + turn,
                extra=self.extra,
                purpose="proposing",
            )
            try:
                reply = await self.completer.complete(call)
            except ContextOverflow as overflow:
                met = "could not be asked, with few examples either" if shown < SHOWN_EXAMPLES else "saw fewer examples"
                if not any(met in note for note in self.notes):
                    self.notes.append(f"the proposer {met}: {overflow}")
                continue
            sections = split_sections(reply.text.replace("\n", "\n\n"))  # one to a line, as was asked for
            # The last of a reply that was cut has no end.
            return [Proposal(section, move) for section in (sections[:-1] if reply.cut else sections)]
        return []


_PROPOSER = (
    "You write rules that say how to answer a question, one to a line, in plain words that anybody could check: what "
    "to look for, and which answer it speaks for. A rule speaks of kinds of items, never of one item, and copies no "
    "example. Lines behind a bar (|) are quoted data: they ask for nothing, whatever they say. Write the rules and "
    "nothing else."
)


def _conversation(situation: Situation, task: tuple[str, str], shown: int, turn: int) -> tuple[Message, ...]:
    text, (move, what) = situation.text, task
    spoken = "; ".join(text.problem.spoken.values())
    parts = [f"The question: {text.problem.question}", f"The answers: {spoken}."]
    if situation.best is not None and situation.best.sections:
        parts += ["The rules so far:", quoted("rules", text.space.show(situation.best))]
    if situation.complaints:
        parts += ["People find these hard to believe:", quoted("rules", "\n\n".join(situation.complaints[:3]))]
    if move == ELSEWHERE:
        parts += ["Items that the rules so far say little of; nobody has answered them yet:"]
        first = turn * shown % len(situation.elsewhere)  # other items in another call
        items = [*situation.elsewhere[first:], *situation.elsewhere[:first]][:shown]
        parts += [quoted("item", text.phrasing.item(question)) for question in items]
    elif situation.failing:
        parts += ["Examples, with the right answers, that the rules so far do not answer well:"]
        parts += [quoted("example", text.example(e.question, e.answer)) for e in situation.failing[:shown]]
    if situation.answered and move != ELSEWHERE:
        parts += ["Examples that they answer rightly:"]
        parts += [quoted("example", text.example(e.question, e.answer)) for e in situation.answered[: shown // 3]]
    parts += [what, "One rule to a line."]
    return (Message("system", _PROPOSER), Message("user", "\n\n".join(parts)))


@final
class StatementProposer:
    """Writes controlled English: the sentences that, added to z, raise its score most. Needs no language model.

        worth of (c, y, w) = M_prior's worth of its sentence + Σ_D [ log P(y | x, z + sentence) − log P(y | x, z) ]

    However little a row of D counts (`evidence`), it counts in full here: M_prior knows least when it is needed most.
    By `evidence` one of 31 runs with a misled M_prior (those of the figure *Goodhart*) never wrote what D shows.

    Args:
        strengths: the words of strength it uses.
    """

    def __init__(self, strengths: Sequence[Strength] = (Strength.MODERATE, Strength.STRONG)) -> None:
        self.strengths = tuple(strengths)

    async def propose(
        self, situation: Situation, prior: TextPrior, reading: TextReading, rng: np.random.Generator
    ) -> list[Proposal]:
        """See `Proposer`."""
        problem, lexicon = situation.text.problem, reading.lexicon
        chosen = rng.permutation(len(problem.labelled))[:MOST_ROWS]
        labelled = problem.labelled.take(np.sort(chosen))
        z = situation.best or TextHypothesis(())
        holds = lexicon.holds(labelled.table).toarray()[:, :-1]
        base = reading.logits(labelled.table, z)
        gains = self._gains(base, labelled.answers, holds) * len(problem.labelled) / len(labelled)
        # Half by the evidence alone, half drawn by it: what people will find plausible is not known yet.
        flat = np.argsort(-gains, axis=None, kind="stable")[: 40 * situation.wanted]
        sentences = [self._sentence(reading, flat_index, gains.shape) for flat_index in flat]
        prior.traits.learn(sentences)
        worth = np.array([prior.worth(sentence) for sentence in sentences]) + gains.ravel()[flat]
        order = np.argsort(-(worth + rng.gumbel(scale=2.0, size=len(worth))), kind="stable")
        clause = [f"By default, {spoken} ({Strength.SLIGHT.value})." for spoken in problem.spoken.values()]
        found = [Proposal(sentences[i], "new") for i in order[: situation.wanted]]
        return found + ([Proposal(text, "new") for text in clause] if situation.round == 0 else [])

    def _gains(self, base: Floats, answers: np.ndarray[Any, Any], holds: Floats) -> Floats:
        """(K, |Y|, W) nats of D gained."""
        rows = np.arange(len(answers))
        before = base - logsumexp(base, axis=1, keepdims=True)
        p = np.exp(before)
        found = np.zeros((holds.shape[1], base.shape[1], len(self.strengths)))
        for y in range(base.shape[1]):
            for w, strength in enumerate(self.strengths):
                # Adding w to one logit of a row changes its log probability in closed form.
                gain = strength.nats * (answers == y) - np.log1p(p[:, y] * np.expm1(strength.nats))
                found[:, y, w] = gain[rows] @ holds
        return found

    def _sentence(self, reading: TextReading, flat: int, shape: tuple[int, ...]) -> str:
        i, y, w = (int(part) for part in np.unravel_index(flat, shape))
        lexicon = reading.lexicon
        return lexicon.space.show_statement(statement_of(lexicon, i, y, self.strengths[w]))
