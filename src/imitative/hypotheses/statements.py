"""Statements: a hypothesis as a set of sentences over named features, with an exact reading.

    log P(y | x, z) = log softmax_y( b_y + Σ_s applies_s(x) · w_s · [y = y_s] )

`b` is the default, `w_s` the statement's strength in nats. Source: `method.md`, Representations of z, 1.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import chain, combinations, groupby, product
from operator import attrgetter
from typing import Any, NamedTuple, final

import numpy as np

from imitative.data import Feature, FeatureKind, Mask, Table
from imitative.hypotheses.conditions import Condition, Relation, one_of, overlap
from imitative.hypotheses.english import English
from imitative.hypotheses.space import Neighbour

__all__ = [
    "MANY",
    "Condition",
    "Edit",
    "Hypothesis",
    "Limits",
    "Relation",
    "Statement",
    "StatementSpace",
    "Strength",
    "by_kept",
]

MANY = 30
"""Statements above which z is long, and its edits are too many to try each."""


class Strength(Enum):
    """How much a statement counts, in words with fixed nats: each word doubles the one before it."""

    HINT = "a hint"
    SLIGHT = "slight evidence"
    MODERATE = "moderate evidence"
    STRONG = "strong evidence"
    OVERWHELMING = "overwhelming evidence"

    @property
    def nats(self) -> float:
        """The log odds it adds to its answer: ¼, ½, 1, 2 or 4 nats (odds of about 1.3, 1.6, 2.7, 7.4 and 55)."""
        return 0.25 * 2.0 ** _STRENGTHS.index(self)

    @property
    def stronger(self) -> Strength | None:
        """The next word up, if any."""
        return _STRENGTHS[_STRENGTHS.index(self) + 1] if self is not _STRENGTHS[-1] else None

    @property
    def weaker(self) -> Strength | None:
        """The next word down, if any."""
        return _STRENGTHS[_STRENGTHS.index(self) - 1] if self is not _STRENGTHS[0] else None


_STRENGTHS = tuple(Strength)


@final
@dataclass(frozen=True, slots=True)
class Statement:
    """`If CONDITIONS, ANSWER (STRENGTH).`

    Args:
        conditions: all must hold, each of another feature; sorted when made.
        answer: y_s, the answer it speaks for.
        strength: w_s.
    """

    conditions: tuple[Condition, ...]
    answer: str
    strength: Strength

    def __post_init__(self) -> None:
        if not self.conditions:
            raise ValueError("a statement needs a condition; what always holds is the default")
        object.__setattr__(self, "conditions", tuple(sorted(set(self.conditions), key=_order)))

    def applies(self, table: Table) -> Mask:
        """The exact reading: (N,) booleans, true where every condition holds."""
        found = self.conditions[0].applies(table)
        for condition in self.conditions[1:]:
            found = found & condition.applies(table)
        return found


@final
@dataclass(frozen=True, slots=True)
class Hypothesis:
    """z: a set of statements and a default. Statements are kept sorted, so equal sets are equal hypotheses.

    Args:
        statements: at most one for the same conditions.
        default: the answer that needs no reason.
        default_strength: b of that answer, in words; the other answers have b = 0.
    """

    statements: tuple[Statement, ...]
    default: str
    default_strength: Strength = Strength.SLIGHT

    def __post_init__(self) -> None:
        object.__setattr__(self, "statements", tuple(sorted(self.statements, key=_statement_order)))
        if len({statement.conditions for statement in self.statements}) < len(self.statements):
            raise ValueError("two statements of one hypothesis have the same conditions")

    def logits(self, table: Table, answers: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """b_y + Σ_s applies_s(x) · w_s · [y = y_s]: (N, |Y|) nats, in the order of `answers`."""
        found = np.zeros((len(table), len(answers)))
        found[:, list(answers).index(self.default)] = self.default_strength.nats
        for statement in self.statements:
            found[:, list(answers).index(statement.answer)] += statement.strength.nats * statement.applies(table)
        return found

    def without(self, statement: Statement) -> Hypothesis:
        """z less one statement."""
        return replace(self, statements=tuple(s for s in self.statements if s != statement))


class Edit(NamedTuple):
    """One readable edit of a hypothesis, as what stays of it and what is new, so that what stays is read once for all
    edits of one statement.

    Args:
        kept: what stays, with the default.
        new: the statements that join it.
        move: what the edit is called.
    """

    kept: Hypothesis
    new: tuple[Statement, ...]
    move: str

    @property
    def hypothesis(self) -> Hypothesis:
        """What the edit makes."""
        return replace(self.kept, statements=(*self.kept.statements, *self.new))


def by_kept(edits: Iterable[Edit]) -> Iterator[tuple[Hypothesis, Iterator[Edit]]]:
    """Edits in a row that keep the same."""
    return groupby(edits, key=attrgetter("kept"))


@final
@dataclass(frozen=True, slots=True)
class Limits:
    """How large a hypothesis may be.

    Args:
        statements: at most so many statements.
        conditions: at most so many conditions in one.
        cuts: at most so many thresholds for each numeric feature.
    """

    statements: int = 12
    conditions: int = 2
    cuts: int = 8

    def __post_init__(self) -> None:
        if min(self.statements, self.conditions, self.cuts) < 1:
            raise ValueError(f"every limit is at least 1; found {self}")


@final
class StatementSpace:
    """Z: every set of at most `limits.statements` statements over the features.

    Args:
        features: what conditions may speak of, with all values they may name, seen in D or not.
        answers: Y.
        spoken: answer → the clause that says it.
        limits: how large a hypothesis may be.
        words: text feature → the words conditions may look for.
        cuts: numeric feature → the thresholds conditions may use, ascending.
        rated: text feature → those of its words that people have rated; where it has any, a claim about another word is
            one about which nobody is known to have a feeling, which M_prior may tell apart.

    Raises:
        ValueError: if something would be written like something else, or an answer has no clause.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        answers: Sequence[str],
        spoken: Mapping[str, str],
        limits: Limits | None = None,
        words: Mapping[str, Sequence[str]] | None = None,
        cuts: Mapping[str, Sequence[float]] | None = None,
        rated: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        if len(answers) < 2:
            raise ValueError(f"a question needs two answers or more; found {list(answers)}")
        if missing := [answer for answer in answers if answer not in spoken]:
            raise ValueError(f"no clause says the answer {missing[0]!r}: add it to the spoken answers")
        self.features = tuple(features)
        self.answers = tuple(answers)
        self.spoken = {answer: spoken[answer] for answer in answers}
        self.limits = limits or Limits()
        self.words = {name: tuple(words) for name, words in (words or {}).items()}
        self.cuts = {name: tuple(float(cut) for cut in cuts) for name, cuts in (cuts or {}).items()}
        self.rated = {name: frozenset(words) for name, words in (rated or {}).items() if words}
        self.english = English(self.features, self.spoken)
        self.feature = {feature.name: feature for feature in self.features}
        self._answer_clauses = sorted(answers, key=lambda answer: len(self.spoken[answer]), reverse=True)

    # -- what there is to say ------------------------------------------------------------------------------------

    def conditions(self) -> Iterator[Condition]:
        """Every single condition but `is one of` several: `is`, `is not`, thresholds, mentions and negations."""
        for feature in self.features:
            yield from self.conditions_on(feature)

    def conditions_on(self, feature: Feature) -> Iterator[Condition]:
        """The same, for one feature."""
        if feature.discrete:
            for value in feature.values:
                yield Condition(feature.name, Relation.IS, (value,))
            if len(feature.values) > 2:  # with two values, `is not a` is `is b`
                for value in feature.values:
                    yield Condition(feature.name, Relation.IS_NOT, (value,))
            if feature.kind is FeatureKind.ORDINAL:
                for value in feature.values[1:]:
                    yield Condition(feature.name, Relation.AT_LEAST, (value,))
                    yield Condition(feature.name, Relation.BELOW, (value,))
        elif feature.kind is FeatureKind.NUMERIC:
            for cut in self.cuts.get(feature.name, ()):
                yield Condition(feature.name, Relation.AT_LEAST, threshold=cut)
                yield Condition(feature.name, Relation.BELOW, threshold=cut)
        else:
            for word in self.words.get(feature.name, ()):
                yield Condition(feature.name, Relation.MENTIONS, (word,))
                yield Condition(feature.name, Relation.NEGATES, (word,))

    def describe(self) -> dict[str, Any]:
        """Everything that makes this space this space, in plain JSON values."""
        return {
            "kind": "statements",
            "features": [
                [f.name, f.kind.value, f.spoken, dict(f.words), dict(f.phrases), list(f.values), f.unit]
                for f in self.features
            ],
            "answers": self.spoken,
            "limits": [self.limits.statements, self.limits.conditions, self.limits.cuts],
            "words": {name: list(words) for name, words in self.words.items()},
            "cuts": {name: list(cuts) for name, cuts in self.cuts.items()},
            **({"rated": {name: sorted(words) for name, words in self.rated.items()}} if self.rated else {}),
        }

    @classmethod
    def from_description(cls, row: Mapping[str, Any]) -> StatementSpace:
        """Rebuild a space from `describe`.

        Raises:
            KeyError, ValueError: if `row` is not what `describe` writes.
        """
        features = [
            Feature(name, FeatureKind(kind), spoken, dict(words), dict(phrases), tuple(values), unit)
            for name, kind, spoken, words, phrases, values, unit in row["features"]
        ]
        limits = Limits(*row["limits"])
        answers, rated = row["answers"], row.get("rated")
        return cls(features, tuple(answers), answers, limits, row["words"], row["cuts"], rated)

    # -- English out and back in ---------------------------------------------------------------------------------

    def show_statement(self, statement: Statement) -> str:
        """A statement as a sentence."""
        conditions = self.english.conditions(statement.conditions)
        return f"If {conditions}, {self.spoken[statement.answer]} ({statement.strength.value})."

    def show(self, z: Hypothesis) -> str:
        """z as a person reads it: a sentence a line, the default last."""
        default = f"By default, {self.spoken[z.default]} ({z.default_strength.value})."
        return "\n".join([*map(self.show_statement, z.statements), default])

    def read_statement(self, text: str) -> Statement:
        """The inverse of `show_statement`.

        Raises:
            ValueError: naming the sentence.
        """
        sentence = text.strip()
        if sentence.startswith("If "):
            for conditions, rest in self.english.read(sentence[len("If ") :]):
                if len({condition.feature for condition in conditions}) == len(conditions) and rest.startswith(", "):
                    said = self._read_answer(rest[len(", ") :])
                    if said is not None:
                        return Statement(conditions, *said)
        raise ValueError(
            f"cannot read “{sentence}”: expected “If CONDITION, ANSWER (STRENGTH).” in the words of this problem"
        )

    def read(self, text: str) -> Hypothesis:
        """The inverse of `show`.

        Raises:
            ValueError: naming the first sentence that cannot be read, or saying that the default is missing.
        """
        *lines, last = [line.strip() for line in text.strip().splitlines() if line.strip()] or [""]
        said = self._read_answer(last.removeprefix("By default, ")) if last.startswith("By default, ") else None
        if said is None:
            raise ValueError(f"the last line must be “By default, ANSWER (STRENGTH).”; found “{last}”")
        return Hypothesis(tuple(self.read_statement(line) for line in lines), *said)

    def _read_answer(self, text: str) -> tuple[str, Strength] | None:
        for answer in self._answer_clauses:
            for strength in Strength:
                if text == f"{self.spoken[answer]} ({strength.value}).":
                    return answer, strength
        return None

    def __contains__(self, z: Hypothesis) -> bool:
        """Whether z keeps the limits and no two of its statements overlap (`conditions.overlap`).

        Statements that overlap would count the same reason twice, and a person could not tell what each is for.
        """
        return self._admits((), z.statements)

    def _admits(self, kept: Sequence[Statement], new: Sequence[Statement]) -> bool:
        """Whether what is in Z stays there with these statements more."""
        pairs = chain(product(new, kept), combinations(new, 2))
        return (
            len(kept) + len(new) <= self.limits.statements
            and all(len(statement.conditions) <= self.limits.conditions for statement in new)
            and not any(overlap(one.conditions, other.conditions, self.feature) for one, other in pairs)
        )

    # -- moving about ---------------------------------------------------------------------------------------------

    def sample(self, rng: np.random.Generator) -> Hypothesis:
        """A random hypothesis: a geometric number of statements, each condition and strength uniform."""
        pool = list(self.conditions())
        count = min(int(rng.geometric(0.4)) - 1, self.limits.statements) if pool else 0
        chosen: dict[tuple[Condition, ...], Statement] = {}
        for _ in range(count):
            size = 1 + int(rng.integers(self.limits.conditions))
            parts: dict[str, Condition] = {}
            for _ in range(size):
                extra = pool[int(rng.integers(len(pool)))]
                parts.setdefault(extra.feature, extra)
            statement = Statement(
                tuple(parts.values()),
                self.answers[int(rng.integers(len(self.answers)))],
                _STRENGTHS[int(rng.integers(len(_STRENGTHS)))],
            )
            if not any(overlap(statement.conditions, other, self.feature) for other in chosen):
                chosen[statement.conditions] = statement
        default = self.answers[int(rng.integers(len(self.answers)))]
        return Hypothesis(tuple(chosen.values()), default, _STRENGTHS[int(rng.integers(len(_STRENGTHS)))])

    def adopting(self, z: Hypothesis, statement: Statement) -> Hypothesis:
        """z with one statement more, in the place of all that it overlaps with; z may then be longer than the limit."""
        kept = (s for s in z.statements if not overlap(s.conditions, statement.conditions, self.feature))
        return replace(z, statements=(*kept, statement))

    def neighbours(self, z: Hypothesis) -> Iterator[Neighbour[Hypothesis]]:
        """Every hypothesis one edit away: add, drop, replace, strengthen, weaken, widen, narrow, split, default."""
        of_statements = (
            self._distinct(z.without(old), (old,), chain(self._refined(old), self._narrowed(old), self._replacing(old)))
            for old in z.statements
        )
        additions = self._distinct(z, (), self._additions())
        for edit in chain(*of_statements, additions, self._defaults(z)):
            yield Neighbour(edit.hypothesis, edit.move)

    def refinements(self, z: Hypothesis) -> Iterator[Edit]:
        """The edits that bring in no new feature, statement by statement: drop, strengthen, weaken, widen, narrow,
        split; then default.
        """
        for old in z.statements:
            yield from self._distinct(z.without(old), (old,), self._refined(old))
        yield from self._defaults(z)

    def _distinct(self, kept: Hypothesis, old: Sequence[Statement], edits: Iterable[_New]) -> Iterator[Edit]:
        """Those that stay in Z, each once, and none that puts back what was there."""
        seen = {frozenset(old)}
        for move, new in edits if kept in self else ():
            if (said := frozenset(new)) not in seen and self._admits(kept.statements, new):
                seen.add(said)
                yield Edit(kept, new, move)

    def _defaults(self, z: Hypothesis) -> Iterator[Edit]:
        for answer, strength in product(self.answers, Strength) if z in self else ():
            if (answer, strength) != (z.default, z.default_strength):
                yield Edit(replace(z, default=answer, default_strength=strength), (), "default")

    def _refined(self, old: Statement) -> Iterator[_New]:
        yield "drop", ()
        for move, strength in (("strengthen", old.strength.stronger), ("weaken", old.strength.weaker)):
            if strength is not None:
                yield move, (replace(old, strength=strength),)
        for move, conditions in self._resized(old.conditions):
            yield move, (replace(old, conditions=conditions),)
        for parts in self._splits(old):
            yield "split", parts

    def _narrowed(self, old: Statement) -> Iterator[_New]:
        """One condition more."""
        used = {condition.feature for condition in old.conditions}
        for extra in self.conditions():
            if extra.feature not in used:
                yield "narrow", (replace(old, conditions=(*old.conditions, extra)),)

    def _replacing(self, old: Statement) -> Iterator[_New]:
        for condition, answer in product(self.conditions(), self.answers):
            yield "replace", (Statement((condition,), answer, old.strength),)

    def _additions(self) -> Iterator[_New]:
        for condition, answer, strength in product(self.conditions(), self.answers, Strength):
            yield "add", (Statement((condition,), answer, strength),)

    def _resized(self, conditions: tuple[Condition, ...]) -> Iterator[tuple[str, tuple[Condition, ...]]]:
        """Conjunctions that hold a little more often (widen) or a little less often (narrow)."""
        for i, condition in enumerate(conditions):
            others = conditions[:i] + conditions[i + 1 :]
            if others:
                yield "widen", others
            for move, changed in self._resized_condition(condition):
                yield move, (*others, changed)

    def _resized_condition(self, condition: Condition) -> Iterator[tuple[str, Condition]]:
        feature = self.feature[condition.feature]
        values = set(condition.values)
        if condition.relation in (Relation.IS, Relation.IS_ONE_OF):
            if len(values) + 1 < len(feature.values):
                for value in feature.values:
                    if value not in values:
                        yield "widen", one_of(feature, values | {value})
            if len(values) > 1:
                for value in condition.values:
                    yield "narrow", one_of(feature, values - {value})
        elif condition.relation in (Relation.MENTIONS, Relation.NEGATES):
            if len(values) > 1:
                for word in condition.values:
                    yield "narrow", replace(condition, values=tuple(sorted(values - {word})))
            for word in self.words.get(feature.name, ()):
                if word not in values:
                    yield "widen", replace(condition, values=tuple(sorted(values | {word})))
        elif condition.relation in (Relation.AT_LEAST, Relation.BELOW):
            yield from self._shifted(condition)

    def _shifted(self, condition: Condition) -> Iterator[tuple[str, Condition]]:
        """To the threshold before and to the one after."""
        feature = self.feature[condition.feature]

        def place(c: Condition) -> float:
            return feature.values.index(c.values[0]) if c.threshold is None else c.threshold

        alike = [c for c in self.conditions_on(feature) if c.relation is condition.relation]
        lower = [c for c in alike if place(c) < place(condition)]
        higher = [c for c in alike if place(c) > place(condition)]
        at_least = condition.relation is Relation.AT_LEAST
        if lower:
            yield "widen" if at_least else "narrow", lower[-1]
        if higher:
            yield "narrow" if at_least else "widen", higher[0]

    def _splits(self, statement: Statement) -> Iterator[tuple[Statement, ...]]:
        """One statement about several values as two, each about some of them."""
        for i, condition in enumerate(statement.conditions):
            if len(condition.values) < 2:
                continue
            others = statement.conditions[:i] + statement.conditions[i + 1 :]
            for size in range(1, len(condition.values) // 2 + 1):
                for part in combinations(condition.values, size):
                    rest = tuple(value for value in condition.values if value not in part)
                    yield tuple(
                        replace(statement, conditions=(*others, self._with_values(condition, values)))
                        for values in (part, rest)
                    )
                if len(condition.values) > 6:  # past this only single values are split off: 2^k parts read alike
                    break

    def _with_values(self, condition: Condition, values: tuple[str, ...]) -> Condition:
        if condition.relation in (Relation.MENTIONS, Relation.NEGATES):
            return replace(condition, values=values)
        return one_of(self.feature[condition.feature], set(values))


_New = tuple[str, tuple[Statement, ...]]
"""What an edit is called, and what it says in the place of something."""


def _order(condition: Condition) -> tuple[str, str, tuple[str, ...], float]:
    return condition.feature, condition.relation.value, condition.values, condition.threshold or 0.0


def _statement_order(statement: Statement) -> tuple[Any, ...]:
    return tuple(map(_order, statement.conditions)), statement.answer, statement.strength.nats
