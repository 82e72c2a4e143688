"""How good the answers are: accuracy, calibration, intervals, and the direct fits that the method is measured against.

This is the only module that opens a `Truth`. Everything here looks back at finished work; nothing found here may choose
a hypothesis, a setting or a label.

A baseline is fitted to D as it stands, on the same columns, and earns two numbers: its accuracy on rows of D that it
was not fitted to, and its accuracy on D′ when fitted to all of D. The first says that it has learned D; the second says
what that was worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imitative.data import Floats
from imitative.direct_fits import DIRECT_FITS, answer, available
from imitative.problem import Problem, Truth
from imitative.streams import Stream, generator

Rows = NDArray[np.int64]

LEAST_PROBABILITY = 1e-12
"""A truth that was given probability 0 costs −log 1e-12 ≈ 27.6 nats: finite, so that a result stays valid JSON."""

CROSS_VALIDATED = 20_000
"""Up to so many rows of D, every row is held out once in five folds; beyond it one fifth is, which is 4,000 rows and
already places an accuracy to within 0.01."""


class Fold(NamedTuple):
    """Rows of D to fit on and rows held out from the fit; never one row in both."""

    fitted: Rows
    held: Rows


class Interval(NamedTuple):
    """The ends of a confidence interval of a proportion."""

    low: float
    high: float


class Bin(NamedTuple):
    """Answers of similar confidence: their mean confidence, how often they are right, how many they are."""

    confidence: float
    accuracy: float
    n: int


class Calibration(NamedTuple):
    """How far confidence is from being right: see `calibration`."""

    expected_calibration_error: float
    log_loss: float
    bins: tuple[Bin, ...]


def accuracy(answers: NDArray[np.int64], probabilities: Floats) -> float | None:
    """The share of known answers that are given the highest probability; None where no answer is known.

    Args:
        answers: (N,) indices into the axis of answers, −1 where unknown: those rows are left out.
        probabilities: (N, K), each row summing to one. Of equal probabilities the first counts.
    """
    known, p = _known(answers, probabilities)
    return float(np.mean(p.argmax(axis=1) == known)) if len(known) else None


def log_loss(answers: NDArray[np.int64], probabilities: Floats) -> float | None:
    """The mean of −log P(true answer), in nats; None where no answer is known. Arguments as for `accuracy`."""
    known, p = _known(answers, probabilities)
    if not len(known):
        return None
    return float(np.mean(-np.log(np.maximum(p[np.arange(len(known)), known], LEAST_PROBABILITY))))


def calibration(answers: NDArray[np.int64], probabilities: Floats, bins: int = 10) -> Calibration | None:
    """Expected calibration error, log loss and the bins behind the first; None where no answer is known.

        ECE = Σ_b (n_b / N) · |accuracy_b − mean confidence_b|

    over bins of equal mass: each holds about N / `bins` answers, ordered by confidence (the probability of the answer
    chosen). Equal confidences are never parted, so the order of the rows changes nothing.

    Args:
        answers: (N,) indices, −1 where unknown.
        probabilities: (N, K), each row summing to one.
        bins: how many at most.
    """
    loss = log_loss(answers, probabilities)
    if loss is None:
        return None
    known, p = _known(answers, probabilities)
    confidence, right = p.max(axis=1), p.argmax(axis=1) == known
    _, group, sizes = np.unique(confidence, return_inverse=True, return_counts=True)
    middle = np.cumsum(sizes) - sizes / 2
    place = np.minimum((middle * bins / len(known)).astype(np.int64), bins - 1)[group]
    # Summed in order of confidence: a sum over the same numbers in another order differs in its last digit.
    order = np.argsort(confidence, kind="stable")
    confidence, right, place = confidence[order], right[order], place[order]
    found = [
        Bin(float(confidence[place == b].mean()), float(right[place == b].mean()), int((place == b).sum()))
        for b in np.unique(place)
    ]
    error = sum(abs(b.accuracy - b.confidence) * b.n for b in found) / len(known)
    return Calibration(float(error), loss, tuple(found))


def wilson(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a proportion: close to its confidence on average over p. (0, 1) where n = 0.

    >>> wilson(9, 10)
    Interval(low=0.5958..., high=0.9821...)
    """
    _check_counts(successes, n, confidence)
    if n == 0:
        return Interval(0.0, 1.0)
    from scipy.special import ndtri

    z = float(ndtri(0.5 + confidence / 2))
    share = successes / n
    centre = share + z * z / (2 * n)
    reach = z * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    low, high = ((centre + sign * reach) / (1 + z * z / n) for sign in (-1, 1))
    # At the two ends the formula equals 0 and 1; rounding would leave it 1e-17 off.
    return Interval(0.0 if successes == 0 else low, 1.0 if successes == n else high)


def clopper_pearson(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """The exact interval of a proportion: never covers the truth less often than it says. (0, 1) where n = 0.

    >>> clopper_pearson(10, 10)
    Interval(low=0.6915..., high=1.0)
    """
    _check_counts(successes, n, confidence)
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = 0.0 if successes == 0 else float(betaincinv(successes, n - successes + 1, tail))
    high = 1.0 if successes == n else float(betaincinv(successes + 1, n - successes, 1 - tail))
    return Interval(low, high)


def evaluate(
    problem: Problem, truth: Truth | None, probabilities_labelled: Floats, probabilities_unlabelled: Floats
) -> dict[str, Any]:
    """The entries `accuracy` and `calibration` of a result, as plain JSON values.

    Args:
        problem: D and D′.
        truth: the answers of D′ where anybody knows them; None or all −1 leaves the figures of D′ null.
        probabilities_labelled: (N, K) what was answered on D.
        probabilities_unlabelled: (N′, K) what was answered on D′.

    Raises:
        ValueError: if a shape does not fit the problem, or a row is no distribution.
    """
    _check_shape("D", probabilities_labelled, len(problem.labelled), len(problem.answers))
    _check_shape("D′", probabilities_unlabelled, len(problem.unlabelled), len(problem.answers))
    on_labelled = accuracy(problem.labelled.answers, probabilities_labelled)
    if truth is None:
        return {"accuracy": {"labelled": on_labelled, "unlabelled": None}, "calibration": None}
    found = calibration(truth.answers, probabilities_unlabelled)
    return {
        "accuracy": {"labelled": on_labelled, "unlabelled": accuracy(truth.answers, probabilities_unlabelled)},
        "calibration": None
        if found is None
        else {
            "expected_calibration_error": found.expected_calibration_error,
            "log_loss": found.log_loss,
            "bins": [list(b) for b in found.bins],
        },
    }


def folds(answers: NDArray[np.int64], seed: int, count: int = 5) -> tuple[Fold, ...]:
    """Parts of D to hold out in turn, each with about the same share of every answer; disjoint, together all of D.

    Give the same folds to `baselines` and to the method, and both are measured on the same rows. Above
    `CROSS_VALIDATED` rows there is only the first fold; one row alone cannot be held out, and there is none.
    """
    n = len(answers)
    if n < 2:
        return ()
    shuffled = generator(seed, Stream.FOLDS).permutation(n)
    dealt = np.empty(n, dtype=np.int64)
    # Dealt out like cards, answer by answer: every fold gets the same number of each, give or take one.
    dealt[shuffled[np.argsort(answers[shuffled], kind="stable")]] = np.arange(n) % min(count, n)
    parts = range(min(count, n) if n <= CROSS_VALIDATED else 1)
    return tuple(Fold(np.flatnonzero(dealt != part), np.flatnonzero(dealt == part)) for part in parts)


def baselines(
    problem: Problem,
    truth: Truth | None,
    seed: int,
    *,
    held_out: Sequence[Fold] | None = None,
    models: Sequence[str] | None = None,
) -> dict[str, dict[str, float | None]]:
    """Direct fits to D: name → `labelled` (accuracy over all held-out rows of D) and `unlabelled` (on D′).

    Args:
        problem: D and D′, the same columns the method reads.
        truth: the answers of D′; None leaves `unlabelled` None.
        seed: draws the folds, and what the models draw.
        held_out: the folds to use; by default `folds(problem.labelled.answers, seed)`.
        models: names from `direct_fits.available` (`RULES` takes seconds a fit); by default
            all of `DIRECT_FITS`.

    Raises:
        KeyError: for a name that is not available.
    """
    makers = {name: available()[name] for name in (tuple(DIRECT_FITS) if models is None else models)}
    data = problem.labelled
    parts = folds(data.answers, seed) if held_out is None else tuple(held_out)
    known = np.flatnonzero(truth.answers >= 0) if truth is not None else np.empty(0, dtype=np.int64)
    right: dict[str, list[NDArray[np.bool_]]] = {name: [] for name in makers}
    for part in parts:
        answered = answer(makers, data.take(part.fitted), data.table.take(part.held), seed)
        for name in makers:
            right[name].append(answered[name] == data.answers[part.held])
    elsewhere: dict[str, float] = {}
    if truth is not None and len(known) and len(data):
        answered = answer(makers, data, problem.unlabelled.take(known), seed)
        elsewhere = {name: float(np.mean(answered[name] == truth.answers[known])) for name in makers}
    return {
        name: {
            "labelled": float(np.mean(np.concatenate(hits))) if hits and sum(map(len, hits)) else None,
            "unlabelled": elsewhere.get(name),
        }
        for name, hits in right.items()
    }


def _known(answers: NDArray[np.int64], probabilities: Floats) -> tuple[NDArray[np.int64], Floats]:
    if probabilities.ndim != 2 or len(answers) != len(probabilities):
        raise ValueError(f"{len(answers)} answers need as many rows of probabilities, not shape {probabilities.shape}")
    known = np.flatnonzero(answers >= 0)
    return answers[known], probabilities[known]


def _check_shape(name: str, probabilities: Floats, rows: int, answers: int) -> None:
    if probabilities.shape != (rows, answers):
        raise ValueError(f"{name} needs probabilities of shape {(rows, answers)}, not {probabilities.shape}")
    if rows and not (np.all(probabilities >= 0) and np.allclose(probabilities.sum(axis=1), 1.0, atol=1e-6)):
        raise ValueError(f"a row of the probabilities of {name} does not sum to one")


def _check_counts(successes: int, n: int, confidence: float) -> None:
    if not 0 <= successes <= n:
        raise ValueError(f"successes lie between 0 and n, not {successes} of {n}")
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence lies between 0 and 1, not {confidence}")
