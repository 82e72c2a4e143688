"""The rules behind the admission sets, read from the English of `metadata.json`.

A rule is a disjunction of conjunctions: a student is admitted if any of its sentences holds, and a sentence holds if
all it asks for holds: *an F in Math AND 0 publications*, *more than 2 strong activities*, *a B or C in English*.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import final

Student = Mapping[str, str | float]
"""Feature → a grade, or a count."""

_GRADES = re.compile(r"\b([A-F](?:(?:, or |, | or )(?:an? )?[A-F])*) in (\w+)")
_COUNTS = re.compile(
    r"(?:\b(more than|at least|fewer than|less than|at most|exactly) )?"
    r"\b(\d+|no|one|two|three|four|five)(?: or (more|fewer))? (?:[a-z]+ ){0,3}?(publication|letter|activit)"
)
_NUMBERS = {word: float(i) for i, word in enumerate(("no", "one", "two", "three", "four", "five"))}
_COMPARED: Mapping[str, Callable[[float, float], bool]] = {
    "more than": lambda a, b: a > b,
    "at least": lambda a, b: a >= b,
    "more": lambda a, b: a >= b,
    "fewer than": lambda a, b: a < b,
    "less than": lambda a, b: a < b,
    "at most": lambda a, b: a <= b,
    "fewer": lambda a, b: a <= b,
    "exactly": lambda a, b: a == b,
    "": lambda a, b: a == b,
}


@final
class Rule:
    """Who is admitted.

    >>> rule = Rule(["Students with an A or B in Math AND more than 2 publications will be admitted"],
    ...             ["math", "num_publications"])
    >>> rule({"math": "B", "num_publications": 3.0}), rule({"math": "B", "num_publications": 2.0})
    (True, False)

    Args:
        sentences: any of which may hold.
        features: the columns they speak of.

    Raises:
        ValueError: naming a sentence in which nothing was recognised.
    """

    def __init__(self, sentences: Sequence[str], features: Sequence[str]) -> None:
        self._ways = [self._read(sentence, features) for sentence in sentences]

    def __call__(self, student: Student) -> bool:
        """Whether the student is admitted."""
        return any(all(holds(student) for holds in way) for way in self._ways)

    def _read(self, sentence: str, features: Sequence[str]) -> list[Callable[[Student], bool]]:
        found: list[Callable[[Student], bool]] = []
        for letters, subject in _GRADES.findall(sentence):
            found.append(_graded(_column(subject, features), frozenset(re.findall(r"\b[A-F]\b", letters))))
        for before, number, after, subject in _COUNTS.findall(sentence):
            value = _NUMBERS[number] if number in _NUMBERS else float(number)
            found.append(_counted(_column(subject, features), _COMPARED[before or after], value))
        if not found:
            raise ValueError(f"nothing is recognised in “{sentence}”")
        return found


def _graded(feature: str, grades: frozenset[str]) -> Callable[[Student], bool]:
    return lambda student: student[feature] in grades


def _counted(feature: str, compare: Callable[[float, float], bool], value: float) -> Callable[[Student], bool]:
    return lambda student: compare(float(student[feature]), value)


def _column(subject: str, features: Sequence[str]) -> str:
    named = [name for name in features if subject.lower() in name.lower()]
    if len(named) != 1:
        raise ValueError(f"“{subject}” names {len(named)} of the columns {', '.join(features)}")
    return named[0]


def combinations(students: Sequence[Student]) -> list[Student]:
    """Every combination of the values that any student has."""
    values = {name: sorted({student[name] for student in students}, key=str) for name in students[0]}
    return [dict(zip(values, combination, strict=True)) for combination in product(*values.values())]


def by_majority(students: Sequence[Student], admitted: Sequence[bool]) -> Callable[[Student], bool | None]:
    """The rule as the data show it, where no sentence can be read: None for a combination that nobody has."""
    votes: dict[tuple[object, ...], Counter[bool]] = defaultdict(Counter)
    for student, answer in zip(students, admitted, strict=True):
        votes[tuple(student.values())][answer] += 1

    def rule(student: Student) -> bool | None:
        counted = votes.get(tuple(student.values()))
        return None if counted is None else counted[True] >= counted[False]

    return rule
