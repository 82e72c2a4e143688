"""Beliefs judged by people: a whole run through the page, what it shows, what judges write, and what is refused."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from typer.testing import CliRunner

from bench.site import Site
from imitative.beliefs.config import asking_people, load_belief
from imitative.beliefs.consequences import NOWHERE, Across, Consequences
from imitative.beliefs.induction import Asking, BeliefProblem, Company, Stood, spoken, target_of
from imitative.beliefs.presenting import checks, presenter
from imitative.beliefs.prior import Elicitor
from imitative.beliefs.running import run_belief
from imitative.beliefs.written import Written, better
from imitative.cli import app
from imitative.exchange.trips import FORMATS
from imitative.families.family import Built, Spoken
from imitative.hypotheses.belief import BeliefSpace, Parameter
from imitative.hypotheses.sentences import Unread, example, said
from imitative.mail import Posting, Proposed, Role
from imitative.overseers.believer import Believer
from imitative.overseers.overseer import Ledger, Overseer
from imitative.overseers.people import People
from imitative.records import Answer, Judgement, Kind, Outcome, Query
from imitative.search.readable import Readable
from imitative.store import Run, tables
from imitative.store.mailbox import StoredMailbox
from imitative.web.bodies import LARGEST_BODY
from imitative.web.curves import pictures
from imitative.web.judging import RATIOS
from tests import lines
from tests.posted import look
from tests.test_web import XSS

BELIEVES = [
    "The intercept is about 1, give or take 0.5",
    "The effect of x is about 1.5, give or take 0.5",
    "The noise is about 0.5, give or take a factor of 1.5",
]
SIMULATED = f"""
[overseer]
kind = "simulated"
believes = {json.dumps(BELIEVES)}
"""
PROBLEM = lines.PROBLEM.replace("budget = 24", "budget = 12") + SIMULATED


def write(folder: Path, problem: str = PROBLEM) -> Path:
    return lines.write(folder, problem)


def quick(problem: BeliefProblem) -> BeliefProblem:
    """The same, its people without the seconds for second thoughts."""
    build = problem.build_overseer
    assert build is not None

    def built(space: BeliefSpace, seed: int) -> Overseer:
        people = build(space, seed)
        assert isinstance(people, People)
        return replace(people, grace=0.0, poll=0.02)

    return replace(problem, build_overseer=built)


class Marking:
    """Somebody who marks odds on the page's scale, as people must: the nearest of its marks."""

    def __init__(self, overseer: Overseer) -> None:
        self._overseer = overseer

    async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        return [replace(each, answer=self._marked(each.answer)) for each in await self._overseer.judge(queries)]

    def _marked(self, answer: Answer) -> Answer:
        if answer.ratio is None:
            return answer
        nats = math.log(answer.ratio)
        marks = (1.0, *(mark for n in RATIOS for mark in (float(n), 1.0 / n)))
        return Answer(ratio=min(marks, key=lambda mark: abs(math.log(mark) - nats)))


def marking(problem: BeliefProblem) -> BeliefProblem:
    """The problem's own simulated person, who marks odds on the scale."""
    build = problem.build_overseer
    assert build is not None
    return replace(problem, build_overseer=lambda space, seed: Marking(build(space, seed)))


def taste_of(problem: BeliefProblem) -> Overseer:
    """That person."""
    build = marking(problem).build_overseer
    assert build is not None
    return build(spoken(problem.built.parameters, target_of(problem))[0], problem.seed)


def answer_of(run: Run, slot: int, taste: Overseer) -> Answer:
    """What the simulated person says, of the sides as they are shown."""
    query, swapped, known = look(run, slot)
    answer = known or asyncio.run(taste.judge([query]))[0].answer
    return answer.swapped() if swapped else answer


def slot_on(page: str) -> int | None:
    found = re.search(r'data-slot="(\d+)"', page)
    return int(found[1]) if found else None


def field_of(answer: Answer) -> dict[str, str]:
    return {"grade": str(answer.grade)} if answer.grade is not None else {"ratio": repr(answer.ratio)}


class Working:
    """A run in a thread of its own, as `imitative run` is a process of its own."""

    def __init__(self, problem: BeliefProblem, folder: Path, store: str | None = None) -> None:
        self.result: dict[str, Any] = {}
        self.failed: BaseException | None = None

        def work() -> None:
            try:
                self.result.update(run_belief(problem, folder, store=store))
            except BaseException as error:
                self.failed = error

        self.thread = threading.Thread(target=work, daemon=True)
        self.thread.start()

    @property
    def at_work(self) -> bool:
        return self.thread.is_alive()

    def done(self) -> dict[str, Any]:
        self.thread.join(120.0)
        if self.failed is not None:
            raise self.failed
        return self.result


def opened(problem: BeliefProblem, folder: Path, store: str | None) -> Run:
    return Run.open(folder, problem.name, problem.fingerprint, problem.seed, problem.budget, store=store, alone=False)


def judged(site: Site, page: TestClient, working: Working, taste: Overseer, most: int = 10**6) -> list[str]:
    """Answer by the page's forms whatever is shown, until the run is done; the pages that were answered."""
    pages: list[str] = []
    while working.at_work and len(pages) < most:
        text = page.get("/judge").text
        slot = slot_on(text)
        if slot is None:
            time.sleep(0.02)
            continue
        form = {"slot": str(slot), "key": f"sent-key-{slot}-{len(pages)}", "seconds": "3"}
        sent = page.post("/judge/answer", data=form | field_of(answer_of(site.run, slot, taste)))
        assert sent.status_code == 303, sent.text
        pages.append(text)
    return pages


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The run with the simulated person asked directly."""
    folder = tmp_path_factory.mktemp("without")
    return run_belief(marking(load_belief(write(folder))), folder / "run")


def same(found: dict[str, Any], other: dict[str, Any]) -> None:
    """Whether two runs came to the same: nothing random differs, so to the last digits."""
    assert found["hypothesis"] == other["hypothesis"]
    assert found["judgements"]["asked"] == other["judgements"]["asked"]
    assert found["elicited"]["belief"] == other["elicited"]["belief"]
    assert found["log_evidence"] == pytest.approx(other["log_evidence"], abs=1e-6)
    for ours, theirs in zip(found["parameters"], other["parameters"], strict=True):
        assert (ours["mean"], ours["sd"]) == pytest.approx((theirs["mean"], theirs["sd"]), rel=1e-6)


def test_a_run_judged_through_the_page_comes_to_the_same_posterior(
    without: dict[str, Any], tmp_path: Path, store: str | None
) -> None:
    named = load_belief(write(tmp_path / "line"))
    problem, taste = quick(asking_people(named)), taste_of(named)
    folder = tmp_path / "run"
    run = opened(problem, folder, store)
    site = Site(folder, run=run)
    working = Working(problem, folder, store)
    page = site.entered("ann")
    while working.at_work and "belief" not in str(site.service.overview.about()):
        time.sleep(0.02)
    assert "never for a probability" in page.get("/welcome").text
    for i, text in enumerate(("the effect of x is about 1.9, give or take 0.2", "The noise is between 0 and 1e-12")):
        assert page.post("/judge/propose", data={"key": f"prop-key-{i}", "text": text}).status_code == 200
    pages = judged(site, page, working, taste)
    found = working.done()
    same(found, without)
    good, bad = found["written"]
    assert (good["author"], [each["name"] for each in good["says"]]) == ("ann", ["the effect of x"])
    assert good["score"] == pytest.approx(good["log_prior"] + good["log_likelihood"], abs=1e-6)
    assert good["score"] <= found["log_evidence"]
    assert good["hypothesis"].splitlines()[0] == found["hypothesis"].splitlines()[0]  # unsaid: as the run has it
    assert bad.get("score", -math.inf) < good["score"] - 1000.0
    assert 0 < sum(found["judgements"]["asked"].values()) <= 12
    assert {each.judge for each in site.service.overview.judgements()} == {"ann"}
    asked = {re.search(r'<h1 id="asks">([^<]*)', text)[1] for text in pages}  # type: ignore[index]
    assert asked >= {
        "Which is more plausible?",
        "How many times more plausible?",
        "Which number fits this belief better?",
    }
    assert "Which looks more plausible?" in asked
    drawn = [text for text in pages if text.count('class="curves"') == 2]
    assert len(drawn) >= 12
    assert not any("style=" in text for text in pages)
    lead = site.entered("lea", "lead").get("/lead").text
    assert "The belief that was found" in lead
    assert found["hypothesis"].splitlines()[0] in lead
    assert "The effect of x is about 1.9" in lead.replace("the effect", "The effect")
    assert "1.9 ± 0.2" in lead
    report = (folder / "report.html").read_text("utf-8")
    assert "What people wrote" in report
    assert report.count('<th scope="row"><bdi>ann</bdi></th>') == 2
    told = " ".join(CliRunner().invoke(app, ["show", str(folder)], env={"COLUMNS": "200"}).output.split())
    assert f"ann wrote “the effect of x is about 1.9, give or take 0.2”: scores {good['score']:.2f} nats" in told
    leading = site.entered("leo", "lead")
    assert {leading.get(f"/lead/export/{name}").status_code for name in FORMATS} == {200}
    run.close()


@pytest.mark.slow
def test_a_run_that_is_killed_while_it_waits_asks_nothing_twice_and_ends_the_same(
    without: dict[str, Any], tmp_path: Path
) -> None:
    """kill -9 while people judge, three times; what they wrote is scored, whenever it was written."""
    path = write(tmp_path / "line", PROBLEM.split("[overseer]")[0] + '[overseer]\nkind = "people"\ngrace = 0.0\n')
    taste = taste_of(load_belief(write(tmp_path / "person")))
    problem, folder = load_belief(path), tmp_path / "run"
    command = [sys.executable, "-m", "imitative", "run", str(path), "--out", str(folder)]
    run = opened(problem, folder, None)
    site = Site(folder, run=run)
    page = site.entered("ann")
    given = 0
    with contextlib.ExitStack() as stack:
        for life in range(4):
            process = stack.enter_context(
                subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            )
            until = given + 5 if life < 3 else 10**6
            while given < until and process.poll() is None:
                slot = slot_on(page.get("/judge").text)
                if slot is None:
                    time.sleep(0.05)
                    continue
                form = {"slot": str(slot), "key": f"sent-key-{slot}-{given}", "seconds": "3"}
                sent = page.post("/judge/answer", data=form | field_of(answer_of(run, slot, taste)))
                assert sent.status_code == 303, sent.text
                given += 1
            if life < 3:
                process.kill()
                process.wait()
            if life == 1:
                text = "The effect of x is about 1.9, give or take 0.2"
                assert page.post("/judge/propose", data={"key": "prop-key-1", "text": text}).status_code == 200
    assert process.returncode == 0
    found = json.loads((folder / "result.json").read_text("utf-8"))
    same(found, without)
    asked = [each.query_key for each in site.service.overview.answers() if each.role == Role.ASKED]
    assert len(asked) == len(set(asked)) == 12
    [row] = found["written"]
    assert (row["author"], [each["name"] for each in row["says"]]) == ("ann", ["the effect of x"])
    assert row["score"] == pytest.approx(row["log_prior"] + row["log_likelihood"], abs=1e-6)
    assert row["score"] <= found["log_evidence"]
    run.close()


# -- what judges write -------------------------------------------------------------------------------------------------

NUMBERS = BeliefSpace(
    (
        Parameter("R0", "", "the number of people one case infects", lower=0.0),
        Parameter("the delay", "days", "from infection to death", lower=0.0),
        Parameter("the share", "", "who are ill", lower=0.0, upper=1.0),
        Parameter("the effect", "%"),
    )
)


@pytest.fixture
def writing(tmp_path: Path, store: str | None) -> Iterator[Site]:
    """A run over beliefs that has told the page what it is about, and asks one comparison."""
    run = Run.open(tmp_path / "run", "epidemic", "abc", 0, 100, store=store)
    run.event("people", {"space": NUMBERS.describe(), "question": "How many?", "instructions": ""})
    sides = [f"R0 is about {r}, give or take a factor of 1.1." for r in (2, 3)]
    query = Query(Kind.COMPARE_HYPOTHESES, (sides[0], sides[1]))
    StoredMailbox(run).post([Posting(query, presenter("How many?", NUMBERS, None)(query))])
    site = Site(tmp_path, run=run)
    yield site
    run.close()


def kept(site: Site) -> dict[str, int]:
    def count(connection: Any) -> dict[str, int]:
        return {
            name: int(connection.execute(select(func.count()).select_from(tables.metadata.tables[name])).scalar_one())
            for name in ("proposal", "said", "late", "event", "judgement")
        }

    return site.run.read(count)


def test_a_belief_that_is_written_is_read_back_and_waits_for_the_run(writing: Site) -> None:
    page, program = writing.entered("ann"), writing.program("bob")
    text = "r0 is between 2 and 3, most likely 2.4. The delay is about 20 days, give or take 4"
    told = page.post("/judge/propose", data={"key": "prop-key-1", "text": text})
    assert told.status_code == 200
    assert "R0 is between 2 and 3, most likely 2.4." in told.text
    assert "scores this beside its own" in told.text
    share = "The share is about 0.4, as after 20 cases"
    answer = program.post("/api/proposals", json={"key": "prop-key-2", "text": share})
    assert answer.json() == {"readable": True, "said": "The share is about 0.4, as after 20 cases."}
    first = writing.mailbox.proposed()[0]
    assert (first.author, first.text) == ("ann", text)
    lead = writing.entered("lea", "lead").get("/lead").text
    assert lead.count("to be scored") == 2
    row = {"id": writing.mailbox.proposed()[0].id, "score": -20.5, "log_prior": -1.25, "log_likelihood": -19.25}
    writing.run.event("stage", {"doing": "looking", "best": "", "written": [row, {"id": 2, "why": "impossible"}]})
    lead = Site(Path(), run=writing.run).entered("leo", "lead").get("/lead").text  # which has counted nothing yet
    assert "−1.25" in lead
    assert "−19.2" in lead
    assert "Impossible." in lead


UNREAD = [
    ("R0 is nice", "“nice” says nothing that can be read"),
    ("the slope is between 2 and 3", "speaks of none of the parameters"),
    ("R0 is between 3 and 2", "the smaller number comes first"),
    ("R0 is about 2, give or take 0", "more than 0"),
    ("R0 is between -1 and 2", "reaches where"),
    ("the delay is about 2 km, give or take 1", "the unit"),
    ("the share is about 1.4, as after 20 cases", "between 0 and 1"),
    ("R0 is about 2, give or take 1\nR0 is about 3, give or take 1", "two sentences about R0"),
    ("When R0 is high, the delay is nicer", "is not: When A is high"),
    ("When R0 is high, R0 is larger", "circle"),
    ("R0 is about 1e999, give or take 1", "finite"),
    ("R0 is about nan, give or take 1", "nothing that can be read"),
    (f"R0 is about {'9' * 270}, give", "nothing that can be read"),
    (f"R0 is about {'9' * 5_000}, give or take 1", "at most 300"),
    ("\n".join(["R0 is about 2, give or take 1"] * 101), "at most 100"),
    (f"R0 is {'either ' * 30}", "a share before each or"),
    ("R0 is either about 1, give or take 1 (200 %) or about 2, give or take 1", "below 100 %"),
    *((f"R0 is {payload}", "For example") for payload in XSS),
    *((payload, "For example") for payload in XSS),
]


@pytest.mark.parametrize(("text", "told"), UNREAD, ids=range(len(UNREAD)))
def test_a_sentence_that_cannot_be_read_is_told_why_with_an_example_and_leaves_no_row(
    writing: Site, text: str, told: str
) -> None:
    page, program = writing.entered("ann"), writing.program("bob")
    before = kept(writing)
    started = time.perf_counter()
    answers = [
        page.post("/judge/propose", data={"key": "prop-key-1", "text": text, "wrong": "all of it"}),
        program.post("/api/proposals", json={"key": "prop-key-2", "text": text}),
    ]
    assert time.perf_counter() - started < 5.0  # nobody keeps a server busy with a sentence
    said_so = answers[1].json()["message"]
    for answer in answers:
        assert answer.status_code == 422, answer.text
    assert answers[0].text == said_so
    assert told.lower() in said_so.lower()
    found = re.search(r"For example: (.*)$", said_so)
    assert found is not None
    assert said(NUMBERS, found[1]).show(NUMBERS) == found[1]
    assert answers[0].headers["content-type"].startswith("text/plain")
    assert kept(writing) == before


def test_a_sentence_of_five_megabytes_is_refused_before_it_is_read(writing: Site) -> None:
    page, program = writing.entered("ann"), writing.program("bob")
    before = kept(writing)
    for size in (5_000_000, 100_000):
        text = "R0 is about 2" + "0" * size
        answers = [
            page.post("/judge/propose", data={"key": "prop-key-1", "text": text}),
            program.post("/api/proposals", json={"key": "prop-key-2", "text": text}),
        ]
        assert [answer.status_code for answer in answers] == [413 if size > LARGEST_BODY else 422] * 2
        assert all(len(answer.text) > 10 for answer in answers)
    assert kept(writing) == before


def test_what_is_wrong_may_be_said_without_a_belief(writing: Site) -> None:
    told = writing.entered("ann").post("/judge/propose", data={"key": "prop-key-1", "text": "", "wrong": "neither"})
    assert told.status_code == 200
    assert [each["wrong"] for each in writing.service.overview.proposals()] == ["neither"]
    assert writing.mailbox.proposed() == []


@given(st.integers(0, 2**32 - 1))
def test_what_a_belief_says_is_read_back_in_any_order_and_on_one_line(seed: int) -> None:
    rng = np.random.default_rng(seed)
    z = NUMBERS.sample(rng)
    lines = NUMBERS.show(z).splitlines()
    some = [lines[i] for i in rng.permutation(len(lines))[: 1 + int(rng.integers(len(lines)))]]
    found = said(NUMBERS, " ".join(some))
    assert sorted(found.show(NUMBERS).splitlines()) == sorted(some)
    assert BeliefSpace.from_description(json.loads(json.dumps(NUMBERS.describe()))) == NUMBERS


@given(st.text(max_size=400))
def test_whatever_is_written_is_read_or_refused_with_an_example_that_can_be_read(text: str) -> None:
    try:
        found = said(NUMBERS, text)
    except Unread as error:
        assert said(NUMBERS, error.example).show(NUMBERS) == error.example
        assert str(error)
    else:
        assert found.marginals or found.dependences


@pytest.mark.parametrize(
    "ends", [(0.0, 1.0), (0.0, math.inf), (5.0, 6.0), (-math.inf, -3.0), (7.0, math.inf), (1e6, 2e6)]
)
def test_examples_fit_where_a_number_must_end(ends: tuple[float, float]) -> None:
    space = BeliefSpace((Parameter("it", lower=ends[0], upper=ends[1]),))
    assert said(space, example(space)).show(space) == example(space)


# -- checks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_what_is_known_of_a_check_is_what_the_belief_says(seed: int) -> None:
    ends = BeliefSpace((*NUMBERS.parameters, Parameter("low", upper=-2.0), Parameter("high", lower=3.0)))
    made = checks(ends, presenter("How many?", ends, None), seed)
    assert [each.role for each in made[:4]] == [Role.WARM_UP] * 3 + [Role.GOLD]
    for each in made:
        query, known = each.query, each.expected
        assert known is not None
        if query.kind is Kind.COMPARE_HYPOTHESES:
            assert (query.hypotheses[0], known.grade) == (query.hypotheses[1], 0)
            continue
        found = said(ends, query.hypotheses[0])
        [(i, marginal)] = found.marginals.items()
        p = ends.parameters[i]
        first, second = marginal.log_density(np.array([float(answer) for answer in query.answers]), p.lower, p.upper)
        assert (first > second + 2.0) if known.grade == 1 else (second > first + 2.0)
        assert all(p.lower <= float(answer) <= p.upper for answer in query.answers)
    assert len({each.query.key for each in made}) == len(made)


# -- pictures ----------------------------------------------------------------------------------------------------------


def side(*middle: float, spread: float = 1.2) -> dict[str, Any]:
    return {
        "low": [v / spread for v in middle], "middle": list(middle), "high": [v * spread for v in middle],
        "curves": [list(middle)],
    }  # fmt: skip


def drawn(first: dict[str, Any], second: dict[str, Any], **more: Any) -> dict[str, Any]:
    labels = [f"2021-03-{i + 1:02d}" for i in range(len(first["middle"]))]
    return {"of": "deaths", "group": "", "kind": "time", "labels": labels, "x": [], "sides": [first, second], **more}


def test_both_pictures_have_the_same_axes_and_change_sides_with_the_order() -> None:
    told = drawn(side(1.0, 2.0, 3.0), side(9.0, 6.0, 4.0))
    straight, turned = pictures(told, False), pictures(told, True)
    assert straight is not None
    assert turned is not None
    assert straight.sides == turned.sides[::-1]
    assert (straight.up, straight.across) == (turned.up, turned.across)
    assert [mark.text for mark in straight.across] == ["1 Mar", "2 Mar", "3 Mar"]
    assert straight.sides[0].told == "1 Mar: about 1 (0.83 to 1.2). 3 Mar: about 3 (2.5 to 3.6)."
    assert "Highest" in pictures(drawn(side(1.0, 9.0, 2.0), side(1.0, 1.0, 1.0)), False).sides[0].told  # type: ignore[union-attr]


def test_the_higher_value_lies_higher_and_what_is_far_apart_is_drawn_in_powers() -> None:
    near = pictures(drawn(side(1.0, 2.0), side(3.0, 4.0)), False)
    far = pictures(drawn(side(1.0, 2.0), side(3e4, 4e6)), False)
    assert near is not None
    assert far is not None
    assert (near.times, far.times >= 10) == (0, True)
    for found in (near, far):
        heights = [float(point.split()[1]) for each in found.sides for point in each.middle[1:].split("L")]
        assert heights == sorted(heights, reverse=True)
        assert [mark.at for mark in found.up] == sorted((mark.at for mark in found.up), reverse=True)


@pytest.mark.parametrize(
    "told",
    [
        None, "curves", [], {}, {"sides": []}, {"labels": ["a"], "sides": [side(1.0)]},
        drawn(side(1.0, 2.0), side(1.0)), drawn(side(1.0), {**side(1.0), "low": ["<svg>"]}),
        drawn(side(1.0), {**side(1.0), "curves": [[None]]}), {**drawn(side(1.0), side(2.0)), "labels": [7]},
        drawn({**side(1.0), "middle": [True]}, side(1.0)), drawn({**side(1.0), "high": [1e300]}, side(1.0)),
    ],
    ids=range(12),
)  # fmt: skip
def test_a_posting_without_pictures_that_can_be_drawn_has_none(told: Any) -> None:
    assert pictures(told, False) is None


@given(st.lists(st.floats(-1e25, 1e25), min_size=1, max_size=8), st.floats(0.0, 1e20), st.booleans())
def test_whatever_the_numbers_every_line_has_a_place(middle: list[float], spread: float, rows: bool) -> None:
    one = {
        "low": [v - spread for v in middle],
        "middle": middle,
        "high": [v + spread for v in middle],
        "curves": [middle],
    }
    told = drawn(one, {**one, "middle": middle[::-1]}, kind="rows" if rows else "time")
    told["labels"] = [str(i) for i in range(len(middle))]
    found = pictures(told, False)
    assert found is not None
    for each in found.sides:
        for path in (each.band, each.middle, *each.curves):
            places = [[float(part) for part in point.split()] for point in re.split("[MLZ]", path) if point]
            assert all(math.isfinite(v) and 0.0 <= x <= 340.0 for x, v in places)
        assert "nan" not in each.told


def growing(horizon: int = 0) -> None:
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    rate = numpyro.sample("R0", dist.LogNormal(1.0, 0.5))
    delay = numpyro.sample("the delay", dist.LogNormal(1.0, 0.5))
    if horizon:
        mean = jnp.stack([rate * jnp.arange(1.0, horizon + 1.0), delay * jnp.ones(horizon)], axis=1)
        numpyro.sample("forecast", dist.Normal(jnp.where(mean > 900.0, jnp.nan, mean), 0.1))


def beliefs(rate: float, delay: float) -> str:
    return f"R0 is about {rate:g}, give or take a factor of 1.05.\nThe delay is about {delay:g} days, give or take 0.1."


def test_consequences_are_the_model_s_under_each_belief_with_the_same_noise() -> None:
    space = BeliefSpace(NUMBERS.parameters[:2])
    built = Built(growing, tuple(Spoken(p, "") for p in space.parameters))
    ahead = Across("time", "day", ("2021-03-01", "2021-03-02", "2021-03-03"))
    made = Consequences(built, space, ahead, ("Italy", "France"), "deaths")
    found = made.of([beliefs(2, 5), beliefs(2, 9), beliefs(2, 5)], series=0)
    assert found is not None
    first, second, again = found["sides"]
    assert first == again == second  # of Italy alone: they differ in France only
    assert (found["group"], found["labels"]) == ("Italy", list(ahead.labels))
    for k, middle in enumerate(first["middle"]):
        assert middle == pytest.approx(2.0 * (k + 1), rel=0.05)
        assert first["low"][k] < middle < first["high"][k]
    assert [len(curve) for curve in first["curves"]] == [3] * 8
    elsewhere = made.of([beliefs(2, 5), beliefs(2, 9)], series=3)
    assert elsewhere is not None
    assert elsewhere["group"] == "France"
    assert [side["middle"][0] for side in elsewhere["sides"]] == pytest.approx([5.0, 9.0], rel=0.05)
    assert made.of([beliefs(2, 5), beliefs(2000, 5)]) is None  # it blows up ahead
    assert Consequences(built, space, NOWHERE, ("",), "deaths").of([beliefs(2, 5)]) is None
    assert len(json.dumps(found)) < 10_000


def test_rows_along_one_column_are_drawn_in_its_order_and_long_series_thinned() -> None:
    along = Across("number", "x", ("2", "0", "1"), (2.0, 0.0, 1.0))
    assert along.order.tolist() == [1, 2, 0]
    long = Across("time", "day", tuple(map(str, range(300))))
    assert len(long.order) == 40
    assert (long.order[0], long.order[-1]) == (0, 299)


def test_a_written_belief_is_z_only_where_it_surely_scores_better() -> None:
    def worth(score: float) -> Readable:
        return Readable(NUMBERS.sample(np.random.default_rng(0)), score, 0.1, 0.0, np.zeros(4), np.ones(4))

    def wrote(i: int, score: float | None) -> Written:
        return Written(Proposed(i, "", "ann"), None if score is None else worth(score))

    assert better(worth(-10.0), []) is None
    assert better(worth(-10.0), [wrote(1, None), wrote(2, -9.8)]) is None
    best = better(worth(-10.0), [wrote(1, -9.0), wrote(2, -8.0), wrote(3, None)])
    assert best is not None
    assert best.wrote.id == 2


# -- the command line --------------------------------------------------------------------------------------------------


def test_people_are_asked_for_by_the_problem_file_and_its_run_is_served_before_it_begins(tmp_path: Path) -> None:
    people = PROBLEM.split("[overseer]")[0] + '[overseer]\nkind = "people"\nwage = 12.0\noverlap = 2\n'
    path = write(tmp_path / "line", people)
    problem = load_belief(path)
    space, _ = spoken(problem.built.parameters, target_of(problem))
    assert problem.build_overseer is not None
    overseer = problem.build_overseer(space, 0)
    assert isinstance(overseer, People)
    assert (overseer.cap, overseer.wage, len(overseer.checks)) == (2, 12.0, 23)
    assert load_belief(write(tmp_path / "line", people.replace("12.0", "13.0"))).fingerprint == problem.fingerprint
    out = tmp_path / "run"
    told = CliRunner().invoke(app, ["invite", str(path), "--name", "Ann", "--out", str(out)])
    assert told.exit_code == 0, told.output
    assert "/join#" in told.output
    with Run.load(out) as run:
        assert (run.problem, run.fingerprint, run.budget) == ("line", problem.fingerprint, 12)


@pytest.mark.parametrize(
    ("words", "change", "told"),
    [
        (["--recorded", "said"], "", "a problem of beliefs"),
        ([], 'kind = "people"\nimage = "x"\nimages = "photos"', "beliefs are shown with curves of their own"),
        ([], 'kind = "persons"', "people"),
    ],
)
def test_what_people_cannot_be_asked_is_one_line(tmp_path: Path, words: list[str], change: str, told: str) -> None:
    path = write(tmp_path, PROBLEM.split("[overseer]")[0] + f"[overseer]\n{change}\n" if change else PROBLEM)
    ended = CliRunner().invoke(app, ["run", str(path), "--out", str(tmp_path / "run"), *words])
    assert ended.exit_code == 2
    assert told in ended.output
    assert len(ended.output.splitlines()) == 1


# -- what people take out ----------------------------------------------------------------------------------------------


def test_what_is_excluded_teaches_nothing_and_no_more_is_asked_than_may_be() -> None:
    space = BeliefSpace((Parameter("R0", lower=0.0), Parameter("the delay", lower=0.0)))
    believes = space.read(
        "R0 is about 2.4, give or take a factor of 1.3.\nThe delay is about 9, give or take a factor of 1.3."
    )
    asked, lengths = list[int](), list[int]()

    class Counting:
        """Somebody who takes their time: nothing is known to a thirtieth of a nat after a few answers."""

        def __init__(self) -> None:
            self.believer = Believer(space, believes, noise=2.0)

        async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
            asked.append(len(queries))
            return await self.believer.judge(queries)

    def heard(stage: str, judgements: Sequence[Judgement]) -> list[Judgement]:
        lengths.append(len(judgements))
        out = [replace(each, answer=Answer(Outcome.SKIPPED)) for each in judgements[:4]]
        return [*out, *judgements[4:]] if stage == "batch 2" else list(judgements)

    stood: list[Stood] = []
    elicitor = Elicitor(space, np.log([3.0, 10.0]), np.array([0.4, 0.4]))
    asking = Asking(elicitor, Ledger(Counting()), Company(heard=heard, follow=stood.append))
    found = asking.first(24)
    assert len(lengths) >= 3
    assert lengths[2] <= lengths[1] - 4 + 6
    assert found.judgements == lengths[-1] <= 24 - 4
    assert sum(asked) <= 24
    assert [each.asked for each in stood] == sorted(each.asked for each in stood)
    assert stood[-1].prior.startswith("R0 is about")
