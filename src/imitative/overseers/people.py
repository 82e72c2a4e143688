"""People: queries are posted to a mailbox, and whoever judges takes as long as they need.

    post(queries) → wait while any lacks replies → a moment's grace, for second thoughts → collect → one judgement each

Waiting is a saved state: what was posted and what was said are rows. A process that is killed while it waits, and
started again, posts the same queries, which are already there, and goes on waiting for the rest.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Any, final

from imitative.mail import Mailbox, Posting, Reply
from imitative.records import LEAST_RATIO, Answer, Judgement, Outcome, Query

GRACE = 3.0
"""Seconds without an answer or a change of mind before a finished batch is collected."""
POLL = 0.5
"""Seconds between looks into the mailbox."""
WAITING = "waiting for people"
"""What a stage says in which a run waits for them."""


@final
@dataclass(frozen=True, eq=False)
class People:
    """Judges who answer on a page, through a mailbox.

    Args:
        show: query → what the page needs to show it.
        mailbox: where queries are posted; given when a run begins.
        checks: queries with known answers, posted before the first real ones.
        cap: by how many different judges each query is answered; see `combined`.
        wage: what an hour of judging costs, in the problem's unit of money.
        cost: what a judgement costs, whatever the time.
        grace: see `GRACE`.
        poll: see `POLL`.
        instructions: Markdown, shown to judges before they begin, after the page's own.
        waiting: told how many replies are lacking, of how many, at every look.
    """

    show: Callable[[Query], Mapping[str, Any]]
    mailbox: Mailbox | None = None
    checks: Sequence[Posting] = ()
    cap: int = 1
    wage: float = 0.0
    cost: float = 0.0
    grace: float = GRACE
    poll: float = POLL
    instructions: str = ""
    waiting: Callable[[int, int], None] | None = None

    async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        """See `Overseer.judge`.

        Raises:
            ValueError: without a mailbox.
        """
        if not queries:
            return []
        if self.mailbox is None:
            raise ValueError("people are asked through a mailbox: run the problem with `imitative run`")
        keys = [query.key for query in queries]
        if self.checks:
            self.mailbox.post(self.checks)
        self.mailbox.post([Posting(query, self.show(query), cap=self.cap) for query in queries])
        replies = await self._collected(self.mailbox, keys)
        return [self._judgement(query, replies[key]) for query, key in zip(queries, keys, strict=True)]

    async def _collected(self, mailbox: Mailbox, keys: Sequence[str]) -> Mapping[str, Sequence[Reply]]:
        while True:
            lacking = sum(mailbox.waiting(keys).values())
            if self.waiting is not None:
                self.waiting(lacking, len(keys) * self.cap)
            if lacking == 0 and mailbox.newest() >= self.grace:
                found = mailbox.collect(keys)
                if all(key in found for key in keys):
                    return found
            await asyncio.sleep(self.poll)

    def _judgement(self, query: Query, replies: Sequence[Reply]) -> Judgement:
        seconds = sum(reply.seconds for reply in replies)
        cost = self.cost * len(replies) + self.wage * seconds / 3600.0
        return Judgement(query, combined([reply.answer for reply in replies]), _named(replies), cost, seconds)


def split(judgements: Sequence[Judgement], replies: Mapping[str, Sequence[Reply]]) -> list[Judgement]:
    """What each judge said, as judgements of their own: a model that weighs judges must not meet them as a crowd.

    Args:
        judgements: of queries, each by all its judges together.
        replies: query key → what each of them said; a judgement without any stays as it is.
    """
    found: list[Judgement] = []
    for each in judgements:
        said = replies.get(each.query.key, ())
        seconds = sum(reply.seconds for reply in said)
        for reply in said:
            share = reply.seconds / seconds if seconds else 1.0 / len(said)
            found.append(Judgement(each.query, reply.answer, reply.judge, each.cost * share, reply.seconds))
        if not said:
            found.append(each)
    return found


def without(
    judgements: Sequence[Judgement], replies: Mapping[str, Sequence[Reply]], excluded: frozenset[str]
) -> list[Judgement]:
    """The same judgements, combined without what excluded judges said: skipped where nobody else said anything.

    Args:
        judgements: of queries, each by all its judges together.
        replies: as for `split`.
        excluded: judges by name.
    """
    found: list[Judgement] = []
    for each in judgements:
        said = replies.get(each.query.key, ())
        left = [reply for reply in said if reply.judge not in excluded]
        if len(left) == len(said):
            found.append(each)
            continue
        answer = combined([reply.answer for reply in left])
        found.append(Judgement(each.query, answer, _named(left) or each.judge, each.cost, each.seconds))
    return found


def _named(replies: Sequence[Reply]) -> str:
    return " + ".join(dict.fromkeys(reply.judge for reply in replies))


def combined(answers: Sequence[Answer]) -> Answer:
    """What several judges say together: the middle grade, the geometric mean of odds, the bet or choice of most.

    Skips count only where there is nothing else. Between two middle grades the one nearer to a tie is taken; between
    two choices as frequent, the one given first.

    >>> combined([Answer(grade=2), Answer(grade=-1), Answer(grade=1)]).grade
    1
    >>> round(combined([Answer(ratio=10.0), Answer(ratio=0.1)]).ratio or 0.0, 9)
    1.0
    """
    said = [answer for answer in answers if answer.outcome is Outcome.ANSWERED]
    if not said:
        return answers[0] if answers else Answer(Outcome.SKIPPED)
    if len(said) == 1:
        return said[0]
    grades = [answer.grade for answer in said if answer.grade is not None]
    if grades:
        low = median_low(grades)
        high = -median_low([-grade for grade in grades])
        return Answer(grade=min(low, high, key=abs))
    ratios = [answer.ratio for answer in said if answer.ratio is not None]
    if ratios:
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        return Answer(ratio=min(max(mean, LEAST_RATIO), 1.0 / LEAST_RATIO))
    return Counter(said).most_common(1)[0][0]
