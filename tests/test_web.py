"""The page and the interface for programs: who may do what, what is refused, and what is said."""

from __future__ import annotations

import dataclasses
import io
import json
import threading
import time
import urllib.parse
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from bench.site import HOST, Site, comparison, one_of_each, shown
from imitative.mail import Posting, Role, Standing
from imitative.records import Answer, Kind, Outcome, Query
from imitative.serving import EVERYWHERE, hosts_of, redacted
from imitative.store import tables
from imitative.web import judging, leading, programs, security
from imitative.web.app import make_api
from imitative.web.bodies import LARGEST_BODY
from imitative.web.differences import compared
from imitative.web.judging import inside, markdown


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    found = Site(tmp_path)
    yield found
    found.run.close()


def rows(site: Site, table: str) -> int:
    counted = select(func.count()).select_from(tables.metadata.tables[table])
    return int(site.run.read(lambda connection: connection.execute(counted).scalar_one()))


def kept(site: Site) -> dict[str, int]:
    """How many rows there are of everything that a stranger must not add to."""
    return {name: rows(site, name) for name in ("said", "late", "proposal", "judge", "event", "judgement", "posted")}


def task(client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = client.post("/api/task").json()["task"]
    return found


def body(slot: int, key: str = "some-key-1", **answer: Any) -> dict[str, Any]:
    return {"slot": slot, "key": key, "answer": answer or {"grade": 1}}


# ------------------------------------------------------------------------------------------------ who may do what

ROLES = ("anonymous", "judge", "other judge", "lead", "revoked", "suspended")


def routes(site: Site) -> list[APIRoute]:
    """Every route there is, from the tables the app is made of."""
    made = [module.router(site.service) for module in (judging, leading, programs)]
    found = [route for router in made for route in router.routes if isinstance(route, APIRoute)]
    return [*found, *(route for route in site.api.routes if isinstance(route, APIRoute))]


def test_every_route_says_whose_it_is(site: Site) -> None:
    assert len(routes(site)) >= 25
    for route in routes(site):
        assert len(route.tags) == 1, route.path
        assert route.tags[0] in ("open", "judge", "lead"), route.path
    undeclared = [each.path for each in site.api.routes if not isinstance(each, APIRoute) and hasattr(each, "path")]
    assert sorted(undeclared) == ["/openapi.json", "/static"]  # nothing of a run's is in either


FORMS: dict[str, dict[str, str]] = {
    "/join": {"token": "none"},
    "/goal": {"goal": "5"},
    "/judge/answer": {"slot": "1", "key": "route-key-1", "grade": "1"},
    "/judge/undo": {"key": "route-key-2"},
    "/judge/draft": {"slot": "1", "why": "mine"},
    "/judge/propose": {"key": "route-key-3", "text": "If", "slot": "1"},
    "/lead/standing": {"name": "owner", "standing": "suspended"},
    "/lead/invite": {"name": "friend"},
}
BODIES: dict[str, dict[str, Any]] = {
    "/api/answers": body(1, "route-key-4"),
    "/api/undo": {"key": "route-key-5"},
    "/api/proposals": {"key": "route-key-6", "text": "If", "slot": 1},
    "/api/standing": {"name": "owner", "standing": "suspended"},
    "/api/invitations": {"name": "friend"},
}


LAST = ("/lead/standing", "/api/standing", "/leave", "/leave")
"""After these, somebody's standing or session is another."""


def call(client: TestClient, route: APIRoute, method: str) -> int:
    path = route.path.replace("{slot}", "1").replace("{name}", "jsonl")
    if method == "GET":
        return client.get(path).status_code
    if path in BODIES:
        return client.request(method, path, json=BODIES[path]).status_code
    return client.request(method, path, data=FORMS.get(path, {})).status_code


def test_every_route_by_every_role(site: Site) -> None:
    site.mailbox.post([comparison(i) for i in range(4)])
    owner = site.program("owner")
    mine = task(owner)
    assert mine["slot"] == 1
    site.program("second lead", "lead")
    clients = {
        "anonymous": site.client(),
        "judge": site.entered("judge"),
        "other judge": site.program("other judge"),
        "lead": site.entered("lead", "lead"),
        "revoked": site.entered("revoked"),
        "suspended": site.entered("suspended"),
    }
    site.service.people.stand("revoked", Standing.REVOKED, by="lead")
    site.service.people.stand("suspended", Standing.SUSPENDED, by="lead")
    table: dict[str, list[int]] = {}
    for route in sorted(routes(site), key=lambda each: LAST.count(each.path)):
        for method in sorted(route.methods or ()):
            before = kept(site)
            for role in ROLES:
                status = call(clients[role], route, method)
                table.setdefault(f"{method} {route.path} {route.tags[0]}", []).append(status)
                allowed = _allowed(str(route.tags[0]), role, route.path, method)
                case = (method, route.path, role, status)
                assert status < 500, case
                if allowed:
                    assert status < 400 or status in (404, 409), case
                else:
                    assert status in (303, 401, 403), case
                    assert kept(site) == before, case
                before = kept(site)
    assert table["GET /lead lead"] == [303, 403, 303, 200, 303, 403]  # a program's token opens no page
    assert table["POST /api/answers judge"] == [401, 404, 404, 404, 401, 403]  # nobody answers what another holds
    assert not [each for each in site.service.overview.answers() if each.judge != "owner"]


def _allowed(tag: str, role: str, path: str, method: str) -> bool:
    if tag == "open":
        return (method, path) != ("POST", "/join")  # with a token that is none
    if role in ("anonymous", "revoked"):
        return False
    if role == "other judge" and not path.startswith("/api/"):
        return False
    if role == "suspended":
        return path in ("/judge", "/welcome", "/goal", "/leave", "/api/me")
    return role == "lead" or tag == "judge"


def test_another_judge_cannot_change_delete_or_see_my_answer(site: Site) -> None:
    site.mailbox.post([comparison(i) for i in range(3)])
    ann, bob = site.program("ann"), site.program("bob")
    mine = task(ann)
    assert ann.post("/api/answers", json=body(mine["slot"])).status_code == 200
    before = site.service.overview.answers()
    for attempt in (body(mine["slot"], "other-key-1"), body(mine["slot"], "some-key-1"), body(mine["slot"], grade=-2)):
        assert bob.post("/api/answers", json=attempt).status_code == 404
    assert bob.post("/api/undo", json={"key": "other-key-2"}).status_code == 409
    assert bob.get("/api/answers").status_code == 403
    for method in ("PUT", "PATCH", "DELETE"):
        assert bob.request(method, "/api/answers").status_code == 405
    assert site.service.overview.answers() == before


# --------------------------------------------------------------------------------------------- nonsense


def deep(n: int, opening: str = "[", closing: str = "]") -> bytes:
    return (opening * n + closing * n).encode()


NONSENSE: list[tuple[str, bytes]] = [
    ("empty", b""),
    ("banana", b"banana"),
    ("a banana", b'"banana"'),
    ("null", b"null"),
    ("true", b"true"),
    ("a number", b"7"),
    ("an array", b"[]"),
    ("an array of bodies", b'[{"slot":1}]'),
    ("an empty object", b"{}"),
    ("cut short", b'{"slot":1,"key":"some-key-1","answer":{"grade":1}'),
    ("two bodies", b"{}{}"),
    ("not UTF-8", b'{"slot":1,"key":"\xff\xfe"}'),
    ("UTF-16", '{"slot":1}'.encode("utf-16")),
    ("a byte order mark", b'\xef\xbb\xbf{"slot":1}'),
    ("100,000 deep", deep(100_000)),
    ("100,000 objects deep", deep(100_000, '{"a":', "}").replace(b":}", b":1}")),
    ("30 deep", deep(30)),
    ("5 MB", b'{"slot":1,"why":"' + b"x" * 5_000_000 + b'"}'),
    ("a repeated key", b'{"slot":1,"slot":1,"key":"some-key-1","answer":{"grade":1}}'),
    ("a repeated key within", b'{"slot":1,"key":"some-key-1","answer":{"grade":1,"grade":2}}'),
    ("NaN", b'{"slot":1,"key":"some-key-1","answer":{"ratio":NaN}}'),
    ("infinity", b'{"slot":1,"key":"some-key-1","answer":{"ratio":Infinity}}'),
    ("1e999", b'{"slot":1,"key":"some-key-1","answer":{"ratio":1e999}}'),
    ("-1e999 seconds", b'{"slot":1,"key":"some-key-1","answer":{"grade":1},"seconds":-1e999}'),
    ("a NUL", b'{"slot":1,"key":"some-key-1","answer":{"grade":1},"why":"a\\u0000b"}'),
    ("a lone surrogate", b'{"slot":1,"key":"some-key-1","answer":{"grade":1},"why":"\\ud800"}'),
    ("a surrogate as a key", b'{"\\udfff":1}'),
    ("a control character", b'{"slot":1,"key":"some-key-1","why":"\x01"}'),
    ("slot as text", b'{"slot":"1","key":"some-key-1","answer":{"grade":1}}'),
    ("slot as a fraction", b'{"slot":1.5,"key":"some-key-1","answer":{"grade":1}}'),
    ("slot as true", b'{"slot":true,"key":"some-key-1","answer":{"grade":1}}'),
    ("slot below", b'{"slot":-1,"key":"some-key-1","answer":{"grade":1}}'),
    ("slot beyond", b'{"slot":' + b"9" * 400 + b',"key":"some-key-1","answer":{"grade":1}}'),
    ("slot of 5,000 digits", b'{"slot":' + b"9" * 5000 + b',"key":"some-key-1","answer":{"grade":1}}'),
    ("slot as null", b'{"slot":null,"key":"some-key-1","answer":{"grade":1}}'),
    ("no key", b'{"slot":1,"answer":{"grade":1}}'),
    ("a short key", b'{"slot":1,"key":"k","answer":{"grade":1}}'),
    ("a key with spaces", b'{"slot":1,"key":"some key 12","answer":{"grade":1}}'),
    ("a key as a number", b'{"slot":1,"key":12345678,"answer":{"grade":1}}'),
    ("no answer", b'{"slot":1,"key":"some-key-1"}'),
    ("an answer of nothing", b'{"slot":1,"key":"some-key-1","answer":{}}'),
    ("two answers", b'{"slot":1,"key":"some-key-1","answer":{"grade":1,"ratio":2.0}}'),
    ("a grade of 3", b'{"slot":1,"key":"some-key-1","answer":{"grade":3}}'),
    ("half a grade", b'{"slot":1,"key":"some-key-1","answer":{"grade":0.5}}'),
    ("a grade as text", b'{"slot":1,"key":"some-key-1","answer":{"grade":"1"}}'),
    ("a grade as true", b'{"slot":1,"key":"some-key-1","answer":{"grade":true}}'),
    ("a ratio of nothing", b'{"slot":1,"key":"some-key-1","answer":{"ratio":0}}'),
    ("a ratio below", b'{"slot":1,"key":"some-key-1","answer":{"ratio":-2}}'),
    ("a bet of maybe", b'{"slot":1,"key":"some-key-1","answer":{"less_likely":"maybe"}}'),
    ("a choice of all", b'{"slot":1,"key":"some-key-1","answer":{"choice":["p"]}}'),
    ("a skip of false", b'{"slot":1,"key":"some-key-1","answer":{"skip":false}}'),
    ("another field", b'{"slot":1,"key":"some-key-1","answer":{"grade":1},"judge":"bob"}'),
    ("a reason that is none", b'{"slot":1,"key":"some-key-1","answer":{"grade":1},"why":7}'),
    ("a reason without end", b'{"slot":1,"key":"some-key-1","answer":{"grade":1},"why":"' + b"x" * 4001 + b'"}'),
    ("seconds as text", b'{"slot":1,"key":"some-key-1","answer":{"grade":1},"seconds":"2"}'),
    ("seconds below", b'{"slot":1,"key":"some-key-1","answer":{"grade":1},"seconds":-1}'),
    ("a ratio for a comparison", b'{"slot":1,"key":"some-key-1","answer":{"ratio":2.0}}'),
    ("a choice for a comparison", b'{"slot":1,"key":"some-key-1","answer":{"choice":"p"}}'),
]


def test_there_are_enough_kinds_of_nonsense() -> None:
    assert len(NONSENSE) >= 40
    assert len({raw for _, raw in NONSENSE}) == len(NONSENSE)


@pytest.fixture(scope="module")
def nonsense_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, TestClient, TestClient]]:
    found = Site(tmp_path_factory.mktemp("nonsense"))
    found.mailbox.post([comparison(0)])
    client = found.program("ann")
    assert task(client)["slot"] == 1
    page = found.entered("bob")
    yield found, client, page
    found.run.close()


@pytest.mark.parametrize(("what", "raw"), NONSENSE, ids=[what for what, _ in NONSENSE])
def test_nonsense_is_refused_with_a_message_and_leaves_no_row(
    nonsense_site: tuple[Site, TestClient, TestClient], what: str, raw: bytes
) -> None:
    site, client, page = nonsense_site
    before = kept(site)
    for path in ("/api/answers", "/api/undo", "/api/proposals"):
        answer = client.post(path, content=raw, headers={"content-type": "application/json"})
        assert 400 <= answer.status_code < 500, (path, answer.text)
        assert len(answer.json()["message"]) > 10
        assert "Traceback" not in answer.text
    for path in ("/judge/answer", "/judge/undo", "/judge/draft", "/judge/propose", "/goal"):
        answer = page.post(path, content=raw, headers={"content-type": "application/x-www-form-urlencoded"})
        assert 400 <= answer.status_code < 500, (path, answer.text)
        assert len(answer.text) > 10
    assert kept(site) == before


@pytest.mark.parametrize(
    "form",
    [
        "slot=1&slot=2&key=some-key-1&grade=1",
        "slot=1&key=some-key-1&grade=1&grade=2",
        "slot=1&key=some-key-1&grade=1&ratio=2",
        "slot=%EF%BC%91&key=some-key-1&grade=1",  # a full-width 1
        "slot=1&key=some-key-1&grade=%00",
        "slot=1&key=some-key-1&grade=1&why=%ED%A0%80",  # half a character
        "slot=1&key=some-key-1&ratio=nan",
        "slot=1&key=some-key-1&ratio=inf",
        "slot=1&key=some-key-1&less_likely=maybe",
        "slot=1&key=some-key-1&grade=1&seconds=nan",
        "&".join(f"field{i}=1" for i in range(60)),
    ],
)
def test_a_form_of_nonsense_is_refused_too(nonsense_site: tuple[Site, TestClient, TestClient], form: str) -> None:
    site, _, page = nonsense_site
    before = kept(site)
    answer = page.post("/judge/answer", content=form, headers={"content-type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 422, answer.text
    assert kept(site) == before


def test_a_body_of_another_type_is_refused(site: Site) -> None:
    client = site.program("ann")
    assert client.post("/api/task", content=b"<a/>", headers={"content-type": "text/xml"}).status_code == 415
    assert client.post("/api/answers", data={"slot": "1"}).status_code == 415


def test_a_body_that_lies_about_its_length_is_cut_off(site: Site) -> None:
    client = site.program("ann")

    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b"x" * (LARGEST_BODY // 10)

    assert (
        client.post("/api/answers", content=endless(), headers={"content-type": "application/json"}).status_code == 413
    )


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_no_json_value_breaks_the_reading(nonsense_site: tuple[Site, TestClient, TestClient], value: Any) -> None:
    site, client, _ = nonsense_site
    before = kept(site)
    raw = json.dumps(value).encode("utf-8", "surrogatepass")
    answer = client.post("/api/answers", content=raw, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert kept(site) == before


# --------------------------------------------------------------------------------------------- the same answer again


def test_the_same_answer_sent_a_hundred_times_at_once_is_one_row(site: Site) -> None:
    site.mailbox.post([comparison(i) for i in range(3)])
    client = site.program("ann")
    given_ = body(task(client)["slot"])
    answers: list[Any] = []
    together = [
        threading.Thread(target=lambda: answers.append(client.post("/api/answers", json=given_))) for _ in range(100)
    ]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["again"] for answer in answers) == [False] + [True] * 99
    assert len({answer.json()["task"]["slot"] for answer in answers}) == 1
    assert rows(site, "said") == 1
    other = client.post("/api/answers", json=body(given_["slot"], grade=-1))
    assert (other.status_code, rows(site, "said")) == (409, 1)


# --------------------------------------------------------------------------------------------- guards


def test_a_request_from_another_site_is_refused(site: Site) -> None:
    client = site.entered("ann")
    site.mailbox.post([comparison(0)])
    client.get("/judge")
    form = {"slot": "1", "key": "some-key-1", "grade": "1"}
    for origin in ("http://evil.test", "null", f"https://{HOST}", f"http://{HOST}:81", f"http://{HOST}.evil.test", ""):
        answer = client.post("/judge/answer", data=form, headers={"Origin": origin})
        assert answer.status_code == 403, origin
    del client.headers["Origin"]
    assert client.post("/judge/answer", data=form).status_code == 403
    assert rows(site, "said") == 0


def test_another_host_name_is_refused(site: Site) -> None:
    client = site.client()
    for host in ("evil.test", "evil.test:80", "judge.test.evil.test", "[::1", ""):
        assert client.get("/join", headers={"Host": host}).status_code == 400, host


def test_the_cookie_is_kept_from_scripts_other_sites_and_plain_http(tmp_path: Path, site: Site) -> None:
    token = site.service.people.invite("ann", "judge")
    cookie = site.client().post("/join", data={"token": token}).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert token not in cookie
    behind = Site(tmp_path / "secure")
    object.__setattr__(behind.service, "address", f"https://{HOST}")
    secure = behind.client().post("/join", data={"token": behind.service.people.invite("bob", "judge")})
    assert secure.headers["set-cookie"].startswith("__Host-imitative=")
    assert "Secure" in secure.headers["set-cookie"]
    behind.run.close()


def test_every_answer_has_the_guards_headers(site: Site) -> None:
    client = site.entered("ann")
    for path in ("/", "/join", "/judge", "/static/page.js", "/nothing", "/api/me", "/api/nothing", "/lead"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"]
        assert "server" not in headers


def test_a_wrong_invitation_opens_nothing_and_guessing_is_slowed(site: Site) -> None:
    client = site.client()
    statuses = [client.post("/join", data={"token": f"guess {i}"}).status_code for i in range(30)]
    assert set(statuses[:20]) == {403}
    assert statuses[-1] == 429
    assert not client.cookies


def test_a_caller_who_asks_too_often_waits_and_others_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "time", SimpleNamespace(monotonic=lambda: 0.0))  # however slow the machine is
    site = Site(tmp_path, rate=5.0)
    ann, bob = site.program("ann"), site.program("bob")
    statuses = [ann.get("/api/me").status_code for _ in range(40)]
    assert statuses == [200] * 20 + [429] * 20
    assert bob.get("/api/me").status_code == 200
    site.run.close()


@pytest.mark.parametrize("at_once", [1, 3])
def test_no_more_requests_are_worked_on_at_once_than_were_allowed(site: Site, at_once: int) -> None:
    api, working, most, lock = make_api(site.service, at_once), 0, 0, threading.Lock()

    @api.get("/slow")
    def slow() -> None:
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
        time.sleep(0.05)
        with lock:
            working -= 1

    with TestClient(api) as client:
        together = [threading.Thread(target=client.get, args=("/slow",)) for _ in range(8)]
        for thread in together:
            thread.start()
        for thread in together:
            thread.join()
    assert most == at_once


@pytest.mark.parametrize(
    "name",
    [
        "../secret.png",
        "/etc/passwd",
        "a/../../secret.png",
        "link.png",
        "page.svg",
        "up/secret.png",
        "a\0.png",
        ".",
        "",
        "x" * 5000,
    ],
)
def test_a_picture_cannot_lead_out_of_its_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "pictures"
    (folder / "a").mkdir(parents=True)
    for path in (tmp_path / "secret.png", folder / "page.svg", folder / "a" / "good.png"):
        path.write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "up").symlink_to(tmp_path)
    assert inside(folder, name) is None
    assert inside(folder, "a/good.png") is not None


def test_a_picture_is_shown_to_whoever_is_asked_about_it_alone(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "dog.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    site = Site(tmp_path, folder)
    z, x = "If the dog is large, it is a husky.", {"file": "dog.png"}
    described = {**shown(z, item={"size": "large"}, yes="it is", no="it is not"), "image": "dog.png"}
    site.mailbox.post([Posting(Query(Kind.ANSWER, (z,), x, ("yes", "no")), described)])
    ann, bob = site.entered("ann"), site.entered("bob")
    assert "/judge/picture/1" in ann.get("/judge").text
    assert ann.get("/judge/picture/1").headers["content-type"] == "image/png"
    assert bob.get("/judge/picture/1").status_code == 404
    site.run.close()


# --------------------------------------------------------------------------------------------- what is shown

XSS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    "</textarea><script>alert(1)</script>",
    "{{ 7*7 }}{% raw %}",
    "javascript:alert(1)",
]


@pytest.mark.parametrize("payload", XSS)
def test_what_comes_from_outside_is_shown_as_text(site: Site, payload: str) -> None:
    sides = (f"If {payload}, yes.", f"If {payload}, no.")
    z = Query(Kind.ANSWER, (payload,), {payload: payload}, (payload, "e"))
    site.mailbox.post([Posting(Query(Kind.COMPARE_HYPOTHESES, sides), shown(*sides))])
    page = site.entered("ann").get("/judge").text
    assert payload not in page.replace("{{ 7*7 }}", "") or "<" not in payload
    assert "<script>alert" not in page
    site.mailbox.post([Posting(z, shown(payload, item={payload: payload}, **{"p": payload}))])
    assert "<img src=x" not in site.entered("bob").get("/judge").text


def test_no_number_is_too_large_for_a_database_and_no_address_leads_to_http(tmp_path: Path) -> None:
    site = Site(tmp_path)
    ann = site.entered("ann")
    assert ann.get("/judge/picture/2147483647").status_code == 404
    assert ann.get("/judge/picture/2147483648").status_code == 422  # PostgreSQL's numbers end before it
    assert ann.get("/judge/", follow_redirects=False).status_code == 404
    site.run.close()


def test_markdown_has_no_html_no_pictures_and_no_scripts() -> None:
    text = markdown("**bold** <script>alert(1)</script> [a](javascript:alert(1)) ![p](http://x/y.png) [ok](https://x)")
    assert "<strong>bold</strong>" in text
    assert "<script" not in text
    assert "<img" not in text
    assert 'href="javascript' not in text


def test_all_kinds_are_shown_and_answered_by_form_and_by_program(site: Site) -> None:
    site.mailbox.post(one_of_each())
    said: dict[str, dict[str, Any]] = {
        "compare_hypotheses": {"grade": 2},
        "compare_answers": {"grade": -1},
        "odds": {"ratio": 10.0},
        "bet": {"less_likely": True},
        "answer": {"choice": "p"},
    }
    client = site.program("ann")
    current: dict[str, Any] | None = task(client)
    kinds = []
    while current is not None:
        kinds.append(current["kind"])
        answer = client.post(
            "/api/answers", json=body(current["slot"], f"kind-key-{len(kinds)}", **said[current["kind"]])
        )
        assert answer.status_code == 200
        current = answer.json()["task"]
    assert sorted(kinds) == sorted(said)
    judgements = {j.query.kind.value: j.answer for j in site.service.overview.judgements()}
    assert judgements["bet"] == Answer(less_likely=True)
    assert judgements["answer"] == Answer(choice="p")


def test_the_page_is_answered_by_forms_skipped_and_taken_back(site: Site) -> None:
    site.mailbox.post(one_of_each())
    page = site.entered("ann")
    buttons = {"grade": "1", "ratio": "10.0", "less_likely": "yes", "choice": "p"}
    for i in range(5):
        text = page.get("/judge/next", headers={"HX-Request": "true"}).text
        assert text.startswith('<div id="task"')
        slot = text.split('data-slot="')[1].split('"')[0]
        field = next(name for name in buttons if f'name="{name}"' in text)
        form = {"slot": slot, "key": f"form-key-{i}", field: buttons[field], "seconds": "1.5", "why": "so"}
        if i == 4:
            del form[field]
            form["skip"] = "unclear"
        answer = page.post("/judge/answer", data=form, headers={"HX-Request": "true"})
        assert answer.status_code == 200, answer.text
    assert "Nothing to judge just now" in answer.text
    found = site.service.overview.answers()
    assert [each.why for each in found] == ["so"] * 4 + ["unclear: so"]
    assert found[-1].answer.outcome is Outcome.SKIPPED
    back = page.post("/judge/undo", data={"key": "undo-key-1"}, headers={"HX-Request": "true"})
    assert "You took this answer back" in back.text
    assert len(site.service.overview.answers()) == 4


def test_a_draft_comes_back_and_a_proposal_is_read(site: Site) -> None:
    site.mailbox.post([comparison(0)])
    page = site.entered("ann")
    slot = page.get("/judge").text.split('data-slot="')[1].split('"')[0]
    assert page.post("/judge/draft", data={"slot": slot, "why": "half a thou"}).status_code == 204
    assert "half a thou" in page.get("/judge").text
    good = page.post("/judge/propose", data={"slot": slot, "key": "prop-key-1", "text": "If so, it is.", "wrong": ""})
    assert "under your name" in good.text
    bad = page.post("/judge/propose", data={"slot": slot, "key": "prop-key-2", "text": "So be it.", "wrong": "all"})
    assert "Kept for the lead" in bad.text
    assert [each.text for each in site.mailbox.proposed()] == ["If so, it is."]
    assert [each["wrong"] for each in site.service.overview.proposals()] == ["all", ""]


def test_the_lead_sees_suspends_invites_and_exports(site: Site) -> None:
    site.mailbox.post(one_of_each())
    client = site.program("ann")
    slot = task(client)["slot"]
    client.post("/api/answers", json=body(slot))
    lead = site.entered("lea", "lead")
    page = lead.get("/lead")
    assert page.status_code == 200
    assert "ann" in page.text
    assert "1 answers given" in page.text or 'id="answers-given">1<' in page.text
    archive = zipfile.ZipFile(io.BytesIO(lead.get("/lead/export/jsonl").content))
    name = next(each for each in archive.namelist() if each.endswith(".jsonl"))
    assert json.loads(archive.read(name).splitlines()[0])
    invited = lead.post("/lead/invite", data={"name": "bob", "role": "judge", "program": "no"})
    link = invited.text.split("<code")[1].split(">")[1].split("<")[0]
    assert site.client().post("/join", data={"token": link.split("#")[1]}).status_code == 303
    assert lead.post("/lead/standing", data={"name": "ann", "standing": "suspended", "why": "hasty"}).status_code == 303
    assert client.post("/api/task").status_code == 403
    figures = lead.get("/lead/figures").text
    assert "suspended" in figures
    assert "hasty" in figures
    assert lead.post("/lead/standing", data={"name": "lea", "standing": "revoked"}).status_code == 409
    assert lead.get("/lead/export/pickle").status_code == 404


@pytest.mark.parametrize("overlap", [1, 3])
def test_the_whole_budget_is_so_many_answers_of_so_many_judges_after_one_warm_up(site: Site, overlap: int) -> None:
    site.run.event("people", {"wage": 6.0, "cost": 0.1})
    known = dataclasses.replace(comparison(0), role=Role.WARM_UP, expected=Answer(grade=1))
    site.mailbox.post([known, *(dataclasses.replace(comparison(i), cap=overlap) for i in (1, 2))])
    judge, lead = site.program("ann"), site.entered("lea", "lead")

    def answers(key: str, seconds: float) -> str:
        given = {**body(task(judge)["slot"], key), "seconds": seconds}
        assert judge.post("/api/answers", json=given).status_code in (200, 201)
        time.sleep(leading.FRESH_SECONDS + 0.05)
        return " ".join(lead.get("/lead/figures").text.split())

    assert "for the whole budget" not in answers("the-warm-up", 300.0)
    page = answers("the-first", 60.0)
    assert f"about {5 + site.run.budget * overlap} for the whole budget" in page
    assert f"about {0.6 + 0.2 * site.run.budget * overlap:.2f} for the whole budget" in page


def test_a_round_told_again_after_a_stop_is_shown_once_as_last_told(site: Site) -> None:
    for number, best in ((2, "first"), (3, "second"), (2, "first again"), (3, "second again"), (4, "third")):
        site.run.event("round", {"round": number, "rounds": 9, "asked": 10 * number, "best": best})
    page = site.entered("lea", "lead").get("/lead").text
    assert [page.count(f"<h3>Round {number} ") for number in (1, 2, 3, 4)] == [1, 1, 1, 0]
    assert page.count("again") >= 2
    assert page.index("Round 3 ") < page.index("Round 2 ") < page.index("Round 1 ")


def test_differences_are_of_words_and_what_both_say_comes_last() -> None:
    left, right = compared(
        [{"text": "If the odour is foul, it is poisonous."}, {"text": "Otherwise not."}],
        [{"text": "If the odour is almond, it is poisonous."}, {"text": "Otherwise not."}],
    )
    assert [piece.text for piece in left[0].pieces if piece.new] == ["foul, "]
    assert [piece.text for piece in right[0].pieces if piece.new] == ["almond, "]
    assert left[1].shared
    assert right[1].shared


# --------------------------------------------------------------------------------------------- addresses and logs


def test_hosts_are_those_the_service_was_told_of() -> None:
    assert hosts_of("127.0.0.1", None) >= {"127.0.0.1", "localhost"}
    assert hosts_of(EVERYWHERE[0], "https://judge.example") >= {"judge.example"}
    for host, address in (*((host, None) for host in EVERYWHERE), ("127.0.0.1", "judge.example"), ("h", "https://a/b")):
        with pytest.raises(ValueError, match="--"):
            hosts_of(host, address)


def test_a_log_line_holds_no_token(site: Site) -> None:
    token = site.service.people.invite("ann", "judge")
    for line in (f"GET /join?token={token}", f"Authorization: Bearer {token}", urllib.parse.quote(token)):
        assert token not in redacted(line)
