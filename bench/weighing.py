"""Rules that weigh forecasts by their past, compared on series that the figure of influenza does not use (0013)."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from bench.figure import Bench, Row
from imitative.beliefs.choosing import EARLIEST, Chooser, least
from imitative.beliefs.forecasting import wis
from imitative.search.target import load_jax

Floats = NDArray[np.float64]
HORIZON = 4
FIRST = 20
HALF_YEAR = 26


@final
@dataclass(eq=False)
class Past:
    """What was forecast at earlier rows, and happened by now.

    Args:
        quantiles: one (C, levels, steps, groups) for each earlier row, as far as it is known by now.
        happened: one (steps, groups) for each.
        ages: (rows,) how many rows ago.
    """

    quantiles: list[Floats]
    happened: list[Floats]
    ages: Floats
    _fits: dict[tuple[bool, float], Floats] = field(default_factory=dict)

    def scores(self) -> Floats:
        """(rows, C) mean WIS of logarithms."""
        pairs = zip(self.quantiles, self.happened, strict=True)
        return np.array([[float(wis(np.log1p(each), np.log1p(y)).mean()) for each in q] for q, y in pairs])

    def fitted(self, log: bool, half_life: float) -> Floats:
        """(C,) the weights of least WIS."""
        if (log, half_life) not in self._fits:
            q = np.concatenate([each.reshape(*each.shape[:2], -1) for each in self.quantiles], axis=2)
            y = np.concatenate([each.reshape(-1) for each in self.happened])
            if log:
                q, y = np.log1p(q), np.log1p(y)
            if half_life:  # the pinball loss is linear in its scale
                share = np.repeat(0.5 ** (self.ages / half_life), [each.size for each in self.happened])
                q, y = q * share, y * share
            self._fits[log, half_life] = least(q, y)
        return self._fits[log, half_life]


Rule = Callable[[Past, int], Floats]
"""The weights of C models, (C,)."""


def fitted(log: bool = False, drawn: float = 0.0, half_life: float = 0.0) -> Rule:
    """Least WIS, drawn towards equal weights as if so many more rows had said so."""

    def rule(past: Past, count: int) -> Floats:
        rows = len(past.quantiles)
        return np.asarray((rows * past.fitted(log, half_life) + drawn / count) / (rows + drawn))

    return rule


def inverse(power: float, half_life: float = 0.0) -> Rule:
    """In inverse proportion to a power of the mean WIS of logarithms."""

    def rule(past: Past, count: int) -> Floats:
        share = 0.5 ** (past.ages / half_life) if half_life else np.ones(len(past.ages))
        score = (share[:, None] * past.scores()).sum(axis=0) / share.sum()
        found = score**-power
        return np.asarray(found / found.sum())

    return rule


def _best(past: Past, count: int) -> Floats:
    return np.asarray(np.eye(count)[int(np.argmin(past.scores().mean(axis=0)))])


RULES: Mapping[str, Rule] = {
    "all the same": lambda past, count: np.full(count, 1.0 / count),
    "least WIS (0009)": fitted(),
    **{f"least WIS, drawn {k}": fitted(drawn=k) for k in (8, 26, 52)},
    **{f"least WIS, halving in {h}": fitted(half_life=h) for h in (12, 26)},
    "least log WIS": fitted(log=True),
    **{f"least log WIS, drawn {k}": fitted(log=True, drawn=k) for k in (8, 26, 52)},
    **{f"least log WIS, halving in {h}": fitted(log=True, half_life=h) for h in (12, 26)},
    **{f"inverse log WIS to the {p}": inverse(p) for p in (1, 2, 4)},
    "the best so far by log WIS": _best,
}


def series(folder: Path) -> Iterator[tuple[str, Floats, tuple[str, ...], str]]:
    """Name, new numbers a week (T, groups), groups and the whole."""
    names, totals = _read(folder / "epidemics" / "key-countries-pivoted.csv")
    new = _weekly(totals)
    yield "countries", np.column_stack([new, new.sum(axis=1)]), (*names, "all of them"), "all of them"
    names, totals = _read(folder / "epidemics" / "worldwide-aggregate.csv")
    kept = [names.index("Confirmed"), names.index("Deaths")]
    yield "world", _weekly(totals[:, kept]), ("Confirmed", "Deaths"), "Confirmed"


def _read(file: Path) -> tuple[list[str], Floats]:
    with file.open(encoding="utf-8", newline="") as lines:
        head, *rows = csv.reader(lines)
    return head[1:], np.array([[float(value or "nan") for value in row[1:]] for row in rows])


def _weekly(totals: Floats) -> Floats:
    """New numbers a week; one in which the total was corrected downwards repeats the week before."""
    new = np.diff(totals[::7], axis=0)
    for t, m in np.argwhere(new < 0.0):
        new[t, m] = new[t - 1, m] if t else 0.0
    return new


def weighing(bench: Bench) -> Iterator[Row]:
    """Every rule's share of the flat line's WIS: the geometric mean over half-years of both files."""
    load_jax()
    shares: dict[str, list[float]] = {}
    for name, y, groups, whole in series(bench.data):
        chooser = Chooser.of_growth(groups, whole, HORIZON, tell=lambda said: bench.say(said))
        made = {row: chooser.made(y[:row]) for row in range(EARLIEST, len(y) - HORIZON + 1)}
        bench.say(f"{name}: {len(made)} origins of {y.shape[1]} series")
        for rule, blocks in scored(made, y, list(chooser.models)).items():
            shares.setdefault(rule, []).extend(blocks)
    for rule, blocks in sorted(shares.items(), key=lambda pair: _mean(pair[1])):
        bench.say(f"{rule}: {_mean(blocks):.3f} {np.round(blocks, 2).tolist()}")
    for rule, blocks in shares.items():
        yield Row(f"weighing: {rule}", _mean(blocks), "for comparison", True, {"half-years": blocks})


def _mean(blocks: list[float]) -> float:
    return float(np.exp(np.mean(np.log(blocks))))


def scored(made: Mapping[int, Floats], y: Floats, models: list[str]) -> dict[str, list[float]]:
    """Rule → share of the flat line's WIS in each half-year."""
    count, flat = len(models), models.index("flat line")
    found: dict[str, list[Floats]] = {}
    origins = [row for row in made if row >= FIRST]
    for now in origins:
        earlier = [row for row in made if row < now]
        happened = [y[row : min(row + HORIZON, now)] for row in earlier]
        past = Past(
            [made[row][:, :, : len(after)] for row, after in zip(earlier, happened, strict=True)],
            happened, now - np.array(earlier, dtype=float),
        )  # fmt: skip
        truth = y[now : now + HORIZON]
        said = {name: np.tensordot(rule(past, count), made[now], axes=1) for name, rule in RULES.items()}
        said["the median"] = np.median(made[now], axis=0)
        said |= {f"alone: {name}": made[now][k] for k, name in enumerate(models)}
        for name, q in said.items():
            found.setdefault(name, []).append(np.asarray(wis(q, truth).mean()))
    blocks = np.array_split(np.arange(len(origins)), round(len(origins) / HALF_YEAR))
    line = np.array(found[f"alone: {models[flat]}"])
    return {
        name: [float(np.array(each)[block].mean() / line[block].mean()) for block in blocks]
        for name, each in found.items()
    }
