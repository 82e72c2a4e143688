"""Steps 1–4 over free text, as a run tells of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from imitative.evaluation import baselines, evaluate, folds
from imitative.guidance import Guide, Heard
from imitative.induction import Progress
from imitative.loaded import Finished, LoadedProblem
from imitative.overseers.mixed import disagreements
from imitative.overseers.overseer import Overseer, Record
from imitative.records import Judgement
from imitative.results import audit_told, flagged, judgements_told, sought_again, unanswered_before, unaudited
from imitative.settings import Settings
from imitative.texts.induction import TextInduced, TextRound, induce_text
from imitative.texts.judges import Judges
from imitative.texts.labelling import TextTransferred, clauses, held_out, transfer_text
from imitative.texts.problem import TextProblem
from imitative.texts.proposing import Proposer
from imitative.traits import Encode

RUNNERS_UP = 10


@final
@dataclass(frozen=True, eq=False)
class TextStudy:
    """See `loaded.Study`.

    Args:
        text: the problem.
        proposer: who writes sections.
        judges: seed → what M_prior and M_L are made of instead of the sentence encoder.
    """

    text: TextProblem
    proposer: Proposer
    judges: Callable[[int], Judges] | None = None

    @property
    def fingerprint(self) -> str:
        """See `Problem.fingerprint`."""
        return self.text.fingerprint

    @property
    def described(self) -> dict[str, Any]:
        """See `loaded.Study`."""
        return self.text.space.describe()

    def finish(
        self,
        loaded: LoadedProblem,
        overseer: Overseer,
        *,
        seed: int,
        budget: int,
        known: Mapping[str, Judgement],
        record: Record,
        progress: Callable[[Any], None],
        encode: Encode,
        settings: Settings,
        guide: Guide | None = None,
        heard: Heard | None = None,
    ) -> Finished:
        """See `loaded.Study`."""
        induced = induce_text(
            self.text, overseer, self.proposer, seed=seed, budget=budget, known=known, record=record,
            progress=progress, encode=encode, settings=settings,
            judges=None if self.judges is None else self.judges(seed), guide=guide,
        )  # fmt: skip
        transferred = transfer_text(induced, seed=seed, progress=progress, heard=heard)
        started = time.perf_counter()
        shown = self.text.space.show(induced.best)
        rounds = len(induced.rounds)
        progress(Progress.of(induced.ledger, budget, "measuring", shown, (rounds, rounds)))
        result = _result(loaded, self, induced, transferred, overseer, seed)
        seconds = induced.seconds | transferred.seconds | {"evaluation": time.perf_counter() - started}
        result["seconds"] = {stage: round(spent, 3) for stage, spent in seconds.items()}
        return Finished(result, transferred.model.to_json(), transferred.probabilities)


def _result(
    loaded: LoadedProblem,
    study: TextStudy,
    induced: TextInduced,
    transferred: TextTransferred,
    overseer: Overseer,
    seed: int,
) -> dict[str, Any]:
    """Everything a run says, as plain values; keys as for statements where they mean the same."""
    problem, z, show = loaded.problem, induced.best, induced.text.space.show
    on_labelled = transferred.model.probabilities(problem.labelled.table)
    decided = clauses(induced, transferred)
    chosen = [i for i, section in enumerate(induced.pool.sections) if section in z.sections]
    log_prior = float(induced.pool.worth[chosen].sum())
    likelihood = _likelihood(induced, z.sections)
    return {
        "problem": problem.name,
        "question": problem.question,
        "answers": dict(problem.spoken),
        "seed": seed,
        "space": induced.text.space.describe(),
        "rows": {"labelled": len(problem.labelled), "unlabelled": len(problem.unlabelled)},
        "hypothesis": show(z),
        "statements": [
            {
                "text": clause.text,
                "log_prior": clause.log_prior,
                "log_likelihood": clause.log_likelihood,
                "applies_labelled": clause.speaks_labelled,
                "applies_unlabelled": clause.speaks_unlabelled,
                "decides": clause.decides,
                "examples": clause.examples,
            }
            for clause in decided
        ],
        "probability": float(induced.probabilities[0]),
        "log_prior": log_prior,
        "log_prior_sd": induced.prior.sd(z),
        "log_likelihood": likelihood,
        "score": induced.found[0].score,
        "runners_up": [
            {
                "hypothesis": show(scored.hypothesis),
                "log_prior": induced.prior.log_prior(scored.hypothesis),
                "log_likelihood": _likelihood(induced, scored.hypothesis.sections),
                "score": scored.score,
                "probability": float(p),
            }
            for scored, p in list(zip(induced.found, induced.probabilities, strict=True))[1 : 1 + RUNNERS_UP]
        ],
        "judgements": judgements_told(induced.ledger, induced.budget),
        "audit": _audit(induced, transferred),
        "disagreement": [each._asdict() for each in disagreements(transferred.compared.pairs)] or None,
        **evaluate(problem, loaded.truth, on_labelled, transferred.probabilities),
        "baselines": baselines(problem, loaded.truth, seed, held_out=folds(problem.labelled.answers, seed)),
        "ours_held_out": held_out(induced, seed),
        "scale": dict(induced.prior.preference.scale._asdict()) if induced.prior.preference is not None else None,
        "rounds": [_round(done, loaded, induced) for done in induced.rounds],
        "proposals": dict(sum((Counter(done.refused) for done in induced.rounds), Counter[str]()))
        | {"accepted": sum(done.proposed for done in induced.rounds)},
        "flagged": flagged(overseer, induced.ledger.judgements),
        "notes": [
            *loaded.notes,
            *getattr(overseer, "notes", ()),
            *unanswered_before(overseer, induced.ledger.judgements),
            *getattr(study.proposer, "notes", ()),
            *sought_again(induced.rounds, auditable=len(z.sections) > 1 or len(induced.found) > 1),
            *unaudited(transferred.audit),
        ],
    }


def _likelihood(induced: TextInduced, sections: tuple[str, ...]) -> float:
    from scipy.special import log_softmax

    pool = induced.pool
    chosen = [i for i, section in enumerate(pool.sections) if section in sections]
    log_p = log_softmax(pool.whole(chosen), axis=1)
    return pool.evidence * float(log_p[np.arange(len(pool.answers)), pool.answers].sum())


def _audit(induced: TextInduced, transferred: TextTransferred) -> dict[str, Any] | None:
    """M_test against the overseer, corrected where a model answered for people, and M_prior against the overseer."""
    told = audit_told(transferred.audit, induced.rounds, induced.best, transferred.compared.corrected)
    if told is None:
        return None
    judged = [done.audit for done in induced.rounds if done.audit is not None and done.best == induced.best]
    return {**told, "alarm": bool(judged) and not judged[-1].survived}


def _round(done: TextRound, loaded: LoadedProblem, induced: TextInduced) -> dict[str, Any]:
    problem, reading = loaded.problem, induced.reading
    p, p2 = (
        np.exp(reading.log_probabilities(table, done.best, problem.answers))
        for table in (problem.labelled.table, problem.unlabelled)
    )
    return {
        "round": done.number,
        "asked": done.asked,
        "best": induced.text.space.show(done.best),
        "log_posterior": done.score,
        "gap": None if done.audit is None else done.audit.gap,
        "survived": None if done.audit is None else done.audit.survived,
        "proposed": done.proposed,
        "refused": dict(done.refused),
        "unlabelled_accuracy": evaluate(problem, loaded.truth, p, p2)["accuracy"]["unlabelled"],
    }
