"""Controlled English: how conditions and statements are written, and read back.

    statement   If CONDITION [and CONDITION …], ANSWER (STRENGTH).
    default     By default, ANSWER (STRENGTH).
    CONDITION   SUBJECT is WORD | SUBJECT is one of WORD, WORD or WORD | SUBJECT is not WORD
                | SUBJECT is at least NUMBER [UNIT] | SUBJECT is below NUMBER [UNIT]
                | SUBJECT mentions “WORD”[, “WORD” or “WORD”] | SUBJECT negates “WORD” | a phrase of the problem's own

The subjects, words, phrases and answers are the problem's, so they may hold commas, *and* and *or*: the reader tries
every way to divide the sentence and takes the one that fits to the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import final

from imitative.data import Feature, FeatureKind
from imitative.hypotheses.conditions import Condition, Relation, one_of

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
_QUOTED = re.compile(r"“([^”]*)”")


def number(value: float) -> str:
    """The shortest decimal that reads back as the same float; no `.0`."""
    return repr(value).removesuffix(".0")


def listed(words: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


@final
class English:
    """Writes and reads conditions over the given features.

    Raises:
        ValueError: if two values, or two features, would be written alike and could not be told apart when read.
    """

    def __init__(self, features: Sequence[Feature], spoken: Mapping[str, str]) -> None:
        self.features = {feature.name: feature for feature in features}
        self.spoken = dict(spoken)
        self._clauses: dict[str, Condition] = {}
        for feature in features:
            if not feature.discrete:
                continue
            for value in feature.values:
                condition = Condition(feature.name, Relation.IS, (value,))
                for text in {self.condition(condition), f"{feature.spoken} is {feature.word(value)}"}:
                    other = self._clauses.setdefault(text, condition)
                    if other != condition:
                        raise ValueError(
                            f"{feature.name}={value} and {other.feature}={other.values[0]} would both be written "
                            f"“{text}”: give one of them another word, phrase or spoken name"
                        )
        for name, first, second in _repeated({feature.name: feature.spoken for feature in features}):
            raise ValueError(f"features {first} and {second} are both spoken of as “{name}”: name them apart")
        for name, first, second in _repeated(self.spoken):
            raise ValueError(f"answers {first} and {second} are both spoken as “{name}”: word them apart")
        self._by_length = sorted(self._clauses, key=len, reverse=True)

    def condition(self, condition: Condition) -> str:
        """The English for a condition."""
        feature = self.features[condition.feature]
        words = [feature.word(value) for value in condition.values]
        match condition.relation:
            case Relation.IS:
                return feature.phrases.get(condition.values[0], f"{feature.spoken} is {words[0]}")
            case Relation.IS_ONE_OF:
                return f"{feature.spoken} is one of {listed(words)}"
            case Relation.IS_NOT:
                return f"{feature.spoken} is not {words[0]}"
            case Relation.AT_LEAST | Relation.BELOW:
                if condition.threshold is None:
                    return f"{feature.spoken} {condition.relation} {words[0]}"
                unit = f" {feature.unit}" if feature.unit else ""
                return f"{feature.spoken} {condition.relation} {number(condition.threshold)}{unit}"
            case Relation.MENTIONS | Relation.NEGATES:
                return f"{feature.spoken} {condition.relation} {listed([f'“{word}”' for word in condition.values])}"

    def conditions(self, conditions: Sequence[Condition]) -> str:
        """The English for a conjunction."""
        return " and ".join(self.condition(condition) for condition in conditions)

    def read(self, text: str) -> Iterator[tuple[tuple[Condition, ...], str]]:
        """Every way to read conditions off the front of `text`, with what is left."""
        for condition, rest in self._read_one(text):
            yield (condition,), rest
            if rest.startswith(" and "):
                for more, remaining in self.read(rest[len(" and ") :]):
                    yield (condition, *more), remaining

    def _read_one(self, text: str) -> Iterator[tuple[Condition, str]]:
        for clause in self._by_length:
            if text.startswith(clause):
                yield self._clauses[clause], text[len(clause) :]
        for feature in self.features.values():
            if not text.startswith(feature.spoken + " "):
                continue
            rest = text[len(feature.spoken) + 1 :]
            # Longest first: `is one of` before `is`.
            for relation in sorted(Relation, key=len, reverse=True):
                if relation is not Relation.IS and rest.startswith(relation + " "):
                    yield from self._read_values(feature, relation, rest[len(relation) + 1 :])

    def _read_values(self, feature: Feature, relation: Relation, text: str) -> Iterator[tuple[Condition, str]]:
        if relation in (Relation.MENTIONS, Relation.NEGATES):
            if feature.kind is FeatureKind.TEXT:
                yield from self._read_words(feature, relation, text)
        elif relation in (Relation.AT_LEAST, Relation.BELOW) and feature.kind is FeatureKind.NUMERIC:
            found = _NUMBER.match(text)
            unit = f" {feature.unit}" if feature.unit else ""
            if found and text[found.end() :].startswith(unit):
                rest = text[found.end() + len(unit) :]
                yield Condition(feature.name, relation, threshold=float(found.group())), rest
        elif feature.discrete:
            for values, rest in self._read_list(feature, text):
                if relation is Relation.IS_ONE_OF:
                    if len(set(values)) == len(values):
                        yield one_of(feature, set(values)), rest
                elif len(values) == 1 and (relation is Relation.IS_NOT or feature.kind is FeatureKind.ORDINAL):
                    yield Condition(feature.name, relation, values), rest

    def _read_words(self, feature: Feature, relation: Relation, text: str) -> Iterator[tuple[Condition, str]]:
        words: list[str] = []
        while found := _QUOTED.match(text):
            words.append(found.group(1))
            text = text[found.end() :]
            yield Condition(feature.name, relation, tuple(sorted(set(words)))), text
            joint = next((joint for joint in (", ", " or ") if text.startswith(joint + "“")), None)
            if joint is None:
                return
            text = text[len(joint) :]

    def _read_list(self, feature: Feature, text: str, depth: int = 0) -> Iterator[tuple[tuple[str, ...], str]]:
        if depth >= len(feature.values):
            return
        for value in sorted(feature.values, key=lambda value: len(feature.word(value)), reverse=True):
            word = feature.word(value)
            if not text.startswith(word):
                continue
            rest = text[len(word) :]
            yield (value,), rest
            for joint in (", ", " or "):
                if rest.startswith(joint):
                    for more, remaining in self._read_list(feature, rest[len(joint) :], depth + 1):
                        if value not in more:
                            yield (value, *more), remaining


def _repeated(names: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    seen: dict[str, str] = {}
    for key, name in names.items():
        if name in seen:
            yield name, seen[name], key
        seen[name] = key
