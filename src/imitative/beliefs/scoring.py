"""What a belief that a person wrote is worth, beside the one a run found: the same score, the same posterior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from imitative.beliefs.induction import BeliefProblem, spoken
from imitative.beliefs.running import revived
from imitative.errors import InputError
from imitative.hypotheses.belief import BeliefSpace
from imitative.hypotheses.sentences import completed
from imitative.search.readable import Readable, score_words
from imitative.store import runs


class Scored(NamedTuple):
    """A belief as written, and the run's own, scored with the same draws."""

    space: BeliefSpace
    written: Readable
    own: Readable
    said: tuple[str, ...]  #: the parameters that were spoken of
    result: dict[str, Any]  #: the run's


def scored(problem: BeliefProblem, folder: Path, sentences: Sequence[str], seed: int = 0) -> Scored:
    """Score E_{θ~z}[log p(D|θ)] − KL(z ‖ prior) of sentences, in nats; what they leave unsaid is as the run has it.

    Raises:
        InputError: for a run of another problem, or a sentence that cannot be read, saying which.
    """
    _, posterior = revived(problem, folder)
    result = runs.read_result(folder)
    posterior = replace(
        posterior, log_evidence=float(result["log_evidence"]), error=float(result["log_evidence_error"])
    )
    space, places = spoken(problem.built.parameters, posterior.target)
    own = space.read(result["hypothesis"])
    try:
        z, said = completed(space, sentences, own)
    except ValueError as error:
        raise InputError("the belief", str(error), "sentences about the parameters, one each") from None
    written, found = (score_words(posterior, space, places, each, seed=seed) for each in (z, own))
    return Scored(space, written, found, said, result)
