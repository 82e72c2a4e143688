"""A mixed overseer: a model judges everything, people judge a share of it, and where both did, they are compared.

Which queries people see is drawn from the query and the seed alone, so a run that goes on asks them the same ones.
Where people were asked, theirs is the judgement that counts; what the model said of the same is kept beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, final

from imitative.overseers.overseer import Ledger, OrderSwapped, Overseer
from imitative.prediction_powered import Estimate, corrected_mean
from imitative.records import LITERAL_READER, Judgement, Kind, Query, content_key

FEWEST = 2
"""Pairs below which a disagreement is not estimated: it would have no interval."""


class Pair(NamedTuple):
    """What people said of a query, and the model of the same, unless it was silent."""

    people: Judgement
    model: Judgement

    @property
    def agree(self) -> bool:
        """Whether they favour the same side, choose the same answer, or both call it a tie."""
        return self.model.answered and bool(_side(self.people) == _side(self.model))


class Disagreement(NamedTuple):
    """How often people and the model differ, by kind of query."""

    kind: str
    n: int
    share: float


@final
class Mixed:
    """H, mostly a model.

    Args:
        model: judges what people are not asked, and everything they are asked too.
        people: judge a share.
        share: of the queries, 0 to 1.
        audit_share: of the queries bought for an audit: where people's judgement matters most.
        seed: which queries.
    """

    def __init__(
        self, model: Overseer, people: Overseer, share: float, seed: int = 0, audit_share: float | None = None
    ) -> None:
        self.model, self.people, self.share, self.seed = model, people, share, seed
        self.audit_share = share if audit_share is None else audit_share
        self._said: dict[str, Judgement] = {}

    def asks_people(self, query: Query) -> bool:
        """Whether people judge this query. Its two orders are one: what is shown first decides nothing."""
        turned = query.swapped().key if query.kind in _TWO_SIDED else query.key
        drawn = int(content_key([self.seed, *sorted((query.key, turned))])[:13], 16) / 16**13
        return drawn < (self.audit_share if query.purpose == "audit" else self.share)

    async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        """See `Overseer.judge`."""
        said = await self.model.judge(queries)
        self._keep(said)
        chosen = [query for query in queries if self.asks_people(query)]
        people = iter(await self.people.judge(chosen) if chosen else [])
        found = []
        for query, by_model in zip(queries, said, strict=True):
            if not self.asks_people(query):
                found.append(by_model)
                continue
            by_people = next(people)
            # People who skip leave the model's word standing; what either cost is paid all the same.
            cost, seconds = by_people.cost + by_model.cost, by_people.seconds + by_model.seconds
            found.append(replace(by_people if by_people.answered else by_model, cost=cost, seconds=seconds))
        return found

    async def pairs(self, judgements: Sequence[Judgement]) -> list[Pair]:
        """People's judgements of a run beside the model's of the same queries.

        A run that went on after a stop has forgotten what the model said, and asks it again: the book of calls has not.
        """
        mine = [j for j in judgements if j.answered and self.asks_people(j.query)]
        unknown = [j.query for j in mine if j.query.key not in self._said]
        self._keep(await self.model.judge(unknown) if unknown else [])
        both = [Pair(judgement, self._said[judgement.query.key]) for judgement in mine]
        # Where people are an archive, z* read to the letter answers questions: that is no word of theirs.
        return [pair for pair in both if pair.people.judge not in (pair.model.judge, LITERAL_READER)]

    def _keep(self, said: Sequence[Judgement]) -> None:
        """What the model said of each query, and so of the same with its sides exchanged: a ledger keeps it as asked,
        whichever order it was shown in.
        """
        for judgement in said:
            query = judgement.query
            self._said[query.key] = judgement
            if query.kind in _TWO_SIDED:
                turned = replace(judgement, query=query.swapped(), answer=judgement.answer.swapped())
                self._said.setdefault(turned.query.key, turned)

    @property
    def notes(self) -> tuple[str, ...]:
        """Both parts' notes."""
        return (*getattr(self.model, "notes", ()), *getattr(self.people, "notes", ()))


class Compared(NamedTuple):
    """What a model's part in a run came to.

    Args:
        corrected: how often people would agree with the labels; None where too few were asked.
        pairs: of all that people judged.
    """

    corrected: Estimate | None = None
    pairs: tuple[Pair, ...] = ()


NOTHING_COMPARED = Compared()
"""Of a run whose judgements were all of one source."""


async def compared(ledger: Ledger, audited: Sequence[Judgement], labels: Mapping[str, str]) -> Compared:
    """Where a model answered for people: its audit without its bias, and the two beside each other.

    Args:
        ledger: of the run, with who was asked.
        audited: every judgement of the audit.
        labels: query key → the label the question was given.
    """
    mixed, judgements = ledger.overseer, ledger.judgements
    if isinstance(mixed, OrderSwapped):  # a model that has to be asked again is shown what it was shown
        judgements = tuple(mixed.as_shown(judgement) for judgement in judgements)
        mixed = mixed.inner
    if not isinstance(mixed, Mixed):
        return NOTHING_COMPARED
    pairs = tuple(await mixed.pairs(judgements))
    alone = [judgement for judgement in audited if not mixed.asks_people(judgement.query)]
    audit = [pair for pair in pairs if pair.people.query.purpose == "audit"]
    return Compared(corrected_agreement(audit, alone, labels), pairs)


def disagreements(pairs: Sequence[Pair]) -> list[Disagreement]:
    """By kind of query, how many were judged by both and the share on which they differ."""
    found = []
    for kind in Kind:
        of_kind = [pair for pair in pairs if pair.people.query.kind is kind and pair.model.answered]
        if of_kind:
            found.append(Disagreement(kind.value, len(of_kind), sum(not p.agree for p in of_kind) / len(of_kind)))
    return found


def corrected_agreement(
    pairs: Sequence[Pair], alone: Sequence[Judgement], labels: Mapping[str, str]
) -> Estimate | None:
    """How often people would agree with the labels, from an audit that a model mostly answered.

    A question the model is silent on counts as one on which it agrees with no label, wherever it stands: what is
    corrected may be anything, as long as it is the same of those that people judged and of those that they did not.

    Args:
        pairs: of the audit, those that people judged.
        alone: of the audit, what the model said where people were not to be asked.
        labels: query key → the label the question was given.

    Returns:
        None where people judged fewer than two.
    """
    both = [pair for pair in pairs if pair.people.query.key in labels]
    if len(both) < FEWEST:
        return None

    def right(judgement: Judgement) -> float:
        return float(labels[judgement.query.key] == judgement.answer.choice)

    rest = [right(judgement) for judgement in alone if judgement.query.key in labels]
    return corrected_mean([right(pair.people) for pair in both], [right(pair.model) for pair in both], rest)


def _side(judgement: Judgement) -> Any:
    answer = judgement.answer
    if answer.grade is not None:
        return (answer.grade > 0) - (answer.grade < 0)
    if answer.ratio is not None:
        return answer.ratio > 1.0
    return answer.less_likely if answer.less_likely is not None else answer.choice


_TWO_SIDED = (Kind.COMPARE_HYPOTHESES, Kind.COMPARE_ANSWERS, Kind.ODDS)
