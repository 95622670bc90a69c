"""This module puts the server together: the API over one index, behind the guard, counted and compressed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

from indexer import Encoder
from search.server import problems, shapes
from search.server.answering import GENERATION_HEADER, VERSION, Answering
from search.server.guard import Guard, Sealed
from search.server.memory import Remembering
from search.server.metrics import Metrics, Observed
from search.server.page import add_page
from search.server.presence import Introduced
from search.server.routes import api
from search.server.snapshot import Snapshots

if TYPE_CHECKING:
    from indexer import Place

_GZIP_FROM, _GZIP_LEVEL = 1_000, 5  # bytes; higher levels save 2 % and take twice the time


def create_app(
    place: Place,
    host: str = "127.0.0.1",
    token: str | None = None,
    origins: Sequence[str] = (),
    encoder: Encoder | None = None,
    secret: str | None = None,
) -> FastAPI:
    """An application that answers from the newest generation of an index.

    ``host`` is the address that will be bound, see ``Guard``; ``origins`` are the sites whose pages may ask (CORS);
    ``secret`` is that of a ``Presence``.
    Raises IndexStateError where there is no index.
    """
    snapshots = Snapshots(place, encoder)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        snapshots.follow()
        yield
        snapshots.close()

    # No pages of documentation: they would load scripts from a foreign host.
    app = FastAPI(
        title="Kindred",
        summary="Full-text and semantic search over one person's notes, and what is related to each.",
        version=VERSION,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=life,
    )
    answering, metrics = Answering(snapshots), Metrics(snapshots)
    problems.install(app)
    app.include_router(api(answering, metrics))
    add_page(app, snapshots)
    _describe(app, token is not None)
    # The last one added is the first to see a request.
    app.add_middleware(GZipMiddleware, minimum_size=_GZIP_FROM, compresslevel=_GZIP_LEVEL)
    app.add_middleware(Remembering, snapshots=snapshots)
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=["GET"],
            allow_headers=["*"],
            expose_headers=["ETag", GENERATION_HEADER],
        )
    app.add_middleware(Guard, host=host, token=token, origins=origins)
    if secret is not None:
        app.add_middleware(Introduced, snapshots=snapshots, secret=secret)
    app.add_middleware(Sealed)
    app.add_middleware(Observed, metrics=metrics)
    return app


def _describe(app: FastAPI, wants_token: bool) -> None:
    """Complete the OpenAPI description by what FastAPI cannot know: the shape of problems, and the token."""
    described = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = described()
            problem = shapes.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            parts = schema.setdefault("components", {})
            parts["schemas"] |= problem.pop("$defs") | {"Problem": problem}
            if wants_token:
                parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
                schema["security"] = [{"token": []}]
        assert app.openapi_schema is not None  # noqa: S101 - FastAPI has set it; this says so to the type checker
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the way that FastAPI's documentation names
