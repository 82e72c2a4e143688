"""How far judges agree beyond chance: Krippendorff's α, Cohen's κ, Gwet's AC2, with gaps, and why where undefined.

All three are 1 − D/D′ or its like: the disagreement seen over that expected by chance, and they differ in the chance.

    α    = 1 − Σ_kl o_kl δ²_kl / Σ_kl e_kl δ²_kl                 o: pairs of answers within a unit; e: among all units
    κ    = 1 − Σ_kl p_kl δ²_kl / Σ_kl p_k· p_·l δ²_kl               two judges, each with shares p of their own
    AC2  = (p_a − p_e) / (1 − p_e),  p_e = Σ_kl w_kl / (q (q − 1)) · Σ_k π_k (1 − π_k)     q categories, w = 1 − δ²/max

α and κ fall to nothing where nearly every answer is the same, however often it is said in agreement; AC2 does not.
Krippendorff, Content Analysis, 4th ed., ch. 12; Cohen 1968; Gwet, Handbook of Inter-Rater Reliability, 4th ed., ch. 5.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imitative.records import GRADES, Judgement, Kind, Query, content_key

Floats = NDArray[np.float64]
Level = Literal["nominal", "ordinal", "interval"]
"""What a difference between two answers means: only that there is one; how many steps lie between; their distance."""
_ROUNDING = 1e-12  # a chance disagreement this small is none: what is left of sums that cancel


class Agreement(NamedTuple):
    """One statistic: a value, or why there is none.

    Args:
        value: 1 is perfect, 0 what chance gives, below 0 worse than chance; None where undefined.
        reason: why it is undefined; empty otherwise.
    """

    value: float | None
    reason: str = ""

    def __str__(self) -> str:
        return f"undefined: {self.reason}" if self.value is None else f"{self.value:.3f}"


class Rated(NamedTuple):
    """Who said what of what.

    Args:
        table: (judges, units), NaN where a judge said nothing of a unit.
        judges: the rows' names.
        categories: what can be said, in order; empty for a continuous scale.
        level: what differences mean.
    """

    table: Floats
    judges: tuple[str, ...]
    categories: tuple[float, ...]
    level: Level


class Agreements(NamedTuple):
    """What is said of one kind of query on the lead's page and in reports.

    Args:
        judges, units: how many; units that a single judge answered are among them.
        shared: units that two or more judges answered.
        alpha, kappa, ac2: the statistics; κ is Light's, the mean of Cohen's over all pairs of judges.
    """

    judges: int
    units: int
    shared: int
    alpha: Agreement
    kappa: Agreement
    ac2: Agreement


# -- the statistics --------------------------------------------------------------------------------------------------


def krippendorff_alpha(table: ArrayLike, level: Level = "nominal") -> Agreement:
    """Krippendorff's α of a table (judges, units) with NaN for what is missing.

    A unit with fewer than two answers says nothing of agreement and is left out. Between ordinal answers k < l lie all
    answers given from the one to the other, δ_kl = Σ_{k ≤ g ≤ l} n_g − (n_k + n_l)/2.

    Raises:
        ValueError: for what is no table of numbers, or an unknown level.

    >>> round(krippendorff_alpha([[1, 2, 3, 3], [1, 2, 3, 4], [1, 2, 3, float("nan")]], "ordinal").value, 3)
    0.944
    """
    ratings, _ = _checked(table, level, None)
    values, counts = _counted(ratings)
    counts = counts[counts.sum(axis=1) >= 2]
    if not len(counts):
        return Agreement(None, "no unit was answered by two judges")
    each = counts.sum(axis=1)
    scaled = counts / (each - 1.0)[:, None]
    observed = counts.T @ scaled - np.diag(scaled.sum(axis=0))
    given = counts.sum(axis=0)
    expected = (np.outer(given, given) - np.diag(given)) / (given.sum() - 1.0)
    squares = _squares(values, level, given)
    chance = float((expected * squares).sum())
    if np.count_nonzero(given) < 2 or chance <= 0.0:
        return Agreement(None, _ALIKE)
    return Agreement(1.0 - float((observed * squares).sum()) / chance)


def cohen_kappa(
    first: ArrayLike, second: ArrayLike, level: Level = "nominal", categories: Sequence[float] | None = None
) -> Agreement:
    """Cohen's κ of two judges' answers to the same units (N,), NaN for what is missing.

    Units that one of them left out are left out. Weighted: by steps where ordinal (linear weights), by squared distance
    where interval (quadratic weights).

    Args:
        first: one judge's answers.
        second: the other's.
        level: what a difference means.
        categories: what can be said, in order, where that is more than was said: steps are counted along it.

    Raises:
        ValueError: for answers of different lengths, or among no `categories`.

    >>> cohen_kappa([1, 1, 2, 2], [1, 1, 2, 1]).value
    0.5
    """
    pair = [np.asarray(each, dtype=np.float64) for each in (first, second)]
    if pair[0].shape != pair[1].shape or pair[0].ndim != 1:
        raise ValueError(f"first and second have shapes {pair[0].shape} and {pair[1].shape}; give one answer a unit")
    both = np.stack(pair)
    return light_kappa(both[:, ~np.isnan(both).any(axis=0)], level, categories)


def light_kappa(table: ArrayLike, level: Level = "nominal", categories: Sequence[float] | None = None) -> Agreement:
    """The mean of Cohen's κ over all pairs of judges for whom it is defined (Light 1971).

    Args:
        table: (judges, units), NaN for what is missing.
        level: see `cohen_kappa`.
        categories: see `cohen_kappa`.

    Raises:
        ValueError: see `cohen_kappa`.
    """
    ratings, known = _checked(table, level, categories)
    values = np.unique(ratings[~np.isnan(ratings)]) if known is None else known
    judges, q = len(ratings), len(values)
    said = (ratings[:, None, :] == values[None, :, None]).reshape(judges * q, ratings.shape[1]).astype(np.float64)
    seen = (said @ said.T).reshape(judges, q, judges, q).transpose(0, 2, 1, 3)[np.triu_indices(judges, 1)]
    shared = seen.sum(axis=(1, 2))
    seen = seen[shared > 0] / shared[shared > 0, None, None]
    if not len(seen):
        return Agreement(None, "no two judges answered the same unit")
    distance = _steps(q) if level == "ordinal" else _squares(values, level, None)
    chance = np.einsum("pk,pl,kl->p", seen.sum(axis=2), seen.sum(axis=1), distance)
    told = chance > _ROUNDING * max(1.0, float(distance.max()))
    if not told.any():
        return Agreement(None, _ALIKE)
    return Agreement(float((1.0 - (seen[told] * distance).sum(axis=(1, 2)) / chance[told]).mean()))


def gwet_ac2(table: ArrayLike, level: Level = "nominal", categories: Sequence[float] | None = None) -> Agreement:
    """Gwet's AC2 of a table (judges, units) with NaN for what is missing; nominal, it is his AC1.

    The agreement is taken over units with two or more answers, the categories' shares over all units with any. Weights
    are Gwet's: ordinal 1 − C(|k − l| + 1, 2)/C(q, 2), interval 1 − (x_k − x_l)²/(x_q − x_1)².

    Args:
        table: (judges, units), NaN for what is missing.
        level: what a difference means.
        categories: what can be said, in order, where that is more than was said: chance depends on how many there are.

    Raises:
        ValueError: for answers among no `categories`.

    >>> round(gwet_ac2([[1, 1, 1, 1, 2], [1, 1, 1, 2, 2]]).value, 3)
    0.655
    """
    ratings, known = _checked(table, level, categories)
    values, counts = _counted(ratings, known)
    each = counts.sum(axis=1)
    if not (each >= 2).any():
        return Agreement(None, "no unit was answered by two judges")
    if len(values) < 2:
        return Agreement(None, f"{_ALIKE}; name the categories that could have been given")
    weights = _weights(values, level)
    paired, pairs = counts[each >= 2], each[each >= 2]
    weighted = paired @ weights
    seen = float(((paired * (weighted - 1.0)).sum(axis=1) / (pairs * (pairs - 1.0))).mean())
    share = (counts[each > 0] / each[each > 0][:, None]).mean(axis=0)
    q = len(values)
    chance = float(weights.sum()) / (q * (q - 1.0)) * float((share * (1.0 - share)).sum())
    if 1.0 - chance <= _ROUNDING:
        return Agreement(None, "chance alone would make every answer agree")
    return Agreement((seen - chance) / (1.0 - chance))


_ALIKE = "all compared answers are the same, so that nothing tells agreement from chance"


def _checked(table: ArrayLike, level: Level, categories: Sequence[float] | None) -> tuple[Floats, Floats | None]:
    ratings = np.asarray(table, dtype=np.float64)
    if ratings.ndim != 2:
        raise ValueError(f"the table has shape {ratings.shape}; give one row a judge and one column a unit")
    if np.isinf(ratings).any():
        raise ValueError("the table holds an infinite answer; write NaN for what is missing")
    if level not in ("nominal", "ordinal", "interval"):
        raise ValueError(f"level is {level!r}; give 'nominal', 'ordinal' or 'interval'")
    if categories is None:
        return ratings, None
    known = np.unique(np.asarray(categories, dtype=np.float64))
    strange = ratings[~np.isnan(ratings) & ~np.isin(ratings, known)]
    if strange.size:
        raise ValueError(f"the table holds {strange[0]:g}, which is none of the categories {list(categories)}")
    return ratings, known


def _counted(ratings: Floats, categories: Floats | None = None) -> tuple[Floats, Floats]:
    """The values (V,) and how often each was said of each unit (N, V)."""
    judge, unit = np.nonzero(~np.isnan(ratings))
    values, places = np.unique(ratings[judge, unit], return_inverse=True)
    if categories is not None:
        values, places = categories, np.searchsorted(categories, ratings[judge, unit])
    flat = np.bincount(unit * len(values) + places, minlength=ratings.shape[1] * len(values))
    return values, flat.reshape(ratings.shape[1], len(values)).astype(np.float64)


def _squares(values: Floats, level: Level, given: Floats | None) -> Floats:
    """δ² (V, V)."""
    if level == "nominal":
        return 1.0 - np.eye(len(values))
    if level == "ordinal" and given is not None:
        middle = np.cumsum(given) - given / 2.0
        return np.asarray((middle[:, None] - middle[None, :]) ** 2)
    # Scaled, so that answers of 1e200 do not overflow: every statistic is a ratio of sums of these.
    reach = float(np.ptp(values)) if len(values) else 0.0
    return np.asarray(((values[:, None] - values[None, :]) / (reach or 1.0)) ** 2)


def _steps(count: int) -> Floats:
    at = np.arange(count, dtype=np.float64)
    return np.asarray(np.abs(at[:, None] - at[None, :]))


def _weights(values: Floats, level: Level) -> Floats:
    if level == "ordinal":
        steps = _steps(len(values))
        return np.asarray(1.0 - steps * (steps + 1.0) / (len(values) * (len(values) - 1.0)))
    return 1.0 - _squares(values, level, None)


# -- of judgements ---------------------------------------------------------------------------------------------------


def agreement(judgements: Iterable[Judgement]) -> dict[Kind, Agreements]:
    """The agreement of the judges on each kind of query that was answered.

    Comparisons are ordinal over `GRADES`, whichever side stood first; odds are interval, in nats, and have neither κ
    nor AC2; bets and answers are nominal.
    """
    return {kind: _agreements(rated) for kind, rated in rated_by_kind(judgements).items()}


def _agreements(rated: Rated) -> Agreements:
    table, level = rated.table, rated.level
    alpha = krippendorff_alpha(table, level)
    answered = np.count_nonzero(~np.isnan(table), axis=0)
    if not rated.categories:
        none = Agreement(None, "the answers are on a continuous scale, without categories")
        return Agreements(len(table), table.shape[1], int((answered > 1).sum()), alpha, none, none)
    kappa = light_kappa(table, level, rated.categories)
    ac2 = gwet_ac2(table, level, rated.categories)
    return Agreements(len(table), table.shape[1], int((answered > 1).sum()), alpha, kappa, ac2)


def rated_by_kind(judgements: Iterable[Judgement]) -> dict[Kind, Rated]:
    """Kind → who said what of what: a skip is a gap, and of a judge's several answers to one question the first counts.

    Two queries ask the same where they differ in the sides' order, the purpose or the repetition only.
    """
    said: dict[Kind, dict[tuple[str, str], float | str]] = {}
    offered: set[str] = set()
    for judgement in judgements:
        if judgement.answered:
            unit, turned = _unit(judgement.query)
            answer = judgement.answer.swapped() if turned else judgement.answer
            value: float | str = answer.choice or 0.0
            if answer.grade is not None:
                value = float(answer.grade)
            elif answer.ratio is not None:
                value = math.log(answer.ratio)
            elif answer.less_likely is not None:
                value = float(answer.less_likely)
            said.setdefault(judgement.query.kind, {}).setdefault((judgement.judge, unit), value)
            if judgement.query.kind is Kind.ANSWER:
                offered |= {*judgement.query.answers}
    return {kind: _rated(kind, answers, offered) for kind, answers in said.items()}


def _rated(kind: Kind, said: dict[tuple[str, str], float | str], offered: Collection[str]) -> Rated:
    """`offered`: the answers that could be given to questions; what nobody chose is a category, too."""
    judges = {name: i for i, name in enumerate(sorted({judge for judge, _ in said}))}
    units = {name: i for i, name in enumerate(dict.fromkeys(unit for _, unit in said))}
    chosen = {value for value in said.values() if isinstance(value, str)}
    words = {word: float(i) for i, word in enumerate(sorted({*offered, *chosen}))}
    table = np.full((len(judges), len(units)), np.nan)
    for (judge, unit), value in said.items():
        table[judges[judge], units[unit]] = words[value] if isinstance(value, str) else value
    if kind is Kind.ODDS:
        return Rated(table, tuple(judges), (), "interval")
    if kind in (Kind.COMPARE_HYPOTHESES, Kind.COMPARE_ANSWERS):
        return Rated(table, tuple(judges), tuple(map(float, GRADES)), "ordinal")
    return Rated(table, tuple(judges), tuple(words.values()) if kind is Kind.ANSWER else (0.0, 1.0), "nominal")


def _unit(query: Query) -> tuple[str, bool]:
    """What is asked, as a key, and whether its two sides are exchanged in it."""
    turned = False
    if query.kind is Kind.COMPARE_ANSWERS:
        turned = list(query.answers) != sorted(query.answers)
    elif query.kind in (Kind.COMPARE_HYPOTHESES, Kind.ODDS):
        turned = list(query.hypotheses) != sorted(query.hypotheses)
    row = (query.swapped() if turned else query).to_json()
    return content_key({**row, "purpose": "", "repeat": 0}), turned
