"""What people wrote to say why they judged as they did: free text → claims, where nothing is left to guess.

    “Strong smells are bad”, written of a pair of rules of which one is about a pungent odour
    → the odour is pungent: poisonous

A reason is read sentence by sentence. A sentence is a claim where

    1  it names exactly one answer, in words that stand for it,
    2  it names something at hand: the value of a condition that was judged, or the feature of just one; a value that is
       no more than a number or a quantity (*one*, *several*) counts where the feature is named beside it,
    3  no word of doubt or denial is left (*not*, *hard to believe*, *too simple*), once those words are taken away,
    4  it is no question.

All else is left alone: a reason read wrongly says what nobody said, one not read is only lost. Where the words for
several answers stand in one sentence, its clauses are read each by itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, final

from imitative.hypotheses.conditions import Condition, Relation
from imitative.hypotheses.statements import StatementSpace
from imitative.rules import plain

Words = tuple[str, ...]

_ASIDE = re.compile(r"\([^()]*\)")
_SENTENCE = re.compile(r"[^.!?;\n]+[.!?;\n]?")
_CLAUSE = re.compile(r",|\b(?:but|while|whereas|although|though|however)\b", re.IGNORECASE)
_DOUBTS = {
    "arent", "cannot", "cant", "difficult", "doesnt", "dont", "doubt", "doubtful", "hard", "hardly", "impossible",
    "isnt", "neither", "never", "no", "none", "nor", "not", "nothing", "too", "unless", "unlikely", "without", "wont",
    "wouldnt",
}  # fmt: skip
_QUANTITIES = {
    "all", "eight", "few", "five", "four", "many", "most", "nine", "one", "other", "seven", "several", "six", "some",
    "ten", "three", "two",
}  # fmt: skip
STEM = 4
"""Letters from which on a word stands for all that begin with it, *smell* for *smells* and *smelling*."""


class Claim(NamedTuple):
    """That what `condition` says speaks for `answer`."""

    condition: Condition
    answer: str


@final
class ReasonReader:
    """Reads reasons into claims about what was judged.

    Args:
        space: whose features and answers are spoken of.
        answers: answer → further words that stand for it, beside those that its own phrase alone has.
        features: feature → further words that stand for it, beside what it is spoken of as.

    Raises:
        ValueError: for words of an answer or a feature that the space does not have, and for those of two answers.
    """

    def __init__(
        self,
        space: StatementSpace,
        answers: Mapping[str, Sequence[str]] | None = None,
        features: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        given, known = answers or {}, {feature.name: feature for feature in space.features}
        for name in [*(given.keys() - set(space.answers)), *((features or {}).keys() - known.keys())]:
            raise ValueError(f"{name!r} is neither an answer nor a feature of this problem")
        self._answers: dict[Words, str] = {}
        for answer in space.answers:
            for words in [*_telling(space, answer), *map(_words, given.get(answer, ()))]:
                if self._answers.setdefault(words, answer) != answer:
                    raise ValueError(f"“{' '.join(words)}” stands for two answers")
        self._features = {
            name: [_words(said) for said in (name, feature.spoken, *(features or {}).get(name, ()))]
            for name, feature in known.items()
        }
        self._values = {
            (name, value): [_words(feature.word(value)), *map(_words, filter(None, [feature.phrases.get(value)]))]
            for name, feature in known.items()
            for value in feature.values
        }

    def read(self, reason: str, at_hand: Iterable[Condition]) -> tuple[Claim, ...]:
        """What `reason` claims of the conditions that were judged, each once; of these only what says that a feature
        *is* a value is looked at.
        """
        judged = [c for c in dict.fromkeys(at_hand) if c.relation is Relation.IS]
        found: dict[Claim, None] = {}
        for sentence in _SENTENCE.findall(_ASIDE.sub(" ", reason)):
            if not sentence.endswith("?"):
                found |= dict.fromkeys(self._claims(sentence, judged))
        return tuple(found)

    def _claims(self, sentence: str, judged: Sequence[Condition]) -> Iterator[Claim]:
        words = _words(sentence)
        answers, spent = self._answered(words)
        if len(answers) > 1 and len(clauses := _CLAUSE.split(sentence)) > 1:
            for clause in clauses:
                yield from self._claims(clause, judged)
        if len(answers) != 1:
            return
        conditions, named = self._named(words, judged)
        if not any(_doubts(word) for i, word in enumerate(words) if i not in spent | named):
            for condition in conditions:
                yield Claim(condition, *answers)

    def _answered(self, words: Words) -> tuple[set[str], set[int]]:
        """The answers that are named, and where; of *not edible* and *edible* the longer."""
        answers: set[str] = set()
        spent: set[int] = set()
        for said in sorted(self._answers, key=len, reverse=True):
            places = _places(said, words) - spent
            if len(places) >= len(said):
                answers.add(self._answers[said])
                spent |= places
        return answers, spent

    def _named(self, words: Words, judged: Sequence[Condition]) -> tuple[list[Condition], set[int]]:
        """The conditions that are named, and where: by their values; where no value is, by the feature, if it has one
        condition. Of several conditions that one word names, those whose feature is named too.
        """
        features = {c.feature: _any(self._features[c.feature], words) for c in judged}
        named = {c: places for c in judged if (places := _any(self._values[c.feature, c.values[0]], words))}
        times = Counter(place for places in named.values() for place in places)
        for condition, places in list(named.items()):
            vague = any(times[place] > 1 or words[place] in _QUANTITIES for place in places)
            if vague and not features[condition.feature]:
                del named[condition]
        if not named:
            of = Counter(c.feature for c in judged)
            named = {c: features[c.feature] for c in judged if features[c.feature] and of[c.feature] == 1}
        return list(named), set().union(*named.values())


def _telling(space: StatementSpace, answer: str) -> list[Words]:
    """The words of an answer's phrase that no other answer's phrase has."""
    others = {word for other, phrase in space.spoken.items() if other != answer for word in _words(phrase)}
    return [(word,) for word in _words(space.spoken[answer]) if word not in others and not _doubts(word)]


def _words(text: str) -> Words:
    return tuple(plain(text.replace("’", "'")).split())


def _doubts(word: str) -> bool:
    return word in _DOUBTS or word.endswith("n't")


def _any(sayings: Iterable[Words], words: Words) -> set[int]:
    return set().union(*(_places(said, words) for said in sayings))


def _places(said: Words, words: Words) -> set[int]:
    """The places in `words` at which `said` stands, whole."""
    found: set[int] = set()
    for start in range(len(words) - len(said) + 1):
        if said and all(_stands_for(a, b) for a, b in zip(said, words[start:], strict=False)):
            found |= set(range(start, start + len(said)))
    return found


def _stands_for(listed: str, word: str) -> bool:
    return word == listed or (len(listed) >= STEM and word.startswith(listed))


__all__ = ["Claim", "ReasonReader"]
