"""The people and the offices that the benchmark's admission is about."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bench.admission import PERSON, sets
from bench.admission_person import CANDIDATES, OFFICES, Office, invented, rule
from imitative.config import load_problem
from imitative.overseers.simulated import Simulated

_EACH = pytest.mark.parametrize("office", OFFICES, ids=str)


@_EACH
def test_an_office_admits_by_its_rule(office: Office) -> None:
    loaded = invented(office, PERSON)
    ways = rule(office, office.generator())
    assert loaded.truth is not None
    for table, answers, noise in (
        (loaded.problem.labelled.table, loaded.problem.labelled.answers, office.noise),
        (loaded.problem.unlabelled, loaded.truth.answers, 0.0),
    ):
        students = [table.row(i) for i in range(len(table))]
        admitted = [any(all(student[name] in may for name, may in way.items()) for way in ways) for student in students]
        assert sum(admitted) * 2 == len(admitted)
        assert loaded.problem.answers == ("rejected", "admitted")
        told_otherwise = int((np.array(admitted) != (answers == 1)).sum())
        assert (0.03 * len(table) < told_otherwise < 0.2 * len(table)) if noise else told_otherwise == 0


def test_offices_differ_and_are_the_same_every_time() -> None:
    few = OFFICES[::3]
    drawn = [invented(office, PERSON).problem.labelled.table for office in (*few, *few)]
    shown = [str([table.row(i) for i in range(20)]) for table in drawn]
    assert Counter(Counter(shown).values()) == {2: len(few)}


def test_an_office_against_common_sense_asks_for_the_opposite() -> None:
    office = Office("both of two", True, 3)
    [sensible], [against] = (rule(each, np.random.default_rng(0)) for each in (office, office._replace(sensible=False)))
    assert sensible.keys() == against.keys()
    assert all(not sensible[name] & against[name] for name in sensible)


def test_candidates_are_the_person_that_the_problem_says() -> None:
    assert PERSON in CANDIDATES.values()
    for candidate in CANDIDATES.values():
        person = invented(OFFICES[-1], candidate).build_overseer(0)
        assert isinstance(person, Simulated)
        assert (person.tolerance, person.length, person.irrelevant) == tuple(candidate)


def test_the_example_is_asked_of_the_person_whom_the_figures_are_measured_with() -> None:
    data = Path(os.environ.get("IMITATIVE_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not (data / "admission").is_dir():
        pytest.skip("no admission data: put the files in ../shared/data")
    [measured] = [each.loaded for each in sets(data, "admission") if each.name == "level_1/base"]
    shown = load_problem(Path(__file__).parents[1] / "examples" / "admission", data)
    assert shown.problem.space.describe() == measured.problem.space.describe()
    assert shown.budget == measured.budget
    first, second = shown.build_overseer(0), measured.build_overseer(0)
    assert isinstance(first, Simulated)
    assert isinstance(second, Simulated)
    rng = np.random.default_rng(0)
    for z in [shown.problem.space.sample(rng) for _ in range(50)]:
        assert first.log_prior(z) == pytest.approx(second.log_prior(z))
    assert (first.careless, first.noise, first.reads) == (second.careless, second.noise, second.reads)
