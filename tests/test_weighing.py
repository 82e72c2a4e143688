"""The rules that the benchmark compares: weights on the simplex, in the models' order, from the past alone."""

from __future__ import annotations

import numpy as np
import pytest

from bench.weighing import RULES, Past, Rule, _weekly, scored


def _past(order: list[int]) -> Past:
    rng = np.random.default_rng(0)
    happened = [rng.uniform(20.0, 60.0, (3, 2)) for _ in range(10)]
    quantiles = []
    for y in happened:
        spread = np.linspace(-8.0, 8.0, 23)[:, None, None]
        quantiles.append(np.stack([y + rng.normal(0.0, 4.0, y.shape) + off + spread for off in (0.0, 6.0, -12.0)]))
    return Past([np.maximum(q[order], 0.0) for q in quantiles], happened, np.arange(10.0, 0.0, -1.0))


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_weights_are_shares_and_follow_the_models(rule: Rule) -> None:
    found = rule(_past([0, 1, 2]), 3)
    assert found.sum() == pytest.approx(1.0)
    assert found.min() >= 0.0
    assert rule(_past([2, 0, 1]), 3) == pytest.approx(found[[2, 0, 1]], abs=1e-6)
    assert found[0] >= found[2] - 1e-12  # the first is right, the last furthest off


def test_a_week_that_was_corrected_downwards_repeats_the_one_before() -> None:
    totals = np.zeros((29, 1))
    totals[7:, 0] += 100.0
    totals[14:, 0] += 50.0
    totals[21:, 0] -= 70.0
    totals[28:, 0] += 30.0
    assert _weekly(totals)[:, 0].tolist() == [100.0, 50.0, 50.0, 30.0]


def test_the_flat_line_has_a_share_of_one() -> None:
    rng = np.random.default_rng(1)
    y = rng.uniform(20.0, 60.0, (60, 2))
    made = {row: np.sort(rng.uniform(0.0, 90.0, (2, 23, 4, 2)), axis=1) for row in range(12, 57)}
    found = scored(made, y, ["other", "flat line"])
    assert found["alone: flat line"] == pytest.approx([1.0] * len(found["the median"]))
    assert all(np.isfinite(share).all() for share in found.values())
