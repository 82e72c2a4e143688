"""python -m bench NAME [--only FIGURE] [--json FILE] [--data DIR]: a row per figure, exit 1 where one falls short.

exit 0   every figure was reached
exit 1   a figure fell short, or could not be measured
exit 2   wrong usage
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

# Figures are told for one thread unless they say otherwise: it is read when numpy is first imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

CAPABILITIES = {
    "beliefs": "bench.beliefs",
    "core": "bench.core",
    "language_models": "bench.language_models",
    "people": "bench.people",
}
"""Name → the module whose `FIGURES` are measured: figure → `module:function`, and whether it needs real data."""

WIDTHS = (52, 10, 26, 8, 9)
HEADINGS = ("figure", "measured", "to reach", "reached", "seconds")


class Measured(NamedTuple):
    """A row, as it is written."""

    figure: str
    value: float
    target: str
    reached: bool
    detail: dict[str, Any]
    seconds: float

    @property
    def line(self) -> str:
        """As it is printed."""
        said = "yes" if self.reached else "NO"
        cells = (self.figure, f"{self.value:.4g}", self.target, said, f"{self.seconds:.1f}")
        return "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        from bench.figure import plain

        found: dict[str, Any] = plain(
            {
                "figure": self.figure,
                "value": self.value,
                "target": self.target,
                "reached": self.reached,
                "detail": {**self.detail, "seconds": round(self.seconds, 3)},
            }
        )
        return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure a capability's figures.")
    parser.add_argument("name", choices=sorted(CAPABILITIES), help="which capability")
    parser.add_argument("--only", action="append", metavar="FIGURE", help="measure this one only; may be repeated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows as JSON")
    parser.add_argument("--data", type=Path, metavar="DIR", help="the folder of real data; $IMITATIVE_DATA by default")
    given = parser.parse_args(arguments)
    figures: Mapping[str, tuple[str, bool]] = import_module(CAPABILITIES[given.name]).FIGURES
    chosen = list(dict.fromkeys(given.only or figures))
    if unknown := [name for name in chosen if name not in figures]:
        parser.error(f"no figure {unknown[0]!r} in {given.name}; there are {', '.join(figures)}")
    folder = given.data or (Path(os.environ["IMITATIVE_DATA"]) if os.environ.get("IMITATIVE_DATA") else None)
    if folder is not None and not folder.is_dir():
        parser.error(f"{folder} is no folder: give --data DIR")
    if folder is None and (needy := [name for name in chosen if figures[name][1]]):
        parser.error(f"{needy[0]} is measured on real data: give --data DIR, or name built-in figures by --only")
    if given.json is not None and not given.json.absolute().parent.is_dir():
        parser.error(f"{given.json}: there is no such folder to write to")
    return 0 if report(measure({name: figures[name][0] for name in chosen}, folder), given.json) else 1


def measure(figures: Mapping[str, str], folder: Path | None) -> Iterator[Measured]:
    """Each row with the seconds it took; a figure that breaks is a row that says so, and the others go on."""
    from bench.figure import Bench, Row

    bench = Bench(folder)
    for name, place in figures.items():
        bench.say(f"[{name}]")
        started = time.perf_counter()
        try:
            module, _, function = place.partition(":")
            rows: Iterable[Row] = getattr(import_module(module), function)(bench)
            for row in rows:
                yield Measured(*row, seconds=time.perf_counter() - started)
                started = time.perf_counter()
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            detail = {"error": f"{type(error).__name__}: {error}"}
            yield Measured(
                f"{name}: not measured", float("nan"), "to be measured", False, detail, time.perf_counter() - started
            )


def report(rows: Iterable[Measured], file: Path | None) -> bool:
    """Print and keep each row as it comes; whether all were reached."""
    print("  ".join(f"{cell:<{width}}" for cell, width in zip(HEADINGS, WIDTHS, strict=True)).rstrip(), flush=True)
    kept: list[Measured] = []
    for row in rows:
        kept.append(row)
        print(row.line, flush=True)
        if file is not None:
            draft = file.with_name(file.name + ".part")
            draft.write_text(
                json.dumps([each.to_json() for each in kept], indent=1, ensure_ascii=False) + "\n", "utf-8"
            )
            draft.replace(file)
    short = [row.figure for row in kept if not row.reached]
    print(
        f"{len(kept) - len(short)} of {len(kept)} figures reached" + (f"; short: {'; '.join(short)}" if short else "")
    )
    return bool(kept) and not short


if __name__ == "__main__":
    sys.exit(main())
