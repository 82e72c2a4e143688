"""Rules that people judged elsewhere, as they were worded there: taken apart, and read into a problem's own statements.

    if the mushroom has the following properties (simultaneously) odour is foul and gill size is narrow
    then the mushroom is poisonous

    RULE      [if [PREAMBLE (simultaneously)]] CLAUSE [and CLAUSE …] then ANSWER

Letter case, articles and the spellings colour/color, odour/odor, grey/gray make no difference. A rule that says
anything the problem has no words for is not read at all: half a rule is another rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple, final

from imitative.hypotheses.conditions import Condition, Relation
from imitative.hypotheses.statements import Hypothesis, Statement, StatementSpace, Strength

_SENTENCES = re.compile(r"[.;]\s+(?:if|by default)\b", re.IGNORECASE)
_PREAMBLE = re.compile(r"\s*if\b(?:.*?\(simultaneously\))?\s*", re.IGNORECASE | re.DOTALL)
_WORDS = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_ARTICLES = frozenset(("the", "a", "an"))
_SPELLINGS = {"colour": "color", "colours": "colors", "odour": "odor", "odours": "odors", "grey": "gray"}


class Rule(NamedTuple):
    """A rule taken apart, its words left as they were.

    Args:
        clauses: what must hold, divided at every *and*.
        answer: what then follows.
    """

    clauses: tuple[str, ...]
    answer: str


def take_apart(text: str) -> Rule:
    """A rule's clauses and answer.

    Raises:
        ValueError: if it has no *then*, or nothing on one side of it.

    >>> take_apart("if the city is all of these (simultaneously) Old Ports and Capitals then life is good")
    Rule(clauses=('Old Ports', 'Capitals'), answer='life is good')
    """
    conditions, then, answer = (part.strip() for part in text.rpartition(" then "))
    clauses = tuple(clause.strip() for clause in _PREAMBLE.sub("", conditions, count=1).split(" and "))
    if not then or not answer or not all(clauses):
        raise ValueError(f"cannot read “{text.strip()}”: expected “if CLAUSE and CLAUSE then ANSWER”")
    return Rule(clauses, answer.rstrip(". "))


@final
class RuleReader:
    """Reads rules into hypotheses of one statement, whose default is the other answer.

    Takes what the space itself writes, too: a whole hypothesis, or one of its statements.

    Args:
        space: whose words the rules must be in.
        strength: of a statement whose text names none: a rule is said without hedging.
    """

    def __init__(self, space: StatementSpace, strength: Strength = Strength.STRONG) -> None:
        self.space, self.strength = space, strength
        self._clauses: dict[str, Condition] = {}
        for feature in space.features:
            for value in feature.values if feature.discrete else ():
                condition = Condition(feature.name, Relation.IS, (value,))
                for clause in (space.english.condition(condition), f"{feature.spoken} is {feature.word(value)}"):
                    self._clauses.setdefault(plain(clause), condition)
        self._answers = {plain(clause): answer for answer, clause in space.spoken.items()}

    def read(self, text: str) -> Hypothesis:
        """The hypothesis that says what `text` says.

        Raises:
            ValueError: naming what cannot be read.
        """
        said = []
        for read in (self.space.read, self._statement, self._rule):
            try:
                return read(text)
            except ValueError as error:
                said.append(error)
        if "\n" in text.strip():  # only a whole hypothesis has lines
            raise said[0]
        if _SENTENCES.search(text):
            raise ValueError(f"{said[-1]}; several sentences stand on a line each, what holds by default on the last")
        raise said[-1]

    def _statement(self, text: str) -> Hypothesis:
        return self._alone(self.space.read_statement(text))

    def _rule(self, text: str) -> Hypothesis:
        rule = take_apart(text)
        answer = self._answers.get(plain(rule.answer))
        if answer is None:
            raise ValueError(f"no answer of this problem is spoken as “{rule.answer}”")
        conditions = next(self._conditions(rule.clauses), None)
        if conditions is None:
            unknown = [clause for clause in rule.clauses if self._condition(clause) is None]
            raise ValueError(f"nothing in this problem is spoken as “{unknown[0] if unknown else rule.clauses[0]}”")
        if len({condition.feature for condition in conditions}) < len(conditions):
            raise ValueError(f"“{' and '.join(rule.clauses)}” says two things of one feature")
        return self._alone(Statement(conditions, answer, self.strength))

    def _alone(self, statement: Statement) -> Hypothesis:
        return Hypothesis((statement,), next(answer for answer in self.space.answers if answer != statement.answer))

    def _conditions(self, clauses: Sequence[str]) -> Iterator[tuple[Condition, ...]]:
        """Every way to read the clauses, a clause that itself holds an *and* being put together again."""
        if not clauses:
            yield ()
        for size in range(1, len(clauses) + 1):
            first = self._condition(" and ".join(clauses[:size]))
            if first is not None:
                for rest in self._conditions(clauses[size:]):
                    yield (first, *rest)

    def _condition(self, clause: str) -> Condition | None:
        known = self._clauses.get(plain(clause))
        if known is not None:
            return known
        for text in (clause, f"the {clause}"):
            for conditions, rest in self.space.english.read(text):
                if not rest and len(conditions) == 1:
                    return conditions[0]
        return None


def plain(text: str) -> str:
    """The words of a text, without what makes no difference.

    >>> plain("The  Odour is foul.")
    'odor is foul'
    """
    words = (_SPELLINGS.get(word, word) for word in _WORDS.findall(text.lower()))
    return " ".join(word for word in words if word not in _ARTICLES)


__all__ = ["Rule", "RuleReader", "plain", "take_apart"]
