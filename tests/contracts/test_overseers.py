"""One contract for everybody who judges, bare and in every wrapper."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from imitative.data import Feature, FeatureKind
from imitative.hypotheses.statements import StatementSpace
from imitative.overseers.mixed import Mixed
from imitative.overseers.overseer import Archive, Budgeted, BudgetSpent, Ledger, OrderSwapped, Overseer
from imitative.overseers.reader import Reader
from imitative.overseers.recorded import Recorded
from imitative.overseers.simulated import Simulated
from imitative.records import Answer, Judgement, Kind, Outcome, Query, Question
from imitative.testing import Counting, Scripted, follows

ODOUR = Feature("odour", FeatureKind.CATEGORICAL, "the odour", values=("foul", "fishy", "almond"))
HEIGHT = Feature("height", FeatureKind.NUMERIC, "the height")
SPOKEN = {"p": "it is poisonous", "e": "it is edible"}
SPACE = StatementSpace([ODOUR, HEIGHT], ("p", "e"), SPOKEN, cuts={"height": (3.0, 5.0)})
FOUL = "If the odour is foul, it is poisonous (strong evidence).\nBy default, it is edible (slight evidence)."
SWEET = "If the odour is almond, it is edible (moderate evidence).\nBy default, it is poisonous (a hint)."
TALL = "If the height is at least 3, it is poisonous (strong evidence).\nBy default, it is edible (slight evidence)."
BOTH = "If the height is below 5, it is edible (a hint).\n" + FOUL
SILENT = "By default, it is edible (slight evidence)."
BELIEF = SPACE.read_statement("If the odour is one of foul or fishy, it is poisonous (strong evidence).")

PAIRS = [(FOUL, SWEET), (TALL, FOUL), (BOTH, SILENT), (SILENT, SWEET), (FOUL, FOUL)]
QUESTIONS: list[Question] = [
    {"odour": "foul", "height": 4.0},
    {"odour": "almond", "height": None},
    {"odour": None, "height": 9.5},
]
QUERIES = [
    *(Query(Kind.COMPARE_HYPOTHESES, pair) for pair in PAIRS),
    *(Query(Kind.ODDS, pair, repeat=repeat) for pair in PAIRS for repeat in range(2)),
    *(Query(Kind.BET, (text,), heads=heads) for text in (FOUL, SILENT) for heads in (1, 9)),
    *(Query(Kind.COMPARE_ANSWERS, (text,), x, ("p", "e")) for text in (FOUL, BOTH) for x in QUESTIONS),
    *(Query(Kind.ANSWER, (text,), x, ("p", "e"), purpose="audit") for text in (FOUL, BOTH) for x in QUESTIONS),
]
TWO_SIDED = [query for query in QUERIES if query.kind in (Kind.COMPARE_HYPOTHESES, Kind.ODDS, Kind.COMPARE_ANSWERS)]


def simulated(**changes: object) -> Simulated:
    return replace(Simulated(SPACE, [BELIEF], {"odour": 0.5}, cost=0.25), **changes)  # type: ignore[arg-type]


def served() -> Overseer:
    """A language model behind a real server, started once: `Parrot` says letters drawn from the conversation."""
    from tests.serving import parroting

    return parroting("Is this mushroom poisonous?", SPOKEN, (ODOUR, HEIGHT))


OVERSEERS: dict[str, Callable[[], Overseer]] = {
    "noiseless": lambda: simulated(noise=0.0),
    "exact": lambda: simulated(exact=True, noise=0.0, ties=0.0),
    "noisy": lambda: simulated(noise=1.0, careless=0.2),
    "careless": lambda: simulated(careless=1.0),
    "hasty": lambda: simulated(noise=0.0, reads=1),
    "recorded": lambda: Recorded(SPACE, [(FOUL, SWEET, 2, "ann"), (FOUL, SWEET, 1, "bob")], [("odour", 8, 0, "ann")]),
    "silent archive": lambda: Recorded(SPACE, reader="nobody"),
    "scripted": lambda: Scripted(follows(lambda text: -len(text) / 50.0, SPACE), cost=0.5),
    "refusing": lambda: Scripted(lambda query: None),
    "language model": served,
    "mixed": lambda: Mixed(served(), simulated(noise=0.0), 0.3),
    "reader": lambda: Reader(simulated(noise=0.0), SPACE, ("p", "e")),
}  # fmt: skip
SYMMETRIC = ["noiseless", "exact", "recorded", "silent archive", "scripted", "refusing", "language model", "mixed"]
"""Those without noise: what they say of two sides depends on neither's place."""
WRAPPERS: dict[str, Callable[[Overseer], Overseer]] = {
    "bare": lambda overseer: overseer,
    "ledger": Ledger,
    "budgeted": lambda overseer: Budgeted(overseer, 10_000),
    "order-swapped": lambda overseer: OrderSwapped(overseer, seed=3),
    "counting": Counting,
    "all": lambda overseer: Ledger(Budgeted(OrderSwapped(Counting(overseer), seed=4), 10_000)),
}
every_overseer = pytest.mark.parametrize("name", OVERSEERS)
every_wrapper = pytest.mark.parametrize("worn", WRAPPERS)


def ask(overseer: Overseer, queries: Sequence[Query]) -> list[Judgement]:
    return asyncio.run(overseer.judge(queries))


@every_overseer
@every_wrapper
def test_each_query_gets_one_judgement_of_its_kind_in_order(name: str, worn: str) -> None:
    overseer = WRAPPERS[worn](OVERSEERS[name]())
    assert isinstance(overseer, Overseer)
    judgements = ask(overseer, QUERIES)
    assert [judgement.query for judgement in judgements] == QUERIES
    for judgement in judgements:
        answer, kind = judgement.answer, judgement.query.kind
        if not judgement.answered:
            continue
        assert (answer.grade is not None) == (kind in (Kind.COMPARE_HYPOTHESES, Kind.COMPARE_ANSWERS))
        assert (answer.ratio is not None) == (kind is Kind.ODDS)
        assert (answer.less_likely is not None) == (kind is Kind.BET)
        assert (answer.choice is not None) == (kind is Kind.ANSWER)
        assert answer.choice is None or answer.choice in judgement.query.answers
    assert ask(overseer, []) == []


@every_overseer
@every_wrapper
def test_judging_depends_on_the_query_alone(name: str, worn: str) -> None:
    together = ask(WRAPPERS[worn](OVERSEERS[name]()), QUERIES)
    overseer = WRAPPERS[worn](OVERSEERS[name]())
    one_by_one = [ask(overseer, [query])[0] for query in reversed(QUERIES)]
    assert one_by_one[::-1] == together
    assert ask(overseer, QUERIES) == together


@pytest.mark.parametrize("name", SYMMETRIC)
@every_wrapper
def test_swapping_the_sides_turns_the_answer_round(name: str, worn: str) -> None:
    overseer = WRAPPERS[worn](OVERSEERS[name]())
    straight = ask(overseer, TWO_SIDED)
    turned = ask(overseer, [query.swapped() for query in TWO_SIDED])
    for first, second in zip(straight, turned, strict=True):
        back = second.answer.swapped()
        if first.answer.ratio is not None and back.ratio is not None:
            assert math.log(first.answer.ratio) == pytest.approx(math.log(back.ratio))
        else:
            assert first.answer == back


@every_wrapper
def test_a_wrapper_changes_nothing_a_symmetric_overseer_says(worn: str) -> None:
    bare, wrapped = ask(OVERSEERS["noiseless"](), QUERIES), ask(WRAPPERS[worn](OVERSEERS["noiseless"]()), QUERIES)
    for first, second in zip(bare, wrapped, strict=True):
        assert (first.judge, first.cost) == (second.judge, second.cost)
        assert first.answer.grade == second.answer.grade
        assert first.answer.choice == second.answer.choice
        assert first.answer.ratio == pytest.approx(second.answer.ratio)


# -- the ledger --------------------------------------------------------------------------------------------------------


def test_the_ledger_asks_nothing_twice_and_loses_nothing() -> None:
    counting = Counting(simulated())
    rows: list[Judgement] = []
    ledger = Ledger(counting, record=rows.append)
    for batch in (QUERIES[:5], QUERIES[3:9], [QUERIES[0]] * 3, QUERIES):
        assert [judgement.query for judgement in ask(ledger, batch)] == list(batch)
    assert max(counting.asked.values()) == 1
    assert counting.total == len(QUERIES) == ledger.asked_in_all == len(rows)
    assert list(ledger.judgements) == rows
    assert ledger.cost == pytest.approx(counting.cost)
    assert {kind: n for kind, n in ledger.asked().items() if n} == dict(counting.kinds)


def test_an_overseer_may_be_a_function_and_need_not_be_asynchronous() -> None:
    said = {judgement.query.key: judgement for judgement in ask(simulated(), QUERIES)}

    def plainly(queries: Sequence[Query]) -> list[Judgement]:
        return [said[query.key] for query in queries]

    class Prompt:
        def judge(self, queries: Sequence[Query]) -> list[Judgement]:
            return plainly(queries)

    for other in (simulated().judge, plainly, Prompt()):
        assert ask(Ledger(cast("Overseer", other)), QUERIES) == list(said.values())


NO_JUDGEMENTS: dict[str, tuple[Any, str]] = {
    "too few": (lambda queries, said: said[:-1], "judgements of"),
    "too many": (lambda queries, said: [*said, said[0]], "judgements of"),
    "none": (lambda queries, said: [None, *said[1:]], "a Judgement is needed"),
    "nothing": (lambda queries, said: None, "the overseer gave None"),
    "turned round": (lambda queries, said: said[::-1], "of another query"),
    "another kind": (
        lambda queries, said: [replace(each, answer=Answer(choice="banana")) for each in said], "is no answer to"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", NO_JUDGEMENTS)
def test_what_is_no_judgement_of_what_was_asked_is_refused_and_not_kept(what: str) -> None:
    make, complaint = NO_JUDGEMENTS[what]
    said = ask(simulated(), QUERIES)
    rows: list[Judgement] = []
    ledger = Ledger(cast("Overseer", lambda queries: make(queries, said)), record=rows.append)
    with pytest.raises((ValueError, TypeError), match=complaint):
        ask(ledger, QUERIES)
    assert rows == []
    assert ledger.asked_in_all == 0
    with pytest.raises(TypeError, match="an overseer has a method"):
        ask(Ledger(cast("Any", 3)), QUERIES)


def test_a_ledger_goes_on_from_the_rows_of_another() -> None:
    rows: list[Judgement] = []
    ask(Ledger(simulated(), record=rows.append), QUERIES[:7])
    counting = Counting(simulated())
    fresh: list[Judgement] = []
    ledger = Ledger(counting, {judgement.query.key: judgement for judgement in rows}, fresh.append)
    assert ask(ledger, QUERIES) == ask(simulated(), QUERIES)
    assert counting.total == len(fresh) == len(QUERIES) - 7
    assert ledger.asked_in_all == len(QUERIES)


def test_a_judgement_is_recorded_before_it_is_used() -> None:
    def full(judgement: Judgement) -> None:
        raise OSError("no space left on device")

    ledger = Ledger(simulated(), record=full)
    with pytest.raises(OSError, match="no space"):
        ask(ledger, QUERIES[:1])
    assert ledger.asked_in_all == 0


# -- the budget --------------------------------------------------------------------------------------------------------


def test_a_budget_is_never_exceeded_and_a_batch_is_never_half_asked() -> None:
    counting = Counting(simulated())
    budgeted = Budgeted(counting, 5)
    ask(budgeted, QUERIES[:3])
    assert budgeted.remaining == 2
    with pytest.raises(BudgetSpent, match="3 judgements asked, 2 of 5 left"):
        ask(budgeted, QUERIES[3:6])
    assert counting.total == 3
    ask(budgeted, QUERIES[3:5])
    assert (counting.total, budgeted.remaining) == (5, 0)
    assert ask(budgeted, []) == []


# -- the order ---------------------------------------------------------------------------------------------------------


def test_a_bias_for_what_stands_first_is_turned_into_noise() -> None:
    biased = Scripted(lambda query: Answer(grade=1))
    grades = [ask(OrderSwapped(biased, seed), [QUERIES[0]])[0].answer.grade for seed in range(60)]
    assert {-1, 1} == set(grades)
    assert abs(sum(grade or 0 for grade in grades)) < 25  # 3 standard deviations of 60 coins


def test_what_has_no_sides_is_not_turned() -> None:
    counting = Counting(simulated())
    one_sided = [query for query in QUERIES if query not in TWO_SIDED]
    ask(OrderSwapped(counting, 1), one_sided)
    assert set(counting.asked) == {query.key for query in one_sided}


# -- archives ----------------------------------------------------------------------------------------------------------


def test_an_archive_answers_what_it_holds_and_skips_the_rest() -> None:
    archive = OVERSEERS["recorded"]()
    assert isinstance(archive, Archive)
    held = ask(archive, archive.queries)
    assert len(held) == 4  # two comparisons, and a rating for each of two answers
    assert all(judgement.answered for judgement in held)
    [said] = ask(archive, [Query(Kind.ODDS, (TALL, SWEET))])
    assert said.answer.outcome is Outcome.SKIPPED


@pytest.mark.parametrize("name", ["noisy", "scripted"])
@every_wrapper
def test_nobody_else_is_an_archive(name: str, worn: str) -> None:
    assert not isinstance(WRAPPERS[worn](OVERSEERS[name]()), Archive)


# -- the simulated person ----------------------------------------------------------------------------------------------


def test_what_is_believed_is_liked() -> None:
    person = simulated()
    assert person.log_prior(SPACE.read(FOUL)) > person.log_prior(SPACE.read(SILENT))
    denied = FOUL.replace("it is poisonous (strong", "it is edible (strong")
    assert person.log_prior(SPACE.read(denied)) < person.log_prior(SPACE.read(SILENT))


def test_a_hypothesis_is_as_plausible_as_its_statements_together() -> None:
    person = simulated()
    both, silent = SPACE.read(BOTH), SPACE.read(SILENT)
    tastes = sum(person.taste(statement) for statement in both.statements)
    assert person.log_prior(both) - person.log_prior(silent) == pytest.approx(tastes)


@pytest.mark.parametrize("group", ["is foul", "is one of foul or fishy"])
def test_nobody_believes_a_thing_twice(group: str) -> None:
    believes = [
        SPACE.read_statement(f"If the odour is {v}, it is poisonous (strong evidence).") for v in ("foul", "fishy")
    ]
    person = simulated(believes=believes, tolerance=1.0)
    twice = [
        SPACE.read_statement(f"If the odour {group} and the height is {tall}, it is poisonous (strong evidence).")
        for tall in ("at least 3", "below 5")
    ]
    other = replace(twice[1], answer="e")
    strong, values = twice[0].strength.nats, len(twice[0].conditions[-1].values) or len(twice[0].conditions[0].values)
    alone = sum(map(person.taste, twice)) + person.log_prior(SPACE.read(SILENT))
    said = person.log_prior(replace(SPACE.read(SILENT), statements=tuple(twice)))
    assert said - alone == pytest.approx(-values * strong * strong)  # (w + w′)² in place of w² + w′², for every value
    apart = person.log_prior(replace(SPACE.read(SILENT), statements=(twice[0], other)))
    tastes = person.taste(twice[0]) + person.taste(other) + person.log_prior(SPACE.read(SILENT))
    assert apart == pytest.approx(tastes)


def test_someone_exact_says_what_they_think_however_far_apart() -> None:
    person = simulated(exact=True, tolerance=0.01)
    [judgement] = ask(person, [Query(Kind.ODDS, (FOUL, FOUL.replace("it is poisonous (str", "it is edible (str")))])
    assert judgement.answer.ratio is not None
    assert math.isfinite(judgement.answer.ratio)


def test_someone_hasty_takes_in_only_so_much() -> None:
    query = Query(Kind.ANSWER, (BOTH,), {"odour": "foul", "height": 1.0}, ("p", "e"))
    [careful] = ask(simulated(noise=0.0), [query])
    [hasty] = ask(simulated(noise=0.0, reads=0), [query])
    assert (careful.answer.choice, hasty.answer.choice) == ("p", "e")


@pytest.mark.parametrize("changes", [{"exact": True}, {"noise": 0.0}])
def test_someone_decided_answers_by_default_what_z_is_even_about(changes: dict[str, object]) -> None:
    z = "If the odour is foul, it is edible (slight evidence).\nBy default, it is poisonous (slight evidence)."
    for answers in (("p", "e"), ("e", "p")):
        [judgement] = ask(simulated(**changes), [Query(Kind.ANSWER, (z,), {"odour": "foul", "height": 1.0}, answers)])
        assert judgement.answer.choice == "p"


@pytest.mark.parametrize("reads", range(5))
def test_what_stands_on_both_sides_is_no_reason_however_much_is_taken_in(reads: int) -> None:
    silent = SPACE.read(SILENT)
    said = [SPACE.read(text).statements[0] for text in (FOUL, SWEET, TALL)]
    long = replace(silent, statements=tuple(said))
    person = simulated(noise=0.0, ties=0.0, reads=reads)
    for statement in said:
        alone, less = replace(silent, statements=(statement,)), long.without(statement)
        sides = [(long, less), (less, long), (alone, silent)]
        told = ask(person, [Query(Kind.ODDS, (SPACE.show(one), SPACE.show(other))) for one, other in sides])
        among, turned, by_itself = (judgement.answer.ratio or 0.0 for judgement in told)
        assert among == by_itself == pytest.approx(1.0 / turned)
        assert (by_itself == 1.0) == (reads == 0)


def test_carelessness_is_as_frequent_as_it_is_said_to_be() -> None:
    queries = [Query(Kind.ANSWER, (FOUL,), QUESTIONS[0], ("p", "e"), repeat=repeat) for repeat in range(400)]
    said = ask(simulated(noise=0.0, careless=0.3), queries)
    wrong = sum(judgement.answer.choice == "e" for judgement in said) / len(said)
    assert wrong == pytest.approx(0.15, abs=0.06)  # half of the careless answers are right by chance; 3 sd
