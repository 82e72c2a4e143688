"""The pages in a real browser: judges who come by a link, by keyboard, by mouse, offline and back; a lead who watches.

Skipped, with a reason, where there is no Chromium or no playwright.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.site import Site, comparison, live, one_of_each, shown
from imitative.config import load_problem
from imitative.mail import Posting, Role, Standing
from imitative.overseers.overseer import Overseer
from imitative.overseers.people import People
from imitative.overseers.presenting import checks, presenter
from imitative.records import Answer, Kind, Query
from imitative.running import asking_people, run_problem
from imitative.settings import Settings
from imitative.store import Run
from imitative.web.judging import RATIOS
from tests.browser.visiting import DESKTOP, PAYLOADS, PHONE, Visitor, apart, chromium, passes, pytestmark
from tests.posted import look

__all__ = ["chromium", "pytestmark"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with live(tmp_path) as found:
        yield found


def test_a_judge_warms_up_judges_thirty_takes_back_and_skips(chromium: Any, site: Site) -> None:
    rule = "If the odour is foul, it is poisonous."
    known = Query(Kind.ANSWER, (rule,), {"odour": "foul"}, ("p", "e"), purpose="check")
    described = shown(rule, item={"odour": "foul"}, p="it is poisonous", e="it is edible")
    site.mailbox.post([Posting(known, described, Role.WARM_UP, expected=Answer(choice="p"))])
    site.mailbox.post([*one_of_each(), *(comparison(i) for i in range(1, 40))])
    ann = Visitor(chromium, site, "ann")
    ann.begin()
    assert "Warm-up" in ann.page.locator("#task").inner_text()
    ann.press("1")
    assert "Right." in ann.page.locator("#task").inner_text()
    for i in range(30):
        if i % 2:
            ann.press("1" if i % 4 == 1 else "2")
        else:
            slot = ann.slot
            ann.page.locator("#answer button.choice:visible").first.click()
            ann.after(slot)
    assert "31 of 30" in ann.page.locator(".sitting").inner_text()
    given = len(site.service.overview.answers())
    before = ann.slot
    ann.press("u")
    assert ann.slot != before
    assert "You took this answer back" in ann.page.locator("#task").inner_text()
    assert len(site.service.overview.answers()) == given - 1
    ann.press("2")
    slot = ann.slot
    ann.page.keyboard.press("s")
    ann.page.get_by_role("button", name="I do not understand it").click()
    ann.after(slot)
    answers = site.service.overview.answers()
    assert answers[-1].why == "unclear"
    assert len(answers) == given + 1
    assert all(each.seconds < 60.0 for each in answers)
    assert sum(each.seconds for each in answers) > 0.1
    ann.page.keyboard.press("?")
    assert ann.page.locator("#help").is_visible()
    assert not ann.complaints


def test_the_network_drops_and_what_was_typed_and_chosen_is_kept_and_sent(chromium: Any, site: Site) -> None:
    site.mailbox.post([comparison(i) for i in range(5)])
    ann = Visitor(chromium, site, "ann")
    ann.begin()
    slot = ann.slot
    ann.page.locator("details.why summary").click()
    ann.page.locator("#why").fill("because foul is foul")
    ann.context.set_offline(True)
    ann.page.locator("#why").press("Escape")
    ann.page.keyboard.press("2")
    ann.page.wait_for_function("() => document.querySelector('#banner').textContent.includes('kept')")
    assert len(site.service.overview.answers()) == 0
    assert ann.slot == slot
    ann.context.set_offline(False)
    ann.after(slot)
    [answer] = site.service.overview.answers()
    assert answer.why == "because foul is foul"
    assert ann.page.locator("#banner").is_hidden()
    # A page that was closed while offline sends what it kept when it is opened again.
    slot = ann.slot
    ann.context.set_offline(True)
    ann.page.keyboard.press("4")
    ann.page.wait_for_function("() => document.querySelector('#banner').textContent.includes('kept')")
    ann.context.set_offline(False)
    ann.page.reload()
    ann.page.wait_for_function("slot => document.querySelector('#task').dataset.slot !== slot", arg=slot)
    assert len(site.service.overview.answers()) == 2


def test_a_draft_outlives_the_browser(chromium: Any, site: Site) -> None:
    site.mailbox.post([comparison(0)])
    ann = Visitor(chromium, site, "ann")
    ann.begin()
    ann.page.locator("details.why summary").click()
    with ann.page.expect_response("**/judge/draft"):
        ann.page.locator("#why").fill("half a thought")
    ann.page.evaluate("localStorage.clear()")
    ann.page.reload()
    assert ann.page.locator("#why").input_value() == "half a thought"


def test_two_judges_at_once_never_share_a_query(chromium: Any, site: Site) -> None:
    site.mailbox.post([comparison(i) for i in range(12)])
    ann, bob = Visitor(chromium, site, "ann"), Visitor(chromium, site, "bob")
    seen: dict[str, list[str]] = {"ann": [], "bob": []}
    for name, visitor in (("ann", ann), ("bob", bob)):
        visitor.begin()
        seen[name].append(visitor.slot)
    for _ in range(5):
        assert ann.slot != bob.slot
        for name, visitor in (("ann", ann), ("bob", bob)):
            visitor.press("1")
            seen[name].append(visitor.slot)
    assert not set(filter(None, seen["ann"])) & set(filter(None, seen["bob"]))


def test_a_lead_watches_suspends_invites_and_exports(chromium: Any, site: Site) -> None:
    site.mailbox.post([comparison(i) for i in range(20)])
    lea = Visitor(chromium, site, "lea", "lead")
    ann = Visitor(chromium, site, "ann")
    ann.begin()
    assert lea.page.locator("#answers-given").inner_text() == "0"
    for _ in range(3):
        ann.press("1")
    lea.page.wait_for_function("() => document.querySelector('#answers-given').textContent === '3'", timeout=15_000)
    lea.page.reload()
    lea.page.select_option("#who", "ann")
    lea.page.fill("#because", "in haste")
    lea.page.get_by_role("button", name="Change").click()
    lea.page.wait_for_load_state()
    assert "suspended" in lea.page.locator("table.judges").inner_text()
    ann.page.reload()
    assert "paused" in ann.page.locator("h1").inner_text()
    with lea.page.expect_download() as download:
        lea.page.get_by_role("link", name="jsonl").click()
    assert download.value.suggested_filename.endswith(".zip")
    lea.page.fill("#name", "cat")
    lea.page.get_by_role("button", name="Invite").click()
    assert "/join#" in lea.page.locator("code.copy").inner_text()
    assert not lea.complaints


ACTIVE = "script:not([src]), iframe, object, base, [onload], [onerror], [onfocus], [ontoggle], [hx-on\\:click]"


def test_nothing_that_comes_from_outside_runs(chromium: Any, site: Site) -> None:
    """Every payload in every field that is shown: statements, questions, answers, names, reasons, proposals, events."""
    assert len(PAYLOADS) >= 20
    everything = "\n".join(f"If {payload}, it is." for payload in PAYLOADS)
    item = {f"{i} {payload}": payload for i, payload in enumerate(PAYLOADS)}
    answers = tuple(PAYLOADS[:2])
    spoken = dict(zip(answers, PAYLOADS[2:4], strict=True))
    described = {**shown(everything, item=item, **spoken), "asks": " ".join(PAYLOADS)}
    two = shown(everything, "\n".join(reversed(everything.splitlines()[1:])))
    kinds = [
        (Query(Kind.COMPARE_HYPOTHESES, (everything, "b")), two),
        (Query(Kind.ODDS, (everything, "b")), two),
        (Query(Kind.BET, (everything,), heads=3), shown(everything)),
        (Query(Kind.COMPARE_ANSWERS, (everything,), {"x": "y"}, answers), described),
        (Query(Kind.ANSWER, (everything,), {"x": "y"}, answers), described),
    ]
    site.mailbox.post([Posting(query, what) for query, what in kinds])
    about = {"question": " ".join(PAYLOADS), "instructions": "\n\n".join(PAYLOADS), "wage": 1.0, "cost": 0.0}
    site.run.event("people", about)
    best = {"stage": "round", "round": 1, "rounds": 5, "asked": 1, "best": everything}
    site.run.event("round", best)
    site.run.event("round", {**best, "best": everything.replace("it is", "it is not")})
    names = [payload[:40].replace("+", "").replace(",", "") for payload in PAYLOADS[:5]]
    for name in names:
        site.service.people.invite(name, "judge")
        site.service.people.stand(name, Standing.SUSPENDED, by="lead", why=" ".join(PAYLOADS))
    ann, lea = Visitor(chromium, site, "<b onclick=alert(1)>ann"), Visitor(chromium, site, "lea", "lead")
    ann.begin()
    for _ in kinds:
        ann.page.locator("details.better summary").click()
        ann.page.locator("#text").fill("\n".join(PAYLOADS))
        ann.page.locator("#wrong").fill("\n".join(PAYLOADS))
        ann.page.get_by_role("button", name="Propose it").click()
        ann.page.wait_for_selector("#proposed p")
        ann.page.locator("details.why summary").click()
        ann.page.locator("#why").fill("\n".join(PAYLOADS))
        ann.page.reload()
        slot = ann.slot
        ann.page.locator("#answer button.choice").first.click()
        ann.after(slot)
    for path in ("/lead", "/welcome", "/judge"):
        lea.page.goto(site.service.address + path)
        for details in lea.page.locator("details").all():
            details.evaluate("each => each.open = true")
        lea.page.wait_for_timeout(300)
        own = f"document.querySelectorAll({json.dumps(ACTIVE)})"
        assert lea.page.evaluate(f"{own}.length") == 0
    assert ann.dialogs == []
    assert lea.dialogs == []
    assert not ann.complaints
    assert not lea.complaints


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_passes_axe_and_fits(
    chromium: Any, site: Site, size: dict[str, int], scheme: str, tmp_path: Path
) -> None:
    """Contrast, labels, names, order, at both widths and in both colours; with IMITATIVE_SHOTS, pictures are kept."""
    loaded = load_problem("huskies")
    show = presenter(loaded.problem)
    first, second = loaded.problem.space.show, load_problem("huskies", seed=1).problem
    import numpy as np

    rng = np.random.default_rng(0)
    z, other = (first(loaded.problem.space.sample(rng)) for _ in range(2))
    x = second.unlabelled.row(0)
    queries = [
        Query(Kind.COMPARE_HYPOTHESES, (z, other)),
        Query(Kind.COMPARE_ANSWERS, (z,), x, ("husky", "other")),
        Query(Kind.ODDS, (z, other)),
        Query(Kind.BET, (z,), heads=5),
        Query(Kind.ANSWER, (z,), x, ("husky", "other")),
    ]
    site.mailbox.post([*checks(loaded.problem, show, 0)[:1], *(Posting(query, show(query)) for query in queries)])
    site.run.event("round", {"stage": "round", "round": 1, "rounds": 5, "asked": 30, "best": z})
    found = {"answers": 24, "reliability": {"mean": 0.84, "low": 0.71, "high": 0.93}, "steepness": 1.2, "bias": 0.0}
    judges = {"ann": found, "bob": {**found, "reliability": {"mean": 0.53, "low": 0.38, "high": 0.69}}}
    site.run.event("round", {"stage": "round", "round": 2, "rounds": 5, "asked": 60, "best": other, "judges": judges})
    site.service.people.invite("bob", "judge")
    site.service.people.stand("bob", Standing.EXCLUDED, by="lea", why="always the first side")
    site.mailbox.guidance(1)

    def check(visitor: Visitor, name: str) -> None:
        passes(visitor, name, size, scheme)

    ann = Visitor(chromium, site, "ann", size=size)
    check(ann, "welcome")
    ann.begin()
    for i in range(6):
        check(ann, f"judge-{i}")
        if i == 1:
            ann.page.evaluate("document.querySelectorAll('#task details').forEach(each => { each.open = true; })")
            check(ann, "judge-open")
            ann.page.locator("main").click(position={"x": 2, "y": 2})
        ann.press("1")
    check(ann, "nothing")
    lea = Visitor(chromium, site, "lea", "lead", size)
    assert "0.71 to 0.93" in lea.page.locator("table.judges").inner_text()
    assert "left out since round 2" in lea.page.locator("table.judges").inner_text()
    check(lea, "lead")
    for details in lea.page.locator("details").all():
        details.evaluate("each => each.open = true")
    check(lea, "lead-open")
    told = [
        {"text": line, "log_prior": 1.2 - k, "log_likelihood": 14.2 / (k + 1), "applies_labelled": 120 - k,
         "applies_unlabelled": 310 - 90 * k, "decides": 200 // (k + 1) ** 2, "examples": [dict(x)] * (k + 1)}
        for k, line in enumerate(other.splitlines()[:-1][:3])
    ]  # fmt: skip
    clauses = {"statements": told, "rows": {"labelled": 400, "unlabelled": 1000}, "answers": loaded.problem.spoken}
    site.run.event("finished", {"hypothesis": other, "best": other, "clauses": clauses})
    lea.page.wait_for_selector(".clauses")
    assert lea.page.locator(".clauses > li").count() == len(told) > 0
    for details in lea.page.locator("details").all():
        details.evaluate("each => each.open = true")
    check(lea, "lead-finished")
    lea.page.locator(".clauses summary").nth(1).focus()
    with lea.page.expect_response("**/lead/figures"):
        pass
    lea.page.wait_for_timeout(200)  # what was opened stays open, and the focus where it was
    assert lea.page.locator(".clauses details[open]").count() == len(told)
    assert lea.page.evaluate("document.activeElement.matches('.clauses > li:nth-child(2) summary')")
    ann.page.goto(f"{site.service.address}/welcome")
    ann.page.get_by_role("button", name="Leave").click()
    ann.page.wait_for_url("**/join")
    check(ann, "join")


def test_the_focus_is_seen(chromium: Any, site: Site) -> None:
    site.mailbox.post([comparison(0)])
    ann = Visitor(chromium, site, "ann")
    ann.begin()
    for _ in range(8):
        ann.page.keyboard.press("Tab")
        style = ann.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert style == "solid"


def test_huskies_through_the_page_find_the_same_hypothesis(chromium: Any, tmp_path: Path) -> None:
    """Every judgement goes through the page, by somebody with the simulated person's taste."""
    settings = replace(Settings(), rounds=2, steps=40)
    loaded = load_problem("huskies")
    without = apart(lambda: run_problem(loaded, tmp_path / "without", budget=40, settings=settings))
    asked = asking_people(loaded)

    def quick(seed: int) -> Overseer:
        overseer = asked.build_overseer(seed)
        assert isinstance(overseer, People)
        return replace(overseer, grace=0.0, poll=0.05)

    through: dict[str, Any] = {}
    with live(tmp_path / "page") as site:
        site.run.close()
        folder = tmp_path / "page" / "huskies"
        problem = loaded.problem
        run = Run.open(folder, problem.name, problem.fingerprint, loaded.seed, 40, alone=False)
        object.__setattr__(site.service, "run", run)
        for cached in ("people", "judging", "overview", "proposals"):
            site.service.__dict__.pop(cached, None)
        worker = threading.Thread(
            target=lambda: through.update(
                run_problem(replace(asked, build_overseer=quick), folder, budget=40, settings=settings)
            )
        )
        worker.start()
        ann = Visitor(chromium, site, "ann")
        ann.begin()
        taste = loaded.build_overseer(loaded.seed)
        given = 0
        while worker.is_alive():
            slot = ann.slot
            if not slot:
                ann.page.wait_for_timeout(100)
                continue
            _judge(ann, run, int(slot), taste)
            ann.after(slot)
            given += 1
        worker.join()
        assert given >= 40
        run.close()
    assert through["hypothesis"] == without["hypothesis"]
    assert through["runners_up"] == without["runners_up"]
    assert through["judgements"]["asked"] == without["judgements"]["asked"]


def _judge(visitor: Visitor, run: Run, slot: int, taste: Overseer) -> None:
    """What the simulated person says of the query as it was posted, clicked on the side where it is shown."""

    query, swapped, _ = look(run, slot)
    answer = apart(lambda: asyncio.run(taste.judge([query])))[0].answer
    answer = answer.swapped() if swapped else answer
    if answer.grade is not None:
        chosen = f'[name="grade"][value="{answer.grade}"]'
    elif answer.ratio is not None:
        scale = (1.0, *(ratio for n in RATIOS for ratio in (float(n), 1.0 / n)))
        nearest = min(scale, key=lambda ratio: abs(ratio - (answer.ratio or 1.0)))
        chosen = f'[name="ratio"][value="{nearest}"]'
    elif answer.less_likely is not None:
        chosen = f'[name="less_likely"][value="{"yes" if answer.less_likely else "no"}"]'
    else:
        chosen = f'[name="choice"][value={json.dumps(answer.choice)}]'
    visitor.page.locator(f"#answer button{chosen}").click()
