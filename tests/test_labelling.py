"""Step 4: M_test starts as the reading of z*, is corrected by answers, and is audited on questions it never met."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from scipy.stats import binom

from imitative import labelling
from imitative.data import Feature, FeatureKind, Labelled, Table
from imitative.evaluation import clopper_pearson
from imitative.hypotheses.statements import Hypothesis, Limits, StatementSpace
from imitative.induction import Induced, induce
from imitative.labelling import TransferModel, samples, transfer
from imitative.likelihood import BY_DEFAULT, LITERAL, Reading
from imitative.overseers.overseer import Overseer
from imitative.overseers.simulated import Simulated
from imitative.problem import Problem
from imitative.reading import read_table
from imitative.records import Answer, Judgement, Kind, Outcome, Query
from imitative.rows import Source
from imitative.settings import Settings
from imitative.testing import Counting, Scripted, hypotheses, spaces, tables

few = settings(max_examples=20)
SMELL = Feature("smell", FeatureKind.CATEGORICAL, "the smell", values=("foul", "fishy", "almond"))
PLACE = Feature("place", FeatureKind.BOOLEAN, "the place", values=("sun", "shade"))
SPACE = StatementSpace([SMELL, PLACE], ("p", "e"), {"p": "it is poisonous", "e": "it is edible"}, Limits(2, 1, 1))
FOUL = SPACE.read(
    "If the smell is foul, it is poisonous (strong evidence).\n"
    "If the place is sun, it is edible (a hint).\n"
    "By default, it is edible (slight evidence)."
)


def rows(count: int, seed: int = 0) -> Table:
    rng = np.random.default_rng(seed)
    smells, places = rng.integers(3, size=count), rng.integers(2, size=count)
    return Table.of(
        SPACE.features,
        [{"smell": SMELL.values[s], "place": PLACE.values[p]} for s, p in zip(smells, places, strict=True)],
    )


# -- M_test ------------------------------------------------------------------------------------------------------------


@few
@given(st.lists(st.sampled_from(["north", "south", "atlantis"]), min_size=1, max_size=6))
def test_a_value_that_came_later_is_labelled_as_if_it_had_been_known(cells: list[str]) -> None:
    """A new word is none of the known ones: `is not` holds of it, whether D′ had it at run time or not."""
    answers = {"p": "it is poisonous", "e": "it is edible"}
    said = "If the region is not north, it is poisonous (strong evidence).\nBy default, it is edible (slight evidence)."
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "new.csv"
        path.write_text("\n".join(["region", *cells]) + "\n", "utf-8")
        found = []
        for values in (("north", "south"), ("north", "south", "atlantis")):
            region = Feature("region", FeatureKind.CATEGORICAL, "the region", values=values)
            space = StatementSpace([region], ("p", "e"), answers, Limits(2, 1, 1))
            nothing = Table.of([region], [])
            model = TransferModel.fit(space, space.read(said), LITERAL, nothing, np.array([], dtype=np.int64))
            found.append(model.probabilities(read_table(Source(path), model.features).table))
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0][:, 0] > 0.5).tolist() == [cell != "north" for cell in cells]


@few
@given(st.data())
def test_probabilities_sum_to_one_and_start_as_the_reading_and_a_grain_for_the_default(data: st.DataObject) -> None:
    space = data.draw(spaces())
    z, table = data.draw(hypotheses(space)), data.draw(tables(space))
    nothing = np.array([], dtype=np.int64)
    model = TransferModel.fit(space, z, LITERAL, table.take([]), nothing)
    np.testing.assert_allclose(model.probabilities(table).sum(axis=1), 1.0)
    logits = LITERAL.logits(table, z, space.answers)
    logits[:, space.answers.index(z.default)] += BY_DEFAULT
    np.testing.assert_allclose(model.log_probabilities(table), log_softmax(logits, axis=1), atol=1e-9)
    read = LITERAL.logits(table, z, space.answers)
    ahead = np.diff(np.sort(read, axis=1)[:, -2:], axis=1)[:, 0] > 1e-9
    np.testing.assert_array_equal(model.probabilities(table)[ahead].argmax(axis=1), read[ahead].argmax(axis=1))


def test_what_z_is_even_about_is_answered_by_default_however_coins_fall() -> None:
    """Strengths are few and often cancel; whoever reads to the letter then answers at random."""
    z = SPACE.read("If the smell is foul, it is poisonous (slight evidence).\n"
                   "By default, it is edible (slight evidence).")  # fmt: skip
    table = rows(45)
    log_p = LITERAL.log_probabilities(table, z, SPACE.answers)
    even = np.abs(log_p[:, 0] - log_p[:, 1]) < 1e-9
    assert 5 < even.sum() < 40
    held = []
    for seed in range(20):
        answers = (np.random.default_rng(seed).random(45) < np.exp(log_p[:, 1])).astype(np.int64)
        labels = TransferModel.fit(SPACE, z, LITERAL, table, answers).probabilities(table).argmax(axis=1)
        held.append(bool((labels[even] == SPACE.answers.index("e")).all()))
    assert np.mean(held) >= 0.9
    people = np.where(even, SPACE.answers.index("p"), log_p.argmax(axis=1))  # and where all agree, people are heard
    labels = TransferModel.fit(SPACE, z, LITERAL, table, people).probabilities(table).argmax(axis=1)
    assert (labels[even] == SPACE.answers.index("p")).all()


@few
@given(st.data())
def test_fitted_to_anything_probabilities_sum_to_one_and_survive_json(data: st.DataObject) -> None:
    space = data.draw(spaces())
    z, table = data.draw(hypotheses(space)), data.draw(tables(space, fewest=1))
    answer = st.integers(0, len(space.answers) - 1)
    answers = np.array(data.draw(st.lists(answer, min_size=len(table), max_size=len(table))), dtype=np.int64)
    covers = {(f.name, f.values[0]): frozenset(f.values[-1:]) for f in space.features if f.discrete}
    model = TransferModel.fit(space, z, Reading(1.2, covers), table, answers)
    probabilities = model.probabilities(table)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    assert (probabilities > 0).all()
    again = TransferModel.from_json(json.loads(json.dumps(model.to_json())))
    np.testing.assert_array_equal(again.probabilities(table), probabilities)
    assert again.to_json() == model.to_json()
    assert (again.answers, again.features) == (model.answers, model.features)


def test_the_order_of_answers_is_only_an_order() -> None:
    turned = StatementSpace(SPACE.features, ("e", "p"), SPACE.spoken, SPACE.limits)
    table = rows(20)
    answers = np.random.default_rng(1).integers(2, size=20)
    first = TransferModel.fit(SPACE, FOUL, LITERAL, table, answers)
    second = TransferModel.fit(turned, FOUL, LITERAL, table, 1 - answers)
    np.testing.assert_allclose(first.probabilities(table), second.probabilities(table)[:, ::-1], atol=1e-4)


def test_answers_correct_the_reading_statement_by_statement() -> None:
    """People who hold z* but call what stands in the sun poisonous: M_test learns the departure, and only that."""
    table = rows(120)
    said = LITERAL.log_probabilities(table, FOUL, SPACE.answers).argmax(axis=1)
    said[table.codes("place") == 0] = 0
    model = TransferModel.fit(SPACE, FOUL, LITERAL, table, said)
    agreed = (model.probabilities(table).argmax(axis=1) == said).mean()
    assert agreed > 0.95
    untouched = TransferModel.fit(SPACE, FOUL, LITERAL, table.take([]), np.array([], dtype=np.int64))
    assert (untouched.probabilities(table).argmax(axis=1) == said).mean() < 0.8


def test_a_slip_on_a_clear_case_does_not_bend_the_model() -> None:
    table = rows(60)
    said = LITERAL.log_probabilities(table, FOUL, SPACE.answers).argmax(axis=1)
    slipped = said.copy()
    slipped[:2] = 1 - slipped[:2]
    model = TransferModel.fit(SPACE, FOUL, LITERAL, table, slipped)
    np.testing.assert_array_equal(model.probabilities(table).argmax(axis=1), said)


def test_the_noise_of_a_literal_reader_seldom_bends_the_model() -> None:
    """Questions that z* leaves nearly open are answered this way and that: a few such answers do not turn it round."""
    table, rng = rows(40), np.random.default_rng(0)
    reading = LITERAL.log_probabilities(table, FOUL, SPACE.answers)
    agreed = []
    for _ in range(30):
        said = (rng.random(40) > np.exp(reading[:, 0])).astype(np.int64)
        model = TransferModel.fit(SPACE, FOUL, LITERAL, table, said)
        agreed.append((model.probabilities(table).argmax(axis=1) == reading.argmax(axis=1)).mean())
    assert np.mean(agreed) > 0.95
    assert np.mean(np.array(agreed) == 1.0) >= 0.8


@given(st.integers(0, 1000), st.integers(1, 12), st.integers(0, 12), st.integers(2, 4))
def test_the_evidence_is_the_same_counted_among_the_answers_and_among_the_weights(
    seed: int, count: int, statements: int, answers: int
) -> None:
    rng = np.random.default_rng(seed)
    chance = rng.dirichlet(np.ones(answers), count)
    curve = chance[:, :, None] * np.eye(answers) - chance[:, :, None] * chance[:, None]
    literal, applies = rng.normal(size=(count, answers)), rng.integers(2, size=(count, statements)).astype(float)
    rows = np.zeros((count * answers, 1 + statements * answers))  # a logit's derivatives by α, then by each δ
    rows[:, 0] = labelling.ALPHA_SD * literal.ravel()
    rows[:, 1:] = 0.7 * np.kron(applies, np.eye(answers))
    hessian = np.zeros((count, answers, count, answers))
    hessian[np.arange(count), :, np.arange(count), :] = curve
    size = count * answers
    expected = np.linalg.slogdet(np.eye(size) + hessian.reshape(size, size) @ rows @ rows.T)[1]
    assert labelling._log_det(curve, literal, applies, 0.7) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("sd", [0.05, 0.25, 1.0])
def test_the_evidence_counted_among_answers_is_the_evidence_counted_among_weights(sd: float) -> None:
    """Without slips the Hessian is exact: log det(I + Σ·H), weight by weight, from finite differences of the loss."""
    table, rng = rows(30), np.random.default_rng(3)
    answers = rng.integers(2, size=30)
    applies = np.column_stack([np.ones(30), *(LITERAL.statement(s, table) for s in FOUL.statements)])
    literal = LITERAL.log_probabilities(table, FOUL, SPACE.answers)
    start = np.vstack([np.ones(2), np.zeros((3, 2))])
    fit = labelling._fit(start, literal, applies, answers, sd, careless=0.0)

    def loss(flat: np.ndarray) -> float:  # α once, then the rest
        weights = np.vstack([np.full(2, flat[0]), flat[1:].reshape(3, 2)])
        chance = log_softmax(weights[0] * literal + applies @ weights[1:], axis=1)
        return -float(chance[np.arange(30), answers].sum())

    at = np.concatenate([[fit.weights[0, 0]], fit.weights[1:].ravel()])
    sds = np.array([labelling.ALPHA_SD, *([sd] * 6)])
    step, eye = 1e-4, np.eye(7)
    hessian = np.array(
        [
            [
                sum(i * j * loss(at + step * (i * eye[a] + j * eye[b])) for i in (1, -1) for j in (1, -1))
                for b in range(7)
            ]
            for a in range(7)
        ]
    ) / (4.0 * step**2)  # fmt: skip
    departure = at - np.array([1.0, *([0.0] * 6)])
    expected = -loss(at) - 0.5 * float(((departure / sds) ** 2).sum())
    expected -= 0.5 * float(np.linalg.slogdet(np.eye(7) + sds[:, None] * hessian * sds)[1])
    assert fit.log_evidence == pytest.approx(expected, abs=1e-3)


def test_the_gradient_leads_to_a_minimum() -> None:
    """Shuffled rows start the same descent elsewhere in floating point, and must end in the same place."""
    table, rng = rows(50), np.random.default_rng(2)
    answers = rng.integers(2, size=50)
    order = rng.permutation(50)
    first = TransferModel.fit(SPACE, FOUL, LITERAL, table, answers)
    second = TransferModel.fit(SPACE, FOUL, LITERAL, table.take(order), answers[order])
    np.testing.assert_allclose(first.weights, second.weights, atol=1e-3)


# -- the step ----------------------------------------------------------------------------------------------------------


def problem_of(unlabelled: int = 60) -> Problem:
    table = rows(20)
    answers = (table.codes("smell") == 2).astype(np.int64)
    return Problem(
        "plants", "Is it poisonous?", Labelled(table, answers, SPACE.answers), rows(unlabelled, 1), SPACE.spoken, SPACE
    )


def induced(overseer: Overseer | None = None, budget: int = 60, unlabelled: int = 60) -> Induced:
    person = overseer or Simulated(
        SPACE, [SPACE.read_statement("If the smell is almond, it is edible (strong evidence).")]
    )
    return induce(problem_of(unlabelled), person, budget=budget, settings=Settings(rounds=2, steps=12))


def of_transfer(ledger: tuple[Judgement, ...], purpose: str) -> set[int]:
    """The rows of D′ that were asked about; the queries carry their numbers."""
    asked = [j.query for j in ledger if j.query.kind is Kind.ANSWER and j.query.purpose == purpose]
    assert len({query.repeat for query in asked}) == len(asked)
    return {query.repeat for query in asked}


@pytest.mark.parametrize(("budget", "unlabelled"), [(60, 60), (60, 5), (4, 60), (1, 60), (60, 1)])
def test_no_question_of_the_audit_was_fitted_to(budget: int, unlabelled: int) -> None:
    counting = Counting(Scripted(answering))
    done = induced(counting, budget, unlabelled)
    before = counting.total
    found = transfer(done)
    fitted, audited = (of_transfer(done.ledger.judgements, purpose) for purpose in ("transfer", "audit"))
    assert not fitted & audited
    assert len(fitted) + len(audited) == counting.total - before <= budget - before
    assert len(fitted) == found.answered
    assert (found.audit.n if found.audit else 0) == len(audited)
    assert (fitted | audited) <= set(range(unlabelled))
    assert found.labels.tolist() == found.probabilities.argmax(axis=1).tolist()
    assert found.probabilities.shape == (unlabelled, 2)
    for judgement in done.ledger.judgements:
        if judgement.query.kind is Kind.ANSWER:
            assert judgement.query.question == done.problem.unlabelled.row(judgement.query.repeat)
            assert judgement.query.hypotheses == (SPACE.show(done.best),)


def answering(query: Query) -> Answer | None:
    """Answers questions about D′, poisonous every time, and skips all else."""
    return Answer(choice="p") if query.kind is Kind.ANSWER else None


def test_the_audit_counts_agreement() -> None:
    done = induced(Scripted(answering, name="ann"))
    found = transfer(done)
    audited = sorted(of_transfer(done.ledger.judgements, "audit"))
    assert found.audit is not None
    assert found.audit.agreement == pytest.approx((found.labels[audited] == 0).mean())
    assert (found.audit.low, found.audit.high) == clopper_pearson(
        round(found.audit.agreement * found.audit.n), found.audit.n
    )
    assert found.audit.judge == "ann"


def test_what_is_no_answer_is_not_counted() -> None:
    done = induced(Scripted(lambda query: None))
    found = transfer(done)
    assert found.audit is None
    assert found.answered == 0
    literal = done.reading.log_probabilities(done.problem.unlabelled, done.best, SPACE.answers)
    default = np.array([name == done.best.default for name in SPACE.answers])
    np.testing.assert_allclose(found.probabilities, softmax(literal + BY_DEFAULT * default, axis=1))
    with pytest.raises(ValueError, match="is no answer to answer"):
        transfer(induced(Scripted(lambda query: Answer(choice="neither") if query.kind is Kind.ANSWER else None)))


def test_the_same_seed_draws_the_same_questions() -> None:
    first, second, third = (transfer(induced(), seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    assert first.audit == second.audit
    assert not np.array_equal(first.probabilities, third.probabilities)


def test_a_hypothesis_that_says_nothing_can_be_transferred() -> None:
    model = TransferModel.fit(SPACE, Hypothesis((), "p"), LITERAL, rows(8), np.zeros(8, dtype=np.int64))
    assert (model.probabilities(rows(5, 3)).argmax(axis=1) == 0).all()


# -- Clopper and Pearson -----------------------------------------------------------------------------------------------


@given(st.integers(1, 300), st.data(), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_ends_of_the_interval_are_where_the_tails_begin(n: int, data: st.DataObject, confidence: float) -> None:
    agreed = data.draw(st.integers(0, n))
    low, high = clopper_pearson(agreed, n, confidence)
    assert 0.0 <= low <= agreed / n <= high <= 1.0
    tail = (1.0 - confidence) / 2.0
    if agreed > 0:
        assert binom.sf(agreed - 1, n, low) == pytest.approx(tail, rel=1e-6)
    if agreed < n:
        assert binom.cdf(agreed, n, high) == pytest.approx(tail, rel=1e-6)
    opposite = clopper_pearson(n - agreed, n, confidence)
    assert opposite == pytest.approx((1.0 - high, 1.0 - low), abs=1e-9)


def test_what_was_excluded_since_reaches_neither_the_model_nor_the_audit() -> None:
    stages: list[str] = []

    def heard(stage: str, judgements: Sequence[Judgement]) -> list[Judgement]:
        stages.append(stage)
        return [replace(j, answer=Answer(Outcome.SKIPPED)) if i % 2 else j for i, j in enumerate(judgements)]

    done = induced(Scripted(answering))
    found = transfer(done, heard=heard)
    asked = [len(of_transfer(done.ledger.judgements, purpose)) for purpose in ("transfer", "audit")]
    assert stages == ["transfer", "audit"]
    assert [found.answered, found.audit.n if found.audit else 0] == [(n + 1) // 2 for n in asked]


@given(st.integers(0, 40), st.data())
def test_an_audit_takes_what_nothing_was_learned_from_as_long_as_there_is_such(count: int, data: st.DataObject) -> None:
    learned = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=60)), dtype=bool)
    order = np.array(data.draw(st.permutations(range(len(learned)))), dtype=np.intp)
    fitted, audited = samples(order, learned, count)
    drawn = [*fitted.tolist(), *audited.tolist()]
    assert len(drawn) == len(set(drawn)) == count
    assert len(fitted) == round(0.6 * count)
    stale = set(order[learned].tolist())
    fresh = len(learned) - len(stale)
    assert len(stale & set(audited.tolist())) == max(0, len(audited) - fresh)
    assert not stale & set(drawn) or fresh < count
