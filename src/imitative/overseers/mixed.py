"""A mixed overseer: a model judges everything, people judge a share of it, and where both did, they are compared.

Which queries people see is drawn from the query and the seed alone, so a run that goes on asks them the same ones.
Where people were asked, theirs is the judgement that counts; what the model said of the same is kept beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, final

from imitative.overseers.overseer import Overseer
from imitative.prediction_powered import Estimate, corrected_mean
from imitative.records import Judgement, Kind, Query, content_key

FEWEST = 2
"""Pairs below which a disagreement is not estimated: it would have no interval."""


class Pair(NamedTuple):
    """What people and the model said of the same query."""

    people: Judgement
    model: Judgement

    @property
    def agree(self) -> bool:
        """Whether they favour the same side, choose the same answer, or both call it a tie."""
        return bool(_side(self.people) == _side(self.model))


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
        for judgement in said:
            self._said[judgement.query.key] = judgement
        chosen = [query for query in queries if self.asks_people(query)]
        people = iter(await self.people.judge(chosen) if chosen else [])
        found = []
        for query, by_model in zip(queries, said, strict=True):
            by_people = next(people) if self.asks_people(query) else by_model
            # People who skip leave the model's word standing; what either cost is paid all the same.
            found.append(by_people if by_people.answered else by_model)
        return found

    async def pairs(self, judgements: Sequence[Judgement]) -> list[Pair]:
        """People's judgements of a run beside the model's of the same queries; what it said is asked of it again.

        A run that went on after a stop has forgotten what the model said: the book of calls has not.
        """
        mine = [j for j in judgements if j.answered and self.asks_people(j.query)]
        unknown = [j.query for j in mine if j.query.key not in self._said]
        for judgement in await self.model.judge(unknown) if unknown else []:
            self._said[judgement.query.key] = judgement
        both = [Pair(judgement, self._said[judgement.query.key]) for judgement in mine]
        return [pair for pair in both if pair.model.answered and pair.people.judge != pair.model.judge]

    @property
    def notes(self) -> tuple[str, ...]:
        """Both parts' notes."""
        return (*getattr(self.model, "notes", ()), *getattr(self.people, "notes", ()))


def disagreements(pairs: Sequence[Pair]) -> list[Disagreement]:
    """By kind of query, how many were judged by both and the share on which they differ."""
    found = []
    for kind in Kind:
        of_kind = [pair for pair in pairs if pair.people.query.kind is kind]
        if of_kind:
            found.append(Disagreement(kind.value, len(of_kind), sum(not p.agree for p in of_kind) / len(of_kind)))
    return found


def corrected_agreement(
    audited: Sequence[Judgement], pairs: Sequence[Pair], labels: Mapping[str, str]
) -> Estimate | None:
    """How often people would agree with the labels, from an audit that a model mostly answered.

    Args:
        audited: every judgement of the audit.
        pairs: those of them that both judged.
        labels: query key → the label the question was given.

    Returns:
        None where people judged fewer than two.
    """
    keys = {pair.people.query.key for pair in pairs} & set(labels)
    both = [pair for pair in pairs if pair.people.query.key in keys]
    if len(both) < FEWEST:
        return None
    alone = [j for j in audited if j.answered and j.query.key in labels and j.query.key not in keys]

    def right(judgement: Judgement) -> float:
        return float(labels[judgement.query.key] == judgement.answer.choice)

    return corrected_mean(
        [right(pair.people) for pair in both], [right(pair.model) for pair in both], [right(j) for j in alone]
    )


def _side(judgement: Judgement) -> Any:
    answer = judgement.answer
    if answer.grade is not None:
        return (answer.grade > 0) - (answer.grade < 0)
    if answer.ratio is not None:
        return answer.ratio > 1.0
    return answer.less_likely if answer.less_likely is not None else answer.choice


_TWO_SIDED = (Kind.COMPARE_HYPOTHESES, Kind.COMPARE_ANSWERS, Kind.ODDS)
