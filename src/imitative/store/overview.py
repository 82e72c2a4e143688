"""The lead's figures: how the run goes, who judges and how, what it costs. All read, nothing kept."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from statistics import median
from typing import Any, NamedTuple, final

from sqlalchemy import Connection, func, select

from imitative.mail import Role
from imitative.records import Answer, Judgement, Kind, Outcome, Query
from imitative.store import tables
from imitative.store.mailbox import LATEST
from imitative.store.runs import Event, Run
from imitative.store.task import agrees

posted, slot, said, judge, query = (t.c for t in (tables.posted, tables.slot, tables.said, tables.judge, tables.query))

PAGE = 200
"""Rows of answers given at once."""


class Said(NamedTuple):
    """One answer that stands, as the lead sees it.

    Args:
        id: its number; later answers have higher ones.
        query_key: of what was asked.
        posted_id: of the posting.
        kind: what was asked.
        role: why.
        judge: who answered.
        answer: of the query as posted.
        swapped: whether the second side was shown first.
        why: free text.
        seconds: how long it took.
        created: when.
        revision: how many times something was said before, at the same place.
    """

    id: int
    query_key: str
    posted_id: int
    kind: str
    role: str
    judge: str
    answer: Answer
    swapped: bool
    why: str
    seconds: float
    created: str
    revision: int


class JudgeFigures(NamedTuple):
    """How one judge does.

    Args:
        name: who.
        role: judge or lead.
        standing: see `Standing`.
        answered: answers that stand, checks included.
        skipped: of these, skips.
        seconds: their sum.
        median: seconds of the middle answer.
        left: of comparisons that were no tie, how often the side shown first was preferred.
        decided: how many those are.
        gold: known answers given right.
        golds: known answers asked.
        same: repeated comparisons answered the same.
        repeats: repeated comparisons asked.
        last: when they last answered.
    """

    name: str
    role: str
    standing: str
    answered: int
    skipped: int
    seconds: float
    median: float
    left: int
    decided: int
    gold: int
    golds: int
    same: int
    repeats: int
    last: str


@final
class Overview:
    """Figures of a run.

    Args:
        run: the run.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    def answers(self, after: int = 0, limit: int | None = None) -> list[Said]:
        """The answers that stand, in the order given, of checks too.

        Args:
            after: only those with a higher number.
            limit: at most so many.
        """
        rows = (
            select(
                said.id,
                posted.query_key,
                said.posted_id,
                query.kind,
                posted.role,
                judge.name.label("judge"),
                said.answer,
            )
            .add_columns(said.swapped, said.why, said.seconds, said.created, said.revision)
            .join_from(tables.said, LATEST, (said.slot_id == LATEST.c.slot_id) & (said.revision == LATEST.c.revision))
            .join(tables.posted, posted.id == said.posted_id)
            .join(tables.query, query.key == posted.query_key)
            .join(tables.judge, judge.id == said.judge_id)
            .where(said.run_id == self._run.id, said.answer.is_not(None), said.id > after)
            .order_by(said.id)
        )
        if limit is not None:
            rows = rows.limit(limit)

        def look(connection: Connection) -> list[Said]:
            found = (dict(row._mapping) for row in connection.execute(rows))
            return [Said(**{**row, "answer": Answer.from_json(row["answer"])}) for row in found]

        return self._run.read(look)

    def judgements(self) -> list[Judgement]:
        """Each judge's answers to the run's own queries, as judgements: one a judge, where the run's own rows hold what
        the judges of a query say together.
        """
        about = self.about()
        wage, cost = float(about.get("wage") or 0.0), float(about.get("cost") or 0.0)
        rows = select(query.key, query.body).join_from(tables.posted, tables.query).where(posted.run_id == self._run.id)

        def look(connection: Connection) -> dict[str, Query]:
            texts = {row.key: row.text for row in connection.execute(select(tables.hypothesis))}
            return {
                row.key: Query.from_json({**row.body, "hypotheses": [texts[key] for key in row.body["hypotheses"]]})
                for row in connection.execute(rows.where(posted.role == Role.ASKED.value))
            }

        queries = self._run.read(look)
        return [
            Judgement(queries[a.query_key], a.answer, a.judge, cost + wage * a.seconds / 3600.0, a.seconds)
            for a in self.answers()
            if a.role == Role.ASKED
        ]

    def judges(self, answers: list[Said]) -> list[JudgeFigures]:
        """How each judge does, by the answers given."""
        expected = self._expected()
        first = {(each.judge, each.query_key): each for each in answers if each.role == Role.ASKED}
        theirs: dict[str, list[Said]] = defaultdict(list)
        for each in answers:
            theirs[each.judge].append(each)
        rows = select(judge.name, judge.role, judge.standing).where(judge.run_id == self._run.id).order_by(judge.id)
        people = self._run.read(lambda connection: connection.execute(rows).all())
        return [
            _figures(name, role, standing, theirs.get(name, []), first, expected) for name, role, standing in people
        ]

    def _expected(self) -> dict[int, Answer]:
        rows = select(posted.id, posted.expected).where(posted.run_id == self._run.id, posted.expected.is_not(None))
        found = self._run.read(lambda connection: connection.execute(rows).all())
        return {number: Answer.from_json(answer) for number, answer in found}

    def open(self) -> tuple[int, int]:
        """Slots that lack an answer, and of these, those in somebody's hands."""
        wanted = (slot.run_id == self._run.id) & slot.done.is_(False) & slot.wanted & slot.number.is_not(None)
        rows = select(func.count(), func.count(slot.judge_id)).where(wanted)
        lacking, held = self._run.read(lambda connection: connection.execute(rows).one())
        return int(lacking), int(held)

    def late(self) -> int:
        """Answers that came after the query was given to somebody else; kept, not counted."""
        rows = select(func.count()).where(tables.late.c.run_id == self._run.id)
        return int(self._run.read(lambda connection: connection.execute(rows).scalar_one()))

    def revised(self) -> int:
        """How many answers were taken back."""
        rows = select(func.count()).where(said.run_id == self._run.id, said.answer.is_(None))
        return int(self._run.read(lambda connection: connection.execute(rows).scalar_one()))

    def about(self) -> Mapping[str, Any]:
        """What the run said of itself to the page: the question, instructions, wage, cost, space."""
        events = self._run.events("people")
        return events[-1].body if events else {}

    def rounds(self) -> list[Event]:
        """Each round's end, as last told: z* as it stood. A run that goes on after a stop tells earlier ones again."""
        return list({event.body.get("round", event.created): event for event in self._run.events("round")}.values())

    def overlap(self) -> float:
        """By how many judges a query is answered, on average; 0 where none was asked."""
        rows = select(func.avg(posted.cap)).where(posted.run_id == self._run.id, posted.role == Role.ASKED.value)
        return float(self._run.read(lambda connection: connection.execute(rows).scalar_one()) or 0.0)

    def stage(self) -> Event | None:
        """What the run last said it does."""
        told = [*self._run.events("stage")[-1:], *self._run.events("round")[-1:], *self._run.events("finished")[-1:]]
        return max(told, key=lambda event: event.created, default=None)

    def clauses(self) -> Mapping[str, Any]:
        """What each clause of z* decides, where the run is finished; see `results.clauses_told`."""
        finished = self._run.events("finished")
        return dict(finished[-1].body.get("clauses") or {}) if finished else {}

    def fitted(self) -> Mapping[str, Any]:
        """What the run's own fit has learned of each judge, as of the last round."""
        rounds = self._run.events("round")
        return dict(rounds[-1].body.get("judges") or {}) if rounds else {}

    def left_out(self) -> dict[str, str]:
        """Excluded judge → since which round, or stage of Step 4, no model has been fitted to what they said."""
        since: dict[str, str] = {}
        for event in self._run.events("guidance"):
            stage = event.body["round"]
            for name in event.body["excluded"]:
                since.setdefault(name, stage if isinstance(stage, str) else f"round {stage + 1}")
            since = {name: stage for name, stage in since.items() if name in event.body["excluded"]}
        return since

    def used(self) -> int:
        """Judgements the run has used."""
        rows = select(func.count()).where(tables.judgement.c.run_id == self._run.id)
        return int(self._run.read(lambda connection: connection.execute(rows).scalar_one()))

    def proposals(self) -> list[Mapping[str, Any]]:
        """What judges wrote, the newest first."""
        proposal = tables.proposal.c
        rows = (
            select(
                proposal.id,
                proposal.text,
                proposal.wrong,
                proposal.readable,
                proposal.created,
                judge.name.label("author"),
            )
            .join_from(tables.proposal, tables.judge)
            .where(proposal.run_id == self._run.id)
            .order_by(proposal.id.desc())
            .limit(PAGE)
        )
        return self._run.read(lambda connection: [dict(row._mapping) for row in connection.execute(rows)])

    def changes(self) -> list[Event]:
        """Who was invited, suspended, reinstated or revoked, the newest first."""
        return sorted(
            [*self._run.events("invited"), *self._run.events("standing")], key=lambda e: e.created, reverse=True
        )


def by_kind(answers: list[Said]) -> Counter[str]:
    """Answers of the run's own queries, by kind."""
    return Counter(each.kind for each in answers if each.role == Role.ASKED)


def by_hour(answers: list[Said]) -> dict[datetime, int]:
    """Answers by the hour they were given in, UTC, in order."""
    hours = (datetime.fromisoformat(each.created).replace(minute=0, second=0, microsecond=0) for each in answers)
    return dict(sorted(Counter(hours).items()))


def _figures(
    name: str,
    role: str,
    standing: str,
    answers: list[Said],
    first: Mapping[tuple[str, str], Said],
    expected: Mapping[int, Answer],
) -> JudgeFigures:
    times = [each.seconds for each in answers]
    sides = list(_sides(answers))
    golds = [
        (each.answer, expected[each.posted_id])
        for each in answers
        if each.posted_id in expected and each.role == Role.GOLD
    ]
    repeats = [
        (each.answer, before.answer)
        for each in answers
        if each.role == Role.REPEAT and (before := first.get((name, each.query_key))) is not None
    ]
    return JudgeFigures(
        name,
        role,
        standing,
        len(answers),
        sum(each.answer.outcome is Outcome.SKIPPED for each in answers),
        sum(times),
        median(times) if times else 0.0,
        sum(sides),
        len(sides),
        sum(agrees(answer, known) for answer, known in golds),
        len(golds),
        sum(agrees(answer, before) for answer, before in repeats),
        len(repeats),
        max((each.created for each in answers), default=""),
    )


def _sides(answers: list[Said]) -> Iterator[bool]:
    """Of each comparison that was no tie, whether the side shown first was preferred."""
    for each in answers:
        if each.kind in (Kind.COMPARE_HYPOTHESES, Kind.COMPARE_ANSWERS) and each.answer.grade:
            yield (each.answer.grade > 0) is not each.swapped
        elif each.kind == Kind.ODDS and each.answer.ratio is not None and each.answer.ratio != 1.0:
            yield (each.answer.ratio > 1.0) is not each.swapped
