"""The command line: parse, build, run, print. Everything it does is a few calls that a program can make too.

Whatever needs numpy is imported inside the command that needs it, so that `--help` answers at once.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer
from typer.core import TyperGroup

from imitative.errors import InputError
from imitative.web.pace import AT_ONCE

if TYPE_CHECKING:
    from imitative.loaded import LoadedProblem
    from imitative.store import Run

STORE_VARIABLE = "IMITATIVE_STORE"
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

FORMATS_HELP = (
    "One of jsonl, csv, datasets (all of these hold everything but the reasons that judges gave), trl, argilla, "
    "label-studio, crowd-kit, choix, summarize-from-feedback."
)
ProblemArgument = Annotated[str, typer.Argument(help="A built-in problem's name, or the path of a problem.toml.")]
RunArgument = Annotated[Path, typer.Argument(help="The folder of a run.")]
Seed = Annotated[Optional[int], typer.Option(help="Of everything random; the problem's own by default.")]  # noqa: UP045
Data = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(help="The folder of `data:` paths in a problem.toml; $IMITATIVE_DATA by default."),
]
Store = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="A database's URL, postgresql+psycopg://…; the run's own file by default, or $IMITATIVE_STORE."),
]
OwnProblem = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(
        "--problem", help="The problem file of the run, where its model is code of its own; else the run says where."
    ),
]
Served = Annotated[str, typer.Argument(help="The folder of a run, or the problem that it is a run of.")]
Out = Annotated[Optional[Path], typer.Option(help="The run's folder; runs/NAME-SEED by default.")]  # noqa: UP045


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
        typer.Option(
            help="How many judgements may be asked in all; the problem's own by default. A run goes on with the one it "
            "began with: with another, most is asked for anew."
        ),
    ] = None,
    data: Data = None,
    store: Store = None,
    people: Annotated[
        bool, typer.Option("--people", help="Ask people on a page, see `serve`, instead of whoever the problem names.")
    ] = False,
    recorded: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Option(help="A folder that `import` wrote: judge by it, not by the problem's overseer. May be repeated."),
    ] = None,
) -> None:
    """Ask, search, transfer: find z* and label D′ with it.

    A run that was stopped, at any point and in any way, goes on with the same command: nothing is asked twice.
    """
    from imitative.records import LAST_SEED, MOST_JUDGEMENTS

    if budget is not None and not 1 <= budget <= MOST_JUDGEMENTS:
        raise InputError("--budget", str(budget), f"1 to {MOST_JUDGEMENTS:,} judgements", "give another number")
    if seed is not None and not 0 <= seed <= LAST_SEED:
        raise InputError("--seed", str(seed), f"0 to {LAST_SEED:,}", "give another number")
    if belief := _belief(problem):
        if recorded:
            raise InputError("--recorded", "a problem of beliefs", "one over statements", "leave it out")
        _run_belief(belief, out, seed, budget, data, people, _store(store))
        return
    from imitative import showing
    from imitative.running import asking_people, default_folder, run_problem

    if people and recorded:
        raise InputError("--people, --recorded", "both", "one of the two", "say who judges: people, or what they said")
    loaded = _load(problem, data, seed)
    loaded = asking_people(loaded) if people else loaded
    folder = out or default_folder(loaded, seed)
    if recorded:
        from imitative.overseer_config import judged_by_record

        loaded = judged_by_record(loaded, recorded)
        folder = out or folder.with_name(folder.name + "-recorded")  # another overseer's run is another run
    told = [*loaded.notes, *getattr(loaded.build_overseer(loaded.seed), "notes", ())]  # what an archive could not use
    showing.notes(told)
    hint = showing.how_to_judge(folder)
    with showing.Watcher(loaded.budget if budget is None else budget, waiting=hint) as watcher:
        result = run_problem(loaded, folder, seed=seed, budget=budget, progress=watcher, store=_store(store))
    showing.result(result)
    showing.notes([note for note in result["notes"] if note not in told])
    showing.line(f"The report is {folder / 'report.html'}")


@app.command()
def check(problem: ProblemArgument, seed: Seed = None, data: Data = None) -> None:
    """Validate a problem and describe it; nothing is asked and nothing is written."""
    from imitative import showing

    if belief := _belief(problem):
        from imitative.beliefs import showing as belief_showing
        from imitative.beliefs.config import load_belief

        belief_showing.description(load_belief(belief, data, seed=seed))
        return
    from imitative.describing import describe

    showing.description(describe(_load(problem, data, seed)))


@app.command()
def show(
    run: RunArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print result.json, for programs.")] = False,
    whole: Annotated[bool, typer.Option("--whole", help="Print every statement, however many there are.")] = False,
) -> None:
    """Print a run's z*, runners-up, scores, audit and cost."""
    from imitative.store.runs import RESULT, as_written, read_result

    found = read_result(run)
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=2))  # noqa: T201
        return
    from imitative import showing

    with as_written(run / RESULT):
        if found.get("kind") == "belief":
            from imitative.beliefs import showing as belief_showing

            belief_showing.result(found)
            return
        showing.result(found, whole=whole)
        showing.clauses(found, whole=whole)
        showing.runners_up(found, whole=whole)
        showing.notes(found.get("notes", ()))


@app.command()
def label(
    run: RunArgument,
    file: Annotated[
        Path,
        typer.Argument(help="New questions, read as D′ was: csv, tsv, jsonl, json, parquet, or a folder of texts."),
    ],
    out: Annotated[Path, typer.Option(help="Where to write the labels, as CSV, in a folder that exists.")],
) -> None:
    """Label new questions with a run's M_test, with calibrated probabilities."""
    from imitative import showing
    from imitative.labels import label_file

    labels = label_file(run, file, out)
    showing.notes(labels.notes)
    counts = labels.probabilities.argmax(axis=1)
    told = ", ".join(f"{int((counts == i).sum())} {name}" for i, name in enumerate(labels.answers))
    showing.line(f"{len(counts)} question{'' if len(counts) == 1 else 's'} labelled ({told}): {out}")


@app.command()
def report(run: RunArgument) -> None:
    """Write a run's report again, one self-contained HTML page, and print where it is."""
    from imitative.store.runs import RESULT, as_written, read_result

    if read_result(run).get("kind") == "belief":
        from imitative.beliefs.running import write_belief_report as write_report
    else:
        from imitative.running import write_report

    with as_written(run / RESULT):
        print(write_report(run))  # noqa: T201


@app.command()
def forecast(
    run: RunArgument,
    horizon: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="How many steps ahead; the problem's own D′ by default.", min=1, max=1000),
    ] = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Where to write the quantiles, as CSV; printed as a table by default."),
    ] = None,
    problem: OwnProblem = None,
    seed: Seed = None,
    data: Data = None,
) -> None:
    """Look further ahead with a finished run of beliefs: quantiles of D′, and scores where it is known."""
    from imitative import showing
    from imitative.beliefs import showing as belief_showing
    from imitative.beliefs.config import load_belief
    from imitative.beliefs.running import again, write_forecast

    loaded = load_belief(problem or _source_of(run), data, horizon=horizon, named=problem is not None)
    found, scores = again(loaded, run, len(loaded.ahead), 0 if seed is None else seed)
    if out is not None:
        write_forecast(loaded, found, out)
        showing.line(f"The quantiles are {out}")
    belief_showing.forecast(loaded, found, scores)


@app.command()
def believe(
    run: RunArgument,
    sentences: Annotated[list[str], typer.Argument(help="What you believe: “R0 is between 2 and 3.”, one for each.")],
    problem: OwnProblem = None,
    seed: Seed = None,
    data: Data = None,
) -> None:
    """Score a belief of your own, in words, by a finished run's data and prior, beside the belief the run found."""
    from imitative.beliefs import showing as belief_showing
    from imitative.beliefs.config import load_belief
    from imitative.beliefs.scoring import scored

    loaded = load_belief(problem or _source_of(run), data, named=problem is not None)
    belief_showing.scored(scored(loaded, run, sentences, 0 if seed is None else seed))


@app.command()
def serve(
    run: Served,
    out: Out = None,
    seed: Seed = None,
    data: Data = None,
    store: Store = None,
    host: Annotated[str, typer.Option(help="Where to listen; this machine alone by default.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen.")] = 8000,
    address: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The URL that judges open, where it is another: https://judge.example.org behind a proxy."),
    ] = None,
    images: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="The folder of the pictures that queries show; the problem's own by default."),
    ] = None,
    tls: Annotated[
        Optional[tuple[Path, Path]],  # noqa: UP045
        typer.Option(metavar="CERTIFICATE KEY", help="Two PEM files: serve HTTPS."),
    ] = None,
    at_once: Annotated[
        int, typer.Option(min=1, max=40, help="Requests worked on at once; more for a database that is far away.")
    ] = AT_ONCE,
) -> None:
    """Serve the page where people judge a run; invite them with `invite`.

    It may run beside `imitative run`, before it, after it, and on another machine that shares its database.
    """
    opened, own_images = _opened(run, out, seed, data, store)
    from imitative.serving import hosts_of, make_service
    from imitative.serving import serve as serve_app

    hosts = hosts_of(host, address)
    shown = f"[{host}]" if ":" in host else host
    at = address or f"{'http' if tls is None else 'https'}://{shown}:{port}"
    from imitative.web.app import make_app

    app_served = make_app(make_service(opened, at, images or own_images), hosts, at_once=at_once)
    print(f"Judging {opened.problem} at {at}", file=sys.stderr)  # noqa: T201
    serve_app(app_served, host, port, tls)


@app.command()
def invite(
    run: Served,
    name: Annotated[str, typer.Option(help="What others see.")],
    role: Annotated[str, typer.Option(help="judge or lead.")] = "judge",
    out: Out = None,
    seed: Seed = None,
    data: Data = None,
    store: Store = None,
    address: Annotated[
        str, typer.Option(help="Where judges reach the page that `serve` serves.")
    ] = "http://127.0.0.1:8000",
    program: Annotated[bool, typer.Option("--program", help="Print a token for a program instead of a link.")] = False,
    days: Annotated[float, typer.Option(help="How long it works.")] = 30.0,
) -> None:
    """Print a link that lets somebody judge a run, or lead it; the link is told this once and kept by nobody."""
    from imitative.store.people import People

    opened, _ = _opened(run, out, seed, data, store)
    token = People(opened).invite(name, role, days=days, kind="program" if program else "invitation")
    opened.close()
    print(token if program else f"{address.rstrip('/')}/join#{token}")  # noqa: T201


@app.command()
def standing(
    run: Served,
    name: Annotated[str, typer.Argument(help="Who.")],
    to: Annotated[str, typer.Argument(help="active, suspended, excluded or revoked.")],
    why: Annotated[str, typer.Option(help="Kept with the change.")] = "",
    out: Out = None,
    seed: Seed = None,
    data: Data = None,
    store: Store = None,
) -> None:
    """Suspend, exclude, revoke or reinstate a judge of a run; what they said is kept."""
    from imitative.mail import Standing
    from imitative.store.people import People

    if to not in list(Standing):
        raise InputError("the standing", repr(to), "active, suspended, excluded or revoked")
    opened, _ = _opened(run, out, seed, data, store)
    People(opened).stand(name, Standing(to), by="the command line", why=why)
    opened.close()


@app.command()
def export(
    run: RunArgument,
    to: Annotated[str, typer.Option("--format", help=FORMATS_HELP)],
    out: Annotated[Path, typer.Option(help="The file or folder to write, where nothing is yet.")],
    store: Store = None,
) -> None:
    """Write a run's judgements for another tool; docs/exchange.md says what survives the trip.

    What the format cannot hold is written beside it, to OUT.rest.jsonl.
    """
    from imitative import showing
    from imitative.exchange.trips import export_run

    trip = export_run(run, to, out, _store(store))
    showing.notes(trip.notes)
    showing.line(f"{trip.made} judgements exported: {trip.path}")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="What another tool exported: a file or a folder.")],
    to: Annotated[str, typer.Option("--format", help=FORMATS_HELP)],
    out: Annotated[Path, typer.Option(help="The folder to keep them in, for `run --recorded`.")],
) -> None:
    """Read judgements that people gave in another tool, to be judged by them.

    Use the folder with `imitative run PROBLEM --recorded FOLDER`, or in a problem.toml:
    [overseer] kind = "recorded", judgements = "FOLDER".
    """
    from imitative import showing
    from imitative.exchange.trips import import_file

    trip = import_file(file, to, out)
    showing.notes(trip.notes)
    showing.line(f"{trip.made} judgements imported: {trip.path}")


@app.command()
def prompt(
    run: RunArgument,
    out: Annotated[Path, typer.Option(help="Where to write the prompt.")] = Path("prompt.txt"),
) -> None:
    """Write a run's z* as a plain prompt, for any language model, and print where it is."""
    from imitative.exporting import export_prompt

    print(export_prompt(run, out))  # noqa: T201


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


def _source_of(run: Path) -> Path:
    """The problem file of a finished run of beliefs."""
    from imitative.store.runs import read_model

    source = Path(str(read_model(run).get("source", "")))
    if not source.is_file():
        raise InputError(str(run), "no problem of beliefs", "a run of one, whose file is still where it was")
    return source


def _belief(problem: str) -> Path | None:
    """The problem file, where it is one of beliefs."""
    if not Path(problem).exists():
        return None
    from imitative.beliefs.problem_file import belief_file

    return belief_file(problem)


def _run_belief(
    path: Path,
    out: Path | None,
    seed: int | None,
    budget: int | None,
    data: Path | None,
    people: bool,
    store: str | None,
) -> None:
    from imitative import showing
    from imitative.beliefs import showing as belief_showing
    from imitative.beliefs.config import asking_people, load_belief
    from imitative.beliefs.running import default_folder, run_belief

    problem = load_belief(path, data, seed=seed)
    problem = asking_people(problem) if people else problem
    folder = out or default_folder(problem, seed)
    showing.notes(problem.notes)
    with belief_showing.Watcher(waiting=showing.how_to_judge(folder)) as watcher:
        result = run_belief(problem, folder, seed=seed, budget=budget, tell=watcher, store=store)
    belief_showing.result(result)
    showing.line(f"The report is {folder / 'report.html'}")


def _load(problem: str, data: Path | None, seed: int | None) -> LoadedProblem:
    from imitative.config import load_problem

    return load_problem(problem, data, seed=seed)


def _opened(
    run: str, out: Path | None, seed: int | None, data: Path | None, store: str | None
) -> tuple[Run, Path | None]:
    """The run to serve or to invite to, and the folder of its pictures."""
    try:
        from imitative.serving import Begun, open_run
    except ModuleNotFoundError as error:
        raise InputError(
            "the page", f"no package {error.name!r}", "the extra `people`", "pip install 'imitative[people]'"
        ) from None

    def load() -> Begun:
        if belief := _belief(run):
            from imitative.beliefs.config import load_belief
            from imitative.beliefs.running import default_folder as folder_of

            problem = load_belief(belief, data, seed=seed)
            folder = out or folder_of(problem, seed)
            return Begun(folder, problem.name, problem.fingerprint, problem.seed, problem.budget)
        from imitative.running import default_folder

        loaded = _load(run, data, seed)
        folder = out or default_folder(loaded, seed)
        of = loaded.problem.name, loaded.fingerprint, loaded.seed, loaded.budget, loaded.images
        return Begun(folder, *of)

    return open_run(run, load, _store(store))


def _store(given: str | None) -> str | None:
    """A database's URL, given or from the environment, where no list of processes shows its password."""
    return given or os.environ.get(STORE_VARIABLE) or None


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
