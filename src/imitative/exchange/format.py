"""The role of a format: how judgements are written to a path, and read from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from imitative.records import Judgement


class Exported(NamedTuple):
    """What became of an export.

    Args:
        left: the judgements the format cannot hold, for whoever called to keep elsewhere.
        notes: what a reader should know.
    """

    left: tuple[Judgement, ...] = ()
    notes: tuple[str, ...] = ()


class Read(NamedTuple):
    """What a file held.

    Args:
        judgements: in the order of the file.
        notes: what a reader should know, first of all what could not be used.
    """

    judgements: tuple[Judgement, ...]
    notes: tuple[str, ...] = ()


class Format(NamedTuple):
    """One way to write judgements down.

    Args:
        name: what it is called on the command line.
        what: one line about it.
        folder: whether it is a folder of files.
        loses: what of a judgement it holds is lost on the way out and back; empty: nothing.
        write: all it can hold of the judgements, to a path where nothing is yet.
        read: the judgements at a path, ours or another tool's. Raises InputError naming the place.
    """

    name: str
    what: str
    folder: bool
    loses: str
    write: Callable[[Sequence[Judgement], Path], Exported]
    read: Callable[[Path], Read]
