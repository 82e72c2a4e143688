"""Where the files lie that a problem file names."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from imitative.errors import InputError, shown

DATA_VARIABLE = "IMITATIVE_DATA"
"""The environment variable that names the folder of `data:` paths."""


def resolve(text: str, place: str, beside: Path, data: Path | None) -> Path:
    """A path as written → a path: `data:` and `package:` prefixes, ${IMITATIVE_DATA}, ~, or relative.

    Args:
        text: as written.
        place: how a message names where it is written.
        beside: the folder that relative paths start from.
        data: the folder of `data:` paths, before $IMITATIVE_DATA; None: only that.

    Raises:
        InputError: if it is no path on this machine, or there is no folder or package to look in.
    """
    if "\0" in text or not text.strip():
        raise InputError(place, shown(text), "a path")
    if "://" in text:
        raise InputError(place, shown(text), "a path on this machine", "fetch the file first")
    if text.startswith("package:"):
        return _in_package(text.removeprefix("package:"), place)
    if text.startswith("data:"):
        return _in_data(text.removeprefix("data:").lstrip("/"), place, data)
    if "${IMITATIVE_DATA}" in text:
        folder = os.environ.get(DATA_VARIABLE) or data
        if not folder:
            raise InputError(place, shown(text), f"a value of {DATA_VARIABLE}", "set it, or give --data DIR")
        text = text.replace("${IMITATIVE_DATA}", str(folder))
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:
        raise InputError(place, shown(text), "a path", str(error)) from None
    return path if path.is_absolute() else beside / path


def _in_data(rest: str, place: str, data: Path | None) -> Path:
    variable = os.environ.get(DATA_VARIABLE)
    folders = [folder for folder in (data, Path(variable) if variable else None) if folder is not None]
    if not folders:
        remedy = f"give --data DIR, or set {DATA_VARIABLE} to the folder that holds {rest}"
        raise InputError(place, shown(f"data:{rest}"), "a data folder to look in", remedy)
    return next((folder / rest for folder in folders if (folder / rest).exists()), folders[0] / rest)


def _in_package(rest: str, place: str) -> Path:
    """A file that an installed package carries: `package:vaderSentiment/vader_lexicon.txt`."""
    package, _, inside = rest.partition("/")
    found = importlib.util.find_spec(package) if package.isidentifier() else None
    if found is None or not found.submodule_search_locations:
        raise InputError(
            place, f"no installed package {shown(package)}", "one that carries the file", f"pip install {package}"
        )
    return Path(found.submodule_search_locations[0]) / inside
