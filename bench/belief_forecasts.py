"""Forecasts on real data: deaths in 14 countries in April 2020, and weekly influenza admissions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.figure import Bench, Row
from imitative.belief_config import load_belief
from imitative.believing import believe, names_of
from imitative.families.family import Observed, Options
from imitative.families.growth import growth
from imitative.forecasting import LEVELS, assessed, flat_line, forecast, wis
from imitative.rows import Source
from imitative.search.exact import ExactPosterior, exact_posterior
from imitative.search.gradient import Fitted, Gaussian
from imitative.search.target import Target, load_jax
from imitative.series_reading import read_series

EXAMPLES = Path(__file__).parent.parent / "examples"
HORIZON = 4
FIRST = 20
"""Weeks of history before the first origin."""
REFIT = 8
"""Weeks between fits: a forecast uses the newest posterior fitted on no week after its origin."""


def epidemics(bench: Bench) -> Iterator[Row]:
    """Every known day of April: coverage, and WIS beside three baselines on the same rows."""
    problem = load_belief(EXAMPLES / "epidemics" / "problem.toml", bench.data)
    believed = believe(problem, tell=bench.say)
    assert problem.truth is not None
    found = forecast(believed.prior, believed.posterior, len(problem.ahead))
    scores = assessed(found, problem.truth)
    bench.say(believed.space.show(believed.readable.belief))
    detail: dict[str, Any] = {**scores, "belief": believed.space.show(believed.readable.belief).splitlines()}
    detail |= {"words lose": believed.readable.loss, **believed.posterior.diagnostics}
    inside = scores["coverage"]["90%"]
    yield Row("epidemics: 90 % intervals cover D′", inside, "0.85 to 0.95", 0.85 <= inside <= 0.95, detail)
    known = np.isfinite(problem.truth)
    for name, other in _baselines(problem.y, len(problem.ahead)).items():
        theirs = float(wis(other, problem.truth)[known].mean())
        yield Row(
            f"epidemics: WIS, share of {name}", scores["wis"] / theirs, "< 1", scores["wis"] < theirs,
            {"ours": scores["wis"], "theirs": theirs},
        )  # fmt: skip


def _baselines(y: Any, horizon: int) -> dict[str, Any]:
    """Quantiles (levels, H, countries) of three forecasters fitted to each country's own series."""
    shape = (len(LEVELS), horizon, y.shape[1])
    found = {"exponential growth": np.zeros(shape), "log-linear trend": np.zeros(shape), "AutoETS": np.zeros(shape)}
    for m in range(y.shape[1]):
        series = y[np.isfinite(y[:, m]), m]
        ends = np.concatenate([[-1.0], series])
        series = np.maximum(ends[1:], 0.0)
        found["exponential growth"][:, :, m] = _log_line(series, 7, horizon)
        found["log-linear trend"][:, :, m] = _log_line(series, len(series), horizon)
        found["AutoETS"][:, :, m] = _ets(series, horizon)
    return found


def _log_line(series: Any, last: int, horizon: int) -> Any:
    """A line through log(deaths + 1) of the last days, with its prediction interval: growth at a constant rate."""
    from scipy import stats

    z = np.log(series[-last:] + 1.0)
    t = np.arange(len(z), dtype=float)
    design = np.stack([np.ones_like(t), t], axis=1)
    beta, *_ = np.linalg.lstsq(design, z, rcond=None)
    freedom = max(len(z) - 2, 1)
    s2 = float(((z - design @ beta) ** 2).sum()) / freedom
    new = np.stack([np.ones(horizon), len(z) + np.arange(horizon, dtype=float)], axis=1)
    spread = np.sqrt(s2 * (1.0 + np.einsum("hi,ij,hj->h", new, np.linalg.inv(design.T @ design), new)))
    quantiles = stats.t.ppf(np.array(LEVELS)[:, None], freedom)
    return np.maximum(np.exp(np.minimum(new @ beta + quantiles * spread, 50.0)) - 1.0, 0.0)


def _ets(series: Any, horizon: int) -> Any:
    """statsforecast's AutoETS; its normal intervals as quantiles."""
    from scipy import stats
    from statsforecast.models import AutoETS

    model = AutoETS(season_length=1).fit(series.astype(float))
    told = model.predict(h=horizon, level=[90])
    middle = np.asarray(told["mean"])
    sd = (np.asarray(told["hi-90"]) - middle) / stats.norm.ppf(0.95)
    return np.maximum(middle + stats.norm.ppf(np.array(LEVELS))[:, None] * sd, 0.0)


def influenza(bench: Bench) -> Iterator[Row]:
    """WIS of the `growth` family, as in examples/influenza, beside the flat line, over rolling weekly origins."""
    load_jax()
    file = bench.data / "influenza" / "hospital-admissions-to-2023-09.csv"
    read = read_series(
        Source(file), value="value", day="date", group="location_name", until=None, horizon=0, unit="admissions"
    )
    y, groups = read.observed.y, read.observed.groups
    ours, theirs, inside = [], [], []
    posterior: ExactPosterior | None = None
    for origin in range(FIRST, len(y) - HORIZON):
        if posterior is None or (origin - FIRST) % REFIT == 0:
            posterior = _fitted(y[: origin + 1], groups)
            bench.say(f"fitted on weeks to {read.labels[origin]}")
        built = growth(Observed(y[: origin + 1], groups=groups), Options({"whole": "US"}), {})
        target = Target(built.model, {}, batch=built.batch)
        found = forecast(built.model, _moved(target, posterior), HORIZON, seed=origin, most=1000)
        truth = y[origin + 1 : origin + 1 + HORIZON]
        scores = assessed(found, truth)
        ours.append(scores["wis_by_horizon"])
        theirs.append(assessed(flat_line(y[: origin + 1], HORIZON, seed=origin), truth)["wis_by_horizon"])
        inside.append(scores["coverage"]["90%"])
    a, b = np.array(ours, dtype=float), np.array(theirs, dtype=float)
    share = float(a.mean() / b.mean())
    detail = {
        "ours": float(a.mean()), "flat line": float(b.mean()), "by horizon": (a.mean(axis=0) / b.mean(axis=0)).tolist(),
        "origins": len(a), "90 % intervals cover": float(np.mean(inside)), "weeks between fits": REFIT,
        "geometric mean over origins": float(np.exp(np.mean(np.log(a.mean(axis=1) / b.mean(axis=1))))),
    }  # fmt: skip
    yield Row("influenza: WIS, share of the flat line's", share, "≤ 0.75", share <= 0.75, detail)


def _fitted(y: Any, groups: tuple[str, ...]) -> ExactPosterior:
    built = growth(Observed(y, groups=groups), Options({"whole": "US"}), {})
    target = Target(built.model, {}, batch=built.batch, name="influenza")
    return exact_posterior(target, names_of(target))


def _moved(target: Target, posterior: ExactPosterior) -> ExactPosterior:
    """The same draws, for the model on more weeks."""
    u = posterior.u[:1000]
    nobody = Fitted(Gaussian(u.mean(axis=0), np.eye(u.shape[1])), 0.0, 0.0)
    return ExactPosterior(target, u, u, u.mean(axis=0), u.std(axis=0), 0.0, 0.0, "kept", nobody)
