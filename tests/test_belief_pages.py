"""Beliefs judged by people: a whole run through the page, what it shows, what judges write, and what is refused."""

from __future__ import annotations

import asyncio
import json
import math
import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from bench.site import ORIGIN, Site
from imitative.belief_config import asking_people, load_belief
from imitative.belief_running import run_belief
from imitative.believing import BeliefProblem, spoken, target_of
from imitative.hypotheses.belief import BeliefSpace, Parameter
from imitative.hypotheses.sentences import Unread, example, said
from imitative.mail import Role
from imitative.overseers.overseer import Overseer
from imitative.overseers.people import People
from imitative.records import Answer, Judgement, Kind, Query
from imitative.store import Run, tables
from imitative.web.curves import pictures
from imitative.web.judging import RATIOS

X = np.linspace(-1.5, 1.5, 24)
Y = 1.0 + 2.0 * X + 0.5 * np.random.default_rng(0).standard_normal(24)
BELIEVES = [
    "The intercept is about 1, give or take 0.5",
    "The effect of x is about 1.5, give or take 0.5",
    "The noise is about 0.5, give or take a factor of 1.5",
]
PROBLEM = f"""
[problem]
name = "line"
question = "How does y follow x?"
budget = 12
[space]
kind = "belief"
[model]
family = "linear"
unit = "m"
[labelled]
file = "y.csv"
value = "y"
explained_by = ["x"]
[unlabelled]
file = "new.csv"
[overseer]
kind = "simulated"
believes = {json.dumps(BELIEVES)}
"""


def write(folder: Path, problem: str = PROBLEM) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["x,y", *(f"{x:.6f},{y:.6f}" for x, y in zip(X, Y, strict=True))]
    (folder / "y.csv").write_text("\n".join(rows) + "\n", "utf-8")
    (folder / "new.csv").write_text("x\n2.0\n0.0\n1.0\n-1.0\n", "utf-8")
    (folder / "problem.toml").write_text(problem, "utf-8")
    return folder / "problem.toml"


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
        said = math.log(answer.ratio)
        marks = (1.0, *(mark for n in RATIOS for mark in (float(n), 1.0 / n)))
        return Answer(ratio=min(marks, key=lambda mark: abs(math.log(mark) - said)))


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


def look(run: Run, slot: int) -> tuple[Query, bool, Answer | None]:
    """The query at a slot as it was posted, whether its second side is shown first, and its known answer."""

    def find(connection: Any) -> tuple[Query, bool, Answer | None]:
        row = connection.execute(
            select(tables.query.c.body, tables.hand.c.swapped, tables.posted.c.expected)
            .join_from(tables.slot, tables.posted)
            .join(tables.query)
            .join(tables.hand, tables.hand.c.slot_id == tables.slot.c.id)
            .where(tables.slot.c.id == slot)
        ).one()
        texts = dict(connection.execute(select(tables.hypothesis.c.key, tables.hypothesis.c.text)).all())
        query = Query.from_json({**row.body, "hypotheses": [texts[key] for key in row.body["hypotheses"]]})
        return query, row.swapped, None if row.expected is None else Answer.from_json(row.expected)

    return run.read(find)


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
    pages = judged(site, page, working, taste)
    found = working.done()
    same(found, without)
    assert 0 < sum(found["judgements"]["asked"].values()) <= 12
    assert {each.judge for each in site.service.overview.judgements()} == {"ann"}
    asked = {re.search(r'<h1 id="asks">([^<]*)', text)[1] for text in pages}  # type: ignore[index]
    assert asked >= {"Which is more plausible?", "How many times more plausible?", "Which number fits this belief better?"}
    assert "Which looks more plausible?" in asked
    drawn = [text for text in pages if text.count('class="curves"') == 2]
    assert len(drawn) >= 12
    assert not any("style=" in text for text in pages)
    lead = site.entered("lea", "lead").get("/lead").text
    assert "The belief that was found" in lead
    assert found["hypothesis"].splitlines()[0] in lead
    run.close()
