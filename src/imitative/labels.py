"""`labels.csv`: of D′ when a run ends, and of new files by the M_test that a finished run left."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imitative.data import Floats
from imitative.errors import InputError
from imitative.exchange.spreadsheet import harmless
from imitative.labelling import TransferModel
from imitative.reading import Read, read_table
from imitative.rows import Source, written_like
from imitative.store import files, runs
from imitative.texts.labelling import TextTransferModel


def load_model(folder: Path | str) -> TransferModel | TextTransferModel:
    """M_test of a finished run.

    Raises:
        InputError: if there is none, or it is damaged.
    """
    return _rebuilt(runs.read_model(folder), Path(folder))


def _rebuilt(row: Mapping[str, Any], folder: Path) -> TransferModel | TextTransferModel:
    with runs.as_written(folder / runs.MODEL):
        if row.get("kind") == "text":
            return TextTransferModel.from_json(row)
        return TransferModel.from_json(row)


def _damaged(folder: Path, found: str) -> InputError:
    return InputError(str(folder / runs.MODEL), found, remedy="run the problem again to rewrite it")


class Labels(NamedTuple):
    """New questions answered: probabilities (N, |Y|), the answers that are their columns, and notes for the reader."""

    probabilities: Floats
    answers: tuple[str, ...]
    notes: tuple[str, ...]


def label_file(folder: Path | str, file: Path | str, out: Path | str) -> Labels:
    """Label the questions of `file` with a run's M_test and write them to `out` as CSV, in the order of the rows.

    `file` is read as that of D′ was, but for what it itself contradicts: see `rows.written_like`.

    Raises:
        InputError: if the run is not finished, the file lacks a feature, or `out` cannot be written or is read from.
    """
    folder, file, out = Path(folder), Path(file), Path(out)
    if out.exists() and file.exists() and out.samefile(file):
        raise InputError(str(out), "the file to be labelled", "another one", "give --out another name")
    if file.is_dir() and out.resolve().is_relative_to(file.resolve()):
        raise InputError(str(out), "a file in the folder to be labelled", "one elsewhere", "give --out another path")
    if out.resolve() in {(folder / name).resolve() for name in runs.FILES}:
        raise InputError(str(out), "a file of the run itself", "another one", "give --out another name")
    if not out.parent.is_dir():
        raise InputError(str(out.parent), "no such folder", "one to write in", "make it, or give --out another path")
    row = runs.read_model(folder)
    model = _rebuilt(row, folder)
    read: Read = read_table(_as_kept(row, file, folder), model.features)
    with runs.as_written(folder / runs.MODEL):
        probabilities = model.probabilities(read.table)
        if not np.isfinite(probabilities).all():
            raise _damaged(folder, "an M_test whose probabilities are no numbers")
    files.write_where_told(out, labels_csv(model.answers, probabilities, paths=read.files))
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
