"""Families whatever the unit: laws of their default priors, and priors that lie outside a parameter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imitative.beliefs.config import load_belief
from imitative.beliefs.forecasting import forecast
from imitative.beliefs.induction import believe
from imitative.errors import InputError
from imitative.families.family import Observed, Options, Spoken, read_prior
from imitative.families.registry import family
from imitative.hypotheses.belief import Parameter
from imitative.search.exact import ExactPosterior, exact_posterior
from imitative.search.target import Target

pytest.importorskip("numpyro")

HORIZON = 12


def fitted(name: str, data: Observed, **options: Any) -> tuple[Any, ExactPosterior, dict[str, tuple[float, float]]]:
    """The model, its posterior, and each parameter's mean and standard deviation."""
    built = family(name)(data, Options(options), {})
    target = Target(built.model, {}, batch=built.batch, name=name)
    names = [site.name for site in target.sites for _ in range(site.numbers)]
    found = exact_posterior(target, names, keep_unidentified=True)
    means, sds = found.means.tolist(), found.sds.tolist()
    return built.model, found, {n: (m, s) for n, m, s in zip(names, means, sds, strict=True)}


def series(rows: int = 60, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=rows)
    y = np.zeros(rows)
    for t in range(1, rows):
        y[t] = 0.5 * y[t - 1] + noise[t]
    return y


@pytest.mark.parametrize(
    ("name", "options"),
    [("structural", {"trend": False}), ("structural", {}), ("ar", {"lags": 1}), ("arma", {})],
)
def test_a_posterior_in_another_unit_is_the_same_posterior(name: str, options: dict[str, Any]) -> None:
    """log p(D, u) differs by one constant, the unit's own, wherever the prior has u."""
    heights = []
    for scale in (1.0, 1e-8):
        built = family(name)(Observed(scale * (3.0 + series())), Options(options), {})
        target = Target(built.model, {}, batch=built.batch, name=name)
        heights.append(target.heights(target.prior_draws(64, 0)).log_joint)
    assert np.isfinite(heights[0]).all()
    assert np.ptp(heights[0]) > 100.0
    assert np.ptp(heights[1] - heights[0]) < 1e-9 * np.ptp(heights[0])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), [("structural", {"trend": False}), ("ar", {"lags": 1})])
def test_a_forecast_in_another_unit_is_the_same_forecast(name: str, options: dict[str, Any]) -> None:
    y = 3.0 + series()
    quantiles = []
    for scale in (1.0, 1e-8):
        model, posterior, _ = fitted(name, Observed(scale * y), **options)
        quantiles.append(forecast(model, posterior, HORIZON).quantiles((0.05, 0.5, 0.95)) / scale)
    width = float(np.ptp(quantiles[0], axis=0).mean())
    assert np.abs(quantiles[0] - quantiles[1]).max() < 0.15 * width


def test_a_line_through_years_is_least_squares() -> None:
    rng = np.random.default_rng(0)
    year = np.arange(1990.0, 2024.0)
    y = 100.0 + 2.0 * (year - 1990.0) + rng.normal(size=len(year))
    new = np.array([[2030.0]])
    model, posterior, said = fitted("linear", Observed(y, x=year[:, None], x_new=new, columns=("year",)))
    slope, at_zero = np.polyfit(year, y, 1)
    assert said["the effect of year"][0] == pytest.approx(slope, abs=0.005)
    assert said["the noise"][0] == pytest.approx(1.0, abs=0.3)
    ahead = forecast(model, posterior, 1).quantiles((0.5,))
    assert float(ahead.reshape(-1)[0]) == pytest.approx(at_zero + 2030.0 * slope, abs=0.3)


def test_odds_of_an_income_in_thousands_are_the_same_as_of_the_same_income_about_its_mean() -> None:
    rng = np.random.default_rng(1)
    income = rng.uniform(20_000.0, 90_000.0, 300)
    y = (rng.random(300) < 1.0 / (1.0 + np.exp(-(income - 50_000.0) / 8_000.0))).astype(float)
    effects = [
        fitted("generalised-linear", Observed(y, x=x[:, None], columns=("income",)), answer="bernoulli")[2]
        for x in (income, income - income.mean())
    ]
    (first, sd), (second, _) = (each["the effect of income"] for each in effects)
    assert first == pytest.approx(second, abs=0.3 * sd)


@pytest.mark.parametrize("name", ["ar", "arma"])
def test_what_a_series_is_pulled_by_does_not_depend_on_where_it_stands(name: str) -> None:
    y = series(200)
    pulls = [fitted(name, Observed(y + far))[2]["the pull of 1 step ago"] for far in (0.0, 1000.0)]
    assert pulls[0][0] == pytest.approx(pulls[1][0], abs=0.4 * pulls[0][1])


@pytest.mark.parametrize("name", ["linear", "ar", "arma", "structural"])
def test_what_never_changed_is_refused(name: str) -> None:
    same = Observed(np.full(20, 7.0))
    if name == "linear":
        same = Observed(same.y, x=np.arange(20.0)[:, None], columns=("x",))
    with pytest.raises(InputError, match="the same number \\(7\\) in all 20 rows"):
        family(name)(same, Options({}), {})


def test_data_without_any_error_are_told() -> None:
    built = family("structural")(Observed(np.arange(24.0)), Options({}), {})
    target = Target(built.model, {}, batch=built.batch, name="ramp")
    with pytest.raises(InputError, match=r"ramp: found (no curvature|a posterior that failed its checks)"):
        exact_posterior(target, [site.name for site in target.sites])


SPREAD = Parameter("the noise", lower=0.0)
SHARE = Parameter("the share", lower=0.0, upper=1.0)


@pytest.mark.parametrize(
    ("prior", "of"),
    [
        ("uniform(-4, -1)", SPREAD),
        ("between -5 and 3", SPREAD),
        ("between -1 and 3, most likely 1", SPREAD),
        ("between 0 and 2", SHARE),
        ("gamma(2, 1)", SHARE),
        ("about 0.3, give or take a factor of 2", SHARE),
        ("gamma(2, 1)", Parameter("the effect", lower=4.0)),
        ("student-t(3, 1, 2)", SPREAD),
    ],
)
def test_a_prior_outside_its_parameter_is_refused(prior: str, of: Parameter) -> None:
    with pytest.raises(InputError, match="it reaches from"):
        read_prior(prior, of)


def test_the_ends_of_a_uniform_stand_in_their_order() -> None:
    with pytest.raises(InputError, match="the lower end comes first"):
        read_prior("uniform(2, 1)", Parameter("the effect"))


@pytest.mark.parametrize("prior", ["student-t(3, 0, 2.5)", "normal(0, 1)", "about 1, give or take 2", "half-cauchy(2)"])
def test_draws_of_a_prior_are_where_the_parameter_is(prior: str) -> None:
    import jax

    for of in (SPREAD, Parameter("a", lower=0.0)):
        draws = np.asarray(read_prior(prior, of).sample(jax.random.PRNGKey(0), (2000,)))
        assert draws.min() >= 0.0


def problem(folder: Path, more: str, model: str = 'family = "linear"') -> Path:
    rng = np.random.default_rng(0)
    x = rng.normal(size=40)
    rows = [f"{a:.6f},{3 * a + 0.3 * e:.6f}" for a, e in zip(x, rng.normal(size=40), strict=True)]
    (folder / "d.csv").write_text("x,y\n" + "\n".join(rows) + "\n")
    (folder / "problem.toml").write_text(
        '[problem]\nname = "line"\nquestion = "How much?"\n[space]\nkind = "belief"\n'
        f'[model]\n{model}\n[labelled]\nfile = "d.csv"\nvalue = "y"\nexplained_by = ["x"]\n{more}'
    )
    return folder / "problem.toml"


def test_the_ends_that_are_stated_hold(tmp_path: Path) -> None:
    stated = '[parameters."the effect of x"]\nlower = 3.5\nprior = "about 5, give or take 1"\n'
    believed = believe(load_belief(problem(tmp_path, stated)))
    place = [each.parameter.name for each in believed.problem.built.parameters].index("the effect of x")
    assert believed.posterior.theta[:, place].min() >= 3.5
    with pytest.raises(InputError, match="lower -inf and upper -1; expected numbers from 0"):
        load_belief(problem(tmp_path, '[parameters."the noise"]\nupper = -1\n'))


def test_a_model_of_ones_own_keeps_its_own_priors(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import numpyro\nimport numpyro.distributions as dist\n\n"
        "def model(data, horizon=0):\n"
        '    m = numpyro.sample("m", dist.Normal(0.0, 10.0))\n'
        '    numpyro.sample("y", dist.Normal(m, 2.0), obs=data["y"])\n'
    )
    file = problem(tmp_path, '[parameters.m]\nsentence = "what it is about"\n', 'function = "mine.py:model"')
    loaded = load_belief(file)
    believed = believe(loaded)
    variance = 1.0 / (1.0 / 100.0 + len(loaded.y) / 4.0)
    assert believed.posterior.means[0] == pytest.approx(variance * loaded.y.sum() / 4.0, abs=0.02)
    assert Spoken(loaded.built.parameters[0].parameter, "") == loaded.built.parameters[0]
