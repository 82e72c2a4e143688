"""Step 4 for free text: answers on D′ under z*, M_test fitted to them, labels, an audit, and what each section decides.

    P(y said of x) = (1 − Σ ε)·softmax_y( c_y + b_y + Σ_t α_t · L_t(x)_y ) + ε_y
    α_t ~ N(1, 0.35²),  c_y ~ N(0, 0.25²)

L_t is how M_L reads section t, b where it leans whatever z says; α_t is how much of a section the overseer heeds when
answering. As M_L is linear in what holds of x, so is M_test, and it is stored as what each condition is worth.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from imitative.data import Feature, Floats, Table
from imitative.guidance import Heard
from imitative.hypotheses.statements import StatementSpace
from imitative.hypotheses.text import TextHypothesis
from imitative.induction import Progress
from imitative.labelling import CARELESS, Audit, answers_of, audit_of, questions_of, samples
from imitative.overseers.mixed import NOTHING_COMPARED, Compared, compared
from imitative.records import Judgement, Kind, Question
from imitative.streams import Stream, generator
from imitative.texts.induction import TextInduced
from imitative.texts.reading import SPEAKS, Lexicon, TextReading
from imitative.waiting import waited

HEED_SD, CONSTANT_SD = 0.35, 0.25
"""How far people's heed of a section is expected to be from M_L's, and their leaning from none, in nats."""
EXAMPLES = 3
TURNS, SEEN = 6, 20.0
"""Of fitting M_test and its judges' slips in turn, and answers that the expected rate of slips is worth."""


@final
@dataclass(frozen=True, eq=False)
class TextTransferModel:
    """M_test of a text.

    Args:
        space: what conditions can be about, and the answers.
        hypothesis: z*, as text.
        weights: (K + 1, |Y|) nats for what holds; the last row always does.
    """

    space: StatementSpace
    hypothesis: str
    weights: Floats

    @property
    def features(self) -> tuple[Feature, ...]:
        """What a question must hold."""
        return self.space.features

    @property
    def answers(self) -> tuple[str, ...]:
        """Y, in the order of the probabilities' columns."""
        return self.space.answers

    def probabilities(self, table: Table) -> Floats:
        """M_test(y, x): (N, |Y|), rows summing to one."""
        lexicon = Lexicon(self.space, None)
        logits = np.tile(self.weights[-1], (len(table), 1))
        for i in np.flatnonzero(np.abs(self.weights[:-1]).max(axis=1, initial=0.0)):
            logits += np.outer(lexicon.conditions[i].applies(table), self.weights[i])
        return np.asarray(softmax(logits, axis=1))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `from_json` is its inverse."""
        used = [[int(i), row.tolist()] for i, row in enumerate(self.weights[:-1]) if np.abs(row).max() > 0.0]
        return {
            "kind": "text",
            "space": self.space.describe(),
            "hypothesis": self.hypothesis,
            "weights": used,
            "always": self.weights[-1].tolist(),
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> TextTransferModel:
        """Rebuild from `to_json`.

        Raises:
            KeyError, ValueError: if `row` is not what `to_json` writes.
        """
        space = StatementSpace.from_description(row["space"])
        weights = np.zeros((Lexicon(space, None).size, len(space.answers)))
        for i, values in row["weights"]:
            weights[int(i)] = values
        weights[-1] = row["always"]
        return cls(space, str(row["hypothesis"]), weights)


class Clause(NamedTuple):
    """What one section of z* decides, by leaving it out.

    Args:
        text: the section.
        log_prior: what it adds to the prior, in nats.
        log_likelihood: what D loses without it, in nats.
        speaks_labelled, speaks_unlabelled: rows it speaks of.
        decides: rows of D′ whose label would be another without it.
        examples: some of those.
    """

    text: str
    log_prior: float
    log_likelihood: float
    speaks_labelled: int
    speaks_unlabelled: int
    decides: int
    examples: list[dict[str, Any]]


@final
@dataclass(frozen=True, eq=False)
class TextTransferred:
    """What Step 4 gives; fields as in `labelling.Transferred`."""

    model: TextTransferModel
    probabilities: Floats
    labels: np.ndarray[tuple[int], np.dtype[np.int64]]
    audit: Audit | None
    answered: int
    seconds: dict[str, float]
    compared: Compared = NOTHING_COMPARED


def transfer_text(
    induced: TextInduced,
    *,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
    heard: Heard | None = None,
) -> TextTransferred:
    """Label D′ with what is left of the budget: three answers in five to fit M_test, two in five to audit it.

    Arguments as of `labelling.transfer`.
    """
    return waited(atransfer_text(induced, seed=seed, progress=progress, heard=heard))


async def atransfer_text(
    induced: TextInduced,
    *,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
    heard: Heard | None = None,
) -> TextTransferred:
    """`transfer_text` for callers that already run an event loop."""
    problem, ledger, z = induced.text.problem, induced.ledger, induced.best
    shown = induced.text.space.show(z)
    meant = max(round(induced.settings.transfer_share * induced.budget), 1)
    asked = min(induced.left, meant, len(problem.unlabelled))
    order = generator(seed, Stream.QUESTIONS).permutation(len(problem.unlabelled))
    read = [j.query.question for j in ledger.judgements if j.query.kind is Kind.COMPARE_ANSWERS]
    learned = np.array([bool(read) and problem.unlabelled.row(int(row)) in read for row in order])
    fitted, audited = samples(order, learned, asked)
    if progress is not None:
        progress(Progress.of(ledger, induced.budget, "answering", shown, (0, 0)))
    started = time.perf_counter()
    judgements: Sequence[Judgement] = await ledger.judge(questions_of(problem, shown, fitted, "transfer"))
    judgements = judgements if heard is None else heard("transfer", judgements)
    seconds = {"asking": time.perf_counter() - started}
    started = time.perf_counter()
    rows, answers = answers_of(fitted, judgements, problem.answers)
    model = fit(induced, problem.unlabelled.take(rows), answers, _as_answered(induced, judgements))
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
    return TextTransferred(
        model,
        probabilities,
        labels,
        audit_of(labels, audited, said, problem.answers),
        len(rows),
        seconds,
        beside,
    )


def _as_answered(induced: TextInduced, answered: Sequence[Judgement]) -> TextReading:
    """How z* is read by who has learned from the answers too, where causal judges read; else M_L."""
    judges, reading = induced.judges, induced.reading
    if judges is None:
        return reading
    if not judges.learn([*induced.heard, *answered]):
        return reading
    table = induced.text.problem.labelled.table
    lexicon = Lexicon(reading.lexicon.space, judges.encode, table, judges.answers_by)
    # What comparisons taught besides is told by the encoder's vectors: it has learned, too.
    return TextReading.fit(lexicon, reading.space, induced.heard)


def fit(
    induced: TextInduced,
    table: Table,
    answers: np.ndarray[Any, np.dtype[np.int64]],
    reading: TextReading | None = None,
) -> TextTransferModel:
    """M_test after the overseer's answers to the N questions of `table`, indices into the answers.

    `reading` is how z* is read, M_L where not given.
    """
    reading, z = reading or induced.reading, induced.best
    maps = np.stack([reading.map(section) for section in z.sections])
    holds = reading.lexicon.holds(table)
    parts = np.stack([np.asarray(holds @ each) for each in maps])  # (T, N, |Y|)
    T, K = len(maps), parts.shape[2]
    target, slips = np.eye(K)[answers], np.full(K, CARELESS / K)

    def loss(flat: Floats) -> tuple[float, Floats]:
        heed, constant = flat[:T], flat[T:]
        chance = softmax(np.tensordot(heed, parts, axes=1) + reading.base + constant, axis=1)
        said = (chance * target).sum(axis=1, keepdims=True)
        heard = (1.0 - slips.sum()) * said + slips[answers][:, None]
        error = (1.0 - slips.sum()) * said / heard * (chance - target)
        value = -float(np.log(heard).sum()) + 0.5 * float((((heed - 1.0) / HEED_SD) ** 2).sum())
        value += 0.5 * float(((constant / CONSTANT_SD) ** 2).sum())
        slope = np.concatenate([np.einsum("nk,tnk->t", error, parts), error.sum(axis=0)])
        slope[:T] += (heed - 1.0) / HEED_SD**2
        slope[T:] += constant / CONSTANT_SD**2
        return value, slope

    best = np.concatenate([np.ones(T), np.zeros(K)])
    for _ in range(TURNS if len(answers) else 0):
        best = minimize(loss, best, jac=True, method="L-BFGS-B").x
        chance = softmax(np.tensordot(best[:T], parts, axes=1) + reading.base + best[T:], axis=1)
        slips = _slips(chance[np.arange(len(answers)), answers], answers, slips)
    weights = np.tensordot(best[:T], maps, axes=1)
    weights[-1] += reading.base + best[T:]
    return TextTransferModel(reading.lexicon.space, induced.text.space.show(z), _placed(reading.lexicon, weights))


def _slips(
    said: Floats, answers: np.ndarray[Any, np.dtype[np.int64]], slips: Floats
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """ε_y, how often y is said whatever the question: one step of expectation and maximisation.

    A judge who is wrong in one direction would else turn M_test in that direction. Before any answer: `CARELESS` in
    all, as if seen in `SEEN` answers.
    """
    K = len(slips)
    blamed = slips[answers] / ((1.0 - slips.sum()) * said + slips[answers])
    counts = np.bincount(answers, weights=blamed, minlength=K)
    return np.asarray((counts + CARELESS / K * SEEN) / (len(answers) + SEEN))


def _placed(lexicon: Lexicon, weights: Floats) -> Floats:
    """The weights in the order of all conditions of the space: a lexicon of many features holds only the frequent."""
    every = Lexicon(lexicon.space, None)
    if every.size == lexicon.size:
        return weights
    place = {condition: i for i, condition in enumerate(every.conditions)}
    found = np.zeros((every.size, weights.shape[1]))
    for condition, row in zip(lexicon.conditions, weights[:-1], strict=True):
        found[place[condition]] = row
    found[-1] = weights[-1]
    return found


def clauses(induced: TextInduced, transferred: TextTransferred) -> list[Clause]:
    """Which section of z* decides which answers: each left out in turn, through M_L."""
    problem, reading, z = induced.text.problem, induced.reading, induced.best
    holds = reading.lexicon.holds(problem.unlabelled)
    whole, here = reading.whole(z), reading.lexicon.holds(problem.labelled.table)
    labels = np.asarray(holds @ whole).argmax(axis=1)
    full = _log_likelihood(induced, np.asarray(here @ whole))
    found = []
    for section in z.sections:
        own = reading.map(section)
        moved = [np.ptp(np.asarray(each @ own), axis=1) > SPEAKS for each in (here, holds)]
        without = np.asarray(holds @ (whole - own)).argmax(axis=1)
        changed = np.flatnonzero(without != labels)
        lost = full - _log_likelihood(induced, np.asarray(here @ (whole - own)))
        examples = [dict(problem.unlabelled.row(int(i))) for i in changed[:EXAMPLES]]
        on_labelled, on_unlabelled = (int(each.sum()) for each in moved)
        worth = induced.prior.worth(section)
        found.append(Clause(section, worth, lost, on_labelled, on_unlabelled, len(changed), examples))
    return found


def decides(induced: TextInduced, x: Question) -> list[tuple[str, dict[str, float]]]:
    """For one question: what each section adds to each answer, in nats, the weightiest first."""
    reading, answers = induced.reading, induced.text.problem.answers
    table = Table.of(reading.lexicon.space.features, [x])
    holds = reading.lexicon.holds(table)
    rows = [(section, np.asarray(holds @ reading.map(section))[0]) for section in induced.best.sections]
    rows.sort(key=lambda row: -float(np.ptp(row[1])))
    return [(section, dict(zip(answers, row.tolist(), strict=True))) for section, row in rows]


def held_out(induced: TextInduced, seed: int) -> float | None:
    """Accuracy on fifths of D that the selection among the pool did not see, in turn; nobody is asked.

    None for a D of one row, which cannot be held out.
    """
    from imitative.evaluation import folds
    from imitative.search.sections import Pool, Sections

    pool, right = induced.pool, []
    for fold in folds(pool.answers, seed):
        scale = pool.evidence * len(pool.answers) / max(1, len(fold.fitted))
        part = Pool(
            pool.sections, pool.worth, pool.members, pool.own, pool.logits[:, fold.fitted], pool.base,
            pool.answers[fold.fitted], scale, pool.caution, pool.twins,
        )  # fmt: skip
        best = Sections(induced.text.space, part, [], 150).run(generator(seed, Stream.AGAIN), 1)[0].hypothesis
        chosen = [i for i, section in enumerate(pool.sections) if section in best.sections]
        said = pool.whole(chosen)[fold.held].argmax(axis=1)
        right.append(said == pool.answers[fold.held])
    return float(np.concatenate(right).mean()) if right else None


def _log_likelihood(induced: TextInduced, logits: Floats) -> float:
    labelled = induced.text.problem.labelled
    log_p = log_softmax(logits, axis=1)[np.arange(len(labelled)), labelled.answers]
    return induced.settings.evidence * float(log_p.sum())


__all__ = ["Clause", "TextHypothesis", "TextTransferModel", "TextTransferred", "clauses", "decides", "transfer_text"]
