"""Files that are whole or absent: never half-written, whenever the process or the machine stops."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imitative.errors import InputError

_TEMPORARY = ".imitative-"
_REMEDY = "free some space or name another folder"


@contextlib.contextmanager
def explained(path: Path, doing: str) -> Iterator[None]:
    """Turn what the operating system refuses into one line with the place and the remedy.

    Raises:
        InputError: instead of an `OSError`.
    """
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(str(path), f"that it cannot be {doing} ({reason})", remedy=_remedy(error, doing)) from error


def _remedy(error: OSError, doing: str) -> str:
    if isinstance(error, FileNotFoundError):
        return "check the path"
    if isinstance(error, (NotADirectoryError, FileExistsError)):
        return "a file stands where a folder is needed: name another folder"
    if isinstance(error, IsADirectoryError):
        return "a folder stands where a file is needed: name another file"
    if isinstance(error, PermissionError):
        return "check its permissions" if doing == "read" else "check its permissions or name another folder"
    return "check the disk" if doing == "read" else _REMEDY


def make_folder(folder: Path) -> None:
    """Create the folder and its parents, where missing.

    Raises:
        InputError: if that is not possible.
    """
    with explained(folder, "made a folder"):
        folder.mkdir(parents=True, exist_ok=True)


def write_atomically(path: Path, text: str | bytes) -> None:
    """Write a file, text as UTF-8, so that `path` holds either what it held before or all of `text`, on disk.

    A temporary file in the same folder (a rename across file systems is a copy) is written, synced and renamed, and
    then the folder is synced, without which the rename itself may be lost with the power.

    Raises:
        InputError: if the file cannot be written; what was there before is untouched.
    """
    with explained(path, "written"):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=_TEMPORARY)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_bytes(text))
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o666 & ~_umask())  # mkstemp makes files that only their owner may read
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
        _sync_folder(path.parent)


def write_where_told(path: Path, text: str) -> None:
    """The same for a path that a user gave: a link stays one, and what it leads to is written; what is no file, such as
    /dev/stdout or a pipe, is written to as it is.

    Raises:
        InputError: if it cannot be written.
    """
    if path.exists() and not path.is_file():
        with explained(path, "written"):
            path.write_bytes(_bytes(text))
    else:
        write_atomically(path.resolve(), text)


def _bytes(text: str | bytes) -> bytes:
    return text.encode("utf-8", "backslashreplace") if isinstance(text, str) else text


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # some systems cannot open a folder; there the rename is synced with the file
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files of processes that were killed while writing."""
    for path in folder.glob(f"{_TEMPORARY}*"):
        with contextlib.suppress(OSError):
            path.unlink()


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        InputError: if the file is missing, unreadable or not a JSON object.
    """
    with explained(path, "read"):
        raw = path.read_bytes()
    try:
        found = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(str(path), str(error), "valid JSON", "run the problem again to rewrite it") from error
    if not isinstance(found, dict):
        raise InputError(str(path), "no JSON object", "one", "run the problem again to rewrite it")
    return found
