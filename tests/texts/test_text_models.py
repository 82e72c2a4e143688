"""M_prior and M_L over texts: they learn what is judged, share it by meaning, and stay probabilities."""

from __future__ import annotations

import asyncio
from itertools import permutations

import numpy as np
import pytest

from imitative.config import load_problem
from imitative.encoders import sentence_encoder
from imitative.hypotheses.text import TextHypothesis, TextSpace
from imitative.records import Answer, Judgement, Kind, Query
from imitative.search.sections import Pool, Sections, twins
from imitative.testing.world import World
from imitative.texts.prior import TextPrior, TextTraits
from imitative.texts.reading import Lexicon, TextReading
from imitative.traits import Encode

HUSKIES = load_problem("huskies", seed=0)
PROBLEM, SPACE = HUSKIES.problem, TextSpace()


@pytest.fixture(scope="module")
def encode() -> Encode:
    return sentence_encoder()


@pytest.fixture(scope="module")
def lexicon(encode: Encode) -> Lexicon:
    return Lexicon(PROBLEM.space, encode)


# Written before κ and τ were chosen; each means what stands beside it.
PARAPHRASES = [
    ("Dogs with floppy ears are not huskies.", "ears", "floppy", "other"),
    ("A dog with blue eyes is a husky.", "eyes", "blue", "husky"),
    ("Huskies have a thick and fluffy coat.", "coat", "fluffy", "husky"),
    ("Dogs with curly hair are some other breed.", "coat", "curly", "other"),
    ("Huskies never have floppy ears.", "ears", "floppy", "other"),
    ("If the coat of a dog is curly, then it isn't a husky.", "coat", "curly", "other"),
    ("If the ears of the dog are pointed it is a husky.", "ears", "pointed", "husky"),
    ("A husky's tail curls over its back.", "tail", "curled", "husky"),
    ("A face marked like a mask means a husky.", "mask", "yes", "husky"),
    ("Pictures with snow in the background show huskies.", "background", "snow", "husky"),
]


def answer_named(name: str) -> int:
    return next(i for i, answer in enumerate(PROBLEM.answers) if (answer == "husky") == (name == "husky"))


@pytest.mark.parametrize(("text", "feature", "value", "answer"), PARAPHRASES)
def test_a_paraphrase_is_read_as_what_it_means(
    lexicon: Lexicon, text: str, feature: str, value: str, answer: str
) -> None:
    weights = lexicon.literal(text)
    best = int(np.unravel_index(int(weights[:-1].argmax()), weights[:-1].shape)[0])
    condition = lexicon.conditions[best]
    assert (condition.feature, value in condition.values) == (feature, True)
    y = answer_named(answer)
    rows = [i for i, c in enumerate(lexicon.conditions) if c.feature == feature and value in c.values]
    assert weights[rows, y].sum() > weights[rows, 1 - y].sum()


def test_controlled_english_is_read_exactly(lexicon: Lexicon) -> None:
    space = PROBLEM.space
    text = "If the dog has floppy ears, the dog is of another breed (strong evidence)."
    z = space.read(f"{text}\nBy default, the dog is a husky (slight evidence).")
    free = TextHypothesis((text, "By default, the dog is a husky (slight evidence)."))
    reading = TextReading(lexicon, SPACE)
    table = PROBLEM.unlabelled.take(np.arange(50))
    np.testing.assert_allclose(reading.logits(table, free), z.logits(table, PROBLEM.answers))


def test_reading_sums_to_one_and_sections_commute(lexicon: Lexicon) -> None:
    reading = TextReading(lexicon, SPACE)
    table = PROBLEM.unlabelled.take(np.arange(40))
    sections = tuple(text for text, *_ in PARAPHRASES[:4])
    p = np.exp(reading.log_probabilities(table, TextHypothesis(sections), PROBLEM.answers))
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    turned = np.exp(reading.log_probabilities(table, TextHypothesis(sections[::-1]), PROBLEM.answers[::-1]))
    np.testing.assert_allclose(p, turned[:, ::-1], atol=1e-12)


def test_what_people_say_of_reading_is_learned_and_shared_by_meaning(lexicon: Lexicon) -> None:
    """Somebody takes *wolfish* for pointed ears: no condition says so, and the encoder cannot know."""
    section, alike = "Dogs that look wolfish are huskies.", "A wolfish look means a husky."
    table = PROBLEM.unlabelled
    ears = np.array([table.row(i)["ears"] == "pointed" for i in range(len(table))])
    husky = PROBLEM.answers[answer_named("husky")]
    other = PROBLEM.answers[1 - answer_named("husky")]
    queries = [Query(Kind.COMPARE_ANSWERS, (section,), table.row(i), (husky, other)) for i in range(80)]
    grades = [1 if pointed else -1 for pointed in ears[:80]]
    judgements = [Judgement(q, Answer(grade=grade), "ann") for q, grade in zip(queries, grades, strict=True)]
    learned, literal = TextReading.fit(lexicon, SPACE, judgements), TextReading(lexicon, SPACE)
    rest = table.take(np.arange(100, 400))
    y = answer_named("husky")

    def right(reading: TextReading, text: str) -> float:
        logits = reading.logits(rest, TextHypothesis((text,)))
        return float(np.mean((logits[:, y] > logits[:, 1 - y]) == ears[100:400]))

    assert right(learned, section) > 0.8
    assert right(learned, alike) > right(literal, alike) + 0.1


def test_a_judgement_on_one_section_informs_another_that_says_alike(encode: Encode) -> None:
    good, bad = "The dog has pointed ears.", "The photo was taken in winter."
    sections = [good, bad, "Its ears are pointed.", "It was winter when the picture was taken."]
    traits = TextTraits(SPACE, encode, sections)
    said = [Judgement(Query(Kind.ODDS, (good, bad), repeat=i), Answer(ratio=20.0), "ann") for i in range(4)]
    prior = TextPrior.fit(traits, said)
    assert prior.worth(sections[0]) > prior.worth(sections[1]) + 1.0
    assert prior.worth(sections[2]) > prior.worth(sections[3]) + 0.3
    z = TextHypothesis(tuple(sections[:2]))
    assert prior.log_prior(z) == pytest.approx(prior.worth(good) + prior.worth(bad))
    unasked = TextPrior.fit(traits, [])

    def doubt(one: TextPrior) -> float:
        return float((one.members(good) - one.members(bad)).std())

    assert doubt(prior) < 0.7 * doubt(unasked)


def test_the_search_finds_the_best_subset_there_is() -> None:
    rng = np.random.default_rng(5)
    for _ in range(5):
        S, N = 9, 40
        pool = Pool(
            tuple(f"section {i}" for i in range(S)),
            rng.normal(-0.5, 1.0, S),
            rng.normal(size=(S, 6)),
            np.zeros(S),
            rng.normal(size=(S, N, 2)).astype(np.float32),
            rng.normal(size=2),
            rng.integers(0, 2, N),
            0.5,
            0.3,
            np.zeros((S, S), dtype=bool),
        )
        space = TextSpace(max_words=12, sections=5)
        subsets = [[i for i in range(S) if mask >> i & 1] for mask in range(1, 2**S)]
        best = max(pool.score(chosen) for chosen in subsets if len(chosen) <= 5)
        found = Sections(space, pool, []).run(rng)
        assert found[0].score == pytest.approx(best)
        assert all(z.hypothesis in space for z in found)
        assert [z.score for z in found] == sorted((z.score for z in found), reverse=True)


def test_a_text_says_nothing_twice() -> None:
    """Of two sections that are read alike but for their strength one is taken, however much the other would add."""
    rng = np.random.default_rng(6)
    answers = rng.integers(0, 2, 60)
    right = np.where(answers[:, None] == np.arange(2), 1.0, 0.0).astype(np.float32)
    logits = np.stack([right, 2.0 * right, rng.normal(size=(60, 2)).astype(np.float32)])
    maps = np.zeros((3, 5, 2))
    maps[0, 2], maps[1, 2], maps[2, 3] = (0.0, 1.0), (0.0, 2.0), (0.0, 1.0)
    alike = twins(maps)
    assert alike.tolist() == [[False, True, False], [True, False, False], [False, False, False]]
    assert not twins(np.zeros((2, 5, 2))).any()  # two that say nothing say nothing twice
    none = np.zeros(3)
    pool = Pool(("a", "b", "c"), np.ones(3), np.zeros((3, 2)), none, logits, np.zeros(2), answers, 1.0, 0.0, alike)
    found = Sections(TextSpace(), pool, [TextHypothesis(("a", "b"))]).run(rng)
    assert "b" in found[0].hypothesis.sections
    assert not any({"a", "b"} <= set(z.hypothesis.sections) for z in found)


def test_what_people_take_for_granted_is_counted_once(lexicon: Lexicon) -> None:
    """They lean to an answer wherever a rule says nothing: said of one section at a time, true of ten at once."""
    space, answers = TextSpace(), PROBLEM.answers
    sentences = [
        f"If {PROBLEM.space.english.conditions((c,))}, {PROBLEM.spoken[answers[1]]}." for c in lexicon.conditions[:40]
    ]
    table = PROBLEM.labelled.table
    said = []
    for i, sentence in enumerate(sentences):
        rows = np.flatnonzero(~lexicon.conditions[i].applies(table))[:3]
        for row in rows:
            query = Query(Kind.COMPARE_ANSWERS, (sentence,), table.row(int(row)), answers, repeat=i)
            said.append(Judgement(query, Answer(grade=1), f"judge {i % 7}"))
    reading = TextReading.fit(lexicon, space, said)
    alone = reading.logits(table, TextHypothesis(tuple(sentences[:1])))
    many = TextHypothesis(tuple(sentences[:10]))
    literal = np.asarray(lexicon.holds(table) @ sum(lexicon.literal(section) for section in many.sections))
    moved = np.abs(np.diff(reading.logits(table, many) - literal, axis=1)).mean()
    once = np.abs(np.diff(alone - np.asarray(lexicon.holds(table) @ lexicon.literal(sentences[0])), axis=1)).mean()
    assert moved < 5.0 * once


def test_the_world_understands_what_it_is_shown() -> None:
    world = World(HUSKIES.build_overseer(0), PROBLEM, noise=0.0)
    text = "If the dog has pointed ears, the dog is a husky (moderate evidence).\n\nQuantum foam."
    query = Query(Kind.ANSWER, (text,), {"ears": "pointed"}, PROBLEM.answers)
    [judgement] = asyncio.run(world.judge([query]))
    assert judgement.answer.choice == PROBLEM.answers[answer_named("husky")]
    assert world.log_prior(text) < world.log_prior(text.split("\n\n")[0])


def test_merging_rows_and_adding_all_sections_at_once_change_no_score() -> None:
    rng = np.random.default_rng(7)
    S, N = 12, 300
    kinds = np.round(rng.normal(size=(S, 20, 3)))
    pool = Pool(
        tuple(f"section {i}" for i in range(S)),
        rng.normal(size=S),
        rng.normal(size=(S, 6)),
        np.full(S, 0.2),
        kinds[:, rng.integers(0, 20, N)].astype(np.float32),
        rng.normal(size=3),
        rng.integers(0, 3, N),
        0.4,
        0.5,
        np.zeros((S, S), dtype=bool),
    )
    merged = pool.merged()
    assert len(merged.answers) <= 60
    for chosen in ([], [3], [1, 4, 7]):
        assert merged.score(chosen) == pytest.approx(pool.score(chosen))
        np.testing.assert_allclose(merged.drawn(chosen), pool.drawn(chosen))
        rest = [i for i in range(S) if i not in chosen]
        expected = [pool.score([*chosen, i]) for i in rest]
        np.testing.assert_allclose(merged.scores_with(chosen)[rest], expected)


def test_a_full_text_is_left_by_an_exchange() -> None:
    """With no room to add and nothing worth dropping, only putting one section in the place of another goes on."""
    S = 30
    worth = np.arange(S, dtype=np.float64)
    none, logits = np.zeros((S, 2)), np.zeros((S, 4, 2), dtype=np.float32)
    pool = Pool(
        tuple(f"section {i}" for i in range(S)), worth, none, np.zeros(S), logits, np.zeros(2),
        np.zeros(4, dtype=np.int64), 1.0, 0.0, np.zeros((S, S), dtype=bool),
    )  # fmt: skip
    start = TextHypothesis(("section 0", "section 1", "section 2"))
    found = Sections(TextSpace(sections=3), pool, [start], steps=0).run(np.random.default_rng(0))
    best = ("section 29", "section 28", "section 27")
    assert found[0].hypothesis.sections == best  # from what matters most
    # One that was there before is the same text still, whatever its sections are worth by now: nobody is asked again.
    for order in permutations(best):
        again = Sections(TextSpace(sections=3), pool, [TextHypothesis(order)], steps=0).run(np.random.default_rng(0))
        assert again[0].hypothesis.sections == order


def test_an_exact_sentence_is_read_otherwise_only_where_it_says_something(lexicon: Lexicon) -> None:
    """People's noise about one rule is not spread over everything that holds of a dog, a dozen rules at once."""
    rng, space, answers = np.random.default_rng(8), TextSpace(), PROBLEM.answers
    english = PROBLEM.space.english
    clause = f"{PROBLEM.spoken[answers[0]]} (moderate evidence)"
    rules = [f"If {english.conditions((c,))}, {clause}." for c in lexicon.conditions[:8]]
    table, z = PROBLEM.labelled.table, TextHypothesis(tuple(rules))
    said = []
    for i, row in enumerate(rng.integers(len(table), size=120)):
        query = Query(Kind.COMPARE_ANSWERS, ("\n\n".join(rules),), table.row(int(row)), answers, repeat=i)
        said.append(Judgement(query, Answer(grade=int(rng.integers(-1, 2))), "ann"))
    reading = TextReading.fit(lexicon, space, said)
    for i, rule in enumerate(rules):
        departs = np.abs(reading.map(rule) - lexicon.literal(rule)).max(axis=1)
        assert np.flatnonzero(departs > 1e-9).tolist() in ([i], [])
    literal = TextReading(lexicon, space)
    silent = ~np.any([c.applies(table) for c in lexicon.conditions[:8]], axis=0)
    change = reading.logits(table, z) - literal.logits(table, z) - reading.base
    np.testing.assert_allclose(change[silent], 0.0, atol=1e-9)


def test_asking_in_both_orders_does_not_take_the_noise_of_a_person_away() -> None:
    world, quiet = (World(HUSKIES.build_overseer(0), PROBLEM, noise=noise) for noise in (0.5, 0.0))
    a, b = (
        "If the dog has pointed ears, the dog is a husky (strong evidence).",
        "By default, the dog is a husky (a hint).",
    )
    x, (y, other) = PROBLEM.labelled.table.row(0), PROBLEM.answers

    def preferred(who: World, query: Query, first: str, second: str) -> float:
        worth = who.worth(query, np.random.default_rng(3))
        return worth[first] - worth[second]

    for forth, back, sides in (
        (Query(Kind.ODDS, (a, b)), Query(Kind.ODDS, (b, a)), ("first", "second")),
        (
            Query(Kind.COMPARE_ANSWERS, (a,), x, (y, other)),
            Query(Kind.COMPARE_ANSWERS, (a,), x, (other, y)),
            (y, other),
        ),
    ):
        again = sides if sides[0] == y else sides[::-1]  # texts are called by where they stand
        assert preferred(world, forth, *sides) == pytest.approx(preferred(world, back, *again))
        assert preferred(world, forth, *sides) != pytest.approx(preferred(quiet, forth, *sides))
