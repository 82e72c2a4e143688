"""The objective is Bayes' rule; three tempting versions are not, and are caught."""

from __future__ import annotations

import numpy as np
import pytest

from bench.belief_calibration import COIN, COUNTS, SPREAD, Model, _by_induction, optimum
from bench.figure import Bench
from bench.wrong_objectives import WRONG, Objective, datum_by_datum, plus_kl, right
from imitative.beliefs.objective import belief_score, drawn_score

H = np.array([0.1, 0.5, 0.9])
PRIOR = np.full(3, 1.0 / 3.0)
FLIPS = np.array([1.0] * 10 + [0.0] * 10)
LOG_P = np.where(FLIPS[None] == 1.0, np.log(H)[:, None], np.log(1.0 - H)[:, None])
BAYES = PRIOR * np.exp(LOG_P.sum(axis=1)) / (PRIOR @ np.exp(LOG_P.sum(axis=1)))


def beliefs() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Every belief over the three coins on a fine grid, and Bayes'."""
    steps = np.linspace(1e-6, 1.0, 101)
    grid = np.array([[a, b, 1.0 - a - b] for a in steps for b in steps if a + b < 1.0 - 1e-9])
    return np.vstack([grid, PRIOR, BAYES])


def best(objective: Objective) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    every = beliefs()
    kl = np.sum(every * np.log(every / PRIOR), axis=1)
    scores = [objective(np, w, LOG_P, LOG_P, k) for w, k in zip(every, kl, strict=True)]
    return np.asarray(every[int(np.argmax(scores))])


def test_the_right_objective_finds_bayes() -> None:
    assert BAYES[1] > 0.9999
    assert best(right) == pytest.approx(BAYES)


def test_its_value_at_bayes_is_the_log_evidence() -> None:
    kl = float(np.sum(BAYES * np.log(BAYES / PRIOR)))
    evidence = float(np.log(PRIOR @ np.exp(LOG_P.sum(axis=1))))
    assert belief_score(BAYES, LOG_P, kl).score == pytest.approx(evidence, abs=1e-12)


def test_datum_by_datum_returns_the_prior() -> None:
    assert best(datum_by_datum) == pytest.approx(PRIOR)


def test_plus_kl_goes_to_a_corner() -> None:
    """Where one coin is far the best there is nothing to repel; with less to see the sign shows."""
    few = LOG_P[:, 8:12]
    every = beliefs()
    kl = np.sum(every * np.log(every / PRIOR), axis=1)
    found = every[int(np.argmax([plus_kl(np, w, few, few, k) for w, k in zip(every, kl, strict=True)]))]
    exact = PRIOR * np.exp(few.sum(axis=1))
    assert found[1] > 0.99
    assert (exact / exact.sum())[1] < 0.85


@pytest.mark.parametrize("model", [COIN, COUNTS, SPREAD], ids=lambda m: m.name)
def test_the_best_belief_is_the_closed_form(model: Model) -> None:
    y = model.draw(np.random.default_rng(2), 0.3)
    found = np.exp(optimum(model, right, y[None])[0])
    assert found == pytest.approx(model.updated(y, model.prior), rel=1e-6)


@pytest.mark.parametrize("name", list(WRONG))
def test_each_wrong_objective_misses_it(name: str) -> None:
    y = COIN.draw(np.random.default_rng(2), 0.3)
    found = np.exp(optimum(COIN, WRONG[name], y[None])[0])
    exact = COIN.updated(y, COIN.prior)
    assert np.abs(found / exact - 1.0).max() > 0.1


def test_induction_with_an_exact_overseer_is_the_closed_form() -> None:
    assert _by_induction(Bench()).value < 1e-6


def test_a_score_from_draws_of_the_posterior_has_no_spread() -> None:
    log_prior, log_likelihood = np.log([0.2, 0.3]), np.array([-1.0, -2.0])
    evidence = -1.7
    found = drawn_score(log_prior + log_likelihood - evidence, log_prior, log_likelihood)
    assert found.score == pytest.approx(evidence)
    assert found.error == pytest.approx(0.0)
