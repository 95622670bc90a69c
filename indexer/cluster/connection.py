"""This module keeps a connection to an engine, repeats what can be repeated, and ends every call in time."""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from indexer.cluster.address import Address
from indexer.cluster.troubles import problem_of
from indexer.errors import ClusterError

if TYPE_CHECKING:
    from pymilvus import MilvusClient

T = TypeVar("T")

_CONNECT = 10.0  # seconds in which an engine must say that it is there
# Milliseconds between two signs of life.  pymilvus's own 10 s are too often for a server with gRPC's defaults, which
# hangs up ("too many pings") where they come more often than every 5 minutes.
_PING = 360_000
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0  # seconds before a call is repeated, at most; twice as many each time


class Connection:
    """A connection to the engine at an address, opened by the first call; safe to share between threads."""

    def __init__(self, address: Address, deadline: float) -> None:
        self.address = address
        self._deadline = deadline
        self._lock = Lock()
        self._client: MilvusClient | None = None
        self._was_there = False

    def ask(self, call: Callable[[MilvusClient, float], T], deadline: float | None = None) -> T:
        """What ``call`` gives, made with the seconds that are left to it.  Raises ClusterError.

        What finds the engine busy, or away though it was there, is repeated until the deadline, each time after a pause
        chosen at random up to a limit that doubles (full jitter: Brooker 2015, "Exponential Backoff And Jitter").
        An engine that was never reached is away at once.
        """
        ends = time.monotonic() + (deadline or self._deadline)
        pause = _FIRST_PAUSE
        loaded = False
        while True:
            client = None
            try:
                client = self._connected(ends - time.monotonic())
                return call(client, max(ends - time.monotonic(), 0.1))
            except ClusterError:
                raise
            except Exception as error:
                found = problem_of(self.address, error)
                if found.reason == "unloaded" and client is not None and not loaded:
                    loaded = True
                    self._load(client, ends)
                    continue
                wait = random.uniform(0, pause)  # noqa: S311 - no secret
                repeated = found.reason == "busy" or (found.reason == "away" and self._was_there)
                if not repeated or time.monotonic() + wait >= ends:
                    raise found from error
                if found.reason == "away":
                    self._give_up(client)
                time.sleep(wait)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def close(self) -> None:
        """Give up the connection; the next call opens another."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _connected(self, seconds: float) -> MilvusClient:
        with self._lock:
            if self._client is None:
                try:
                    from pymilvus import MilvusClient
                except ImportError as error:
                    from indexer.extras import pip_line

                    remedy = f"type: {pip_line('pymilvus')}"
                    raise ClusterError(self.address, "needs pymilvus", remedy, "package") from error
                logging.getLogger("pymilvus").setLevel(logging.CRITICAL + 1)  # it prints what it raises
                authority = os.environ.get("KINDRED_MILVUS_CA", "")
                self._client = MilvusClient(
                    self.address.uri,
                    token=os.environ.get("KINDRED_MILVUS_TOKEN", ""),
                    db_name=self.address.database,
                    timeout=max(min(_CONNECT, seconds), 0.1),
                    grpc_options={"grpc.keepalive_time_ms": _PING},
                    dedicated=True,  # pymilvus shares connections without regard to databases and certificates
                    **({"server_pem_path": authority} if authority else {}),
                )
                self._was_there = True
            return self._client

    def _give_up(self, client: MilvusClient | None) -> None:
        """Have the next call open another connection: pymilvus closes its own for good where the engine stays away."""
        with self._lock:
            if self._client is client:
                self._client = None

    def _load(self, client: MilvusClient, ends: float) -> None:
        """Have this index's collections ready to answer: an embedded build forgets that they were as it is started."""
        try:
            for name in client.list_collections(timeout=max(ends - time.monotonic(), 0.1)):
                if name == self.address.name or self.address.owns(name):
                    client.load_collection(name, timeout=max(ends - time.monotonic(), 0.1))
        except Exception as error:
            raise problem_of(self.address, error) from error
