"""Readings are asked about values that D′ holds and z* does not name."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from imitative.data import Table
from imitative.elicitation.readings import ASKED, DOUBTED, Covering, heard, readings
from imitative.hypotheses.conditions import one_of
from imitative.hypotheses.statements import Hypothesis, Statement, Strength
from imitative.likelihood import LITERAL, Reading
from imitative.overseers.simulated import Simulated
from imitative.records import Answer, Judgement, Kind, Outcome, Query
from imitative.waiting import waited
from tests.places import CLAY, PLACE, SOIL, SPACE, SUN, D, says


def about(asked: Sequence[Query]) -> list[Covering]:
    """What each query is about."""
    return list(heard(SPACE, [Judgement(query, Answer(grade=1), "me") for query in asked]))


def test_readings_are_asked_where_d_prime_holds_a_value_z_does_not_name() -> None:
    unlabelled = Table.of(SPACE.features, [{"place": "sun", "soil": "sand"}, {"place": "shade", "soil": "clay"}])
    z = Hypothesis((SUN, CLAY), "e")
    [query] = readings(z, SPACE, unlabelled, LITERAL, {}, 9)  # no row is of peat, and a place is one of two
    assert about([query]) == [("soil", "clay", "sand")]
    assert query.kind is Kind.COMPARE_ANSWERS
    assert query.purpose == "likelihood"
    assert query.question == {"place": "sun", "soil": "sand"}
    assert SPACE.read(query.hypotheses[0]).statements == (CLAY,)
    assert query.repeat == 0  # the row
    assert readings(z, SPACE, unlabelled, LITERAL, {Covering("soil", "clay", "sand"): [-1]}, 9) == []  # the only row


def test_a_conjunction_does_not_keep_single_conditions_from_being_asked_about() -> None:
    both = Statement((*says(PLACE, "shade").conditions, *says(SOIL, "sand").conditions), "e", Strength.STRONG)
    peat = Statement((one_of(SOIL, {"clay", "peat"}),), "p", Strength.STRONG)
    for statements in ((both, peat), (peat, both)):
        asked = readings(Hypothesis(statements, "e"), SPACE, D.table, LITERAL, {}, 9)
        assert about(asked) == [("soil", "clay", "sand")]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_no_more_readings_are_asked_than_wanted(count: int) -> None:
    z = Hypothesis((CLAY,), "e")
    assert len(readings(z, SPACE, D.table, LITERAL, {}, count)) == count


def test_what_people_read_otherwise_than_to_the_letter_is_asked_until_it_is_learned() -> None:
    z, sand = Hypothesis((CLAY,), "e"), Covering("soil", "clay", "sand")
    many = Table.of(SPACE.features, 9 * [{"place": "sun", "soil": "sand"}])

    def more(grades: list[int], known: Reading = LITERAL) -> bool:
        return bool(readings(z, SPACE, many, known, {sand: grades}, 9))

    assert [more([grade] * times) for grade in (-1, 0) for times in range(DOUBTED + 1)] == 2 * [
        times < ASKED for times in range(DOUBTED + 1)
    ]
    assert [more([1] * times) for times in range(DOUBTED + 1)] == [times < DOUBTED for times in range(DOUBTED + 1)]
    assert not more([1, -1])  # one of the two was a slip: people read to the letter
    assert not more([1] * ASKED, Reading(covers={("soil", "clay"): frozenset({"sand"})}))


@pytest.mark.parametrize(("noise", "least"), [(0.0, 60), (0.5, 48)])
def test_a_person_who_reads_a_word_as_covering_another_value_is_found_out(noise: float, least: int) -> None:
    """Of thirty persons and two values each; whoever reads to the letter is taken to, but for slips."""
    z, found, wrongly = Hypothesis((CLAY,), "e"), 0, 0
    many = Table.of(SPACE.features, [{"place": "sun", "soil": soil} for soil in ("sand", "peat") for _ in range(9)])
    for seed in range(30):
        for covered in (frozenset({"sand", "peat"}), frozenset[str]()):
            person = Simulated(SPACE, noise=noise, covers={("soil", "clay"): covered}, seed=seed)
            said: list[Judgement] = []
            for _ in range(DOUBTED + 1):
                known = Reading.fit(SPACE, said)
                said += waited(person.judge(readings(z, SPACE, many, known, heard(SPACE, said), 9)))
            assert len({judgement.query.key for judgement in said}) == len(said)
            learned = Reading.fit(SPACE, said).covers.get(("soil", "clay"), frozenset())
            found, wrongly = found + len(learned & covered), wrongly + len(learned - covered)
    assert found >= least
    assert wrongly <= 1


def test_what_was_heard_is_told_from_the_side_of_the_statement() -> None:
    [query] = readings(Hypothesis((CLAY,), "e"), SPACE, D.table, LITERAL, {}, 1)
    said = Judgement(query, Answer(grade=2), "me")
    turned = Judgement(query.swapped(), Answer(grade=-2), "me")
    skipped = Judgement(query, Answer(Outcome.SKIPPED), "me")
    assert heard(SPACE, [said, turned, skipped]) == {Covering("soil", "clay", "sand"): [2, 2, 0]}
