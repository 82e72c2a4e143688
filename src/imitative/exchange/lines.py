"""JSON lines: one judgement a line, everything of it. The form in which imported judgements are kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from imitative.exchange.flat import judgement_of, row_of_judgement
from imitative.exchange.format import Exported, Format, Read
from imitative.exchange.parsing import json_rows
from imitative.records import Judgement
from imitative.store.files import write_atomically

RECORDED = "judgements.jsonl"
"""The file of a folder that the `recorded` overseer reads."""


def write(judgements: Sequence[Judgement], path: Path) -> Exported:
    """See `Format`."""
    write_lines(path, (row_of_judgement(judgement) for judgement in judgements))
    return Exported()


def read(path: Path) -> Read:
    """See `Format`."""
    return Read(tuple(judgement_of(row) for row in json_rows(path)))


def write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write objects, one a line.

    Raises:
        InputError: if the file cannot be written.
    """
    write_atomically(path, "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows))


def read_recorded(folders: Iterable[Path]) -> list[Judgement]:
    """The judgements of folders that `import_file` wrote, or of files in its format.

    Raises:
        InputError: naming the file, the line and the remedy.
    """
    return [
        judgement
        for folder in folders
        for judgement in read(folder / RECORDED if folder.is_dir() else folder).judgements
    ]


JSONL = Format("jsonl", "JSON lines, everything of a judgement but its reason", False, "", write, read)
