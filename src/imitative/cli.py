"""The command line: parse, build, run, print. Everything it does is a few calls that a program can make too.

Whatever needs numpy is imported inside the command that needs it, so that `--help` answers at once.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer
from typer.core import TyperGroup

from imitative.errors import InputError

if TYPE_CHECKING:
    from imitative.loaded import LoadedProblem

BAD_INPUT = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells say it


class Commands(TyperGroup):
    """Ends a command that cannot go on with one line on stderr, and never a traceback for what is not our mistake."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except InputError as error:
            _end(str(error), BAD_INPUT)
        except KeyboardInterrupt:
            going_on = "; the same command goes on from here" if ctx.invoked_subcommand == "run" else ""
            _end(f"stopped{going_on}", INTERRUPTED)
        except BrokenPipeError:
            raise  # whoever read our output has read enough: the library ends quietly
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            _end(f"{place}found {error.strerror or error}; check the path, its permissions and the disk", BAD_INPUT)
        except MemoryError:
            _end("found too little memory; use fewer rows or columns", BAD_INPUT)


def _end(message: str, code: int) -> None:
    print(f"imitative: {message}", file=sys.stderr)  # noqa: T201
    raise typer.Exit(code)


# Plain help: rich's takes longer to import than all of this, and its boxes differ between versions and terminals.
app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Learn, from labelled data and people's judgements, a hypothesis people can read, and label new data with it.",
)
fetch_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Fetch public data; needs a network.")
app.add_typer(fetch_app, name="fetch")

ProblemArgument = Annotated[str, typer.Argument(help="A built-in problem's name, or the path of a problem.toml.")]
RunArgument = Annotated[Path, typer.Argument(help="The folder of a run.")]
Seed = Annotated[Optional[int], typer.Option(help="Of everything random; the problem's own by default.")]  # noqa: UP045
Data = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(help="The folder of `data:` paths in a problem.toml; $IMITATIVE_DATA by default."),
]


def _version(asked: bool) -> None:
    if asked:
        from imitative import __version__

        print(f"imitative {__version__}")  # noqa: T201
        raise typer.Exit


@app.callback()
def imitative(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")] = False,
) -> None:
    """Learn, from labelled data and people's judgements, a hypothesis people can read, and label new data with it."""


@app.command()
def run(
    problem: ProblemArgument,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="The run's folder; runs/NAME-SEED by default."),
    ] = None,
    seed: Seed = None,
    budget: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="How many judgements may be asked in all; the problem's own by default."),
    ] = None,
    data: Data = None,
) -> None:
    """Ask, search, transfer: find z* and label D′ with it.

    A run that was stopped, at any point and in any way, goes on with the same command: nothing is asked twice.
    """
    if budget is not None and budget < 1:
        raise InputError("--budget", str(budget), "at least 1 judgement", "give a larger number")
    if seed is not None and seed < 0:
        raise InputError("--seed", str(seed), "0 or more", "give another number")
    if belief := _belief(problem):
        _run_belief(belief, out, seed, budget, data)
        return
    from imitative import showing
    from imitative.running import default_folder, run_problem

    loaded = _load(problem, data, seed)
    folder = out or default_folder(loaded, seed)
    showing.notes(loaded.notes)
    with showing.Watcher(loaded.budget if budget is None else budget) as watcher:
        result = run_problem(loaded, folder, seed=seed, budget=budget, progress=watcher)
    showing.result(result)
    showing.line(f"The report is {folder / 'report.html'}")


@app.command()
def check(problem: ProblemArgument, seed: Seed = None, data: Data = None) -> None:
    """Validate a problem and describe it; nothing is asked and nothing is written."""
    from imitative import showing

    if belief := _belief(problem):
        from imitative import belief_showing
        from imitative.belief_config import load_belief

        belief_showing.description(load_belief(belief, data, seed=seed))
        return
    from imitative.describing import describe

    showing.description(describe(_load(problem, data, seed)))


@app.command()
def show(
    run: RunArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print result.json, for programs.")] = False,
) -> None:
    """Print a run's z*, runners-up, scores, audit and cost."""
    from imitative.store.runs import read_result

    found = read_result(run)
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=2))  # noqa: T201
        return
    from imitative import showing

    if found.get("kind") == "belief":
        from imitative import belief_showing

        belief_showing.result(found)
        return
    showing.result(found)
    showing.runners_up(found)


@app.command()
def label(
    run: RunArgument,
    file: Annotated[Path, typer.Argument(help="New questions: csv, tsv, jsonl, json or parquet.")],
    out: Annotated[Path, typer.Option(help="Where to write the labels, as CSV.")],
) -> None:
    """Label new questions with a run's M_test, with calibrated probabilities."""
    from imitative import showing
    from imitative.running import label_file

    labels = label_file(run, file, out)
    showing.notes(labels.notes)
    counts = labels.probabilities.argmax(axis=1)
    told = ", ".join(f"{int((counts == i).sum())} {name}" for i, name in enumerate(labels.answers))
    showing.line(f"{len(counts)} questions labelled ({told}): {out}")


@app.command()
def report(run: RunArgument) -> None:
    """Write a run's report again, one self-contained HTML page, and print where it is."""
    from imitative.store.runs import read_result

    if read_result(run).get("kind") == "belief":
        from imitative.belief_running import write_belief_report as write_report
    else:
        from imitative.running import write_report

    print(write_report(run))  # noqa: T201


@app.command()
def forecast(
    run: RunArgument,
    horizon: Annotated[int, typer.Option(help="How many steps ahead.", min=1, max=1000)],
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Where to write the quantiles, as CSV; printed as a table by default."),
    ] = None,
    seed: Seed = None,
    data: Data = None,
) -> None:
    """Look further ahead with a finished run of beliefs: quantiles of D′, and scores where it is known."""
    from imitative import belief_showing, showing
    from imitative.belief_config import load_belief
    from imitative.belief_running import again, write_forecast
    from imitative.store.runs import read_model

    source = Path(str(read_model(run).get("source", "")))
    if not source.is_file():
        raise InputError(
            str(run), "no problem of beliefs to look ahead with", "a run of one that is still where it was"
        )
    problem = load_belief(source, data, horizon=horizon)
    found, scores = again(problem, run, horizon, 0 if seed is None else seed)
    if out is not None:
        write_forecast(problem, found, out)
        showing.line(f"The quantiles are {out}")
    belief_showing.forecast(problem, found, scores)


@app.command()
def problems() -> None:
    """List the built-in problems."""
    from imitative import showing
    from imitative.problems import BUILTIN

    showing.builtin(BUILTIN)


@fetch_app.command()
def mushrooms(
    out: Annotated[Path, typer.Option(help="The folder to write to, given to --data later.")] = Path("data"),
) -> None:
    """Fetch 8,124 mushrooms from OpenML."""
    from imitative.fetch import fetch_mushrooms

    print(fetch_mushrooms(out))  # noqa: T201


def _belief(problem: str) -> Path | None:
    """The problem file, where it is one of beliefs."""
    if not Path(problem).exists():
        return None
    from imitative.belief_file import belief_file

    return belief_file(problem)


def _run_belief(path: Path, out: Path | None, seed: int | None, budget: int | None, data: Path | None) -> None:
    from imitative import belief_showing, showing
    from imitative.belief_config import load_belief
    from imitative.belief_running import default_folder, run_belief

    problem = load_belief(path, data, seed=seed)
    folder = out or default_folder(problem, seed)
    showing.notes(problem.notes)
    with belief_showing.Watcher() as watcher:
        result = run_belief(problem, folder, seed=seed, budget=budget, tell=watcher)
    belief_showing.result(result)
    showing.line(f"The report is {folder / 'report.html'}")


def _load(problem: str, data: Path | None, seed: int | None) -> LoadedProblem:
    from imitative.config import load_problem

    return load_problem(problem, data, seed=seed)


def main() -> None:
    """The program."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that cannot write ′ shows an escape, not a traceback
            stream.reconfigure(errors="backslashreplace")
    # With Python's own handler in place, asyncio would put its own there, which waits for the program to wait: a search
    # of a minute would not be stopped. Every moment is a good one to stop.
    signal.signal(signal.SIGINT, _interrupt)
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
