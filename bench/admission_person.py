"""Which person is asked about admission, chosen on offices and students of our own making, never on the given ones.

What the person *knows* (good grades speak for a student) is common sense, and stays. How far an office's rule may be
from what they know, and what a longer rule costs, are what the candidates differ in. An invented office admits whoever
meets any of five conditions, or both of two, or the one it has; half of the offices ask for what common sense would,
half for the opposite.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import numpy as np

from bench.admission import GRADES, PERSON, Person, problem_text, tree_accuracy
from bench.admission_rules import Student
from bench.figure import Bench, Row, at_least, mean_and_worst
from bench.runs import finish, from_toml
from imitative.loaded import LoadedProblem

CANDIDATES: Final[Mapping[str, Person]] = {
    "as before: a doubter": Person(1.0, 0.5, 0.5),
    "tolerant": Person(2.0, 0.5, 0.5),
    "very tolerant": Person(4.0, 0.5, 0.5),
    "tolerant, brief": Person(2.0, 2.0, 0.0),
    "very tolerant, brief": Person(4.0, 2.0, 0.0),
}
"""Tolerances double like the strengths do; a brief person finds a sentence more e² times less plausible."""
_VALUES: Final[Mapping[str, Sequence[str | int]]] = {
    "math": GRADES,
    "num_publications": range(5),
    "num_letters": range(4),
    "num_activities": range(4),
    "english": GRADES,
}
_LABEL = "admitted_or_not"
_TESTED = 600
"""Students of D′: an accuracy is known to within 0.01."""


class Office(NamedTuple):
    """A rule that nobody published.

    Args:
        shape: `any of five`, `both of two`, `one`.
        sensible: whether it asks for what common sense would.
        seed: of the rule and of the students.
        rows: how many students D holds.
        noise: the share of them that was answered the other way.
    """

    shape: str
    sensible: bool
    seed: int
    rows: int = 200
    noise: float = 0.0

    def __str__(self) -> str:
        sense = "sensible" if self.sensible else "against sense"
        return f"{self.shape}, {sense}, seed {self.seed}, {self.rows} rows, noise {self.noise:g}"

    def generator(self) -> np.random.Generator:
        """What its rule is drawn from, and its students after it."""
        return np.random.default_rng([self.seed, len(self.shape), int(self.sensible), self.rows])


OFFICES: Final = (
    *(Office("any of five", sensible, seed) for seed in (10, 11) for sensible in (True, False)),
    *(Office("any of five", sensible, 12, rows=100) for sensible in (True, False)),
    *(Office("both of two", sensible, 10, rows=100) for sensible in (True, False)),
    *(Office("one", sensible, 10, noise=0.1) for sensible in (True, False)),
)
Way = Mapping[str, frozenset[str | int]]
"""Feature → the values it may have; all features named must hold."""


def person(bench: Bench) -> Iterator[Row]:
    """Accuracy on invented offices for each candidate; the one in use must be the best."""
    found: dict[str, dict[str, float]] = {name: {} for name in CANDIDATES}
    trees: dict[str, float] = {}
    for office in OFFICES:
        for name, candidate in CANDIDATES.items():
            loaded = invented(office, candidate)
            found[name][str(office)] = finish(bench, loaded, office.seed).accuracy
        trees[str(office)] = tree_accuracy(loaded, office.seed)
        bench.say(f"{office}: {[round(row[str(office)], 3) for row in found.values()]}, tree {trees[str(office)]:.3f}")
    means = {name: float(np.mean(list(row.values()))) for name, row in found.items()}
    chosen = next(name for name, candidate in CANDIDATES.items() if candidate == PERSON)
    detail = {"by office": found, "decision tree": trees} | {
        "means": {name: mean_and_worst(list(row.values())) for name, row in (*found.items(), ("tree", trees))}
    }
    yield at_least("invented offices: accuracy with the person in use", means[chosen], max(means.values()), detail)


def invented(office: Office, candidate: Person) -> LoadedProblem:
    """The problem of an invented office, asked of that person."""
    rng = office.generator()
    ways = rule(office, rng)
    with TemporaryDirectory() as folder:
        train, test = Path(folder) / "invented_train.json", Path(folder) / "invented_test.json"
        students = _write(train, ways, office.rows, office.noise, rng)
        _write(test, ways, _TESTED, 0.0, rng)
        return from_toml(problem_text(train, _LABEL, list(_VALUES), students, candidate), Path(folder))


def rule(office: Office, rng: np.random.Generator) -> Sequence[Way]:
    """Whom the office admits: whoever goes one of these ways."""
    names = [list(_VALUES)[i] for i in rng.permutation(len(_VALUES))]
    if office.shape == "both of two":  # the better half of each, or the worse
        return [{name: _end(name, len(_VALUES[name]) // 2, office.sensible) for name in names[:2]}]
    if office.shape == "one":
        return [{names[0]: _end(names[0], 1, office.sensible)}]
    # One grade is looked at in a way of the office's own.
    odd = next(name for name in names if _VALUES[name] is GRADES)
    own = frozenset(GRADES[i] for i in rng.permutation(len(GRADES))[: int(rng.integers(2, 4))])
    return [{name: own if name == odd else _end(name, 1, office.sensible)} for name in names]


def _end(name: str, count: int, high: bool) -> frozenset[str | int]:
    values = list(_VALUES[name])
    return frozenset(values[-count:] if high else values[:count])


def _write(path: Path, ways: Sequence[Way], rows: int, noise: float, rng: np.random.Generator) -> list[Student]:
    """As many students who are admitted as who are not, in random order; then the noise."""
    drawn: dict[bool, list[dict[str, str | int]]] = {True: [], False: []}
    while min(map(len, drawn.values())) < rows // 2:
        student = {name: values[int(rng.integers(len(values)))] for name, values in _VALUES.items()}
        drawn[any(all(student[name] in allowed for name, allowed in way.items()) for way in ways)].append(student)
    both = [(student, admitted) for admitted, them in drawn.items() for student in them[: rows // 2]]
    students, labels = zip(*(both[i] for i in rng.permutation(len(both))), strict=True)
    told = [admitted != bool(rng.random() < noise) for admitted in labels]
    columns: dict[str, Any] = {name: [student[name] for student in students] for name in _VALUES}
    path.write_text(json.dumps(columns | {_LABEL: ["admitted" if one else "rejected" for one in told]}), "utf-8")
    return [{k: cell if isinstance(cell, str) else float(cell) for k, cell in each.items()} for each in students]
