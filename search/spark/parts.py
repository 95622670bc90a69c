"""This module keeps parts of the notes in Parquet files: each whole or not there, and the same bytes whoever wrote it.

Parts are runs of notes in the order of the index.  How long they are depends on the number of notes alone, so that what
one cluster has made another one takes over.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from search.legs import Ranking
from search.lists import neighbour_of
from search.neighbours import Neighbour

if TYPE_CHECKING:
    import pyarrow as pa

# 64 parts keep many workers busy to the end; fewer than 25 notes are not worth a task, which takes 20 ms without them,
# and of more than 2,000 a lost worker would lose too much: 10 s of work, 5 MB.
_PARTS, _LEAST, _MOST = 64, 25, 2000
_STAMP = b"kindred"  # the key of the file's metadata that says what it holds


@dataclass(frozen=True, slots=True)
class Cut:
    """How ``n_notes`` notes are cut into parts."""

    n_notes: int

    @property
    def size(self) -> int:
        """Notes a part; the last one may have fewer."""
        return min(max(-(-self.n_notes // _PARTS), _LEAST), _MOST)

    def __len__(self) -> int:
        return -(-self.n_notes // self.size)

    def places(self, part: int) -> range:
        """The places of a part's notes among all."""
        return range(part * self.size, min((part + 1) * self.size, self.n_notes))


@dataclass(frozen=True, slots=True)
class Parts:
    """The files of one run of work in ``folder``; ``key`` names the work, so that no other's files are taken for its
    own."""

    folder: Path
    key: str
    cut: Cut

    def lists(self, part: int) -> Path:
        """The file of a part's lists."""
        return self.folder / f"part-{part:05}.parquet"

    def found(self, part: int) -> Path:
        """The file of a part's candidates; the name begins as those do that readers of a folder of Parquet skip."""
        return self.folder / f"_found-{part:05}.parquet"

    def write_lists(self, part: int, lists: Mapping[str, Sequence[Neighbour]], changed: int) -> None:
        """Write a part's lists, of which ``changed`` are not as they were, in the form of ``read_lists``."""
        import pyarrow as pa

        rows = {"id": list(lists), "related": [[found.as_dict() for found in lists[note]] for note in lists]}
        self._write(self.lists(part), pa.table(rows, schema=_lists_schema()), {"changed": changed})

    def write_found(self, part: int, candidates: Sequence[Ranking], hubs: Sequence[float]) -> None:
        """Write the candidates of a part's notes, and what ``search.likeness`` holds each note down by."""
        import pyarrow as pa

        rows, scores = ([getattr(found, name) for found in candidates] for name in ("rows", "scores"))
        table = pa.table({"hub": hubs, "rows": rows, "scores": scores}, schema=_found_schema())
        self._write(self.found(part), table, {})

    def read_found(self, part: int) -> tuple[list[Ranking], npt.NDArray[np.float64]]:
        """What ``write_found`` wrote.  Raises OSError where the file is not whole."""
        table = _read(self.found(part), _found_schema())
        candidates = [
            Ranking(np.array(rows, dtype=np.int64), np.array(scores, dtype=np.float32))
            for rows, scores in zip(table["rows"].to_pylist(), table["scores"].to_pylist(), strict=True)
        ]
        return candidates, table["hub"].to_numpy()

    def hubs(self) -> npt.NDArray[np.float64]:
        """The hubs of all notes, in their order: float64 [n_notes].  Raises OSError where a file is not whole."""
        files = [self.found(part) for part in range(len(self.cut))]
        parts = [_read(path, _found_schema(), ["hub"])["hub"].to_numpy() for path in files]
        return np.concatenate(parts) if parts else np.empty(0)

    def has_lists(self, part: int) -> bool:
        """Whether the file of a part's lists is there, was made for this work, and holds what was written."""
        return self._is_whole(self.lists(part), _lists_schema())

    def has_found(self, part: int) -> bool:
        """The same for the file of its candidates."""
        return self._is_whole(self.found(part), _found_schema())

    def _is_whole(self, path: Path, schema: pa.Schema) -> bool:
        try:
            found: object = _stamp_of(_read(path, schema)).get("of")
        except OSError:
            return False
        return found == [self.key, path.name]

    def told(self, part: int) -> dict[str, Any]:
        """What the manifest says of the file of a part's lists, and how many lists changed."""
        path = self.lists(part)
        content = path.read_bytes()
        stamp = _stamp_of(_read(path, _lists_schema(), ["id"]))
        digest = hashlib.sha256(content).hexdigest()
        record = {"file": path.name, "notes": len(self.cut.places(part)), "bytes": len(content), "sha256": digest}
        return {**record, "changed": stamp["changed"]}

    def _write(self, path: Path, table: pa.Table, more: Mapping[str, object]) -> None:
        import pyarrow.parquet as pq

        stamp = json.dumps({"of": [self.key, path.name], "notes": len(table), **more})
        temporary = path.with_name(f".{path.name}.{uuid4().hex}")  # two machines may be at one part
        try:
            with temporary.open("wb") as file:
                pq.write_table(
                    table.replace_schema_metadata({_STAMP: stamp}), file, compression="zstd", write_page_checksum=True
                )
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def read_lists(path: Path) -> Iterator[tuple[str, tuple[Neighbour, ...]]]:
    """The lists in a file that ``Parts.write_lists`` wrote, in their order.  Raises OSError where it is not whole."""
    for record in _read(path, _lists_schema()).to_pylist():
        yield record["id"], tuple(map(neighbour_of, record["related"]))


def in_order(paths: Iterable[Path]) -> Iterator[tuple[str, tuple[Neighbour, ...]]]:
    """The lists of several files, one after the other; one file is in memory at a time."""
    for path in paths:
        yield from read_lists(path)


def _lists_schema() -> pa.Schema:
    import pyarrow as pa

    text, flag = pa.string(), pa.bool_()
    columns = {"id": text, "title": text, "score": pa.float64(), "grade": text, "reason": text}
    return pa.schema({"id": text, "related": pa.list_(pa.struct({**columns, "bridge": flag, "linked": flag}))})


def _found_schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema({"hub": pa.float64(), "rows": pa.list_(pa.int64()), "scores": pa.list_(pa.float32())})


def _read(path: Path, schema: pa.Schema, columns: list[str] | None = None) -> pa.Table:
    """A file's table, or some columns of it, compared with its checksums.  Raises OSError where it is not whole.

    The checksums cover what stands in the columns; what the file says of them (their names and types, and how many
    rows there are) is compared by itself.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read(columns)
            whole = file.schema_arrow.equals(schema) and _stamp_of(table)["notes"] == len(table)
    except (pa.ArrowException, ValueError, KeyError, MemoryError) as error:
        raise OSError(f"{path} is no whole file of Parquet: {error}") from error
    if not whole:
        raise OSError(f"{path} is no whole file of Parquet")
    return table


def _stamp_of(table: pa.Table) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((table.schema.metadata or {}).get(_STAMP, b"{}"))
    return found
