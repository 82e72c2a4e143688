"""Forecasts on real data: deaths in 14 countries in April 2020, and weekly influenza admissions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.figure import Bench, Row
from imitative.beliefs.choosing import CANDIDATES, Chooser, Flat, Growing
from imitative.beliefs.config import load_belief
from imitative.beliefs.forecasting import LEVELS, assessed, forecast, wis
from imitative.beliefs.induction import believe
from imitative.beliefs.reading import read_series
from imitative.rows import Source
from imitative.search.target import load_jax

EXAMPLES = Path(__file__).parent.parent / "examples"
HORIZON = 4
FIRST = 20
"""Weeks of history before the first origin."""
CHOSEN = "everything"
"""Of `choosing.CANDIDATES`, what did best on another country's influenza (docs/decisions/0019)."""


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
    """WIS beside the flat line at every weekly origin, by the model that did best on other series (`weighing`)."""
    load_jax()
    file = bench.data / "influenza" / "hospital-admissions-to-2023-09.csv"
    read = read_series(
        Source(file), value="value", day="date", group="location_name", until=None, horizon=0, unit="admissions"
    )
    y, groups = read.observed.y, read.observed.groups
    options = {"whole": "US", "steps": HORIZON, **CANDIDATES[CHOSEN]}
    chooser = Chooser(
        {CHOSEN: Growing(groups, options, HORIZON), "flat line": Flat(HORIZON)},
        HORIZON,
        tell=lambda said: bench.say(said),
    )
    ours, flat, inside = [], [], []
    for known in range(FIRST, len(y) - HORIZON + 1):
        truth = y[known : known + HORIZON]
        found, line = chooser.made(y[:known])
        ours.append(wis(found, truth).mean(axis=1))
        flat.append(wis(line, truth).mean(axis=1))
        inside.append(float(np.mean((truth >= found[LEVELS.index(0.05)]) & (truth <= found[LEVELS.index(0.95)]))))
    a, b = np.array(ours), np.array(flat)
    share = float(a.mean() / b.mean())
    detail = {
        "model": CHOSEN, "ours": float(a.mean()), "flat line": float(b.mean()), "origins": len(a),
        "by horizon": (a.mean(axis=0) / b.mean(axis=0)).tolist(),
        "geometric mean over origins": float(np.exp(np.mean(np.log(a.mean(axis=1) / b.mean(axis=1))))),
        "90 % intervals cover": float(np.mean(inside)),
    }  # fmt: skip
    yield Row("influenza: WIS, share of the flat line's", share, "≤ 0.75", share <= 0.75, detail)
