"""The interface for programs: the same desk as the page's, in JSON, with a token in the Authorization header."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel

from imitative.errors import InputError
from imitative.mail import Standing
from imitative.records import Answer, Outcome
from imitative.store.overview import PAGE
from imitative.store.task import Receipt, Refused, Task
from imitative.web.bodies import MOST_ID, InvitationBody, KeyBody, ProposalBody, StandingBody, SubmissionBody
from imitative.web.service import Service, active, leading


class Problem(BaseModel):
    """Why something was refused."""

    message: str


class Me(BaseModel):
    """Who calls."""

    name: str
    role: Literal["judge", "lead"]
    standing: Literal["active", "suspended", "excluded"]
    answered: int


class AnswerShown(BaseModel):
    """What was said; all null for a skip."""

    grade: int | None = None
    ratio: float | None = None
    less_likely: bool | None = None
    choice: str | None = None
    skipped: bool = False


class TaskShown(BaseModel):
    """A query in the caller's hands. Where `swapped`, the second side of `shown` stands first: grade and ratio are of
    the sides in the order they stand in `shown` after swapping.
    """

    slot: int
    kind: Literal["compare_hypotheses", "compare_answers", "odds", "bet", "answer"]
    shown: dict[str, Any]
    answers: list[str]
    heads: int
    swapped: bool
    revision: int


class Next(BaseModel):
    """The query to be judged next; null where there is none now."""

    task: TaskShown | None


class ReceiptShown(BaseModel):
    """What became of an answer, and the next query."""

    kept: Literal["answer", "late"]
    revision: int
    used: bool
    again: bool
    task: TaskShown | None


class Kept(BaseModel):
    """What became of a proposal: whether it is a hypothesis of Z, which joins the search, and how it was read."""

    readable: bool
    said: str


class SaidShown(BaseModel):
    """An answer that stands, of the query as posted."""

    id: int
    query_key: str
    kind: str
    role: str
    judge: str
    answer: AnswerShown
    swapped: bool
    why: str
    seconds: float
    created: str
    revision: int


class SaidPage(BaseModel):
    """Answers in the order given; `next` is the `after` of the next page, null on the last."""

    answers: list[SaidShown]
    next: int | None


class RunShown(BaseModel):
    """How the run goes."""

    problem: str
    budget: int
    used: int
    lacking: int
    held: int
    late: int
    best: str


class Invited(BaseModel):
    """A token, told this once: of a link to the page, or for a program."""

    name: str
    token: str
    link: str | None


_WHEN: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The address or the headers are wrong."},
    401: {"model": Problem, "description": "No token, or one that is unknown, has run out or was revoked."},
    403: {"model": Problem, "description": "Not for this role, or the judge is suspended."},
    404: {"model": Problem, "description": "Nothing of the caller's."},
    409: {"model": Problem, "description": "It conflicts with what is kept; nothing was changed."},
    413: {"model": Problem, "description": "The body is too large."},
    415: {"model": Problem, "description": "The body is not application/json."},
    422: {"model": Problem, "description": "The body is not what it should be."},
    429: {"model": Problem, "description": "Too many requests."},
    503: {"model": Problem, "description": "The database is away or in use; the same request may be sent again."},
}


_ANSWER = {
    "answer": {
        "operationId": "answer",
        "requestBody": {"slot": "$response.body#/task/slot"},
        "description": "Answer the task that came back, where one did.",
    }
}


def router(service: Service) -> APIRouter:
    """The routes under /api."""
    routes = APIRouter(prefix="/api", responses=_WHEN)
    _for_judges(routes, service)
    _for_leads(routes, service)
    return routes


def _for_judges(routes: APIRouter, service: Service) -> None:
    @routes.get("/me", tags=["judge"], summary="Who calls")
    def me(request: Request) -> Me:
        person = service.program(request)
        return Me.model_validate(person._asdict())

    @routes.post(
        "/task", tags=["judge"], summary="The query in hand, or the next free one", responses={200: {"links": _ANSWER}}
    )
    def task(request: Request) -> Next:
        return Next(task=_task(service.judging.claim(active(service.program(request)))))

    @routes.post(
        "/answers", tags=["judge"], summary="Answer the query in hand; the next comes back",
        operation_id="answer", responses={200: {"links": _ANSWER}},
    )  # fmt: skip
    def answer(request: Request, body: SubmissionBody) -> ReceiptShown:
        receipt, following = service.judging.submit(active(service.program(request)), body.submission)
        return _receipt(receipt, following)

    @routes.post(
        "/undo", tags=["judge"], summary="Take back the last answer; its query comes back",
        responses={200: {"links": _ANSWER}},
    )  # fmt: skip
    def undo(request: Request, body: KeyBody) -> Next:
        return Next(task=_task(service.judging.undo(active(service.program(request)), body.key)))

    @routes.post("/proposals", tags=["judge"], summary="Propose a hypothesis, or say what is wrong with one")
    def propose(request: Request, body: ProposalBody) -> Kept:
        person = active(service.program(request))
        read = service.read_or_send_back(body.text)
        service.proposals.propose(person, body.key, body.text, body.wrong, read.readable, body.slot)
        return Kept(readable=read.readable, said=read.said)


def _for_leads(routes: APIRouter, service: Service) -> None:
    @routes.get("/run", tags=["lead"], summary="How the run goes")
    def run(request: Request) -> RunShown:
        leading(service.program(request))
        overview = service.overview
        lacking, held = overview.open()
        stage = overview.stage()
        return RunShown(
            problem=service.run.problem, budget=service.run.budget, used=overview.used(), lacking=lacking, held=held,
            late=overview.late(), best="" if stage is None else str(stage.body.get("best") or ""),
        )  # fmt: skip

    @routes.get("/answers", tags=["lead"], summary="The answers that stand, a page at a time")
    def answers(
        request: Request,
        after: Annotated[int, Query(ge=0, le=MOST_ID)] = 0,
        limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
    ) -> SaidPage:
        leading(service.program(request))
        rows = service.overview.answers(after, limit)
        shown = [SaidShown(**{**row._asdict(), "answer": _answer(row.answer)}) for row in rows]
        return SaidPage(answers=shown, next=rows[-1].id if len(rows) == limit else None)

    @routes.get("/judges", tags=["lead"], summary="Who judges, and how")
    def judges(request: Request) -> list[dict[str, Any]]:
        leading(service.program(request))
        return [each._asdict() for each in service.overview.judges(service.overview.answers())]

    @routes.post("/standing", tags=["lead"], status_code=204, summary="Suspend, exclude, revoke or reinstate a judge")
    def standing(request: Request, body: StandingBody) -> Response:
        person = leading(service.program(request))
        try:
            service.people.stand(body.name, Standing(body.standing), by=person.name, why=body.why)
        except InputError as error:
            raise Refused(409, str(error)) from None
        return Response(status_code=204)

    @routes.post("/invitations", tags=["lead"], summary="Invite somebody")
    def invite(request: Request, body: InvitationBody) -> Invited:
        leading(service.program(request))
        try:
            token = service.people.invite(body.name, body.role, kind="program" if body.program else "invitation")
        except InputError as error:
            raise Refused(409, str(error)) from None
        return Invited(name=body.name, token=token, link=None if body.program else f"{service.address}/join#{token}")


def _task(task: Task | None) -> TaskShown | None:
    if task is None:
        return None
    return TaskShown(
        slot=task.slot, kind=task.kind.value, shown=task.shown, answers=list(task.answers), heads=task.heads,
        swapped=task.swapped, revision=task.revision,
    )  # fmt: skip


def _receipt(receipt: Receipt, following: Task | None) -> ReceiptShown:
    kept: Literal["answer", "late"] = "late" if receipt.kept == "late" else "answer"
    return ReceiptShown(
        kept=kept, revision=receipt.revision, used=receipt.used, again=receipt.again, task=_task(following)
    )


def _answer(answer: Answer) -> AnswerShown:
    return AnswerShown(
        grade=answer.grade, ratio=answer.ratio, less_likely=answer.less_likely, choice=answer.choice,
        skipped=answer.outcome is Outcome.SKIPPED,
    )  # fmt: skip
