"""This module makes every error one shape: a problem of RFC 9457."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from indexer import EncoderError, KindredError, NoteNotFoundError, QueryError

MEDIA_TYPE = "application/problem+json"
_SHOWN = 200  # characters of a sentence that a client can make endless


def problem(status: int, detail: str, kind: str | None = None, **more: Any) -> Response:
    """A problem: ``kind`` names what went wrong where the status does not say it all, ``detail`` is one sentence for
    people, ``more`` are members of its own."""
    content = {
        "type": f"urn:problem-type:kindred:{kind}" if kind else "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **more,
    }
    text = json.dumps(content, ensure_ascii=False)
    return Response(text.encode("utf-8", "replace"), status, media_type=MEDIA_TYPE)


def of_error(error: KindredError) -> Response:
    """The problem that an error of the tree is to a client."""
    if isinstance(error, QueryError):
        return problem(400, str(error), "query", column=error.column)
    if isinstance(error, NoteNotFoundError):
        return problem(404, str(error), "note-not-found", nearest=list(error.nearest))
    return problem(503, str(error), "encoder" if isinstance(error, EncoderError) else "index")


def install(app: FastAPI) -> None:
    """Let ``app`` answer every error with a problem."""

    @app.exception_handler(KindredError)
    async def _(request: Request, error: KindredError) -> Response:
        # The frames that it came through hold a snapshot, and on Python 3.10 one of them holds it: a cycle.
        error.__traceback__ = error.__context__ = error.__cause__ = None
        return of_error(error)

    @app.exception_handler(RequestValidationError)
    async def _(request: Request, error: RequestValidationError) -> Response:
        return of_parameters([(str(found["loc"][-1]), found["msg"]) for found in error.errors()])

    @app.exception_handler(HTTPException)
    async def _(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404:
            found = problem(404, f"There is nothing at {request.url.path[:_SHOWN]}.", "no-such-address")
        else:  # 405: the router raises these two alone
            found = problem(error.status_code, "This address answers to GET alone.")
        found.headers.update(error.headers or {})
        return found

    @app.exception_handler(Exception)
    async def _(request: Request, error: Exception) -> Response:
        return problem(500, "Kindred failed; its log says where.")


def of_parameters(wrong: Sequence[tuple[str, str]]) -> Response:
    """The problem with parameters that are not what they should be: their names with a sentence each."""
    errors = [{"parameter": name[:_SHOWN], "problem": sentence[:_SHOWN]} for name, sentence in wrong]
    detail = "; ".join(f"{found['parameter']}: {found['problem']}" for found in errors)
    return problem(422, detail, "parameters", errors=errors)
