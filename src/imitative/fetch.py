"""Public data for those who have a network, written in the form that the example problems read."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from imitative.errors import InputError
from imitative.store import files

Download = Callable[[str, int], Any]
"""(name, version on OpenML) → scikit-learn's bunch."""

MUSHROOM_WORDS: Mapping[str, str] = {
    "cap-shape": "b bell, c conical, x convex, f flat, k knobbed, s sunken",
    "cap-surface": "f fibrous, g grooves, y scaly, s smooth",
    "cap-color": "n brown, b buff, c cinnamon, g gray, r green, p pink, u purple, e red, w white, y yellow",
    "bruises?": "t bruises, f no",
    "odor": "a almond, l anise, c creosote, y fishy, f foul, m musty, n none, p pungent, s spicy",
    "gill-attachment": "a attached, d descending, f free, n notched",
    "gill-spacing": "c close, w crowded, d distant",
    "gill-size": "b broad, n narrow",
    "gill-color": "k black, n brown, b buff, h chocolate, g gray, r green, o orange, p pink, u purple, e red, w white, "
    "y yellow",
    "stalk-shape": "e enlarging, t tapering",
    "stalk-root": "b bulbous, c club, u cup, e equal, z rhizomorphs, r rooted",
    "stalk-surface-above-ring": "f fibrous, y scaly, k silky, s smooth",
    "stalk-surface-below-ring": "f fibrous, y scaly, k silky, s smooth",
    "stalk-color-above-ring": "n brown, b buff, c cinnamon, g gray, o orange, p pink, e red, w white, y yellow",
    "stalk-color-below-ring": "n brown, b buff, c cinnamon, g gray, o orange, p pink, e red, w white, y yellow",
    "veil-type": "p partial, u universal",
    "veil-color": "n brown, o orange, w white, y yellow",
    "ring-number": "n none, o one, t two",
    "ring-type": "c cobwebby, e evanescent, f flaring, l large, n none, p pendant, s sheathing, z zone",
    "spore-print-color": "k black, n brown, b buff, h chocolate, r green, o orange, u purple, w white, y yellow",
    "population": "a abundant, c clustered, n numerous, s scattered, v several, y solitary",
    "habitat": "g grasses, l leaves, m meadows, p paths, u urban, w waste, d woods",
}
"""The English for each code, as the data set's own description gives it (UCI, CC BY 4.0)."""


def fetch_mushrooms(out: Path, download: Download | None = None) -> Path:
    """8,124 mushrooms from OpenML, as `out`/mushrooms/mushroom.csv with mushroom.name.map beside it.

    Args:
        out: the folder that `--data` is then given.
        download: instead of scikit-learn's.

    Raises:
        InputError: without a network, or if what comes is not the mushrooms.
    """
    folder = out / "mushrooms"
    files.make_folder(folder)  # before the download: nobody should wait for what cannot be written
    bunch = (download or _download)("mushroom", 1)
    columns, answers = _columns(bunch)
    names = [*MUSHROOM_WORDS, "class"]
    lacking = [name for name in names[:-1] if name not in columns]
    if lacking or not set(answers) <= {"e", "p"}:
        found = f"no column {lacking[0]!r}" if lacking else "other answers than e and p"
        raise InputError("OpenML's mushroom", found, "the data set as described", "fetch it from UCI by hand")
    rows = zip(*(columns[name] for name in names[:-1]), answers, strict=True)
    files.write_atomically(folder / "mushroom.csv", _csv([names, *rows]))
    files.write_atomically(folder / "mushroom.name.map", _name_map())
    return folder / "mushroom.csv"


def _download(name: str, version: int) -> Any:
    from sklearn.datasets import fetch_openml

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns before it tries again; the one line below says enough
            # Without a frame no other library is needed, and the words come as indices into `categories`.
            return fetch_openml(name, version=version, as_frame=False, parser="liac-arff", n_retries=1, delay=0.5)
    except Exception as error:  # scikit-learn lets through whatever its network layers raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        remedy = "check the network, or fetch the file by hand and name it in a problem.toml"
        raise InputError(f"OpenML's {name}", f"that it cannot be fetched ({reason})", remedy=remedy) from error


def _columns(bunch: Any) -> tuple[dict[str, list[str]], list[str]]:
    """Column → cells as words, `?` where missing, and the answers."""
    columns: dict[str, list[str]] = {}
    for j, raw in enumerate(bunch.feature_names):
        words = (bunch.categories or {}).get(raw)
        cells = bunch.data[:, j]
        columns[unquote(raw)] = [_word(cell, words) for cell in cells]
    return columns, [str(answer) for answer in bunch.target]


def _word(cell: Any, words: Sequence[str] | None) -> str:
    if cell is None or cell != cell:  # NaN
        return "?"
    return str(words[int(cell)] if words is not None else cell).strip("'\"")


def _csv(rows: Sequence[Sequence[str]], delimiter: str = ";") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _name_map() -> str:
    """`odor=f,odour is <i>foul</i>`: the form that `features.names` of a problem.toml reads."""
    rows = [["orig", "friendly"]]
    for name, words in MUSHROOM_WORDS.items():
        spoken = {"odor": "odour"}.get(name, name.replace("-", " "))
        rows += [
            [f"{name}={code}", _CLAUSES.get((name, code), f"{spoken} is <i>{word}</i>")]
            for code, _, word in (pair.partition(" ") for pair in words.split(", "))
        ]
    return _csv(rows, ",")


_CLAUSES = {
    ("bruises?", "t"): "mushroom has <i>bruises</i>",
    ("bruises?", "f"): "mushroom <i>does not have bruises</i>",
    ("odor", "n"): "mushroom <i>does not have odour</i>",
    ("ring-number", "n"): "mushroom has <i>no rings</i>",
    ("ring-number", "o"): "mushroom has <i>one ring</i>",
    ("ring-number", "t"): "mushroom has <i>two rings</i>",
}
"""Where `the gill size is broad` would not be English."""
