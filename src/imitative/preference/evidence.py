"""What judges said, as records; checked, stacked, and turned into the coordinates in which the fit is done."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csc_array, hstack

from imitative.preference.arrow import Design
from imitative.records import GRADES

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

MANY_ALONE = 500
"""Rows with a direction of their own from which on it is worth treating them apart: below, a plain step is as fast."""
_ZERO = 3  # the place of 0 among the edges −∞, −c₂, −c₁, 0, c₁, c₂, ∞


@final
@dataclass(frozen=True, eq=False)
class Comparisons:
    """Graded comparisons: P(grade ≥ g) = σ(β_j·Δ + b_j − c_g), with Δ = rows·w + offsets in nats.

    Args:
        rows: (C, d) features(first) − features(second).
        grades: (C,) from `GRADES`; 0 is a tie. A skip is not a grade: leave it out.
        judges: who said each; empty for one judge.
        offsets: (C,) nats already known of Δ; None for none.
    """

    rows: ArrayLike
    grades: ArrayLike
    judges: Sequence[str] = ()
    offsets: ArrayLike | None = None


@final
@dataclass(frozen=True, eq=False)
class Odds:
    """Odds, and ratings against a reference: log ratio = rows·w + offsets + N(0, σ_odds²). They fix the scale in nats.

    Args:
        rows: (C, d) features(first) − features(second).
        log_ratios: (C,) nats.
        judges, offsets: see `Comparisons`.
        most: where the scale that odds are marked on ends, in nats: a mark there says *at least so much* (Tobin 1958).
    """

    rows: ArrayLike
    log_ratios: ArrayLike
    judges: Sequence[str] = ()
    offsets: ArrayLike | None = None
    most: float = math.inf


@final
@dataclass(frozen=True, eq=False)
class Bets:
    """Is z less likely than so many heads in a row? P(yes) = σ(β_j·(−heads·ln 2 − s)), with s = rows·w + offsets.

    Args:
        rows: (C, d) features of z itself, with whatever constant column the score has.
        heads: (C,) how many heads in a row.
        less_likely: (C,) bool.
        judges, offsets: see `Comparisons`.
    """

    rows: ArrayLike
    heads: ArrayLike
    less_likely: ArrayLike
    judges: Sequence[str] = ()
    offsets: ArrayLike | None = None


class RowSpace(NamedTuple):
    """w = mean + (basis·t + whatever is orthogonal)/root, with t and the rest standard normal before the evidence."""

    root: Floats  # (d,) square root of the prior precision
    basis: Floats | csc_array | None  # (d, p) orthonormal columns spanning the whitened rows; None for the identity

    def into(self, white: Floats) -> Floats:
        """The t coordinates (N, p) of whitened rows (N, d)."""
        return white if self.basis is None else np.asarray(white @ self.basis)


class Rows(NamedTuple):
    """All rows in t coordinates: n ordinal ones (comparisons, then bets turned round), then the odds."""

    design: Design  # (C, p)
    offset: Floats  # (C,)
    judge: Integers  # (C,)
    names: tuple[str, ...]  # (J,)
    lower: Integers  # (n,) indices into Answers.edges
    upper: Integers  # (n,)
    biased: Mask  # (n,) the comparisons
    chance: Floats  # (C,) probability or density of the answer from a careless judge
    ratio: Floats  # (C − n,)
    end: Floats  # (C − n,) 1 at the scale's end for the first side, −1 at the other, 0 between
    levels: Mask  # (5,) the grades that can occur
    prior_mean: Floats  # (d,)
    space: RowSpace


def matrix(name: str, value: ArrayLike, columns: int | None) -> Floats:
    """A finite matrix with so many columns, or a ValueError naming it."""
    matrix = np.asarray(value, dtype=np.float64)
    if matrix.ndim != 2 or (columns is not None and matrix.shape[1] != columns):
        raise ValueError(f"{name} has shape {matrix.shape}; give a matrix (rows, {columns or 'features'})")
    if not np.isfinite(matrix).all():
        row, column = np.argwhere(~np.isfinite(matrix))[0]
        raise ValueError(f"{name}[{row}, {column}] is {matrix[row, column]}; replace missing or infinite features")
    return matrix


def _vector(name: str, value: ArrayLike, size: int) -> Floats:
    vector = np.asarray(value, dtype=np.float64)
    if vector.shape != (size,):
        raise ValueError(f"{name} has shape {vector.shape}; give one value for each of its {size} rows")
    if not np.isfinite(vector).all():
        raise ValueError(f"{name}[{np.argmin(np.isfinite(vector))}] is not finite; leave out answers that are missing")
    return vector


def prepare(
    comparisons: Comparisons | None,
    odds: Odds | None,
    bets: Bets | None,
    mean: ArrayLike | None,
    precision: ArrayLike,
) -> Rows:
    """Check everything, stack the rows and turn them into t coordinates."""
    given = {"comparisons": comparisons, "odds": odds, "bets": bets}
    tables: dict[str, Floats] = {}
    offsets: dict[str, Floats] = {}
    said_by: dict[str, list[str]] = {}
    d: int | None = None
    for name, evidence in given.items():
        if evidence is None or len(np.asarray(evidence.rows)) == 0:
            tables[name], offsets[name], said_by[name] = np.empty((0, 0)), np.empty(0), []
            continue
        rows = tables[name] = matrix(f"{name}.rows", evidence.rows, d)
        d = rows.shape[1]
        known = np.zeros(len(rows)) if evidence.offsets is None else evidence.offsets
        offsets[name] = _vector(f"{name}.offsets", known, len(rows))
        said_by[name] = list(evidence.judges) or [""] * len(rows)
        if len(said_by[name]) != len(rows):
            found = len(said_by[name])
            raise ValueError(f"{name}.judges has {found} names for {len(rows)} rows; give one for each row, or none")
    if not d:
        raise ValueError("comparisons, odds and bets are all empty; give at least one judged row with one feature")
    prior_mean = _vector("mean", np.zeros(d) if mean is None else mean, d)
    given_precision = np.asarray(precision, dtype=np.float64)
    spread = _vector("precision", np.full(d, given_precision) if given_precision.ndim == 0 else given_precision, d)
    if not (spread > 0).all():
        raise ValueError(f"precision[{np.argmin(spread > 0)}] is not positive; a weak prior is 1e-6, not 0")

    n = {name: len(rows) for name, rows in tables.items()}
    grades = _vector("comparisons.grades", comparisons.grades if comparisons else [], n["comparisons"])
    if not np.isin(grades, GRADES).all():
        wrong = grades[~np.isin(grades, GRADES)][0]
        raise ValueError(f"comparisons.grades holds {wrong:g}; a grade is one of {GRADES}, and a skip is left out")
    ratio = _vector("odds.log_ratios", odds.log_ratios if odds else [], n["odds"])
    heads = _vector("bets.heads", bets.heads if bets else [], n["bets"])
    less = _vector("bets.less_likely", bets.less_likely if bets else [], n["bets"]) > 0.5

    lower, upper, levels = _borders(grades)
    tables["bets"] = -tables["bets"]
    offsets["bets"] = -offsets["bets"] - heads * math.log(2.0)
    order = ("comparisons", "bets", "odds")
    stacked = np.concatenate([tables[name] for name in order if n[name]])
    said = [judge for name in order for judge in said_by[name]]
    names = tuple(sorted(set(said)))
    index = {judge: j for j, judge in enumerate(names)}
    reach = max(1.0, float(np.abs(ratio).max())) if n["odds"] else 1.0
    most = odds.most if odds else math.inf
    root = np.sqrt(spread)
    white = stacked / root
    space, design = _coordinates(white, root)
    return Rows(
        design=design,
        offset=stacked @ prior_mean + np.concatenate([offsets[name] for name in order]),
        judge=np.array([index[judge] for judge in said], dtype=np.int64),
        names=names,
        lower=np.concatenate([lower, np.where(less, _ZERO, 0)]),
        upper=np.concatenate([upper, np.where(less, 6, _ZERO)]),
        biased=np.arange(n["comparisons"] + n["bets"]) < n["comparisons"],
        chance=np.repeat([1.0 / max(1, int(levels.sum())), 0.5, 0.5 / reach], [n[name] for name in order]),
        ratio=ratio,
        end=np.where(np.abs(ratio) >= most - 1e-9, np.sign(ratio), 0.0),
        levels=levels,
        prior_mean=prior_mean,
        space=space,
    )


def _coordinates(white: Floats, root: Floats) -> tuple[RowSpace, Design]:
    """Coordinates in which the whitened rows (C, d) are told with as little work as they allow."""
    times = np.count_nonzero(white, axis=0)
    own = white * (times == 1)
    length = np.sqrt((own**2).sum(axis=1))
    if np.count_nonzero(length) >= MANY_ALONE:
        shared = np.flatnonzero(times > 1)
        inside, design = _spanned(white[:, shared])
        beside = csc_array((np.ones(len(shared)), (shared, np.arange(len(shared)))), (white.shape[1], len(shared)))
        if inside is not None:
            beside = beside @ csc_array(inside)
        towards = csc_array((own / np.where(length, length, 1.0)[:, None]).T)
        return RowSpace(root, csc_array(hstack([towards, beside]))), Design(length, design)
    basis, design = _spanned(white)
    return RowSpace(root, basis), Design(np.empty(0), design)


def _spanned(white: Floats) -> tuple[Floats | None, Floats]:
    """An orthonormal basis (d, C) of fewer rows than columns, None for the identity, and the rows in it."""
    if len(white) >= white.shape[1]:
        return None, white
    basis, triangle = np.linalg.qr(white.T)
    return basis, np.ascontiguousarray(triangle.T)


def _borders(grades: Floats) -> tuple[Integers, Integers, Mask]:
    """Each grade's lower and upper edge, and which of the five grades can occur: symmetric, at least ±1."""
    sizes = set(np.abs(grades).astype(int).tolist())
    if not sizes & {1, 2}:
        sizes.add(1)
    low, high = (4, 5 if {1, 2} <= sizes else 4)
    between = {2: (high, 6), 1: (low, high if 2 in sizes else 6), 0: (2, 4), -1: (6 - high if 2 in sizes else 0, 2)}
    between[-2] = (0, 6 - high)
    edges = np.array([between[int(grade)] for grade in grades], dtype=np.int64).reshape(-1, 2)
    return edges[:, 0], edges[:, 1], np.array([abs(grade) in sizes for grade in GRADES])
