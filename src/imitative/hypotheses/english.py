"""Controlled English: how conditions and statements are written, and read back.

    statement   If CONDITION [and CONDITION …], ANSWER (STRENGTH).
    default     By default, ANSWER (STRENGTH).
    CONDITION   SUBJECT is WORD | SUBJECT is one of WORD, WORD or WORD | SUBJECT is not WORD
                | SUBJECT is at least NUMBER [UNIT] | SUBJECT is below NUMBER [UNIT]
                | SUBJECT mentions “WORD”[, “WORD” or “WORD”] | SUBJECT negates “WORD” | a phrase of the problem's own

The subjects, words, phrases and answers are the problem's, so they may hold commas, *and* and *or*. A word that could
be taken for more than a word stands in quotes (`the topping is “ham, egg and cheese”`); a subject or phrase that could
is refused; and the reader tries every way to divide the sentence and takes the one that fits to the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import final

from imitative.data import Feature, FeatureKind
from imitative.hypotheses.conditions import Condition, Relation, one_of

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
_QUOTED = re.compile(r"“([^”]*)”")
_JOINTS = (", ", " and ", " or ", " is ", "“", "”")
_OPENINGS = ("not ", "one of ", "at least ", "below ")
_ESCAPED = re.compile(r"[\\”\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ESCAPE = re.compile(r"\\u([0-9a-f]{4})")


def number(value: float) -> str:
    """The shortest decimal that reads back as the same float; no `.0`."""
    return repr(float(value)).removesuffix(".0")


def quoted(word: str) -> str:
    """The word in quotes; what would end the quotes or the line is written as its code, four hexadecimal digits."""
    return "“" + _ESCAPED.sub(lambda found: rf"\u{ord(found.group()):04x}", word) + "”"


def unquoted(text: str) -> str:
    """The inverse of `quoted`, without the quotes."""
    return _ESCAPE.sub(lambda found: chr(int(found.group(1), 16)), text)


def written(word: str) -> str:
    """The word as it stands in a sentence: in quotes where it could be taken for more, or less, than a word.

    >>> written("foul"), written("ham and egg")
    ('foul', '“ham and egg”')
    """
    risky = any(joint in f" {word} " for joint in _JOINTS) or word.startswith(_OPENINGS)
    return quoted(word) if risky or word != word.strip() or not word or _ESCAPED.search(word) else word


def listed(words: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


@final
class English:
    """Writes and reads conditions over the given features.

    Raises:
        ValueError: if something would be written like something else and could not be told apart when read.
    """

    def __init__(self, features: Sequence[Feature], spoken: Mapping[str, str]) -> None:
        self.features = {feature.name: feature for feature in features}
        self.spoken = dict(spoken)
        self._words = {f.name: {value: written(f.word(value)) for value in f.values} for f in features if f.discrete}
        self._longest = {
            name: sorted(words.items(), key=lambda item: len(item[1]), reverse=True)
            for name, words in self._words.items()
        }
        self._clauses: dict[str, Condition] = {}
        for feature in features:
            if not feature.discrete:
                continue
            for value in feature.values:
                condition = Condition(feature.name, Relation.IS, (value,))
                for text in {self.condition(condition), f"{feature.spoken} is {self._words[feature.name][value]}"}:
                    other = self._clauses.setdefault(text, condition)
                    if other != condition:
                        raise ValueError(
                            f"{feature.name}={value!r} and {other.feature}={other.values[0]!r} would both be written "
                            f"“{text}”: give one of them another word, phrase or spoken name"
                        )
        for name, first, second in _repeated({feature.name: feature.spoken for feature in features}):
            raise ValueError(f"features {first} and {second} are both spoken of as “{name}”: name them apart")
        for name, first, second in _repeated(self.spoken):
            raise ValueError(f"answers {first} and {second} are both spoken as “{name}”: word them apart")
        self._by_length = sorted(self._clauses, key=len, reverse=True)
        # Without the quotes that its word is written in: read where nothing else fits, never written.
        self._loose: dict[str, Condition] = {}
        for feature in features:
            for value, word in self._words.get(feature.name, {}).items():
                if word != feature.word(value):
                    condition = Condition(feature.name, Relation.IS, (value,))
                    self._loose.setdefault(f"{feature.spoken} is {feature.word(value)}", condition)
        self._refuse_ambiguous()

    def _refuse_ambiguous(self) -> None:
        """Words are quoted; phrases, subjects and answers are the author's own, and must not hold one another's."""
        phrases = {
            text: f"the phrase for {f.name}={value}"
            for f in self.features.values()
            for value, text in f.phrases.items()
            if value in f.values
        }
        own = phrases | {f.spoken: f"the spoken name of {f.name}" for f in self.features.values()}
        answers = {clause: f"the answer {answer}" for answer, clause in self.spoken.items()}
        for text, what in (own | answers).items():
            if len(f"{text}.".splitlines()) > 1:
                raise ValueError(f"{what} holds a line break: write it in one line")
        for clause, what in answers.items():
            if clause.startswith("“"):
                raise ValueError(f"{what} begins with a quote: begin “{clause}” with a word")
        begins = [*self._clauses, *(f"{feature.spoken} " for feature in self.features.values())]
        for text, what in own.items():
            if text not in phrases and " and " not in text and ", " not in text:
                continue
            for condition, rest in self._read_one(text):
                again = rest.startswith(" and ") and _begins(rest[len(" and ") :], begins)
                ends = rest.startswith(", ") and _begins(rest[len(", ") :], answers)
                if again or ends or (not rest and condition != self._clauses.get(text, condition)):
                    raise ValueError(
                        f"{what}, “{text}”, could be taken for “{self.condition(condition)}”: say it in another way"
                    )

    def condition(self, condition: Condition) -> str:
        """The English for a condition."""
        feature = self.features[condition.feature]
        if condition.relation in (Relation.MENTIONS, Relation.NEGATES):
            return f"{feature.spoken} {condition.relation} {listed([quoted(word) for word in condition.values])}"
        words = [self._words[feature.name].get(v) or written(feature.word(v)) for v in condition.values]
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
        for clause, condition in self._loose.items():
            if text.startswith(clause):
                yield condition, text[len(clause) :]

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
                    if len(values) > 1:
                        yield one_of(feature, set(values)), rest
                elif len(values) == 1 and (relation is Relation.IS_NOT or feature.kind is FeatureKind.ORDINAL):
                    yield Condition(feature.name, relation, values), rest

    def _read_words(self, feature: Feature, relation: Relation, text: str) -> Iterator[tuple[Condition, str]]:
        words: list[str] = []
        while found := _QUOTED.match(text):
            words.append(unquoted(found.group(1)))
            text = text[found.end() :]
            if not text.startswith((", “", " or “")):
                yield Condition(feature.name, relation, tuple(sorted(set(words)))), text
                return
            text = text[len(", ") if text.startswith(", ") else len(" or ") :]

    def _read_list(self, feature: Feature, text: str) -> Iterator[tuple[tuple[str, ...], str]]:
        """`a`, `a or b`, `a, b or c`: a comma before every word but the first and the last, no word twice."""
        for value, word in self._longest[feature.name]:
            if not text.startswith(word):
                continue
            rest = text[len(word) :]
            yield (value,), rest
            if rest.startswith((", ", " or ")):
                last = rest.startswith(" or ")
                for more, remaining in self._read_list(feature, rest[len(" or " if last else ", ") :]):
                    if value not in more and (len(more) == 1 if last else len(more) > 1):
                        yield (value, *more), remaining


def _begins(text: str, beginnings: Iterable[str]) -> bool:
    """Whether the text could be, or begin, or go on from, one of the beginnings."""
    return any(text.startswith(beginning) or beginning.startswith(text) for beginning in beginnings)


def _repeated(names: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    seen: dict[str, str] = {}
    for key, name in names.items():
        if name in seen:
            yield name, seen[name], key
        seen[name] = key
