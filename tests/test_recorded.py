"""People who spoke earlier: nothing they said is lost, nothing they did not say is made up."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.crowd import CROWD, RuleTraits, Said, agreement, cross_validate, majority
from bench.mushrooms import habitat
from imitative.config import load_problem
from imitative.data import Feature, FeatureKind
from imitative.errors import InputError
from imitative.hypotheses.conditions import Condition, Relation
from imitative.hypotheses.statements import Hypothesis, Limits, Statement, StatementSpace, Strength
from imitative.overseers.overseer import Archive, Ledger, Overseer
from imitative.overseers.recorded import DOUBTED, FEATURES, Comparison, Rating, Recorded, Stretch
from imitative.prior import StatementPrior
from imitative.records import LITERAL_READER, Answer, Judgement, Kind, Outcome, Query, Value
from imitative.rules import RuleReader, take_apart
from imitative.traits import Traits

SMELL = Feature(
    "odor", FeatureKind.CATEGORICAL, "the odour", {"f": "foul", "a": "almond"}, {"n": "the mushroom has no odour"},
    ("f", "a", "n"),
)  # fmt: skip
COLOUR = Feature(
    "cap-color", FeatureKind.CATEGORICAL, "the cap colour", {"g": "gray", "b": "black and blue"}, {}, ("g", "b")
)
WIDTH = Feature("width", FeatureKind.NUMERIC, "the width", unit="cm")
NOTE = Feature("note", FeatureKind.TEXT, "the note")
SPOKEN = {"e": "the mushroom is edible", "p": "the mushroom is poisonous"}
SPACE = StatementSpace(
    (SMELL, COLOUR, WIDTH, NOTE),
    ("e", "p"),
    SPOKEN,
    Limits(4, 2, 2),
    words={"note": ("lovely", "vile")},
    cuts={"width": (2.0, 5.0)},
)
FOUL = "if the mushroom has the following properties (simultaneously) odour is foul then the mushroom is poisonous"
LONG = "if odour is almond and cap color is black and blue then the mushroom is edible"
SILENT = SPACE.show(Hypothesis((), "e"))


def ask(overseer: Overseer, queries: Sequence[Query]) -> list[Judgement]:
    return asyncio.run(overseer.judge(queries))


def said(overseer: Recorded) -> list[Judgement]:
    return ask(overseer, overseer.queries)


def conditions(text: str) -> set[tuple[str, str]]:
    [statement] = RuleReader(SPACE).read(text).statements
    return {(c.feature, c.values[0] if c.values else f"{c.relation} {c.threshold}") for c in statement.conditions}


# -- reading rules ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (FOUL, {("odor", "f")}),
        (LONG, {("odor", "a"), ("cap-color", "b")}),
        ("IF The Mushroom Has No Odour then mushroom is edible.", {("odor", "n")}),
        ("if odor is foul and cap colour is grey then mushroom is poisonous", {("odor", "f"), ("cap-color", "g")}),
        ("if the width is at least 2 cm then the mushroom is edible", {("width", "is at least 2.0")}),
    ],
)
def test_rules_are_read_in_the_problems_words(text: str, expected: set[tuple[str, str]]) -> None:
    assert conditions(text) == expected


def test_a_rule_is_one_strong_statement_against_the_other_answer() -> None:
    z = RuleReader(SPACE).read(FOUL)
    assert [(s.answer, s.strength) for s in z.statements] == [("p", Strength.STRONG)]
    assert z.default == "e"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("if habitat is woods and odour is foul then the mushroom is poisonous", "“habitat is woods”"),
        ("if odour is foul then the mushroom is tasty", "“the mushroom is tasty”"),
        ("if odour is foul and odour is almond then the mushroom is edible", "two things of one feature"),
        ("odour is foul", "expected “if CLAUSE and CLAUSE then ANSWER”"),
        ("if then the mushroom is edible", "expected “if CLAUSE"),
        ("", "expected “if CLAUSE"),
        (f"{FOUL}. If odour is almond then the mushroom is edible.", "several sentences stand on a line each"),
        (f"{FOUL}. By default, the mushroom is edible.", "several sentences stand on a line each"),
        (f"{FOUL}\nIf odour is almond then the mushroom is edible.", "the last line must be “By default"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        RuleReader(SPACE).read(text)


def test_the_spaces_own_english_is_read_too() -> None:
    z = SPACE.sample(np.random.default_rng(1))
    assert RuleReader(SPACE).read(SPACE.show(z)) == z
    sentence = "If the odour is foul, the mushroom is poisonous (a hint)."
    assert RuleReader(SPACE).read(sentence).statements == (SPACE.read_statement(sentence),)


@given(st.sampled_from(SMELL.values), st.sampled_from([*COLOUR.values, ""]), st.booleans())
def test_whatever_the_space_can_say_can_be_read_back_from_a_rule(smell: str, colour: str, poisonous: bool) -> None:
    wanted = [("odor", smell)] + ([("cap-color", colour)] if colour else [])
    every = {(c.feature, c.values): c for c in SPACE.conditions() if c.relation == "is"}
    clauses = [SPACE.english.condition(every[name, (value,)]) for name, value in wanted]
    text = f"if {' and '.join(clauses)} then {SPOKEN['p' if poisonous else 'e']}"
    assert conditions(text) == set(wanted)


def test_a_rule_in_any_words_is_taken_apart() -> None:
    rule = take_apart("if the film is in all groups (simultaneously) Buddy Films and French Films then it is good")
    assert rule == (("Buddy Films", "French Films"), "it is good")


# -- comparisons -----------------------------------------------------------------------------------------------------


def test_every_judgement_of_a_pair_is_kept_apart_with_its_judge() -> None:
    crowd = Recorded(
        SPACE, [(FOUL, LONG, 2, "ann"), (FOUL, LONG, 2, "bob"), (FOUL, LONG, 0, "ann"), (LONG, FOUL, -1, "cy")]
    )
    assert isinstance(crowd, Archive)
    assert [(j.judge, j.answer.grade, j.query.repeat) for j in said(crowd)] == [
        ("ann", 2, 0), ("bob", 2, 1), ("ann", 0, 2), ("cy", -1, 0),
    ]  # fmt: skip
    assert len({query.key for query in crowd.queries}) == 4
    assert all(query.purpose == "prior" for query in crowd.queries)


def test_a_comparison_asked_the_other_way_round_is_the_same_judgement() -> None:
    crowd = Recorded(SPACE, [Comparison(FOUL, LONG, 2, "ann")])
    [judgement] = ask(crowd, [crowd.queries[0].swapped()])
    assert (judgement.answer, judgement.judge) == (Answer(grade=-2), "ann")


def test_what_was_not_said_is_skipped() -> None:
    crowd = Recorded(SPACE, [Comparison(FOUL, LONG, 2, "ann")])
    held = crowd.queries[0]
    never = [
        replace(held, repeat=1),
        replace(held, purpose="audit"),
        replace(held, kind=Kind.ODDS),
        Query(Kind.BET, (held.hypotheses[0],), heads=3),
    ]
    assert {judgement.answer.outcome for judgement in ask(crowd, never)} == {Outcome.SKIPPED}
    assert [judgement.query for judgement in ask(crowd, never)] == never


def test_rules_that_cannot_be_read_are_reported() -> None:
    lost = "if habitat is woods then the mushroom is edible"
    crowd = Recorded(SPACE, [(FOUL, lost, 1, "ann"), (lost, LONG, 1, "bob"), (FOUL, LONG, 1, "cy")])
    assert [judgement.judge for judgement in said(crowd)] == ["cy"]
    assert any("2 of 3 comparisons were left out" in note and "habitat is woods" in note for note in crowd.notes)


def test_the_ledger_counts_what_was_said() -> None:
    crowd = Recorded(SPACE, [(FOUL, LONG, 1, "ann"), (FOUL, LONG, 1, "bob")], [("odor", 10.0, 0.0, "cy")])
    ledger = Ledger(crowd)
    assert ask(ledger, crowd.queries) == said(crowd)
    assert ledger.asked() == {kind.value: {"compare_hypotheses": 2, "odds": 2}.get(kind.value, 0) for kind in Kind}


# -- ratings ---------------------------------------------------------------------------------------------------------


def test_a_feature_is_rated_against_silence_for_every_answer_alike() -> None:
    crowd = Recorded(SPACE, ratings=[("odor", 10.0, 0.0, "ann"), ("the Odour", 5.5, 0.0, "bob")])
    judgements = said(crowd)
    assert [math.log(j.answer.ratio or 0.0) for j in judgements] == pytest.approx([0.0, 0.0, -1.5, -1.5])
    assert [j.judge for j in judgements] == ["ann", "ann", "bob", "bob"]
    assert all(j.query.kind is Kind.ODDS and j.query.hypotheses[1] == SILENT for j in judgements)
    claimed = [SPACE.read(j.query.hypotheses[0]).statements[0] for j in judgements]
    assert [(s.conditions[0].values, s.answer, s.strength) for s in claimed] == [
        (("f",), "e", Strength.MODERATE), (("f",), "p", Strength.MODERATE),
        (("a",), "e", Strength.MODERATE), (("a",), "p", Strength.MODERATE),
    ]  # fmt: skip


def test_ratings_of_features_teach_relevance_and_no_polarity() -> None:
    people = [f"p{i}" for i in range(6)]
    ratings = [("odor", 9.0, 0.0, who) for who in people] + [("cap-color", 2.0, 0.0, who) for who in people]
    traits = Traits(SPACE, None)
    prior = StatementPrior.fit(traits, said(Recorded(SPACE, ratings=ratings)))
    weights, before = prior.weights, traits.weights_prior().mean
    assert weights[traits.feature("odor")] > 0.3 > -0.3 > weights[traits.feature("cap-color")]
    assert weights[traits.polarity_at(0)] == pytest.approx(before[traits.polarity_at(0)], abs=1e-9)
    every = {(c.feature, c.values): c for c in SPACE.conditions() if c.relation == "is"}
    odds = [
        prior.log_prior(Hypothesis((Statement((every[name, (value,)],), "p", Strength.MODERATE),), "e"))
        - prior.log_prior(Hypothesis((), "e"))
        for name, value in (("odor", "f"), ("cap-color", "g"))
    ]
    assert odds == pytest.approx([FEATURES.nats(9.0), FEATURES.nats(2.0)], abs=0.5)


def test_words_are_rated_for_one_answer_against_the_other() -> None:
    crowd = Recorded(SPACE, ratings=[("lovely", 3.0, 0.0, "crowd"), ("vile", -3.0, 0.0, "crowd")], favours="e")
    first, second = said(crowd)
    assert math.log(first.answer.ratio or 0.0) == pytest.approx(3.0)
    assert math.log(second.answer.ratio or 0.0) == pytest.approx(-3.0)
    for judgement, word in ((first, "lovely"), (second, "vile")):
        good, bad = (SPACE.read(text).statements[0] for text in judgement.query.hypotheses)
        assert (good.answer, bad.answer) == ("e", "p")
        assert good.conditions == bad.conditions
        assert good.conditions[0].values == (word,)
    prior = StatementPrior.fit(Traits(SPACE, None), [first, second])
    says = "If the note mentions “{}”, the mushroom is edible (strong evidence)."
    lovely, vile = (
        prior.log_prior(Hypothesis((SPACE.read_statement(says.format(word)),), "e")) for word in ("lovely", "vile")
    )
    assert lovely > vile + 1.0


def test_a_rating_people_disagree_on_counts_for_less() -> None:
    rows = [Rating("lovely", 3.0, 0.0, "crowd"), Rating("vile", -3.0, 3.0, "crowd")]
    sure, unsure = (abs(math.log(j.answer.ratio or 0.0)) for j in said(Recorded(SPACE, ratings=rows)))
    assert sure == pytest.approx(3.0)
    assert unsure == pytest.approx(1.5)  # the ratings' variance is 9, as is the spread's square


def test_ratings_of_nothing_in_the_problem_are_reported() -> None:
    crowd = Recorded(
        SPACE, ratings=[("habitat", 3.0, 0.0, "ann"), ("habitat", 4.0, 0.0, "bob"), ("odor", 1.0, 0.0, "ann")]
    )
    assert any(note.startswith("1 rated items") and "habitat" in note for note in crowd.notes)
    assert len(crowd.queries) == 2


def test_high_ratings_favour_an_answer_that_exists() -> None:
    with pytest.raises(ValueError, match="'x' is none of the answers"):
        Recorded(SPACE, favours="x")


@given(st.floats(-100, 100), st.floats(-100, 100))
def test_a_stretch_is_a_line(a: float, b: float) -> None:
    line = Stretch((1.0, 10.0), (-2.0, 1.0))
    assert line.nats(1.0) == pytest.approx(-2.0)
    assert line.nats(10.0) == pytest.approx(1.0)
    assert line.nats((a + b) / 2.0) == pytest.approx((line.nats(a) + line.nats(b)) / 2.0)


# -- reading to the letter -------------------------------------------------------------------------------------------

Z = "If the odour is foul, the mushroom is poisonous (strong evidence).\nBy default, the mushroom is edible (a hint)."
EVEN = "If the odour is foul, the mushroom is edible (a hint).\nBy default, the mushroom is poisonous (a hint)."
QUESTION: dict[str, Value] = {"odor": "f", "cap-color": "g", "width": 1.0, "note": ""}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(Kind.ANSWER, (Z,), QUESTION, ("e", "p")), Answer(choice="p")),
        (Query(Kind.ANSWER, (Z,), QUESTION | {"odor": "a"}, ("e", "p")), Answer(choice="e")),
        (Query(Kind.ANSWER, (Z,), QUESTION | {"odor": None}, ("e", "p")), Answer(choice="e")),
        (Query(Kind.ANSWER, (EVEN,), QUESTION, ("e", "p")), Answer(choice="p")),
        (Query(Kind.ANSWER, (EVEN,), QUESTION, ("p", "e")), Answer(choice="p")),
        (Query(Kind.COMPARE_ANSWERS, (Z,), QUESTION, ("p", "e")), Answer(grade=1)),
        (Query(Kind.COMPARE_ANSWERS, (Z,), QUESTION, ("e", "p")), Answer(grade=-1)),
        (Query(Kind.ANSWER, (Z,), {"odour": "f", "width": "wide"}, ("e", "p")), Answer(choice="e")),  # as it was kept
        (Query(Kind.ANSWER, (Z,), None, ("e", "p")), Answer(Outcome.SKIPPED)),
        (Query(Kind.ANSWER, (Z,), QUESTION), Answer(Outcome.SKIPPED)),
    ],
)
def test_answers_follow_z_to_the_letter_and_say_so(query: Query, expected: Answer) -> None:
    literal, nobody = Recorded(SPACE), Recorded(SPACE, reader="nobody")
    [judgement] = ask(literal, [query])
    assert (judgement.answer, judgement.judge) == (expected, LITERAL_READER)
    assert ask(nobody, [query])[0].answer == Answer(Outcome.SKIPPED)
    assert any("literal reading" in note for note in literal.notes)
    assert not nobody.notes


# -- from a problem file ---------------------------------------------------------------------------------------------

PROBLEM = """
problem = {{ name = "m", question = "Poisonous?" }}
answers = {{ e = "the mushroom is edible", p = "the mushroom is poisonous" }}
labelled = {{ file = "d.csv", answer = "class", where = {{ place = "a" }} }}
unlabelled = {{ where = {{ place = "b" }} }}
[features]
leave_out = ["place"]
odor = {{ words = {{ f = "foul", n = "absent" }} }}
[overseer]
kind = "recorded"
comparisons = {{ file = "said.csv", where = {{ gold = "no" }}, judge = "who" }}
ratings = {{ {ratings} }}
"""


def load(folder: Path, ratings: str = 'file = "rated.csv"') -> Recorded:
    folder.mkdir(exist_ok=True)
    (folder / "d.csv").write_text("odor,note,place,class\nf,x,a,p\nn,y,a,e\nf,z,b,p\nn,x,b,e\n")
    (folder / "said.csv").write_text(
        "first,second,preference,who,gold\n"
        "if odor is foul then the mushroom is poisonous,if odor is absent then the mushroom is edible,-1,ann,no\n"
        "if odor is foul then the mushroom is poisonous,if odor is absent then the mushroom is edible,2,bob,yes\n"
    )
    (folder / "rated.csv").write_text("item,rating\nodor,8\n")
    (folder / "problem.toml").write_text(PROBLEM.format(ratings=ratings))
    built = load_problem(folder).build_overseer(0)
    assert isinstance(built, Recorded)
    return built


def test_a_problem_file_says_which_judgements_count(tmp_path: Path) -> None:
    crowd = load(tmp_path)
    assert [(j.judge, j.answer.grade) for j in said(crowd) if j.query.kind is Kind.COMPARE_HYPOTHESES] == [("ann", -1)]
    ratios = [math.log(j.answer.ratio) for j in said(crowd) if j.answer.ratio is not None]
    assert ratios == pytest.approx([FEATURES.nats(8.0)] * 2)


def test_a_file_alone_may_be_named_by_its_path(tmp_path: Path) -> None:
    whole, short = (load(tmp_path / name, 'file = "rated.csv"') for name in ("whole", "short"))
    text = (tmp_path / "short" / "problem.toml").read_text("utf-8")
    (tmp_path / "short" / "problem.toml").write_text(text.replace('{ file = "rated.csv" }', '"rated.csv"'), "utf-8")
    short = load_problem(tmp_path / "short").build_overseer(0)  # type: ignore[assignment]
    assert said(short) == said(whole)


def test_a_problem_file_says_what_ratings_are_worth(tmp_path: Path) -> None:
    crowd = load(tmp_path, 'file = "rated.csv", between = [0, 10], nats = [0, 5], favours = "e"')
    assert [math.log(j.answer.ratio) for j in said(crowd) if j.answer.ratio is not None] == pytest.approx([4.0, 4.0])
    assert crowd.favours == "e"


def test_the_mean_of_many_is_drawn_to_the_middle_less_than_one_rating(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("note,place,class\nlovely day,a,p\na vile day,a,e\na rare day,b,p\na day,b,e\n")
    (tmp_path / "rated.csv").write_text("item,rating,sd\nlovely,3,3\nvile,-3,3\nrare,1,0\nlost,-1,0\n")
    features = '[features]\nleave_out = ["place"]\nnote = { kind = "text" }\n'
    variance = 5.0  # of 3, −3, 1 and −1
    for raters in (1, 9):
        text = PROBLEM.format(ratings=f'file = "rated.csv", spread = "sd", raters = {raters}')
        cut, end = text.index("[features]"), text.index("[overseer]")
        overseer = "\n".join(line for line in text[end:].splitlines() if not line.startswith("comparisons"))
        (tmp_path / "problem.toml").write_text(text[:cut] + features + overseer)
        loaded = load_problem(tmp_path)
        assert "rare" in loaded.problem.space.words["note"]  # in one row of four, and rated
        assert "day" not in loaded.problem.space.words["note"]  # in four rows, where five are asked for
        crowd = loaded.build_overseer(0)
        assert isinstance(crowd, Recorded)
        found = {j.query.hypotheses[0]: j.answer.ratio for j in said(crowd)}
        [lovely] = [ratio for z, ratio in found.items() if "“lovely”" in z]
        assert math.log(lovely or 0.0) == pytest.approx(3.0 * variance / (variance + 9.0 / raters))


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ("between = [0, 10]", "between without nats"),
        ("nats = [0, 10]", "nats without between"),
        ("between = [10, 0], nats = [0, 1]", "the lower first"),
        ("between = [0, 1], nats = [0, 1000]", "numbers from -50 to 50"),
        ('favours = "x"', "one of 'e', 'p'"),
    ],
)
def test_what_ratings_cannot_be_worth_is_refused(tmp_path: Path, more: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        load(tmp_path, f'file = "rated.csv", {more}')


@pytest.mark.parametrize(
    ("rating", "sd", "complaint"),
    [("99", "0", "found 99 for 'odor'; expected 0 to 10"), ("1e300", "0", "for 'odor'"), ("8", "-1", "0 to 10"),
     ("8", "1e300", "ratings.spread")],
)  # fmt: skip
def test_a_rating_beyond_its_scale_is_refused(tmp_path: Path, rating: str, sd: str, complaint: str) -> None:
    told = 'file = "rated.csv", spread = "sd", between = [0, 10], nats = [0, 5]'
    load(tmp_path)
    (tmp_path / "problem.toml").write_text(PROBLEM.format(ratings=told))
    (tmp_path / "rated.csv").write_text(f"item,rating,sd\nodor,{rating},{sd}\n")
    with pytest.raises(InputError, match=complaint):
        load_problem(tmp_path).build_overseer(0)


def test_the_crowd_speaks_of_mushrooms(data: Path) -> None:
    if not (data / "rule_plausibility").is_dir():
        pytest.skip("no rule_plausibility in the data folder")
    crowd = habitat("m", data, CROWD).build_overseer(0)
    assert isinstance(crowd, Recorded)
    kinds = [query.kind for query in crowd.queries]
    assert kinds.count(Kind.COMPARE_HYPOTHESES) == 270  # 285, less the 15 on a rule about the habitat
    assert kinds.count(Kind.ODDS) == 2 * 130
    assert any("15 of 285 comparisons" in note and "habitat is woods" in note for note in crowd.notes)


# -- the benchmark's functions ---------------------------------------------------------------------------------------


def judged(first: str, second: str, grade: int, judge: str = "ann") -> Said:
    return Said("m", first, second, grade, judge)


def test_the_majority_of_the_others_leaves_the_judge_out() -> None:
    rows = [judged("a", "b", 2), judged("a", "b", 1), judged("b", "a", 2), judged("a", "c", 1), judged("a", "b", 0)]
    assert majority(rows).tolist() == [0, 0, -1, 0, 1]


def test_agreement_counts_no_ties_and_halves_what_is_even() -> None:
    assert agreement(np.array([1.0, 0.0, -3.0, 5.0]), np.array([2, 1, 1, 0])) == pytest.approx(0.5)


def test_no_pair_is_predicted_by_its_own_judges() -> None:
    """What is said of a pair changes no prediction of it, whatever is said."""

    def encode(texts: Sequence[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        found = np.array([np.random.default_rng(len(text)).normal(size=8) for text in texts], dtype=np.float32)
        norms = np.linalg.norm(found, axis=1, keepdims=True)
        return np.asarray(found / norms, dtype=np.float32)

    names = ["x" * (3 + i) for i in range(12)]
    rules = {f"if {name} then it is {'good' if i % 2 else 'bad'}": "m" for i, name in enumerate(names)}
    texts = list(rules)
    rows = [judged(texts[i], texts[(i + 2) % 12], (-1) ** j, f"w{j}") for i in range(12) for j in range(3)]
    traits = RuleTraits(rules, encode)
    turned = [row._replace(grade=-2 * row.grade) if row.pair == rows[0].pair else row for row in rows]
    first, second = (cross_validate(said, traits, seed=0) for said in (rows, turned))
    here = [i for i, row in enumerate(rows) if row.pair == rows[0].pair]
    assert first.score[here].tolist() == second.score[here].tolist()
    assert first.score.tolist() != second.score.tolist()
    assert first.grades.sum(axis=1) == pytest.approx(1.0)


# -- words that nobody rated -----------------------------------------------------------------------------------------


def test_claims_about_words_that_nobody_rated_are_doubted_by_as_much_as_was_stated() -> None:
    words = ("lovely", "vile", "wooden", "brown")
    space = StatementSpace((NOTE,), ("e", "p"), SPOKEN, Limits(4, 1, 2), words={"note": words})
    rated = [Rating("lovely", 3.0, 0.0, "ann"), Rating("vile", -3.0, 0.0, "ann")]

    def claims(doubt: float | None) -> dict[tuple[str, str], list[float]]:
        archive = Recorded(space, ratings=rated, doubts=(0.2, 0.5), unrated_doubt=doubt)
        found: dict[tuple[str, str], list[float]] = {}
        for judgement in said(archive):
            first, second = map(space.read, judgement.query.hypotheses)
            if not second.statements:
                [statement] = first.statements
                w, key = statement.strength.nats, (statement.conditions[0].values[0], statement.answer)
                assert judgement.answer.ratio is not None
                # What is left of the odds, the price of strength taken off.
                found.setdefault(key, []).append(math.log(judgement.answer.ratio) + 0.5 * w * w)
        return found

    stated = claims(2.3)
    for word in ("wooden", "brown"):
        for answer in ("e", "p"):
            assert stated[word, answer] == pytest.approx([-2.5] * 4)
    assert {word for word, _ in claims(None)} == {"lovely", "vile"}
    assert {key: value for key, value in stated.items() if key[0] in ("lovely", "vile")} == claims(None)


def test_what_was_heard_of_some_words_tells_claims_about_rated_words_from_others() -> None:
    """Few words can be heard on strengths; M_prior knows of the others only whether somebody rated them."""
    rated, unrated = ([f"{kind}{i}" for i in range(40)] for kind in ("rated", "unrated"))
    space = StatementSpace(
        (NOTE,), ("e", "p"), SPOKEN, Limits(4, 1, 2), words={"note": [*rated, *unrated]}, rated={"note": rated}
    )
    rows = [Rating(word, 0.0, 0.0, "ann") for word in rated[:20]]
    archive = Recorded(space, ratings=rows, doubts=(0.2, 0.5), unrated_doubt=2.3)
    some = {*rated[:20], *unrated[:20]}

    def word_of(judgement: Judgement) -> str:
        [statement] = space.read(judgement.query.hypotheses[0]).statements
        return statement.conditions[0].values[0]

    heard = [judgement for judgement in said(archive) if word_of(judgement) in some]
    prior = StatementPrior.fit(Traits(space, None), heard)
    silence = Hypothesis((), "e")

    def claimed(word: str) -> float:
        condition = Condition("note", Relation.MENTIONS, (word,))
        z = Hypothesis((Statement((condition,), "e", Strength.HINT),), "e")
        return prior.log_prior(z) - prior.log_prior(silence)

    known, unknown = ([claimed(word) for word in words[20:]] for words in (rated, unrated))
    assert min(known) > max(unknown) + 1.5


def test_a_price_of_strong_claims_is_learned_as_stated_however_much_is_beyond_the_scale() -> None:
    """Strong claims are 12 nats down here: hundreds of answers that say no more than *at least 1,000* bend the fit."""
    rated, unrated = ([f"{kind}{i}" for i in range(400)] for kind in ("rated", "unrated"))
    space = StatementSpace(
        (NOTE,), ("e", "p"), SPOKEN, Limits(4, 1, 2), words={"note": [*rated, *unrated]}, rated={"note": rated}
    )
    ratings = np.clip(np.random.default_rng(0).normal(0.0, 1.7, 400), -4.0, 4.0)
    rows = [Rating(word, float(rating), 0.3, "ann") for word, rating in zip(rated, ratings, strict=True)]
    words = Stretch((-4.0, 4.0), (-4.0, 4.0))
    archive = Recorded(space, ratings=rows, favours="e", words=words, doubts=(0.2, 2.5), unrated=0.0, unrated_doubt=2.3)
    traits = Traits(space, None)
    weights = StatementPrior.fit(traits, said(archive)).weights
    assert -(weights[traits.claimed_at] + weights[traits.words_at]) == pytest.approx(2.5, abs=0.1)


def test_claims_about_rated_words_are_heard_for_every_answer_as_far_as_the_scale_goes() -> None:
    """Of the answer a word favours alone, what speaks for it would look like a liking of strong claims."""
    space = StatementSpace((NOTE,), ("e", "p"), SPOKEN, Limits(4, 1, 2), {"note": ("lovely", "vile")})
    rated = [Rating("lovely", 3.0, 0.0, "ann"), Rating("vile", -3.0, 0.0, "ann")]
    archive = Recorded(space, ratings=rated, favours="e", words=Stretch((-4.0, 4.0), (-8.0, 8.0)), doubts=(0.2, 2.5))
    heard = {}
    for judgement in said(archive):
        first, second = map(space.read, judgement.query.hypotheses)
        if not second.statements:
            [statement] = first.statements
            assert judgement.answer.ratio is not None
            key = (statement.conditions[0].values[0], statement.answer, statement.strength)
            heard[key] = math.log(judgement.answer.ratio)
    expected = {}
    for word, answer, strength in product(("lovely", "vile"), ("e", "p"), DOUBTED):
        w, towards = strength.nats, 6.0 if (word == "lovely") is (answer == "e") else -6.0
        worth = w * towards / 2.0 - 0.2 - 2.5 * w**2
        if worth > -math.log(1000.0):
            expected[word, answer, strength] = worth
    assert heard == pytest.approx(expected)
    assert len(heard) == 2 * (4 + 3)  # strong evidence for the other answer is beyond the scale
