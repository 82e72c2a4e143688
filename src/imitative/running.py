"""A run from end to end: Steps 1–4 on a loaded problem, kept in a folder.

    D, D′, H → induce → z* → transfer → labels of D′ → evaluate → result.json, hypothesis.md, labels.csv, report.html

Whatever stops the process, the same call goes on: a judgement is a row before it is used, and no row is asked again.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, final

import numpy as np

from imitative.attended import attended
from imitative.data import Floats
from imitative.display import counted
from imitative.errors import InputError, in_markdown, shown
from imitative.guidance import Guide, Heard
from imitative.induction import Induced, Progress, induce
from imitative.labelling import transfer
from imitative.labels import labels_csv
from imitative.loaded import LoadedProblem
from imitative.overseers.overseer import Asked, Judging, Ledger, Overseer
from imitative.overseers.people import WAITING, People
from imitative.overseers.presenting import checks, presenter
from imitative.preference import Preference
from imitative.preference.reliability import reliabilities
from imitative.records import LAST_SEED, MOST_JUDGEMENTS
from imitative.results import clauses_told
from imitative.settings import Settings
from imitative.statement_results import result_of
from imitative.store import Run, files, runs
from imitative.store.mailbox import StoredMailbox
from imitative.traits import Encode

VECTORS = "vectors.sqlite"
"""The sentence encoder's vectors, kept in the run's folder so that a run that goes on reads nothing twice."""

Watch = Callable[[Progress], None]


def run_problem(
    loaded: LoadedProblem,
    out: Path | str,
    *,
    seed: int | None = None,
    budget: int | None = None,
    progress: Watch | None = None,
    settings: Settings | None = None,
    encode: Encode | None = None,
    store: str | None = None,
    overseer: Overseer | Judging | None = None,
) -> dict[str, Any]:
    """Run Steps 1–4 and write the folder; what was judged before is not asked again.

    Args:
        loaded: the problem and who judges.
        out: the run's folder, made where missing.
        seed: instead of the problem's own.
        budget: judgements in all, instead of the problem's own.
        progress: told after every stage.
        settings: how budget and time are spent.
        encode: a sentence encoder, instead of the one that is loaded.
        store: the URL of a database shared by several runs, instead of the folder's own.
        overseer: who judges, instead of the problem's own.

    Returns:
        What `result.json` holds.

    Raises:
        InputError: for a budget below 1, a negative seed, or a folder that cannot be used.
    """
    out = Path(out)
    seed, budget = loaded.seed if seed is None else seed, loaded.budget if budget is None else budget
    if not 1 <= budget <= MOST_JUDGEMENTS:
        raise InputError("the budget", str(budget), f"1 to {MOST_JUDGEMENTS:,} judgements", "give another number")
    if not 0 <= seed <= LAST_SEED:
        raise InputError("the seed", str(seed), f"0 to {LAST_SEED:,}", "give another number")
    loaded = loaded if loaded.keep_in is None else loaded.keep_in(str(out))
    loaded = loaded if overseer is None else _judged_by(loaded, overseer)
    problem, settings = loaded.problem, settings or loaded.settings
    described = dataclasses.asdict(settings) | {runs.JUDGED: loaded.judged}
    with Run.open(out, problem.name, loaded.fingerprint, seed, budget, described, store=store) as run:
        seconds: dict[str, float] = {}
        started = time.perf_counter()
        source = "none"
        if encode is None and problem.candidates is None:
            encode, source = _encoder(out)
        seconds["encoder"] = time.perf_counter() - started
        watch = _Watch(run, progress)
        judge, guide, heard = _overseen(loaded.build_overseer(seed), run, loaded, watch)
        if loaded.study is not None and encode is not None:
            studied = loaded.study.finish(
                loaded, judge, seed=seed, budget=budget, known=run.known(), record=run.record,
                progress=watch, encode=encode, settings=settings, guide=guide, heard=heard,
            )  # fmt: skip
            return _written(run, {**studied.result, "encoder": source}, studied.probabilities, studied.model, loaded)
        induced = induce(
            problem, judge, seed=seed, budget=budget, known=run.known(), record=run.record,
            progress=watch, encode=encode, settings=settings, guide=guide,
        )  # fmt: skip
        transferred = transfer(induced, seed=seed, progress=watch, heard=heard)
        started = time.perf_counter()
        watch(_stage("measuring", induced))
        result = result_of(
            loaded, induced, transferred, judge, seed, source,
            measuring=lambda what: watch(_stage(what, induced)),
        )  # fmt: skip
        result["proposals"] = _proposals(run, induced) if guide is not None else []
        result["notes"] = [*result["notes"], *_unused(run, induced.ledger)]
        seconds |= induced.seconds | transferred.seconds | {"evaluation": time.perf_counter() - started}
        result["seconds"] = {stage: round(spent, 3) for stage, spent in seconds.items()}
        return _written(run, result, transferred.probabilities, transferred.model.to_json(), loaded)


def _unused(run: Run, ledger: Ledger) -> list[str]:
    """What should be said of judgements that are kept in the folder, and that this run did not ask for."""
    used = {judgement.query.key for judgement in ledger.judgements}
    others = [judgement for key, judgement in run.known().items() if key not in used]
    if not others:
        return []
    cost = sum(judgement.cost for judgement in others)
    return [
        f"the folder holds {counted(len(others), 'judgement', 'judgements')} more, of a cost of {cost:g}, asked for "
        "with another budget or by another version, that are not among these: a run goes on with the budget it began "
        "with"
    ]


def _written(
    run: Run, result: dict[str, Any], probabilities: Floats, model: dict[str, Any], loaded: LoadedProblem
) -> dict[str, Any]:
    """Write the files of a finished run; what its `result.json` holds."""
    if loaded.told is not None:
        result = {**result, "calls": loaded.told()}
    origin = loaded.origin
    if origin is not None:
        model = {**model, "file": origin.source.written()}
    places = () if origin is None else (origin.numbers, origin.files)
    finite: dict[str, Any] = _finite(result)
    run.event("finished", {
        "seconds": finite["seconds"], "hypothesis": finite["hypothesis"], "best": finite["hypothesis"],
        "clauses": clauses_told(finite),
    })  # fmt: skip
    run.write_results(
        result=finite,
        hypothesis=hypothesis_page(result),
        labels=labels_csv(loaded.problem.answers, probabilities, *places),
        report=render(finite),
        model=model,
    )
    return finite


def asking_people(loaded: LoadedProblem) -> LoadedProblem:
    """The same problem, judged by people on the page instead of whoever it names."""
    show = presenter(loaded.problem)

    def build(seed: int) -> Overseer:
        return People(show, checks=checks(loaded.problem, show, seed))

    return dataclasses.replace(loaded, build_overseer=build, judged="people")


def _judged_by(loaded: LoadedProblem, overseer: Overseer | Judging) -> LoadedProblem:
    """The same problem, judged by an overseer that somebody made; a function is called what it is called there."""
    named = getattr(overseer, "__qualname__", type(overseer).__qualname__)
    given = overseer if isinstance(overseer, Overseer) else Asked(overseer)
    return dataclasses.replace(loaded, build_overseer=lambda seed: given, judged=f"own: {named}")


def write_report(folder: Path) -> Path:
    """Write a finished run's report again, from its `result.json`; where it is.

    Raises:
        InputError: if there is no finished run, or the file cannot be written.
    """
    path, result = folder / runs.REPORT, runs.read_result(folder)
    if not isinstance(result.get("hypothesis"), str):
        remedy = "run the problem again, with another --out"
        raise InputError(str(folder / runs.RESULT), "nothing that says what z* is", "the result of a run", remedy)
    files.write_atomically(path, render(result))
    return path


def render(result: Mapping[str, Any]) -> str:
    """The report, one self-contained HTML page."""
    from imitative.report import render as page

    return page(result)


def hypothesis_page(result: Mapping[str, Any]) -> str:
    """`hypothesis.md`: the question, and z* a sentence a line."""
    said = (in_markdown(line) for line in result["hypothesis"].splitlines() if line.strip())
    lines = "\n".join(f"- {line}" for line in said)
    return f"# {in_markdown(result['question'])}\n\n{lines}\n\nProblem {result['problem']}, seed {result['seed']}.\n"


def default_folder(loaded: LoadedProblem, seed: int | None) -> Path:
    """`runs/<name>-<seed>`, with what a folder's name cannot hold left out of the name.

    Raises:
        InputError: if nothing of the name is left.
    """
    name = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in loaded.problem.name).strip("-.")
    if not name:
        raise InputError(
            "the problem's name", shown(loaded.problem.name), "letters or digits", "name a folder with --out"
        )
    return Path("runs") / f"{name}-{loaded.seed if seed is None else seed}"


# ------------------------------------------------------------------------------------------------------ what is kept


def _encoder(folder: Path) -> tuple[Encode, str]:
    from imitative.encoders import sentence_encoder

    encode = sentence_encoder(folder / VECTORS)
    return encode, encode.source


@final
class _Watch:
    """Tells `progress`, and keeps the end of each round as an event; of a run that is `followed` from another process,
    on the lead's page, each stage.
    """

    def __init__(self, run: Run, progress: Watch | None) -> None:
        self._run, self._progress = run, progress
        self.followed = False
        self._last: Progress | None = None

    def __call__(self, told: Progress) -> None:
        if told.stage == "round" or self.followed:
            kept = {name: value for name, value in told._asdict().items() if name != "fitted"}
            if told.stage == "round":
                self._run.event("round", kept | {"judges": _judges(told.fitted)})
            else:
                self._run.event("stage", kept)
        self._last = told
        if self._progress is not None:
            self._progress(told)

    def waiting(self, lacking: int, of: int) -> None:
        """People are being waited for."""
        if self._progress is not None and self._last is not None:
            stage = f"{WAITING}: {of - lacking} of {of} judged" if lacking else "all judged; a moment's grace"
            self._progress(self._last._replace(stage=stage))


def _judges(fitted: Preference | None) -> dict[str, Any]:
    """What M_prior's fit has learned of each judge; steepness as a multiple of the average judge's."""
    if fitted is None:
        return {}
    found = reliabilities(fitted)
    return {
        name: {
            "answers": each.answers,
            "reliability": found[name]._asdict() if name in found else None,
            "steepness": each.discrimination / fitted.population.discrimination,
            "carelessness": each.carelessness,
            "bias": each.bias,
        }
        for name, each in fitted.judges.items()
    }


def _overseen(
    overseer: Overseer, run: Run, loaded: LoadedProblem, watch: _Watch
) -> tuple[Overseer, Guide | None, Heard | None]:
    """People are given the run's mailbox, and a hand in the search; others are as they were built."""
    if not isinstance(overseer, People):
        return overseer, None, None
    watch.followed = True
    about = {"space": loaded.described, "question": loaded.problem.question, "images": loaded.images}
    found = attended(overseer, run, about, watch.waiting)
    return found.people, found.guide, found.heard


def _proposals(run: Run, induced: Induced) -> list[dict[str, Any]]:
    """What judges proposed: who, where it stands among what was found, and whether it became z*."""
    space, ranked = induced.problem.space, [scored.hypothesis for scored in induced.found]
    found = []
    for each in StoredMailbox(run).proposed():
        z = space.read(each.text)
        score = induced.posterior.score(z)
        rank = ranked.index(z) + 1 if z in ranked else None
        found.append({"hypothesis": space.show(z), "author": each.author, "score": score, "rank": rank})
    return found


def _stage(name: str, induced: Induced) -> Progress:
    best, rounds = induced.problem.space.show(induced.best), len(induced.rounds)
    return Progress.of(induced.ledger, induced.budget, name, best, (rounds, rounds))


def _finite(value: Any) -> Any:
    """`value` as JSON can hold it: a number that is none becomes null, and numpy's become Python's."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
