"""A run that people attend: they are asked through its mailbox, have a hand in its search, and a lead follows it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from imitative.guidance import Guide, Guided, Heard
from imitative.mail import Reply
from imitative.overseers.people import People, split, without
from imitative.records import Judgement
from imitative.store.mailbox import StoredMailbox
from imitative.store.runs import Run


class Attended(NamedTuple):
    """People at a run.

    Args:
        people: the overseer, who now has the run's mailbox.
        mailbox: what is posted and said.
        guide: what they do to a round besides judging.
        heard: what an excluded judge said is taken out, from a stage on.
    """

    people: People
    mailbox: StoredMailbox
    guide: Guide
    heard: Heard


def attended(
    people: People, run: Run, about: Mapping[str, Any], waiting: Callable[[int, int], None] | None
) -> Attended:
    """Give people the run's mailbox, and tell the page what the run is about.

    Args:
        people: who judges.
        run: the run.
        about: `space`, `question` and `images`, for the page.
        waiting: told how many replies are lacking, of how many.
    """
    mailbox = StoredMailbox(run)
    body = {**about, "instructions": people.instructions, "wage": people.wage, "cost": people.cost}
    if [event.body for event in run.events("people")[-1:]] != [body]:
        run.event("people", body)

    def guide(number: int) -> Guided:
        given = mailbox.guidance(number)
        written = tuple(each.text for each in given.proposals)
        return Guided(written, frozenset(given.excluded), lambda each: split(each, replies(each)))

    def heard(stage: str, judgements: Sequence[Judgement]) -> list[Judgement]:
        return without(judgements, replies(judgements), frozenset(mailbox.guidance(stage).excluded))

    def replies(judgements: Sequence[Judgement]) -> Mapping[str, Sequence[Reply]]:
        return mailbox.replies([judgement.query.key for judgement in judgements])

    asked = dataclasses.replace(people, mailbox=mailbox, waiting=waiting)
    return Attended(asked, mailbox, guide, heard)
