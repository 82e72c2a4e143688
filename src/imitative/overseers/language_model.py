"""An overseer that is a prompted language model, behind anything that completes calls.

A judgement is made of both orders of its sides, averaged as log odds: which side stands first sways models.

    d = ½ · [ log P(A)/P(B) | first side is A ] − ½ · [ log P(A)/P(B) | second side is A ]

The probabilities are the model's own, of the letter it is about to write; where a server does not tell them, letters
are drawn and counted, log (n_A + ½)/(n_B + ½). The model is never asked to write a probability down: what it would
write is not what it believes.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from string import ascii_uppercase
from typing import Any, NamedTuple, TypeVar, final

from imitative.calls.call import Call, Completer, ContextOverflow, Reply, Token, side_by_side
from imitative.errors import shown
from imitative.overseers.prompts import Asked, Phrasing, suspicious
from imitative.records import Answer, Judgement, Kind, Outcome, Query, content_key

TIE, MUCH = 0.2, 2.0
"""Below so many nats of preference a model is taken to have none (odds of 1.2), above so many a strong one (7)."""
MOST_NATS = math.log(1000.0)
"""The labelled scale of odds ends here."""
ALTERNATIVES = 20
"""Log probabilities asked for: what servers give at most."""
ALIKE = 20
"""Conversations in each of which every letter drawn was the same, from which it is told that nothing seems drawn."""
LETTER_TOKENS = 4
"""A letter may come behind a space or a quotation mark; a reply is read no further than this."""
_AFTER_A_CHOICE = {
    "and",
    "as",
    "because",
    "but",
    "by",
    "for",
    "has",
    "if",
    "in",
    "is",
    "of",
    "or",
    "since",
    "the",
    "with",
}

T = TypeVar("T")


class Leaning(NamedTuple):
    """How far the model's judgements lean to whatever stands first, in nats, over so many judgements."""

    nats: float
    n: int


@final
class LanguageModel:
    """H, prompted.

    Args:
        completer: who completes.
        server, model: named in every call.
        phrasing: how queries are put into words.
        votes: letters drawn for each order, where no log probabilities are given.
        extra: further fields of every call's body.
        name: the judge's name in the rows.
    """

    def __init__(
        self,
        completer: Completer,
        server: str,
        model: str,
        phrasing: Phrasing,
        votes: int = 5,
        extra: dict[str, Any] | None = None,
        name: str = "",
    ) -> None:
        self.completer, self.server, self.model = completer, server, model
        self.phrasing, self.votes, self.extra = phrasing, votes, dict(extra or {})
        self.name = name or f"model {model}"
        self.flagged: dict[str, Query] = {}
        self.unanswered = 0  # queries of this sitting
        self._notes: dict[str, int] = {}
        self._leans: list[float] = []
        self._drawn, self._varied = 0, False  # conversations voted on, and whether two letters of one ever differed
        self._carried = set[str]()  # calls whose cost a judgement of this sitting carries already
        self._tells, self._told = True, False  # whether the server tells log probabilities; whether it ever has

    async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        """See `Overseer.judge`."""
        try:
            return await side_by_side(self._judged(query) for query in queries)
        finally:
            await self.completer.rest()

    @property
    def leaning(self) -> Leaning:
        """The lean to the first side that averaging both orders has removed."""
        return Leaning(sum(self._leans) / len(self._leans) if self._leans else 0.0, len(self._leans))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know about how the judgements came about."""
        found = [f"{text} ({n} times)" if n > 1 else text for text, n in self._notes.items()]
        lean = self.leaning
        if lean.n >= 10 and abs(lean.nats) > TIE:
            found.append(
                f"{self.name} leans to the {'first' if lean.nats > 0 else 'second'} side by {abs(lean.nats):.2f} nats; "
                "both orders were asked and averaged"
            )
        if self._drawn >= ALIKE and not self._varied:
            found.append(
                f"in {self._drawn} conversations all {self.votes} letters drawn were the same: {self.name} is very "
                "sure, or its server does not draw at random, and more letters tell no more than one"
            )
        if self.flagged:
            rows = {content_key(dict(query.question or {})) for query in self.flagged.values()}
            cells = sorted({suspicious(query.question or {}) for query in self.flagged.values()})
            hold = "1 question holds" if len(rows) == 1 else f"{len(rows)} questions hold"
            found.append(f"{hold} text that speaks to whoever answers (in {', '.join(cells)}): see flagged")
        return (*found, *getattr(self.completer, "notes", ()))

    # -- one judgement -----------------------------------------------------------------------------------------------

    async def _judged(self, query: Query) -> Judgement:
        if query.question is not None and suspicious(query.question):
            self.flagged[query.key] = query
        try:
            heard = await side_by_side(self._heard(query, asked) for asked in self.phrasing.orders(query))
        except ContextOverflow as overflow:
            why = f"skipped, because longer than the model reads ({overflow}): {_place(query)}"
            return self._silent(query, Outcome.SKIPPED, why)
        if any(h.refused for h in heard):
            return self._silent(query, Outcome.SKIPPED, "refused by the model, and skipped", heard)
        if any(h.log_p is None for h in heard):
            return self._silent(query, Outcome.UNREADABLE, "not readable as a letter, twice", heard)
        forth, back = (dict(h.log_p or {}) for h in heard)
        return self._judgement(query, self._answer(query, forth, back), heard)

    def _answer(self, query: Query, forth: dict[str, float], back: dict[str, float]) -> Answer:
        mean = {side: 0.5 * (forth[side] + back[side]) for side in forth}
        if query.kind is Kind.ANSWER:
            return Answer(choice=max(query.answers, key=mean.__getitem__))
        first, second = ("first", "second") if query.kind is not Kind.COMPARE_ANSWERS else query.answers
        d = mean[first] - mean[second]
        self._leans.append(0.5 * ((forth[first] - forth[second]) - (back[first] - back[second])))
        if query.kind is Kind.BET:
            return Answer(less_likely=d < 0.0)
        if query.kind is Kind.ODDS:
            return Answer(ratio=math.exp(max(-MOST_NATS, min(MOST_NATS, d))))
        grade = 0 if abs(d) < TIE else 1 if abs(d) < MUCH else 2
        return Answer(grade=grade if d > 0 else -grade)

    async def _heard(self, query: Query, asked: Asked) -> Heard:
        """log P of every side, in one order; asked once more where nothing could be read."""
        if query.kind is Kind.COMPARE_ANSWERS and len(set(query.answers)) < 2:
            return Heard(dict.fromkeys(query.answers, 0.0))
        money = seconds = 0.0
        for sample in range(2):
            if not self._tells:
                break
            reply = await self._completed(self._call(query, asked, sample, 0.0))
            money, seconds = money + reply.money, seconds + reply.seconds
            if reply.refused:
                return Heard(None, money, seconds, True)
            if not reply.tokens and not reply.unreadable:
                self._tells = self._told
                return await self._voted(query, asked, money, seconds)
            self._told = self._told or bool(reply.tokens)
            if (log_p := read_letter(reply.tokens, asked.sides)) is not None:
                return Heard(log_p, money, seconds)
        if self._tells:
            return Heard(None, money, seconds)
        return await self._voted(query, asked, money, seconds)

    async def _voted(self, query: Query, asked: Asked, money: float, seconds: float) -> Heard:
        samples = range(query.repeat * 2 * self.votes, query.repeat * 2 * self.votes + self.votes)
        replies = await asyncio.gather(*(self._vote(query, asked, 2 + sample) for sample in samples))
        money += sum(reply.money for reply, _ in replies)
        seconds += sum(reply.seconds for reply, _ in replies)
        if any(reply.refused for reply, _ in replies):
            return Heard(None, money, seconds, True)
        counts = {side: sum(said == side for _, said in replies) for side in asked.sides}
        self._drawn += self.votes > 1
        self._varied = self._varied or len({said for _, said in replies}) > 1
        total = sum(counts.values())
        if total * 2 < len(replies):
            return Heard(None, money, seconds)
        smoothed = total + 0.5 * len(counts)
        return Heard({side: math.log((n + 0.5) / smoothed) for side, n in counts.items()}, money, seconds)

    async def _vote(self, query: Query, asked: Asked, sample: int) -> tuple[Reply, str | None]:
        """One letter drawn; where it cannot be read, one more."""
        reply = Reply()
        for again in range(2):
            reply = await self._completed(self._call(query, asked, sample + again * self.votes, 1.0))
            if reply.refused or (said := letter_of(reply.text, asked.sides)) is not None:
                return reply, None if reply.refused else said
        return reply, None

    async def _completed(self, call: Call) -> Reply:
        """A reply; one that was had before costs nothing, as what it cost is another judgement's."""
        reply = await self.completer.complete(call)
        if call.key in self._carried:
            return replace(reply, money=0.0, seconds=0.0)
        self._carried.add(call.key)
        return reply

    def _call(self, query: Query, asked: Asked, sample: int, temperature: float) -> Call:
        return Call(
            server=self.server,
            model=self.model,
            messages=asked.messages,
            most_tokens=LETTER_TOKENS,
            temperature=temperature,
            alternatives=ALTERNATIVES if temperature == 0.0 else 0,
            sample=sample,
            extra=self.extra,
            purpose=query.purpose,
        )

    def _silent(self, query: Query, outcome: Outcome, why: str, heard: Sequence[Heard] = ()) -> Judgement:
        self.unanswered += 1
        self._notes[why] = self._notes.get(why, 0) + 1
        return self._judgement(query, Answer(outcome), heard)

    def _judgement(self, query: Query, answer: Answer, heard: Sequence[Heard]) -> Judgement:
        return Judgement(query, answer, self.name, sum(h.money for h in heard), sum(h.seconds for h in heard))


class Heard(NamedTuple):
    """What one order gave: log P of every side, or nothing."""

    log_p: dict[str, float] | None
    money: float = 0.0
    seconds: float = 0.0
    refused: bool = False


def read_letter(tokens: Sequence[Token], sides: Sequence[str]) -> dict[str, float] | None:
    """log P of each side at the first token that is a letter, normalised over the sides; None where none is.

    A letter that is not among the alternatives told is less likely than each of them: it is given the least of their
    log probabilities, the most it can have.

    >>> found = read_letter([Token("A", -0.1, (("A", -0.1), ("B", -2.4)))], ["first", "second"])
    >>> round(found["first"] - found["second"], 6)
    2.3
    """
    letters = ascii_uppercase[: len(sides)]
    for i, token in enumerate(tokens[:LETTER_TOKENS]):
        after = tokens[i + 1].text if i + 1 < len(tokens) else ""
        if _letter(token.text) not in letters or not _letter(token.text) or _is_word(token.text, after):
            continue
        told = [*token.alternatives, *([(token.text, token.log_probability)] if not token.alternatives else [])]
        mass = {letter: [p for text, p in told if _letter(text) == letter] for letter in letters}
        least = min(p for _, p in told)
        log_p = {letter: _log_sum(ps) if ps else least for letter, ps in mass.items()}
        total = _log_sum(log_p.values())
        return {side: log_p[letter] - total for side, letter in zip(sides, letters, strict=True)}
    return None


def letter_of(text: str, sides: Sequence[str]) -> str | None:
    """The side whose letter a reply begins with; None where it begins with none.

    >>> letter_of(" B.", ["first", "second"]), letter_of("A husky has pointed ears", ["first", "second"])
    ('second', None)
    """
    word, rest = [*text.split(maxsplit=1), "", ""][:2]
    letter = _letter(word)
    letters = ascii_uppercase[: len(sides)]
    return sides[letters.index(letter)] if letter and letter in letters and not _is_word(word, f" {rest}") else None


def _is_word(letter: str, after: str) -> bool:
    """Whether a letter is a word of a sentence (*A husky has …*, *I think …*) and no choice (*A is more likely*).

    >>> [_is_word("A", after) for after in (" husky has", ".", " is more", " because")], _is_word("B", " husky")
    ([True, False, False, False], False)
    """
    word = next(iter(after.split()), "")
    return letter.strip() in ("A", "I") and after[:1] == " " and word[:1].islower() and word not in _AFTER_A_CHOICE


def _letter(text: str) -> str:
    """The capital letter a token comes to, without what models like to put around it; empty for anything else."""
    bare = text.strip().strip("\"'“”*()[].:,!▁Ġ ")
    return bare if len(bare) == 1 and bare in ascii_uppercase else ""


def _log_sum(values: Iterable[float]) -> float:
    found = list(values)
    top = max(found)
    return top + math.log(sum(math.exp(value - top) for value in found))


def _place(query: Query) -> str:
    """Which query, for a person."""
    if query.question is None:
        return f"{query.kind.value} of {shown(query.hypotheses[0])}"
    row = f"row {query.repeat + 1}: " if query.kind is Kind.ANSWER else ""  # else it counts repetitions
    return row + shown(dict(query.question))
