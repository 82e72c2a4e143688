"""Step 4: people answer questions from D′ holding z*; M_test imitates their answers and labels all of D′.

The questions are drawn from D′ at random, so M_test meets no distribution shift: the generalisation from D to D′ was
made by z*, in the open. A second random sample, which nothing is fitted to, audits it.

    M_test(y, x) = softmax_y( α · log P(y | x, z*) + c_y + Σ_s δ_sy · applies_s(x) ),

with a Gaussian prior centred on the reading itself (α = 1, δ = 0, and c = 0 but for a grain towards the default, which
answers what z* is otherwise even about), so that few answers suffice and many can correct it statement by statement.
How far people depart from the reading, the standard deviation σ of c and δ, is what the answers make likeliest
(Laplace's approximation of their evidence): a literal reader's noise seldom bends the model, and somebody who skips a
statement does. While fitting, an answer is taken to be careless (drawn at random) with probability ε, so that one slip
on a clear case does not bend it either.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from imitative.data import Feature, Floats, Mask, Table
from imitative.evaluation import clopper_pearson
from imitative.guidance import Heard
from imitative.hypotheses.statements import Hypothesis, StatementSpace
from imitative.induction import Induced, Progress
from imitative.likelihood import BY_DEFAULT, Reading
from imitative.overseers.mixed import NOTHING_COMPARED, Compared, compared
from imitative.problem import Problem
from imitative.records import Judgement, Kind, Query
from imitative.streams import Stream, generator
from imitative.waiting import waited

ALPHA_SD = 0.5
"""How much more, or less, decided than the reading of z* people's answers are expected to be."""
DEPARTURES = (0.05, 0.25, 1.0)
"""σ, in nats: people read to the letter, take a hint for slight evidence, or skip what is moderate; each of these is e
times less likely beforehand than the one before."""
CARELESS = 0.05
"""ε, the share of answers expected to be slips: the mean of the preference model's prior on carelessness."""
FITTED_SHARE = 0.6
"""Of the answers that Step 4 asks for, those that M_test is fitted to; the rest audit it."""

Rows = NDArray[np.intp]
"""Places of rows in D′."""


@final
@dataclass(frozen=True, eq=False)
class TransferModel:
    """M_test.

    Args:
        space: the language of z*, and with it features and answers.
        hypothesis: z*.
        reading: M_L.
        weights: (2 + |z*|, |Y|): the first entry α (in every column alike), then c, then δ.
    """

    space: StatementSpace
    hypothesis: Hypothesis
    reading: Reading
    weights: Floats

    @property
    def features(self) -> tuple[Feature, ...]:
        """What a question must hold."""
        return self.space.features

    @property
    def answers(self) -> tuple[str, ...]:
        """Y, in the order of the probabilities' columns."""
        return self.space.answers

    def log_probabilities(self, table: Table) -> Floats:
        """log M_test(y, x): (N, |Y|) nats."""
        return np.asarray(log_softmax(_logits(self.weights, *self._inputs(table)), axis=1))

    def probabilities(self, table: Table) -> Floats:
        """M_test(y, x): (N, |Y|), rows summing to one."""
        return np.exp(self.log_probabilities(table))

    def _inputs(self, table: Table) -> tuple[Floats, Floats]:
        applies = [self.reading.statement(s, table).astype(np.float64) for s in self.hypothesis.statements]
        literal = self.reading.log_probabilities(table, self.hypothesis, self.answers)
        return literal, np.column_stack([np.ones(len(table)), *applies])

    @classmethod
    def fit(
        cls,
        space: StatementSpace,
        hypothesis: Hypothesis,
        reading: Reading,
        table: Table,
        answers: np.ndarray[Any, np.dtype[np.int64]],
    ) -> TransferModel:
        """M_test after the overseer's answers to the N questions of `table`, indices into `space.answers`."""
        unfitted = cls(space, hypothesis, reading, _start(hypothesis, space.answers))
        if len(answers) == 0:
            return unfitted
        literal, applies = unfitted._inputs(table)
        fits = [_fit(unfitted.weights, literal, applies, answers, sd) for sd in DEPARTURES]
        likeliest = max(range(len(fits)), key=lambda i: fits[i].log_evidence - i)
        return cls(space, hypothesis, reading, fits[likeliest].weights)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `from_json` is its inverse."""
        return {
            "space": self.space.describe(),
            "hypothesis": self.space.show(self.hypothesis),
            "sharpness": self.reading.sharpness,
            "covers": [[f, said, sorted(met)] for (f, said), met in sorted(self.reading.covers.items())],
            "weights": self.weights.tolist(),
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> TransferModel:
        """Rebuild from `to_json`.

        Raises:
            KeyError, ValueError: if `row` is not what `to_json` writes.
        """
        space = StatementSpace.from_description(row["space"])
        covers = {(f, said): frozenset(met) for f, said, met in row["covers"]}
        reading = Reading(float(row["sharpness"]), covers)
        return cls(space, space.read(row["hypothesis"]), reading, np.array(row["weights"], dtype=np.float64))


class Audit(NamedTuple):
    """Agreement of M_test with the overseer on fresh questions of D′.

    Args:
        agreement: the share of answers M_test gave too.
        n: how many were asked.
        low, high: Clopper and Pearson's interval for the agreement on all of D′, which covers it at least as often as
            `confidence` says.
        judge: who was asked.
        confidence: of the interval.
    """

    agreement: float
    n: int
    low: float
    high: float
    judge: str
    confidence: float = 0.95


@final
@dataclass(frozen=True, eq=False)
class Transferred:
    """What Step 4 gives.

    Args:
        model: M_test.
        probabilities: (N′, |Y|) for all of D′.
        labels: (N′,) the most probable answers.
        audit: on a sample no model was fitted to; None where nobody could be asked.
        answered: how many answers M_test was fitted to.
        seconds: by stage.
        compared: what a model that answered for people comes to; empty for any other overseer.
    """

    model: TransferModel
    probabilities: Floats
    labels: np.ndarray[tuple[int], np.dtype[np.int64]]
    audit: Audit | None
    answered: int
    seconds: dict[str, float]
    compared: Compared = NOTHING_COMPARED


def transfer(
    induced: Induced,
    *,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
    heard: Heard | None = None,
) -> Transferred:
    """Label D′ with what is left of the budget: three answers in five to fit M_test, two in five to audit it.

    Args:
        induced: z*, who is asked, and what may still be asked.
        seed: of the samples drawn from D′.
        progress: told before asking.
        heard: see `Heard`; given `transfer` and `audit`.
    """
    return waited(atransfer(induced, seed=seed, progress=progress, heard=heard))


async def atransfer(
    induced: Induced,
    *,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
    heard: Heard | None = None,
) -> Transferred:
    """`transfer` for callers that already run an event loop."""
    problem, ledger, z = induced.problem, induced.ledger, induced.best
    shown = problem.space.show(z)
    seconds: dict[str, float] = {}
    meant = max(round(induced.settings.transfer_share * induced.budget), 1)
    asked = min(induced.left, meant, len(problem.unlabelled))
    order = generator(seed, Stream.QUESTIONS).permutation(len(problem.unlabelled))
    read = [j.query.repeat for j in ledger.judgements if j.query.kind is Kind.COMPARE_ANSWERS]
    fitted, audited = samples(order, np.isin(order, read), asked)
    if progress is not None:
        progress(Progress.of(ledger, induced.budget, "answering", shown, (0, 0)))
    started = time.perf_counter()
    judgements: Sequence[Judgement] = await ledger.judge(questions_of(problem, shown, fitted, "transfer"))
    judgements = judgements if heard is None else heard("transfer", judgements)
    rows, answers = answers_of(fitted, judgements, problem.answers)
    seconds["asking"] = time.perf_counter() - started
    started = time.perf_counter()
    table = problem.unlabelled.take(rows)
    model = TransferModel.fit(problem.space, z, induced.reading, table, answers)
    probabilities = model.probabilities(problem.unlabelled)
    labels = probabilities.argmax(axis=1)
    seconds["transfer"] = time.perf_counter() - started
    started = time.perf_counter()
    queries = questions_of(problem, shown, audited, "audit")
    said: Sequence[Judgement] = await ledger.judge(queries)
    said = said if heard is None else heard("audit", said)
    names = {query.key: problem.answers[labels[row]] for query, row in zip(queries, audited, strict=True)}
    beside = await compared(ledger, said, names)
    seconds["audit"] = time.perf_counter() - started
    return Transferred(
        model, probabilities, labels, audit_of(labels, audited, said, problem.answers), len(rows), seconds, beside
    )


def samples(order: Rows, learned: Mask, count: int) -> tuple[Rows, Rows]:
    """The rows of D′ whose answers M_test is fitted to, and those that audit it: three and two in five of `count`.

    Args:
        order: the rows of D′ at random.
        learned: for each of `order`, whether M_L has learned from what people said of it: such a row is no fresh
            sample, and is used where others do not suffice, and then for the fit.
        count: how many questions may be asked, at most N′.
    """
    fresh = order[~learned][:count]
    drawn = np.concatenate([order[learned][: count - len(fresh)], fresh])
    return drawn[: round(FITTED_SHARE * count)], drawn[round(FITTED_SHARE * count) :]


def questions_of(problem: Problem, text: str, rows: Sequence[int] | np.ndarray[Any, Any], purpose: str) -> list[Query]:
    """The queries that ask for answers to rows of D′ by a hypothesis, given as text."""
    # Two rows of D′ may hold the same question: the row's number tells their queries apart.
    return [
        Query(Kind.ANSWER, (text,), problem.unlabelled.row(int(row)), problem.answers, purpose=purpose, repeat=int(row))
        for row in rows
    ]


def answers_of(
    rows: np.ndarray[Any, Any], judgements: Sequence[Judgement], names: Sequence[str]
) -> tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.int64]]]:
    """The rows that were answered, and the answers as indices."""
    said = [(int(row), j.answer.choice) for row, j in zip(rows, judgements, strict=True) if j.answer.choice in names]
    index = {name: i for i, name in enumerate(names)}
    return (
        np.array([row for row, _ in said], dtype=np.int64),
        np.array([index[str(choice)] for _, choice in said], dtype=np.int64),
    )


def audit_of(
    labels: np.ndarray[Any, Any], rows: np.ndarray[Any, Any], judgements: Sequence[Judgement], names: Sequence[str]
) -> Audit | None:
    """How often the labels are what was answered; None if nothing was."""
    asked, answers = answers_of(rows, judgements, names)
    if len(asked) == 0:
        return None
    agreed, n = int((labels[asked] == answers).sum()), len(asked)
    low, high = clopper_pearson(agreed, n)
    judge = ", ".join(sorted({judgement.judge for judgement in judgements if judgement.answered}))
    return Audit(agreed / n, n, low, high, judge)


class _Fit(NamedTuple):
    weights: Floats
    log_evidence: float


def _fit(
    start: Floats,
    literal: Floats,
    applies: Floats,
    answers: np.ndarray[Any, np.dtype[np.int64]],
    sd: float,
    careless: float = CARELESS,
) -> _Fit:
    """The likeliest weights where c and δ have this standard deviation, and log P(answers) by Laplace."""
    shape = start.shape
    precision = np.full(shape, 1.0 / sd**2)
    precision[0] = 1.0 / (ALPHA_SD**2 * shape[1])
    target = np.eye(shape[1])[answers]

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(shape).copy()
        weights[0] = weights[0].mean()
        chance = softmax(_logits(weights, literal, applies), axis=1)
        said = (chance * target).sum(axis=1, keepdims=True)
        heard = (1.0 - careless) * said + careless / shape[1]
        error = (1.0 - careless) * said / heard * (chance - target)
        departure = weights - start
        slope = precision * departure
        slope[0] += (error * literal).sum() / shape[1]
        slope[1:] += applies.T @ error
        value = -float(np.log(heard).sum()) + 0.5 * float((precision * departure**2).sum())
        return value, slope.ravel()

    found = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B")
    weights = found.x.reshape(shape)
    weights[0] = weights[0].mean()
    chance = softmax(_logits(weights, literal, applies), axis=1)
    said = (chance * target).sum(axis=1)
    careful = (1.0 - careless) * said / ((1.0 - careless) * said + careless / shape[1])
    curve = careful[:, None, None] * (chance[:, :, None] * np.eye(shape[1]) - chance[:, :, None] * chance[:, None])
    return _Fit(weights, -float(found.fun) - 0.5 * _log_det(curve, literal, applies, sd))


def _log_det(curve: Floats, literal: Floats, applies: Floats, sd: float) -> float:
    """log det(I + H·Σ) of the curvatures (N, |Y|, |Y|), among the weights, 1 + (1 + S)·|Y| square, or among the
    answers, N·|Y| square, whichever are fewer: a long z has thousands of statements, a long survey of answers.
    """
    (n, k), s = literal.shape, applies.shape[1]
    if 1 + s * k <= n * k:
        towards = np.einsum("ikm,im->ik", curve, literal)
        product = np.empty((1 + s * k, 1 + s * k))
        product[0, 0] = ALPHA_SD**2 * float((literal * towards).sum())
        product[0, 1:] = product[1:, 0] = ALPHA_SD * sd * (applies.T @ towards).ravel()
        within = np.einsum("is,it,ikm->sktm", applies, applies, curve, optimize=True)
        product[1:, 1:] = sd**2 * within.reshape(s * k, s * k)
    else:
        spread = ALPHA_SD**2 * np.multiply.outer(literal, literal)
        spread += sd**2 * np.einsum("ij,kl->ikjl", applies @ applies.T, np.eye(k))
        product = np.einsum("ikm,imjl->ikjl", curve, spread).reshape(n * k, n * k)
    return float(np.linalg.slogdet(np.eye(len(product)) + product)[1])


def _start(z: Hypothesis, answers: Sequence[str]) -> Floats:
    weights = np.zeros((2 + len(z.statements), len(answers)))
    weights[0] = 1.0
    weights[1, answers.index(z.default)] = BY_DEFAULT
    return weights


def _logits(weights: Floats, literal: Floats, applies: Floats) -> Floats:
    return np.asarray(weights[0] * literal + applies @ weights[1:])


__all__ = ["Audit", "TransferModel", "Transferred", "atransfer", "transfer"]
