"""This module talks to a Milvus engine: the small part of its language that every build of it understands.

Every call has a deadline, is repeated while the engine is busy, and fails with one sentence.  Whatever is written can
be written twice, so that a call whose answer was lost may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from indexer.cluster.address import Address
from indexer.cluster.connection import Connection
from indexer.errors import ClusterError

if TYPE_CHECKING:
    from pymilvus import MilvusClient

Answer = TypeVar("Answer")
Row = dict[str, Any]
Kind = Literal["whole", "real", "float", "text", "wholes", "vector", "sparse"]

DEADLINE = 30.0  # seconds for a call and its repetitions
LONG_DEADLINE = 600.0  # for a flush and a load, which grow with the notes


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a collection; ``size`` is a text's bytes, a list's length or a vector's numbers."""

    name: str
    kind: Kind
    size: int = 0
    primary: bool = False
    is_filtered: bool = False  # whether filters ask for single values of it


class Engine:
    """A connection to the engine at an address, opened by the first call; safe to share between threads.

    Every method raises ClusterError; its ``reason`` is "missing" where a collection is not there.
    """

    def __init__(self, address: Address, deadline: float = DEADLINE) -> None:
        self.address = address
        self._connection = Connection(address, deadline)
        self.explain: Callable[[ClusterError], ClusterError] = lambda error: error
        self._negates: bool | None = None
        self._least: list[str] = []  # the fields that a search asks for that wants none

    def explained(self, explain: Callable[[ClusterError], ClusterError]) -> Engine:
        """The same connection, where ``explain`` says what is raised when a collection is not there."""
        other = copy(self)
        other.explain = explain
        return other

    def _ask(self, call: Callable[[MilvusClient, float], Answer], deadline: float | None = None) -> Answer:
        try:
            return self._connection.ask(call, deadline)
        except ClusterError as error:
            told = self.explain(error) if error.reason == "missing" else error
            if told is error:
                raise
            raise told from error

    def collections(self) -> list[str]:
        """The names of all collections, sorted."""
        return sorted(self._ask(lambda client, seconds: client.list_collections(timeout=seconds)))

    def has(self, name: str) -> bool:
        """Whether there is a collection ``name``."""
        return bool(self._ask(lambda client, seconds: client.has_collection(name, timeout=seconds)))

    def create(self, name: str, fields: Sequence[Field]) -> None:
        """Make an empty collection, indexed and loaded, that is read as it was written last.

        Vectors are compared by their cosines, sparse vectors by inner products.
        """

        def make(client: MilvusClient, seconds: float) -> None:
            from pymilvus import DataType

            types = {
                "whole": DataType.INT64,
                "real": DataType.DOUBLE,
                "float": DataType.FLOAT,
                "text": DataType.VARCHAR,
                "wholes": DataType.ARRAY,
                "vector": DataType.FLOAT_VECTOR,
                "sparse": DataType.SPARSE_FLOAT_VECTOR,
            }
            schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
            indexes = client.prepare_index_params()
            for field in fields:
                more: dict[str, Any] = {}
                if field.kind == "text":
                    more = {"max_length": field.size}
                elif field.kind == "wholes":
                    more = {"element_type": DataType.INT64, "max_capacity": field.size}
                elif field.kind == "vector":
                    more = {"dim": field.size}
                    indexes.add_index(field.name, index_type="AUTOINDEX", metric_type="COSINE")
                elif field.kind == "sparse":
                    indexes.add_index(field.name, index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
                schema.add_field(field.name, types[field.kind], is_primary=field.primary, **more)
            client.create_collection(name, schema=schema, consistency_level="Strong", timeout=seconds)
            client.create_index(name, indexes, timeout=seconds, sync=False)  # there is nothing in it to wait for
            client.load_collection(name, timeout=seconds)

        self._ask(make)
        for field in fields:
            if field.is_filtered:
                self._invert(name, field.name)

    def drop(self, name: str) -> None:
        """Remove a collection and all that is in it, where there is one."""
        self._ask(lambda client, seconds: client.drop_collection(name, timeout=seconds))

    def count(self, name: str, filter: str = "") -> int:
        """How many rows pass ``filter``; "" lets all pass."""
        rows = self.fetch(name, filter, ["count(*)"])
        return int(rows[0]["count(*)"])

    def fetch(self, name: str, filter: str, fields: Sequence[str], limit: int | None = None) -> list[Row]:
        """The rows that pass ``filter``, in no order, at most ``limit`` of them; each with ``fields``."""
        more = {} if limit is None else {"limit": limit}
        found = self._ask(
            lambda client, seconds: client.query(
                name, filter=filter, output_fields=list(fields), timeout=seconds, **self._patience, **more
            )
        )
        return [dict(row) for row in found]

    def walk(self, name: str, filter: str, fields: Sequence[str], batch: int = 1000) -> Iterator[list[Row]]:
        """All rows that pass ``filter``, by their primary key, ``batch`` at a time."""
        rows = self._ask(
            lambda client, seconds: client.query_iterator(
                name, batch_size=batch, filter=filter, output_fields=list(fields), timeout=seconds
            )
        )
        try:
            while found := self._ask(lambda client, seconds: rows.next()):
                yield [dict(row) for row in found]
        finally:
            rows.close()

    def search(
        self,
        name: str,
        field: str,
        queries: Sequence[Any],
        limit: int,
        filter: str = "",
        fields: Sequence[str] = (),
        exact: bool = False,
    ) -> list[list[tuple[int, float, Row]]]:
        """For each query its nearest rows, nearest first: their numbers, their scores (greater is nearer) and the
        ``fields`` asked for.  Rows that score 0 in a sparse field are left out.

        A query is a list of numbers, or for a sparse field {dimension: weight}.  ``limit`` is 16,384 at most.
        ``exact`` has every vector compared, where the engine has no index of them yet (see ``is_indexed``).
        """
        # A graph is searched as widely as the answer is long; a range as wide as can be leaves nothing out.
        effort: dict[str, float] = {"ef": max(2 * limit, 2_000), **({"radius": -1.0} if exact else {})}
        near = {"metric_type": "COSINE", "params": effort} if field == "vector" else {"metric_type": "IP"}
        found = self._ask(
            lambda client, seconds: client.search(
                name,
                data=list(queries),
                anns_field=field,
                limit=limit,
                filter=filter,
                output_fields=list(fields) or self._least,
                search_params=near,
                timeout=seconds,
                **self._patience,
            )
        )
        if not fields:
            if any("vector" in hit["entity"] for hits in found for hit in hits[:1]):
                self._least = ["row"]  # this build gives all fields where none is named
            return [
                [(int(row), float(score), {}) for row, score in zip(hits.ids, hits.distances, strict=True)]
                for hits in found
            ]
        # A hit's primary key goes by its own name in one build, and by "id" in another.
        return [
            [(int(hit["row" if "row" in hit else "id"]), float(hit["distance"]), dict(hit["entity"])) for hit in hits]
            for hits in found
        ]

    def is_indexed(self, name: str) -> bool:
        """Whether the vectors of a collection are indexed: what was written last, and all in some builds, is not, and
        then compared with a part of the others only."""
        found = self._ask(lambda client, seconds: client.describe_index(name, "vector", timeout=seconds))
        return int((found or {}).get("indexed_rows", 0)) > 0

    def upsert(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows, in place of those of the same primary key."""
        if rows:
            self._ask(lambda client, seconds: client.upsert(name, list(rows), timeout=seconds, **self._patience))

    def delete(self, name: str, filter: str) -> None:
        """Remove the rows that pass ``filter``, which may not be empty."""
        self._ask(lambda client, seconds: client.delete(name, filter=filter, timeout=seconds))

    def flush(self, name: str) -> None:
        """Have what was written kept on the engine's disks."""
        self._ask(lambda client, seconds: client.flush(name, timeout=seconds), LONG_DEADLINE)

    def load(self, name: str) -> None:
        """Have a collection ready to answer."""
        self._ask(lambda client, seconds: client.load_collection(name, timeout=seconds), LONG_DEADLINE)

    def alias(self, name: str, target: str) -> bool:
        """Let ``name`` stand for the collection ``target`` from now on; False where the engine knows no aliases."""
        try:
            try:
                self._ask(lambda client, seconds: client.alter_alias(target, name, timeout=seconds))
            except ClusterError as error:
                if error.reason == "version":
                    raise
                self._ask(lambda client, seconds: client.create_alias(target, name, timeout=seconds))
        except ClusterError as error:
            if error.reason != "version":
                raise
            return False
        return True

    def can_negate(self, name: str) -> bool:
        """Whether filters may say "not (…)"; asked once, of the collection ``name``."""
        if self._negates is None:
            try:
                self.fetch(name, "not (row in [0])", ["row"], limit=1)
                self._negates = True
            except ClusterError as error:
                if error.reason != "failed":
                    raise
                self._negates = False
        return self._negates

    def close(self) -> None:
        """Give up the connection; the next call opens another."""
        self._connection.close()

    def _invert(self, name: str, field: str) -> None:
        """Have the engine list the rows that hold each value of a field, where it can: the embedded builds look at
        every row instead."""

        def make(client: MilvusClient, seconds: float) -> None:
            indexes = client.prepare_index_params()
            indexes.add_index(field, index_type="INVERTED")
            client.create_index(name, indexes, timeout=seconds, sync=False)

        with suppress(ClusterError):
            self._ask(make)

    # What pymilvus would do where it is told to slow down is done below, with pauses that differ from client to client.
    _patience: Mapping[str, Any] = {"retry_on_rate_limit": False}
