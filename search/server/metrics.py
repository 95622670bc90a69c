"""This module counts and times requests in Prometheus's format, and writes a line of log for each."""

from __future__ import annotations

import json
import logging
import time
from datetime import datetime, timezone

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from search.server.snapshot import LOG, Snapshots

# Bounds in seconds: a remembered answer takes less than a millisecond, words a few, meaning tens.
_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)


class Metrics:
    """What one server counts.  Routes are named by their patterns, so that no client can make up new series."""

    def __init__(self, snapshots: Snapshots) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._snapshots = snapshots
        self.in_progress = Gauge(
            "kindred_requests_in_progress", "Requests that wait for an answer.", registry=self.registry
        )
        self.requests = Counter("kindred_requests", "Requests answered.", ["route", "status"], registry=self.registry)
        self.seconds = Histogram(
            "kindred_request_seconds", "Time to an answer.", ["route"], registry=self.registry, buckets=_BUCKETS
        )
        self.generation = Gauge(
            "kindred_generation_info", "The generation that answers.", ["generation"], registry=self.registry
        )
        notes = Gauge("kindred_notes", "Notes in the index.", registry=self.registry)
        notes.set_function(lambda: len(snapshots.current.searcher.index))

    def text(self) -> bytes:
        """Every figure, in Prometheus's text format."""
        self.generation.clear()
        self.generation.labels(self._snapshots.current.generation).set(1)
        return generate_latest(self.registry)


class Observed:
    """An application whose requests are counted, timed and logged, HEAD as GET."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, size, started = 500, 0, time.perf_counter()

        async def counted(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                size += len(message.get("body", b""))
            await send(message)

        self._metrics.in_progress.inc()
        if scope["method"] == "HEAD":  # what GET would say; the server that sends it leaves the body out
            scope = {**scope, "method": "GET"}
        try:
            await self._app(scope, receive, counted)
        finally:
            self._metrics.in_progress.dec()
            took = time.perf_counter() - started
            route = getattr(scope.get("route"), "path_format", "other")
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(took)
            if LOG.isEnabledFor(logging.INFO):
                # Without the query: what a person asks the notes is nobody's business.
                facts = {"method": scope["method"], "path": scope["path"], "status": status, "bytes": size}
                LOG.info("request", extra={"facts": {**facts, "ms": round(took * 1000, 1)}})


class JsonLines(logging.Formatter):
    """A record as one JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """See ``logging.Formatter``."""
        moment = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        line = {"time": moment, "level": record.levelname.lower(), "event": record.getMessage()}
        line |= getattr(record, "facts", {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True)


class PlainLines(logging.Formatter):
    """A record as a line for people."""

    def format(self, record: logging.LogRecord) -> str:
        """See ``logging.Formatter``."""
        facts = getattr(record, "facts", None)
        if facts is not None:
            return "{status} {ms:7.1f} ms {bytes:8,} B  {method} {path}".format(
                **facts | {"path": ascii(facts["path"])[1:-1]}
            )
        traceback = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        return f"kindred: {record.getMessage()}{traceback}"
