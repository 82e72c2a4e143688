"""Beliefs in a real browser: a whole run judged by clicks, a belief written on the page, and how all of it looks."""

from __future__ import annotations

import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.site import live
from imitative.beliefs.config import asking_people, load_belief
from imitative.beliefs.induction import elicitor_of, spoken, target_of
from imitative.beliefs.running import run_belief
from imitative.mail import Posting, Role
from imitative.overseers.people import People
from imitative.records import Kind, Query
from imitative.store import Run
from imitative.store.mailbox import StoredMailbox
from tests.beliefs.test_pages import Working, answer_of, marking, opened, quick, same, taste_of, write
from tests.browser.visiting import DESKTOP, PAYLOADS, PHONE, Visitor, apart, chromium, passes, pytestmark

__all__ = ["chromium", "pytestmark"]

MARCH = """
[problem]
name = "a winter"
question = "How many people will die on each day of March?"
budget = 60
[space]
kind = "belief"
[model]
family = "ode"
system = "logistic"
unit = "deaths a day"
[labelled]
file = "deaths.csv"
value = "deaths"
date = "date"
[unlabelled]
horizon = 28
[parameters."the growth rate"]
sentence = "how many more die each day than the day before, as a share, while there is room"
prior = "about 0.08, give or take a factor of 1.7"
[parameters."the capacity"]
sentence = "the deaths a day at which growth ends"
prior = "about 150, give or take a factor of 2"
[parameters."the start of the first"]
sentence = "the deaths on the first day of February"
prior = "about 20, give or take a factor of 1.3"
[parameters."the error of the first"]
sentence = "how far single days lie from the curve, as a share"
prior = "about 0.1, give or take a factor of 1.5"
[overseer]
kind = "people"
wage = 15.0
instructions = "Think of **this** winter, in a city of two million."
"""


def march(folder: Path) -> Path:
    """A month of deaths, and what is asked of the next."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, y = np.random.default_rng(0), [20.0]
    for _ in range(27):
        y.append(max(1.0, round(y[-1] * float(np.exp(0.05 + 0.06 * rng.standard_normal())))))
    first = datetime.date(2021, 2, 1)
    rows = [f"{first + datetime.timedelta(days=t)},{v:g}" for t, v in enumerate(y)]
    (folder / "deaths.csv").write_text("\n".join(["date,deaths", *rows]) + "\n", "utf-8")
    (folder / "problem.toml").write_text(MARCH, "utf-8")
    return folder / "problem.toml"


@cache
def posted(folder: Path) -> tuple[list[Posting], dict[str, Any], Any]:
    """Checks and queries as a run posts them; what it tells the page; and the problem."""
    problem = load_belief(march(folder))
    plain = target_of(problem)
    space, places = spoken(problem.built.parameters, plain)
    assert problem.build_overseer is not None
    people = problem.build_overseer(space, 0)
    assert isinstance(people, People)
    queries = [query for query, _, _ in elicitor_of(plain, space, places, 0).queries(9)]
    queries.append(Query(Kind.BET, (queries[0].hypotheses[0],), heads=5))
    about = {"space": space.describe(), "question": problem.question, "instructions": people.instructions}
    asked = [Posting(query, people.show(query)) for query in queries]
    return [*people.checks[:3], *asked], {**about, "wage": 15.0, "cost": 0.0, "images": None}, problem


@pytest.fixture(scope="module")
def winter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("winter")


STOOD = {
    "doing": "asking again where the posterior is",
    "asked": 45,
    "called": "The belief so far",
    "best": "The growth rate is about 0.06 per step, give or take a factor of 1.1.\n"
    "The capacity is about 180, give or take a factor of 1.4.",
    "prior": "The growth rate is about 0.08 per step, give or take a factor of 1.5.\n"
    "The capacity is about 150, give or take a factor of 1.8.",
    "own": -97.2,
}
SAYS = [
    {"name": "the capacity", "mean": 210.0, "sd": 20.0, "exact_mean": 183.2, "exact_sd": 61.0, "apart": 0.44},
    {"name": "the growth rate", "mean": 0.05, "sd": 0.005, "exact_mean": 0.0604, "exact_sd": 0.006, "apart": 1.7},
]


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_of_beliefs_pass_axe_and_fit(
    chromium: Any, winter: Path, size: dict[str, int], scheme: str, tmp_path: Path
) -> None:
    postings, about, problem = posted(winter)
    run = Run.open(tmp_path / "run", problem.name, problem.fingerprint, 0, 60, alone=False)
    run.event("people", about)
    StoredMailbox(run).post(postings)
    seen: set[str] = set()
    with live(tmp_path, run=run) as site:
        ann = Visitor(chromium, site, "ann", size=size)
        passes(ann, "belief-welcome", size, scheme)
        ann.begin()
        for i in range(len(postings)):
            heading = ann.page.locator("#asks").inner_text()
            passes(ann, f"belief-{i}", size, scheme)
            if heading not in seen:
                ann.page.evaluate("document.querySelectorAll('#task details').forEach(each => { each.open = true; })")
                passes(ann, f"belief-{i}-open", size, scheme)
                ann.page.locator("main").click(position={"x": 2, "y": 2})
            seen.add(heading)
            if i == 3:
                write_badly_then_well(ann, size, scheme)
            ann.press("1")
        assert len(seen) == 5, seen
        [kept] = site.service.overview.proposals()
        scored = {"id": kept["id"], "score": -101.2, "log_prior": -3.41, "log_likelihood": -97.8, "words_lose": 4.1}
        run.event("stage", {**STOOD, "written": [{**scored, "says": SAYS}]})
        lea = Visitor(chromium, site, "lea", "lead", size)
        assert "0.05 ± 0.005" in lea.page.locator(".proposal").inner_text()
        for details in lea.page.locator("details").all():
            details.evaluate("each => each.open = true")
        passes(lea, "belief-lead", size, scheme)
        assert not ann.complaints
        assert not lea.complaints


def write_badly_then_well(ann: Visitor, size: dict[str, int], scheme: str) -> None:
    """A sentence that cannot be read is told why, beside it; mended, it is taken."""
    page = ann.page
    if not page.locator("#text").is_visible():
        page.locator("details.better summary").click()
    page.locator("#text").fill("The capacity is rather large")
    page.get_by_role("button", name="Propose it").click()
    problem = page.locator("#proposal-problem")
    problem.wait_for(state="visible")
    assert "For example: The capacity is between 2 and 3, most likely 2.4." in problem.inner_text()
    assert page.locator("#text").get_attribute("aria-invalid") == "true"
    passes(ann, "belief-unread", size, scheme)
    page.locator("#text").fill(
        "the capacity is about 210, give or take 20. The growth rate is about 0.05, give or take 0.005"
    )
    assert problem.is_hidden()
    page.get_by_role("button", name="Propose it").click()
    page.wait_for_selector("#proposed p.told")
    assert "The capacity is about 210, give or take 20." in page.locator("#proposed").inner_text()
    passes(ann, "belief-proposed", size, scheme)


@pytest.fixture
def line(tmp_path: Path) -> Path:
    return write(tmp_path / "line")


def test_a_run_of_beliefs_judged_by_clicks_comes_to_the_same_posterior(
    chromium: Any, line: Path, tmp_path: Path
) -> None:
    named = load_belief(line)
    without = apart(lambda: run_belief(marking(named), tmp_path / "without"))
    problem, taste = quick(asking_people(named)), apart(lambda: taste_of(named))
    run = opened(problem, tmp_path / "run", None)
    with live(tmp_path, run=run) as site:
        working = Working(problem, tmp_path / "run")
        while working.at_work and not site.service.overview.about():
            working.thread.join(0.05)
        ann = Visitor(chromium, site, "ann", size=PHONE)
        ann.begin()
        given, seen = 0, set[str]()
        while working.at_work:
            slot = ann.slot
            if not slot:
                ann.page.wait_for_timeout(100)
                continue
            said = apart(partial(answer_of, run, int(slot), taste))
            name, value = ("grade", said.grade) if said.grade is not None else ("ratio", said.ratio)
            if said.grade is not None and ann.page.locator("svg.curves").count() and "line" not in seen:
                passes(ann, "belief-line", PHONE, "light")
                seen.add("line")
            if given == 4:
                propose(ann, "The effect of x is about 1.9, give or take 0.2")
            ann.page.locator(f'#answer button[name="{name}"][value="{value}"]').click()
            ann.after(slot)
            given += 1
        found = working.done()
        same(found, without)
        assert not ann.complaints
        [row] = found["written"]
        assert row["author"] == "ann"
        assert row["score"] == pytest.approx(row["log_prior"] + row["log_likelihood"], abs=1e-6)
        lea = Visitor(chromium, site, "lea", "lead")
        assert "Exact posterior" in lea.page.locator(".proposal").inner_text()
        passes(lea, "belief-finished", DESKTOP, "light")


def propose(visitor: Visitor, text: str) -> None:
    visitor.page.locator("details.better summary").click()
    visitor.page.locator("#text").fill(text)
    visitor.page.get_by_role("button", name="Propose it").click()
    visitor.page.wait_for_selector("#proposed p.told")


def test_nothing_that_is_written_or_posted_of_beliefs_runs(chromium: Any, winter: Path, tmp_path: Path) -> None:
    """Every payload as a sentence, and in everything that a posting or the run says of beliefs."""
    _, about, problem = posted(winter)
    space = {**about["space"], "parameters": [{**about["space"]["parameters"][0], "name": p} for p in PAYLOADS]}
    run = Run.open(tmp_path / "run", problem.name, problem.fingerprint, 0, 60, alone=False)
    bad = " ".join(PAYLOADS)
    side = {"low": [1.0, 1.0], "middle": [2.0, 2.0], "high": [3.0, 3.0], "curves": [[1.0, 2.0]]}
    drawn = {
        "of": bad,
        "group": bad,
        "kind": "time",
        "along": bad,
        "labels": PAYLOADS[:2],
        "x": [],
        "sides": [side, side],
    }
    named = [{"name": p, "about": p, "unit": p} for p in PAYLOADS]
    shown = {"space": "belief", "asks": bad, "hypotheses": [[{"text": bad}], [{"text": "b"}]], "parameters": named}
    query = Query(Kind.COMPARE_HYPOTHESES, (bad, "b"))
    StoredMailbox(run).post([Posting(query, {**shown, "consequences": {**drawn, "first": True}}, Role.ASKED)])
    run.event("people", {**about, "space": about["space"]})
    with live(tmp_path, run=run) as site:
        ann = Visitor(chromium, site, "ann")
        ann.begin()
        before = len(site.service.overview.proposals())
        ann.page.locator("details.better summary").click()
        for payload in PAYLOADS:
            ann.page.locator("#text").fill(f"the capacity is {payload}")
            ann.page.get_by_role("button", name="Propose it").click()
            ann.page.locator("#proposal-problem").wait_for(state="visible")
        assert len(site.service.overview.proposals()) == before == 0
        run.event("people", {**about, "space": space})
        said = [{"name": p, "mean": 1.0, "sd": 1.0, "exact_mean": 1.0, "exact_sd": 1.0, "apart": 0.0} for p in PAYLOADS]
        site.service.proposals.propose(site.service.people.everybody()[0], "some-key-1", bad, bad, True, None)
        [kept] = site.service.overview.proposals()
        written = [{"id": kept["id"], "score": 1.0, "says": said}]
        run.event("stage", {**STOOD, "doing": bad, "called": bad, "best": bad, "prior": bad, "written": written})
        lea = Visitor(chromium, site, "lea", "lead")
        ann.page.goto(f"{site.service.address}/welcome")
        for visitor in (ann, lea):
            for details in visitor.page.locator("details").all():
                details.evaluate("each => each.open = true")
            visitor.page.wait_for_timeout(200)
            assert visitor.dialogs == []
            own = "document.querySelectorAll('script:not([src]), iframe, object, base, [onload], [onerror], [onfocus]')"
            assert visitor.page.evaluate(f"{own}.length") == 0
        assert not ann.complaints
        assert not lea.complaints
