"""A mean corrected by a few: it covers the truth whatever the model does, and gains where the model is right."""

from __future__ import annotations

import numpy as np
import pytest

from imitative.prediction_powered import corrected_mean


def draw(rng: np.random.Generator, n: int, many: int, share: float, wrong: float) -> tuple[np.ndarray, ...]:
    y = rng.random(n + many) < share
    f = np.where(rng.random(n + many) < wrong, 1, y)  # wrong in one direction
    return y[:n], f[:n], f[n:]


@pytest.mark.parametrize(("share", "wrong", "n"), [(0.8, 0.2, 20), (0.95, 0.2, 20), (0.5, 0.5, 40), (0.9, 0.0, 15)])
def test_the_interval_covers(share: float, wrong: float, n: int) -> None:
    rng = np.random.default_rng(3)
    found = [corrected_mean(*draw(rng, n, 300, share, wrong)) for _ in range(600)]
    covered = np.mean([each.low <= share <= each.high for each in found])
    assert covered >= 0.93  # 95 % less 2 standard errors of 600 runs
    assert np.mean([each.value for each in found]) == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize(("n", "many"), [(200, 200), (200, 100)])
def test_the_interval_covers_where_people_judge_as_many_as_the_model_alone(n: int, many: int) -> None:
    """What people and the model both judged is no part of what the model judged alone."""
    rng = np.random.default_rng(7)
    found = [corrected_mean(*draw(rng, n, many, 0.5, 0.0)) for _ in range(1000)]
    assert np.mean([each.low <= 0.5 <= each.high for each in found]) >= 0.935  # 95 % less 2 standard errors


def test_a_model_that_is_right_narrows_the_interval_and_a_useless_one_hardly_widens_it() -> None:
    rng = np.random.default_rng(0)
    widths: dict[str, list[float]] = {"right": [], "useless": [], "alone": []}
    for _ in range(100):
        y = (rng.random(1060) < 0.6).astype(float)
        noise = (rng.random(1060) < 0.6).astype(float)
        for name, f, rest in (("right", y, y[60:]), ("useless", noise, noise[60:]), ("alone", y, y[:0])):
            found = corrected_mean(y[:60], f[:60], rest)
            widths[name].append(found.high - found.low)
    means = {name: float(np.mean(each)) for name, each in widths.items()}
    assert means["right"] < 0.7 * means["alone"]
    assert means["useless"] < 1.1 * means["alone"]


def test_without_a_model_it_is_the_mean_of_people() -> None:
    found = corrected_mean([1, 0, 1, 1], [0, 0, 0, 0], [])
    assert found.value == 0.75
    assert (found.many, found.slope) == (0, 0.0)


def test_agreement_on_everything_is_no_certainty() -> None:
    found = corrected_mean([1] * 10, [1] * 10, [1] * 500)
    assert found.high == 1.0
    assert found.low < 0.95


def test_too_few_are_refused() -> None:
    with pytest.raises(ValueError, match="two at least"):
        corrected_mean([1], [1], [1, 1])
