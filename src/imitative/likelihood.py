"""M_L: log P(y | x, z), the learned imitation of how people read a hypothesis.

It starts as the literal reading and learns two departures from people's comparisons of answers:

    logits_y(x, z) = θ · ( b_y + Σ_s covers_s(x) · w_s · [y = y_s] ),     P(y | x, z) = softmax_y

θ, the *sharpness*, is how much people make of the strength words; `covers_s` extends the literal `applies_s` by values
that people read a word as covering (*foul* said, *fishy* met). Both are 1 and literal until judgements say otherwise.
Normalised over the answers of each question (Decision in `method.md`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

from imitative.data import Floats, Mask, Table
from imitative.hypotheses.conditions import Condition, Relation, one_of
from imitative.hypotheses.statements import Edit, Hypothesis, Statement, StatementSpace, by_kept
from imitative.preference import Comparisons, fit_preference
from imitative.records import Judgement, Kind, Query

BY_DEFAULT = 0.05
"""What the default counts for where z is otherwise even about a question, in nats: less than any two answers differ by
unless z is even. Strengths are few, so that they often cancel; *by default* then says what holds, whichever answer
happens to be named first.
"""


class LikelihoodModel(Protocol):
    """log P_H(y | x, z) for every question and answer."""

    def log_probabilities(self, table: Table, z: Hypothesis, answers: Sequence[str]) -> Floats:
        """(N, |Y|) nats; each row's exponentials sum to one."""
        ...


@final
@dataclass(frozen=True)
class Reading:
    """The likelihood of statements, literal unless told otherwise.

    Args:
        sharpness: θ, dimensionless; 1 is literal.
        covers: (feature, value said) → the other values it is read as covering.
    """

    sharpness: float = 1.0
    covers: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)

    def condition(self, condition: Condition, table: Table) -> Mask:
        """Where people take the condition to hold: (N,) booleans."""
        if self.covers and condition.relation in (Relation.IS, Relation.IS_ONE_OF):
            values = set(condition.values)
            for value in condition.values:
                values |= self.covers.get((condition.feature, value), frozenset())
            condition = one_of(table.feature(condition.feature), values) if len(values) > 1 else condition
        return condition.applies(table)

    def conditions(self, conditions: Sequence[Condition], table: Table) -> Mask:
        """Where people take all of them to hold: (N,) booleans."""
        found = self.condition(conditions[0], table)
        for condition in conditions[1:]:
            found = found & self.condition(condition, table)
        return found

    def statement(self, statement: Statement, table: Table) -> Mask:
        """covers_s(x): (N,) booleans."""
        return self.conditions(statement.conditions, table)

    def logits(self, table: Table, z: Hypothesis, answers: Sequence[str]) -> Floats:
        """θ · (b_y + Σ_s covers_s(x) · w_s · [y = y_s]): (N, |Y|) nats."""
        return self.sharpness * self._literally(table, z, answers)

    def log_probabilities(self, table: Table, z: Hypothesis, answers: Sequence[str]) -> Floats:
        """See `LikelihoodModel`."""
        return _normalised(self.logits(table, z, answers))

    def edited(self, table: Table, edits: Iterable[Edit], answers: Sequence[str]) -> Iterator[Floats]:
        """`log_probabilities` by what each edit makes: what several keep is read once."""
        for kept, group in by_kept(edits):
            rest = self._literally(table, kept, answers)
            for edit in group:
                yield _normalised(self.sharpness * self._said(edit.new, table, answers, rest.copy()))

    def _literally(self, table: Table, z: Hypothesis, answers: Sequence[str]) -> Floats:
        """The logits at θ = 1."""
        found = np.zeros((len(table), len(answers)))
        found[:, answers.index(z.default)] = z.default_strength.nats
        return self._said(z.statements, table, answers, found)

    def _said(self, statements: Iterable[Statement], table: Table, answers: Sequence[str], beside: Floats) -> Floats:
        """`beside`, with what the statements add to it."""
        for statement in statements:
            beside[:, answers.index(statement.answer)] += statement.strength.nats * self.statement(statement, table)
        return beside

    def answered(self, table: Table, z: Hypothesis, answers: Sequence[str]) -> NDArray[np.intp]:
        """What z answers, (N,) indices into `answers`: the most probable; what it is even about, by its default."""
        leaning = self.log_probabilities(table, z, answers)
        leaning[:, answers.index(z.default)] += BY_DEFAULT
        return np.asarray(leaning.argmax(axis=1))

    @classmethod
    def fit(cls, space: StatementSpace, judgements: Sequence[Judgement], discrimination: float = 1.0) -> Reading:
        """M_L after comparisons of answers under hypotheses; other judgements are ignored.

        The log odds of a comparison are linear in what is to be learned, θ and, for every (feature, said, met) that a
        question raises, how much of the statement's strength people give it; a pair given more than half is covered.

        Args:
            space: Z.
            judgements: all so far.
            discrimination: β, logits per nat of those who compare, as M_prior has it: a decided judge is not one who
                makes more of the strength words, and comparisons of answers alone cannot tell the two apart.
        """
        compared = [j for j in judgements if j.answered and j.query.kind is Kind.COMPARE_ANSWERS]
        if not compared:
            return cls()
        parts = [_departures(space, judgement.query) for judgement in compared]
        pairs = {pair: i + 1 for i, pair in enumerate(dict.fromkeys(p for _, said in parts for p in said))}
        rows = np.zeros((len(parts), 1 + len(pairs)))
        for row, (literal, said) in zip(rows, parts, strict=True):
            row[0] = literal
            for pair, nats in said.items():
                row[pairs[pair]] += nats
        mean, precision = np.zeros(1 + len(pairs)), np.full(1 + len(pairs), 1.0 / COVER_SD**2)
        mean[0], precision[0] = 1.0, 1.0 / SHARPNESS_SD**2
        grades = [judgement.answer.grade or 0 for judgement in compared]
        fitted = fit_preference(
            Comparisons(discrimination * rows, grades), mean=mean, precision=precision, judges_model="none"
        )
        covers: dict[tuple[str, str], frozenset[str]] = {}
        for (feature, said_value, met), i in pairs.items():
            if fitted.mean[i] > 0.5:
                covers[feature, said_value] = covers.get((feature, said_value), frozenset()) | {met}
        return cls(float(np.clip(fitted.mean[0], 0.5, 2.0)), covers)


def _normalised(logits: Floats) -> Floats:
    """log softmax of (N, |Y|) nats."""
    return np.asarray(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))


def _departures(space: StatementSpace, query: Query) -> tuple[float, dict[tuple[str, str, str], float]]:
    """The literal log odds of the two answers, and what they would gain by each value met but not said."""
    assert query.question is not None
    z = space.read(query.hypotheses[0])
    table = Table.of(space.features, [query.question], strict=False)
    literal = LITERAL.logits(table, z, space.answers)[0]
    first, second = (space.answers.index(answer) for answer in query.answers)
    gains: dict[tuple[str, str, str], float] = {}
    for statement in z.statements:
        side = (statement.answer == query.answers[0]) - (statement.answer == query.answers[1])
        [condition, *others] = statement.conditions
        if side and not others and condition.relation in (Relation.IS, Relation.IS_ONE_OF):
            met = query.question.get(condition.feature)
            if met is not None and str(met) not in condition.values:
                gains[condition.feature, condition.values[0], str(met)] = side * statement.strength.nats
    return float(literal[first] - literal[second]), gains


SHARPNESS_SD = 0.15
"""How far from 1 people's θ is expected to be: words like *strong* are shown with their odds."""
COVER_SD = 0.5
"""How much of a statement's strength an unnamed value is expected to get, none being the mean."""


LITERAL = Reading()
"""The reading nobody has corrected yet."""
