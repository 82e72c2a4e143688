"""A mixed overseer: whom it asks, what it remembers of the model, and the model's bias taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from imitative.induction import induce
from imitative.labelling import transfer
from imitative.loaded import LoadedProblem
from imitative.overseers.mixed import Mixed, Pair, compared, corrected_agreement, disagreements
from imitative.overseers.overseer import Ledger, OrderSwapped, Overseer
from imitative.problems.huskies import huskies
from imitative.records import LITERAL_READER, Answer, Judgement, Kind, Outcome, Query
from imitative.settings import Settings
from imitative.statement_results import result_of
from imitative.waiting import waited

COMPARED = [Query(Kind.COMPARE_HYPOTHESES, (f"rule {i}", f"rule {i + 1}")) for i in range(40)]
ASKED = [Query(Kind.ANSWER, ("a rule",), {"x": i}, ("yes", "no"), purpose="audit", repeat=i) for i in range(400)]


class Clerk:
    """Judges by a rule of its own, under a name, and counts what it is asked."""

    def __init__(self, name: str, wrong: float = 0.0, silent: float = 0.0) -> None:
        self.name, self.wrong, self.silent, self.asked = name, wrong, silent, 0

    async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        self.asked += len(queries)
        return [Judgement(query, self._answer(query), self.name) for query in queries]

    def _answer(self, query: Query) -> Answer:
        drawn = np.random.default_rng(query.repeat).random(2)
        if drawn[0] < self.silent:
            return Answer(Outcome.SKIPPED)
        if query.kind is Kind.ANSWER:
            return Answer(choice=query.answers[int(drawn[1] < self.wrong)])
        return Answer(grade=1 if query.hypotheses[0] < query.hypotheses[1] else -1)


class Careless:
    """Another overseer, which answers with the first answer where it is asked for one."""

    def __init__(self, overseer: Overseer) -> None:
        self.overseer = overseer

    async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        said = [replace(judgement, judge="model") for judgement in await self.overseer.judge(queries)]
        return [
            replace(j, answer=Answer(choice=j.query.answers[0])) if j.query.kind is Kind.ANSWER else j for j in said
        ]


def test_what_the_model_said_is_found_whichever_side_was_shown_first() -> None:
    model = Clerk("model")
    mixed = Mixed(model, Clerk("person"), 0.5)
    said = waited(OrderSwapped(mixed, seed=1).judge(COMPARED))
    assert model.asked == len(COMPARED)
    pairs = waited(mixed.pairs(said))
    assert model.asked == len(COMPARED)  # nothing was asked again
    assert len(pairs) == sum(map(mixed.asks_people, COMPARED)) > 0
    assert all(pair.agree and pair.people.query == pair.model.query for pair in pairs)


class Swayed(Clerk):
    """Always for what stands first."""

    def _answer(self, query: Query) -> Answer:
        return Answer(grade=1)


def test_a_model_asked_again_after_a_stop_is_shown_what_it_was_shown() -> None:
    def told(known: Sequence[Judgement]) -> tuple[Pair, ...]:
        mixed = OrderSwapped(Mixed(Swayed("model"), Clerk("person"), 0.5), seed=1)
        ledger = Ledger(mixed, {judgement.query.key: judgement for judgement in known})
        waited(ledger.judge(COMPARED))
        return waited(compared(ledger, [], {})).pairs

    said = waited(OrderSwapped(Mixed(Swayed("model"), Clerk("person"), 0.5), seed=1).judge(COMPARED))
    agreed = [pair.agree for pair in told([])]
    assert 0 < sum(agreed) < len(agreed)
    assert [pair.agree for pair in told(said)] == agreed


class Priced:
    """Another overseer, who is paid for each query, answered or not, and skips some."""

    def __init__(self, overseer: Overseer, price: float, skips: int = 0) -> None:
        self.overseer, self.price, self.skips, self.paid = overseer, price, skips, 0.0

    async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        said = await self.overseer.judge(queries)
        self.paid += self.price * len(said)
        silent = [replace(j, answer=Answer(Outcome.SKIPPED)) for j in said[: self.skips]]
        return [replace(j, cost=self.price, seconds=1.0) for j in [*silent, *said[self.skips :]]]


@pytest.mark.parametrize("skips", [0, 3])
def test_what_both_were_paid_is_what_it_cost(skips: int) -> None:
    model, people = Priced(Clerk("model"), 0.5), Priced(Clerk("person"), 1.0, skips)
    mixed = Mixed(model, people, 0.5)
    said = waited(mixed.judge(ASKED))
    assert people.paid > skips
    assert sum(judgement.cost for judgement in said) == pytest.approx(model.paid + people.paid)
    assert sum(judgement.seconds for judgement in said) == pytest.approx(model.paid / 0.5 + people.paid)
    assert {judgement.judge for judgement in said} == {"model", "person"}


def test_what_is_read_to_the_letter_for_an_archive_is_no_word_of_people() -> None:
    mixed = Mixed(Clerk("model"), Clerk(LITERAL_READER), 0.5)
    assert not waited(mixed.pairs(waited(mixed.judge(ASKED))))


def test_a_silent_models_questions_are_corrected_for_and_not_taken_for_its_word() -> None:
    """People agree with 0.7 of the labels; the model, silent on half, with all of the rest."""
    covered = []
    people, model = Clerk("person", wrong=0.3), Clerk("model", silent=0.5)
    labels = {query.key: "yes" for query in ASKED}
    truth = np.mean([person.answer.choice == "yes" for person in waited(people.judge(ASKED))])
    for seed in range(30):
        mixed = Mixed(model, people, 0.2, seed)
        audited = waited(mixed.judge(ASKED))
        pairs = waited(mixed.pairs(audited))
        alone = [judgement for judgement in audited if not mixed.asks_people(judgement.query)]
        found = corrected_agreement(pairs, alone, labels)
        assert found is not None
        assert found.n + found.many == len(ASKED)
        assert found.n == sum(map(mixed.asks_people, ASKED))
        covered.append(found.low <= truth <= found.high)
        [told] = disagreements(pairs)
        assert told.n == sum(pair.model.answered for pair in pairs) < found.n
    assert np.mean(covered) >= 0.9


def test_fewer_than_two_answers_of_people_correct_nothing() -> None:
    [query, *_] = ASKED
    pair = Pair(*(Judgement(query, Answer(choice="yes"), who) for who in ("person", "model")))
    assert corrected_agreement([pair], [], {query.key: "yes"}) is None


@pytest.fixture(scope="module")
def loaded() -> LoadedProblem:
    return huskies(0)


def test_a_run_over_statements_tells_what_people_would_say(loaded: LoadedProblem) -> None:
    people = loaded.build_overseer(0)
    mixed = Mixed(Careless(people), people, 0.2, audit_share=0.4)
    induced = induce(loaded.problem, mixed, budget=300, settings=Settings(rounds=1))
    transferred = transfer(induced)
    found = transferred.compared.corrected
    assert found is not None
    answers, shown = loaded.problem.answers, loaded.problem.space.show(induced.best)
    table = loaded.problem.unlabelled
    every = [Query(Kind.ANSWER, (shown,), table.row(i), answers, purpose="audit", repeat=i) for i in range(len(table))]
    would = [judgement.answer.choice for judgement in waited(people.judge(every))]
    truth = np.mean([answers[label] == said for label, said in zip(transferred.labels, would, strict=True)])
    assert found.low <= truth <= found.high
    told = result_of(loaded, induced, transferred, mixed, 0, "none")
    assert told["audit"]["corrected"]["value"] == found.value
    assert {entry["kind"] for entry in told["disagreement"]} >= {"answer"}
