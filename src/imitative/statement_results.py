"""What `result.json` says of a run over statements; `texts/study.py` says it of one over texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imitative.data import Table
from imitative.evaluation import baselines, evaluate, folds
from imitative.hypotheses.conditions import overlap
from imitative.hypotheses.statements import Hypothesis, Statement
from imitative.induction import Induced, Round, induce_again
from imitative.labelling import Transferred
from imitative.loaded import LoadedProblem
from imitative.overseers.mixed import disagreements
from imitative.overseers.overseer import Overseer
from imitative.results import audit_told, flagged, judgements_told, sought_again, unanswered_before, unaudited

RUNNERS_UP = 10
"""How many runners-up a result tells of."""
MISSED = 2.0
"""Nats that the least of a full z*'s statements is worth where a limit is worth remarking on: odds of seven."""
EXAMPLES = 3
"""How many questions it shows for each statement."""


def result_of(
    loaded: LoadedProblem,
    induced: Induced,
    transferred: Transferred,
    overseer: Overseer,
    seed: int,
    encoder: str,
    measuring: Callable[[str], None] = lambda what: None,
) -> dict[str, Any]:
    """Everything a run says, as plain values; keys as in the documentation of `result.json`.

    Args:
        loaded: the problem.
        induced: what Steps 1–3 made of it.
        transferred: what Step 4 did.
        overseer: who judged.
        seed: of the folds that are held out.
        encoder: where the sentence encoder came from.
        measuring: told what is being measured, which may take as long as the search.
    """
    problem, posterior, z = loaded.problem, induced.posterior, induced.best
    show = problem.space.show
    on_labelled = transferred.model.probabilities(problem.labelled.table)
    told = _statements(induced)
    return {
        "problem": problem.name,
        "question": problem.question,
        "answers": dict(problem.spoken),
        "seed": seed,
        "encoder": encoder,
        "rows": {"labelled": len(problem.labelled), "unlabelled": len(problem.unlabelled)},
        "hypothesis": show(z),
        "default": {"answer": z.default, "strength": str(z.default_strength.value), "nats": z.default_strength.nats},
        "statements": told,
        "probability": float(induced.probabilities[0]),
        "log_prior": induced.prior.log_prior(z),
        "log_prior_sd": induced.prior.sd(z),
        "log_likelihood": posterior.log_likelihood(z),
        "score": induced.found[0].score,
        "runners_up": [
            {
                "hypothesis": show(scored.hypothesis),
                "log_prior": induced.prior.log_prior(scored.hypothesis),
                "log_likelihood": posterior.log_likelihood(scored.hypothesis),
                "score": scored.score,
                "probability": float(p),
            }
            for scored, p in list(zip(induced.found, induced.probabilities, strict=True))[1 : 1 + RUNNERS_UP]
        ],
        "judgements": judgements_told(induced.ledger, induced.budget),
        "audit": audit_told(transferred.audit, induced.rounds, induced.best, transferred.compared.corrected),
        "disagreement": [each._asdict() for each in disagreements(transferred.compared.pairs)] or None,
        **evaluate(problem, loaded.truth, on_labelled, transferred.probabilities),
        "baselines": baselines(problem, loaded.truth, seed, held_out=folds(problem.labelled.answers, seed)),
        "ours_held_out": _held_out(induced, seed, measuring),
        "scale": _scale(induced),
        "rounds": [_round(r, loaded, induced) for r in induced.rounds],
        "flagged": flagged(overseer, induced.ledger.judgements),
        "notes": [
            *loaded.notes,
            *getattr(overseer, "notes", ()),
            *unanswered_before(overseer, induced.ledger.judgements),
            *_full(loaded, z, told),
            *sought_again(induced.rounds, auditable=bool(z.statements)),
            *unaudited(transferred.audit),
        ],
    }


def _full(loaded: LoadedProblem, z: Hypothesis, told: Sequence[Mapping[str, Any]]) -> list[str]:
    """A note where z* is as long as it may be, would miss each of its statements, and could be allowed one more."""
    space = loaded.problem.space
    if loaded.origin is None or len(z.statements) < space.limits.statements:
        return []
    least = min(float(row["log_prior"] + row["log_likelihood"]) for row in told)
    said = [statement.conditions for statement in z.statements]
    more = any(not any(overlap((c,), other, space.feature) for other in said) for c in space.conditions())
    if least < MISSED or not more:
        return []
    return [
        f"z* says as much as it may, statements = {space.limits.statements}, and would lose {least:.1f} nats without "
        "the one it misses least: there may be more to say. Allow it in [space], with another --out, and see whether "
        "D held out gains"
    ]


def _held_out(induced: Induced, seed: int, measuring: Callable[[str], None]) -> float | None:
    """Accuracy on rows of D that z* was not searched on, over the folds the direct fits are measured on."""
    labelled, right = induced.problem.labelled, []
    parts = folds(labelled.answers, seed)
    for number, fold in enumerate(parts, 1):
        measuring(f"measuring on D held out, part {number} of {len(parts)}")
        z = induce_again(induced, labelled.take(fold.fitted), seed)
        said = induced.reading.answered(labelled.table.take(fold.held), z, labelled.names)
        right.append(said == labelled.answers[fold.held])
    return float(np.concatenate(right).mean()) if right else None


def _statements(induced: Induced) -> list[dict[str, Any]]:
    labels = _labels(induced.best, induced)
    return [_statement(statement, labels, induced) for statement in induced.best.statements]


def _labels(z: Hypothesis, induced: Induced) -> NDArray[np.intp]:
    """What z answers to each question of D′."""
    return induced.reading.answered(induced.problem.unlabelled, z, induced.problem.answers)


def _statement(statement: Statement, labels: NDArray[np.intp], induced: Induced) -> dict[str, Any]:
    """One statement of z*: what it says, what it is worth, and questions whose answer it decides."""
    problem, posterior, z = induced.problem, induced.posterior, induced.best
    applies = induced.reading.statement(statement, problem.unlabelled)
    others = z.without(statement)
    decides = labels != _labels(others, induced)
    return {
        "text": problem.space.show_statement(statement),
        "strength": str(statement.strength.value),
        "nats": statement.strength.nats,
        "answer": statement.answer,
        "log_prior": induced.prior.log_prior(z) - induced.prior.log_prior(others),
        "log_likelihood": posterior.log_likelihood(z) - posterior.log_likelihood(others),
        "applies_labelled": int(induced.reading.statement(statement, problem.labelled.table).sum()),
        "applies_unlabelled": int(applies.sum()),
        "decides": int(decides.sum()),
        "examples": _examples(problem.unlabelled, np.flatnonzero(applies)[:10_000], decides),
    }


def _examples(table: Table, applies: NDArray[np.intp], decides: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Up to `EXAMPLES` different questions that a statement applies to, in words; those first that it decides."""
    order = np.argsort(~decides[applies], kind="stable")
    found: list[dict[str, Any]] = []
    for i in applies[order[:100]]:
        row = table.row(int(i))
        # In words: `o` for one ring tells nobody anything.
        spoken = {f.name: f.told(str(row[f.name])) for f in table.features if f.discrete and row[f.name] is not None}
        question = {**row, **spoken}
        if question not in found:
            found.append(question)
        if len(found) == EXAMPLES:
            break
    return found


def _scale(induced: Induced) -> dict[str, Any] | None:
    preference = getattr(induced.prior, "preference", None)
    return None if preference is None else dict(preference.scale._asdict())


def _round(done: Round, loaded: LoadedProblem, induced: Induced) -> dict[str, Any]:
    problem = loaded.problem
    said, said2 = (
        np.eye(len(problem.answers))[induced.reading.answered(table, done.best, problem.answers)]
        for table in (problem.labelled.table, problem.unlabelled)
    )
    return {
        "round": done.number,
        "asked": done.asked,
        "best": problem.space.show(done.best),
        "log_posterior": done.score,
        "gap": None if done.audit is None else done.audit.gap,
        "survived": None if done.audit is None else done.audit.survived,
        "unlabelled_accuracy": evaluate(problem, loaded.truth, said, said2)["accuracy"]["unlabelled"],
    }
