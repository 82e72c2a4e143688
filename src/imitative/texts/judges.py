"""What M_prior, M_L and M_test over texts are made of, where it is not the sentence encoder: a causal trunk.

    M_prior:  log prior(z) = Σ_t θ·φ(t),   φ(t) holds e(t) = (h(t) − h̄) / |h(t) − h̄|
    M_L:      what t says of c and y = log P(y | x: c, z: t) − log P(y | x: nothing, z: t)
    M_test:   the same, after what people answered following z* was learned too

h(t) is the trunk's last hidden state after section t, h̄ its mean over all that could be said of the features: hidden
states point the same way for the most part, and what they share tells nothing. After every round the trunk's adapter is
fine-tuned on all judgements (`texts.trunk.CausalJudges`); the head θ is then fitted on top by the preference model of
statements, which gives it a scale in nats and a doubt. Each fine-tuning begins at the trunk, so that what is learned
depends on the judgements and the seed, not on when a run was stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, final

import numpy as np

from imitative.data import Floats
from imitative.overseers.prompts import Phrasing
from imitative.records import Answer, Judgement, Kind
from imitative.texts.causal import CausalReader, Preferred, Reading, section_map
from imitative.texts.trunk import LIKELIHOOD, PRIOR, TEST, CausalJudges, Sharing
from imitative.traits import Encode

STEPS = 100
"""Of Adam, each time: some ten passes over a hundred and fifty judgements."""
SAMPLE = 200
"""Sentences that h̄ is taken over."""


class Judges(Protocol):
    """A way to read sections that learns from judgements."""

    @property
    def encode(self) -> Encode:
        """Sections → vectors, as learned so far."""
        ...

    def reads(self, conditions: Sequence[str]) -> Callable[[str], Floats]:
        """See `texts.reading.Reads`; what is returned reads as learned so far, as M_L."""
        ...

    def answers_by(self, conditions: Sequence[str]) -> Callable[[str], Floats]:
        """The same as M_test."""
        ...

    def learn(self, judgements: Sequence[Judgement]) -> bool:
        """Learn from all judgements there are; whether anything is read otherwise since."""
        ...


@final
class TrunkJudges:
    """See the module.

    Args:
        load: the trunk, made when it is first needed.
        phrasing: how items are put into words.
        answers: Y, in the order of the reader's clauses.
        steps: of each fine-tuning.
        seed: of adapters and batches.
        sharing: what the judges have in common.
    """

    def __init__(
        self,
        load: Callable[[], CausalReader],
        phrasing: Phrasing,
        answers: Sequence[str],
        steps: int = STEPS,
        seed: int = 0,
        sharing: Sharing = Sharing.TRUNK,
    ) -> None:
        self.phrasing, self.answers, self.steps, self.seed = phrasing, tuple(answers), steps, seed
        self.sharing = sharing
        self._load = load
        self._made: CausalJudges | None = None
        self._learned = frozenset[tuple[str, str, Answer]]()
        self._mean: Floats | None = None
        self._conditions: tuple[str, ...] = ()

    @property
    def judges(self) -> CausalJudges:
        """The trunk with its adapters."""
        if self._made is None:
            self._made = CausalJudges(self._load(), self.sharing, seed=self.seed)
        return self._made

    # -- reading -----------------------------------------------------------------------------------------------------

    def encode(self, texts: Sequence[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        """e(t): (N, d), unit vectors."""
        hidden = self.judges.hidden(texts, PRIOR) - self._centre()
        return np.asarray(hidden / np.maximum(np.linalg.norm(hidden, axis=1, keepdims=True), 1e-9), dtype=np.float32)

    def reads(self, conditions: Sequence[str]) -> Callable[[str], Floats]:
        """See `Judges.reads`."""
        self._conditions, self._mean = tuple(conditions), None
        return self._read_as(LIKELIHOOD, conditions)

    def answers_by(self, conditions: Sequence[str]) -> Callable[[str], Floats]:
        """See `Judges.answers_by`."""
        return self._read_as(TEST, conditions)

    def _read_as(self, judge: str, conditions: Sequence[str]) -> Callable[[str], Floats]:
        return lambda section: section_map(self.judges.worn(judge), conditions)(section)

    def _centre(self) -> Floats:
        if self._mean is None:
            clauses = self.phrasing.spoken.values()
            every = [f"If {c}, {clause}." for c in self._conditions for clause in clauses] or ["Nothing is known."]
            picked = np.random.default_rng(self.seed).permutation(len(every))[:SAMPLE]
            self._mean = self.judges.hidden([every[i] for i in np.sort(picked)], PRIOR).mean(axis=0)
        return self._mean

    # -- learning ----------------------------------------------------------------------------------------------------

    def learn(self, judgements: Sequence[Judgement]) -> bool:
        """See `Judges.learn`: pairs and odds of texts teach M_prior, comparisons of answers M_L, answers M_test."""
        preferred, readings = list[Preferred](), {LIKELIHOOD: list[Reading](), TEST: list[Reading]()}
        taught = set[tuple[str, str, Answer]]()
        for judgement in judgements:
            if (pair := _preferred(judgement)) is not None:
                preferred.append(pair)
            elif (read := self._reading(judgement)) is not None:
                readings[TEST if judgement.query.kind is Kind.ANSWER else LIKELIHOOD].append(read)
            else:
                continue
            taught.add((judgement.query.key, judgement.judge, judgement.answer))
        if taught == self._learned:
            return False
        self._learned, self._mean = frozenset(taught), None
        self.judges.reset()
        self.judges.fit(preferred, readings, steps=self.steps)
        return True

    def _reading(self, judgement: Judgement) -> Reading | None:
        """The answer given, or the better one, where one was found better."""
        query, grade = judgement.query, judgement.answer.grade
        if query.kind not in (Kind.COMPARE_ANSWERS, Kind.ANSWER) or not judgement.answered:
            return None
        better = judgement.answer.choice
        if query.kind is Kind.COMPARE_ANSWERS:
            better = query.answers[0 if grade > 0 else 1] if grade else None
        if better is None:
            return None
        # In the features' order: a stored judgement has its cells in another than a fresh one.
        question = query.question or {}
        item = self.phrasing.item({f.name: question[f.name] for f in self.phrasing.features if f.name in question})
        return Reading(query.hypotheses[0], item, self.answers.index(better))


def _preferred(judgement: Judgement) -> Preferred | None:
    """Which of two texts was found more plausible; odds above seven count as much more."""
    query, answer = judgement.query, judgement.answer
    if not judgement.answered or query.kind not in (Kind.COMPARE_HYPOTHESES, Kind.ODDS):
        return None
    grade = answer.grade
    if answer.ratio is not None:
        nats = float(np.log(answer.ratio))
        grade = int(np.sign(nats)) * (2 if abs(nats) > 2.0 else 1) if abs(nats) > 0.2 else 0
    return None if grade is None else Preferred(query.hypotheses[0], query.hypotheses[1], grade)
