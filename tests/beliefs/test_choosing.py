"""Weighing forecasts by their past: laws of the weights, and that nothing after a row enters its forecast."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from imitative.beliefs.choosing import EARLIEST, Chooser, Flat, Forecaster, Growing, least
from imitative.beliefs.config import load_belief
from imitative.beliefs.forecasting import LEVELS, Forecast, flat_line, wis
from imitative.beliefs.running import again, run_belief
from imitative.errors import InputError
from imitative.families.family import Observed, Options
from imitative.families.growth import Settings, growth, looked_ahead, now_of

pytest.importorskip("numpyro")


def _series(rows: int = 24, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    wave = 40.0 * np.exp(np.sin(np.arange(rows) / 4.0))[:, None] * np.array([1.0, 2.0, 0.5])
    return np.asarray(rng.poisson(wave), dtype=float)


def test_the_weights_are_those_of_least_wis() -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(size=400)
    spread = np.array([-1.2816 + 2.5631 * k / 22 for k in range(23)])[:, None]
    right, wide, off = spread + 0 * y, 3 * spread + 0 * y, spread + 2.0 + 0 * y
    found = least(np.stack([right, wide, off]), y, steps=400)
    assert found.sum() == pytest.approx(1.0)
    assert found.min() >= 0

    def loss(w: np.ndarray) -> float:
        return float(wis(np.tensordot(w, np.stack([right, wide, off]), axes=1), y).mean())

    for other in rng.dirichlet(np.ones(3), 200):
        assert loss(found) <= loss(other) + 2e-3
    assert found[2] < 0.02


def test_permuting_the_models_permutes_the_weights() -> None:
    rng = np.random.default_rng(2)
    q = np.sort(rng.normal(size=(4, 23, 60)), axis=1) + np.arange(4)[:, None, None]
    y = rng.normal(size=60)
    order = [2, 0, 3, 1]
    assert least(q[order], y) == pytest.approx(least(q, y)[order])


def test_no_forecast_knows_what_came_after_it() -> None:
    y = _series()
    other = y.copy()
    other[18:] = 1e4
    found = []
    for data in (y, other):
        models: dict[str, Forecaster] = {
            "own": Growing(("a", "b", "c"), {"features": ["own"], "steps": 2}, 2),
            "flat": Flat(2),
        }
        chooser = Chooser(models, 2)
        if data is other:
            chooser(data)  # a later forecast made first must not change an earlier one
        found.append((chooser(data[:18]), chooser.weights(data[:18])))
    assert np.array_equal(found[0][0], found[1][0])
    assert np.array_equal(found[0][1], found[1][1])


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_a_season_of_zeros_makes_no_forecast_of_millions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    season = np.concatenate([60.0 * np.exp(-((np.arange(14) - 6.0) ** 2) / 8.0), np.full(26, 0.03)])
    y = rng.poisson(season[:, None] * np.array([1.0, 0.5, 2.0, 0.2])).astype(float)
    quiet = Forecast(Growing(("a", "b", "c", "d"), {"steps": 4}, 4).draws(y)).quantiles((0.5, 0.99))
    assert quiet[0].max() <= 1.0
    assert quiet[1].max() <= y.max()


def test_before_there_is_a_past_every_model_weighs_the_same() -> None:
    chooser = Chooser({"one": Flat(2), "two": Flat(2)}, 2)
    assert chooser.weights(_series()[: EARLIEST + 2]).tolist() == [0.5, 0.5]


def test_one_model_alone_is_itself() -> None:
    y = _series()
    chooser = Chooser({"flat": Flat(3)}, 3)
    assert chooser(y) == pytest.approx(flat_line(y, 3, seed=len(y), draws=1000).quantiles(LEVELS))
    assert Forecast(chooser.draws(y)).quantiles() == pytest.approx(chooser(y))


@pytest.mark.parametrize("features", [[], ["own"], ["own", "pull"], ["own", "whole", "pull", "whole's pull"]])
def test_every_choice_of_features_is_a_model_that_looks_ahead(features: list[str]) -> None:
    y = _series()
    options = {"features": features, "steps": 3}
    built = growth(Observed(y, groups=("a", "b", "c")), Options(options), {})
    assert len(built.parameters) == 6 + len(Settings.read(Options(options)).coefficients) - 1
    found = Forecast(Growing(("a", "b", "c"), options, 3).draws(y)).quantiles()
    assert found.shape == (23, 3, 3)
    assert (np.diff(found, axis=0) >= 0).all()
    assert (found >= 0).all()


def test_without_noise_growth_carries_over_as_the_formula_says() -> None:
    y = np.array([[10.0], [10.0], [20.0]]) * np.ones((1, 2))
    chosen = Settings.read(Options({"features": ["own"], "steps": 2}))
    value = {
        "the drift": 0.1, "the carry-over": 0.5, "the older carry-over": 0.0, "the damping": 0.8,
        "the noise": 0.2, "the counting noise": 1.0, "the spread": 0.7, "the tails": 5.0,
    }  # fmt: skip
    ahead = np.asarray(looked_ahead(value, chosen, now_of(y, ("a", "b"), chosen), np.zeros(2), 2))
    growth_now = 0.1 + 0.5 * np.log(21.0 / 11.0)
    assert ahead[0] == pytest.approx(21.0 * np.exp(growth_now) - 1.0)
    assert ahead[1] == pytest.approx(21.0 * np.exp(1.8 * growth_now) - 1.0)


PROBLEM = """
[problem]
name = "three"
question = "How many come in the next weeks?"
[space]
kind = "belief"
[model]
family = "growth"
features = ["own"]
steps = 2
[labelled]
file = "three.csv"
date = "date"
group = "place"
until = "2022-06-05"
[unlabelled]
horizon = 2
weighed = true
"""


def _write(folder: Path, problem: str) -> Path:
    rows = ["date,place,value"]
    for t, row in enumerate(_series(24)):
        day = date(2022, 1, 2) + timedelta(weeks=t)
        rows += [f"{day},{name},{value:g}" for name, value in zip("abc", row, strict=True)]
    (folder / "three.csv").write_text("\n".join(rows) + "\n", "utf-8")
    (folder / "problem.toml").write_text(problem, "utf-8")
    return folder / "problem.toml"


@pytest.mark.slow
def test_a_run_forecasts_with_the_weights_and_says_them(tmp_path: Path) -> None:
    problem = load_belief(_write(tmp_path, PROBLEM))
    result = run_belief(problem, tmp_path / "run")
    assert any("weighed by how each did" in note for note in result["notes"])
    assert problem.weighed is not None
    chooser = problem.weighed(2)
    told = np.array(result["forecast"]["quantiles"]["0.5"])  # (groups, steps)
    assert pytest.approx(Forecast(chooser.draws(problem.y)).quantiles([0.5])[0]) == told.T
    longer, _ = again(load_belief(tmp_path / "problem.toml", horizon=3), tmp_path / "run", 3, 0)
    assert longer.draws.shape[1:] == (3, 3)


def test_only_growth_is_weighed(tmp_path: Path) -> None:
    text = PROBLEM.replace('"growth"', '"structural"').replace('features = ["own"]\nsteps = 2\n', "")
    path = _write(tmp_path, text.replace('group = "place"', 'where = { place = "a" }'))
    with pytest.raises(InputError, match=r"unlabelled\.weighed"):
        load_belief(path)


def test_a_feature_there_is_none_of_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'whole'"):
        load_belief(_write(tmp_path, PROBLEM.replace('["own"]', '["hole"]')))
