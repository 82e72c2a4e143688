"""A run from end to end: Steps 1–4 on a loaded problem, kept in a folder.

    D, D′, H → induce → z* → transfer → labels of D′ → evaluate → result.json, hypothesis.md, labels.csv, report.html

Whatever stops the process, the same call goes on: a judgement is a row before it is used, and no row is asked again.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from imitative.attended import attended
from imitative.data import Floats, Table
from imitative.errors import InputError, shown
from imitative.evaluation import baselines, evaluate, folds
from imitative.exchange.spreadsheet import harmless
from imitative.guidance import Guide, Heard
from imitative.hypotheses.statements import Hypothesis, Statement
from imitative.induction import Induced, Progress, Round, induce, induce_again
from imitative.labelling import TransferModel, Transferred, transfer
from imitative.loaded import LoadedProblem
from imitative.overseers.overseer import Overseer
from imitative.overseers.people import People
from imitative.overseers.presenting import checks, presenter
from imitative.preference import Preference
from imitative.preference.reliability import reliabilities
from imitative.reading import Read, read_table
from imitative.results import audit_told, clauses_told, judgements_told
from imitative.rows import Source, written_like
from imitative.settings import Settings
from imitative.store import Run, files, runs
from imitative.store.mailbox import StoredMailbox
from imitative.texts.labelling import TextTransferModel
from imitative.traits import Encode

RUNNERS_UP = 10
"""How many runners-up a result tells of."""
EXAMPLES = 3
"""How many questions it shows for each statement."""
VECTORS = "vectors.sqlite"
"""The sentence encoder's vectors, kept in the run's folder so that a run that goes on reads nothing twice."""

Watch = Callable[[Progress], None]


def run_problem(
    loaded: LoadedProblem,
    out: Path,
    *,
    seed: int | None = None,
    budget: int | None = None,
    progress: Watch | None = None,
    settings: Settings | None = None,
    encode: Encode | None = None,
    store: str | None = None,
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

    Returns:
        What `result.json` holds.

    Raises:
        InputError: for a budget below 1, or a folder that cannot be used.
    """
    seed, budget = loaded.seed if seed is None else seed, loaded.budget if budget is None else budget
    if budget < 1:
        raise InputError("the budget", str(budget), "at least 1 judgement", "give --budget a larger number")
    if seed < 0:
        raise InputError("the seed", str(seed), "0 or more", "give --seed another number")
    loaded = loaded if loaded.keep_in is None else loaded.keep_in(str(out))
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
        overseer, guide, heard = _overseen(loaded.build_overseer(seed), run, loaded, watch)
        if loaded.study is not None and encode is not None:
            studied = loaded.study.finish(
                loaded, overseer, seed=seed, budget=budget, known=run.known(), record=run.record,
                progress=watch, encode=encode, settings=settings, guide=guide, heard=heard,
            )  # fmt: skip
            return _written(run, {**studied.result, "encoder": source}, studied.probabilities, studied.model, loaded)
        induced = induce(
            problem, overseer, seed=seed, budget=budget, known=run.known(), record=run.record,
            progress=watch, encode=encode, settings=settings, guide=guide,
        )  # fmt: skip
        transferred = transfer(induced, seed=seed, progress=watch, heard=heard)
        started = time.perf_counter()
        watch(_stage("measuring", induced))
        result = _result(loaded, induced, transferred, overseer, seed, source)
        result["proposals"] = _proposals(run, induced) if guide is not None else []
        seconds |= induced.seconds | transferred.seconds | {"evaluation": time.perf_counter() - started}
        result["seconds"] = {stage: round(spent, 3) for stage, spent in seconds.items()}
        return _written(run, result, transferred.probabilities, transferred.model.to_json(), loaded)


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


def write_report(folder: Path) -> Path:
    """Write a finished run's report again, from its `result.json`; where it is.

    Raises:
        InputError: if there is no finished run, or the file cannot be written.
    """
    path = folder / runs.REPORT
    files.write_atomically(path, render(runs.read_result(folder)))
    return path


def render(result: Mapping[str, Any]) -> str:
    """The report, one self-contained HTML page."""
    from imitative.report import render as page

    return page(result)


def load_model(folder: Path) -> TransferModel | TextTransferModel:
    """M_test of a finished run.

    Raises:
        InputError: if there is none, or it is damaged.
    """
    return _rebuilt(runs.read_model(folder), folder)


def _rebuilt(row: Mapping[str, Any], folder: Path) -> TransferModel | TextTransferModel:
    try:
        if row.get("kind") == "text":
            return TextTransferModel.from_json(row)
        return TransferModel.from_json(row)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(folder, f"something M_test cannot be made of ({error})") from error


def _damaged(folder: Path, found: str) -> InputError:
    return InputError(str(folder / runs.MODEL), found, remedy="run the problem again to rewrite it")


class Labels(NamedTuple):
    """New questions answered: probabilities (N, |Y|), the answers that are their columns, and notes for the reader."""

    probabilities: Floats
    answers: tuple[str, ...]
    notes: tuple[str, ...]


def label_file(folder: Path, file: Path, out: Path) -> Labels:
    """Label the questions of `file` with a run's M_test and write them to `out` as CSV, in the order of the rows.

    `file` is read as that of D′ was, but for what it itself contradicts: see `rows.written_like`.

    Raises:
        InputError: if the run is not finished, the file lacks a feature, or `out` cannot be written or is read from.
    """
    if out.exists() and file.exists() and out.samefile(file):
        raise InputError(str(out), "the file to be labelled", "another one", "give --out another name")
    if file.is_dir() and out.resolve().is_relative_to(file.resolve()):
        raise InputError(str(out), "a file in the folder to be labelled", "one elsewhere", "give --out another path")
    if not out.parent.is_dir():
        raise InputError(str(out.parent), "no such folder", "one to write in", "make it, or give --out another path")
    row = runs.read_model(folder)
    model = _rebuilt(row, folder)
    read: Read = read_table(_as_kept(row, file, folder), model.features)
    probabilities = model.probabilities(read.table)
    files.write_atomically(out, labels_csv(model.answers, probabilities, paths=read.files))
    return Labels(probabilities, model.answers, read.notes)


def _as_kept(row: Mapping[str, Any], file: Path, folder: Path) -> Source:
    """The file as D′ was read; runs from before that was kept, and built-in problems, say nothing of it."""
    if "file" not in row:
        return Source(file)
    try:
        with files.explained(file, "read"):
            return written_like(file, row["file"])
    except (AttributeError, KeyError, TypeError) as error:
        raise _damaged(folder, f"nothing that says how files are written ({error})") from error


def labels_csv(
    answers: Iterable[str],
    probabilities: Floats,
    numbers: NDArray[np.int64] | None = None,
    paths: Sequence[str] = (),
) -> str:
    """One line a question: its row in the file (from 1; all rows where `numbers` does not say which), of a folder the
    path of its text there, its most probable answer, and the probability of every answer. What a spreadsheet would take
    for a formula has an apostrophe before it, as in the exports.

    >>> print(labels_csv(["e", "p"], np.array([[0.25, 0.75]])), end="")
    row,answer,probability of e,probability of p
    1,p,0.250000,0.750000
    """
    names = tuple(answers)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["row", *(["file"] if paths else []), "answer", *(f"probability of {name}" for name in names)])
    words, texts = [harmless(name) for name in names], [harmless(path) for path in paths]
    places = range(1, len(probabilities) + 1) if numbers is None else numbers.tolist()
    for i, (place, row) in enumerate(zip(places, probabilities, strict=True)):
        writer.writerow([place, *texts[i : i + 1], words[int(row.argmax())], *(f"{p:.6f}" for p in row)])
    return out.getvalue()


def hypothesis_page(result: Mapping[str, Any]) -> str:
    """`hypothesis.md`: the question, and z* a sentence a line."""
    lines = "\n".join(f"- {line}" for line in result["hypothesis"].splitlines() if line.strip())
    return f"# {result['question']}\n\n{lines}\n\nProblem {result['problem']}, seed {result['seed']}.\n"


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
            stage = f"waiting for people: {of - lacking} of {of} judged" if lacking else "all judged; a moment's grace"
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


# --------------------------------------------------------------------------------------------------------- the result


def _result(
    loaded: LoadedProblem, induced: Induced, transferred: Transferred, overseer: Overseer, seed: int, encoder: str
) -> dict[str, Any]:
    """Everything a run says, as plain values; keys as in the documentation of `result.json`."""
    problem, posterior, z = loaded.problem, induced.posterior, induced.best
    show = problem.space.show
    on_labelled = transferred.model.probabilities(problem.labelled.table)
    return {
        "problem": problem.name,
        "question": problem.question,
        "answers": dict(problem.spoken),
        "seed": seed,
        "encoder": encoder,
        "rows": {"labelled": len(problem.labelled), "unlabelled": len(problem.unlabelled)},
        "hypothesis": show(z),
        "default": {"answer": z.default, "strength": str(z.default_strength.value), "nats": z.default_strength.nats},
        "statements": _statements(induced),
        "probability": float(induced.probabilities[0]),
        "log_prior": induced.prior.log_prior(z),
        "log_prior_sd": induced.prior.sd(z),
        "log_likelihood": posterior.log_likelihood(z),
        "score": induced.found[0].score,
        "runners_up": [
            {
                "hypothesis": show(scored.hypothesis),
                "log_prior": induced.prior.log_prior(scored.hypothesis),
                "log_likelihood": posterior.log_likelihood(scored.hypothesis),
                "score": scored.score,
                "probability": float(p),
            }
            for scored, p in list(zip(induced.found, induced.probabilities, strict=True))[1 : 1 + RUNNERS_UP]
        ],
        "judgements": judgements_told(induced.ledger, induced.budget),
        "audit": audit_told(transferred.audit, induced.rounds, induced.best),
        **evaluate(problem, loaded.truth, on_labelled, transferred.probabilities),
        "baselines": baselines(problem, loaded.truth, seed, held_out=folds(problem.labelled.answers, seed)),
        "ours_held_out": _held_out(induced, seed),
        "scale": _scale(induced),
        "rounds": [_round(r, loaded, induced) for r in induced.rounds],
        "notes": [*loaded.notes, *getattr(overseer, "notes", ()), *_full(loaded, z)],
    }


def _full(loaded: LoadedProblem, z: Hypothesis) -> list[str]:
    """A note where z* is as long as it may be, and somebody can allow it more: the prior charges for length already."""
    most = loaded.problem.space.limits.statements
    if loaded.origin is None or len(z.statements) < most:
        return []
    return [
        f"z* says as much as it may, statements = {most}: what it leaves out may lack room, not reasons; "
        "allow more in [space], with another --out"
    ]


def _held_out(induced: Induced, seed: int) -> float | None:
    """Accuracy on rows of D that z* was not searched on, over the folds the direct fits are measured on."""
    labelled, right = induced.problem.labelled, []
    for fold in folds(labelled.answers, seed):
        z = induce_again(induced, labelled.take(fold.fitted), seed)
        log_p = induced.reading.log_probabilities(labelled.table.take(fold.held), z, labelled.names)
        right.append(log_p.argmax(axis=1) == labelled.answers[fold.held])
    return float(np.concatenate(right).mean()) if right else None


def _statements(induced: Induced) -> list[dict[str, Any]]:
    labels = _labels(induced.best, induced)
    return [_statement(statement, labels, induced) for statement in induced.best.statements]


def _labels(z: Hypothesis, induced: Induced) -> NDArray[np.intp]:
    """The most probable answer under z to each question of D′."""
    problem = induced.problem
    return np.asarray(induced.reading.log_probabilities(problem.unlabelled, z, problem.answers).argmax(axis=1))


def _statement(statement: Statement, labels: NDArray[np.intp], induced: Induced) -> dict[str, Any]:
    """One statement of z*: what it says, what it is worth, and questions whose answer it decides."""
    problem, posterior, z = induced.problem, induced.posterior, induced.best
    applies = induced.reading.statement(statement, problem.unlabelled)
    others = Hypothesis(tuple(s for s in z.statements if s != statement), z.default, z.default_strength)
    decides = labels != _labels(others, induced)
    return {
        "text": problem.space.show_statement(statement),
        "strength": str(statement.strength.value),
        "nats": statement.strength.nats,
        "answer": statement.answer,
        "log_prior": induced.prior.log_prior(z) - induced.prior.log_prior(others),
        "log_likelihood": posterior.log_likelihood(z) - posterior.log_likelihood(others),
        "applies_labelled": int(induced.reading.statement(statement, problem.labelled.table).sum()),
        "applies_unlabelled": int(applies.sum()),
        "decides": int(decides.sum()),
        "examples": _examples(problem.unlabelled, np.flatnonzero(applies)[:10_000], decides),
    }


def _examples(table: Table, applies: NDArray[np.intp], decides: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Up to `EXAMPLES` different questions that a statement applies to, in words; those first that it decides."""
    order = np.argsort(~decides[applies], kind="stable")
    found: list[dict[str, Any]] = []
    for i in applies[order[:100]]:
        row = table.row(int(i))
        # In words: `o` for one ring tells nobody anything.
        spoken = {f.name: f.word(str(row[f.name])) for f in table.features if f.discrete and row[f.name] is not None}
        question = {**row, **spoken}
        if question not in found:
            found.append(question)
        if len(found) == EXAMPLES:
            break
    return found


def _scale(induced: Induced) -> dict[str, Any] | None:
    preference = getattr(induced.prior, "preference", None)
    return None if preference is None else dict(preference.scale._asdict())


def _round(done: Round, loaded: LoadedProblem, induced: Induced) -> dict[str, Any]:
    problem = loaded.problem
    p, p2 = (
        np.exp(induced.reading.log_probabilities(table, done.best, problem.answers))
        for table in (problem.labelled.table, problem.unlabelled)
    )
    return {
        "round": done.number,
        "asked": done.asked,
        "best": problem.space.show(done.best),
        "log_posterior": done.score,
        "gap": None if done.audit is None else done.audit.gap,
        "survived": None if done.audit is None else done.audit.survived,
        "unlabelled_accuracy": evaluate(problem, loaded.truth, p, p2)["accuracy"]["unlabelled"],
    }


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
