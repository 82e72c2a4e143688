"""A run whose questions are pictures, from the first query to the result, judged in a real browser."""

from __future__ import annotations

import struct
import threading
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.site import live, shown
from imitative.config import load_problem
from imitative.mail import Posting
from imitative.overseers.overseer import Overseer
from imitative.overseers.people import People
from imitative.records import Kind, Query
from imitative.running import run_problem
from imitative.settings import Settings
from imitative.store import Run
from imitative.store.mailbox import StoredMailbox
from tests.browser.visiting import PHONE, Visitor, chromium, pytestmark

__all__ = ["chromium", "pytestmark"]

PROBLEM = """
[problem]
name = "fields"
question = "Was it taken in summer?"
budget = 30
[answers]
yes = "it was taken in summer"
no = "it was taken in winter"
[labelled]
file = "fields.csv"
answer = "summer"
where = { place = "valley" }
[unlabelled]
where = { place = { not = "valley" } }
[features]
leave_out = ["place"]
[features.ground]
words = { green = "green", white = "white" }
[overseer]
kind = "people"
checks = false
image = "picture"
images = "photos"
"""


def png(red: int, green: int, blue: int, size: int = 160) -> bytes:
    """A plain picture: signature, header, pixels, end (PNG, ISO/IEC 15948)."""
    line = b"\0" + bytes((red, green, blue)) * size

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(line * size)) + chunk(b"IEND", b"")
    )


def problem_of(folder: Path) -> Path:
    """Forty pictures of fields, and what is known of them."""
    rng = np.random.default_rng(0)
    (folder / "photos").mkdir(parents=True)
    rows = ["picture,ground,hour,place,summer"]
    for i in range(40):
        green = bool(rng.random() < 0.5)
        summer = "yes" if green is bool(rng.random() < 0.9) else "no"
        colour = (40, 150, 60) if green else (235, 238, 245)
        (folder / "photos" / f"field {i}.png").write_bytes(png(*colour))
        ground = "green" if green else "white"
        rows.append(f"field {i}.png,{ground},{rng.integers(6, 20)},{'valley' if i < 24 else 'ridge'},{summer}")
    (folder / "fields.csv").write_text("\n".join(rows) + "\n", "utf-8")
    (folder / "problem.toml").write_text(PROBLEM, "utf-8")
    return folder / "problem.toml"


def test_a_run_of_pictures_goes_from_the_first_query_to_the_result(chromium: Any, tmp_path: Path) -> None:
    loaded = load_problem(str(problem_of(tmp_path / "problem")))
    pictures = Path(str(loaded.images))

    def quick(seed: int) -> Overseer:
        overseer = loaded.build_overseer(seed)
        assert isinstance(overseer, People)
        return replace(overseer, grace=0.0, poll=0.05)

    result: dict[str, Any] = {}
    seen: dict[str, int] = {}
    with live(tmp_path / "page", images=pictures) as site:
        site.run.close()
        folder, problem = tmp_path / "page" / "fields", loaded.problem
        run = Run.open(folder, problem.name, problem.fingerprint, loaded.seed, loaded.budget, alone=False)
        object.__setattr__(site.service, "run", run)
        for cached in ("people", "judging", "overview", "proposals"):
            site.service.__dict__.pop(cached, None)
        settings = replace(Settings(), rounds=2, steps=30)
        worker = threading.Thread(
            target=lambda: result.update(run_problem(replace(loaded, build_overseer=quick), folder, settings=settings))
        )
        worker.start()
        ann = Visitor(chromium, site, "ann", size=PHONE)
        ann.begin()
        while worker.is_alive():
            slot = ann.slot
            if not slot:
                ann.page.wait_for_timeout(100)
                continue
            picture = ann.page.locator("#task .item img")
            if picture.count():
                picture.evaluate("each => each.decode()")
                assert picture.evaluate("each => each.naturalWidth") == 160
                assert picture.get_attribute("alt")
                asked = ann.page.locator("#asks").inner_text()
                seen[asked] = seen.get(asked, 0) + 1
            ann.press("1" if len(seen) % 2 else "2")
        worker.join()
        assert not ann.complaints
        run.close()
    assert {"Answer this, following the instructions."} <= set(seen)
    assert result["hypothesis"]
    assert (folder / "labels.csv").read_text("utf-8").count("\n") == 17


@pytest.mark.parametrize(
    "name",
    ["../secret.png", "/etc/hostname", "link.png", "out/secret.png", "..%2fsecret.png", "a\0.png", "notes.svg", ""],
)
def test_no_picture_leads_out_of_the_folder(chromium: Any, tmp_path: Path, name: str) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (tmp_path / "secret.png").write_bytes(png(9, 9, 9))
    (photos / "link.png").symlink_to(tmp_path / "secret.png")
    (photos / "out").symlink_to(tmp_path)
    (photos / "notes.svg").write_text(
        "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "utf-8"
    )
    with live(tmp_path / "page", images=photos) as site:
        asked = Query(Kind.ANSWER, ("If x, y.",), {"file": "x"}, ("p", "e"))
        told = {**shown("If x, y.", item={"hour": "9"}, p="yes", e="no"), "image": name.replace("\0", "\u2400")}
        StoredMailbox(site.run).post([Posting(asked, told)])
        ann = Visitor(chromium, site, "ann")
        ann.begin()
        status = ann.page.evaluate("slot => fetch('/judge/picture/' + slot).then(each => each.status)", ann.slot)
        assert status == 404
        assert not ann.dialogs
