"""A run over beliefs as one HTML page: the belief in words, what it expects, the numbers, how far to trust it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from imitative.beliefs.elicited import left_open
from imitative.beliefs.pictures import consequences_picture, density_picture, fan_picture
from imitative.display import Entry, clean, figure, nats, number
from imitative.pages import digest, source, template

MOST_FANS = 8
"""Series drawn; the others are in the table's file."""
MOST_ROWS = 60
NUMBERS = ("mean", "sd", "words_mean", "words_sd")


def render(result: Mapping[str, Any]) -> str:
    """The page of a run, from what `result.json` holds."""
    run = clean(dict(result))
    style = source("report.css") + source("belief.css")
    fans, left_out = _fans(run)
    heads, rows = _forecast(run)
    return template("belief.html").render(
        style=style,
        digest=digest(style),
        title=f"{run['problem']} · {run['question']}",
        origin=f"{run['problem']} · seed {run['seed']}",
        question=run["question"],
        verdict=_verdict(run),
        sentences=[{"text": s["text"], "about": s.get("about", "")} for s in run["sentences"]],
        densities=[
            density_picture(
                p["name"], p["unit"],
                [(kind, np.array(c["x"]), np.array(c["density"])) for kind, c in p["curves"].items() if c["x"]],
            )
            for p in run["parameters"]
        ],
        parameters=[
            {k: p[k] for k in ("name", "prior")} | {k: figure(p[k]) for k in NUMBERS}
            for p in run["parameters"]
        ],
        fans=fans, left_out=left_out, forecast_heads=heads, forecast_rows=rows,
        elicited=_elicited(run), consequences=_consequences(run),
        author=run.get("author") or "", written=_written(run), own=nats(number(run["score"])),
        trust=_trust(run), notes=run["notes"],
    )  # fmt: skip


def _verdict(run: Mapping[str, Any]) -> str:
    lost = run["words_lose"]
    close = "say nearly all that the data do" if lost < 0.5 else "leave something of it out"
    return (
        f"The words {close}: they are {figure(lost)} nats from the exact posterior, "
        f"which {run['sampler']} found and which passed its checks."
    )


def _fans(run: Mapping[str, Any]) -> tuple[list[str], str]:
    ahead = run.get("forecast")
    if not ahead:
        return [], ""
    found = []
    past = [np.array([np.nan if v is None else v for v in series], dtype=float) for series in run["past"]]
    for g, name in enumerate(ahead["groups"][:MOST_FANS]):
        q = {level: np.array(values[g], dtype=float) for level, values in ahead["quantiles"].items()}
        truth = None
        if ahead["truth"] is not None:
            truth = np.array([np.nan if v is None else v for v in ahead["truth"][g]], dtype=float)
        bands = [(q["0.05"], q["0.95"]), (q["0.25"], q["0.75"])]
        found.append(fan_picture(name, past[g], bands, q["0.5"], truth, run["unit"]))
    rest = len(ahead["groups"]) - MOST_FANS
    return found, f"{rest} more series are in labels.csv." if rest > 0 else ""


def _forecast(run: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    ahead = run.get("forecast")
    if not ahead:
        return [], []
    levels = ["0.05", "0.25", "0.5", "0.75", "0.95"]
    rows = []
    for g, name in enumerate(ahead["groups"]):
        for h, when in enumerate(ahead["ahead"]):
            cells = [figure(ahead["quantiles"][level][g][h]) for level in levels]
            happened = None if ahead["truth"] is None else ahead["truth"][g][h]
            rows.append([f"{name} {when}".strip(), *cells, "–" if happened is None else figure(happened)])
    return ["when", "5 %", "25 %", "median", "75 %", "95 %", "happened"], rows[:MOST_ROWS]


def _elicited(run: Mapping[str, Any]) -> dict[str, Any] | None:
    found = run.get("elicited")
    if not found:
        return None
    told = (
        f"Learned from {found['judgements']} judgements of which beliefs are more plausible; nobody was asked for a "
        f"probability; {left_open(found['doubt'])}."
    )
    return {"told": told, "belief": found["belief"].splitlines()}


def _consequences(run: Mapping[str, Any]) -> list[str]:
    return [
        consequences_picture(each["name"], [np.array(c, dtype=float) for c in each["curves"]], each["steps"])
        for each in run.get("consequences") or []
    ]


def _written(run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What people wrote: who, what, and its score in its parts; or why it has none."""
    found = []
    for row in map(Entry, run.get("written") or []):
        keys = ("log_prior", "log_likelihood", "score", "words_lose")
        figures = [nats(row.number(key)) for key in keys] if row.number("score") is not None else []
        why = "" if figures else row.text("why") or "it could not be scored"
        found.append({"author": row.text("author"), "text": row.text("text"), "figures": figures, "why": why})
    return found


def _trust(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    d, rows = run["diagnostics"], []
    rows.append(("log evidence, nats", f"{figure(run['log_evidence'])} ± {figure(run['log_evidence_error'])}"))
    rows.append(("score of the words, nats", f"{figure(run['score'])} ± {figure(run['score_error'])}"))
    rows.append(("lost by the words, nats", figure(run["words_lose"])))
    rows.append(("lost by the best Gaussian, nats", figure(run["numbers_lose"])))
    names = {
        "k_hat": "Pareto k̂ of the weights (below 0.7)", "effective": "effective draws",
        "r_hat": "largest R̂ (below 1.02)",
        "divergences": "divergent trajectories", "evaluations": "points evaluated",
    }  # fmt: skip
    rows += [(name, figure(d[key])) for key, name in names.items() if d.get(key) is not None]
    if run.get("yardstick") is not None:
        rows.append(("largest gap to NUTS, standard deviations", figure(run["yardstick"])))
    scores = (run.get("forecast") or {}).get("scores")
    if scores:
        rows.append(("weighted interval score on D′", figure(scores["wis"])))
        rows.append(("… of the flat line", figure(run["forecast"]["flat_line"]["wis"])))
        rows.append(("CRPS on D′", figure(scores["crps"])))
        rows.append(("log score on D′, nats", figure(scores["log_score"])))
        rows += [(f"inside the {mass} interval", f"{100 * share:.0f} %") for mass, share in scores["coverage"].items()]
    return rows
