"""What the tests in a real browser share: the browser, somebody at it, hostile texts, and what every page must pass.

Where there is no playwright, whoever imports this is skipped, with a reason: no module of tests may be it, as pytest
keeps half of one that was skipped.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bench.site import Site

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install 'imitative[browser]'")
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
HERE = Path(__file__).parent
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="no Chromium: apt-get install chromium"),
]
DESKTOP, PHONE = {"width": 1280, "height": 850}, {"width": 375, "height": 740}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = started.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


class Visitor:
    """Somebody at a browser, and everything that browser complained of."""

    def __init__(
        self, chromium: Any, site: Site, name: str, role: str = "judge", size: dict[str, int] = DESKTOP
    ) -> None:
        self.site = site
        self.complaints: list[str] = []
        self.dialogs: list[str] = []
        self.context = chromium.new_context(viewport=size)
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda m: self.complaints.append(m.text) if "Content Security" in m.text else None)
        self.page.on("dialog", self._dialog)
        self.page.goto(f"{site.service.address}/join#{site.service.people.invite(name, role)}")
        self.page.wait_for_url("**/lead" if role == "lead" else "**/welcome")

    def _dialog(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def begin(self) -> None:
        self.page.get_by_role("button", name="Begin").click()
        self.page.wait_for_url("**/judge")

    @property
    def slot(self) -> str:
        return str(self.page.locator("#task").get_attribute("data-slot"))

    def after(self, slot: str) -> None:
        """Wait until another query is shown."""
        self.page.wait_for_function("slot => document.querySelector('#task').dataset.slot !== slot", arg=slot)

    def press(self, key: str) -> None:
        slot = self.slot
        self.page.keyboard.press(key)
        self.after(slot)


PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "'><body onload=alert(1)>",
    "<iframe src=javascript:alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "</textarea><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "<svg><script>alert(1)</script></svg>",
    "<math><mtext><script>alert(1)</script></mtext></math>",
    "<details open ontoggle=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<object data=javascript:alert(1)>",
    "<div hx-on:click=alert(1) hx-trigger=load hx-get=/x>",
    "<div hx-get=/lead hx-trigger=load hx-vals='js:{a:alert(1)}'>",
    "<style>@import'javascript:alert(1)'</style>",
    "<link rel=stylesheet href=http://evil.test/x.css>",
    "<meta http-equiv=refresh content=0;url=javascript:alert(1)>",
    "<base href=http://evil.test/>",
    "{{constructor.constructor('alert(1)')()}}",
    "${alert(1)} `${alert(1)}` <!--<script>alert(1)</script>-->",
]


def passes(visitor: Visitor, name: str, size: dict[str, int], scheme: str) -> None:
    """Whether a page passes axe and fits its width; with IMITATIVE_SHOTS, a picture of it is kept."""
    script = (HERE / "axe-4.14.1.min.js").read_text("utf-8")
    expected = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
    assert hashlib.sha256(script.encode()).hexdigest() == expected
    page = visitor.page
    page.emulate_media(color_scheme=scheme)
    if shots := os.environ.get("IMITATIVE_SHOTS"):
        page.screenshot(path=f"{shots}/{size['width']}-{scheme}-{name}.png", full_page=True)
    page.evaluate(script)  # given by the debugger: the policy lets no page load it
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = page.evaluate("rules => axe.run(document, {runOnly: rules})", rules)
    told = [(each["id"], [node["html"][:120] for node in each["nodes"][:3]]) for each in found["violations"]]
    assert not told, f"{name}: {told}"
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{name} is {wide} pixels too wide"


def apart(work: Callable[[], Any]) -> Any:
    """In a thread of its own: playwright runs an event loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()
