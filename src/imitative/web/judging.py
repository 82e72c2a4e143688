"""The judge's page: come in, warm up, judge, take back, propose.

Every page works as a whole and as the part that htmx puts in its place; what changes something is a form of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from imitative.display import Entry
from imitative.mail import Person, Role
from imitative.records import GRADES, Answer, Kind
from imitative.store.people import DAY, SESSION_DAYS
from imitative.store.task import Receipt, Refused, Task
from imitative.web.bodies import (
    DraftBody,
    GoalBody,
    JoinBody,
    KeyBody,
    ProposalBody,
    submission_of,
    validated,
    whole,
)
from imitative.web.curves import Pictures, pictures
from imitative.web.differences import alone, compared
from imitative.web.service import Fields, Service, new_key

RATIOS: Final = (1000, 300, 100, 30, 10, 5, 2)
"""The labelled scale of odds, each side of even; the simulated person's too."""
PICTURES: Final = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
"""SVG is none of them: it can hold scripts."""
SKIPS: Final = {
    "unclear": "I do not understand it",
    "unsure": "I do not know enough to say",
    "nonsense": "It makes no sense",
    "other": "Another reason",
}


def router(service: Service) -> APIRouter:
    """The judge's routes. Each tells by its tag who may use it: `open` to anybody, `judge` to judges and leads."""
    routes = APIRouter(include_in_schema=False)
    _entrance(routes, service)
    _judging(routes, service)
    return routes


def _entrance(routes: APIRouter, service: Service) -> None:
    @routes.get("/", tags=["open"])
    def home(request: Request) -> Response:
        person = service.visitor(request)
        if person is None:
            return RedirectResponse("/join", 303)
        return RedirectResponse("/lead" if person.leads else "/welcome" if not person.answered else "/judge", 303)

    @routes.get("/join", tags=["open"])
    def join_page() -> Response:
        return service.page("join.html", problem=service.run.problem, wrong=False, title="Come in")

    @routes.post("/join", tags=["open"])
    def join(request: Request, fields: Fields) -> Response:
        token = validated(JoinBody, fields).token
        session = service.people.enter(token.strip())
        if session is None:
            return service.page("join.html", 403, problem=service.run.problem, wrong=True, title="Come in")
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            service.cookie, session, max_age=int(SESSION_DAYS * DAY), path="/", secure=service.secure, httponly=True,
            samesite="strict",
        )  # fmt: skip
        return answer

    @routes.post("/leave", tags=["judge"])
    def leave(request: Request) -> Response:
        service.person(request)
        token = service.token(request)
        if token is not None:
            service.people.leave(token)
        answer = RedirectResponse("/join", 303)
        answer.delete_cookie(service.cookie, path="/", secure=service.secure, httponly=True, samesite="strict")
        return answer

    @routes.get("/welcome", tags=["judge"])
    def welcome(request: Request) -> Response:
        person = service.person(request)
        about = service.overview.about()
        return service.page(
            "welcome.html",
            person=person,
            problem=service.run.problem,
            question=about.get("question", ""),
            belief=_of_beliefs(about),
            instructions=markdown(str(about.get("instructions", ""))),
            title="Before you begin",
        )

    @routes.post("/goal", tags=["judge"])
    def goal(request: Request, fields: Fields) -> Response:
        person = service.person(request)
        text = fields.get("goal", "")
        service.people.set_goal(person, validated(GoalBody, {**fields, "goal": whole(text, "goal")}).goal)
        return RedirectResponse("/judge", 303)


def _judging(routes: APIRouter, service: Service) -> None:
    @routes.get("/judge", tags=["judge"])
    def judge_page(request: Request) -> Response:
        person = service.person(request)
        if not person.judges:
            return service.page("paused.html", person=person, problem=service.run.problem, title="Paused")
        task = service.judging.claim(person)
        return _shown(service, request, person, task, None)

    @routes.get("/judge/next", tags=["judge"])
    def following(request: Request) -> Response:
        person = service.judge(request)
        return _shown(service, request, person, service.judging.claim(person), None)

    @routes.post("/judge/answer", tags=["judge"])
    def answer(request: Request, fields: Fields) -> Response:
        person = service.judge(request)
        receipt, task = service.judging.submit(person, submission_of(fields))
        if not _htmx(request):
            return RedirectResponse("/judge", 303)
        return _shown(service, request, person, task, receipt)

    @routes.post("/judge/undo", tags=["judge"])
    def undo(request: Request, fields: Fields) -> Response:
        person = service.judge(request)
        task = service.judging.undo(person, validated(KeyBody, fields).key)
        if not _htmx(request):
            return RedirectResponse("/judge", 303)
        return _shown(service, request, person, task, None)

    @routes.post("/judge/draft", tags=["judge"])
    def keep(request: Request, fields: Fields) -> Response:
        person = service.judge(request)
        given = validated(DraftBody, {**fields, "slot": whole(fields.get("slot", ""), "slot")})
        service.judging.keep_draft(person, given.slot, given.model_dump(exclude={"slot"}, exclude_defaults=True))
        return Response(status_code=204)

    @routes.post("/judge/propose", tags=["judge"])
    def propose(request: Request, fields: Fields) -> Response:
        person = service.judge(request)
        slot = fields.get("slot", "")
        body = {**fields, "slot": whole(slot, "slot") if slot else None}
        given = validated(ProposalBody, body)
        read = service.read_or_send_back(given.text)
        service.proposals.propose(person, given.key, given.text, given.wrong, read.readable, given.slot)
        written = bool(given.text.strip())
        return service.page(
            "proposed.html",
            belief=bool(_of_beliefs(service.overview.about())),
            read=read,
            written=written,
            text=given.text,
            wrong=given.wrong,
            key=new_key(),
            slot=given.slot,
        )

    @routes.get("/judge/picture/{slot}", tags=["judge"])
    def picture(request: Request, slot: str) -> Response:
        person = service.judge(request)
        return _picture(service, service.judging.in_hand(person, whole(slot, "slot")))


def _of_beliefs(about: Mapping[str, Any]) -> list[dict[str, str]]:
    """The numbers that a run's beliefs speak of; none where its hypotheses are no beliefs."""
    space = about.get("space")
    if not isinstance(space, Mapping) or space.get("kind") != "belief":
        return []
    rows = [{**each, "about": each.get("sentence", "")} for each in space.get("parameters", [])]
    return _parameters({"parameters": rows})


def _htmx(request: Request) -> bool:
    return request.headers.get("hx-request") == "true"


def _shown(
    service: Service, request: Request, person: Person, task: Task | None, receipt: Receipt | None
) -> HTMLResponse:
    """The task as a part of the page, or the whole page around it."""
    given, seconds = service.judging.sitting(person, _today())
    values: dict[str, Any] = {
        "person": person,
        "given": given,
        "minutes": seconds / 60.0,
        "left": max(0.0, (person.goal - given) * (seconds / given if given else 30.0) / 60.0),
        "task": task,
        "view": None if task is None else view(task),
        "receipt": receipt,
        "told": told(receipt),
        "key": new_key(),
        "undo_key": new_key(),
        "proposal_key": new_key(),
        "skips": SKIPS,
    }
    if _htmx(request):
        return service.page("task.html", **values)
    return service.page("judge.html", problem=service.run.problem, title="Judge", **values)


def _today() -> str:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0).isoformat(timespec="milliseconds")


_EXPLAINED = {
    True: "Right. That is what it says.",
    False: "Not quite: look again at what it says.",
}


def told(receipt: Receipt | None) -> str:
    """What a judge is told of the answer they just gave; '' for nothing out of the ordinary."""
    if receipt is None:
        return ""
    if receipt.kept == "late":
        return "Somebody else was given that question while you were away. Your answer is kept, but not counted."
    if receipt.right is not None:
        right = "" if receipt.right or receipt.expected is None else f" {_right(receipt.expected)}"
        return _EXPLAINED[receipt.right] + right
    if receipt.used:
        return "Kept. The search had already used your first answer; this one stands beside it."
    return ""


def _right(expected: Answer) -> str:
    if expected.choice is not None:
        return "The answer that it gives was another."
    if expected.grade == 0:
        return "The two said the same, so neither is better."
    return f"The {'first' if (expected.grade or 0) > 0 else 'second'} was the better one."


_ASKS = {
    Kind.COMPARE_HYPOTHESES: "Which is more plausible?",
    Kind.COMPARE_ANSWERS: "Which answer is better, given these instructions?",
    Kind.ODDS: "How many times more plausible?",
    Kind.BET: "Is this less likely than {heads} heads in a row?",
    Kind.ANSWER: "Answer this, following the instructions.",
}
_HINTS = {
    Kind.COMPARE_HYPOTHESES: "Go by what you know of the world, not by what you have seen here.",
    Kind.COMPARE_ANSWERS: "Go by the instructions alone, even where you would say otherwise.",
    Kind.ODDS: "If you had to bet on one of the two, at what odds?",
    Kind.BET: "A fair coin, tossed {heads} times, shows heads every time with a chance of 1 in {chance}.",
    Kind.ANSWER: "Go by the instructions alone; what bears on the question comes first.",
}
_ASKS_OF_BELIEFS = {
    Kind.COMPARE_ANSWERS: "Which number fits this belief better?",
    Kind.BET: "Is this belief less likely than {heads} heads in a row?",
}
_HINTS_OF_BELIEFS = {
    Kind.COMPARE_ANSWERS: "Go by the belief alone, even where you would say otherwise.",
}
LOOKS: Final = "Which looks more plausible?"
LOOKS_HINT: Final = (
    "Each picture is what one belief expects. Go by what you know of the world, not by what you have seen here."
)


def view(task: Task) -> dict[str, Any]:
    """What the template shows of a task: sides in the judge's order, differences marked, buttons with their keys."""
    sides = [list(lines) for lines in task.shown.get("hypotheses", [])]
    answers = [(name, task.shown.get("answers", {}).get(name, name)) for name in task.answers]
    words = {"heads": task.heads, "chance": f"{2**task.heads:,}"}
    two = task.kind in (Kind.COMPARE_HYPOTHESES, Kind.ODDS)
    if two:
        sides = [*sides, [], []][:2]  # a posting by another program may show less than it asks
        if task.swapped:
            sides.reverse()
        first, second = compared(*sides)
        shown = [first, second]
    else:
        shown = [alone(lines) for lines in sides]
        if task.kind is Kind.COMPARE_ANSWERS and task.swapped:
            answers.reverse()
    heads = "heads" if task.heads != 1 else "head"
    belief = task.shown.get("space") == "belief"
    drawn = pictures(task.shown.get("consequences"), task.swapped) if two else None
    asks, hint = _asked(task.kind, belief, drawn)
    return {
        "asks": asks.format(**words).replace("1 heads in a row", "one head in one toss"),
        "hint": hint.format(**words).replace("tossed 1 times, shows heads every time", "tossed once, shows heads"),
        "belief": belief,
        "pictures": drawn,
        "parameters": _parameters(task.shown) if belief else [],
        "example": _written_example(task.shown) if belief else "",
        "heads": heads,
        "question": task.shown.get("asks", ""),
        "item": task.shown.get("item"),
        "picture": f"/judge/picture/{task.slot}" if task.shown.get("image") else None,
        "sides": shown,
        "compares": two,
        "answers": answers,
        "buttons": _buttons(task, answers),
        "long": max((len(lines) for lines in shown), default=0) > 8 and not (drawn is not None and drawn.first),
        "edit": "\n".join(str(line["text"]) for line in sides[0]) if sides else "",
        "check": task.role in (Role.WARM_UP,),
        "before": task.before,
        "revision": task.revision,
    }


def _asked(kind: Kind, belief: bool, drawn: Pictures | None) -> tuple[str, str]:
    """What is asked, and by what it is to be judged."""
    if drawn is not None and drawn.first:
        return LOOKS, LOOKS_HINT
    asks, hint = _ASKS[kind], _HINTS[kind]
    return (_ASKS_OF_BELIEFS.get(kind, asks), _HINTS_OF_BELIEFS.get(kind, hint)) if belief else (asks, hint)


def _parameters(shown: Mapping[str, Any]) -> list[dict[str, str]]:
    """The numbers that a belief speaks of: what each is called, and what it is."""
    found = []
    for each in Entry(shown).entries("parameters"):
        unit = f"({each.text('unit')})" if each.text("unit") else ""
        about = " ".join(part for part in (each.text("about"), unit) if part)
        if each.text("name"):
            found.append({"name": each.text("name"), "about": about})
    return found


def _written_example(shown: Mapping[str, Any]) -> str:
    """How a sentence about the first of them is written."""
    names = [each["name"] for each in _parameters(shown)]
    return f"{names[0]} is between 2 and 3, most likely 2.4" if names else ""


def _buttons(task: Task, answers: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """The answers that may be given, in order: the field, its value, what it is called, its key."""
    before = task.before
    if task.kind in (Kind.COMPARE_HYPOTHESES, Kind.COMPARE_ANSWERS):
        names = ("A, by far", "A, slightly", "Neither", "B, slightly", "B, by far")
        return [
            _button("grade", grade, name, key, before is not None and before.grade == grade, "tie" if not grade else "")
            for grade, name, key in zip(reversed(GRADES), names, ("1", "2", "3 0", "4", "5"), strict=True)
        ]
    if task.kind is Kind.ODDS:
        return _scale(before)
    if task.kind is Kind.BET:
        said = None if before is None else before.less_likely
        return [
            _button("less_likely", "yes", "Yes, less likely than that", "1", said is True),
            _button("less_likely", "no", "No, at least as likely", "2", said is False),
        ]
    keys = ("1", "2", "3", "4", "5")
    return [
        _button("choice", name, spoken, keys[i] if i < len(keys) else "", before is not None and before.choice == name)
        for i, (name, spoken) in enumerate(answers)
    ]


def _scale(before: Answer | None) -> list[dict[str, Any]]:
    keys = {("A", 100): "1", ("A", 10): "2", ("B", 10): "4", ("B", 100): "5"}
    said = None if before is None else before.ratio
    first = [
        _button("ratio", float(n), f"{n}×", keys.get(("A", n), ""), said == n, "first", "A is more plausible:")
        for n in RATIOS
    ]
    even = _button("ratio", 1.0, "Equally plausible", "3 0", said == 1.0, "tie")
    second = [
        _button(
            "ratio",
            1.0 / n,
            f"{n}×",
            keys.get(("B", n), ""),
            said == 1.0 / n,
            "second",
            "B is more plausible:",
        )
        for n in reversed(RATIOS)
    ]
    return [*first, even, *second]


def _button(
    field: str, value: object, name: str, presses: str, chosen: bool, group: str = "", label: str = ""
) -> dict[str, Any]:
    shown = presses.split(" ")[0]
    return {
        "field": field,
        "value": str(value),
        "name": name,
        "presses": presses,
        "key": shown,
        "chosen": chosen,
        "group": group,
        "label": label,
    }


def markdown(text: str) -> str:
    """Markdown as HTML, in which any HTML is only text; pictures, which would be fetched, are left out."""
    from markdown_it import MarkdownIt

    return str(MarkdownIt("commonmark", {"html": False}).disable("image").render(text))


def _picture(service: Service, shown: dict[str, Any]) -> Response:
    """A picture from the folder, and from nowhere else."""
    name = shown.get("image")
    if service.images is None or not isinstance(name, str):
        raise Refused(404, "there is no picture")
    path = inside(service.images, name)
    if path is None:
        raise Refused(404, "there is no such picture in the folder")
    return FileResponse(
        path, media_type=PICTURES[path.suffix.lower()], headers={"cache-control": "private, max-age=3600"}
    )


def inside(folder: Path, name: str) -> Path | None:
    """The picture of that name within the folder; None for anything else, links that lead out of it included."""
    if "\0" in name:
        return None
    try:
        root = folder.resolve(strict=True)
        path = (root / name).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        return None
    good = path.is_relative_to(root) and path.is_file() and path.suffix.lower() in PICTURES
    return path if good else None


__all__ = ["inside", "markdown", "router", "told", "view"]
