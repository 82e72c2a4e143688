"""The overseer's role, and the wrappers every overseer can wear.

An overseer is anything with one asynchronous method, `judge`. A person, a simulation and a language model satisfy
the same protocol; a wrapper has the type of what it wraps. Who writes one may leave out the `async`, or the object:
a function of queries that gives their judgements will do.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, final, runtime_checkable

from imitative.records import Judgement, Kind, Query, content_key

Record = Callable[[Judgement], None]
"""Called once for every new judgement, before it is used: the place where a store writes its row."""


@runtime_checkable
class Overseer(Protocol):
    """H: judges queries. Called with a batch, so that a crowd or a model can answer side by side."""

    async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        """One judgement per query, in the same order. A refusal is a judgement too (SKIPPED), never an exception."""
        ...


Judging = Callable[[Sequence[Query]], list[Judgement] | Awaitable[list[Judgement]]]
"""An overseer that is a function."""


@final
class Asked:
    """A function of queries as an overseer."""

    def __init__(self, function: Judging) -> None:
        self._function = function

    async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        """See `Overseer.judge`."""
        return await asked(self._function, queries)


@runtime_checkable
class Archive(Protocol):
    """An overseer that can only say what was said before: asked once for all it holds, before any search."""

    @property
    def queries(self) -> Sequence[Query]:
        """What it can answer."""
        ...

    async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        """See `Overseer.judge`; what it does not hold is SKIPPED."""
        ...


class BudgetSpent(Exception):
    """More was asked than the budget of judgements allows; nothing of the batch was asked."""


@final
class Budgeted:
    """Refuses a batch that would exceed `limit` judgements in all.

    Raises:
        BudgetSpent: from `judge`, before anything is asked.
    """

    def __init__(self, overseer: Overseer, limit: int) -> None:
        self._overseer = overseer
        self.limit = limit
        self.spent = 0

    @property
    def remaining(self) -> int:
        """How many judgements may still be asked."""
        return self.limit - self.spent

    async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        """See `Overseer.judge`."""
        if len(queries) > self.remaining:
            raise BudgetSpent(f"{len(queries)} judgements asked, {self.remaining} of {self.limit} left in the budget")
        self.spent += len(queries)
        return await self._overseer.judge(queries)


@final
class Ledger:
    """Keeps every judgement, and answers a query already judged from what was kept.

    A run is a fold over its judgements: started again with the rows of a run that was killed, it asks nothing twice.

    Args:
        overseer: who is asked what is not yet known.
        known: judgements kept from before, by `Query.key`.
        record: called with every new judgement, before it is returned.
    """

    def __init__(
        self, overseer: Overseer | Judging, known: Mapping[str, Judgement] | None = None, record: Record | None = None
    ) -> None:
        self.overseer = overseer
        self._known = dict(known or {})
        self._record = record
        self._used: dict[str, Judgement] = {}

    @property
    def judgements(self) -> tuple[Judgement, ...]:
        """Every judgement this run has used, in the order first asked."""
        return tuple(self._used.values())

    @property
    def asked_in_all(self) -> int:
        """How many judgements were used."""
        return len(self._used)

    @property
    def recorded(self) -> int:
        """How many of them an archive held: it is asked for all it holds before anything else."""
        held = len(self.overseer.queries) if isinstance(self.overseer, Archive) else 0
        return min(held, self.asked_in_all)

    @property
    def cost(self) -> float:
        """The sum of the costs of the judgements used."""
        return sum(judgement.cost for judgement in self._used.values())

    def asked(self) -> dict[str, int]:
        """How many judgements of each kind were used."""
        counts = Counter(judgement.query.kind.value for judgement in self._used.values())
        return {kind.value: counts[kind.value] for kind in Kind}

    async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        """See `Overseer.judge`."""
        keys = [query.key for query in queries]
        unknown = {key: query for key, query in zip(keys, queries, strict=True) if key not in self._known}
        if unknown:
            judged = await asked(self.overseer, list(unknown.values()))
            for key, judgement in zip(unknown, judged, strict=True):
                if self._record is not None:
                    self._record(judgement)
                self._known[key] = judgement
        for key in keys:
            self._used.setdefault(key, self._known[key])
        return [self._known[key] for key in keys]


async def asked(overseer: Overseer | Judging, queries: Sequence[Query]) -> list[Judgement]:
    """What an overseer says of the queries, held to the role: one judgement of each, in their order.

    Raises:
        ValueError: for another number of judgements, or an answer to another query or of another kind.
        TypeError: for what is no overseer, and for judgements that are none.
    """
    judge = getattr(overseer, "judge", overseer)
    if not callable(judge):
        raise TypeError(f"an overseer has a method judge(queries), or is a function of queries; found {overseer!r}")
    given = judge(queries)
    given = await given if inspect.isawaitable(given) else given
    if not isinstance(given, Iterable):
        raise TypeError(f"the overseer gave {given!r}: a list of judgements is needed, one of each query")
    judged = list(given)
    if len(judged) != len(queries):
        raise ValueError(f"the overseer gave {len(judged)} judgements of {len(queries)} queries: one of each is needed")
    for i, (query, judgement) in enumerate(zip(queries, judged, strict=True), 1):
        if not isinstance(judgement, Judgement):
            raise TypeError(f"the overseer's judgement {i} is {judgement!r}: a Judgement is needed")
        if judgement.query is not query and judgement.query.key != query.key:  # a key is dear: only where it must be
            raise ValueError(
                f"the overseer's judgement {i} is of another query: judgements stand in the queries' order"
            )
        if not judgement.answer.fits(query):
            raise ValueError(f"the overseer's judgement {i} is no answer to {query.kind}: {judgement.answer}")
    return judged


@final
class OrderSwapped:
    """Shows the two sides of each comparison in an order drawn from `seed` and the query, and turns the answer back.

    Which side stands first sways people and models alike; a random order turns that bias into noise.
    """

    def __init__(self, overseer: Overseer | Judging, seed: int = 0) -> None:
        self.inner = overseer
        self._seed = seed

    def _swaps(self, query: Query) -> bool:
        two_sided = query.kind in (Kind.COMPARE_HYPOTHESES, Kind.COMPARE_ANSWERS, Kind.ODDS)
        return two_sided and int(content_key([self._seed, query.key]), 16) % 2 == 1

    def as_shown(self, judgement: Judgement) -> Judgement:
        """A judgement as it was asked for and given, before it was turned back."""
        if not self._swaps(judgement.query):
            return judgement
        return replace(judgement, query=judgement.query.swapped(), answer=judgement.answer.swapped())

    async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        """See `Overseer.judge`."""
        shown = [query.swapped() if self._swaps(query) else query for query in queries]
        judgements = await asked(self.inner, shown)
        return [
            replace(judgement, query=query, answer=judgement.answer.swapped()) if self._swaps(query) else judgement
            for query, judgement in zip(queries, judgements, strict=True)
        ]
