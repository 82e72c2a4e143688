"""The lead's page: how the run goes while it goes, who judges and how, and what may be done about it."""

from __future__ import annotations

import io
import tempfile
import threading
import time
import zipfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from imitative.agreement import agreement
from imitative.display import Entry, count, figure, nats, number, of_100, percent
from imitative.errors import InputError
from imitative.exchange.trips import FORMATS, export, judged
from imitative.explained import statements
from imitative.mail import Role, Standing
from imitative.store.overview import JudgeFigures, Overview, Said, by_hour, by_kind
from imitative.store.task import Refused
from imitative.web.bodies import InvitationBody, StandingBody, validated
from imitative.web.differences import compared
from imitative.web.service import Fields, Service

FRESH_SECONDS: Final = 2.0
"""Figures are counted at most so often, however many leads are watching."""
KINDS: Final = {
    "compare_hypotheses": "which of two hypotheses is more plausible",
    "compare_answers": "which of two answers is better",
    "odds": "how many times more plausible",
    "bet": "less likely than heads in a row",
    "answer": "an answer, following a hypothesis",
}
HOURS: Final = 24
SUFFIXES: Final = {"jsonl": ".jsonl", "csv": ".csv", "crowd-kit": ".csv", "summarize-from-feedback": ".jsonl"}
"""What the file of a format is called, where it is not .json."""


def router(service: Service) -> APIRouter:
    """The lead's routes, each with the tag `lead`."""
    routes = APIRouter(include_in_schema=False)
    figures = _Figures(service)

    @routes.get("/lead", tags=["lead"])
    def lead_page(request: Request) -> Response:
        person = service.lead(request)
        return service.page(
            "lead.html", person=person, problem=service.run.problem, title="The run", invitation=None, **figures.now()
        )

    @routes.get("/lead/figures", tags=["lead"])
    def parts(request: Request) -> Response:
        person = service.lead(request)
        return service.page("figures.html", person=person, **figures.now())

    @routes.post("/lead/standing", tags=["lead"])
    def standing(request: Request, fields: Fields) -> Response:
        person = service.lead(request)
        given = validated(StandingBody, fields)
        try:
            service.people.stand(given.name, Standing(given.standing), by=person.name, why=given.why)
        except InputError as error:
            raise Refused(409, str(error)) from None
        figures.forget()
        return RedirectResponse("/lead", 303)

    @routes.post("/lead/invite", tags=["lead"])
    def invite(request: Request, fields: Fields) -> Response:
        person = service.lead(request)
        given = validated(InvitationBody, {**fields, "program": fields.get("program") == "yes"})
        try:
            token = service.people.invite(given.name, given.role, kind="program" if given.program else "invitation")
        except InputError as error:
            raise Refused(409, str(error)) from None
        figures.forget()
        told = {"name": given.name, "program": given.program, "token": token, "link": f"{service.address}/join#{token}"}
        return service.page(
            "lead.html", person=person, problem=service.run.problem, title="The run", invitation=told, **figures.now()
        )

    @routes.get("/lead/export/{name}", tags=["lead"])
    def exported(request: Request, name: str) -> Response:
        service.lead(request)
        if name not in FORMATS:
            raise Refused(404, "there is no such format")
        return _exported(service, name)

    return routes


def _exported(service: Service, name: str) -> Response:
    """A zip of what an export writes: a file or a folder, and what the format cannot hold."""
    archive = io.BytesIO()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / f"{_plain(service.run.problem)}-{name}"
        folder.mkdir()
        found = FORMATS[name]
        suffix = "" if found.folder else SUFFIXES.get(name, ".json")
        try:
            trip = export(judged(service.run), found, folder / f"judgements{suffix}")
        except InputError as error:
            raise Refused(409, f"nothing to export: {error.found}") from None
        (folder / "NOTES.txt").write_text("\n".join([f"{trip.made} judgements", *trip.notes]) + "\n", "utf-8")
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    file.write(path, path.relative_to(scratch).as_posix())
        headers = {"content-disposition": f'attachment; filename="{folder.name}.zip"'}
    return Response(archive.getvalue(), media_type="application/zip", headers=headers)


def _plain(name: str) -> str:
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "-" for letter in name)


class _Figures:
    """Everything the page shows, counted anew when it is older than `FRESH_SECONDS`."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = threading.Lock()
        self._counted = -FRESH_SECONDS
        self._kept: dict[str, Any] = {}

    def forget(self) -> None:
        self._counted = -FRESH_SECONDS

    def now(self) -> dict[str, Any]:
        with self._lock:
            if time.monotonic() - self._counted > FRESH_SECONDS or not self._kept:
                self._kept = _counted(self._service)
                self._counted = time.monotonic()
            return self._kept


def _counted(service: Service) -> dict[str, Any]:
    overview = service.overview
    answers = overview.answers()
    about, rounds, stage = overview.about(), overview.rounds(), overview.stage()
    lacking, held = overview.open()
    used, fitted, left_out = overview.used(), overview.fitted(), overview.left_out()
    judges = overview.judges(answers)
    wage, each_costs = float(about.get("wage") or 0.0), float(about.get("cost") or 0.0)
    minutes = [each.seconds / 60.0 for each in answers]
    money = [spent / 60.0 * wage + each_costs for spent in minutes]
    budget = service.run.budget
    wanted = budget * overview.overlap()
    return {
        "question": about.get("question", ""),
        "stage": _stage(stage, lacking),
        "used": used,
        "budget": budget,
        "lacking": lacking,
        "held": held,
        "answers": len(answers),
        "late": overview.late(),
        "revised": overview.revised(),
        "minutes": sum(minutes),
        "minutes_in_all": _in_all(answers, minutes, wanted),
        "money": sum(money) if wage or each_costs else None,
        "money_in_all": _in_all(answers, money, wanted) if wage or each_costs else None,
        "kinds": [(KINDS.get(kind, kind), n) for kind, n in by_kind(answers).most_common()],
        "most": max(by_kind(answers).values(), default=1),
        "hours": _hours(answers),
        "judges": [_judge(each, fitted.get(each.name), left_out.get(each.name)) for each in judges],
        "rounds": _rounds(rounds),
        "best": str(stage.body.get("best") or "").splitlines() if stage is not None else [],
        "called": _called(stage),
        "prior": _prior(stage),
        "clauses": _clauses(overview.clauses()) if stage is not None and stage.kind == "finished" else [],
        "agreement": _agreement(overview),
        "formats": [(name, each.what) for name, each in FORMATS.items()],
        "of_beliefs": Entry(about.get("space")).text("kind") == "belief",
        "proposals": _scored(overview.proposals(), stage),
        "changes": overview.changes()[:20],
    }


def _in_all(answers: list[Said], spent: list[float], wanted: float) -> float | None:
    """What so many answers to the run's own queries will have taken, with the checks among them; None before the first.

    once + (spent − once)·wanted/asked      once: warm-ups, which a judge is given when they begin and never again
    """
    asked = sum(each.role == Role.ASKED for each in answers)
    once = sum(part for each, part in zip(answers, spent, strict=True) if each.role == Role.WARM_UP)
    return once + (sum(spent) - once) * wanted / asked if asked else None


def _called(stage: Any) -> str:
    """What the best is called, as it stands."""
    if stage is None:
        return "The best hypothesis so far"
    ended = stage.kind == "finished"
    return str(stage.body.get("called") or ("The hypothesis that was found" if ended else "The best hypothesis so far"))


def _prior(stage: Any) -> list[str]:
    """The prior that people's answers have taught so far, where the page shows something else as the best."""
    if stage is None:
        return []
    prior = str(stage.body.get("prior") or "")
    return prior.splitlines() if prior != str(stage.body.get("best") or "") else []


def _clauses(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each clause of z* as the report explains it, with the share of D′ that it decides."""
    run = Entry(told)
    total = run.entry("rows").number("unlabelled")
    found = []
    for said, row in zip(statements(run), (r for r in run.entries("statements") if r.text("text")), strict=True):
        decides = row.number("decides")
        share = None if decides is None or not total else decides / total
        found.append(
            {
                "said": said,
                "decides": count(decides),
                "of": count(total),
                "width": of_100(share),
                "share": percent(share),
            }
        )
    return found


def _scored(proposals: list[Mapping[str, Any]], stage: Any) -> list[dict[str, Any]]:
    """What judges wrote, each with what the run has made of it since."""
    rows = [] if stage is None else Entry(stage.body).entries("written")
    by_id = {row.number("id"): row for row in rows}
    own = None if stage is None else number(stage.body.get("own"))
    return [{**each, "scored": _worth(by_id.get(float(each["id"])), own)} for each in proposals]


def _worth(row: Entry | None, own: float | None) -> dict[str, Any] | None:
    """A belief's score in its parts, beside the run's own; and what it says of each number beside what the data say."""
    if row is None:
        return None
    if row.number("score") is None:
        why = row.text("why") or "it could not be scored"
        return {"why": f"{why[:1].upper()}{why[1:]}.", "figures": [], "says": []}
    figures = (
        ("log prior", "log_prior"),
        ("evidence", "log_likelihood"),
        ("score", "score"),
        ("to the exact posterior", "words_lose"),
    )
    says = [
        {
            "name": each.text("name"),
            "own": _give_or_take(each.number("mean"), each.number("sd")),
            "exact": _give_or_take(each.number("exact_mean"), each.number("exact_sd")),
            "apart": _three(each.number("apart")),
        }
        for each in row.entries("says")
    ]
    told = [(name, nats(row.number(key))) for name, key in figures]
    return {
        "why": "",
        "figures": told + ([("the run’s own score", nats(own))] if own is not None else []),
        "says": says,
    }


def _give_or_take(mean: float | None, sd: float | None) -> str:
    return f"{_three(mean)} ± {_three(sd)}"


def _three(value: float | None) -> str:
    return figure(None if value is None else float(f"{value:.3g}"))


def _agreement(overview: Overview) -> list[dict[str, str]]:
    """The statistics of each kind of query, each a number or the reason why there is none."""
    return [
        {
            "kind": KINDS.get(kind.value, kind.value),
            "shared": f"{found.shared} of {found.units}",
            "alpha": str(found.alpha),
            "kappa": str(found.kappa),
            "ac2": str(found.ac2),
            "undefined": "" if found.shared else "nothing was judged by two yet",
        }
        for kind, found in agreement(overview.judgements()).items()
    ]


_STAGES = {
    "asking": "choosing questions, fitting, searching",
    "auditing": "checking the best hypothesis with fresh judgements",
    "round": "a round is done",
    "answering": "answers on the new questions",
    "measuring": "measuring",
}


def _stage(event: Any, lacking: int) -> str:
    if event is None:
        return "The run has not begun: start it with `imitative run`."
    if event.kind == "finished":
        return "The run is finished."
    if "doing" in event.body:  # a run over beliefs: it has stages, and no rounds
        doing = str(event.body["doing"])
        waits = f"; waiting for {lacking} judgements" if lacking else "; the run is at work"
        return f"{doing[:1].upper()}{doing[1:]}{waits}."
    number = min(int(event.body.get("round", 0)), int(event.body.get("rounds", 0)))
    waits = f"; waiting for {lacking} judgements" if lacking else "; the search is at work"
    stage = _STAGES.get(str(event.body.get("stage")), str(event.body.get("stage")))
    return f"Round {number} of {event.body.get('rounds', 0)}: {stage}{waits}."


def _judge(each: JudgeFigures, fitted: Mapping[str, Any] | None, left_out: str | None) -> dict[str, Any]:
    """How they do by the checks, and by the fit of the run's last round, which nobody else's page has."""
    return {
        **each._asdict(),
        "checks": each.golds + each.repeats,
        "passed": each.gold + each.same,
        "reliability": None if fitted is None else fitted["reliability"],
        "fitted": 0 if fitted is None else fitted["answers"],
        "left_out": left_out,
        "left_share": each.left / each.decided if each.decided else None,
        "one_sided": each.decided >= 12 and abs(each.left / each.decided - 0.5) > 0.3,
        "failing": each.golds >= 3 and each.gold / each.golds < 0.7,
        "hasty": each.answered >= 10 and each.median < 2.0,
    }


def _hours(answers: list[Said]) -> list[dict[str, Any]]:
    """The last hours with anything in them, each with its share of the tallest, of 100."""
    counts = by_hour(answers)
    if not counts:
        return []
    last = max(counts)
    hours = [last - timedelta(hours=back) for back in reversed(range(HOURS))]
    tallest = max(counts.get(hour, 0) for hour in hours)
    return [
        {"at": f"{hour:%d %b %H}:00", "n": counts.get(hour, 0), "height": 100.0 * counts.get(hour, 0) / tallest}
        for hour in hours
    ]


def _rounds(events: list[Any]) -> list[dict[str, Any]]:
    """Each round's z*, with what changed since the one before."""
    found: list[dict[str, Any]] = []
    before: list[dict[str, Any]] = []
    for event in events:
        lines = [{"text": line} for line in str(event.body.get("best", "")).splitlines()]
        gone, now = compared(before, lines)
        found.append(
            {
                "round": len(found) + 1,
                "asked": event.body.get("asked"),
                "lines": now,
                "gone": [line for line in gone if not line.shared],
                "created": event.created,
            }
        )
        before = lines
    return found[::-1]
