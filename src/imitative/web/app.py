"""The app: the routes of judges, leads and programs, their files, and the guards around them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from imitative import __version__
from imitative.errors import InputError
from imitative.store.task import Refused
from imitative.web import judging, leading, programs
from imitative.web.bodies import explained
from imitative.web.pace import AT_ONCE, RATE
from imitative.web.security import Guarded
from imitative.web.service import Service

_log = logging.getLogger("imitative.web")


def make_api(service: Service, at_once: int = AT_ONCE) -> FastAPI:
    """The routes, without the guards: for OpenAPI, and for tests that read the table of routes."""

    @asynccontextmanager
    async def in_turn(_api: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = at_once
        yield

    api = FastAPI(
        title="imitative: a run's judgements",
        version=__version__,
        description="Ask for a query, answer it; lead a run. Send a program's token as `Authorization: Bearer TOKEN`.",
        docs_url=None,  # both of FastAPI's pages load scripts from elsewhere
        redoc_url=None,
        openapi_url="/openapi.json",
        lifespan=in_turn,
        redirect_slashes=False,  # behind a proxy that speaks HTTPS it would send people to http
    )
    api.include_router(judging.router(service))
    api.include_router(leading.router(service))
    api.include_router(programs.router(service))
    api.mount("/static", StaticFiles(directory=Path(str(files("imitative.web").joinpath("static")))), name="static")

    @api.get("/healthz", include_in_schema=False, tags=["open"])
    def healthy() -> Response:
        service.run.read(lambda connection: connection.exec_driver_sql("SELECT 1"))
        return PlainTextResponse("ok")

    api.add_exception_handler(Refused, _refused)
    api.add_exception_handler(InputError, _unavailable)
    api.add_exception_handler(Exception, _broken)
    api.add_exception_handler(RequestValidationError, _invalid)
    api.add_exception_handler(HTTPException, _http)
    _document(api)
    return api


def make_app(service: Service, hosts: frozenset[str], rate: float = RATE, at_once: int = AT_ONCE) -> Guarded:
    """What a server serves.

    Args:
        service: the run's.
        hosts: the names it answers to.
        rate: requests a second from one caller.
        at_once: requests that are worked on at once.
    """
    return Guarded(make_api(service, at_once), hosts, service.secure, rate)


def _document(api: FastAPI) -> None:
    """Say in the schema how programs sign in."""
    plain = api.openapi

    def openapi() -> dict[str, Any]:
        schema = plain()
        schema.setdefault("components", {})["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        schema["security"] = [{"token": []}]
        return schema

    api.openapi = openapi  # type: ignore[method-assign]


def _said(request: Request, status: int, message: str) -> Response:
    if request.url.path.startswith("/api/"):
        headers = {"www-authenticate": "Bearer"} if status == 401 else None
        return JSONResponse({"message": message}, status, headers)
    if status == 401 and request.method == "GET" and request.headers.get("hx-request") != "true":
        return Response(status_code=303, headers={"location": "/join"})
    return PlainTextResponse(message.encode("utf-8", "replace"), status)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return _said(request, error.status, error.message)


async def _unavailable(request: Request, error: Exception) -> Response:
    assert isinstance(error, InputError)
    _log.error("%s", error)
    message = "the database cannot be reached or written just now; nothing that was acknowledged is lost"
    answer = _said(request, 503, f"{message} (found {error.found})")
    answer.headers["retry-after"] = "2"
    return answer


async def _broken(request: Request, error: Exception) -> Response:
    return _said(request, 500, f"something went wrong here ({type(error).__name__}); it has been logged")


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _said(request, 422, explained(error.errors()))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = _said(request, error.status_code, str(error.detail))
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    return answer
