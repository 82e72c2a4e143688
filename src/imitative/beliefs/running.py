"""A run over beliefs from end to end, kept in a folder; and forecasts from a run that is finished."""

from __future__ import annotations

import csv
import io
import math
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from imitative.attended import attended
from imitative.beliefs.elicited import Elicited
from imitative.beliefs.forecasting import LEVELS, Forecast, assessed, flat_line, forecast
from imitative.beliefs.induction import BeliefProblem, Believed, Company, Stood, believe, target_of, with_prior
from imitative.beliefs.page import render
from imitative.beliefs.prior import Elicitor
from imitative.errors import InputError, in_markdown
from imitative.exchange.spreadsheet import harmless
from imitative.hypotheses.belief import Belief, BeliefSpace
from imitative.overseers.overseer import Overseer
from imitative.overseers.people import WAITING, People
from imitative.search.exact import ExactPosterior
from imitative.search.gradient import Fitted, Gaussian
from imitative.search.target import Target
from imitative.store import Run, files, runs

Floats = NDArray[np.float64]
KEPT = 1000
"""Draws of the posterior kept in the run's folder, for forecasts later."""
TOLD = ("0.05", "0.25", "0.5", "0.75", "0.95")
FOUND = "The belief that was found"
CURVES = 12
"""Curves drawn of what the prior would make happen."""


def run_belief(
    problem: BeliefProblem, out: Path, *, seed: int | None = None, budget: int | None = None,
    tell: Callable[[str], None] = lambda _: None, store: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Run Steps 1–4 on a problem of beliefs and write the folder; what was judged before is not asked again.

    Args:
        problem: what is to be believed something about, and whose prior it is; people are asked on the run's page.
        out: the run's folder, made where missing.
        seed: instead of the problem's own.
        budget: judgements in all, instead of the problem's own.
        tell: told what is being done.
        store: the URL of a database shared by several runs, instead of the folder's own.

    Returns:
        What `result.json` holds.

    Raises:
        InputError: for a model no posterior can be believed of, or a folder that cannot be used.
    """
    seed, budget = problem.seed if seed is None else seed, problem.budget if budget is None else budget
    with Run.open(out, problem.name, problem.fingerprint, seed, budget, {"space": "belief"}, store=store) as run:
        started = time.perf_counter()
        page = _Page(run, problem.question, tell)
        believed = believe(
            problem, seed=seed, budget=budget, known=run.known(), record=run.record, tell=page.tell, attend=page.attend,
        )  # fmt: skip
        seconds = {"believing": time.perf_counter() - started}
        started = time.perf_counter()
        tell("looking ahead")
        ahead = _ahead(believed, len(problem.ahead), seed)
        result = _result(believed, ahead, seed, budget)
        result["seconds"] = {
            stage: round(spent, 3)
            for stage, spent in (seconds | {"forecasting": time.perf_counter() - started}).items()
        }
        # `best`: the page shows what the last event says of z*.
        told = {"hypothesis": result["hypothesis"], "best": result["hypothesis"], "written": result["written"]}
        told["called"] = f"The belief that was found, as {believed.author} wrote it" if believed.author else FOUND
        told["prior"] = result["elicited"]["belief"] if result["elicited"] else ""
        told["own"] = _finite(result["score"])
        run.event("finished", {"seconds": result["seconds"], **told, "asked": len(believed.judgements)})
        finite: dict[str, Any] = _finite(result)
        run.write_results(
            result=finite, hypothesis=_page(finite), labels=forecast_csv(problem, ahead), report=render(finite),
            model=_kept(believed),
        )  # fmt: skip
    return finite


@final
class _Page:
    """Gives people who judge the run's mailbox, lets them write beliefs, and the lead follow; others are left alone."""

    def __init__(self, run: Run, question: str, tell: Callable[[str], None]) -> None:
        self._run, self._question, self._tell = run, question, tell
        self._doing = ""

    def tell(self, doing: str) -> None:
        """What is being done."""
        self._doing = doing
        self._tell(doing)

    def attend(self, overseer: Overseer, space: BeliefSpace) -> tuple[Overseer, Company]:
        """See `induction.Attend`."""
        if not isinstance(overseer, People):
            return overseer, Company()
        about = {"space": space.describe(), "question": self._question, "images": None}
        found = attended(overseer, self._run, about, self._waiting)
        return found.people, Company(found.heard, found.mailbox.proposed, self._follow)

    def _waiting(self, lacking: int, of: int) -> None:
        waits = f"{WAITING}, {of - lacking} of {of} judged" if lacking else "all judged; a moment's grace"
        self._tell(f"{self._doing} ({waits})")

    def _follow(self, stood: Stood) -> None:
        best = stood.belief or stood.prior
        called = "The belief so far" if stood.belief else "The prior so far, as people’s answers have it"
        self._run.event("stage", {
            "doing": stood.doing, "asked": stood.asked, "best": best, "called": called, "prior": stood.prior,
            "own": _finite(stood.own), "written": _finite(list(stood.written)),
        })  # fmt: skip


def write_belief_report(folder: Path) -> Path:
    """Write a finished run's report again, from its `result.json`; where it is."""
    path = folder / runs.REPORT
    files.write_atomically(path, render(runs.read_result(folder)))
    return path


class Ahead(NamedTuple):
    """A forecast of D′ with its scores, where D′ is known."""

    found: Forecast
    scores: dict[str, Any]
    flat: dict[str, Any]
    notes: tuple[str, ...] = ()


def _ahead(believed: Believed, horizon: int, seed: int) -> Ahead | None:
    problem = believed.problem
    if horizon == 0 or not problem.built.samples_forecast:
        return None
    found, notes = looked_ahead(problem, believed.prior, believed.posterior, horizon, seed)
    if problem.truth is None:
        return Ahead(found, {}, {}, notes)
    flat = assessed(flat_line(problem.y, horizon, seed=seed), problem.truth) if len(problem.y) > 2 else {}
    return Ahead(found, assessed(found, problem.truth), flat, notes)


def looked_ahead(
    problem: BeliefProblem, model: Callable[..., None], posterior: ExactPosterior, horizon: int, seed: int
) -> tuple[Forecast, tuple[str, ...]]:
    """D′ by the model and its posterior; or by several, weighed by their past, with a note that says how."""
    if problem.weighed is None:
        return forecast(model, posterior, horizon, seed=seed), ()
    chooser = problem.weighed(horizon)
    table = problem.y if problem.y.ndim == 2 else problem.y[:, None]
    draws = chooser.draws(table)
    return Forecast(draws if problem.y.ndim == 2 else draws[:, :, 0]), (chooser.said(table),)


def again(problem: BeliefProblem, folder: Path, horizon: int, seed: int) -> tuple[Forecast, dict[str, Any]]:
    """A forecast from a finished run's posterior, of as many steps as are wished.

    Raises:
        InputError: if the run is of another problem, its model cannot look ahead, or there is nothing to look at.
    """
    if horizon == 0:
        raise InputError(str(folder), "a problem without D′", "rows or steps ahead", "say how many: --horizon")
    model, posterior = revived(problem, folder)
    found, _ = looked_ahead(problem, model, posterior, horizon, seed)
    truth = problem.truth
    known = truth is not None and len(truth) >= horizon
    return found, assessed(found, truth[:horizon]) if known and truth is not None else {}


def revived(problem: BeliefProblem, folder: Path) -> tuple[Callable[..., None], ExactPosterior]:
    """The model of a finished run, with the prior that it used, and the draws of its posterior that were kept.

    Raises:
        InputError: if the run is of another problem.
    """
    row = runs.read_model(folder)
    if row.get("kind") != "belief":
        raise InputError(
            str(folder), "a run that labels rows", "a run of beliefs", "label new rows with `imitative label`"
        )
    if row["data"] != data_key(problem):
        raise InputError(
            str(folder), "a run on other data or another model", "the same as now", "run the problem again"
        )
    model = problem.built.model
    if row["elicited"] is not None:
        names = [each.parameter.name for each in problem.built.parameters]
        model = with_prior(model, Elicited.from_json(row["elicited"]), names)
    target = target_of(problem, model)
    u = np.array(row["u"], dtype=float)
    if u.ndim != 2 or u.shape[1] != target.size:
        raise InputError(str(folder / runs.MODEL), "draws of another model", "the run's own", "run the problem again")
    return model, _revived(target, u)


def _revived(target: Target, u: Floats) -> ExactPosterior:
    theta = target.constrain(u)
    shape = Gaussian(u.mean(axis=0), np.eye(u.shape[1]))
    return ExactPosterior(
        target,
        u,
        theta,
        theta.mean(axis=0),
        theta.std(axis=0),
        math.nan,
        math.nan,
        "kept",
        Fitted(shape, math.nan, 0.0),
    )


def data_key(problem: BeliefProblem) -> str:
    """Tells one model on one D from another, whatever the horizon."""
    from imitative.records import content_key

    y = [None if not np.isfinite(v) else float(v) for v in problem.y.ravel()]
    return content_key([y, [[str(p.parameter), p.prior] for p in problem.built.parameters]])


# -- what is kept ------------------------------------------------------------------------------------------------------


def _kept(believed: Believed) -> dict[str, Any]:
    u = believed.posterior.u
    elicited = believed.elicited
    return {
        "kind": "belief",
        "source": believed.problem.source,
        "data": data_key(believed.problem),
        "u": u[:: max(1, len(u) // KEPT)][:KEPT].tolist(),
        "elicited": None if elicited is None else elicited.to_json(),
    }  # fmt: skip


def _result(believed: Believed, ahead: Ahead | None, seed: int, budget: int) -> dict[str, Any]:
    problem, posterior, readable, space = believed.problem, believed.posterior, believed.readable, believed.space
    table = problem.y if problem.y.ndim == 2 else problem.y[:, None]
    used = believed.judgements
    return {
        "kind": "belief",
        "problem": problem.name,
        "question": problem.question,
        "seed": seed,
        "unit": problem.unit,
        "hypothesis": space.show(readable.belief),
        "sentences": _sentences(space, readable.belief),
        "score": readable.score,
        "score_error": readable.error,
        "log_evidence": posterior.log_evidence,
        "log_evidence_error": posterior.error,
        "words_lose": readable.loss,
        "numbers_lose": posterior.log_evidence - posterior.variational.score,
        "sampler": posterior.sampler,
        "diagnostics": posterior.diagnostics,
        "yardstick": believed.yardstick,
        "parameters": _parameters(believed),
        "rows": {"labelled": len(problem.y), "unlabelled": len(problem.ahead)},
        "past": [[None if not np.isfinite(v) else float(v) for v in series[-60:]] for series in table.T],
        "forecast": None if ahead is None else _told(problem, ahead),
        "elicited": _prior_told(believed),
        "author": believed.author,
        "written": _finite([each.told(space, posterior, believed.places) for each in believed.written]),
        "consequences": _consequences(believed, seed),
        "judgements": {
            "asked": dict(Counter(j.query.kind.value for j in used)),
            "by_purpose": dict(Counter(j.query.purpose for j in used)),
            "cost": sum(j.cost for j in used), "seconds": sum(j.seconds for j in used), "budget": budget,
        },
        "notes": [*problem.notes, *posterior.notes, *(ahead.notes if ahead is not None else ())],
    }  # fmt: skip


def _sentences(space: BeliefSpace, z: Belief) -> list[dict[str, str]]:
    lines = space.show(z).splitlines()
    found = [
        {"text": line, "about": f"{p.name}: {p.sentence}" if p.sentence else ""}
        for line, p in zip(lines, space.parameters, strict=False)
    ]
    return found + [{"text": line} for line in lines[len(space.parameters) :]]


def _parameters(believed: Believed) -> list[dict[str, Any]]:
    posterior, space, readable = believed.posterior, believed.space, believed.readable
    before = posterior.target.constrain(posterior.target.prior_draws(4000, 1))
    found = []
    for i, (p, each) in enumerate(zip(space.parameters, believed.problem.built.parameters, strict=True)):
        site = next(s for s in posterior.target.sites if s.name == p.name)
        draws = posterior.theta[:, site.first]
        low, high = np.quantile(draws, [0.001, 0.999])
        x = np.linspace(low, high, 81)
        words = np.exp(readable.belief.marginals[i].log_density(x, p.lower, p.upper))
        prior = before[:, site.first]
        curves = {"posterior": {"x": x.tolist(), "density": _density(draws, x).tolist()}}
        if believed.elicited is None:
            curves["prior"] = {"x": x.tolist(), "density": _density(prior, x).tolist()}
        curves["words"] = {"x": x.tolist(), "density": words.tolist()}
        found.append({
            "name": p.name, "unit": p.unit, "sentence": p.sentence,
            "prior": (each.prior or "the model's own") if believed.elicited is None else "learned by comparison",
            "mean": float(posterior.means[site.first]), "sd": float(posterior.sds[site.first]),
            "words_mean": float(readable.means[i]), "words_sd": float(readable.sds[i]), "curves": curves,
        })  # fmt: skip
    return found


def _density(draws: Floats, x: Floats) -> Floats:
    """A smoothed histogram at x: normal kernels of Silverman's width."""
    thin = draws[:: max(1, len(draws) // 1500)]
    spread = min(float(thin.std()), float(np.subtract(*np.quantile(thin, [0.75, 0.25]))) / 1.34) or 1.0
    width = 0.9 * spread * len(thin) ** -0.2
    z = (x[:, None] - thin) / width
    return np.asarray(np.exp(-0.5 * z**2).mean(axis=1) / (width * math.sqrt(2 * math.pi)))


def _told(problem: BeliefProblem, ahead: Ahead) -> dict[str, Any]:
    def by_group(values: Floats) -> list[list[float | None]]:
        table = values if values.ndim == 2 else values[:, None]
        return [[None if not np.isfinite(v) else float(v) for v in column] for column in table.T]

    q = ahead.found.quantiles([float(level) for level in TOLD])
    groups = list(problem.groups) if q.ndim == 3 else [problem.groups[0] if problem.groups else ""]
    return {
        "ahead": list(problem.ahead), "groups": groups,
        "quantiles": {level: by_group(each) for level, each in zip(TOLD, q, strict=True)},
        "truth": None if problem.truth is None else by_group(problem.truth),
        "scores": ahead.scores or None, "flat_line": ahead.flat or None,
    }  # fmt: skip


def _prior_told(believed: Believed) -> dict[str, Any] | None:
    found = believed.elicited
    if found is None:
        return None
    elicitor = Elicitor(believed.space, found.centre, found.scale)
    return {
        "belief": believed.space.show(elicitor.words(found)), "judgements": found.judgements, "doubt": found.doubt,
        "nats_per_unit": found.nats_per_unit, "agreement": found.agreement,
    }  # fmt: skip


def _consequences(believed: Believed, seed: int) -> list[dict[str, Any]]:
    """Curves under the two halves of the prior of the first parameter: side by side, which looks more plausible?"""
    problem = believed.problem
    if believed.elicited is not None or not problem.built.samples_forecast or problem.y.ndim == 2 or not problem.ahead:
        return []
    target, first = believed.posterior.target, believed.space.parameters[0]
    u = target.prior_draws(400, seed + 3)
    order = np.argsort(u[:, believed.places[0]])
    found = []
    for said, rows in (("low", order[: len(u) // 2]), ("high", order[len(u) // 2 :])):
        chosen = u[np.random.default_rng(seed).choice(rows, CURVES, replace=False)]
        try:
            ahead = forecast(believed.prior, _revived(target, chosen), len(problem.ahead), seed=seed)
        except InputError:
            return []
        found.append({"name": f"{first.name} is {said}", "curves": ahead.draws.tolist(), "steps": len(problem.ahead)})
    return found


def forecast_csv(problem: BeliefProblem, ahead: Ahead | None) -> str:
    """D′ in quantiles, a row for each step and series: `labels.csv`."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["when", "series", *(f"q{level:g}" for level in LEVELS)])
    if ahead is not None:
        write_rows(writer, problem.ahead, problem.groups, ahead.found)
    return out.getvalue()


def write_forecast(problem: BeliefProblem, found: Forecast, path: Path) -> None:
    """A forecast's quantiles as CSV."""
    files.write_atomically(path, forecast_csv(problem, Ahead(found, {}, {})))


def default_folder(problem: BeliefProblem, seed: int | None) -> Path:
    """`runs/<name>-<seed>`."""
    name = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in problem.name).strip("-.")
    return Path("runs") / f"{name or 'belief'}-{problem.seed if seed is None else seed}"


def write_rows(writer: Any, ahead: tuple[str, ...], groups: tuple[str, ...], found: Forecast) -> None:
    """The rows of a forecast's table."""
    q = found.quantiles()
    table = q if q.ndim == 3 else q[:, :, None]
    for g in range(table.shape[2]):
        for h, when in enumerate(ahead):
            writer.writerow(
                [harmless(when), harmless(groups[g]) if groups else "", *(f"{v:.6g}" for v in table[:, h, g])]
            )


def _page(result: dict[str, Any]) -> str:
    said = [in_markdown(line) for line in result["hypothesis"].splitlines()]
    lines = [f"# {in_markdown(result['question'])}", "", *said, ""]
    lines.append(
        f"Score {result['score']:.2f} nats; the words are {result['words_lose']:.2f} nats from the exact posterior."
    )
    return "\n".join(lines) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
