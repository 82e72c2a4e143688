"""Sweeping: what z says about each condition, one condition after another, for a z of hundreds of statements.

Redrawing one slot from all options (`tempering.py`) costs the same however many slots there are, so a z of S slots
takes S times as long. A draw here looks at one condition: whether z says anything where it holds, and what. It touches
only the rows where the condition holds, which for a word in a text are few. The temperature falls from 1 to 0, where
each draw takes the best, and the sweeps end when nothing changes: no z that says one thing more, one thing less or one
thing otherwise is then better than z*, nor one with a single remark on a number in place of two.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from imitative.data import Floats
from imitative.hypotheses.statements import Hypothesis
from imitative.scoring import EMPTY, Scorer, Slots
from imitative.search.search import Scored, SearchInfo
from imitative.traits import NATS

RUNNERS_UP = 100
"""Hypotheses one edit away from z* that are remembered."""
ROUNDING = 1e-9
"""Nats by which something must be better to be taken: without it rounding could turn the last sweeps in a circle."""
WORTH = 1e-4
"""The same where several remarks change at once: M_prior's draws are kept in single precision, and what is taken away
and put back one by one comes out the same to some 1e-6 only."""


class Edit(NamedTuple):
    """z with something else said about condition `k`.

    Args:
        gain: what that adds to the score, in nats.
        k: which condition.
        said: what is said of it, answer · W + strength, or EMPTY for nothing.
    """

    gain: float
    k: int
    said: int


@dataclass(frozen=True)
class SweepingState:
    """Where the sweeps are.

    Args:
        slots: z, its options ascending.
        best: the best z after any sweep.
        near: the edits of z that lose least, once the search has settled.
        step: sweeps made.
        settled: whether a sweep at temperature 0 changed nothing.
        resumed: whether the sweeps went on from `best` after coming to rest at something worse.
    """

    slots: Slots
    best: Scored
    near: tuple[Edit, ...] = ()
    step: int = 0
    settled: bool = False
    resumed: bool = False


@final
class Sweeping:
    """Annealed sweeps over the conditions of a pool.

        for t = 0, 1, 2 … until a sweep at T = 0 changes nothing:
            T ← max(0, 1 − t / annealed)
            for each condition k, in random order:
                z[k] ~ softmax((log prior + log likelihood of z with each statement about k, and with none) / T)
            default ~ softmax((log prior + log likelihood of z with each default) / T)
            at T = 0, where it is better: all that is said of a number's thresholds said afresh, the best remark first;
            and one remark in place of two on one number, or none

    Args:
        scorer: the compiled posterior.
        slots: at most so many statements.
        annealed: sweeps before the temperature is 0.
        start: hypotheses to start from: the first that the pool can say, silence where there is none.
    """

    def __init__(self, scorer: Scorer, slots: int, annealed: int = 4, start: Sequence[Hypothesis] = ()) -> None:
        self._scorer, self._slots, self._annealed, self._start = scorer, slots, annealed, tuple(start)
        self._rows = [np.flatnonzero(mask) for mask in scorer.masks]
        self._thresholds = scorer.thresholds()

    def init(self, rng: np.random.Generator) -> SweepingState:
        """See `Search.init`."""
        starts = (self._scorer.encode(z, self._slots) for z in self._start)
        slots = next((found for found in starts if found is not None), Slots(np.empty(0, dtype=np.int64), 0))
        return SweepingState(slots, self._scored(slots))

    def step(self, state: SweepingState, rng: np.random.Generator) -> tuple[SweepingState, SearchInfo]:
        """See `Search.step`: one sweep."""
        temperature = max(0.0, 1.0 - state.step / max(1, self._annealed))
        z = _UnderWay(self._scorer, state.slots, self._slots)
        near: list[Edit] = []
        changed = False
        for k in rng.permutation(len(self._rows)).tolist():
            before = z.take(k, self._rows[k])
            change = z.changes(k, self._rows[k])
            said = _draw(change, before + 1, temperature, rng) - 1
            z.put(k, said, self._rows[k])
            changed |= said != before
            if not temperature:
                lost = change - change[said + 1]
                near += [Edit(float(lost[o]), k, int(o) - 1) for o in np.flatnonzero(lost > -np.inf) if o != said + 1]
                near = near if len(near) < 100 * RUNNERS_UP else heapq.nlargest(RUNNERS_UP, near)
        default = _draw(z.scores_of_defaults(), z.default, temperature, rng)
        changed |= default != z.default
        z.speak_by_default(default)
        if not temperature:
            changed |= self._said_better(z)
        slots = z.slots
        best = max(state.best, self._scored(slots), key=lambda scored: scored.score) if changed else state.best
        settled, resumed = not temperature and not changed, state.resumed
        if settled and not resumed and best.score > self._scored(slots).score + ROUNDING:
            # A warm sweep passed by something better than where the cold ones came to rest: they go on from there.
            slots, settled, resumed = self._scorer.encode(best.hypothesis, self._slots) or slots, False, True
        kept = tuple(heapq.nlargest(RUNNERS_UP, near)) if settled else ()
        after = SweepingState(slots, best, kept, state.step + 1, settled, resumed)
        return after, SearchInfo(after.step, max(after.step, self._annealed + 1), best)

    def done(self, state: SweepingState) -> bool:
        """See `Search.done`."""
        return state.settled

    def found(self, state: SweepingState) -> tuple[Scored, ...]:
        """See `Search.found`: the best, and the hypotheses one edit away from where the sweeps came to rest."""
        at_rest = self._scored(state.slots)
        every = {state.best.hypothesis: state.best.score, at_rest.hypothesis: at_rest.score}
        said = dict(zip(*divmod(state.slots.options, self._scorer.per_condition), strict=True))
        for edit in state.near:
            edited = {k: o for k, o in {**said, edit.k: edit.said}.items() if o != EMPTY}
            options = np.array([k * self._scorer.per_condition + o for k, o in edited.items()], dtype=np.int64)
            every.setdefault(self._scorer.decode(Slots(options, state.slots.default)), at_rest.score + edit.gain)
        return tuple(Scored(z, score) for z, score in sorted(every.items(), key=lambda item: -item[1]))

    def _said_better(self, z: _UnderWay) -> bool:
        """Whether something better took the place of several remarks on one number.

        *At least 7* and *below 9* undo each other in part; none of such remarks can go or change while the others stay.
        """
        changed = False
        for of_one in self._thresholds:
            if np.count_nonzero(z.said[of_one] != EMPTY) > 1:
                changed |= self._afresh(z, of_one)
            for first, second in combinations(of_one, 2):
                if z.said[first] != EMPTY and z.said[second] != EMPTY:
                    changed |= self._one_for_two(z, first, second)
        return changed

    def _afresh(self, z: _UnderWay, of_one: Sequence[int]) -> bool:
        before, lost = {}, 0.0
        for k in of_one:
            if z.said[k] != EMPTY:
                before[k] = z.take(k, self._rows[k])
                lost += z.changes(k, self._rows[k])[before[k] + 1]
        after, gained = dict[int, int](), 0.0
        while len(after) < len(of_one):
            changes = {k: z.changes(k, self._rows[k]) for k in of_one if k not in after}
            k = max(changes, key=lambda k: float(changes[k].max()))
            if changes[k].max() <= ROUNDING:
                break
            after[k] = int(changes[k].argmax()) - 1
            gained += changes[k].max()
            z.put(k, after[k], self._rows[k])
        if gained > lost + WORTH:
            return True
        for k in after:
            z.take(k, self._rows[k])
        for k, said in before.items():
            z.put(k, said, self._rows[k])
        return False

    def _one_for_two(self, z: _UnderWay, first: int, second: int) -> bool:
        before = z.take(first, self._rows[first])
        both = z.changes(first, self._rows[first])[before + 1]
        other = z.take(second, self._rows[second])
        alone = {k: z.changes(k, self._rows[k]) for k in (first, second)}
        both += alone[second][other + 1]
        k = max(alone, key=lambda k: float(alone[k].max()))
        if alone[k].max() > both + WORTH:
            z.put(k, int(alone[k].argmax()) - 1, self._rows[k])
            return True
        z.put(second, other, self._rows[second])
        z.put(first, before, self._rows[first])
        return False

    def _scored(self, slots: Slots) -> Scored:
        scorer = self._scorer
        return Scored(scorer.decode(slots), scorer.log_prior(slots) + scorer.log_likelihood(scorer.logits(slots)))


class _UnderWay:
    """A z that is being changed: what it says, the logits it gives D, and what M_prior's draws add to its mean."""

    def __init__(self, scorer: Scorer, slots: Slots, most: int) -> None:
        self.scorer, self.default, self.most = scorer, slots.default, most
        options = slots.options[slots.options != EMPTY]
        self.said = np.full(len(scorer.pool), EMPTY)
        self.said[options // scorer.per_condition] = options % scorer.per_condition
        self.filled = len(options)
        self.logits = scorer.logits(slots)
        self.deviation = scorer.deviation(slots).astype(np.float64)
        self.added = scorer.sharpness * NATS

    @property
    def slots(self) -> Slots:
        at = np.flatnonzero(self.said != EMPTY)
        return Slots(at * self.scorer.per_condition + self.said[at], self.default)

    def take(self, k: int, rows: NDArray[np.intp]) -> int:
        """Say nothing about condition k; what was said."""
        before = int(self.said[k])
        self._shift(k, before, rows, -1)
        self.said[k] = EMPTY
        return before

    def put(self, k: int, said: int, rows: NDArray[np.intp]) -> None:
        """Say something about condition k, of which nothing is said."""
        self._shift(k, said, rows, 1)
        self.said[k] = said

    def _shift(self, k: int, said: int, rows: NDArray[np.intp], sign: int) -> None:
        if said != EMPTY:
            answer, strength = divmod(said, len(NATS))
            self.logits[answer, rows] += sign * self.added[strength]
            again = 0.0 if (repeated := self._repeated(k)) is None else 2.0 * repeated[answer] * NATS[strength]
            alone = self.scorer.deviations[k * self.scorer.per_condition + said]
            self.deviation += sign * (alone + again * self.scorer.claim_deviations)
            self.filled += sign

    def _repeated(self, k: int) -> Floats | None:
        """What z claims, apart from k, of the values of which k speaks, by answer: (A,) nats; None: nothing."""
        others, counts = self.scorer.repeating(k)
        if not len(others):
            return None
        found = np.zeros(len(self.scorer.answers))
        for other, count in zip(others, counts, strict=True):
            if self.said[other] != EMPTY:
                answer, strength = divmod(int(self.said[other]), len(NATS))
                found[answer] += count * NATS[strength]
        return found

    def changes(self, k: int, rows: NDArray[np.intp]) -> Floats:
        """What saying nothing about k, and each statement, adds to the score: (1 + A·W,) nats, the first 0."""
        found = np.zeros(1 + self.scorer.per_condition)
        rivals = self.scorer.conflicts(k * self.scorer.per_condition)[1:]
        if self.filled >= self.most or any(self.said[rival] != EMPTY for rival in rivals):
            found[1:] = -np.inf
        else:
            found[1:] = self.scorer.prior_beside(self.deviation, k, self._repeated(k))
            if len(rows):
                found[1:] += self.scorer.likelihood_of(rows, self.logits[:, rows])
        return found

    def speak_by_default(self, default: int) -> None:
        """Give z another default."""
        for option, sign in ((self.default, -1), (default, 1)):
            answer, strength = divmod(option, len(NATS))
            self.logits[answer] += sign * self.added[strength]
            self.deviation += sign * self.scorer.default_deviations[option]
        self.default = default

    def scores_of_defaults(self) -> Floats:
        """The score of z with each default, (A·W,) nats, up to one constant."""
        rest = self.logits.copy()
        answer, strength = divmod(self.default, len(NATS))
        rest[answer] -= self.added[strength]
        return self.scorer.likelihood_of_defaults(rest) + self.scorer.prior_of_defaults(self.slots)


def _draw(scores: Floats, before: int, temperature: float, rng: np.random.Generator) -> int:
    """An index with probability ∝ exp(scores / T); at T = 0 the best, or `before` where it is as good."""
    if not temperature:
        best = int(scores.argmax())
        return best if scores[best] > scores[before] + ROUNDING else before
    cumulative = np.cumsum(np.exp((scores - scores.max()) / temperature))
    return min(int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right")), len(scores) - 1)
