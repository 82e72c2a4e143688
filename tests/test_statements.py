"""z is written so that it can be read back, read exactly as it is written, and edited one readable step at a time."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitative.data import NEGATION_REACH, Feature, FeatureKind, Table
from imitative.hypotheses.conditions import Condition, Relation, overlap, repeated, values_of
from imitative.hypotheses.english import number, quoted, unquoted, written
from imitative.hypotheses.statements import Hypothesis, Limits, Statement, StatementSpace, Strength
from imitative.records import Value
from imitative.testing import awkward_words, conditions, hypotheses, questions, spaces, statements, tables

DISCRETE = (FeatureKind.BOOLEAN, FeatureKind.CATEGORICAL, FeatureKind.ORDINAL)
MOVES = {"add", "drop", "replace", "strengthen", "weaken", "widen", "narrow", "split", "default"}
few = settings(max_examples=20)

ODOUR = Feature("odour", FeatureKind.CATEGORICAL, "the odour", {"f": "foul"}, {"n": "it has no smell"}, tuple("fnmy"))
SIZE = Feature("size", FeatureKind.ORDINAL, "the size", {}, {}, ("small", "middling", "large"))
HEIGHT = Feature("height", FeatureKind.NUMERIC, "the height", unit="cm")
REVIEW = Feature("review", FeatureKind.TEXT, "the review")
SPOKEN = {"p": "it is poisonous", "e": "it is edible"}
SILENCE = "By default, it is edible (a hint)."


def space_of(*features: Feature, limits: Limits | None = None, cuts: tuple[float, ...] = (3.0, 5.0)) -> StatementSpace:
    words = {"review": ("good", "bad", "dull")}
    return StatementSpace(features, ("p", "e"), SPOKEN, limits or Limits(), words, {"height": cuts})


@pytest.fixture(scope="module")
def space() -> StatementSpace:
    return space_of(ODOUR, SIZE, HEIGHT, REVIEW)


# -- the exact reading, row by row, written again from method.md -------------------------------------------------------


def holds(condition: Condition, feature: Feature, cell: Value) -> bool:
    """Whether one cell satisfies a condition."""
    if cell is None:
        return False
    match condition.relation:
        case Relation.IS | Relation.IS_ONE_OF:
            return str(cell) in condition.values
        case Relation.IS_NOT:
            return str(cell) not in condition.values
        case Relation.AT_LEAST | Relation.BELOW:
            if condition.threshold is not None:
                at_least = float(cell) >= condition.threshold
            else:
                at_least = feature.values.index(str(cell)) >= feature.values.index(condition.values[0])
            return at_least is (condition.relation is Relation.AT_LEAST)
        case Relation.MENTIONS | Relation.NEGATES:
            denied = condition.relation is Relation.NEGATES
            return any((word, denied) in said_in(str(cell)) for word in condition.values)


def said_in(text: str) -> set[tuple[str, bool]]:
    """Each word said, and whether after a negation."""
    found: set[tuple[str, bool]] = set()
    for clause in re.split(r"[.!?;:,()\n]", text.lower()):
        words = clause.split()
        for i, word in enumerate(words):
            before = words[max(0, i - NEGATION_REACH) : i]
            found.add((word, any(other in ("not", "isn't") for other in before)))
    return found


def holds_all(statement: Statement, space: StatementSpace, question: Mapping[str, Value]) -> bool:
    return all(holds(c, space.feature[c.feature], question.get(c.feature)) for c in statement.conditions)


@few
@given(st.data())
def test_the_vectorised_reading_is_the_row_by_row_reading(data: st.DataObject) -> None:
    space = data.draw(spaces())
    z, table = data.draw(hypotheses(space)), data.draw(tables(space))
    rows = [table.row(i) for i in range(len(table))]
    logits = np.zeros((len(rows), len(space.answers)))
    for i, question in enumerate(rows):
        logits[i, space.answers.index(z.default)] = z.default_strength.nats
        for statement in z.statements:
            applies = holds_all(statement, space, question)
            assert statement.applies(table)[i] == applies
            logits[i, space.answers.index(statement.answer)] += statement.strength.nats * applies
    np.testing.assert_allclose(z.logits(table, space.answers), logits)


@few
@given(st.data())
def test_missing_satisfies_nothing(data: st.DataObject) -> None:
    space = data.draw(spaces(most=1))
    table = Table.of(space.features, [{}, {space.features[0].name: None}])
    assert not data.draw(conditions(space)).applies(table).any()


def test_no_relation_holds_of_a_missing_value(space: StatementSpace) -> None:
    table = Table.of(space.features, [{"odour": "never heard of"}])
    for condition in space.conditions():
        assert not condition.applies(table).any()


@pytest.mark.parametrize(
    ("text", "mentions", "negates"),
    [
        ("a good film", True, False),
        ("not a good film", False, True),
        ("not boring, and good", True, False),
        ("It isn’t that good", False, True),
        ("not at all what one calls good", True, False),
        ("good, not good", True, True),
        ("it lacks any good idea", False, True),
        ("it could have been good", False, True),
        ("it could be worse, but is good", True, False),
        ("it tries to be good", False, True),
        ("I try good films", True, False),
        ("anything but good", False, True),
        ("goodness", False, False),
        ("", False, False),
    ],
)
def test_negation_reaches_three_words_forward(space: StatementSpace, text: str, mentions: bool, negates: bool) -> None:
    table = Table.of(space.features, [{"review": text}])
    assert Condition("review", Relation.MENTIONS, ("good",)).applies(table)[0] == mentions
    assert Condition("review", Relation.NEGATES, ("good",)).applies(table)[0] == negates


def test_a_threshold_none_of_the_values_has_is_no_reason(space: StatementSpace) -> None:
    table = Table.of(space.features, [{"size": "small"}, {"size": "large"}])
    for relation in (Relation.AT_LEAST, Relation.BELOW, Relation.IS):
        assert not Condition("size", relation, ("gigantic",)).applies(table).any()


@pytest.mark.parametrize("threshold", [math.nan, math.inf, -math.inf])
def test_a_threshold_is_finite(threshold: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        Condition("height", Relation.AT_LEAST, threshold=threshold)


# -- English out and back in -------------------------------------------------------------------------------------------


@few
@given(st.data())
def test_what_is_shown_reads_back(data: st.DataObject) -> None:
    space = data.draw(spaces())
    z = data.draw(hypotheses(space))
    assert space.read(space.show(z)) == z
    for statement in z.statements:
        assert space.read_statement(space.show_statement(statement)) == statement


@settings(max_examples=50)
@given(st.data())
def test_any_words_read_back(data: st.DataObject) -> None:
    space = data.draw(spaces(DISCRETE, most=2, awkward=True))
    statement = data.draw(statements(space))
    text = space.show_statement(statement)
    assert space.read_statement(text) == statement
    assert len(text.splitlines()) == 1


@given(awkward_words())
def test_quoting_is_undone(word: str) -> None:
    assert unquoted(quoted(word)[1:-1]) == word
    assert "”" not in quoted(word)[1:-1]
    assert written(word) in (word, quoted(word))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_reads_back(threshold: float) -> None:
    space = space_of(HEIGHT, cuts=(threshold,))
    for condition in space.conditions():
        statement = Statement((condition,), "p", Strength.HINT)
        assert space.read_statement(space.show_statement(statement)) == statement
    assert float(number(np.float64(threshold))) == threshold


def test_the_english_is_what_the_module_says(space: StatementSpace) -> None:
    odour = Condition("odour", Relation.IS_ONE_OF, ("f", "m", "y"))
    size = Condition("size", Relation.IS_NOT, ("small",))
    two = Statement((odour, size), "p", Strength.STRONG)
    tall = Statement((Condition("height", Relation.AT_LEAST, threshold=3.0),), "e", Strength.HINT)
    none = Statement((Condition("odour", Relation.IS, ("n",)),), "e", Strength.SLIGHT)
    said = Statement((Condition("review", Relation.NEGATES, ("bad", "dull")),), "e", Strength.OVERWHELMING)
    assert space.show(Hypothesis((two, tall, none, said), "p", Strength.MODERATE)).splitlines() == [
        "If the height is at least 3 cm, it is edible (a hint).",
        "If it has no smell, it is edible (slight evidence).",
        "If the odour is one of foul, m or y and the size is not small, it is poisonous (strong evidence).",
        "If the review negates “bad” or “dull”, it is edible (overwhelming evidence).",
        "By default, it is poisonous (moderate evidence).",
    ]


def test_a_word_that_could_be_more_than_a_word_is_quoted() -> None:
    topping = Feature("topping", FeatureKind.CATEGORICAL, "the topping", {}, {}, ("ham", "egg", "ham, egg", "not ham"))
    space = space_of(topping)
    two = Statement((Condition("topping", Relation.IS_ONE_OF, ("ham", "egg")),), "p", Strength.HINT)
    assert space.show_statement(two) == "If the topping is one of ham or egg, it is poisonous (a hint)."
    both = Statement((Condition("topping", Relation.IS, ("ham, egg",)),), "p", Strength.HINT)
    assert space.show_statement(both) == "If the topping is “ham, egg”, it is poisonous (a hint)."
    assert space.read_statement("If the topping is ham, egg, it is poisonous (a hint).") == both
    no_ham = space.read_statement("If the topping is not ham, it is poisonous (a hint).")
    assert no_ham.conditions[0].relation is Relation.IS_NOT


@pytest.mark.parametrize(
    ("features", "spoken", "message"),
    [
        ([Feature("a", FeatureKind.BOOLEAN, "the a", {"1": "x", "2": "x"}, {}, ("1", "2"))], SPOKEN, "a='2' and a='1'"),
        ([REVIEW, Feature("b", FeatureKind.TEXT, "the review")], SPOKEN, "features review and b"),
        ([HEIGHT], {"p": "yes", "e": "yes"}, "answers p and e"),
        ([HEIGHT], {"p": "yes"}, "no clause says the answer 'e'"),
        ([HEIGHT], {"p": "yes", "e": "no\nno"}, "the answer e holds a line break"),
        ([HEIGHT], {"p": "yes", "e": "“b” or “c”, yes"}, "begins with a quote"),
        ([Feature("a", FeatureKind.TEXT, "the\na")], SPOKEN, "the spoken name of a holds a line break"),
        (
            [Feature("a", FeatureKind.CATEGORICAL, "the a", {}, {"x": "the a is not y"}, ("x", "y", "z"))],
            SPOKEN,
            "the phrase for a=x, “the a is not y”, could be taken for “the a is not y”",
        ),
        ([ODOUR, Feature("b", FeatureKind.TEXT, "it has no smell and the b")], SPOKEN, None),
        (
            [ODOUR, SIZE, Feature("b", FeatureKind.TEXT, "it has no smell and the size")],
            SPOKEN,
            "the spoken name of b, .*, could be taken for “it has no smell”",
        ),
        (
            [Feature("a", FeatureKind.BOOLEAN, "the a", {}, {"x": "it is", "y": "it is, it is edible"}, ("x", "y"))],
            SPOKEN,
            "the phrase for a=y",
        ),
    ],
)  # fmt: skip
def test_what_could_not_be_told_apart_is_refused(
    features: list[Feature], spoken: dict[str, str], message: str | None
) -> None:
    if message is None:
        StatementSpace(features, ("p", "e"), spoken)
        return
    with pytest.raises(ValueError, match=message):
        StatementSpace(features, ("p", "e"), spoken)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the last line must be"),
        ("By default, it is delicious (a hint).", "the last line must be"),
        ("By default, it is edible.", "the last line must be"),
        ("If it has no smell, it is edible (a hint).", "the last line must be"),
        (f"If the hat is red, it is edible (a hint).\n{SILENCE}", "cannot read “If the hat is red"),
        (f"If the size is one of small, it is edible (a hint).\n{SILENCE}", "cannot read"),
        (f"If the size is small and the size is large, it is edible (a hint).\n{SILENCE}", "cannot read"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(space: StatementSpace, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        space.read(text)


@few
@given(st.data())
def test_a_space_rebuilds_from_its_description(data: st.DataObject) -> None:
    space = data.draw(spaces())
    again = StatementSpace.from_description(json.loads(json.dumps(space.describe())))
    assert again.describe() == space.describe()
    assert list(again.conditions()) == list(space.conditions())


# -- hypotheses --------------------------------------------------------------------------------------------------------


@few
@given(st.data())
def test_the_order_of_statements_and_conditions_changes_nothing(data: st.DataObject) -> None:
    space = data.draw(spaces())
    z, table = data.draw(hypotheses(space)), data.draw(tables(space))
    shuffled = data.draw(st.permutations(z.statements))
    turned = [Statement(tuple(reversed(s.conditions)), s.answer, s.strength) for s in shuffled]
    other = Hypothesis(tuple(turned), z.default, z.default_strength)
    assert other == z
    assert hash(other) == hash(z)
    assert space.show(other) == space.show(z)
    lines = space.show(z).splitlines()
    assert space.read("\n".join([*data.draw(st.permutations(lines[:-1])), lines[-1]])) == z
    np.testing.assert_array_equal(other.logits(table, space.answers), z.logits(table, space.answers))


@few
@given(st.data())
def test_the_order_of_rows_and_answers_is_only_an_order(data: st.DataObject) -> None:
    space = data.draw(spaces())
    z, table = data.draw(hypotheses(space)), data.draw(tables(space, fewest=1))
    order = data.draw(st.permutations(range(len(table))))
    answers = data.draw(st.permutations(space.answers))
    columns = [space.answers.index(answer) for answer in answers]
    np.testing.assert_array_equal(
        z.logits(table.take(order), answers), z.logits(table, space.answers)[order][:, columns]
    )


def test_one_statement_for_one_reason(space: StatementSpace) -> None:
    foul = Condition("odour", Relation.IS, ("f",))
    with pytest.raises(ValueError, match="same conditions"):
        Hypothesis((Statement((foul,), "p", Strength.HINT), Statement((foul,), "e", Strength.STRONG)), "e")
    with pytest.raises(ValueError, match="needs a condition"):
        Statement((), "p", Strength.HINT)


@few
@given(st.data())
def test_overlap_is_symmetric_and_met_by_some_value(data: st.DataObject) -> None:
    space = data.draw(spaces())
    first, second = data.draw(statements(space)).conditions, data.draw(statements(space)).conditions
    assert overlap(first, second, space.feature) == overlap(second, first, space.feature)
    assert overlap(first, first, space.feature)
    questions_of = data.draw(st.lists(questions(space), max_size=8))
    table = Table.of(space.features, questions_of)
    names = [condition.feature for condition in first]
    both = Statement(first, "p", Strength.HINT).applies(table) & Statement(second, "p", Strength.HINT).applies(table)
    discrete = all(space.feature[name].discrete for name in names)
    if both.any() and discrete and names == [condition.feature for condition in second]:
        assert overlap(first, second, space.feature)


# -- moving about ------------------------------------------------------------------------------------------------------


@few
@given(st.data())
def test_neighbours_are_other_members_each_once(data: st.DataObject) -> None:
    space = data.draw(spaces(most=2))
    z = data.draw(hypotheses(space))
    assert z in space
    near = list(space.neighbours(z))
    found = [neighbour.hypothesis for neighbour in near]
    assert z not in found
    assert len(set(found)) == len(found)
    assert all(hypothesis in space for hypothesis in found)
    assert {neighbour.move for neighbour in near} <= MOVES
    assert {n.hypothesis for n in space.refinements(z)} <= set(found)
    for neighbour in near:
        changed = set(neighbour.hypothesis.statements) ^ set(z.statements)
        assert len(changed) <= 3
        if neighbour.move == "default":
            assert not changed


@few
@given(st.data())
def test_to_widen_is_to_hold_more_often_and_to_narrow_less(data: st.DataObject) -> None:
    space = data.draw(spaces(most=2))
    z, table = data.draw(hypotheses(space)), data.draw(tables(space))
    for neighbour in space.neighbours(z):
        if neighbour.move in ("widen", "narrow"):
            [old] = set(z.statements) - set(neighbour.hypothesis.statements)
            [new] = set(neighbour.hypothesis.statements) - set(z.statements)
            less, more = (old, new) if neighbour.move == "widen" else (new, old)
            assert not (less.applies(table) & ~more.applies(table)).any()
        if neighbour.move == "split":
            [old] = set(z.statements) - set(neighbour.hypothesis.statements)
            parts = [part.applies(table) for part in set(neighbour.hypothesis.statements) - set(z.statements)]
            np.testing.assert_array_equal(np.any(parts, axis=0), old.applies(table))


def test_thresholds_move_to_the_next_one() -> None:
    grade = Feature("grade", FeatureKind.ORDINAL, "the grade", {}, {}, ("1", "2", "3", "4"))
    features = (grade, HEIGHT, ODOUR)
    space = StatementSpace(features, ("p", "e"), SPOKEN, Limits(1, 2, 3), cuts={"height": (1.0, 2.0, 3.0)})
    whose = Condition("odour", Relation.IS, ("f",))

    def moved(condition: Condition) -> set[tuple[str, tuple[str, ...], float | None]]:
        z = Hypothesis((Statement((whose, condition), "p", Strength.HINT),), "e")
        near = [n for n in space.neighbours(z) if n.move in ("widen", "narrow")]
        found = {(n.move, c) for n in near for s in n.hypothesis.statements for c in s.conditions}
        return {(move, c.values, c.threshold) for move, c in found if c.feature == condition.feature and c != condition}

    assert moved(Condition("grade", Relation.AT_LEAST, ("3",))) == {("widen", ("2",), None), ("narrow", ("4",), None)}
    assert moved(Condition("grade", Relation.BELOW, ("3",))) == {("narrow", ("2",), None), ("widen", ("4",), None)}
    assert moved(Condition("grade", Relation.AT_LEAST, ("2",))) == {("narrow", ("3",), None)}
    assert moved(Condition("height", Relation.BELOW, threshold=2.0)) == {("narrow", (), 1.0), ("widen", (), 3.0)}


def test_every_move_occurs(space: StatementSpace) -> None:
    odour = Statement((Condition("odour", Relation.IS_ONE_OF, ("f", "m")),), "p", Strength.MODERATE)
    z = Hypothesis((odour,), "e")
    assert {neighbour.move for neighbour in space.neighbours(z)} == MOVES


def test_every_hypothesis_can_be_reached_from_silence() -> None:
    features = (Feature("a", FeatureKind.CATEGORICAL, "the a", {}, {}, ("x", "y", "z")),)
    small = StatementSpace(features, ("p", "e"), SPOKEN, Limits(1, 1, 1))
    reached = {Hypothesis((), "p")}
    fresh = set(reached)
    while fresh:
        fresh = {n.hypothesis for z in fresh for n in small.neighbours(z)} - reached
        reached |= fresh
    # 10 defaults × (silence, or one of 3 + 3 + 3 conditions, 2 answers and 5 strengths).
    assert len(reached) == 10 * (1 + 9 * 2 * 5)


@few
@given(st.data(), st.integers(0, 2**32 - 1))
def test_samples_are_members(data: st.DataObject, seed: int) -> None:
    space = data.draw(spaces())
    rng = np.random.default_rng(seed)
    for _ in range(5):
        assert space.sample(rng) in space


def test_strengths_double() -> None:
    nats = [strength.nats for strength in Strength]
    assert nats == [0.25, 0.5, 1.0, 2.0, 4.0]
    for weaker, stronger in zip(Strength, list(Strength)[1:], strict=False):
        assert weaker.stronger is stronger
        assert stronger.weaker is weaker
    assert Strength.HINT.weaker is None
    assert Strength.OVERWHELMING.stronger is None


def test_limits_are_at_least_one() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Limits(0, 1, 1)


@pytest.mark.parametrize(
    "values", [("small", "large"), ("small", "middling", "large"), ("tiny", "small", "large", "huge")]
)
def test_synonyms_say_the_same_and_nothing_else_does(values: tuple[str, ...]) -> None:
    size = Feature("size", FeatureKind.ORDINAL, "the size", {}, {}, values)
    every = list(StatementSpace([size], ("p", "e"), SPOKEN, Limits(4, 2, 1)).conditions())
    for one, other in product(every, repeat=2):
        alike = (one.satisfying(size) == other.satisfying(size)).all()
        assert (values_of(one, size) == values_of(other, size)) == alike
        assert repeated((one,), (other,), lambda c: values_of(c, size)) == int(alike)
