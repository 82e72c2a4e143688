"""Out of a run and into a folder: the formats by name, and what is kept so that nothing is lost on the way.

run → judgements → PATH, and PATH.rest.jsonl with what the format cannot hold
FILE → judgements → FOLDER/judgements.jsonl, which the `recorded` overseer reads
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from imitative.errors import InputError, did_you_mean, listed, shown
from imitative.exchange.argilla import ARGILLA
from imitative.exchange.choix import CHOIX
from imitative.exchange.crowd_kit import CROWD_KIT
from imitative.exchange.flat import judgement_of, row_of_judgement, told
from imitative.exchange.format import Format
from imitative.exchange.hugging_face import DATASETS
from imitative.exchange.label_studio import LABEL_STUDIO
from imitative.exchange.lines import JSONL, RECORDED
from imitative.exchange.parsing import parsed
from imitative.exchange.row import Row
from imitative.exchange.spreadsheet import SPREADSHEET
from imitative.exchange.summaries import SUMMARIES
from imitative.exchange.trl import TRL
from imitative.records import Judgement
from imitative.store.files import explained, make_folder
from imitative.store.overview import Overview
from imitative.store.runs import Run

FORMATS: Final[dict[str, Format]] = {
    each.name: each for each in (JSONL, SPREADSHEET, DATASETS, TRL, ARGILLA, LABEL_STUDIO, CROWD_KIT, CHOIX, SUMMARIES)
}


class Trip(NamedTuple):
    """What an export or an import did: how many judgements made the trip, where to, and what a reader should know."""

    made: int
    path: Path
    notes: tuple[str, ...]


def find(name: str) -> Format:
    """A format by its name.

    Raises:
        InputError: if there is none, with those there are.
    """
    if name not in FORMATS:
        raise InputError("--format", shown(name), f"one of {listed(FORMATS, 20)}", did_you_mean(name, FORMATS))
    return FORMATS[name]


def export_run(run: Path, name: str, path: Path, store: str | None = None) -> Trip:
    """Export every judgement of a run, finished or not; of one judged on the page, each judge's own.

    Raises:
        InputError: if there is no run, no such format, something at the path, or no way to write there.
    """
    found = find(name)
    with Run.load(run, store=store) as opened:
        judgements = judged(opened)
    return export(judgements, found, path)


def judged(run: Run) -> tuple[Judgement, ...]:
    """A run's judgements: each judge's own where it is judged on the page, where several may judge one query."""
    return tuple(Overview(run).judgements() or run.known().values())


def export(judgements: Sequence[Judgement], found: Format, path: Path) -> Trip:
    """Write judgements to a path where nothing is yet; what the format cannot hold goes to a file beside it.

    Raises:
        InputError: see `export_run`.
    """
    rest = path.with_name(path.name + ".rest.jsonl") if path.name else path
    _check_free(path)
    _check_free(rest)
    for i, judgement in enumerate(judgements, 1):
        _check(judgement, f"judgement {i}")
    make_folder(path.parent)
    written = found.write(judgements, path)
    notes = list(written.notes)
    kept = len(judgements) - len(written.left)
    if kept and found.loses:
        notes.append(f"{found.name} has no place for {found.loses}: that is lost")
    if written.left:
        JSONL.write(written.left, rest)
        counts = told(Counter(_said(judgement) for judgement in written.left))
        notes.append(f"{found.name} cannot hold {len(written.left)} judgements ({counts}): they are in {rest}")
    return Trip(kept, path, tuple(notes))


def _said(judgement: Judgement) -> str:
    """What a judgement is, for counting."""
    if judgement.answered and judgement.answer.grade != 0:
        return judgement.query.kind.value.replace("_", " ")
    return "tie" if judgement.answered else judgement.answer.outcome.value


def _check_free(path: Path) -> None:
    with explained(path, "looked at"):
        if path.exists() and not (path.is_dir() and not any(path.iterdir())):
            raise InputError(str(path), "something there already", "a new path", "name another, or remove it yourself")


def _check(judgement: Judgement, place: str) -> None:
    """Refuse what could not be read back."""
    row = row_of_judgement(judgement)
    parsed(json.dumps(row, allow_nan=False), place)
    if judgement_of(Row(place, row)) != judgement:
        raise InputError(place, shown(judgement), "a judgement that its row gives back")


def import_file(path: Path, name: str, out: Path) -> Trip:
    """Read a file of any format into a folder that serves as the `recorded` overseer.

    Raises:
        InputError: naming the file, the line and the remedy; or if the folder holds something already.
    """
    found = find(name)
    _check_free(out)
    read = found.read(path)
    if not read.judgements:
        raise InputError(str(path), "no judgement", "at least one", "is this the right file and format?")
    make_folder(out)
    JSONL.write(read.judgements, out / RECORDED)
    notes = list(read.notes)
    rest = path.with_name(path.name + ".rest.jsonl")
    if rest.is_file():
        notes.append(f"{rest} holds what {found.name} could not: import it too, with --format jsonl")
    return Trip(len(read.judgements), out, tuple(notes))
