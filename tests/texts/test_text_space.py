"""Free text as a space: what is shown is read back, limits hold, and nothing of D is quoted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imitative.data import Feature, FeatureKind, Table
from imitative.hypotheses.text import QUOTED_WORDS, Guard, TextHypothesis, TextSpace, split_sections

ODD = st.text(alphabet=st.sampled_from("ab 1.-*#)(\n\t“é`|_="), max_size=25) | st.text(max_size=12)
texts = st.lists(ODD, max_size=5).map(lambda parts: TextHypothesis(tuple(parts)))
SPACE = TextSpace(max_words=20, sections=3)


@given(texts)
def test_what_is_shown_is_read_back(z: TextHypothesis) -> None:
    if z.sections:
        assert SPACE.read(SPACE.show(z)) == z
    else:
        with pytest.raises(ValueError, match="found no words"):
            SPACE.read(SPACE.show(z))


@given(texts, st.lists(ODD, max_size=3))
def test_neighbours_are_members_one_section_away(z: TextHypothesis, pool: list[str]) -> None:
    seen = [neighbour.hypothesis for neighbour in SPACE.neighbours(z, pool)]
    assert len(set(seen)) == len(seen)
    assert z not in seen
    for other in seen:
        assert other in SPACE
        assert len(set(other.sections) ^ set(z.sections)) <= 1 + 2 * max(1, len(split_sections("\n\n".join(pool))))


def test_limits() -> None:
    assert SPACE.refuse(TextHypothesis(("a word",))) is None
    long, many, empty = (
        SPACE.refuse(TextHypothesis(sections)) for sections in ((" ".join(["w"] * 21),), ("a", "b", "c", "d"), ("  ",))
    )
    assert long is not None
    assert many is not None
    assert empty is not None
    assert (long.rule, many.rule, empty.rule) == ("too long", "too many sections", "empty")
    with pytest.raises(ValueError, match="at least one word"):
        TextSpace(max_words=0)


def test_what_models_write_around_sections_is_left_out() -> None:
    text = "Here are rules:\n\n```\n**Rules**\n- one thing\n* another,\n  and more\n2) a third\n```\n"
    assert split_sections(text) == ["Here are rules:", "one thing", "another, and more", "a third"]


# -- the guard ---------------------------------------------------------------------------------------------------------

REVIEW = "A dull and lifeless film that I would not wish on my worst enemy, however bad."
FEATURES = [
    Feature("review", FeatureKind.TEXT, "the review"),
    *(Feature(name, FeatureKind.CATEGORICAL, f"the {name}", values=("x1", "x2", "x3")) for name in "abcdef"),
]
QUESTION = {"review": REVIEW, **dict.fromkeys("abc", "x1"), **dict.fromkeys("def", "x2")}
TABLE = Table.of(FEATURES, [QUESTION])
GUARD = Guard(TABLE, ["\n".join(f"the {name}: {QUESTION[name]}" for name in "abcdef")], ["the film is bad"])


@pytest.mark.parametrize(
    "quoting",
    [
        REVIEW,
        REVIEW.upper(),
        "If it says “a dull and lifeless film that I would not”, it is bad.",
        "Reviews like: dull and lifeless film that I would NOT; wish... are bad",
        "When the a: x1, the b: x1, the c: x1 and the d: x2, it is bad.",
        "The item with the a x1 the d x2 the e x2 the f x2 is bad.",
    ],
)
def test_verbatim_copies_are_refused(quoting: str) -> None:
    space = TextSpace(guard=GUARD)
    refusal = space.refuse(TextHypothesis(("Fine words are good.", quoting)))
    assert refusal is not None
    assert refusal.rule == "quotes the examples"


@pytest.mark.parametrize(
    "fair",
    [
        "If the review calls the film dull or lifeless, the film is bad.",
        "A film that nobody would wish on an enemy is bad.",
        "If the a is x1 and the b is x1, it is bad.",
        "When the a: x1, the b: x1, the c: x1, it is bad.",
        "When the a: x2, the b: x3, the c: x2 and the d: x1, it is bad.",
    ],
)
def test_rules_about_what_rows_say_are_no_quotation(fair: str) -> None:
    assert TextSpace(guard=GUARD).refuse(TextHypothesis((fair,))) is None


@pytest.mark.parametrize(("alike", "named", "refused"), [(4, "abcd", False), (3, "abcd", True), (4, "abcdef", True)])
def test_a_rule_about_a_kind_of_row_is_no_quotation_of_one(alike: int, named: str, refused: bool) -> None:
    """Rows of twelve cells, `alike` of which hold all that a rule names and differ in one of the others."""
    rows = [dict.fromkeys("abcdefghijkl", "x2") | dict.fromkeys(named, "x1") | {"hijkl"[i]: "x3"} for i in range(alike)]
    features = [Feature(name, FeatureKind.CATEGORICAL, f"the {name}", values=("x1", "x2", "x3")) for name in rows[0]]
    items = ["\n".join(f"the {name}: {value}" for name, value in row.items()) for row in rows]
    space = TextSpace(guard=Guard(Table.of(features, rows), items))
    rule = f"If {' and '.join(f'the {name}: x1' for name in named)}, it is bad."
    assert (TextHypothesis((rule,)) not in space) == refused


def test_every_run_of_a_row_is_guarded() -> None:
    words = REVIEW.replace(",", "").replace(".", "").split()
    space = TextSpace(guard=GUARD)
    for i in range(len(words) - QUOTED_WORDS + 1):
        assert TextHypothesis((" ".join(words[i : i + QUOTED_WORDS]),)) not in space
        assert TextHypothesis((" ".join(words[i : i + QUOTED_WORDS - 1]),)) in space


def test_sampling_keeps_the_limits() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert SPACE.sample(rng, ["one", "two", "three", "four"]) in SPACE
