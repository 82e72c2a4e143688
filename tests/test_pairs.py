"""Which items to compare next: laws of the information, and that choosing by it pays."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.figure import paired_p
from bench.people_judges import SEEDS, chosen, drawn
from imitative.preference import Comparisons, Preference, fit_preference
from imitative.preference.pairs import Comparable, information, informative_pairs, random_pairs

Floats = NDArray[np.float64]
ITEMS = 8


def fitted(seed: int = 0, size: int = 30, items: int = ITEMS) -> Preference:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=items) * 2.0
    rows = np.zeros((size, items))
    for row in rows:
        first, second = rng.choice(items, 2, replace=False)
        row[first], row[second] = 1.0, -1.0
    return fit_preference(Comparisons(rows, np.where(rows @ truth + rng.logistic(size=size) > 0, 1, -1)))


FITTED = fitted()


# -- the information -------------------------------------------------------------------------------------------------


@given(st.floats(-20, 20), st.floats(0, 50))
def test_an_answer_tells_at_most_one_bit_and_never_less_than_nothing(mean: float, variance: float) -> None:
    found = float(information(FITTED, mean, variance))
    assert 0.0 <= found <= math.log(2.0)
    assert found == pytest.approx(float(information(FITTED, -mean, variance)), abs=1e-12)


def test_nothing_is_told_where_everything_is_known() -> None:
    assert information(FITTED, [0.0, 3.0], [0.0, 0.0]).tolist() == pytest.approx([0.0, 0.0], abs=1e-12)
    assert float(information(FITTED, 100.0, 1.0)) < 1e-6
    gains = information(FITTED, np.zeros(20), np.linspace(0, 9, 20))
    assert (np.diff(gains) > 0).all()


def test_it_is_the_mutual_information_of_the_answer_and_the_score() -> None:
    """By brute force, on a grid of δ."""
    who = FITTED.population
    for mean, variance in ((0.0, 1.0), (1.5, 0.5), (-2.0, 4.0)):
        grid = np.linspace(mean - 9 * variance**0.5, mean + 9 * variance**0.5, 20_001)
        weight = np.exp(-0.5 * (grid - mean) ** 2 / variance)
        weight /= weight.sum()
        p = (1 - who.carelessness) / (1 + np.exp(-who.discrimination * grid)) + who.carelessness / 2
        marginal = float(weight @ p)
        told = sum(float(weight @ (q * np.log(q / m))) for q, m in ((p, marginal), (1 - p, 1 - marginal)))
        assert float(information(FITTED, mean, variance)) == pytest.approx(told, abs=1e-4)


def test_the_covariance_is_that_of_the_draws_and_its_diagonal_the_variance() -> None:
    rng = np.random.default_rng(1)
    for size, d in ((40, 5), (6, 20)):  # more rows than features, and fewer
        rows = rng.normal(size=(size, d))
        said = Comparisons(rows, np.sign(rng.normal(size=size)))  # of careful judges: draws allow for lapses besides
        found = fit_preference(said, precision=rng.uniform(0.5, 2.0, d), judges_model="none")
        x = rng.normal(size=(4, d))
        covariance = found.covariance(x)
        np.testing.assert_allclose(np.sqrt(np.diag(covariance)), found.sd(x), rtol=1e-9)
        np.testing.assert_allclose(covariance, covariance.T, atol=1e-12)
        difference = x[0] - x[1]
        spread = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
        assert math.sqrt(spread) == pytest.approx(float(found.sd(difference[None])[0]), rel=1e-9)
        draws = found.sample(40_000, rng) @ x.T
        np.testing.assert_allclose(np.cov(draws.T), covariance, atol=0.03 * float(np.diag(covariance).max()))


# -- the pairs -------------------------------------------------------------------------------------------------------


def test_the_first_pair_tells_most() -> None:
    covariance, mean = FITTED.covariance(np.eye(ITEMS)), FITTED.mean
    gains = {
        (i, j): float(
            information(FITTED, mean[i] - mean[j], covariance[i, i] + covariance[j, j] - 2 * covariance[i, j])
        )
        for i in range(ITEMS)
        for j in range(i)
    }
    [pair] = informative_pairs(FITTED, np.eye(ITEMS), 1, np.random.default_rng(0))
    assert gains[max(pair), min(pair)] == pytest.approx(max(gains.values()))


def test_no_pair_comes_twice_and_both_sides_come_first() -> None:
    rng = np.random.default_rng(0)
    every = informative_pairs(FITTED, np.eye(ITEMS), 1_000, rng)
    assert len(every) == len({frozenset(pair) for pair in every}) == ITEMS * (ITEMS - 1) // 2
    assert 0.2 < np.mean([pair.first < pair.second for pair in every]) < 0.8


def test_a_batch_is_spread_over_the_items() -> None:
    """Chosen as though those before had been answered: not five times around one item nobody has seen."""
    rows = np.zeros((20, ITEMS))
    rows[:, 0], rows[:, 1] = 1.0, -1.0  # six items were never compared
    lopsided = fit_preference(Comparisons(rows, [1] * 20))
    pairs = informative_pairs(lopsided, np.eye(ITEMS), 3, np.random.default_rng(0))
    assert len({item for pair in pairs for item in pair}) == 6


def test_the_numbers_of_the_items_are_irrelevant() -> None:
    order = np.random.default_rng(3).permutation(ITEMS)
    straight = informative_pairs(FITTED, np.eye(ITEMS), 5, np.random.default_rng(0))
    mixed = informative_pairs(FITTED, np.eye(ITEMS)[order], 5, np.random.default_rng(0))
    assert [frozenset(pair) for pair in straight] == [frozenset(order[list(pair)].tolist()) for pair in mixed]


def test_only_allowed_pairs_are_given() -> None:
    allowed = [(0, 1), (2, 3), (4, 5)]
    found = informative_pairs(FITTED, np.eye(ITEMS), 9, np.random.default_rng(0), allowed)
    assert {tuple(sorted(pair)) for pair in found} == set(allowed)


def test_many_items_are_sampled() -> None:
    many = 500
    rows = np.zeros((many, many))
    for i in range(many):
        rows[i, i], rows[i, (i + 1) % many] = 1.0, -1.0
    found = informative_pairs(
        fit_preference(Comparisons(rows, [1] * many), judges_model="none"), np.eye(many), 5, np.random.default_rng(0)
    )
    assert len(set(found)) == 5
    assert max(max(pair) for pair in found) < many


def test_a_tour_compares_every_item_twice_and_connects_all() -> None:
    tour = random_pairs(7, 7, np.random.default_rng(0))
    assert np.bincount(np.array(tour).ravel(), minlength=7).tolist() == [2] * 7
    reached, before = {0}, 0
    while len(reached) > before:
        before = len(reached)
        reached |= {item for pair in tour if reached & set(pair) for item in pair}
    assert len(reached) == 7
    assert random_pairs(2, 3, np.random.default_rng(0))[0] in (Comparable(0, 1), Comparable(1, 0))
    assert random_pairs(5, 0, np.random.default_rng(0)) == []


def test_bad_input_is_named() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="at least two"):
        random_pairs(1, 1, rng)
    with pytest.raises(ValueError, match="items has shape"):
        informative_pairs(FITTED, np.eye(3), 1, rng)
    for wrong in ([(0, 0)], [(0, ITEMS)], [(-1, 2)]):
        with pytest.raises(ValueError, match="allowed holds a pair"):
            informative_pairs(FITTED, np.eye(ITEMS), 1, rng, wrong)


# -- what it pays ----------------------------------------------------------------------------------------------------


def test_judges_who_always_click_left_cost_little() -> None:
    """The benchmark's crowd, twelve seeds of it: a model of the judges against plain Bradley–Terry."""
    crowds = [drawn(seed, 480) for seed in SEEDS[:12]]
    aware = [crowd.tau(crowd.fit().mean) for crowd in crowds]
    plain = [crowd.tau(crowd.fit(aware=False).mean) for crowd in crowds]
    assert np.mean(aware) > 0.77 > np.mean(plain)
    assert paired_p(aware, plain) < 0.01


@pytest.mark.slow
def test_chosen_pairs_rank_better_than_random_ones() -> None:
    active = [(crowd := chosen(seed, 240)).tau(crowd.fit().mean) for seed in SEEDS[:20]]
    random = [(crowd := drawn(seed, 240)).tau(crowd.fit().mean) for seed in SEEDS[:20]]
    assert paired_p(active, random) < 0.05
