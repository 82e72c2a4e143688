"""Accuracy, calibration and intervals by their laws; direct fits on real and on hostile tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.datasets import load_iris

from imitative import direct_fits, evaluation
from imitative.data import Feature, FeatureKind, Floats, Labelled, Table
from imitative.evaluation import (
    accuracy,
    baselines,
    calibration,
    clopper_pearson,
    evaluate,
    folds,
    log_loss,
    wilson,
)
from imitative.hypotheses.statements import StatementSpace
from imitative.problem import Problem, Truth
from imitative.records import Value

Rows = Sequence[Mapping[str, Value]]


def problem_of(
    features: Sequence[Feature], d: Rows, y: Sequence[int], d2: Rows, names: Sequence[str] = "ab"
) -> Problem:
    spoken = {name: f"it is {name}" for name in names}
    labelled = Labelled(Table.of(features, d), np.asarray(y, dtype=np.int64), tuple(names))
    space = StatementSpace(features, tuple(names), spoken)
    return Problem("p", "Which is it?", labelled, Table.of(features, d2), spoken, space)


def truth_of(answers: Sequence[int]) -> Truth:
    return Truth(np.asarray(answers, dtype=np.int64))


@pytest.fixture(scope="module")
def iris() -> tuple[Problem, Truth]:
    """Irises: D the half with the narrower sepals, D′ the other."""
    found = load_iris()
    features = [Feature(name, FeatureKind.NUMERIC, f"the {name}") for name in found.feature_names]
    rows = [dict(zip(found.feature_names, map(float, row), strict=True)) for row in found.data]
    narrow = found.data[:, 1] < np.median(found.data[:, 1])
    here, there = np.flatnonzero(narrow), np.flatnonzero(~narrow)
    names = [str(name) for name in found.target_names]
    problem = problem_of(features, [rows[i] for i in here], found.target[here], [rows[i] for i in there], names)
    return problem, truth_of(found.target[there])


# ------------------------------------------------------------------------------------------------------- the measures


@st.composite
def answered(draw: st.DrawFn) -> tuple[np.ndarray[Any, np.dtype[np.int64]], Floats]:
    n, k = draw(st.integers(1, 60)), draw(st.integers(2, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    p = rng.dirichlet(np.full(k, draw(st.sampled_from([0.1, 1.0]))), size=n)
    if draw(st.booleans()):  # many equal confidences
        p = np.eye(k)[p.argmax(axis=1)] * 0.7 + 0.3 / k
    return rng.integers(-1, k, size=n), p


@given(answered(), st.integers(0, 2**32), st.integers(1, 15))
def test_the_order_of_rows_changes_no_measure(case: tuple[Any, Floats], seed: int, bins: int) -> None:
    answers, p = case
    order = np.random.default_rng(seed).permutation(len(answers))
    assert accuracy(answers[order], p[order]) == accuracy(answers, p)
    before, after = calibration(answers, p, bins), calibration(answers[order], p[order], bins)
    if before is None or after is None:
        assert before is None
        assert after is None
        assert (answers < 0).all()
    else:
        assert after.bins == before.bins
        assert after.expected_calibration_error == before.expected_calibration_error
        assert after.log_loss == pytest.approx(before.log_loss, abs=1e-12)


@given(answered(), st.integers(1, 15))
def test_bins_hold_every_known_answer_once_and_equal_confidences_together(case: tuple[Any, Floats], bins: int) -> None:
    answers, p = case
    found = calibration(answers, p, bins)
    if found is None:
        return
    known = answers >= 0
    assert sum(b.n for b in found.bins) == known.sum()
    assert 1 <= len(found.bins) <= bins
    assert 0.0 <= found.expected_calibration_error <= 1.0
    right = sum(b.accuracy * b.n for b in found.bins) / known.sum()
    assert right == pytest.approx(accuracy(answers, p))
    means = [b.confidence for b in found.bins]
    assert means == sorted(set(means))


@pytest.mark.parametrize("confidence", [0.5, 0.75, 1.0])
def test_perfect_calibration_has_no_error(confidence: float) -> None:
    n = 400
    answers = (np.arange(n) >= round(confidence * n)).astype(np.int64)
    p = np.tile([confidence, 1 - confidence], (n, 1))
    found = calibration(answers, p)
    assert found is not None
    assert found.expected_calibration_error == 0.0
    entropy = -sum(q * math.log(q) for q in (confidence, 1 - confidence) if q > 0)
    assert found.log_loss == pytest.approx(entropy, abs=1e-12)


def test_bins_are_of_equal_mass() -> None:
    p = np.linspace(0.5, 1.0, 100)
    found = calibration(np.zeros(100, dtype=np.int64), np.column_stack([p, 1 - p]))
    assert found is not None
    assert [b.n for b in found.bins] == [10] * 10


def test_a_certain_error_costs_a_finite_number_of_nats() -> None:
    loss = log_loss(np.array([1]), np.array([[1.0, 0.0]]))
    assert loss == pytest.approx(-math.log(evaluation.LEAST_PROBABILITY))


def test_unknown_answers_are_left_out() -> None:
    p = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    assert accuracy(np.array([0, -1, 1]), p) == 0.5
    assert accuracy(np.array([-1, -1, -1]), p) is None
    assert calibration(np.array([-1, -1, -1]), p) is None
    with pytest.raises(ValueError, match="2 answers"):
        accuracy(np.array([0, 1]), p)


# ---------------------------------------------------------------------------------------------------------- intervals


def coverage(interval: Any, n: int, p: Floats, confidence: float) -> Floats:
    """P(the interval of Binomial(n, p) covers p), by enumeration."""
    ends = [interval(k, n, confidence) for k in range(n + 1)]
    covers = np.array([[low <= q <= high for q in p] for low, high in ends])
    return np.asarray((binom.pmf(np.arange(n + 1)[:, None], n, p[None, :]) * covers).sum(axis=0))


@pytest.mark.parametrize("confidence", [0.8, 0.95])
@pytest.mark.parametrize("n", [1, 5, 20, 60])
def test_clopper_pearson_never_covers_less_than_it_says(n: int, confidence: float) -> None:
    p = np.linspace(0, 1, 201)
    assert coverage(clopper_pearson, n, p, confidence).min() >= confidence - 1e-9


@pytest.mark.parametrize("n", [5, 20, 60])
def test_wilson_covers_what_it_says_on_average(n: int) -> None:
    found = coverage(wilson, n, np.linspace(0.005, 0.995, 199), 0.95)
    assert 0.94 <= found.mean() <= 0.97
    assert found.min() >= 0.80  # its known worst, near the ends


@given(st.integers(1, 500), st.data())
def test_intervals_mirror_and_hold_the_share(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    for interval in (wilson, clopper_pearson):
        low, high = interval(k, n)
        assert 0.0 <= low <= k / n <= high <= 1.0
        mirrored = interval(n - k, n)
        assert mirrored.low == pytest.approx(1 - high, abs=1e-9)
        wider = interval(k, n, 0.99)
        assert wider.low <= low
        assert wider.high >= high


def test_intervals_of_nothing_and_of_nonsense() -> None:
    assert wilson(0, 0) == clopper_pearson(0, 0) == (0.0, 1.0)
    for interval in (wilson, clopper_pearson):
        for successes, n, confidence in ((3, 2, 0.95), (-1, 2, 0.95), (1, 2, 0.0), (1, 2, 1.0)):
            with pytest.raises(ValueError):
                interval(successes, n, confidence)


# ----------------------------------------------------------------------------------------------------------- evaluate


def test_evaluate_gives_the_entries_of_a_result(iris: tuple[Problem, Truth]) -> None:
    problem, truth = iris
    k = len(problem.answers)
    sure = np.eye(k)[problem.labelled.answers]
    flat = np.full((len(problem.unlabelled), k), 1 / k)
    found = evaluate(problem, truth, sure, flat)
    assert found["accuracy"] == {"labelled": 1.0, "unlabelled": pytest.approx(np.mean(truth.answers == 0))}
    assert found["calibration"]["log_loss"] == pytest.approx(math.log(k))
    assert [n for *_, n in found["calibration"]["bins"]] == [len(truth.answers)]
    for unknown in (None, Truth(np.full(len(flat), -1))):
        found = evaluate(problem, unknown, sure, flat)
        assert found == {"accuracy": {"labelled": 1.0, "unlabelled": None}, "calibration": None}
    with pytest.raises(ValueError, match="D needs"):
        evaluate(problem, truth, sure[:-1], flat)
    with pytest.raises(ValueError, match="D′ does not sum to one"):
        evaluate(problem, truth, sure, flat * 2)


# -------------------------------------------------------------------------------------------------------------- folds


@given(st.lists(st.integers(0, 3), min_size=0, max_size=80), st.integers(0, 100), st.integers(2, 7))
def test_folds_part_the_rows(answers: list[int], seed: int, count: int) -> None:
    y = np.array(answers, dtype=np.int64)
    found = folds(y, seed, count)
    assert len(found) == (min(count, len(y)) if len(y) > 1 else 0)
    for fold in found:
        assert not set(fold.fitted) & set(fold.held)
        assert sorted([*fold.fitted, *fold.held]) == list(range(len(y)))
    if found:
        assert sorted(np.concatenate([fold.held for fold in found])) == list(range(len(y)))
    for name in set(answers):
        shares = [int((y[fold.held] == name).sum()) for fold in found]
        assert not shares or max(shares) - min(shares) <= 1
    again = folds(y, seed, count)
    assert all(np.array_equal(a.held, b.held) for a, b in zip(found, again, strict=True))


def test_a_large_d_has_one_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "CROSS_VALIDATED", 50)
    (fold,) = folds(np.zeros(60, dtype=np.int64), 0)
    assert len(fold.held) == 12
    assert len(fold.fitted) == 48


# ---------------------------------------------------------------------------------------------------------- baselines


def test_direct_fits_learn_irises(iris: tuple[Problem, Truth]) -> None:
    problem, truth = iris
    found = baselines(problem, truth, seed=0)
    assert list(found) == list(direct_fits.DIRECT_FITS)
    for name, row in found.items():
        assert set(row) == {"labelled", "unlabelled"}
        if name != "most common answer":
            assert (row["labelled"] or 0) > 0.8, name
            # Boosting goes by the width of the sepal, which is what divides D from D′.
            assert (row["unlabelled"] or 0) > (0.5 if name == "gradient boosting" else 0.8), name
    common = np.bincount(problem.labelled.answers).argmax()
    assert found["most common answer"]["unlabelled"] == pytest.approx(np.mean(truth.answers == common))


def test_the_same_seed_gives_the_same_figures_and_the_order_of_new_questions_none(iris: tuple[Problem, Truth]) -> None:
    problem, truth = iris
    models = ["logistic regression", "decision tree"]
    found = baselines(problem, truth, 3, models=models)
    order = np.random.default_rng(0).permutation(len(truth.answers))
    turned = Problem("p", "?", problem.labelled, problem.unlabelled.take(order), problem.spoken, problem.space)
    assert baselines(turned, Truth(truth.answers[order]), 3, models=models) == found
    assert list(found) == models
    with pytest.raises(KeyError):
        baselines(problem, truth, 0, models=["oracle"])


class Spy:
    """Remembers which rows it was fitted to and asked about, by the number that each row carries."""

    seen: list[tuple[set[float], set[float]]] = []  # noqa: RUF012

    def fit(self, x: Any, y: Any, /) -> Spy:
        self.fitted = set(x[:, 1].toarray().ravel())
        assert len(self.fitted) == len(y)
        return self

    def predict(self, x: Any, /) -> Any:
        Spy.seen.append((self.fitted, set(x[:, 1].toarray().ravel())))
        return np.zeros(x.shape[0], dtype=np.int64)


def test_held_out_rows_are_never_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "available", lambda: {"spy": lambda rows, seed: Spy()})
    number = Feature("number", FeatureKind.NUMERIC, "the number")
    problem = problem_of([number], [{"number": float(i)} for i in range(40)], [i % 2 for i in range(40)], [])
    for held_out in (None, folds(problem.labelled.answers, 9)[:2]):
        Spy.seen.clear()
        baselines(problem, None, 1, held_out=held_out, models=["spy"])
        assert len(Spy.seen) == (5 if held_out is None else 2)
        for fitted, asked in Spy.seen:
            # Standardised by the fitted rows alone, so both sets are on one scale: overlap would be equality.
            assert len(fitted) == 32
            assert len(asked) == 8
            assert not fitted & asked


def test_a_reading_is_learned_from_fitted_rows_alone() -> None:
    features = [
        Feature("colour", FeatureKind.CATEGORICAL, "the colour", values=("red", "blue", "green")),
        Feature("size", FeatureKind.ORDINAL, "the size", values=("small", "large", "vast")),
        Feature("weight", FeatureKind.NUMERIC, "the weight"),
        Feature("story", FeatureKind.TEXT, "the story"),
    ]
    fitted: Rows = [
        {"colour": "red", "size": "small", "weight": 1.0, "story": "a dog ran"},
        {"colour": "blue", "size": "large", "weight": 3.0, "story": "a dog sat"},
    ]
    new: Rows = [
        {"colour": "green", "size": "vast", "weight": 1e300, "story": "zebras"},
        {"colour": None, "size": None, "weight": None, "story": None},
    ]
    reader = direct_fits._Reader(Table.of(features, fitted))
    x, new_x = reader.read(Table.of(features, fitted)), reader.read(Table.of(features, new))
    assert x.shape[1] == new_x.shape[1]
    assert np.isfinite(new_x.toarray()).all()
    # An unseen word sets no column of its own; a missing cell of a number sets the one that says so.
    assert new_x.toarray()[0, 1:5].sum() == 0
    assert new_x.toarray()[1].sum() == 2


def hostile() -> Problem:
    """Words D never has, empty cells, constant and huge numbers, text without a word twice."""
    features = [
        Feature("colour", FeatureKind.CATEGORICAL, "the colour", values=("red", "blue", "new")),
        Feature("size", FeatureKind.ORDINAL, "the size", values=("small", "large")),
        Feature("same", FeatureKind.NUMERIC, "the same"),
        Feature("huge", FeatureKind.NUMERIC, "the huge"),
        Feature("empty", FeatureKind.NUMERIC, "the empty"),
        Feature("story", FeatureKind.TEXT, "the story"),
    ]
    rng = np.random.default_rng(0)
    d: Rows = [
        {
            "colour": ("red", "blue", None)[i % 3],
            "size": ("small", "large")[i % 2],
            "same": 7.0,
            "huge": float(rng.normal() * 1e307),
            "empty": None,
            "story": f"word{i}",
        }
        for i in range(30)
    ]
    d2: Rows = [{"colour": "new", "huge": -1.7e308, "same": math.inf}, {}]
    return problem_of(features, d, [i % 3 for i in range(30)], d2, "abc")


@pytest.mark.parametrize("seed", [0, 1])
def test_hostile_columns_are_read(seed: int) -> None:
    found = baselines(hostile(), truth_of([0, -1]), seed)
    for row in found.values():
        assert row["labelled"] is not None
        assert 0 <= row["labelled"] <= 1
        assert row["unlabelled"] in (0.0, 1.0)


def test_text_is_learned() -> None:
    story = Feature("story", FeatureKind.TEXT, "the story")
    words = (["good", "fine", "lovely"], ["bad", "poor", "awful"])
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, size=120)
    d: Rows = [{"story": " ".join([*rng.choice(words[i], 2), *(f"w{j}" for j in rng.integers(0, 300, 9))])} for i in y]
    problem = problem_of([story], d[:80], list(y[:80]), d[80:])
    models = ("logistic regression", "decision tree")
    found = baselines(problem, truth_of(list(y[80:])), 0, models=models)
    for name in models:
        assert (found[name]["labelled"] or 0) > 0.8
        assert (found[name]["unlabelled"] or 0) > 0.8


@pytest.mark.parametrize("y", [[0], [0, 1], [1, 1, 1], [0, 0, 0, 0, 0, 0, 0, 0, 1]])
def test_few_rows_and_one_class(y: list[int]) -> None:
    number = Feature("n", FeatureKind.NUMERIC, "the n")
    problem = problem_of([number], [{"n": float(i)} for i in range(len(y))], y, [{"n": 0.0}])
    for truth in (None, truth_of([0]), truth_of([-1])):
        for row in baselines(problem, truth, 0).values():
            assert (row["labelled"] is None) == (len(y) == 1)
            assert (row["unlabelled"] is None) == (truth is None or truth.answers[0] < 0)


def test_a_fit_reads_at_most_so_many_rows(monkeypatch: pytest.MonkeyPatch, iris: tuple[Problem, Truth]) -> None:
    monkeypatch.setattr(direct_fits, "FITTED", 30)
    problem, truth = iris
    (row,) = baselines(problem, truth, 0, models=["logistic regression"]).values()
    assert (row["unlabelled"] or 0) > 0.6


@pytest.mark.slow
@pytest.mark.skipif(direct_fits.RULES not in direct_fits.available(), reason="imodels is not installed")
@pytest.mark.filterwarnings("ignore")
def test_rules_are_learned_where_installed() -> None:
    number = Feature("n", FeatureKind.NUMERIC, "the n")
    rows: Rows = [{"n": float(i)} for i in range(40)]
    y = [int(i >= 25) for i in range(40)]
    problem = problem_of([number], rows, y, rows)
    held_out = folds(problem.labelled.answers, 0)[:1]
    (row,) = baselines(problem, truth_of(y), 0, held_out=held_out, models=[direct_fits.RULES]).values()
    assert (row["labelled"] or 0) > 0.8
    assert (row["unlabelled"] or 0) > 0.9
