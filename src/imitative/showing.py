"""What the command line prints: results on stdout, progress and notes on stderr.

Words that come from data are printed as they are, but for what would move the cursor: never as rich's markup.
"""

from __future__ import annotations

import inspect
import shlex
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from imitative import spending
from imitative.display import clean, counted, of_budget
from imitative.explained import auditor, gist
from imitative.induction import Progress as Told
from imitative.overseers.people import WAITING

SECONDS_BETWEEN_LINES = 5.0
"""How often progress is written where there is no terminal: a log wants few lines."""
MOST_NOTES = 8
MOST_LINES = 20
"""Of one hypothesis; what comes after it should still be on the screen."""
MOST_WATCHED = 8
"""The same on the way."""


def plain(text: str, style: str = "") -> Text:
    """What a file or a person may have written, free of what would move the cursor or mislead the eye."""
    return Text(clean(text), style)


def line(text: str) -> None:
    """One line on stdout, however long."""
    Console().print(plain(text), soft_wrap=True)


def notes(found: Iterable[str]) -> None:
    """What a person should know about how data were read, on stderr."""
    every = list(found)
    console = Console(stderr=True)
    for note in every[:MOST_NOTES]:
        console.print(plain(f"note: {note}", style="dim"), soft_wrap=True)
    if len(every) > MOST_NOTES:
        console.print(plain(f"note: … {len(every) - MOST_NOTES} more in the report", style="dim"))


def how_to_judge(folder: Path) -> str:
    """How people come to judge the run in a folder."""
    place = shlex.quote(str(folder))
    return (
        f"people judge on a page: in another terminal, `imitative serve {place}`, and for each of them "
        f"`imitative invite {place} --name NAME`, with --address where the page is reached otherwise"
    )


@final
class Once:
    """Says something when people are first waited for, and not again."""

    def __init__(self, console: Console, text: str) -> None:
        self._console, self._text = console, text

    def __call__(self, stage: str) -> None:
        """A stage."""
        if self._text and WAITING in stage:
            self._console.print(plain(self._text), soft_wrap=True)
            self._text = ""


@final
class Watcher:
    """Shows how a run goes: live on a terminal, as occasional lines elsewhere; on stderr.

    Args:
        budget: how many judgements may be asked.
        console: where to; stderr by default.
        waiting: what is said once when people are first waited for.
    """

    def __init__(self, budget: int, console: Console | None = None, waiting: str = "") -> None:
        self._console = console or Console(stderr=True)
        self._hint = Once(self._console, waiting)
        self._live = self._console.is_terminal
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("judgements · cost {task.fields[cost]}"),
            TimeElapsedColumn(),
            console=self._console,
        )
        self._task = self._bar.add_task("reading D", total=budget, cost="0")
        self._shown = Live(console=self._console, transient=True, refresh_per_second=8)
        self._written, self._best = -SECONDS_BETWEEN_LINES, ""

    def __enter__(self) -> Self:
        if self._live:
            self._shown.update(self._bar)
            self._shown.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._live:
            self._shown.stop()

    def __call__(self, told: Told) -> None:
        """Show what a run tells."""
        self._hint(told.stage)
        rounds = f"round {min(told.round, told.rounds)} of {told.rounds} · " if told.rounds else ""
        rounds += _STAGES.get(told.stage, told.stage)
        said, more = of_budget(told.asked, told.budget, told.recorded)
        if self._live:
            asked, cost = told.asked - told.recorded, f"{told.cost:g}"
            self._bar.update(self._task, description=rounds, completed=asked, cost=cost)
            below = [*filter(None, [more.removeprefix(", ")]), *gist(told.best, MOST_WATCHED)]
            lines = [Text(clean(f"  {sentence}"), no_wrap=True, overflow="ellipsis") for sentence in below]
            self._shown.update(Group(self._bar, *lines))
            return
        now = time.monotonic()
        late = told.stage == "answering" or told.stage.startswith("measuring")  # may be the last line for long
        if now - self._written >= SECONDS_BETWEEN_LINES or late:
            self._written = now
            spent = f"{rounds}: {said} judgements{more}, cost {told.cost:g}"
            best = " ".join(" ".join(gist(told.best, MOST_WATCHED)).split())
            best_so_far = f"; best so far: {best}" if best and best != self._best else ""
            self._best = best or self._best
            self._console.print(plain(spent + best_so_far), soft_wrap=True)


_STAGES = {
    "proposing": "proposing sections",
    "asking": "asking, fitting, searching",
    "auditing": "auditing z*",
    "round": "searching done",
    "answering": "answers on D′",
    "measuring": "measuring",
}


def result(found: Mapping[str, Any], *, whole: bool = False) -> None:
    """z* and the figures; a long z* by its strongest statements, but where it is wanted `whole`."""
    console = Console()
    console.print(plain(found["question"], style="bold"), soft_wrap=True)
    for sentence in _lines(found["hypothesis"], whole, "hypothesis.md, or show --whole"):
        console.print(plain(f"  {sentence}"), soft_wrap=True)
    console.print(_accuracy(found))
    for text in _figures(found):
        console.print(plain(text), soft_wrap=True)


def _lines(hypothesis: str, whole: bool, elsewhere: str) -> list[str]:
    return gist(hypothesis, len(hypothesis) if whole else MOST_LINES, f": {elsewhere}")


def _accuracy(found: Mapping[str, Any]) -> Table:
    table = Table(title="Accuracy", title_justify="left")
    table.add_column("answered by")
    table.add_column("D", justify="right")
    table.add_column("D held out", justify="right")
    table.add_column("D′", justify="right")
    ours = found["accuracy"]
    cells = (_number(ours["labelled"]), _number(found.get("ours_held_out")), _number(ours["unlabelled"]))
    table.add_row(plain("z*; D′ through M_test", style="bold"), *cells)
    for name, figures in found["baselines"].items():
        table.add_row(plain(name), "", _number(figures["labelled"]), _number(figures["unlabelled"]))
    return table


def _figures(found: Mapping[str, Any]) -> list[str]:
    judged = found["judgements"]
    said, more = of_budget(sum(judged["asked"].values()), judged["budget"], judged.get("recorded", 0))
    kinds = ", ".join(f"{n} {kind.replace('_', ' ')}" for kind, n in judged["asked"].items() if n)
    if unanswered := judged.get("unanswered", 0):
        kinds += f"; {unanswered} of them skipped or not to be read"
    lines = [
        f"log prior {found['log_prior']:.2f} ± {found['log_prior_sd']:.2f}, "
        f"log likelihood of D {found['log_likelihood']:.2f} nats",
        f"{said} judgements{more} ({kinds}), cost {judged['cost']:g}, "
        f"{judged['seconds'] / 60:.0f} minutes of the overseer's time",
    ]
    lines += spending.told(found)
    audit = found["audit"]
    if audit is not None and (corrected := audit.get("corrected")) is not None:
        lines.append(
            f"audit: people would agree with {corrected['value']:.3f} of M_test's labels (95 % interval "
            f"{corrected['low']:.3f} to {corrected['high']:.3f}), from {corrected['n']} of their own answers and "
            f"{corrected['many']} asked of the model alone, off by {corrected['bias']:+.3f}, which was taken back"
        )
    if audit is not None and audit["agreement"] is not None:
        (low, high), who = audit["interval"], auditor(audit.get("judge", ""))
        lines.append(
            f"audit: M_test agrees with {who} on {audit['agreement']:.3f} of {audit['n']} fresh questions "
            f"of D′ ({audit['confidence']:.0%} interval {low:.3f} to {high:.3f})"
        )
    if audit is not None and audit["score"] is not None:
        score, parts = audit["score"], len(found.get("statements", ()))
        text = found.get("space", {}).get("kind") == "text"
        some = f"{score['n']} of z*'s {parts}" if score["n"] < parts else "z*'s"
        said = f"{some} {'sections' if text else 'statements'}"
        if text and parts == 1:  # there is no z* without it
            said = f"z* over {counted(score['n'], 'rival', 'rivals')}"
        lines.append(
            f"audit: M_prior scores {said} {score['model']:.2f} nats, the overseer's fresh judgement "
            f"{score['overseer']:.2f} (gap {score['gap']:+.2f}; of each, no more than the scale of odds can tell)"
        )
    calibration = found["calibration"]
    if calibration is not None:
        lines.append(
            f"calibration on D′: expected error {calibration['expected_calibration_error']:.3f}, "
            f"log loss {calibration['log_loss']:.3f} nats"
        )
    return lines


def clauses(found: Mapping[str, Any], *, whole: bool = False) -> None:
    """Which clause of z* decides which answers, by leaving it out; of many, those that decide most."""
    rows = [row for row in found["statements"] if "decides" in row]
    if not rows:
        return
    more = 0 if whole else max(0, len(rows) - MOST_LINES)
    if more:
        rows = sorted(rows, key=lambda row: -row["decides"])[:MOST_LINES]
    table = Table(title="What each clause decides", title_justify="left")
    for name in ("clause", "prior, nats", "evidence, nats", "speaks of D′", "decides of D′"):
        table.add_column(name, justify="left" if name == "clause" else "right")
    for row in rows:
        figures = (f"{row['log_prior']:+.2f}", f"{row['log_likelihood']:+.2f}")
        table.add_row(plain(row["text"]), *figures, f"{row['applies_unlabelled']:,}", f"{row['decides']:,}")
    Console().print(table)
    if more:
        line(f"… and {more:,} more, which decide no more than these")


def runners_up(found: Mapping[str, Any], *, whole: bool = False) -> None:
    """The next best hypotheses, and what they lack."""
    console = Console()
    if not found["runners_up"]:
        return
    console.print(plain("Runners-up", style="bold"))
    for rank, other in enumerate(found["runners_up"], start=2):
        console.print(
            plain(
                f"{rank}. score {other['score']:.2f} nats (log prior {other['log_prior']:.2f}, log likelihood "
                f"{other['log_likelihood']:.2f}), probability {other['probability']:.3f}"
            ),
            soft_wrap=True,
        )
        for sentence in _lines(other["hypothesis"], whole, "show --whole"):
            console.print(plain(f"     {sentence}", style="dim"), soft_wrap=True)


def description(found: Mapping[str, Any]) -> None:
    """What `check` says of a problem."""
    console = Console()
    console.print(plain(f"{found['problem']}: {found['question']}", style="bold"), soft_wrap=True)
    truth = "answers known to the evaluation" if found["truth"] else "answers unknown"
    line(f"D has {found['labelled']} rows, D′ {found['unlabelled']} ({truth})")
    for name, answer in found["answers"].items():
        share = answer["labelled"] / max(1, found["labelled"])
        line(f"  {name}: {answer['spoken']}; {answer['labelled']} rows of D ({share:.1%})")
    table = Table("feature", "kind", "values", "for example")
    for feature in found["features"]:
        new = feature.get("never_in_labelled", [])
        count = str(feature.get("values", "")) + (f" ({len(new)} only in D′)" if new else "")
        rare = "no word is in as many rows as space.words.minimum says"
        nothing = f"nothing to say: {rare if feature['kind'] == 'text' else 'it has one value'}"
        sentence = feature["sentence"] or nothing
        table.add_row(plain(feature["name"]), feature["kind"], count, plain(sentence))
    console.print(table)
    size = found["space"]
    if "conditions" in size:
        together = counted(size["most_conditions"], "condition", "conditions")
        line(
            f"Z says {size['conditions']:,.0f} conditions, {size['statements']:,.0f} statements of at most {together}, "
            f"and at most 10^{size['log10_hypotheses']:.0f} hypotheses of at most {size['most_statements']:.0f} "
            "statements"
        )
    elif "sections" in size:
        line(f"Z is free text: at most {size['max_words']} words in {size['sections']} sections")
    else:
        line(f"Z has {size['hypotheses']:,.0f} hypotheses")
    line(f"overseer: {found['overseer']}; budget: {found['budget']} judgements; seed: {found['seed']}")
    for note in found["notes"]:
        line(f"note: {note}")


def builtin(found: Mapping[str, Callable[[int], object]]) -> None:
    """The built-in problems, with the first line of what each says of itself."""
    for name, make in found.items():
        about = (inspect.getdoc(make) or "").splitlines()
        line(f"{name:12} {about[0] if about else ''}".rstrip())


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
