"""The report: whole, safe, readable. What stands in it, and what must never."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import re
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitative import showing
from imitative.charts import calibration_picture, rounds_picture, spans, ticks
from imitative.display import clean, duration, nats, percent
from imitative.evaluation import wilson
from imitative.explained import _changes, gist
from imitative.hypotheses.statements import Strength
from imitative.pages import source
from imitative.records import LITERAL_READER
from imitative.report import render

EVIL = "</style><script>alert('1')</script><img src=x onerror=alert(1)>\"'&{{ 7*7 }}\ud800\u202e\x00"
VOID = {"meta", "link"}

FOUL = "If the odour is foul, the mushroom is poisonous (strong evidence)."
SWEET = "If the odour is one of almond or anise, the mushroom is edible (moderate evidence)."
REST = "By default, the mushroom is edible (slight evidence)."


def sample() -> dict[str, Any]:
    """A run with every part a report can show."""
    return {
        "problem": "mushrooms",
        "question": "Is this mushroom poisonous?",
        "answers": {"e": "the mushroom is edible", "p": "the mushroom is poisonous"},
        "seed": 3,
        "encoder": "the offline copy",
        "rows": {"labelled": 2148, "unlabelled": 5976},
        "hypothesis": f"{FOUL}\n{SWEET}\n{REST}",
        "default": {"answer": "e", "strength": "slight evidence"},
        "statements": [
            {
                "text": FOUL, "strength": "strong evidence", "nats": 2.0, "answer": "p", "log_prior": 1.5,
                "log_likelihood": 412.66, "applies_labelled": 704, "applies_unlabelled": 1,
                "examples": [{"cap_shape": "convex", "odour": "foul", "weight": 3.25, "ring": None}],
            },
            {
                "text": SWEET, "strength": "moderate evidence", "nats": 1.0, "answer": "e", "log_prior": -0.5,
                "log_likelihood": 31.0, "applies_labelled": 400, "applies_unlabelled": 400,
                "examples": [{"question": {"odour": "anise"}, "answer": "e"}],
            },
        ],
        "log_prior": -11.2,
        "log_prior_sd": 1.0,
        "log_likelihood": -163.4,
        "runners_up": [
            {"hypothesis": f"{FOUL}\n{REST}", "log_prior": -9.0, "log_likelihood": -170.0, "score": -179.0,
             "probability": 0.2},
        ],
        "judgements": {
            "asked": {"compare_hypotheses": 120, "answer": 90, "bet": 0}, "by_purpose": {"prior": 120, "audit": 90},
            "cost": 31.5, "seconds": 5240.0, "budget": 300,
        },
        "audit": {
            "agreement": 0.9667, "n": 60, "interval": [0.886, 0.991], "confidence": 0.95, "judge": "a cook",
            "score": {"model": -11.2, "overseer": -13.0, "gap": 1.8, "n": 12},
        },
        "accuracy": {"labelled": 0.991, "unlabelled": 0.968},
        "baselines": {
            "decision tree": {"labelled": 1.0, "unlabelled": 0.649},
            "logistic regression": {"labelled": 0.999, "unlabelled": 0.643},
        },
        "ours_held_out": 0.989,
        "calibration": {
            "expected_calibration_error": 0.0142, "log_loss": 0.1083, "bins": [[0.6, 0.55, 100], [0.97, 0.98, 101]],
        },
        "scale": {"nats_per_unit": 1.31, "low": 0.9, "high": 1.7, "identified": True},
        "rounds": [
            {"round": 1, "asked": 60, "best": FOUL, "log_posterior": -168.2, "gap": 6.4, "survived": False,
             "unlabelled_accuracy": 0.86},
            {"round": 2, "asked": 40, "best": FOUL, "log_posterior": -174.6, "gap": 0.4, "survived": True,
             "unlabelled_accuracy": 0.968},
        ],
        "seconds": {"search": 14.6, "transfer": 4.0},
        "notes": ["stalk-root is missing in 2,480 rows"],
    }  # fmt: skip


class Page(HTMLParser):
    """The page's elements, attributes and texts; fails where an element is not closed in its turn."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.said: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.said.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.said))


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value that is neither a mapping nor a list."""
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in leaves(item, (*path, key))]
    if isinstance(value, list):
        return [leaf for key, item in enumerate(value) for leaf in leaves(item, (*path, key))]
    return [path]


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy of `value` with `new` at `path`."""
    copy = json.loads(json.dumps(value))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = new
    return copy


def evil(value: Any) -> Any:
    """Every text replaced, and every key that is data."""
    if isinstance(value, dict):
        data = {"asked", "by_purpose", "seconds", "baselines", "answers", "odour", "question"}
        return {key + EVIL if key not in sample() and key not in KNOWN | data else key: evil(item)
                for key, item in value.items()}  # fmt: skip
    if isinstance(value, list):
        return [evil(item) for item in value]
    return EVIL + value if isinstance(value, str) else value


KNOWN = {
    "labelled", "unlabelled", "answer", "strength", "text", "nats", "log_prior", "log_likelihood", "applies_labelled",
    "applies_unlabelled", "examples", "hypothesis", "score", "probability", "cost", "budget", "agreement", "n",
    "interval", "confidence", "judge", "model", "overseer", "gap", "expected_calibration_error", "log_loss", "bins",
    "nats_per_unit", "low", "high", "round", "best", "log_posterior", "survived", "unlabelled_accuracy", "e", "p",
}  # fmt: skip


def check_safe(page: str) -> Page:
    """Nothing runs, nothing is fetched, everything is closed, and it can be written."""
    page.encode("utf-8")
    found = Page(page)
    allowed = {"script", "img", "iframe", "object", "embed", "form", "input", "base", "a", "audio", "video", "image"}
    assert not allowed & set(found.tags)
    assert found.tags["style"] == 1
    for tag, name, value in found.attributes:
        assert not name.startswith("on"), (tag, name)
        assert name not in ("src", "style", "srcset", "action"), (tag, name)
        assert name != "href" or value == "data:,", (tag, value)
    assert "\x00" not in page
    assert "\u202e" not in page
    return found


# ------------------------------------------------------------------------------------------------------------- safety


def test_every_text_of_a_hostile_result_is_only_text() -> None:
    page = render(evil(sample()), title=EVIL)
    found = check_safe(page)
    assert "alert('1')" in found.text
    assert "{{ 7*7 }}" in found.text
    # Strengths that are no known word have no dots; a line with another text is a line more of difference.
    harmless = {"svg", "circle", "li", "span", "bdi"}
    plain = check_safe(render(sample())).tags
    assert {tag: n for tag, n in found.tags.items() if n != plain[tag] and tag not in harmless} == {}


@pytest.mark.parametrize("path", leaves(sample()), ids=lambda path: ".".join(map(str, path)))
def test_a_hostile_value_anywhere_is_only_text(path: tuple[Any, ...]) -> None:
    check_safe(render(put(sample(), path, EVIL)))


def test_the_policy_names_the_style_and_nothing_else() -> None:
    page = render(sample())
    style = page[page.index("<style>") + len("<style>") : page.index("</style>")]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = next(value for _, name, value in Page(page).attributes if name == "content" and "default-src" in value)
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert page.index("Content-Security-Policy") < page.index("<style>")


def test_the_page_names_no_place_outside_itself() -> None:
    page = render(sample())
    assert not re.search(r"(?i)\b(https?|ftp|file|javascript):|//\w|@import|url\(", page)


# --------------------------------------------------------------------------------------------------- whatever is given


@pytest.mark.parametrize("key", list(sample()))
@pytest.mark.parametrize("value", [None, "text", 3, [], {}, [None], [[]], {"a": None}, float("nan")])
def test_a_part_that_is_not_of_its_kind_is_left_out(key: str, value: Any) -> None:
    check_safe(render({**sample(), key: value}))


def test_a_part_that_is_absent_is_left_out() -> None:
    assert "How to read this page" in check_safe(render({})).text
    for key in sample():
        found = check_safe(render({name: value for name, value in sample().items() if name != key}))
        assert "None" not in found.text
        assert "nan" not in found.text.split()


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60)
@given(st.sampled_from(leaves(sample())), ANYTHING, st.integers(0, 3))
def test_anything_anywhere_is_rendered(path: tuple[Any, ...], value: Any, up: int) -> None:
    check_safe(render(put(sample(), path[: max(1, len(path) - up)], value)))


@settings(max_examples=60)
@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=5), st.integers(-3, 10**6))
def test_any_number_is_drawn(numbers: list[float], at: int) -> None:
    run = sample()
    for i, value in enumerate(numbers):
        run["rounds"].append({"round": at + i, "log_posterior": value, "gap": -value, "unlabelled_accuracy": 0.5})
        run["statements"].append({"text": FOUL, "log_prior": value, "log_likelihood": -value})
        run["calibration"]["bins"].append([value, 0.5, 3])
    found = check_safe(render(run))
    for _, name, drawn in found.attributes:
        if name in ("x", "y", "cx", "cy", "width", "height", "d", "x1", "x2", "y1", "y2"):
            assert "nan" not in drawn
            assert "inf" not in drawn


# ------------------------------------------------------------------------------------------------------ what it shows


def test_the_page_says_what_was_learned_and_why() -> None:
    text = Page(render(sample())).text.replace("\u00a0", " ")
    for said in (
        "Is this mushroom poisonous?",
        "it is right 96.8 % of the time. The best model fitted directly to the same examples (decision tree) is right "
        "64.9 %.",
        "If the odour is foul, the mushroom is poisonous.",
        "strong evidence, 2 nats",
        "moderate evidence, 1 nat",
        "+412.7",
        "−0.50",
        "Applies to 704 of the 2,148 examples and 1 of the 5,976 new questions.",
        "odour foul",
        "By default, the mushroom is edible.",
        "95 % interval 88.6 % to 99.1 %, 60 fresh questions",
        "210 of 300",
        "▼ −35.1",
        "The model thinks better of this hypothesis than the overseer, asked afresh, does.",
        "a unit of the comparisons is worth 1.31 (0.9 to 1.7) nats",
        "stalk-root is missing in 2,480 rows",
    ):
        assert said in text, said
    assert "to less likely" not in text
    assert text.index("odour foul") < text.index("cap shape convex")


def test_without_truth_the_verdict_is_the_audit() -> None:
    run = {**sample(), "accuracy": {"labelled": 0.99, "unlabelled": None}, "ours_held_out": None}
    text = Page(render(run)).text.replace("\u00a0", " ")
    assert "On 60 new questions drawn at random, the overseer agreed with 96.7 % of its answers." in text
    assert "D holds the examples that this hypothesis was chosen by" in text


def test_every_picture_has_a_title_and_a_description() -> None:
    found = Page(render(sample()))
    ids = [value for _, name, value in found.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    pointed = [part for _, name, value in found.attributes if name == "aria-labelledby" for part in value.split()]
    assert set(pointed) <= set(ids)
    pictures = sum(tag == "svg" and (name, value) == ("role", "img") for tag, name, value in found.attributes)
    hidden = sum(tag == "svg" and (name, value) == ("aria-hidden", "true") for tag, name, value in found.attributes)
    assert pictures == 2
    assert pictures + hidden == found.tags["svg"]


def test_a_rival_differs_by_sign_as_well_as_colour() -> None:
    best = f"{FOUL}\n{SWEET}\n{REST}"
    other = f"{FOUL.replace('strong', 'slight')}\nIf the cap is red, the mushroom is edible (a hint).\n{REST}"
    assert [(change.sign, change.text) for change in _changes(best, other)] == [
        ("−", SWEET),
        ("±", "If the odour is foul, the mushroom is poisonous (strong evidence → slight evidence)"),
        ("+", "If the cap is red, the mushroom is edible (a hint)."),
    ]
    assert _changes(best, best) == []


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "print"])
def test_text_stands_out_from_its_ground(scheme: int) -> None:
    """WCAG 2 AA: 4.5 to 1 for text, 3 to 1 for what a picture says."""
    blocks = [block for block in re.findall(r":root \{([^}]*)\}", source("report.css")) if "--paper" in block]
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6})", blocks[scheme]))
    for ground in ("paper", "raised"):
        for ink, least in (("ink", 7), ("soft", 4.5), ("fell", 4.5), ("added", 4.5), ("prior", 3), ("evidence", 3)):
            high, low = sorted((luminance(colours[ink]), luminance(colours[ground])), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= least, (ink, ground)


# ----------------------------------------------------------------------------------------------------- the small parts


@given(st.lists(st.none() | st.floats(-1e6, 1e6), max_size=8))
def test_bars_lie_on_their_side_of_one_zero_to_scale(values: list[float | None]) -> None:
    found = spans(values)
    assert [span is None for span in found] == [value is None for value in values]
    pairs = [(value, span) for value, span in zip(values, found, strict=True) if value is not None and span is not None]
    assert len({span.zero for _, span in pairs}) <= 1
    for value, span in pairs:
        assert span.start >= -0.02
        assert span.start + span.length <= 100.02
        if value < 0:
            assert span.start + span.length == pytest.approx(span.zero, abs=0.02)
        else:
            assert span.start == span.zero
    for (value, span), (other, beside) in pairwise(pairs):
        if abs(value) > abs(other):
            assert span.length >= beside.length - 0.02


@given(st.floats(-1e9, 1e9), st.floats(0, 1e9))
def test_ticks_cover_and_are_even(low: float, reach: float) -> None:
    found = ticks(low, low + reach)
    assert found[0] <= low + 1e-6 * max(1.0, abs(low))
    assert found[-1] >= low + reach - 1e-6 * max(1.0, abs(low) + reach)
    assert 2 <= len(found) <= 9
    steps = [b - a for a, b in pairwise(found)]
    assert max(steps) == pytest.approx(min(steps), rel=1e-2)


def test_nothing_to_draw_is_no_picture() -> None:
    assert rounds_picture([], [], [], [], [], [], str) is None
    assert rounds_picture([1], [None], [None], [None], [True], [None], str) is None
    assert calibration_picture([], wilson) is None


def test_numbers_as_a_person_writes_them() -> None:
    assert [nats(x) for x in (None, -1204.4, -12.34, 0.0, -0.001, 1.234)] == ["–", "−1,204", "−12.3", "0", "0", "1.23"]
    assert nats(2.0, signed=True) == "+2.00"
    assert [percent(x) for x in (None, 1.0, 0.0, 0.9684, 0.9999)] == [
        "–", "100\u00a0%", "0\u00a0%", "96.8\u00a0%", "100.0\u00a0%",
    ]  # fmt: skip
    assert [duration(x).replace("\u00a0", " ") for x in (0.81, 15.2, 90, 7200)] == ["0.8 s", "15 s", "1.5 min", "2.0 h"]


def test_cleaning_keeps_what_a_person_wrote() -> None:
    kept = "Ünïcødé, 蘑菇 עברית 🍄 “quotes”\n\ttab"
    assert clean({kept: [kept, 1, None, math.inf]}) == {kept: [kept, 1, None, math.inf]}
    assert clean("a\ud800b\u202ec\x00") == "a\ufffdb\ufffdc\ufffd"


def test_a_corrected_audit_is_told_beside_the_uncorrected() -> None:
    audit = {"agreement": 0.7, "n": 140, "interval": [0.6, 0.8], "confidence": 0.95, "judge": "model", "score": None}
    corrected = {"value": 0.86, "low": 0.74, "high": 0.98, "n": 28, "many": 112, "bias": -0.1, "slope": 0.5}
    page = render({"audit": {**audit, "corrected": corrected}})
    assert "86" in page
    assert "28 answers of theirs and 112 asked of the model alone" in page
    assert "how often people would agree" not in render({"audit": audit})


@pytest.mark.parametrize(
    ("judge", "who"), [(LITERAL_READER, "z* itself, read to the letter,"), ("a cook", "the overseer")]
)
def test_who_audited_is_said_alike_wherever_it_is_said(
    judge: str, who: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the card, in the verdict, in the section of the audit, and on the terminal."""
    result = sample() | {"accuracy": {"labelled": 0.9, "unlabelled": None}}
    result["audit"] = {**result["audit"], "judge": judge}
    page = html.unescape(render(result))
    for said in (f"{who} agreed with", f"are what {who} answers", f"{'T' + who[1:] if who[0] == 't' else who} agrees"):
        assert said in page
    showing.result(result | {"log_prior_sd": 0.1, "ours_held_out": 0.9, "calls": None})
    assert f"M_test agrees with {who} on 0.967" in capsys.readouterr().out


@given(st.lists(st.sampled_from(Strength), max_size=30), st.integers(2, 20), st.booleans())
def test_the_gist_of_a_hypothesis_leaves_out_none_that_is_stronger_and_counts_the_rest(
    said: list[Strength], most: int, by_default: bool
) -> None:
    lines = [f"If x is {i}, y ({strength.value})." for i, strength in enumerate(said)] + [REST] * by_default
    found = gist("\n".join(lines), most)
    if len(lines) <= most + 1:  # one more line is as long as saying so
        assert found == lines
        return
    kept = [line for line in found if line in lines]
    assert len(kept) == most
    assert [line for line in found if line not in lines] == [f"… and {len(lines) - most} more."]
    assert (found[-1] == REST) == by_default
    nats_of = {line: strength.nats for line, strength in zip(lines, said, strict=False)}
    shown = [nats_of[line] for line in kept if line in nats_of]
    assert shown == sorted(shown, reverse=True)
    assert min(shown) >= max(nats_of[line] for line in lines if line in nats_of and line not in kept)
