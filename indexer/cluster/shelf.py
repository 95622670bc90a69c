"""This module says how notes lie on an engine: the fields of a shelf and a store, and how long things are packed.

A **shelf** (NAME_<8 hex>_s) has a row a note, for what is searched and filtered:

    row      the primary key; never given twice
    since, until   the numbers of the first generation that holds the row and of the first that does not (``FOREVER``)
    name     the note's id
    named    ``held_number("id", name)``, by which it is found: no id stands in a filter as it is written
    place    where the note stands among the notes; their order is that of the builder's folder
    topic    the number of its topic, 0 without one
    hub      how near it is to everything
    held     numbers of the words and tags that it holds: ``held_number``, ascending; where there are more than
             ``MOST_HELD``, the first of them and 0 ("more than this tells")
    vector   its vector
    words    {dimension of a term: saturation}; a query brings weight times idf(term)
    runs     the same of runs of letters, where they are kept

A **store** (NAME_<8 hex>_p) has what is read of single notes: rows that never change, in parts of 60,000 characters.
Kinds: ``note`` (the note's line of notes.jsonl) and ``said`` (``pack_said``), zlib and base64; ``late``
(``pack_tokens``), base64.
"""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b, sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.cluster.book import NOTHING, PART
from indexer.cluster.engine import Field, Row
from indexer.late import TokenStates

FOREVER = 2**62
MOST_HELD = 4096  # the longest list of numbers that Milvus takes
EMPTY = {0: 1.0}  # a sparse vector of nothing: some builds refuse empty ones, and no query asks for dimension 0

STORE_FIELDS = (
    Field("key", "text", 64, primary=True),
    Field("row", "whole"),
    Field("kind", "text", 8),
    Field("part", "whole"),
    Field("parts", "whole"),
    Field("text", "text", 65535),
    Field("nothing", "vector", 2),
)


def shelf_fields(dim: int, has_runs: bool) -> list[Field]:
    """The fields of a shelf for vectors of ``dim`` numbers."""
    fields = [
        Field("row", "whole", primary=True),
        Field("since", "whole"),
        Field("until", "whole"),
        Field("name", "text", 65535),
        Field("named", "whole", is_filtered=True),
        Field("place", "real"),
        Field("topic", "whole"),
        Field("hub", "float"),
        Field("held", "wholes", MOST_HELD, is_filtered=True),
        Field("vector", "vector", dim),
        Field("words", "sparse"),
    ]
    return [*fields, Field("runs", "sparse")] if has_runs else fields


def kinds_of(has_late: bool) -> list[str]:
    """What a store keeps of every note."""
    return ["note", "said", *(["late"] if has_late else [])]


def collections_of(name: str, generation: str, number: int) -> tuple[str, str]:
    """What the shelf and the store of the index ``name`` are called that are first filled with a builder's
    ``generation``, to be published under ``number``."""
    own = sha256(f"{generation} {number}".encode()).hexdigest()[:8]
    return f"{name}_{own}_s", f"{name}_{own}_p"


def held_number(*parts: str) -> int:
    """The number of a word in a field ("title", "policy"), of two that follow each other there
    ("title", "policy", "gradient"), or of a tag ("tag", "rl"): 63 bits of BLAKE2b, never 0."""
    digest = blake2b("\x1f".join(parts).encode("utf-8"), digest_size=8).digest()
    return int.from_bytes(digest, "big") & (2**63 - 1) or 1


def held_list(numbers: npt.NDArray[np.int64]) -> list[int]:
    """A note's distinct numbers, ascending, as its row holds them."""
    if len(numbers) > MOST_HELD:
        return [0, *numbers[: MOST_HELD - 1].tolist()]
    listed: list[int] = numbers.tolist()
    return listed


def pack_said(
    dims: npt.NDArray[np.uint32], saturations: npt.NDArray[np.float32], counts: npt.NDArray[np.float32]
) -> bytes:
    """What a note says, ``dims`` ascending: its terms' dimensions, their saturations, and how often each stands in
    title and description."""
    return b"".join(
        [
            np.array([len(dims)], dtype="<u4").tobytes(),
            dims.astype("<u4").tobytes(),
            saturations.astype("<f4").tobytes(),
            counts.astype("<f4").tobytes(),
        ]
    )


def unpack_said(
    content: bytes,
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The inverse of ``pack_said``.  Raises ValueError where ``content`` is none."""
    n = int(np.frombuffer(content, dtype="<u4", count=1)[0])
    if len(content) != 4 + 12 * n:
        raise ValueError("what a note says has another length than it states")
    numbers = np.frombuffer(content, dtype="<f4", offset=4 + 4 * n)
    return np.frombuffer(content, dtype="<u4", count=n, offset=4), numbers[:n], numbers[n:]


def pack_tokens(states: TokenStates) -> bytes:
    """A note's token vectors."""
    return b"".join(
        [
            np.array([len(states.scales)], dtype="<u4").tobytes(),
            states.scales.astype("<f4").tobytes(),
            states.pieces.astype("<i4").tobytes(),
            np.ascontiguousarray(states.codes).tobytes(),
        ]
    )


def unpack_tokens(content: bytes, dim: int) -> TokenStates:
    """The inverse of ``pack_tokens`` for vectors of ``dim`` numbers.  Raises ValueError where ``content`` is none."""
    n = int(np.frombuffer(content, dtype="<u4", count=1)[0])
    if len(content) != 4 + (8 + dim) * n:
        raise ValueError("a note's token vectors have another length than they state")
    codes = np.frombuffer(content, dtype=np.int8, offset=4 + 8 * n).reshape(n, dim)
    scales = np.frombuffer(content, dtype="<f4", count=n, offset=4)
    return TokenStates(codes, scales, np.frombuffer(content, dtype="<i4", count=n, offset=4 + 4 * n))


def store_rows(row: int, payloads: Mapping[str, bytes]) -> list[Row]:
    """The rows of the store for what is kept of the note in ``row``, by kind."""
    rows = []
    for kind, content in payloads.items():
        packed = content if kind == "late" else zlib.compress(content, 1)
        text = b64encode(packed).decode("ascii")
        pieces = [text[begin : begin + PART] for begin in range(0, max(len(text), 1), PART)]
        rows += [
            {
                "key": f"{row}:{kind}:{part}",
                "row": row,
                "kind": kind,
                "part": part,
                "parts": len(pieces),
                "text": piece,
                "nothing": NOTHING,
            }
            for part, piece in enumerate(pieces)
        ]
    return rows


def payloads_of(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[int, str], bytes]:
    """The inverse of ``store_rows`` for rows of many notes in any order: (row, kind) -> bytes.

    Raises ValueError where a part is missing or damaged.
    """
    found: dict[tuple[int, str], dict[int, Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault((int(row["row"]), str(row["kind"])), {})[int(row["part"])] = row
    return {key: _joined(key, parts) for key, parts in found.items()}


def _joined(key: tuple[int, str], parts: Mapping[int, Mapping[str, Any]]) -> bytes:
    wanted = int(next(iter(parts.values()))["parts"])
    if sorted(parts) != list(range(wanted)):
        raise ValueError(f"the store holds {len(parts)} of {wanted} parts of {key}")
    content = b64decode("".join(str(parts[part]["text"]) for part in range(wanted)))
    if key[1] == "late":
        return content
    try:
        return zlib.decompress(content)
    except zlib.error as error:
        raise ValueError(f"{key} in the store is damaged ({error})") from error


def rows_in(numbers: Sequence[int]) -> str:
    """The filter that lets these rows pass, of a shelf or a store."""
    return f"row in {list(numbers)}"
