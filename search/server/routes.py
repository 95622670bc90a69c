"""This module is the API: its addresses, their parameters, and what each answers with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse

from search.hits import Mode
from search.server import answers, shapes
from search.server.answering import GENERATION_HEADER, VERSION, Answering, as_json
from search.server.answers import Asked
from search.server.freshness import Freshness
from search.server.metrics import Metrics
from search.server.problems import MEDIA_TYPE, problem
from search.server.snapshot import Snapshot

LONGEST = 1_000  # characters of a query
MOST = 100  # hits of one answer

Text = Annotated[str, Query(max_length=LONGEST, description="A query, in the grammar of kindred search.")]
Count = Annotated[int, Query(ge=1, le=MOST, description="How many at most.")]
Names = Annotated[list[Annotated[str, Query(max_length=200)]], Query(max_length=10)]

_PROBLEMS = {
    304: "Not changed since the answer whose ETag the client has.",
    400: "The query breaks the grammar; column says where.",
    401: "The token is missing or wrong.",
    403: "A page of another site asks.",
    404: "No note has this id; nearest holds ids that look like it.",
    413: "The request has a body.",
    414: "The query string is too long.",
    421: "The Host is not a name of this machine.",
    422: "A parameter is unknown or not what it should be.",
    503: "The index or its encoder cannot be used.",
}
_ALWAYS = (401, 403, 413, 414, 421, 422, 503)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of the statuses that an address can answer with beside 200."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    found: dict[int | str, dict[str, Any]] = {}
    for status in sorted({*statuses, *_ALWAYS}):
        found[status] = {"description": _PROBLEMS[status]}
        if status != 304:
            found[status]["content"] = content
    return found


async def known_parameters_alone(request: Request) -> None:
    """Refuse parameters that the address does not know: a misspelt one must not be left out in silence."""
    known = {parameter.alias for parameter in request.scope["route"].dependant.query_params}
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        wrong = [{"loc": ("query", name), "msg": f"is not one of: {', '.join(sorted(known))}"} for name in unknown]
        raise RequestValidationError(wrong)


def api(answering: Answering, metrics: Metrics) -> APIRouter:
    """Every address of the API."""
    router = APIRouter(dependencies=[Depends(known_parameters_alone)])
    freshness = Freshness()
    snapshots = answering.snapshots

    async def answer(request: Request, make: Callable[[Snapshot], Any], query: str = "") -> Response:
        # Prefixes and fuzzy words are held against every word of the notes; no plain question waits for them.
        dear = "*" in query or "~" in query
        return await answering(request, lambda snapshot: as_json(make(snapshot)), dear=dear)

    @router.get("/api/search", response_model=shapes.Found, responses=documented(304, 400), tags=["search"])
    async def search(
        request: Request,
        q: Text,
        k: Count = 10,
        mode: Mode = "hybrid",
        topic: Names = [],  # noqa: B006 - FastAPI copies defaults
        tag: Names = [],  # noqa: B006
        explain: bool = False,
        typing: bool = False,
    ) -> Response:
        """The best notes for a query, by words and by meaning; topic and tag narrow it, each to one of those named;
        an empty topic is that of notes without one.

        With typing, the last word may be unfinished."""
        asked = Asked(q, k, mode, topic, tag, explain, typing)
        return await answer(request, lambda snapshot: answers.found(snapshot.searcher, asked), q)

    @router.get("/api/suggest", response_model=shapes.Suggested, responses=documented(304, 400), tags=["search"])
    async def suggest(request: Request, q: Text, k: Annotated[int, Query(ge=1, le=MOST)] = 5) -> Response:
        """What the unfinished last word of a query may become, and how a misspelt query was meant."""
        return await answer(request, lambda snapshot: answers.suggested(snapshot.searcher, q, k), q)

    @router.get("/api/why", response_model=shapes.Why, responses=documented(304, 400, 404), tags=["search"])
    async def why(request: Request, q: Text, note: Annotated[str, Query(max_length=LONGEST)]) -> Response:
        """Why a note (an id, or a title) stands where it stands in the answer to a query."""
        return await answer(request, lambda snapshot: answers.why(snapshot.searcher, q, note), q)

    @router.get("/api/notes", response_model=shapes.Notes, responses=documented(304), tags=["notes"])
    async def notes(
        request: Request,
        offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    ) -> Response:
        """All notes, a page at a time, in their order."""
        return await answer(request, lambda snapshot: answers.notes(snapshot.searcher, offset, limit))

    async def note_alone(request: Request, note_id: str) -> Response:
        return await answer(request, lambda snapshot: answers.note(snapshot.searcher, note_id))

    @router.get(
        "/api/notes/{note_id:path}/related",
        response_model=shapes.Related,
        responses=documented(304, 404),
        tags=["notes"],
    )
    async def related(request: Request, note_id: str, k: Count = 10, explain: bool = False) -> Response:
        """The notes related to a note (an id, or a title), best first; those no nearer than many a random pair of notes
        are left out."""
        if request.scope.get("raw_path", b"").upper().endswith(b"%2FRELATED"):  # the end of an id, not of the address
            return await note_alone(request, f"{note_id}/related")
        return await answer(request, lambda snapshot: answers.related(snapshot.searcher, note_id, k, explain))

    @router.get("/api/notes/{note_id:path}", response_model=shapes.Note, responses=documented(304, 404), tags=["notes"])
    async def note(request: Request, note_id: str) -> Response:
        """A note (an id, or a title) in full.  A slash in an id may be written as %2F, and must where /related ends
        it."""
        return await note_alone(request, note_id)

    @router.get("/api/topics", response_model=shapes.Topics, responses=documented(304), tags=["notes"])
    async def topics(request: Request) -> Response:
        """Topics with how many notes each has, in the order of their first note."""
        return await answer(request, lambda snapshot: answers.topics(snapshot.facts))

    @router.get("/api/info", response_model=shapes.Info, responses=documented(), tags=["server"])
    async def info() -> Response:
        """What the index holds, what it was built from and with, and which notes changed since."""
        snapshot = snapshots.current
        fresh = await answering.off_loop(lambda: freshness.of(snapshot), slow=True)
        facts = await answering.off_loop(lambda: snapshot.facts)
        record = {**facts, "freshness": fresh, "problem": snapshots.problem or snapshots.lack}
        return _now(record, snapshot.generation)

    @router.get("/api/health", response_model=shapes.Health, responses=documented(), tags=["server"])
    async def health() -> Response:
        """Whether the server runs."""
        return _now({"status": "ok", "version": VERSION})

    @router.get("/api/ready", response_model=shapes.Ready, responses=documented(), tags=["server"])
    async def ready() -> Response:
        """Whether it answers from the newest generation, by words and by meaning."""
        if snapshots.problem is not None:
            return problem(503, snapshots.problem, "index")
        if snapshots.lack is not None:
            return problem(503, snapshots.lack, "encoder")
        generation = snapshots.current.generation
        return _now({"status": "ready", "generation": generation}, generation)

    @router.get("/metrics", response_class=PlainTextResponse, responses=documented(), tags=["server"])
    async def figures() -> Response:
        """Figures for Prometheus."""
        return PlainTextResponse(metrics.text(), media_type="text/plain; version=1.0.0")

    return router


def _now(record: Any, generation: str | None = None) -> Response:
    """An answer that holds for this moment."""
    headers = {"cache-control": "no-store"} | ({GENERATION_HEADER: generation} if generation else {})
    return Response(as_json(record), headers=headers, media_type="application/json")
