"""This module adds the page to the server: the pages of the newest generation, and the scripts that they run."""

from __future__ import annotations

import threading
from hashlib import blake2b
from mimetypes import guess_type
from weakref import WeakKeyDictionary

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from search.server.answering import Answering
from search.server.snapshot import Snapshot, Snapshots
from search.site.assets import STATIC, served_files
from search.site.live import LivePages
from search.site.names import page_name
from search.site.pages import VIEWS

# A page runs nothing but our own files, asks nobody but us, and is shown in nobody's frame; the guard adds the rest.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_SECURED = {
    "content-security-policy": _POLICY,
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
_HTML = "text/html; charset=utf-8"


class _Missing(Exception):
    """There is no such page; ``body`` says so."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.body = body


class _Shown:
    """The pages of every snapshot that is in use; they go when it goes."""

    def __init__(self) -> None:
        self._pages: WeakKeyDictionary[Snapshot, LivePages] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def html(self, snapshot: Snapshot, path: str) -> bytes:
        """The page at ``path``.  Raises _Missing."""
        with self._lock:
            pages = self._pages.get(snapshot)
            if pages is None:
                pages = self._pages[snapshot] = LivePages(snapshot.searcher)
        text = pages.page(path)
        if text is None:
            raise _Missing(pages.missing(path).encode("utf-8", "replace"))
        return text.encode("utf-8", "replace")


def add_page(app: FastAPI, snapshots: Snapshots) -> None:
    """Let ``app`` show the pages of ``search.site``, at the addresses that an exported site has."""
    # Workers of its own: a map that is being drawn holds up no search.
    answering, shown = Answering(snapshots), _Shown()

    async def page(request: Request, path: str) -> Response:
        try:
            response = await answering(request, lambda snapshot: shown.html(snapshot, path), _HTML)
        except _Missing as missing:
            missing.__traceback__ = None  # its frames hold the snapshot, and one of them holds it: a cycle
            response = Response(missing.body, 404, {"cache-control": "no-store"}, _HTML)
        response.headers.update(_SECURED)
        return response

    @app.get("/", include_in_schema=False)
    async def home(request: Request) -> Response:
        return await page(request, VIEWS[0][0])

    def add_view(path: str) -> None:
        @app.get(f"/{path}", include_in_schema=False)
        async def view(request: Request) -> Response:
            return await page(request, path)

    for path, _ in VIEWS:
        add_view(path)

    @app.get("/topics/{name}", include_in_schema=False)
    async def topic(request: Request, name: str) -> Response:
        return await page(request, f"topics/{name}")

    @app.get("/notes/", include_in_schema=False)
    async def note_of(id: str) -> Response:
        return Response(status_code=307, headers={"location": f"{page_name(id)}.html", **_SECURED})

    @app.get("/notes/{name}", include_in_schema=False)
    async def note(request: Request, name: str) -> Response:
        return await page(request, f"notes/{name}")

    files = {name: (STATIC / name).read_bytes() for name in served_files()}

    @app.get("/assets/{name}", include_in_schema=False)
    async def asset(request: Request, name: str) -> Response:
        body = files.get(name)
        if body is None:
            raise HTTPException(404)
        headers = {"etag": f'W/"{blake2b(body, digest_size=9).hexdigest()}"', "cache-control": "no-cache", **_SECURED}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(body, 200, headers, guess_type(name)[0])
