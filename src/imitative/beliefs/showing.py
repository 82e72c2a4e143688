"""What the command line prints of beliefs: the words, the numbers, the forecast; progress on stderr."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self, final

import numpy as np
from rich.console import Console
from rich.measure import Measurement
from rich.status import Status
from rich.table import Column, Table

from imitative.beliefs.elicited import left_open
from imitative.beliefs.forecasting import Forecast
from imitative.beliefs.induction import BeliefProblem
from imitative.beliefs.scoring import Scored
from imitative.display import SPACE, figure, short
from imitative.showing import Once, line, plain

SHOWN = (0.05, 0.25, 0.5, 0.75, 0.95)
NARROW: Final = (0.05, 0.5, 0.95)
"""Shown where all of `SHOWN` would not fit beside each other."""
MOST_ROWS = 40
Write = Callable[[Any], str]
TOLD: Final[tuple[tuple[Write, int | None], ...]] = ((figure, None), (short, None), (short, 14))
"""How parameters are told, what needs most room first: how numbers are written, and the widest that texts may be."""


@final
class Watcher:
    """Shows what is being done: live on a terminal, a line for each stage elsewhere; on stderr.

    Args:
        console: where to; stderr by default.
        waiting: what is said once when people are first waited for.
    """

    def __init__(self, console: Console | None = None, waiting: str = "") -> None:
        self._console = console or Console(stderr=True)
        self._hint = Once(self._console, waiting)
        self._status: Status | None = None
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._status = self._console.status("reading")
            self._status.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._status is not None:
            self._status.stop()

    def __call__(self, stage: str) -> None:
        """A new stage."""
        self._hint(stage)
        spent = f"{time.monotonic() - self._began:.0f} s"
        if self._status is not None:
            self._status.update(plain(f"{stage} · {spent}"))
        else:
            self._console.print(plain(f"{spent}: {stage}"), soft_wrap=True)


def result(found: Mapping[str, Any]) -> None:
    """The belief and its figures."""
    console = Console()
    console.print(plain(found["question"], style="bold"), soft_wrap=True)
    for sentence in found["hypothesis"].splitlines():
        console.print(plain(f"  {sentence}"), soft_wrap=True)
    rows = [
        ([p["name"], p["prior"]], [p[key] for key in ("mean", "sd", "words_mean", "words_sd")])
        for p in found["parameters"]
    ]
    heads = ("mean", "sd", "mean, in words", "sd, in words")
    _fitting(_numbers("Exact posterior", ("parameter", "before"), heads, rows, *how) for how in TOLD)
    line(
        f"log evidence {found['log_evidence']:.2f} ± {found['log_evidence_error']:.3f} nats ({found['sampler']}); "
        f"the words score {found['score']:.2f}: {found['words_lose']:.2f} nats from the exact posterior "
        f"(the best Gaussian: {found['numbers_lose']:.2f})"
    )
    if found.get("elicited"):
        told = found["elicited"]
        line(f"prior learned from {told['judgements']} judgements, {left_open(told['doubt'])}")
    ahead = found.get("forecast")
    if ahead:
        quantiles = {float(level): values for level, values in ahead["quantiles"].items()}
        _ahead(ahead["groups"], ahead["ahead"], quantiles, ahead["truth"], "in labels.csv")
        _scores(ahead["scores"], ahead["flat_line"])
    for row in found.get("written") or []:
        worth = row.get("score")
        told = (
            f"scores {worth:.2f} nats (log prior {row['log_prior']:.2f})" if worth is not None else row.get("why", "")
        )
        line(f"{row['author']} wrote “{' '.join(row['text'].split())}”: {told}")
    if found.get("author"):
        line(f"{found['author']} wrote the belief above: it scores better than what the search found")
    for note in found["notes"]:
        line(f"note: {note}")


def scored(found: Scored) -> None:
    """A belief that a person wrote, beside the run's own."""
    rows: list[tuple[list[str], list[Any]]] = []
    for i, (p, exact) in enumerate(zip(found.space.parameters, found.result["parameters"], strict=True)):
        if p.name in found.said:
            mean, sd = float(found.written.means[i]), float(found.written.sds[i])
            apart = abs(mean - exact["mean"]) / max(exact["sd"], 1e-300)
            rows.append(([p.name], [mean, sd, exact["mean"], exact["sd"], apart]))
    if rows:
        title = "What you believe, and what the data say"
        heads = ("you", "give or take", "exact posterior", "sd", "apart, sds")
        _fitting(_numbers(title, ("parameter",), heads, rows, *how) for how in TOLD)
    if not math.isfinite(found.written.score):
        line("it believes what the model calls impossible: its score is minus infinity")
        return
    line(
        f"your belief scores {found.written.score:.2f} ± {found.written.error:.2f} nats, "
        f"{found.written.loss:.2f} from the exact posterior; "
        f"the run's own {found.own.score:.2f}, {found.own.loss:.2f} from it"
    )
    line("what you left unsaid was taken from the run's own belief")


def forecast(problem: BeliefProblem, found: Forecast, scores: Mapping[str, Any]) -> None:
    """A forecast made from a finished run."""
    q = found.quantiles(SHOWN)
    table = q if q.ndim == 3 else q[:, :, None]
    groups = list(problem.groups) if q.ndim == 3 else [problem.groups[0] if problem.groups else ""]
    quantiles = {level: table[k].T.tolist() for k, level in enumerate(SHOWN)}
    truth = problem.truth
    if truth is not None:
        happened = np.full((len(problem.ahead), len(groups)), np.nan)
        known = truth[: len(happened)].reshape(-1, len(groups))
        happened[: len(known)] = known
    said = (
        None if truth is None else [[v if math.isfinite(v) else None for v in column] for column in happened.T.tolist()]
    )
    _ahead(groups, problem.ahead, quantiles, said, "with --out")
    _scores(scores, None)


def _ahead(groups: Any, ahead: Any, quantiles: Mapping[float, Any], truth: Any, elsewhere: str) -> None:
    rows = [(g, h) for g in range(len(groups)) for h in range(len(ahead))]

    def table(levels: Sequence[float], write: Write) -> Table:
        heads = ["median" if level == 0.5 else f"{100 * level:g}{SPACE}%" for level in levels]
        columns = [quantiles[level] for level in levels]
        if truth is not None:
            heads, columns = [*heads, "happened"], [*columns, truth]
        told = [
            ([f"{groups[g]} {ahead[h]}".strip()], [column[g][h] for column in columns]) for g, h in rows[:MOST_ROWS]
        ]
        return _numbers("Forecast of D′", ("when",), heads, told, write)

    _fitting(table(levels, write) for levels in (SHOWN, NARROW) for write in (figure, short))
    if len(rows) > MOST_ROWS:
        line(f"… {len(rows) - MOST_ROWS} more rows {elsewhere}")


def _numbers(
    title: str, texts: Sequence[str], heads: Sequence[str], rows: Iterable[tuple[list[str], list[Any]]], write: Write,
    most: int | None = None,
) -> Table:  # fmt: skip
    """A table of texts, which may be folded, and of numbers, which may not: half a number is another one."""
    table = Table(title=title, title_justify="left")
    for head in texts:
        table.add_column(head, overflow="fold", max_width=most)
    for head in heads:
        table.add_column(head, justify="right")
    for said, numbers in rows:
        table.add_row(*map(plain, said), *(write(value) for value in numbers))
    return table


def _fitting(tables: Iterable[Table]) -> None:
    """Prints the first of the tables that fits; the last one, wider than the terminal, where none does."""
    console = Console()
    for table in tables:
        least = Measurement.get(console, console.options.update(width=1000), table).minimum
        if least <= console.width:
            break
    Console(width=max(console.width, least)).print(table)


def _scores(scores: Mapping[str, Any] | None, flat: Mapping[str, Any] | None) -> None:
    if not scores:
        return
    inside = ", ".join(f"{100 * share:.0f} % inside the {mass} interval" for mass, share in scores["coverage"].items())
    beside = f" (flat line {figure(flat['wis'])})" if flat else ""
    line(
        f"on {scores['cells']} known cells of D′: WIS {figure(scores['wis'])}{beside}, CRPS {figure(scores['crps'])}, "
        f"log score {figure(scores['log_score'])} nats; {inside}"
    )


def description(problem: BeliefProblem) -> None:
    """What `check` says of a problem of beliefs."""
    Console().print(plain(f"{problem.name}: {problem.question}", style="bold"), soft_wrap=True)
    series = f" of {len(problem.groups)} series" if len(problem.groups) > 1 else ""
    line(
        f"D has {len(problem.y)} rows{series}, from {problem.labels[0]} to {problem.labels[-1]}; "
        f"D′ has {len(problem.ahead)}"
    )
    heads = ("parameter", "unit", "what it is", "believed beforehand")
    table = Table(*(Column(head, overflow="fold") for head in heads))
    for each in problem.built.parameters:
        p = each.parameter
        table.add_row(plain(p.name), plain(p.unit), plain(p.sentence), plain(each.prior or "the model's own"))
    Console().print(table)
    whose = "the priors above" if problem.build_overseer is None else f"learned by comparison, at most {problem.budget}"
    line(f"prior: {whose}; seed: {problem.seed}")
    for note in problem.notes:
        line(f"note: {note}")
