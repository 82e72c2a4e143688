from __future__ import annotations

import asyncio
import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from imitative.beliefs import showing as belief_showing
from imitative.beliefs.config import load_belief
from imitative.beliefs.elicited import left_open
from imitative.beliefs.forecasting import Forecast, assessed, crps, flat_line, wis
from imitative.beliefs.induction import believe, names_of
from imitative.beliefs.prior import Elicitor, ask_prior
from imitative.beliefs.running import again, write_forecast
from imitative.beliefs.scoring import scored
from imitative.cli import app
from imitative.errors import InputError
from imitative.families.family import Observed, Options, Spoken, read_prior, settled
from imitative.families.registry import FAMILIES, family
from imitative.hypotheses.belief import BeliefSpace, Parameter
from imitative.hypotheses.sentences import completed
from imitative.overseers.believer import Believer
from imitative.records import Answer, Judgement, Kind, Outcome, Query
from imitative.search import gradient
from imitative.search.exact import exact_posterior
from imitative.search.gradient import Gaussian, full_rank, laplace, mixture, tops
from imitative.search.nuts import Chains, trouble
from imitative.search.target import Target
from imitative.search.weighting import bridged, smoothed
from tests.lines import PROBLEM, X, Y, write

SURE = """
[overseer]
kind = "simulated"
exact = true
believes = [
  "The intercept is about 1, give or take 1", "The effect of x is about 0.5, give or take 0.05",
  "The noise is about 0.5, give or take a factor of 1.5",
]
"""
OWN_OF_X = """
import numpyro
import numpyro.distributions as dist

def line(data, horizon=0):
    slope = numpyro.sample("the slope", dist.Normal(0.0, 5.0))
    noise = numpyro.sample("the noise", dist.HalfNormal(2.0))
    numpyro.sample("y", dist.Normal(1.0 + slope * data["x"][:, 0], noise), obs=data["y"])
    if horizon:
        numpyro.sample("forecast", dist.Normal(1.0 + slope * data["x_new"][:horizon, 0], noise))
"""
OWN = """
import numpyro
import numpyro.distributions as dist
import jax.numpy as jnp

def line(data, horizon=0):
    slope = numpyro.sample("the slope", dist.Normal(0.0, 5.0))
    noise = numpyro.sample("the noise", dist.HalfNormal(2.0))
    numpyro.sample("y", dist.Normal(slope * jnp.arange(len(data["y"])), noise), obs=data["y"])
    if horizon:
        numpyro.sample("forecast", dist.Normal(slope * (len(data["y"]) + jnp.arange(horizon)), noise))
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("line")
    path = write(folder)
    done = CliRunner().invoke(app, ["run", str(path), "--out", str(folder / "run")])
    assert done.exit_code == 0, done.output
    return folder, json.loads((folder / "run" / "result.json").read_text("utf-8"))


def test_a_run_says_what_it_believes_in_words(run: tuple[Path, dict[str, Any]]) -> None:
    _, result = run
    space = BeliefSpace(
        (Parameter("the intercept", "m"), Parameter("the effect of x"), Parameter("the noise", "m", lower=0.0))
    )
    z = space.read(result["hypothesis"])
    assert space.summary(z)[1][0] == pytest.approx(2.0, abs=0.3)
    assert -0.05 < result["words_lose"] < 1.0
    assert result["score"] <= result["log_evidence"] + 3 * result["score_error"]


def test_its_numbers_are_the_least_squares_ones(run: tuple[Path, dict[str, Any]]) -> None:
    _, result = run
    design = np.stack([np.ones_like(X), X], axis=1)
    fitted = np.linalg.lstsq(design, Y, rcond=None)[0]
    means = [p["mean"] for p in result["parameters"]]
    assert means[:2] == pytest.approx(fitted, abs=0.02)


def test_the_folder_holds_every_file(run: tuple[Path, dict[str, Any]]) -> None:
    folder, result = run
    for name in ("run.sqlite", "result.json", "hypothesis.md", "labels.csv", "report.html", "model.json"):
        assert (folder / "run" / name).stat().st_size > 0
    page = (folder / "run" / "report.html").read_text("utf-8")
    assert "<script" not in page
    assert result["sentences"][0]["text"] in page
    assert len((folder / "run" / "labels.csv").read_text("utf-8").splitlines()) == 4


def test_show_check_report_and_forecast_speak_of_it(run: tuple[Path, dict[str, Any]]) -> None:
    folder, result = run
    runner, at = CliRunner(), str(folder / "run")
    assert result["hypothesis"].splitlines()[0] in runner.invoke(app, ["show", at]).output
    assert "the effect of x" in runner.invoke(app, ["check", str(folder)]).output
    assert runner.invoke(app, ["report", at]).exit_code == 0
    told = runner.invoke(app, ["forecast", at, "--out", str(folder / "f.csv")])
    assert told.exit_code == 0, told.output
    assert "WIS" in told.output
    assert len((folder / "f.csv").read_text("utf-8").splitlines()) == 4


def test_no_series_and_no_date_is_a_formula(tmp_path: Path) -> None:
    problem = dataclasses.replace(load_belief(write(tmp_path)), ahead=("@now", "2031"), groups=("=A1", "north"))
    write_forecast(problem, Forecast(np.ones((10, 2, 2))), tmp_path / "f.csv")
    named = [line.split(",")[:2] for line in (tmp_path / "f.csv").read_text("utf-8").splitlines()[1:]]
    assert named == [["'@now", "'=A1"], ["2031", "'=A1"], ["'@now", "north"], ["2031", "north"]]


def test_the_forecast_shows_what_happened(run: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = run
    told = CliRunner().invoke(app, ["forecast", str(folder / "run")])
    for happened in ("1.1", "2.9", "−1.2"):
        assert happened in told.output


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
@pytest.mark.parametrize("size", [-1e12, 1e12, 123_456.0, 12.0, -2.3e-4, 3e-9])
@pytest.mark.parametrize("known", [False, True])
def test_every_number_of_a_forecast_is_shown_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    columns: int, size: float, known: bool,
) -> None:  # fmt: skip
    monkeypatch.setenv("COLUMNS", str(columns))
    days = ("2024-02-10", "2024-02-11", "2024-02-12")
    draws = size * (1.0 + 0.1 * np.random.default_rng(0).standard_normal((500, 3)))
    truth = size * np.array([1.0371, 0.9512, 1.0123]) if known else None
    belief_showing.forecast(
        dataclasses.replace(load_belief(write(tmp_path)), ahead=days, truth=truth), Forecast(draws), {}
    )
    shown = capsys.readouterr().out
    assert "…" not in shown
    rows = [line for line in shown.splitlines() if line.startswith("│")]
    assert max(map(len, rows)) <= max(columns, 66)  # four numbers of ten characters, and a date
    for h, (row, day) in enumerate(zip(rows, days, strict=True)):
        when, *cells = (cell.strip() for cell in row.strip("│").split("│"))
        levels = (0.05, 0.25, 0.5, 0.75, 0.95) if len(cells) >= 5 else (0.05, 0.5, 0.95)
        expected = [*np.quantile(draws[:, h], levels), *([] if truth is None else [truth[h]])]
        assert when == day
        assert [float(cell.replace("−", "-").replace(",", "")) for cell in cells] == pytest.approx(expected, rel=6e-4)


def test_a_belief_that_a_person_wrote_is_scored(run: tuple[Path, dict[str, Any]]) -> None:
    folder, result = run
    problem = load_belief(folder / "problem.toml")
    own = scored(problem, folder / "run", result["hypothesis"].splitlines())
    assert own.written.score == pytest.approx(result["score"], abs=5 * result["score_error"] + 0.05)
    assert own.written.score == own.own.score
    worse = scored(problem, folder / "run", ["the effect of x is about 1, give or take 0.2"])
    assert worse.said == ("the effect of x",)
    assert worse.written.loss > own.written.loss + 5
    vague = scored(problem, folder / "run", ["the effect of x is about 2, give or take 0.3"])
    assert own.written.loss < vague.written.loss < worse.written.loss


def test_what_is_left_unsaid_is_the_run_s_own() -> None:
    space = BeliefSpace((Parameter("a"), Parameter("b"), Parameter("c")))
    own = space.read(
        "a is about 1, give or take 1\nb is about 2, give or take 1\nc is about 3, give or take 1\n"
        "When a is high, b is larger\nWhen b is high, c is smaller"
    )
    z, said = completed(space, ["a is between 0 and 1."], own)
    assert said == ("a",)
    assert z.marginals[1:] == own.marginals[1:]
    assert [(d.first, d.second) for d in z.dependences] == [("b", "c")]
    z, said = completed(space, ["When a is high, c is larger"], own)
    assert said == ()
    assert z.marginals == own.marginals
    assert [(d.first, d.second) for d in z.dependences] == [("a", "c")]


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("the slope is about 2, give or take 1", "speaks of none of the parameters"),
        ("the noise is between -1 and 2", "reaches where"),
        ("the noise is about 2 km, give or take 1", "the unit"),
        ("the noise is loud", "none of"),
        ("the noise is about 1, give or take 1; the noise is about 2, give or take 1", "two sentences"),
    ],
)
def test_a_belief_that_cannot_be_read_is_one_line(run: tuple[Path, dict[str, Any]], sentence: str, told: str) -> None:
    folder, _ = run
    done = CliRunner().invoke(app, ["believe", str(folder / "run"), sentence])
    assert done.exit_code == 2
    assert told in " ".join(done.output.split())
    assert "Traceback" not in done.output


def test_the_command_line_scores_a_belief(run: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = run
    done = CliRunner().invoke(app, ["believe", str(folder / "run"), "the effect of x is about 2, give or take 0.1"])
    assert done.exit_code == 0, done.output
    assert "from the exact posterior" in done.output
    impossible = CliRunner().invoke(app, ["believe", str(folder / "run"), "the noise is between 0 and 1e-12"])
    assert impossible.exit_code == 0, impossible.output


def test_a_run_on_other_data_is_not_looked_ahead_with(run: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = run
    kept = (folder / "y.csv").read_text("utf-8")
    try:
        (folder / "y.csv").write_text(kept + "0.5,7.0\n", "utf-8")
        done = CliRunner().invoke(app, ["forecast", str(folder / "run")])
    finally:
        (folder / "y.csv").write_text(kept, "utf-8")
    assert done.exit_code == 2
    assert "other data" in done.output


@pytest.mark.parametrize("horizon", ["1", "3", "8"])
def test_a_horizon_is_refused_where_the_rows_of_a_file_are_forecast(
    run: tuple[Path, dict[str, Any]], horizon: str
) -> None:
    folder, _ = run
    done = CliRunner().invoke(app, ["forecast", str(folder / "run"), "--horizon", horizon])
    assert done.exit_code == 2
    assert "the rows of new.csv" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("family", "columns"), [("hierarchical-normal", '["sd"]'), ("mixture", "[]"), ("linear", "[]")]
)
def test_rows_that_nothing_explains_are_drawn_anew(tmp_path: Path, family: str, columns: str) -> None:
    import jax
    from numpyro import handlers

    text = (
        PROBLEM.replace('"linear"', f'"{family}"').replace('["x"]', columns).replace('file = "new.csv"', "horizon = 2")
    )
    path = write(tmp_path, text)
    rows = ["sd,y", *(f"0.5,{y:.6f}" for y in Y)]
    (tmp_path / "y.csv").write_text("\n".join(rows) + "\n", "utf-8")
    problem = load_belief(path)
    assert problem.ahead == ("1", "2")
    assert problem.across.kind == "rows"
    assert load_belief(path, horizon=5).ahead == ("1", "2", "3", "4", "5")
    seeded = handlers.seed(problem.built.model, jax.random.PRNGKey(0))
    assert handlers.trace(seeded).get_trace(horizon=2)["forecast"]["value"].shape == (2,)
    path.write_text(text.replace("horizon = 2", 'file = "new.csv"'), "utf-8")
    if columns == "[]":
        assert load_belief(path).ahead == ("1", "2", "3")


def test_nothing_is_forecast_without_rows_or_steps(tmp_path: Path) -> None:
    path = write(tmp_path, PROBLEM.replace('file = "new.csv"', ""))
    with pytest.raises(InputError, match="say how many"):
        again(load_belief(path), tmp_path / "run", 0, 0)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('file = "new.csv"', 'file = "new.csv"\nhorizon = 3'), r"unlabelled\.horizon.*the rows of new\.csv"),
        (('file = "new.csv"', "horizon = 3"), r"unlabelled\.horizon.*the rows that are to be forecast, with 'x'"),
        (('family = "linear"', 'family = "lineal"'), "did you mean 'linear'"),
        (('family = "linear"', 'family = "linear"\nslope = 1'), "the key 'slope'"),
        (('family = "linear"', ""), "a family, or a function"),
        (('family = "linear"', 'function = "../own.py:f"'), "the file beside problem.toml"),
        (('family = "linear"', 'function = "gone.py:f"'), "a file beside problem.toml"),
        (('value = "y"', 'value = "z"'), "'z'"),
        (("[unlabelled]", '[parameters."the noise"]\nprior = "flat"\n[unlabelled]'), "an improper prior"),
        (("[unlabelled]", '[parameters."the noise"]\nunit = "km"\n[unlabelled]'), "units disagree"),
        (
            ("[unlabelled]", '[parameters."the noise"]\nprior = "about 2 km, give or take 1"\n[unlabelled]'),
            "the unit “km”",
        ),
        (("[unlabelled]", '[parameters."the noise"]\nprior = "half-normal(-1)"\n[unlabelled]'), "above 0"),
        (
            ("[unlabelled]", "[parameters.R0]\nprior = 'normal(0, 1)'\n[unlabelled]"),
            "a parameter the model does not have",
        ),
        (("[space]", "[overseer]\nkind = 'simulated'\nbelieve = []\n[space]"), "did you mean 'believes'"),
        (
            ('value = "y"', 'value = "y"\ndate = "x"'),
            r"labelled\.explained_by: found 'x' with `date`.*leave it out, or",
        ),
        (('"linear"', '"ar"'), r"labelled\.explained_by: found 'x' with the family ar; .*leave it out$"),
        (('explained_by = ["x"]', 'date = "x"'), r"unlabelled\.file: found 'new\.csv'; .*`horizon`.*`until`"),
        (('explained_by = ["x"]', "until = '3'"), r"labelled\.until: found '3' with no `date`; .*leave it out"),
        (('explained_by = ["x"]', "group = 'x'"), r"labelled\.group: found 'x' with no `date`"),
        (('file = "new.csv"', "where = { x = 1 }"), r"unlabelled\.where: found no file; .*name it"),
    ],
)
def test_what_is_wrong_with_the_file_is_one_line(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    path = write(tmp_path, PROBLEM.replace(*change))
    with pytest.raises(InputError, match=told) as caught:
        load_belief(path)
    assert "\n" not in str(caught.value)


def _told_by_the_sure(tmp_path: Path) -> dict[str, Any]:
    """A run with somebody who is sure, and wrong, about the effect; done again, it ends the same."""
    path = write(tmp_path, PROBLEM.replace("[space]", SURE + "[space]"))
    results = []
    for _ in range(2):
        done = CliRunner().invoke(app, ["run", str(path), "--out", str(tmp_path / "run"), "--budget", "60"])
        assert done.exit_code == 0, done.output
        results.append(json.loads((tmp_path / "run" / "result.json").read_text("utf-8")))
    assert results[0]["hypothesis"] == results[1]["hypothesis"]
    return dict(results[0])


@pytest.mark.slow
def test_a_person_is_asked_within_the_budget_and_not_again(tmp_path: Path) -> None:
    result = _told_by_the_sure(tmp_path)
    assert 0 < sum(result["judgements"]["asked"].values()) == result["elicited"]["judgements"] <= 60


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_prior_of_a_person_overrules_the_family_s(tmp_path: Path, seed: int) -> None:
    """Thirty rows cannot move a prior of 0.05 as far as the evidence is."""
    path = write(tmp_path, PROBLEM.replace("[space]", SURE + "[space]"))
    found = believe(load_belief(path), seed=seed, budget=60)
    assert found.posterior.means[1] < 1.2


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(("sd", "seed"), [(0.05, 0), (0.05, 1), (0.05, 2), (0.1, 3), (0.1, 4), (12.0, 5)])
def test_a_prior_is_learned_however_narrow_or_wide(sd: float, seed: int, exact: bool) -> None:
    """Told apart from the start: the given prior is 5 wide; somebody a hundred times surer, or twice as vague."""
    space = BeliefSpace((Parameter("a"), Parameter("b"), Parameter("c", lower=0.0)))
    words = f"a is about 1, give or take 1.\nb is about 0.5, give or take {sd}.\n"
    believes = space.read(words + "c is about 0.5, give or take a factor of 1.5.")
    elicitor = Elicitor(space, np.array([1.0, 0.0, math.log(2.5)]), np.array([5.0, 5.0, 1.1]), seed=seed)
    person = Believer(space, believes, exact=exact, seed=seed)
    found = asyncio.run(ask_prior(elicitor, person, 60))
    mean = found.centre + found.scale * found.mean
    spread = found.scale * np.sqrt(np.diag(found.covariance))
    assert abs(mean[1] - 0.5) < 2.0 * sd
    assert 0.4 * sd < spread[1] < 2.5 * sd


@pytest.mark.parametrize("seed", range(8))
def test_nobody_is_thought_to_be_understood_at_the_end_of_what_is_looked_at(seed: int) -> None:
    """The first answers say *more*, and nothing of how much more: all densities they allow end at the same corner."""
    space = BeliefSpace((Parameter("m"),))
    elicitor = Elicitor(space, np.array([3.0]), np.array([3.0]), seed=seed)
    person = Believer(space, space.read("m is about 8, give or take 0.3."), seed=seed)
    found = asyncio.run(ask_prior(elicitor, person, 60))
    assert abs(float(found.centre[0] + found.scale[0] * found.mean[0]) - 8.0) < 0.6
    far = Elicitor(space, np.array([3.0]), np.array([0.3]), seed=seed)
    beyond = asyncio.run(ask_prior(far, person, 24))
    assert beyond.judgements == 24
    assert beyond.doubt == math.inf
    assert "state a wider one" in left_open(beyond.to_json()["doubt"])


def test_what_was_taken_back_leaves_no_trace() -> None:
    """The fit to some answers is the same whether or not others were heard in between."""
    space = BeliefSpace((Parameter("a"),))
    person = Believer(space, space.read("a is about 0.3, give or take 0.02."), exact=True)
    found = []
    for more in (False, True):
        elicitor = Elicitor(space, np.zeros(1), np.ones(1), seed=1)
        asyncio.run(ask_prior(elicitor, person, 6, enough=0.0))
        kept = list(elicitor.judged)
        if more:
            asyncio.run(ask_prior(elicitor, person, 24, enough=0.0))
            assert elicitor.focus.scale[0] < 0.1
        elicitor.judged[:] = kept[:4]
        found.append(elicitor.elicited())
    assert found[0].mean == pytest.approx(found[1].mean)
    assert found[0].scale == pytest.approx(found[1].scale)


def test_where_coordinates_stop_closing_in() -> None:
    """Answers that even the narrowest prior explains: no reason to look closer than they ask for."""
    space = BeliefSpace((Parameter("a"),))
    elicitor = Elicitor(space, np.zeros(1), np.ones(1))
    far, near = elicitor.show(np.array([2.0])), elicitor.show(np.array([0.0]))
    query = Query(Kind.COMPARE_HYPOTHESES, (near.text, far.text))
    for _ in range(3):
        elicitor.learn(Judgement(query, Answer(grade=1), "h", 0.0, 1.0), near, far)
    elicitor.fit()
    assert 0.2 < elicitor.focus.scale[0] <= 1.0


def test_a_function_of_one_s_own_is_run_from_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN, "utf-8")
    text = PROBLEM.replace('family = "linear"', 'function = "own.py:line"').replace('explained_by = ["x"]', "")
    text = text.replace('file = "new.csv"', "horizon = 3")
    problem = load_belief(
        write(tmp_path, text + '\n[parameters."the slope"]\nunit = "m"\nprior = "about 0, give or take 1"')
    )
    assert [each.parameter.name for each in problem.built.parameters] == ["the slope"]
    assert "code of yours" in problem.notes[-1]
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "real.py").write_text(OWN, "utf-8")
    (tmp_path / "own.py").unlink()
    (tmp_path / "own.py").symlink_to(tmp_path / "elsewhere" / "real.py")
    with pytest.raises(InputError, match="not a link"):
        load_belief(tmp_path / "problem.toml")


@pytest.mark.parametrize("words", [["forecast"], ["believe", "the slope is about 1, give or take 1"]])
def test_a_run_s_folder_has_no_code_run_that_nobody_named(tmp_path: Path, words: list[str]) -> None:
    """Whoever made the folder wrote where its problem is, and what the problem runs."""
    (tmp_path / "own.py").write_text("from pathlib import Path\nPath(__file__ + '.ran').touch()\n" + OWN, "utf-8")
    text = PROBLEM.replace('family = "linear"', 'function = "own.py:line"').replace('explained_by = ["x"]', "")
    path = write(tmp_path, text.replace('file = "new.csv"', "horizon = 3"))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "result.json").write_text('{"kind": "belief"}')
    (tmp_path / "run" / "model.json").write_text(json.dumps({"kind": "belief", "source": str(path)}))
    told = CliRunner().invoke(app, [words[0], str(tmp_path / "run"), *words[1:]])
    assert told.exit_code == 2
    assert f"--problem {path}" in told.stderr
    assert not (tmp_path / "own.py.ran").exists()
    CliRunner().invoke(app, [words[0], str(tmp_path / "run"), *words[1:], "--problem", str(path)])
    assert (tmp_path / "own.py.ran").exists()


def test_a_function_of_one_s_own_is_given_the_columns_that_explain_and_the_rows_to_forecast(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN_OF_X, "utf-8")
    text = PROBLEM.replace('family = "linear"', 'function = "own.py:line"')
    problem = load_belief(write(tmp_path, text))
    assert problem.ahead == ("1", "2", "3")
    found = believe(problem, seed=0)
    slope = [each.parameter.name for each in problem.built.parameters].index("the slope")
    assert found.posterior.means[slope] == pytest.approx(2.0, abs=0.3)


@pytest.mark.parametrize(
    ("labelled", "told"),
    [
        ('date = "x"', r"labelled\.date: found 'x' with `arrays`"),
        ('explained_by = ["x"]', r"labelled\.explained_by: found 'x' with `arrays`; .*leave it out$"),
    ],
)
def test_arrays_have_no_columns(tmp_path: Path, labelled: str, told: str) -> None:
    text = PROBLEM.replace('explained_by = ["x"]', labelled + '\n[labelled.arrays]\ny = "y"')
    with pytest.raises(InputError, match=told):
        load_belief(write(tmp_path, text))


def test_columns_of_values_are_not_parted_into_groups_too(tmp_path: Path) -> None:
    text = PROBLEM.replace('value = "y"\nexplained_by = ["x"]', 'value = ["y"]\ndate = "x"\ngroup = "x"')
    with pytest.raises(InputError, match=r"labelled\.group: found 'x' with several columns of values; .*name one"):
        load_belief(write(tmp_path, text.replace('file = "new.csv"', "horizon = 2")))


# -- posteriors that may not be reported -----------------------------------------------------------------------------


def posterior_of(model: Callable[..., None], **how: Any) -> Any:
    target = Target(model, {}, name="m")
    return exact_posterior(target, names_of(target), **how)


def test_an_impossible_likelihood_is_told() -> None:
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    def zero() -> None:
        scale = numpyro.sample("scale", dist.Uniform(0.0, 1.0))
        numpyro.factor("y", jnp.where(scale > 2.0, 0.0, -jnp.inf))

    def nan() -> None:
        scale = numpyro.sample("scale", dist.Normal(0.0, 1.0))
        numpyro.factor("y", jnp.log(-1.0 - scale**2))

    with pytest.raises(InputError, match="a likelihood that is zero"):
        posterior_of(zero)
    with pytest.raises(InputError, match=r"no number \(NaN\)"):
        posterior_of(nan)


@pytest.mark.slow
def test_parameters_that_nothing_identifies_are_named_or_kept_with_a_note() -> None:
    import numpyro
    import numpyro.distributions as dist

    def model() -> None:
        a = numpyro.sample("a", dist.Normal(0.0, 3.0))
        b = numpyro.sample("b", dist.Normal(0.0, 3.0))
        numpyro.sample("clear", dist.Normal(0.0, 1.0))
        numpyro.sample("y", dist.Normal(a + b, 1.0), obs=np.ones(20))

    with pytest.raises(InputError, match=r"do not tell.*clear"):
        posterior_of(model)
    kept = posterior_of(model, keep_unidentified=True)
    assert any("a and b" in note or "b and a" in note for note in kept.notes)


def test_a_group_without_data_is_no_fault_but_a_note() -> None:
    import numpyro
    import numpyro.distributions as dist

    def model() -> None:
        mean = numpyro.sample("mean", dist.Normal(0.0, 3.0))
        own = numpyro.sample("own", dist.Normal(0.0, 1.0).expand([3]))
        numpyro.sample("y", dist.Normal(mean + own[:2], 0.5), obs=np.array([1.0, 2.0]))

    found = posterior_of(model)
    assert any("Of 1 of the 4 numbers" in note for note in found.notes)
    assert found.sds[-1] == pytest.approx(1.0, abs=0.05)


def test_an_equation_that_blows_up_wherever_the_prior_looks_is_told() -> None:
    rates = {"the growth rate": Spoken(Parameter("the growth rate"), "about 1000, give or take a factor of 1.1")}
    built = family("ode")(Observed(np.array([1.0, 1.2, 1.5, 1.9])), Options({"system": "logistic"}), rates)
    with pytest.raises(InputError, match=r"a likelihood that is zero.*blows up"):
        posterior_of(built.model)


@pytest.mark.slow
def test_a_posterior_that_failed_its_checks_is_not_reported() -> None:
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    def funnel() -> None:  # Neal 2003: no step is short enough for its neck
        v = numpyro.sample("v", dist.Normal(0.0, 3.0))
        x = numpyro.sample("x", dist.Normal(0.0, 1e-3 + jnp.exp(2.0 * v)).expand([9]))
        numpyro.sample("y", dist.Normal(x[0], 10.0), obs=jnp.asarray(0.0))

    with pytest.raises(InputError, match="a posterior that failed its checks") as caught:
        posterior_of(funnel, sampler="nuts", warmup=50, draws=100)
    assert "nothing is reported" in str(caught.value)


def test_an_improper_prior_is_named() -> None:
    import numpyro
    import numpyro.distributions as dist

    def model() -> None:
        free = numpyro.sample("free", dist.ImproperUniform(dist.constraints.real, (), ()))
        numpyro.sample("y", dist.Normal(free, 1.0), obs=np.ones(3))

    with pytest.raises(InputError, match="free: found an improper prior"):
        Target(model, {})


def test_chains_that_went_wrong_are_told_by_name() -> None:
    fine = Chains(np.zeros((4, 100, 2)), np.zeros((4, 100)), 0, np.array([1.0, 1.001]), np.array([400.0, 300.0]), 1)
    assert trouble(fine, ["a", "b"]) == []
    assert "diverged" in trouble(fine._replace(divergences=40), ["a", "b"])[0]
    assert "about b (R-hat 1.300)" in trouble(fine._replace(r_hat=np.array([1.0, 1.3])), ["a", "b"])[0]
    assert "5 effective draws of a" in trouble(fine._replace(effective=np.array([5.0, 300.0])), ["a", "b"])[0]


# -- the search --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gaussian() -> tuple[Target, np.ndarray[Any, Any], float]:
    """A posterior that is a Gaussian, its covariance and its log evidence."""
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    design = np.random.default_rng(1).standard_normal((12, 3)) @ np.array([[1, 0.8, 0], [0, 1, 0.5], [0, 0, 1.0]])
    y = design @ np.array([1.0, -2.0, 0.5]) + np.random.default_rng(2).standard_normal(12)

    def model() -> None:
        w = numpyro.sample("w", dist.Normal(0.0, 2.0).expand([3]))
        numpyro.sample("y", dist.Normal(jnp.asarray(design) @ w, 1.0), obs=jnp.asarray(y))

    cov = np.linalg.inv(design.T @ design + np.eye(3) / 4.0)
    marginal = 4.0 * design @ design.T + np.eye(12)
    evidence = -0.5 * float(
        y @ np.linalg.solve(marginal, y) + np.linalg.slogdet(marginal)[1] + 12 * math.log(2 * math.pi)
    )
    return Target(model, {}, name="gaussian"), cov, evidence


def test_full_rank_is_exact_where_the_posterior_is_gaussian(gaussian: tuple[Target, Any, float]) -> None:
    target, cov, evidence = gaussian
    found = full_rank(target, laplace(target, tops(target, 0)[0]))
    assert isinstance(found.belief, Gaussian)
    assert found.belief.covariance == pytest.approx(cov, abs=1e-6)
    assert found.score == pytest.approx(evidence, abs=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_a_model_that_is_seldom_a_number_is_climbed_from_where_it_is(seed: int) -> None:
    """One draw from the prior in 120 is possible: fewer draws than are checked may hold none."""
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    def model() -> None:
        a = numpyro.sample("a", dist.Normal(0.0, 1.0))
        numpyro.factor("possible", jnp.where(a > 2.4, dist.Normal(a, 1.0).log_prob(2.7), -jnp.inf))

    target = Target(model, {}, batch=16)
    assert np.isfinite(target.heights(target.prior_draws(512, seed)).log_joint).any()
    [top] = tops(target, seed)
    assert np.isfinite(target.heights(top[None]).log_joint).all()


def test_poorer_families_score_less_and_a_mixture_no_less(gaussian: tuple[Target, Any, float]) -> None:
    target, cov, evidence = gaussian
    start = laplace(target, tops(target, 0)[0])
    precision = np.diag(np.linalg.inv(cov))
    flat = gradient.scored(target, Gaussian(start.mean, np.diag(precision**-0.5)), 0)
    kl = 0.5 * float(np.linalg.slogdet(cov)[1] + np.log(precision).sum())
    assert flat.score == pytest.approx(evidence - kl, abs=0.02)
    assert mixture(target, [start, start], steps=10).score == pytest.approx(evidence, abs=0.02)


def test_importance_sampling_and_bridge_sampling_agree_with_the_closed_form(
    gaussian: tuple[Target, Any, float],
) -> None:
    target, cov, evidence = gaussian
    found = exact_posterior(target, names_of(target))
    assert found.sampler == "importance sampling"
    assert found.log_evidence == pytest.approx(evidence, abs=0.01)
    assert found.sds == pytest.approx(np.sqrt(np.diag(cov)), rel=0.02)
    log_r, error = bridged(target, found.u, target.parts(found.u).log_joint, 0)
    assert log_r == pytest.approx(evidence, abs=5 * error + 0.01)


@pytest.mark.slow
def test_nuts_agrees_with_the_closed_form(gaussian: tuple[Target, Any, float]) -> None:
    target, cov, evidence = gaussian
    found = exact_posterior(target, names_of(target), sampler="nuts", draws=500)
    assert found.sampler == "NUTS"
    assert found.sds == pytest.approx(np.sqrt(np.diag(cov)), rel=0.15)
    assert found.log_evidence == pytest.approx(evidence, abs=0.1)


def test_weights_with_a_heavy_tail_are_not_believed() -> None:
    rng = np.random.default_rng(0)
    light, heavy = smoothed(rng.standard_normal(4000)), smoothed(rng.standard_normal(4000) ** 2 * 4.0)
    assert light.k_hat < 0.5 < 0.7 < heavy.k_hat
    assert np.exp(light.log_weights).sum() == pytest.approx(1.0)


# -- forecasts, families, overseers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("trend", [True, False])
@pytest.mark.parametrize("unit", [1e-8, 1e-3, 1e12])
def test_a_structural_forecast_is_the_same_in_every_unit(unit: float, trend: bool) -> None:
    import jax
    from numpyro import handlers

    y = 100.0 + np.cumsum(np.random.default_rng(0).standard_normal(30))

    def ahead(size: float) -> Any:
        built = family("structural")(Observed(size * y), Options({"trend": trend}), {})
        given = {each.parameter.name: 0.3 * size for each in built.parameters}
        model = handlers.substitute(handlers.seed(built.model, jax.random.PRNGKey(0)), data=given)
        return np.asarray(handlers.trace(model).get_trace(horizon=4)["forecast"]["value"])

    assert ahead(unit) / unit == pytest.approx(ahead(1.0), rel=1e-4)


def test_proper_scores_are_least_where_the_forecast_is_right() -> None:
    rng = np.random.default_rng(0)
    truth = rng.standard_normal(3000)
    scores = []
    for mean, sd in ((0.0, 1.0), (0.5, 1.0), (0.0, 2.0), (0.0, 0.5)):
        draws = Forecast(np.repeat((mean + sd * rng.standard_normal(1000))[:, None], 3000, axis=1))
        found = assessed(draws, truth)
        scores.append((found["wis"], found["crps"], -found["log_score"]))
    assert all(min(column) == column[0] for column in zip(*scores, strict=True))
    assert wis(np.full(23, 2.0), np.asarray(5.0)) == pytest.approx(3.0)
    assert crps(np.full((10, 1), 2.0), np.array([5.0]))[0] == pytest.approx(3.0)


def test_the_flat_line_stays_at_the_last_value() -> None:
    found = flat_line(np.array([1.0, 3.0, 2.0, 10.0, 9.0]), 3)
    assert np.median(found.draws, axis=0) == pytest.approx([9.0] * 3)
    assert found.draws.min() >= 0.0


@pytest.mark.slow
@pytest.mark.parametrize("name", list(FAMILIES))
def test_every_family_has_a_likelihood_and_looks_ahead(name: str) -> None:
    import jax
    from numpyro import handlers

    rng = np.random.default_rng(4)
    y = 5.0 + np.cumsum(rng.standard_normal(40)) * 0.3 + rng.random(40)
    options: dict[str, Any] = {}
    data = Observed(y)
    if name in ("linear", "generalised-linear", "gaussian-process"):
        answers = (y > 5).astype(float) if name == "generalised-linear" else y
        data = Observed(answers, rng.standard_normal((40, 1)), rng.standard_normal((3, 1)), ("x",))
    elif name == "hierarchical-normal":
        data = Observed(y, np.ones((40, 1)), None, ("sd",))
    elif name == "ode":
        data, options = Observed(np.exp(0.02 * np.arange(40))[:, None] * [[2.0]], groups=("a",)), {"system": "logistic"}
    elif name == "structural":
        options = {"season": 12}
    elif name == "growth":
        data = Observed(rng.poisson(20.0, (40, 3)).astype(float), groups=("a", "b", "c"))
    elif name == "renewal":
        arrays = {
            "infection_to_death": np.full((50, 2), 0.001), "serial_interval": np.r_[np.full(10, 0.1), np.zeros(40)],
            "interventions": np.zeros((2, 50, 2)), "last": np.array([40.0, 40.0]),
        }  # fmt: skip
        data = Observed(rng.poisson(3.0, (40, 2)).astype(float), groups=("a", "b"), arrays=arrays)
    built = family(name)(data, Options(options), {})
    target = Target(built.model, {}, batch=16, name=name)
    draws = target.prior_draws(64, 0)
    assert np.isfinite(target.parts(draws).log_joint).mean() > 0.1
    seeded = handlers.seed(built.model, jax.random.PRNGKey(0))
    ahead = handlers.trace(seeded).get_trace(horizon=3)["forecast"]["value"]
    assert ahead.shape[0] == 3
    assert np.isfinite(np.asarray(ahead)).all()


def test_priors_are_read_in_words_and_by_name() -> None:
    rate = Parameter("rate", "days", lower=0.0)
    both = "either about 1, give or take 0.1 (30 %) or about 3 days, give or take 0.2"
    for text in ("about 3, give or take a factor of 2", "between 1 and 4, most likely 2", "half-cauchy(2)", both):
        found = read_prior(text, rate)
        grid = np.concatenate([np.linspace(1e-4, 10.0, 4000), np.geomspace(10.001, 1e4, 4000)])
        mass = float(np.trapezoid(np.exp(np.asarray(found.log_prob(grid))), grid))
        assert mass == pytest.approx(1.0, abs=0.01), text


def test_settled_keeps_a_family_s_defaults_but_for_what_is_said() -> None:
    own = (Spoken(Parameter("a", "m"), "normal(0, 1)"), Spoken(Parameter("b"), "normal(0, 2)"))
    found = settled(own, {"b": Spoken(Parameter("b", sentence="it is b"), "")})
    assert found[0] == own[0]
    assert (found[1].prior, found[1].parameter.sentence) == ("normal(0, 2)", "it is b")


def test_a_believer_judges_by_kl_and_says_so_the_same_way_twice() -> None:
    space = BeliefSpace((Parameter("R0", lower=0.0),))
    person = Believer(space, space.read("R0 is about 2.4, give or take a factor of 1.3"), exact=True)
    near, far = "R0 is about 2.4, give or take a factor of 1.1.", "R0 is about 4, give or take a factor of 1.1."
    queries = [
        Query(Kind.COMPARE_HYPOTHESES, (near, far)), Query(Kind.ODDS, (near, far)), Query(Kind.ODDS, (far, near)),
        Query(Kind.COMPARE_HYPOTHESES, (near, "R0 is nice.")), Query(Kind.ANSWER, (near,)),
    ]  # fmt: skip
    said = asyncio.run(person.judge(queries))
    assert said[0].answer.grade == 2
    assert said[1].answer.ratio is not None
    assert said[2].answer.ratio == pytest.approx(1.0 / said[1].answer.ratio)
    assert said[3].answer.outcome is Outcome.UNREADABLE
    assert said[4].answer.outcome is Outcome.SKIPPED
    gap = 0.5 * (math.log(4.0 / 2.4) / math.log(1.3)) ** 2
    assert math.log(said[1].answer.ratio) == pytest.approx(gap, rel=0.01)
    assert asyncio.run(person.judge(queries)) == said
