"""Steps 1–4 as one run: nothing asked twice, nothing lost, nothing over the budget, on any problem however small."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitative.config import load_problem
from imitative.data import Feature, FeatureKind, Labelled, Table
from imitative.guidance import Guided
from imitative.hypotheses.statements import Hypothesis, Limits, StatementSpace, Strength
from imitative.induction import Induced, Progress, Round, ainduce, induce
from imitative.labelling import Transferred, transfer
from imitative.loaded import LoadedProblem
from imitative.overseers.overseer import Overseer, Record
from imitative.overseers.recorded import Recorded
from imitative.overseers.simulated import Simulated
from imitative.prior import StatementPrior
from imitative.problem import Problem
from imitative.records import Answer, Judgement, Kind, Outcome, Query, Value
from imitative.settings import Settings
from imitative.statement_results import result_of
from imitative.survival import Survival
from imitative.testing import Counting, Interrupted, Interrupting, Scripted, by_spelling, follows, problems
from imitative.traits import Traits

QUICK = Settings(rounds=3, steps=16)
SPOKEN = {"p": "the plant is poisonous", "e": "the plant is edible"}
SMELL = Feature("smell", FeatureKind.CATEGORICAL, "the smell", values=("foul", "fishy", "musty", "almond"))
PLACE = Feature("place", FeatureKind.BOOLEAN, "the place", values=("sun", "shade"))
HEIGHT = Feature("height", FeatureKind.NUMERIC, "the height", unit="cm")
NOTE = Feature("note", FeatureKind.TEXT, "the note")


class Ran(NamedTuple):
    """A run from end to end, and what was asked as somebody else counted it."""

    induced: Induced
    transferred: Transferred
    counted: Counting


def plants(rows: int, seed: int, confounded: bool) -> list[dict[str, Value]]:
    rng = np.random.default_rng(seed)
    found: list[dict[str, Value]] = []
    for _ in range(rows):
        smell = SMELL.values[rng.integers(4)]
        bad = smell != "almond"
        sun = bad if confounded else bool(rng.random() < 0.5)
        height = None if rng.random() < 0.1 else float(np.round(rng.normal(5.0, 2.0), 1))
        found.append({"smell": smell, "place": PLACE.values[0 if sun else 1], "height": height, "note": "a fine plant"})
    return found


def problem_of(rows: int = 30, seed: int = 0, limits: Limits | None = None) -> Problem:
    """Plants that smell are poisonous; in D they also stand in the sun."""
    features = (SMELL, PLACE, HEIGHT, NOTE)
    d, d2 = plants(rows, seed, confounded=True), plants(2 * rows, seed + 1, confounded=False)
    answers = np.array([0 if row["smell"] != "almond" else 1 for row in d])
    space = StatementSpace(
        features, tuple(SPOKEN), SPOKEN, limits or Limits(3, 2, 3), {"note": ("fine",)}, {"height": (3.0, 5.0)}
    )
    table = Table.of(features, d)
    return Problem(
        "plants", "Is it poisonous?", Labelled(table, answers, space.answers), Table.of(features, d2), SPOKEN, space
    )


def person(space: StatementSpace, seed: int = 0) -> Simulated:
    believes = [space.read_statement("If the smell is almond, the plant is edible (strong evidence).")]
    return Simulated(space, believes, {"smell": 0.5}, careless=0.05, seed=seed, cost=0.1)


def go(
    problem: Problem,
    budget: int = 40,
    *,
    seed: int = 0,
    overseer: Overseer | None = None,
    known: Mapping[str, Judgement] | None = None,
    record: Record | None = None,
    settings: Settings = QUICK,
) -> Ran:
    counted = Counting(overseer or person(problem.space))
    induced = induce(
        problem, counted, seed=seed, budget=budget, known=known, record=record, encode=by_spelling, settings=settings
    )
    return Ran(induced, transfer(induced, seed=seed), counted)


def same(first: Ran, second: Ran) -> None:
    """Two runs end with the same everything."""
    show = first.induced.problem.space.show
    assert show(second.induced.best) == show(first.induced.best)
    assert second.induced.found == first.induced.found
    assert second.induced.rounds == first.induced.rounds
    assert second.induced.ledger.judgements == first.induced.ledger.judgements
    np.testing.assert_array_equal(second.transferred.probabilities, first.transferred.probabilities)
    assert second.transferred.audit == first.transferred.audit


def test_a_run_can_be_made_where_a_loop_is_running_as_in_a_notebook() -> None:
    problem = problem_of(rows=12)

    async def cell() -> Ran:
        return go(problem, budget=12)

    same(asyncio.run(cell()), go(problem, budget=12))


# -- once, and only once ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole() -> Ran:
    return go(problem_of())


def test_a_run_ends_with_a_hypothesis_labels_and_an_audit(whole: Ran) -> None:
    problem = whole.induced.problem
    assert whole.induced.best in problem.space
    assert whole.induced.best == whole.induced.found[0].hypothesis
    assert len(whole.induced.found) >= 6
    assert whole.induced.probabilities.sum() == pytest.approx(1.0)
    for scored in whole.induced.found[:5]:
        assert scored.score == pytest.approx(whole.induced.posterior.score(scored.hypothesis))
    assert whole.transferred.probabilities.shape == (len(problem.unlabelled), 2)
    assert whole.transferred.audit is not None


def test_the_ledger_adds_up_to_what_was_asked(whole: Ran) -> None:
    ledger, counted = whole.induced.ledger, whole.counted
    assert ledger.asked_in_all == counted.total <= 40
    assert max(counted.asked.values()) == 1
    assert {kind: n for kind, n in ledger.asked().items() if n} == dict(counted.kinds)
    assert ledger.cost == pytest.approx(counted.cost)
    assert len({judgement.query.key for judgement in ledger.judgements}) == ledger.asked_in_all
    rounds = sum(ended.asked for ended in whole.induced.rounds)
    audit = whole.transferred.audit
    assert rounds + whole.transferred.answered + (audit.n if audit else 0) == ledger.asked_in_all


@pytest.mark.parametrize("seed", range(4))
def test_no_judgement_is_learned_from_twice_however_little_there_is_to_ask(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten rows, few statements and somebody hard to learn from: doubts and the design want the same odds."""
    heard: list[Sequence[Judgement]] = []
    fit = StatementPrior.fit

    def listening(traits: Traits, judgements: Sequence[Judgement], seed: int = 0) -> StatementPrior:
        heard.append(judgements)
        return fit(traits, judgements, seed)

    monkeypatch.setattr(StatementPrior, "fit", listening)
    problem = problem_of(rows=10, seed=seed, limits=Limits(3, 1, 3))
    unsteady = replace(person(problem.space, seed), noise=2.0, careless=0.1)
    ran = go(problem, 130, seed=seed, overseer=unsteady, settings=Settings(rounds=12, steps=12))
    assert len(heard) > 2
    for judgements in heard:
        assert len({judgement.query.key for judgement in judgements}) == len(judgements)
    audit = ran.transferred.audit
    assert audit is not None
    rounds = sum(ended.asked for ended in ran.induced.rounds)
    assert rounds + ran.transferred.answered + audit.n == ran.counted.total


@pytest.mark.parametrize("seed", range(4))
def test_an_audit_asks_of_no_row_that_anything_was_learned_from(seed: int) -> None:
    problem = problem_of(seed=seed)
    overseer = person(problem.space, seed)
    ran = go(problem, 120, seed=seed, overseer=overseer, settings=Settings(rounds=5, steps=16))
    judged = ran.induced.ledger.judgements
    rows = {
        purpose: {j.query.repeat for j in judged if j.query.purpose == purpose and j.query.question is not None}
        for purpose in ("likelihood", "transfer", "audit")
    }
    assert rows["transfer"]
    assert rows["audit"]
    assert rows["likelihood"]
    assert not rows["audit"] & (rows["likelihood"] | rows["transfer"])


def test_the_same_seed_gives_the_same_run(whole: Ran) -> None:
    same(whole, go(problem_of()))


def test_another_seed_asks_other_questions(whole: Ran) -> None:
    assert set(go(problem_of(), seed=1).counted.asked) != set(whole.counted.asked)


@pytest.mark.parametrize("after", [0, 1, 19, -1])
def test_a_run_that_was_killed_goes_on_and_ends_where_it_would_have_ended(whole: Ran, after: int) -> None:
    after %= whole.counted.total  # -1: when one judgement was left to ask
    killed = Interrupting(after)
    with pytest.raises(Interrupted):
        go(problem_of(), record=killed)
    assert len(killed.known) == after
    going_on = Interrupting(10_000, killed.known)  # fails where a judgement that is known is recorded again
    resumed = go(problem_of(), known=killed.known, record=going_on)
    assert resumed.counted.total == whole.counted.total - after
    assert set(resumed.counted.asked) <= set(whole.counted.asked)
    assert going_on.known.keys() == {judgement.query.key for judgement in whole.induced.ledger.judgements}
    same(whole, resumed)


def test_a_run_may_be_killed_again_and_again(whole: Ran) -> None:
    known: dict[str, Judgement] = {}
    for _ in range(4):
        killed = Interrupting(20, known)
        try:
            last = go(problem_of(), known=known, record=killed)
        except Interrupted:
            known = killed.known
        else:
            same(whole, last)
            return
    pytest.fail("never ended")


def test_what_somebody_else_was_asked_does_no_harm(whole: Ran) -> None:
    query = Query(Kind.BET, ("of another problem",), heads=3)
    judgement = Judgement(query, next(j for j in whole.induced.ledger.judgements).answer, "somebody")
    same(whole, go(problem_of(), known={query.key: judgement}))


# -- the budget --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget", "active", "ask_again"),
    [
        *((budget, True, True) for budget in (1, 2, 5, 20, 61)),
        *((budget, False, True) for budget in (1, 20)),
        *((budget, True, False) for budget in (2, 20)),
        (5, False, False),
    ],
)
def test_the_budget_is_never_exceeded(budget: int, active: bool, ask_again: bool) -> None:
    settings = Settings(rounds=3, steps=12, active=active, ask_again=ask_again)
    ran = go(problem_of(rows=12), budget, settings=settings)
    assert 0 < ran.counted.total <= budget
    assert ran.induced.ledger.asked_in_all == ran.counted.total


@pytest.mark.parametrize("share", [0.0, 1.0])
@pytest.mark.parametrize("reading", [0.0, 1.0])
def test_shares_of_the_budget_may_be_all_or_nothing(share: float, reading: float) -> None:
    settings = Settings(rounds=3, steps=12, transfer_share=share, reading_share=reading)
    ran = go(problem_of(rows=12), 24, settings=settings)
    assert ran.counted.total <= 24


def test_a_budget_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, found 0"):
        induce(problem_of(rows=4), Scripted(lambda query: None), budget=0)


def test_where_there_is_nothing_to_label_nothing_is_asked() -> None:
    problem = problem_of(rows=4)
    nothing = replace(problem, unlabelled=problem.unlabelled.take([]))
    with pytest.raises(ValueError, match="unlabelled has no rows"):
        induce(nothing, Scripted(lambda query: None))


def test_a_z_that_says_nothing_ends_a_run_when_nothing_is_in_doubt() -> None:
    """Whoever finds every claim a thousand times less plausible than none need not be asked for all of the budget."""
    problem = problem_of(rows=12)

    def doubts(text: str) -> float:
        return -9.0 * text.count("If")

    ran = go(
        problem, 400, overseer=Scripted(follows(doubts, problem.space)), settings=Settings(steps=16, evidence=0.01)
    )
    assert not ran.induced.best.statements
    assert ran.counted.total < 300
    audit = ran.transferred.audit
    assert audit is not None
    rounds = sum(ended.asked for ended in ran.induced.rounds)  # a bet on z* and the same on silence would count twice
    assert rounds + ran.transferred.answered + audit.n == ran.counted.total


# -- who is asked ------------------------------------------------------------------------------------------------------


def test_someone_who_skips_everything_is_survived() -> None:
    ran = go(problem_of(rows=12), 20, overseer=Scripted(lambda query: None))
    assert ran.counted.total <= 20
    assert ran.transferred.audit is None
    assert all(judgement.answer.outcome is Outcome.SKIPPED for judgement in ran.induced.ledger.judgements)


def test_someone_who_only_compares_is_soon_asked_for_nothing_else() -> None:
    problem = problem_of()
    judge = person(problem.space)

    class Compares:
        async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
            said = await judge.judge(queries)
            return [
                j if j.query.kind is Kind.COMPARE_HYPOTHESES else replace(j, answer=Answer(Outcome.SKIPPED))
                for j in said
            ]

    ran = go(problem, 200, overseer=Compares(), settings=Settings(rounds=6, steps=16))
    prior = [j for j in ran.induced.ledger.judgements if j.query.purpose == "prior"]
    assert sum(j.answered for j in prior) > 0.7 * len(prior)
    assert all(ended.audit is None for ended in ran.induced.rounds)
    assert not any(j.query.kind is Kind.ODDS and j.query.purpose == "audit" for j in ran.induced.ledger.judgements)


def test_an_archive_is_asked_once_for_all_it_holds() -> None:
    problem = problem_of()
    foul = "if the smell is foul then the plant is poisonous"
    sun = "if the place is sun then the plant is poisonous"
    archive = Recorded(problem.space, [(foul, sun, 2, f"judge {i}") for i in range(12)], [("smell", 9.0, 0.0, "ann")])
    induced = induce(problem, archive, budget=60, encode=by_spelling, settings=QUICK)
    prior_queries = [j.query for j in induced.ledger.judgements if j.query.purpose == "prior"]
    assert {query.key for query in prior_queries} == {query.key for query in archive.queries}
    labels = transfer(induced).labels
    assert len(labels) == len(problem.unlabelled)


def test_an_overseer_decides_what_d_leaves_open() -> None:
    """In D, smell and place explain the answers alike: z* speaks of what the overseer finds plausible."""
    problem = problem_of(limits=Limits(2, 1, 2))
    for liked, disliked in (("smell", "place"), ("place", "smell")):

        def prefers(text: str, liked: str = liked, disliked: str = disliked) -> float:
            return 4.0 * text.count(f"the {liked}") - 6.0 * text.count(f"the {disliked}") - 2.0 * text.count("If")

        overseer = Scripted(follows(prefers, problem.space))
        best = go(problem, 120, overseer=overseer, settings=Settings(rounds=3, steps=40)).induced.best
        assert {c.feature for s in best.statements for c in s.conditions} == {liked}


def test_an_audit_says_whether_the_overseer_agrees_about_z(whole: Ran) -> None:
    show = whole.induced.problem.space.show
    audited = [(number, ended) for number, ended in enumerate(whole.induced.rounds) if ended.audit is not None]
    assert audited
    for number, ended in audited:
        assert ended.audit is not None
        odds = {
            j.query.hypotheses: j.answer.ratio
            for j in whole.induced.ledger.judgements
            if (j.query.purpose, j.query.kind, j.query.repeat) == ("audit", Kind.ODDS, number)
        }
        said = [odds[show(ended.best), show(ended.best.without(s))] for s in ended.best.statements]
        assert ended.audit.judgements == len(said) == len(odds)
        assert ended.audit.overseer == pytest.approx(sum(np.log(ratio) for ratio in said if ratio is not None))


class Turning:
    """Somebody who, after so many judgements, says of any part of a hypothesis that names the place: it is absurd."""

    def __init__(self, overseer: Overseer, after: int) -> None:
        self.overseer, self.left = overseer, after

    async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        self.left -= len(queries)
        said = await self.overseer.judge(queries)
        return [self._turned(judgement) if self.left < 0 else judgement for judgement in said]

    def _turned(self, judgement: Judgement) -> Judgement:
        if judgement.query.kind is not Kind.ODDS:
            return judgement
        first, second = (text.count("the place") for text in judgement.query.hypotheses)
        return replace(judgement, answer=Answer(ratio=0.001)) if first > second else judgement


def test_a_z_that_its_last_audit_refutes_is_sought_once_more_with_what_the_audit_said() -> None:
    problem = problem_of(limits=Limits(2, 1, 2))
    believes = [problem.space.read_statement("If the place is sun, the plant is poisonous (strong evidence).")]
    again = 0
    for seed in range(6):
        turning = Turning(Simulated(problem.space, believes, {"place": 0.5}, seed=seed), after=56)
        ran = go(problem, 80, overseer=turning, settings=Settings(rounds=3, steps=40), seed=seed)
        *before, last = ran.induced.rounds
        assert isinstance(ran.induced.prior, StatementPrior)
        heard = {judgement.query.key for judgement in ran.induced.prior.heard}
        for j in ran.induced.ledger.judgements:
            if j.query.kind is Kind.ODDS and j.query.purpose == "audit":
                assert (j.query.key in heard) == (j.query.repeat < len(before))  # the last round's audit teaches nobody
        refuted = before[-1].audit is not None and not before[-1].audit.survived
        if last.audit is None or not last.audit.survived:
            assert refuted
            assert last.asked == (0 if last.audit is None else last.audit.judgements)  # nothing was left to ask
            again += 1
    assert again
    once = Turning(Simulated(problem.space, believes, {"place": 0.5}), after=56)
    frozen = go(problem, 80, overseer=once, settings=Settings(rounds=3, steps=40, ask_again=False))
    assert len(frozen.induced.rounds) == 1  # M is frozen after its first round, whatever an audit says


def test_a_z_that_nothing_was_left_to_audit_is_told(whole: Ran) -> None:
    induced, problem = whole.induced, whole.induced.problem
    loaded = LoadedProblem(problem, None, lambda seed: person(problem.space, seed))
    refuted = Round(1, 5, Hypothesis((), "p"), 0.0, Survival(model=9.0, overseer=1.0, judgements=3, tolerance=1.0))
    found = Round(2, 0, induced.best, 1.0, None)

    silent = found._replace(best=Hypothesis((), "e"))

    def notes(*rounds: Round) -> str:
        ended = replace(induced, rounds=rounds, best=rounds[-1].best)
        told = result_of(loaded, ended, whole.transferred, whole.counted, 0, "none")
        return " ".join(told["notes"])

    assert "refuted the z* of round 1, which M_prior scored 8.0 nats above the overseer" in notes(refuted, found)
    kept = refuted._replace(best=found.best)
    assert "it was found again with what the audit said" in notes(kept, found)
    for rounds in ((found,), (refuted,), (refuted, refuted), (refuted, silent)):
        assert "refuted" not in notes(*rounds)


def test_progress_is_told() -> None:
    told: list[Progress] = []
    problem = problem_of(rows=12)
    overseer = person(problem.space)
    induced = asyncio.run(ainduce(problem, overseer, budget=20, progress=told.append, settings=QUICK))
    assert [step.round for step in told if step.stage == "round"] == [done.number for done in induced.rounds]
    assert max(step.rounds for step in told) == max(QUICK.rounds, len(induced.rounds))
    assert [step.asked for step in told] == sorted(step.asked for step in told)
    assert {step.budget for step in told} == {20}
    assert told[-1].stage == "round"
    assert told[-1].best


# -- small and strange problems ----------------------------------------------------------------------------------------


def tiny(
    features: tuple[Feature, ...],
    d: list[dict[str, Value]],
    y: list[int],
    names: tuple[str, ...] = ("p", "e"),
    words: tuple[str, ...] = ("good", "bad"),
    cuts: tuple[float, ...] = (1.0, 2.0),
) -> Problem:
    spoken = {name: f"it is {name}" for name in names}
    named = {f.name: words for f in features if f.kind is FeatureKind.TEXT}
    at = {f.name: cuts for f in features if f.kind is FeatureKind.NUMERIC}
    space = StatementSpace(features, names, spoken, Limits(3, 2, 2), named, at)
    table = Table.of(features, d)
    return Problem("tiny", "Which is it?", Labelled(table, np.array(y), names), table, spoken, space)


HALF: list[dict[str, Value]] = [{"smell": "foul"}, {"smell": "almond"}] * 3
SIDES: list[dict[str, Value]] = [{"place": "sun"}, {"place": "shade"}] * 4
SMELLS: list[dict[str, Value]] = [{"smell": SMELL.values[i % 4]} for i in range(12)]
SMALL: dict[str, Problem] = {
    "one row": tiny((SMELL, PLACE), [{"smell": "foul", "place": "sun"}], [0]),
    "two rows": tiny((SMELL, PLACE), [{"smell": "foul", "place": "sun"}, {"smell": "almond", "place": "sun"}], [0, 1]),
    "two rows alike": tiny((SMELL,), [{"smell": "foul"}, {"smell": "foul"}], [0, 1]),
    "one feature": tiny((PLACE,), SIDES, [0, 1] * 4),
    "one number": tiny((HEIGHT,), [{"height": float(i % 4)} for i in range(8)], [i % 4 // 2 for i in range(8)]),
    "numbers without cuts": tiny((HEIGHT,), [{"height": 1.0}, {"height": 2.0}], [0, 1], cuts=()),
    "three answers": tiny((SMELL,), SMELLS, [0, 1, 2, 2] * 3, ("p", "e", "q")),
    "one answer": tiny((SMELL,), [{"smell": "foul"}, {"smell": "almond"}], [1, 1]),
    "text": tiny((NOTE,), [{"note": "good"}, {"note": "not good"}, {"note": "bad, bad"}, {"note": None}], [1, 0, 0, 1]),
    "text without words": tiny((NOTE,), [{"note": "good"}, {"note": "bad"}], [1, 0], words=()),
    "a column all missing": tiny((SMELL, HEIGHT), HALF, [0, 1] * 3),
    "all columns missing": tiny((SMELL, HEIGHT, NOTE), [{}, {}, {}], [0, 1, 1]),
}


@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize("name", SMALL)
def test_the_smallest_problems_are_problems(name: str, active: bool) -> None:
    problem = SMALL[name]
    settings = Settings(rounds=2, steps=10, active=active)
    ran = go(problem, 30, overseer=Scripted(follows(lambda text: -len(text) / 40.0, problem.space)), settings=settings)
    assert ran.counted.total <= 30
    assert ran.induced.best in problem.space
    assert problem.space.read(problem.space.show(ran.induced.best)) == ran.induced.best
    np.testing.assert_allclose(ran.transferred.probabilities.sum(axis=1), 1.0)


@settings(max_examples=8)
@given(problems(most_rows=8), st.integers(1, 30), st.integers(0, 99))
def test_any_small_problem_runs_within_its_budget(problem: Problem, budget: int, seed: int) -> None:
    overseer = Scripted(follows(lambda text: -len(text) / 40.0, problem.space))
    ran = go(problem, budget, seed=seed, overseer=overseer, settings=Settings(rounds=2, steps=8))
    assert ran.counted.total <= budget
    assert max(ran.counted.asked.values(), default=1) == 1
    assert ran.induced.best in problem.space
    np.testing.assert_allclose(ran.transferred.probabilities.sum(axis=1), 1.0)


def test_a_large_d_is_searched_on_some_of_its_rows() -> None:
    problem = problem_of(rows=60)
    ran = go(problem, 20, settings=Settings(rounds=2, steps=12, most_rows=20))
    assert len(ran.induced.posterior.labelled) == 60  # what is reported is the score on all of D


def test_a_list_of_candidates_is_searched_whole() -> None:
    space = problem_of().space
    every = tuple(
        space.read(f"{said}By default, the plant is {answer} (a hint).")
        for answer in ("poisonous", "edible")
        for said in ("", "If the smell is almond, the plant is edible (overwhelming evidence).\n")
    )
    whole = problem_of()
    problem = Problem("short", whole.question, whole.labelled, whole.unlabelled, SPOKEN, space, every)
    ran = go(problem, 30)
    assert {scored.hypothesis for scored in ran.induced.found} == set(every)
    assert ran.counted.total <= 30
    alone = Problem("one", whole.question, whole.labelled, whole.unlabelled, SPOKEN, space, every[:1])
    assert go(alone, 3).induced.best == every[0] == Hypothesis((), "p", Strength.HINT)


def test_a_hypothesis_that_somebody_wrote_is_scored_and_whoever_is_excluded_teaches_nothing() -> None:
    loaded = load_problem("huskies")
    space = loaded.problem.space
    written = space.read(
        "If the dog has pointed ears, the dog is a husky (strong evidence).\n"
        "By default, the dog is of another breed (slight evidence)."
    )
    told: list[int] = []

    def guide(excluded: str) -> Callable[[int], Guided]:
        def guided(number: int) -> Guided:
            told.append(number)
            return Guided((space.show(written),), frozenset((excluded,)))

        return guided

    found, unheard = (
        induce(
            loaded.problem, loaded.build_overseer(0), budget=20, settings=Settings(rounds=1, steps=8), guide=guide(name)
        )
        for name in ("nobody", "simulated")
    )
    assert told == [0, 0]
    assert written in [scored.hypothesis for scored in found.found]
    assert isinstance(unheard.prior, StatementPrior)
    assert isinstance(found.prior, StatementPrior)
    silent = StatementPrior.fit(unheard.prior.traits, [], 0)
    assert unheard.prior.log_prior(written) == pytest.approx(silent.log_prior(written))
    assert found.prior.log_prior(written) != pytest.approx(silent.log_prior(written))
