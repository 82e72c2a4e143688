"""Agreement between judges: equal to what others compute, defined or with a reason, whoever is counted first."""

from __future__ import annotations

import itertools
import math
import warnings
from pathlib import Path

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import cohen_kappa_score

from imitative.agreement import (
    Agreement,
    Level,
    agreement,
    cohen_kappa,
    gwet_ac2,
    krippendorff_alpha,
    light_kappa,
    rated_by_kind,
)
from imitative.records import Answer, Judgement, Kind, Outcome, Query

Floats = NDArray[np.float64]
LEVELS: tuple[Level, ...] = ("nominal", "ordinal", "interval")
SKLEARN = {"nominal": None, "ordinal": "linear", "interval": "quadratic"}
GRADES = [-2.0, -1.0, 0.0, 1.0, 2.0]


@st.composite
def tables(draw: st.DrawFn, judges: int | None = None) -> Floats:
    """Some judges' grades of some units, with gaps."""
    rows = judges or draw(st.integers(2, 6))
    columns = draw(st.integers(1, 15))
    cell = st.sampled_from([*GRADES, math.nan])
    return np.array(draw(st.lists(st.lists(cell, min_size=columns, max_size=columns), min_size=rows, max_size=rows)))


def by_hand(table: Floats, level: Level, categories: list[float]) -> float | None:
    """AC2 counted pair by pair, as Gwet's chapter 5 puts it."""
    q = len(categories)

    def weight(a: float, b: float) -> float:
        steps = abs(categories.index(a) - categories.index(b))
        if level == "nominal":
            return float(a == b)
        if level == "ordinal":
            return 1.0 - math.comb(steps + 1, 2) / math.comb(q, 2)
        return 1.0 - (a - b) ** 2 / (categories[-1] - categories[0]) ** 2

    seen, shares = [], []
    for unit in table.T:
        said = [x for x in unit.tolist() if not math.isnan(x)]
        if said:
            shares.append([said.count(k) / len(said) for k in categories])
        if len(said) > 1:
            both = [weight(a, b) for a, b in itertools.permutations(said, 2)]
            seen.append(sum(both) / len(both))
    if not seen:
        return None
    pi = [sum(column) / len(shares) for column in zip(*shares, strict=True)]
    total = sum(weight(a, b) for a in categories for b in categories)
    chance = total / (q * (q - 1)) * sum(p * (1 - p) for p in pi)
    return float((sum(seen) / len(seen) - chance) / (1 - chance))


@settings(max_examples=60, deadline=None)
@given(tables(), st.sampled_from(LEVELS))
def test_alpha_is_that_of_the_krippendorff_package(table: Floats, level: Level) -> None:
    found = krippendorff_alpha(table, level)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            theirs = krippendorff.alpha(table, level_of_measurement=level)
        except (ValueError, AssertionError):  # one value or none
            theirs = math.nan
    if found.value is None:
        assert found.reason
        assert not math.isfinite(theirs)
    else:
        assert found.value == pytest.approx(theirs, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(tables(judges=2), st.sampled_from(LEVELS))
def test_kappa_is_that_of_scikit_learn(table: Floats, level: Level) -> None:
    found = cohen_kappa(table[0], table[1], level, GRADES)
    both = table[:, ~np.isnan(table).any(axis=0)]
    if not both.size:
        assert found == (None, "no two judges answered the same unit")
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = cohen_kappa_score(
            both[0].astype(int), both[1].astype(int), labels=[-2, -1, 0, 1, 2], weights=SKLEARN[level]
        )
    if found.value is None:
        assert math.isnan(theirs)
    else:
        assert found.value == pytest.approx(theirs, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(tables(), st.sampled_from(LEVELS))
def test_ac2_is_what_counting_pairs_gives(table: Floats, level: Level) -> None:
    found, counted = gwet_ac2(table, level, GRADES), by_hand(table, level, GRADES)
    assert (found.value is None) == (counted is None)
    if counted is not None:
        assert found.value == pytest.approx(counted, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(tables(), st.sampled_from(LEVELS), st.randoms(use_true_random=False))
def test_the_order_of_judges_and_units_is_irrelevant(table: Floats, level: Level, random: object) -> None:
    rng = np.random.default_rng(abs(hash(repr(random))) % 2**32)
    mixed = table[rng.permutation(len(table))][:, rng.permutation(table.shape[1])]
    for statistic in (krippendorff_alpha, light_kappa, gwet_ac2):
        before, after = statistic(table, level), statistic(mixed, level)
        assert before.reason == after.reason
        assert before.value == (None if after.value is None else pytest.approx(after.value, abs=1e-12))


@settings(max_examples=60, deadline=None)
@given(tables(), st.sampled_from(LEVELS))
def test_a_value_or_a_reason_and_never_above_one(table: Floats, level: Level) -> None:
    for found in (krippendorff_alpha(table, level), light_kappa(table, level), gwet_ac2(table, level)):
        assert (found.value is None) == bool(found.reason)
        assert found.value is None or found.value <= 1.0 + 1e-12


@pytest.mark.parametrize("level", LEVELS)
def test_perfect_agreement_is_one(level: Level) -> None:
    table = np.array(
        [[-1.0, 0.0, 2.0, 2.0, math.nan], [-1.0, 0.0, 2.0, math.nan, 1.0], [-1.0, math.nan, 2.0, 2.0, 1.0]]
    )
    for found in (krippendorff_alpha(table, level), light_kappa(table, level), gwet_ac2(table, level, GRADES)):
        assert found.value == pytest.approx(1.0)


def test_values_of_irr_cac() -> None:
    """Of irrCAC 0.4.4 on its own example of twelve units and four judges, with gaps (Gwet's table 2.10)."""
    nan = math.nan
    table = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, nan, nan, nan],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, nan, 3],
        [nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, nan],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, nan],
    ]
    for level, theirs in zip(LEVELS, (0.77544, 0.89894, 0.914), strict=True):  # they round to five decimals
        assert gwet_ac2(table, level).value == pytest.approx(theirs, abs=5.1e-6)


def test_where_nothing_can_be_said_the_reason_is() -> None:
    same = [[1.0, 1.0, 1.0], [1.0, 1.0, math.nan]]
    assert krippendorff_alpha(same).value is None
    assert "the same" in krippendorff_alpha(same).reason
    assert "the same" in light_kappa(same).reason
    assert "name the categories" in gwet_ac2(same).reason
    assert gwet_ac2(same, "nominal", [0.0, 1.0]).value == 1.0
    alone = [[1.0, math.nan], [math.nan, 2.0]]
    assert {f(alone).reason for f in (krippendorff_alpha, gwet_ac2)} == {"no unit was answered by two judges"}
    assert light_kappa(alone).reason == cohen_kappa(alone[0], alone[1]).reason == "no two judges answered the same unit"
    assert krippendorff_alpha(np.empty((3, 0))).reason
    assert str(Agreement(None, "x")) == "undefined: x"
    assert str(Agreement(0.5)) == "0.500"


@pytest.mark.parametrize("wrong", [[1.0, 2.0], [[1.0, math.inf]], [[[1.0]]]])
def test_what_is_no_table_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="table"):
        krippendorff_alpha(wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="none of the categories"):
        gwet_ac2([[1.0, 9.0]], "nominal", [1.0, 2.0])
    with pytest.raises(ValueError, match="give 'nominal'"):
        krippendorff_alpha([[1.0]], "ratio")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="one answer a unit"):
        cohen_kappa([1.0], [1.0, 2.0])


def test_large_answers_do_not_overflow() -> None:
    table = np.array([[1e200, -1e200, 0.0], [1e200, -1e200, 1e199]])
    assert krippendorff_alpha(table, "interval").value == pytest.approx(
        krippendorff_alpha(table / 1e200, "interval").value or 0.0
    )


# -- of judgements ---------------------------------------------------------------------------------------------------


def compared(first: str, second: str, grade: int, judge: str, **more: object) -> Judgement:
    return Judgement(Query(Kind.COMPARE_HYPOTHESES, (first, second), **more), Answer(grade=grade), judge)  # type: ignore[arg-type]


def test_the_order_of_the_sides_the_purpose_and_the_repetition_are_not_part_of_the_question() -> None:
    said = [
        compared("a", "b", 2, "ann"),
        compared("b", "a", -2, "bob", purpose="audit", repeat=3),
        compared("c", "a", 1, "ann"),
        compared("c", "a", 1, "bob"),
        compared("a", "b", -2, "ann", repeat=1),  # a judge's second answer to the same question
        Judgement(Query(Kind.COMPARE_HYPOTHESES, ("b", "c")), Answer(Outcome.SKIPPED), "ann"),
    ]
    found = agreement(said)[Kind.COMPARE_HYPOTHESES]
    assert (found.judges, found.units, found.shared) == (2, 2, 2)
    assert found.alpha.value == found.kappa.value == found.ac2.value == pytest.approx(1.0)


def test_an_answer_that_nobody_gave_is_a_category_too() -> None:
    asked = [Query(Kind.ANSWER, ("a",), {"row": row}, ("p", "e", "q")) for row in range(8)]
    said = [Judgement(query, Answer(choice="p"), judge) for query in asked for judge in ("ann", "bob")]
    assert agreement(said)[Kind.ANSWER].ac2.value == 1.0
    said[0] = Judgement(asked[0], Answer(choice="e"), "ann")
    table = rated_by_kind(said)[Kind.ANSWER].table
    assert agreement(said)[Kind.ANSWER].ac2 == gwet_ac2(table, "nominal", (0.0, 1.0, 2.0))


def test_each_kind_has_the_scale_it_is_answered_on() -> None:
    question = {"colour": "red", "size": None}
    said = []
    for judge, ratio, choice in (("ann", 2.0, "p"), ("bob", 4.0, "p"), ("cy", 2.0, "e")):
        said += [
            Judgement(Query(Kind.ODDS, ("a", "b")), Answer(ratio=ratio), judge),
            Judgement(Query(Kind.ODDS, ("b", "c")), Answer(ratio=1.0 / ratio), judge),
            Judgement(Query(Kind.BET, ("a",), heads=3), Answer(less_likely=ratio > 3), judge),
            Judgement(Query(Kind.ANSWER, ("a",), question, ("p", "e")), Answer(choice=choice), judge),
            Judgement(Query(Kind.COMPARE_ANSWERS, ("a",), question, ("p", "e")), Answer(grade=1), judge),
        ]
    rated = rated_by_kind(said)
    assert {kind: each.level for kind, each in rated.items()} == {
        Kind.ODDS: "interval", Kind.BET: "nominal", Kind.ANSWER: "nominal", Kind.COMPARE_ANSWERS: "ordinal",
    }  # fmt: skip
    assert rated[Kind.ODDS].table[0].tolist() == [math.log(2.0), -math.log(2.0)]
    found = agreement(said)
    assert found[Kind.ODDS].alpha.value is not None
    assert "continuous" in found[Kind.ODDS].kappa.reason
    assert found[Kind.COMPARE_ANSWERS].ac2.value == 1.0
    assert agreement([]) == {}


def test_on_people(data: Path) -> None:
    """Krippendorff's α of the recorded crowd: what the package says of the same table."""
    import csv

    with (data / "rule_plausibility" / "judgements.csv").open(encoding="utf-8", newline="") as file:
        said = [compared(row["r1"], row["r2"], int(row["pref_r1"]), row["worker"]) for row in csv.DictReader(file)]
    [(_, found)] = agreement(said).items()
    table = rated_by_kind(said)[Kind.COMPARE_HYPOTHESES].table
    assert found.alpha.value == pytest.approx(krippendorff.alpha(table, level_of_measurement="ordinal"), abs=1e-9)
    assert found.judges > 100
