"""A query is given to as many judges as it may be, an answer is kept once, and nothing that was said is lost."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import event, func, select

from bench.postgresql import PrivateServer
from imitative.errors import InputError
from imitative.mail import Person, Posting, Role, Standing
from imitative.overseers.people import People as AskedPeople
from imitative.overseers.people import combined, split, without
from imitative.records import Answer, Judgement, Kind, Outcome, Query
from imitative.store import Run, desk, giving, tables
from imitative.store.desk import Desk
from imitative.store.giving import APART, CHECK_EVERY
from imitative.store.mailbox import StoredMailbox
from imitative.store.overview import Overview
from imitative.store.people import People
from imitative.store.proposals import Proposals
from imitative.store.task import Refused, Submission, Task

FIRST = Answer(grade=1)


def query(i: int) -> Query:
    return Query(Kind.COMPARE_HYPOTHESES, (f"first {i}", f"second {i}"))


@dataclass
class Office:
    """A run with its mailbox, its desk, and a clock of its own."""

    run: Run
    now: float = 1e9
    judges: dict[str, Person] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.mailbox, self.people = StoredMailbox(self.run), People(self.run)
        self.desk = Desk(self.run, lambda: self.now, lease=100.0, seed=0)
        self.overview = Overview(self.run)
        self.proposals = Proposals(self.run)

    def post(self, *numbers: int, cap: int = 1) -> None:
        self.mailbox.post([Posting(query(i), {"i": i}, cap=cap) for i in numbers])

    def judge(self, name: str) -> Person:
        if name not in self.judges:
            self.people.invite(name, "judge")
        self.judges |= {person.name: person for person in self.people.everybody()}
        return self.judges[name]

    def claim(self, name: str) -> Task:
        task = self.desk.claim(self.judge(name))
        assert task is not None
        return task

    def say(self, name: str, task: Task, answer: Answer = FIRST, key: str | None = None) -> Task | None:
        shown = answer.swapped() if task.swapped else answer  # said of the query as posted
        given = Submission(task.slot, key or f"key-{name}-{task.slot}-{task.revision}", shown, seconds=2.0)
        return self.desk.submit(self.judge(name), given)[1]

    def keys(self, *numbers: int) -> list[str]:
        return [query(i).key for i in numbers]


def opened(folder: Path, store: str | None) -> Run:
    return Run.open(folder / "run", "p", "abc", 0, 100, store=store)


@pytest.fixture
def office(tmp_path: Path, store: str | None) -> Iterator[Office]:
    with opened(tmp_path, store) as run:
        yield Office(run)


# --------------------------------------------------------------------------------------------------- given and answered


def test_an_answer_comes_back_as_it_was_meant_whichever_side_was_shown_first(office: Office) -> None:
    office.post(*range(20))
    swapped = set()
    task: Task | None = office.claim("ann")
    while task is not None:
        swapped.add(task.swapped)
        task = office.say("ann", task, Answer(grade=2))
    assert swapped == {True, False}
    replies = office.mailbox.collect(office.keys(*range(20)))
    assert {reply.answer.grade for each in replies.values() for reply in each} == {2}
    assert {(reply.judge, reply.seconds) for each in replies.values() for reply in each} == {("ann", 2.0)}
    assert {each.swapped for each in office.overview.answers()} == {True, False}  # and the order is on record


def test_a_judge_keeps_what_they_hold_and_nobody_else_is_given_it(office: Office) -> None:
    office.post(0, 1)
    ann, bob = office.claim("ann"), office.claim("bob")
    assert ann.slot != bob.slot
    assert office.claim("ann").slot == ann.slot
    assert office.desk.claim(office.judge("cat")) is None


def test_a_query_goes_to_as_many_different_judges_as_its_cap(office: Office) -> None:
    office.post(0, cap=2)
    for name in ("ann", "bob"):
        assert office.say(name, office.claim(name)) is None
    assert office.desk.claim(office.judge("cat")) is None
    assert office.mailbox.waiting(office.keys(0)) == {}
    assert sorted(reply.judge for reply in office.mailbox.collect(office.keys(0))[query(0).key]) == ["ann", "bob"]


def test_what_lacks_replies_is_not_collected(office: Office) -> None:
    office.post(0, cap=2)
    office.say("ann", office.claim("ann"))
    assert office.mailbox.waiting(office.keys(0)) == {query(0).key: 1}
    assert office.mailbox.collect(office.keys(0)) == {}


def test_posting_again_changes_nothing_and_what_is_no_longer_wanted_is_not_given(office: Office) -> None:
    office.post(0, 1)
    office.post(0, 1)
    following = office.say("ann", office.claim("ann"))
    assert following is not None
    assert following.shown == {"i": 1}
    office.post(2)  # the run has moved on: 1 was never answered
    assert office.claim("ann").shown == {"i": 2}
    assert office.desk.claim(office.judge("bob")) is None
    office.post(1)
    assert office.claim("ann").shown == {"i": 1}


# ------------------------------------------------------------------------------------------ the same, and others


def test_one_key_a_hundred_times_at_once_is_one_row(office: Office) -> None:
    office.post(0, 1)
    ann, task = office.judge("ann"), office.claim("ann")
    given = Submission(task.slot, "the-same-key", Answer(grade=1), "why", 3.0)
    receipts = []
    barrier = threading.Barrier(100)

    def send() -> None:
        barrier.wait()
        receipts.append(office.desk.submit(ann, given)[0])

    together = [threading.Thread(target=send) for _ in range(100)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    assert len(receipts) == 100
    assert sorted(receipt.again for receipt in receipts) == [False] + [True] * 99
    assert rows(office.run, "said") == 1


def test_the_same_key_with_another_body_is_refused(office: Office) -> None:
    office.post(0)
    task = office.claim("ann")
    office.say("ann", task, key="some-key-1")
    for other in (Answer(grade=2), Answer(Outcome.SKIPPED)):
        with pytest.raises(Refused) as refused:
            office.say("ann", task, other, key="some-key-1")
        assert refused.value.status == 409
    assert rows(office.run, "said") == 1


def test_a_query_answered_is_not_answered_again_under_another_key(office: Office) -> None:
    office.post(0)
    task = office.claim("ann")
    office.say("ann", task)
    with pytest.raises(Refused, match="already"):
        office.say("ann", task, key="another-key")


@pytest.mark.parametrize(
    "answer",
    [Answer(ratio=2.0), Answer(less_likely=True), Answer(choice="a"), Answer(Outcome.UNREADABLE)],
)
def test_an_answer_to_another_kind_of_question_is_refused(office: Office, answer: Answer) -> None:
    office.post(0)
    task = office.claim("ann")
    with pytest.raises(Refused) as refused:
        office.desk.submit(office.judge("ann"), Submission(task.slot, "some-key-1", answer))
    assert refused.value.status == 422
    assert rows(office.run, "said") == 0


def test_nobody_answers_takes_back_or_types_into_what_is_anothers(office: Office) -> None:
    office.post(0, 1)
    task = office.claim("ann")
    bob = office.judge("bob")
    attempts: list[Callable[[], object]] = [
        lambda: office.desk.submit(bob, Submission(task.slot, "some-key-1", FIRST)),
        lambda: office.desk.keep_draft(bob, task.slot, {"why": "mine"}),
        lambda: office.desk.in_hand(bob, task.slot),
        lambda: office.proposals.propose(bob, "some-key-2", "z", "", True, task.slot),
    ]
    for attempt in attempts:
        with pytest.raises(Refused) as refused:
            attempt()
        assert refused.value.status == 404
    office.say("ann", task)
    with pytest.raises(Refused, match="nothing to take back"):
        office.desk.undo(bob, "some-key-3")
    assert [each.judge for each in office.overview.answers()] == ["ann"]


# ----------------------------------------------------------------------------------------------- leases run out


def test_a_lease_runs_out_and_the_query_goes_to_another(office: Office) -> None:
    office.post(0)
    office.claim("ann")
    office.now += 101.0
    assert office.claim("bob").shown == {"i": 0}
    assert office.desk.claim(office.judge("ann")) is None


def test_typing_keeps_the_query_in_hand(office: Office) -> None:
    office.post(0)
    task = office.claim("ann")
    office.now += 90.0
    office.desk.keep_draft(office.judge("ann"), task.slot, {"why": "because"})
    office.now += 90.0
    assert office.desk.claim(office.judge("bob")) is None
    assert office.claim("ann").draft == {"why": "because"}


def test_an_answer_that_comes_late_is_counted_if_nobody_else_was_given_the_query(office: Office) -> None:
    office.post(0)
    task = office.claim("ann")
    office.now += 1e6
    office.say("ann", task)
    assert len(office.mailbox.collect(office.keys(0))) == 1


def test_an_answer_that_comes_too_late_takes_another_free_place_or_is_kept_beside(office: Office) -> None:
    office.post(0, cap=2)
    ann = office.claim("ann")
    office.now += 101.0
    assert office.claim("bob").slot == ann.slot
    office.say("ann", ann)  # the second place is free
    assert Counter(each.judge for each in office.overview.answers()) == {"ann": 1}
    cat = office.desk.claim(office.judge("cat"))
    assert cat is None
    office.post(1)
    dan = office.claim("dan")
    office.now += 101.0
    eve = office.claim("eve")
    assert eve.slot in (dan.slot, ann.slot)
    if eve.slot == dan.slot:
        receipt, _ = office.desk.submit(office.judge("dan"), Submission(dan.slot, "late-key-1", FIRST, "my reason"))
        assert receipt.kept == "late"
        assert office.desk.submit(office.judge("dan"), Submission(dan.slot, "late-key-1", FIRST, "my reason"))[0].again
        with pytest.raises(Refused):
            office.desk.submit(office.judge("dan"), Submission(dan.slot, "late-key-1", Answer(grade=2), "my reason"))
        assert rows(office.run, "late") == 1


def test_a_clock_put_back_a_day_does_not_lock_a_query_up(office: Office) -> None:
    office.post(0)
    office.claim("ann")
    office.now -= 86_400.0
    assert office.claim("bob").shown == {"i": 0}


# ---------------------------------------------------------------------------------------------- taken back


def test_taking_back_adds_a_revision_and_gives_the_query_again(office: Office) -> None:
    office.post(0, 1)
    task = office.claim("ann")
    following = office.say("ann", task, Answer(grade=2))
    assert following is not None
    again = office.desk.undo(office.judge("ann"), "undo-key-1")
    assert again is not None
    assert again.slot == task.slot
    assert again.revision == 2
    assert again.before == (Answer(grade=2).swapped() if again.swapped else Answer(grade=2))
    assert office.mailbox.waiting(office.keys(0, 1)) == {query(0).key: 1, query(1).key: 1}
    repeated = office.desk.undo(office.judge("ann"), "undo-key-1")  # the same request, sent again
    assert repeated is not None
    assert repeated.slot == task.slot
    after = office.say("ann", again, Answer(grade=-1))
    assert after is not None
    assert after.slot == following.slot
    assert rows(office.run, "said") == 3
    [reply] = office.mailbox.collect(office.keys(0))[query(0).key]
    assert reply.answer.grade == -1
    assert office.overview.revised() == 1


def test_taking_back_goes_further_back_each_time(office: Office) -> None:
    office.post(0, 1, 2)
    task: Task | None = office.claim("ann")
    slots = []
    while task is not None:
        slots.append(task.slot)
        task = office.say("ann", task)
    back = [office.desk.undo(office.judge("ann"), f"undo-key-{i}") for i in range(3)]
    assert [each.slot for each in back if each is not None] == slots[::-1]
    with pytest.raises(Refused, match="nothing to take back"):
        office.desk.undo(office.judge("ann"), "undo-key-9")


def test_what_the_run_has_used_stays_used_and_the_change_is_kept_beside_it(office: Office) -> None:
    office.post(0)
    office.say("ann", office.claim("ann"), Answer(grade=2))
    before = office.mailbox.collect(office.keys(0))
    again = office.desk.undo(office.judge("ann"), "undo-key-1")
    assert again is not None
    shown = Answer(grade=-2).swapped() if again.swapped else Answer(grade=-2)
    receipt, _ = office.desk.submit(office.judge("ann"), Submission(again.slot, "later-key-1", shown))
    assert receipt.used
    after = office.mailbox.collect(office.keys(0))
    assert [reply.answer for reply in after[query(0).key]] == [reply.answer for reply in before[query(0).key]]
    assert office.overview.answers()[-1].answer.grade == -2


def test_what_another_said_at_the_same_place_is_not_shown(office: Office) -> None:
    office.post(0)
    office.say("ann", office.claim("ann"), Answer(grade=2))
    office.people.stand("ann", Standing.EXCLUDED, by="lead")  # her place is given to somebody else
    for name in ("bob", "cat"):
        task = office.claim(name)
        assert (task.shown, task.before, task.revision) == ({"i": 0}, None, 0)
        office.say(name, task, Answer(grade=-1))
        back = office.desk.undo(office.judge(name), "undo-key-1")
        assert back is not None
        assert back.before is not None
        office.now += 102.0  # the next is given the place that bob has taken his answer back from


def test_what_an_excluded_judge_said_with_others_is_taken_out_of_it(office: Office) -> None:
    office.post(0, 1, cap=3)
    office.post(2)
    office.post(0, 1, cap=3)
    for name, grade in (("ann", 2), ("bob", 2), ("cat", -1)):
        task: Task | None = office.claim(name)
        while task is not None:
            task = office.say(name, task, Answer(grade=grade))
    office.mailbox.collect(office.keys(0, 1))
    replies = office.mailbox.replies(office.keys(0, 1, 2))
    assert set(replies) == set(office.keys(0, 1))  # the other is not used yet
    together = [Judgement(query(i), Answer(grade=2), "ann + bob + cat", 3.0, 6.0) for i in (0, 1)]
    each = split(together, replies)
    assert [(j.judge, j.answer.grade) for j in each] == [("ann", 2), ("bob", 2), ("cat", -1)] * 2
    assert sum(j.cost for j in each) == pytest.approx(6.0)
    assert without(together, replies, frozenset()) == together
    [rest, _] = without(together, replies, frozenset(("ann", "bob")))
    assert (rest.judge, rest.answer) == ("cat", Answer(grade=-1))
    [none, _] = without(together, replies, frozenset(("ann", "bob", "cat")))
    assert none.answer.outcome is Outcome.SKIPPED
    recorded = Judgement(query(3), Answer(grade=1), "archive")
    assert split([recorded], replies) == without([recorded], replies, frozenset(("ann",))) == [recorded]


def test_who_is_left_out_is_settled_when_a_stage_begins_and_told_to_the_lead(office: Office) -> None:
    office.judge("ann")
    assert office.mailbox.guidance(0).excluded == ()
    office.people.stand("ann", Standing.EXCLUDED, by="lead")
    assert office.mailbox.guidance(0).excluded == ()  # done again, it is told the same
    assert office.overview.left_out() == {}
    assert office.mailbox.guidance(1).excluded == ("ann",)
    assert office.mailbox.guidance("transfer").excluded == ("ann",)
    assert office.overview.left_out() == {"ann": "round 2"}
    office.people.stand("ann", Standing.ACTIVE, by="lead")
    assert office.mailbox.guidance("audit").excluded == ()
    assert office.overview.left_out() == {}


# ------------------------------------------------------------------------------------------ checks


def known_answer(i: int, role: Role) -> Posting:
    asked = Query(Kind.ANSWER, (f"rule {i}",), {"odour": "foul"}, ("p", "e"), purpose="check", repeat=i)
    return Posting(asked, {"i": i}, role, expected=Answer(choice="p"))


def test_the_warm_up_comes_first_tells_what_was_right_and_is_not_collected(office: Office) -> None:
    office.mailbox.post([known_answer(i, Role.WARM_UP) for i in range(2)])
    office.post(0)
    ann = office.judge("ann")
    told = []
    task = office.claim("ann")
    for choice in ("e", "p"):
        assert task.role is Role.WARM_UP
        key = f"warm-key-{choice}"
        receipt, following = office.desk.submit(ann, Submission(task.slot, key, Answer(choice=choice)))
        told.append(receipt.right)
        assert following is not None
        task = following
    assert told == [False, True]
    assert task.role is Role.ASKED
    assert office.mailbox.waiting(office.keys(0)) == {query(0).key: 1}
    assert office.claim("bob").role is Role.WARM_UP  # everybody warms up


def test_among_the_real_queries_are_known_answers_and_repetitions_the_other_way_round(office: Office) -> None:
    office.mailbox.post([known_answer(i, Role.GOLD) for i in range(5)])
    office.post(*range(60))
    first: dict[int, bool] = {}
    roles: list[Role] = []
    task: Task | None = office.claim("ann")
    while task is not None:
        roles.append(task.role)
        i = task.shown["i"]
        if task.role is Role.REPEAT:
            assert task.swapped is not first[i]
            assert len(roles) - 1 - list(first).index(i) >= APART
        if task.role is Role.ASKED:
            first[i] = task.swapped
        task = office.say("ann", task, Answer(choice="e") if task.role is Role.GOLD else FIRST)
    checks = [i for i, role in enumerate(roles) if role is not Role.ASKED]
    assert checks == list(range(CHECK_EVERY - 1, len(roles), CHECK_EVERY))
    figures = office.overview.judges(office.overview.answers())[0]
    assert (figures.gold, figures.golds) == (0, roles.count(Role.GOLD))
    assert (figures.same, figures.repeats) == (roles.count(Role.REPEAT), roles.count(Role.REPEAT))
    assert figures.golds >= 2
    assert figures.repeats >= 2
    assert len(office.mailbox.collect(office.keys(*range(60)))) == 60


def test_who_always_clicks_left_is_seen_to(office: Office) -> None:
    office.post(*range(30))
    task: Task | None = office.claim("ann")
    while task is not None:
        given = Submission(task.slot, f"left-key-{task.slot}-{task.revision}", Answer(grade=1))
        task = office.desk.submit(office.judge("ann"), given)[1]
    figures = office.overview.judges(office.overview.answers())[0]
    assert figures.left == figures.decided > 25
    assert figures.same == 0
    assert figures.repeats > 0


# ----------------------------------------------------------------------------------------- standing


def test_a_suspended_judge_is_given_nothing_and_what_they_hold_goes_to_others(office: Office) -> None:
    office.post(0, 1)
    office.say("ann", office.claim("ann"))
    held = office.claim("ann")
    office.people.stand("ann", Standing.SUSPENDED, by="lead", why="hasty")
    assert office.desk.claim(office.judge("ann")) is None
    assert office.claim("bob").slot == held.slot
    assert [reply.judge for reply in office.mailbox.collect(office.keys(0))[query(0).key]] == ["ann"]
    office.people.stand("ann", Standing.ACTIVE, by="lead")
    office.post(2)
    assert office.claim("ann").shown == {"i": 2}
    assert [event.body["standing"] for event in office.run.events("standing")] == ["suspended", "active"]


def test_what_an_excluded_judge_said_is_kept_and_asked_of_another(office: Office) -> None:
    office.post(0, 1)
    task: Task | None = office.claim("ann")
    while task is not None:
        task = office.say("ann", task, Answer(grade=2))
        if task is not None:
            office.mailbox.collect(office.keys(0))  # the first is used before she is excluded
    office.people.stand("ann", Standing.EXCLUDED, by="lead")
    assert office.mailbox.guidance(0).excluded == ("ann",)
    task = office.claim("bob")
    assert task.shown == {"i": 1}
    office.say("bob", task, Answer(grade=-1))
    assert [reply.judge for reply in office.mailbox.collect(office.keys(1))[query(1).key]] == ["bob"]
    assert [reply.judge for reply in office.mailbox.collect(office.keys(0))[query(0).key]] == ["ann"]
    assert rows(office.run, "said") == 3


def test_a_revoked_judge_cannot_come_in_by_anything(office: Office) -> None:
    invitation = office.people.invite("ann", "judge")
    session = office.people.enter(invitation)
    program = office.people.invite("ann", "judge", kind="program")
    assert session is not None
    assert office.people.by_token(session) is not None
    office.people.stand("ann", Standing.REVOKED, by="lead")
    assert office.people.enter(invitation) is None
    assert office.people.by_token(session) is None
    assert office.people.by_token(program, ("program",)) is None
    with pytest.raises(InputError, match="revoked"):
        office.people.invite("ann", "judge")


def test_a_token_is_of_one_kind_and_only_its_digest_is_kept(office: Office) -> None:
    invitation = office.people.invite("ann", "judge")
    program = office.people.invite("ann", "judge", kind="program")
    session = office.people.enter(invitation)
    assert session is not None
    assert office.people.by_token(invitation) is None
    assert office.people.by_token(program) is None
    assert office.people.enter(session) is None
    every = tables.metadata.sorted_tables
    dump = str(office.run.read(lambda c: [tuple(row) for table in every for row in c.execute(select(table))]))
    assert not any(token in dump for token in (invitation, program, session))
    office.people.leave(session)
    assert office.people.by_token(session) is None
    assert office.people.enter(office.people.invite("ann", "judge", days=1e-9)) is None  # run out


def test_the_last_lead_cannot_be_shut_out(office: Office) -> None:
    office.people.invite("lea", "lead")
    with pytest.raises(InputError, match="only lead"):
        office.people.stand("lea", Standing.REVOKED, by="lea")
    office.people.invite("leo", "lead")
    office.people.stand("lea", Standing.REVOKED, by="leo")


@pytest.mark.parametrize("name", ["", "  ", "a\nb\0", "x" * 61, "a,b", "a + b", "\u202eann"])
def test_a_name_that_cannot_be_shown_is_refused(office: Office, name: str) -> None:
    with pytest.raises(InputError):
        office.people.invite(name, "judge")


# --------------------------------------------------------------------------------------------- guidance


def test_a_round_is_given_the_same_proposals_when_it_is_done_again(office: Office) -> None:
    ann = office.judge("ann")
    office.proposals.propose(ann, "prop-key-1", "one", "", True, None)
    office.proposals.propose(ann, "prop-key-1", "one", "", True, None)
    office.proposals.propose(ann, "prop-key-2", "unreadable", "", False, None)
    first = office.mailbox.guidance(0)
    assert [(each.text, each.author) for each in first.proposals] == [("one", "ann")]
    office.proposals.propose(ann, "prop-key-3", "two", "", True, None)
    assert office.mailbox.guidance(0) == first
    assert [each.text for each in office.mailbox.guidance(1).proposals] == ["one", "two"]


# --------------------------------------------------------------------------------------------- the overseer


def test_people_are_waited_for_and_a_run_that_is_stopped_goes_on_waiting(tmp_path: Path, store: str | None) -> None:
    queries = [query(i) for i in range(4)]
    told: list[tuple[int, int]] = []

    async def asked(run: Run, seconds: float) -> list[str] | None:
        people = AskedPeople(
            lambda q: {}, StoredMailbox(run), grace=0.0, poll=0.01, wage=36.0, waiting=lambda *n: told.append(n)
        )
        try:
            judgements = await asyncio.wait_for(people.judge(queries), seconds)
        except TimeoutError:
            return None
        assert [judgement.query for judgement in judgements] == queries
        return [f"{j.judge} {j.answer.grade} {j.cost:.2f}" for j in judgements]

    with opened(tmp_path, store) as run:
        assert asyncio.run(asked(run, 0.2)) is None
        office = Office(run)
        office.say("ann", office.claim("ann"))
    with opened(tmp_path, store) as run:
        office = Office(run)
        task: Task | None = office.claim("ann")
        while task is not None:
            task = office.say("ann", task)
        assert asyncio.run(asked(run, 20.0)) == ["ann 1 0.02"] * 4
        assert rows(run, "said") == 4
        assert told[0] == (4, 4)
        assert asyncio.run(asked(run, 20.0)) == ["ann 1 0.02"] * 4  # asked again, the same


@pytest.mark.parametrize(
    ("answers", "together"),
    [
        ([Answer(grade=2), Answer(Outcome.SKIPPED)], Answer(grade=2)),
        ([Answer(grade=2), Answer(grade=-2)], Answer(grade=-2)),
        ([Answer(grade=1), Answer(grade=0)], Answer(grade=0)),
        ([Answer(choice="a"), Answer(choice="b"), Answer(choice="b")], Answer(choice="b")),
        ([Answer(less_likely=True), Answer(less_likely=False)], Answer(less_likely=True)),
        ([Answer(Outcome.SKIPPED)] * 2, Answer(Outcome.SKIPPED)),
    ],
)
def test_what_several_say_together(answers: list[Answer], together: Answer) -> None:
    found = combined(answers)
    assert found == together or found.grade == -(together.grade or 0)


def test_swapping_every_answer_swaps_what_they_say_together() -> None:
    grades = [Answer(grade=2), Answer(grade=1), Answer(grade=-1), Answer(grade=0)]
    turned = combined([answer.swapped() for answer in grades])
    assert turned == combined(grades).swapped()


# --------------------------------------------------------------------------------------------- all of it, in any order


class Judging(RuleBasedStateMachine):
    """Claim, submit, take back, skip, expire, suspend, revoke, collect, restart, in any order, beside a model."""

    store: Callable[[], str | None] = staticmethod(lambda: None)
    names = ("ann", "bob", "cat")
    cap = 2
    queries = 4

    @initialize()
    def open(self) -> None:
        import tempfile

        self.folder, self.url = tempfile.TemporaryDirectory(), self.store()
        self.office = Office(opened(Path(self.folder.name), self.url))
        self.office.post(*range(self.queries), cap=self.cap)
        for name in self.names:
            self.office.judge(name)
        self.held: dict[str, Task | None] = dict.fromkeys(self.names)
        self.stands: dict[tuple[str, int], Answer] = {}  # (judge, query) → what they said last and did not take back
        self.collected: dict[str, list[Answer]] = {}
        self.revoked: set[str] = set()
        self.suspended: set[str] = set()
        self.sent = 0

    @rule(name=st.sampled_from(names))
    def claim(self, name: str) -> None:
        task = self.office.desk.claim(self.office.judges[name])
        assert task is None or name not in self.revoked | self.suspended
        self.held[name] = task

    @rule(name=st.sampled_from(names), grade=st.sampled_from((-2, -1, 0, 1, 2, None)), twice=st.booleans())
    def submit(self, name: str, grade: int | None, twice: bool) -> None:
        task = self.held[name]
        if task is None:
            return
        answer = Answer(Outcome.SKIPPED) if grade is None else Answer(grade=grade)
        given = Submission(task.slot, self.key(), answer)
        try:
            receipt, following = self.office.desk.submit(self.office.judges[name], given)
        except Refused as refused:
            assert refused.status == 409  # answered before, from what is by now an old page
            self.held[name] = None
            return
        if receipt.kept == "answer":
            self.stands[name, task.shown["i"]] = answer.swapped() if task.swapped else answer
        if twice:
            assert self.office.desk.submit(self.office.judges[name], given)[0].again
        self.held[name] = following

    @rule(name=st.sampled_from(names))
    def undo(self, name: str) -> None:
        try:
            task = self.office.desk.undo(self.office.judges[name], self.key())
        except Refused as refused:
            assert refused.status == 409
            return
        assert task is not None
        del self.stands[name, task.shown["i"]]
        self.held[name] = task

    @rule(seconds=st.sampled_from((50.0, 150.0, -86_400.0, 86_400.0)))
    def wait(self, seconds: float) -> None:
        self.office.now += seconds

    @rule(name=st.sampled_from(names))
    def suspend_or_let_in_again(self, name: str) -> None:
        if name not in self.revoked:
            back = name in self.suspended
            self.office.people.stand(name, Standing.ACTIVE if back else Standing.SUSPENDED, by="lead")
            self.suspended ^= {name}

    @precondition(lambda self: len(self.revoked) < 2)
    @rule(name=st.sampled_from(names))
    def revoke(self, name: str) -> None:
        self.office.people.stand(name, Standing.REVOKED, by="lead")
        self.revoked.add(name)

    @rule()
    def collect(self) -> None:
        for key, replies in self.office.mailbox.collect(self.office.keys(*range(self.queries))).items():
            answers = [reply.answer for reply in replies]
            assert self.collected.setdefault(key, answers) == answers  # asked again, the same

    @rule()
    def restart(self) -> None:
        now, judges = self.office.now, self.office.judges
        self.office.run.close()
        self.office = Office(opened(Path(self.folder.name), self.url), now, judges)

    @invariant()
    def nothing_is_lost_doubled_or_over_the_cap(self) -> None:
        if not hasattr(self, "office"):
            return
        kept = self.office.overview.answers()
        assert {(each.judge, self.number(each.query_key)): each.answer for each in kept} == self.stands
        assert len(kept) == len(self.stands)
        over = Counter(each.query_key for each in kept)
        assert max(over.values(), default=0) <= self.cap

    def key(self) -> str:
        self.sent += 1
        return f"sent-key-{self.sent}"

    def number(self, key: str) -> int:
        return next(i for i in range(self.queries) if query(i).key == key)

    def teardown(self) -> None:
        if hasattr(self, "office"):
            self.office.run.close()
            self.folder.cleanup()


TestJudging = Judging.TestCase
SLOWLY = os.environ.get("SLOW", "0") not in ("", "0")
TestJudging.settings = hypothesis_settings(max_examples=100 if SLOWLY else 10, stateful_step_count=25)


@pytest.mark.slow
def test_judging_in_any_order_on_a_server(postgresql: PrivateServer) -> None:
    """The same machine over PostgreSQL; each example has a schema of its own."""

    class Served(Judging):
        store = staticmethod(lambda: postgresql.schema(f"judging_{secrets.token_hex(8)}"))

    run_state_machine_as_test(Served, settings=hypothesis_settings(max_examples=20, stateful_step_count=25))


@pytest.mark.parametrize("cap", [1, 3])
def test_however_many_claim_at_once_none_is_over_the_cap(office: Office, cap: int) -> None:
    """A small one of the benchmark's figure; there are 50 judges and 1,000 queries there."""
    office.post(*range(25), cap=cap)
    people = [office.judge(f"judge {i}") for i in range(8)]

    def work(person: Person) -> None:
        task = office.desk.claim(person)
        while task is not None:
            given = Submission(task.slot, f"key-{person.id}-{task.slot}-{task.revision}", FIRST)
            task = office.desk.submit(person, given)[1]

    together = [threading.Thread(target=work, args=(person,)) for person in people]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    asked = [each for each in office.overview.answers() if each.role == Role.ASKED]
    assert set(Counter(each.query_key for each in asked).values()) == {cap}
    assert len({(each.query_key, each.judge) for each in asked}) == len(asked) == 25 * cap


def rows(run: Run, table: str) -> int:
    counted = select(func.count()).select_from(tables.metadata.tables[table])
    return int(run.read(lambda connection: connection.execute(counted).scalar_one()))


def test_an_answer_and_the_next_query_are_four_statements_on_a_server(office: Office) -> None:
    """Besides the beginning and the commit; each is a journey over the network, during which judges wait."""
    office.post(*range(CHECK_EVERY + 3))
    task: Task | None = office.claim("ann")
    for _ in range(CHECK_EVERY):  # past what is asked of beginners
        assert task is not None
        task = office.say("ann", task)
    assert task is not None
    statements: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    given = Submission(task.slot, "the-counted-one", FIRST)
    ann = office.judge("ann")
    event.listen(office.run.engine, "before_cursor_execute", count)
    office.desk.submit(ann, given)
    event.remove(office.run.engine, "before_cursor_execute", count)
    assert len(statements) <= (4 if office.run.engine.dialect.name == "postgresql" else 9), statements


def test_the_next_free_place_is_found_without_sorting_all_there_are(office: Office) -> None:
    """However young the run: a server that had counted nothing joined all free places with all of the judge's."""
    office.post(*range(300))
    dialect = office.run.engine.dialect
    free = giving._FREE.element.compile(dialect=dialect)
    values = {**free.params, "this_run": office.run.id, "me": 1, "now": 0.0}
    given = tuple(values[name] for name in free.positiontup) if free.positiontup else values
    told = "EXPLAIN" if dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    rows = office.run.read(lambda connection: connection.exec_driver_sql(f"{told} {free}", given).all())
    plan = "\n".join(str(row[-1]) for row in rows)
    assert "slot_free" in plan or "slot_number" in plan, plan
    assert not any(word in plan for word in ("Sort", "Join", "TEMP B-TREE")), plan


def test_what_is_repeated_was_answered_a_while_ago_whenever_it_was_posted(office: Office) -> None:
    office.post(*range(11))
    for name in ("bob", "cat", "dan"):
        assert office.claim(name).shown["i"] < 3
    answered: list[int] = []
    while len(answered) < CHECK_EVERY - 1:
        if len(answered) == 8:
            office.now += 101.0  # what the others held is given to ann: the oldest is what she answers last
        task = office.claim("ann")
        answered.append(task.shown["i"])
        office.say("ann", task)
    assert answered[-3:] == [0, 1, 2]
    task = office.claim("ann")
    assert (task.role, task.shown["i"]) == (Role.REPEAT, answered[-1 - APART])


def test_what_is_to_be_repeated_is_sought_among_few_whatever_the_server_believes(office: Office) -> None:
    """It last counted when the queries were posted, and still takes it that nobody has answered anything."""
    office.post(*range(250))
    task: Task | None = office.claim("ann")
    statement, given = "", {}

    def see(_connection: object, _cursor: object, sent: str, values: dict[str, object], *_: object) -> None:
        nonlocal statement, given
        if "recent" in sent:
            statement, given = sent, values

    event.listen(office.run.engine, "before_cursor_execute", see)
    while task is not None:
        task = office.say("ann", task)
    event.remove(office.run.engine, "before_cursor_execute", see)
    steps = carried_out(office, statement, given)
    seen = sum(
        int(n) * int(loops) for step in steps for n, loops in re.findall(r"actual.* rows=(\d+) loops=(\d+)", step)
    )
    assert seen < 250 * 10, "\n".join(steps)  # joined with one another they were 250²
    assert not any(step.startswith("SCAN") and "recent" not in step for step in steps), steps


def carried_out(office: Office, sent: str, given: Any) -> list[str]:
    """The steps of a statement, as the database tells them."""
    told = "EXPLAIN (ANALYZE)" if office.run.engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    rows = office.run.read(lambda connection: connection.exec_driver_sql(f"{told} {sent}", given).all())
    return [str(row[-1]) for row in rows]


@pytest.mark.parametrize(("statement", "index"), [(giving._UNSEEN, "posted_role"), (desk._LATEST, "said_latest")])
def test_a_check_and_the_last_answer_are_found_whatever_there_is_beside_them(
    office: Office, statement: Any, index: str
) -> None:
    """A judge who has seen every check of a long run, and one who takes back the last of many answers."""
    office.mailbox.post([known_answer(0, Role.GOLD)])
    office.post(*range(250))
    task: Task | None = office.claim("ann")
    while task is not None:
        task = office.say("ann", task, Answer(choice="e") if task.role is Role.GOLD else FIRST)
    dialect = office.run.engine.dialect
    compiled = statement.compile(dialect=dialect)
    values = {**compiled.params, "this_run": office.run.id, "me": office.judges["ann"].id, "this_role": Role.GOLD.value}
    given = tuple(values[name] for name in compiled.positiontup) if compiled.positiontup else values
    steps = carried_out(office, str(compiled), given)
    assert any(index in step for step in steps), steps
    assert not any(word in step for step in steps for word in ("SCAN", "TEMP B-TREE", "Sort")), steps


def test_an_old_page_does_not_get_a_judge_a_second_place_in_a_query(office: Office) -> None:
    office.post(0, cap=3)
    old = office.claim("ann")
    office.now += 101.0
    assert office.claim("bob").slot == old.slot
    new = office.claim("ann")
    assert new.slot != old.slot
    office.say("ann", old, Answer(grade=2))  # from the page that she left open
    assert [(each.judge, each.answer.grade) for each in office.overview.answers()] == [("ann", 2)]
    with pytest.raises(Refused, match="already"):
        office.say("ann", new, Answer(grade=1))
    with pytest.raises(Refused, match="already"):
        office.say("ann", old, Answer(grade=1), key="another-key")
    assert office.mailbox.waiting(office.keys(0)) == {query(0).key: 2}
