"""This module keeps an index's book: the collection that says which generations an engine holds, and their tables.

The book of an index is the collection of its name.  Its rows, by their key:

    g:000000000007         a published generation; ``number`` is 7, and the greatest counts
    t:<sha256>:000000      a part of a table, 60,000 characters of the base64 of its bytes; ``number``: of how many
    l:<uuid>:000000000003  the lease of a builder; ``number`` is its beat (indexer/cluster/lease.py)
    m:given                ``number`` is that of the last generation that was published, though it be rolled back; text:
                           JSON, its ``shelf`` and the ``next row`` there.  Neither number is given to anything else

The text of a generation is JSON; ``Published`` is what it says.  Inserting that one row publishes.

``tables`` names what a reader loads as a whole, files of arrays (.npy) or JSON, with SHA-256 and size each:

    manifest.json                     of the generation in the builder's folder
    centroid.npy, whitening.npy, adapter.safetensors, words/*.npy, acronyms/*.npy   as in that folder, where it has them
    lexicon/terms.npy, term_starts.npy   the ranked terms (uint8 UTF-8, sorted, end to end; int64 [n + 1])
    lexicon/frequency.npy             int32 [n] notes that hold each
    lexicon/dims.npy                  uint32 [n] its dimension in the field ``words`` of the shelf, at least 1
    lexicon/telling.npy               float32 [n] how far it is about something: ``indexer.telling``
    grams/terms.npy, term_starts.npy, frequency.npy, dims.npy   the same of runs of letters and the field ``runs``
    fields/*.npy                      ``indexer.postings`` of one note that holds every term of every field, tags too
    late/mean.npy, late/rarity.npy    as in the folder, where it keeps token vectors
    samples.npy, samples64.npy        int64: the row numbers on the shelf at ``evenly_spread(n_notes, 256)`` and 64
    topics.json                       {number: topic}, of the numbers in the field ``topic`` of the shelf

``facts`` holds

    averages      {field: mean number of ranked terms} by which ``words`` is made, of the notes that the shelf first had
    run_averages  the same of runs of letters; {} where the shelf has no field ``runs``
    hubs          whether ``hub`` on the shelf says how near a note is to everything; where False it is 0, and about
    hub line      [start, slope], start + slope * its mean cosine with its nearest notes (``indexer.home.Hubness``)
    usual hub     its mean
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from indexer.cluster.engine import Engine, Field
from indexer.errors import ClusterError

FORMAT = 1
NOTHING = [1.0, 0.0]  # an engine wants a vector in every collection
FIELDS = (
    Field("key", "text", 512, primary=True),
    Field("number", "whole"),
    Field("text", "text", 65535),
    Field("nothing", "vector", 2),
)
PART = 60_000  # characters of base64 in a row, which may have 65,535 bytes
_PARTS = 100  # that are sent or asked for at once: 6 MB
_GIVEN = "m:given"
_REBUILD = "build the index again: kindred index --rebuild --index {}"


@dataclass(frozen=True, slots=True)
class Table:
    """A file that readers load as a whole."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Published:
    """A generation that an engine holds."""

    number: int  # rows of the shelf with since <= number < until belong to it, but for those that are ``gone``
    generation: str  # its name in the builder's folder
    shelf: str  # the collection of its notes
    store: str  # the collection of what is read of a note alone
    n_notes: int
    tables: Mapping[str, Table]
    facts: Mapping[str, Any]
    published: str  # ISO 8601, UTC
    gone: tuple[int, ...] = ()  # rows of the shelf that do not belong to it, though they have begun and not ended
    format: int = FORMAT

    @property
    def living(self) -> str:
        """The filter that lets this generation's rows of the shelf pass."""
        apart = f" and row not in {list(self.gone)}" if self.gone else ""
        return f"since <= {self.number} and until > {self.number}{apart}"


@dataclass(frozen=True, slots=True)
class Given:
    """Numbers that were given to generations and rows once, and are not given again: who opened a generation that was
    rolled back takes no other for it."""

    number: int = 0  # of generations
    shelf: str = ""
    next_row: int = 0  # the first of that shelf which no published generation ever had


def newest(engine: Engine, name: str) -> Published | None:
    """The newest generation of the index ``name``, or None where none was published.

    Raises ClusterError where it was written by another version of Kindred, or cannot be read.
    """
    texts = _texts(engine, name)
    return _read(engine, texts[max(texts)]) if texts else None


def published(engine: Engine, name: str) -> list[Published]:
    """Every generation of the index ``name`` that is kept, oldest first.  Raises what ``newest`` raises, of any."""
    return [_read(engine, text) for _, text in sorted(_texts(engine, name).items())]


def readable(engine: Engine, name: str) -> tuple[list[Published], list[int]]:
    """The same, but for those that raise ClusterError: their numbers, ascending."""
    found: list[Published] = []
    others: list[int] = []
    for number, text in sorted(_texts(engine, name).items()):
        try:
            found.append(_read(engine, text))
        except ClusterError:
            others.append(number)
    return found, others


def _texts(engine: Engine, name: str) -> dict[int, str]:
    """What the book says of each generation, by their numbers."""
    try:
        rows = engine.fetch(name, "key like 'g:%'", ["key", "number", "text"])
    except ClusterError as error:
        if error.reason == "missing":
            return {}
        raise
    return {int(row["number"]): str(row["text"]) for row in rows}


def _read(engine: Engine, text: str) -> Published:
    remedy = _REBUILD.format(engine.address)
    try:
        record = json.loads(text)
        if record["format"] != FORMAT:
            problem = f"holds an index of format {record['format']!r}, and this version reads format {FORMAT}"
            raise ClusterError(engine.address, problem, remedy, "version")
        tables = {name: Table(str(entry["sha256"]), int(entry["bytes"])) for name, entry in record["tables"].items()}
        return Published(**{**record, "tables": tables, "gone": tuple(record["gone"])})
    except (ValueError, KeyError, TypeError) as error:
        raise ClusterError(engine.address, f"does not say what it holds ({error})", remedy, "damaged") from error


def table_bytes(engine: Engine, name: str, sha: str) -> bytes:
    """A table's bytes, by their SHA-256.  Raises ClusterError (reason "damaged") where the book does not hold them."""
    remedy = _REBUILD.format(engine.address)
    parts: dict[str, str] = {}
    wanted = 1
    while len(parts) < wanted:
        keys = [_part_key(sha, part) for part in range(len(parts), min(len(parts) + _PARTS, wanted))]
        found = engine.fetch(name, f"key in {json.dumps(keys)}", ["key", "number", "text"])
        if len(found) < len(keys):
            raise ClusterError(engine.address, f"lacks a part of the table {sha[:12]}", remedy, "damaged")
        wanted = int(found[0]["number"])
        parts.update((str(row["key"]), str(row["text"])) for row in found)
    content = b64decode("".join(parts[_part_key(sha, part)] for part in range(wanted)))
    if sha256(content).hexdigest() != sha:
        raise ClusterError(engine.address, f"holds another table than {sha[:12]}", remedy, "damaged")
    return content


def send_table(engine: Engine, name: str, content: bytes) -> Table:
    """Put a table into the book; what is there already is not sent again."""
    sha = sha256(content).hexdigest()
    text = b64encode(content).decode("ascii")
    parts = _n_parts(len(text))
    there = {str(row["key"]) for row in engine.fetch(name, f"key like 't:{sha}:%'", ["key"])}
    missing = [part for part in range(parts) if _part_key(sha, part) not in there]
    for begin in range(0, len(missing), _PARTS):
        rows = [
            {
                "key": _part_key(sha, part),
                "number": parts,
                "text": text[part * PART : (part + 1) * PART],
                "nothing": NOTHING,
            }
            for part in missing[begin : begin + _PARTS]
        ]
        engine.upsert(name, rows)
    return Table(sha, len(content))


def lacks_tables(engine: Engine, name: str, generation: Published) -> bool:
    """Whether the book lacks parts of a generation's tables."""
    there: dict[str, int] = {}
    for rows in engine.walk(name, "key like 't:%'", ["key"]):
        for row in rows:
            sha = str(row["key"]).split(":")[1]
            there[sha] = there.get(sha, 0) + 1
    return any(there.get(table.sha256, 0) < _n_parts(4 * -(-table.bytes // 3)) for table in generation.tables.values())


def _n_parts(characters: int) -> int:
    return max(-(-characters // PART), 1)


def open_book(engine: Engine, name: str) -> None:
    """Make the book of the index ``name`` where there is none."""
    if not engine.has(name):
        engine.create(name, FIELDS)


def announce(engine: Engine, name: str, generation: Published, next_row: int = 0) -> None:
    """Publish: from here on ``newest`` gives ``generation``, whose shelf, store and tables are there; the rows of the
    shelf from ``next_row`` on are given to nobody yet."""
    given = {"shelf": generation.shelf, "next row": next_row}
    texts = {
        _GIVEN: json.dumps(given),
        _key(generation.number): json.dumps(asdict(generation), ensure_ascii=False),
    }
    rows = [{"key": key, "number": generation.number, "text": text, "nothing": NOTHING} for key, text in texts.items()]
    engine.upsert(name, rows)


def given(engine: Engine, name: str) -> Given:
    """What was given to generations of the index ``name`` so far; none where that is not known."""
    for row in engine.fetch(name, f"key == '{_GIVEN}'", ["number", "text"]):
        try:
            said = json.loads(row["text"])
            return Given(int(row["number"]), str(said["shelf"]), int(said["next row"]))
        except (ValueError, KeyError, TypeError):
            continue
    return Given()


def forget_tables(engine: Engine, name: str, kept: list[Published]) -> None:
    """Remove the tables that none of ``kept`` names."""
    named = {table.sha256 for generation in kept for table in generation.tables.values()}
    keys = [str(row["key"]) for rows in engine.walk(name, "key like 't:%'", ["key"]) for row in rows]
    unnamed = sorted(key for key in keys if key.split(":")[1] not in named)
    for begin in range(0, len(unnamed), _PARTS):
        engine.delete(name, f"key in {json.dumps(unnamed[begin : begin + _PARTS])}")


def withdraw(engine: Engine, name: str, numbers: list[int]) -> None:
    """Remove generations from the book; where one was the newest, the one before it is again."""
    if numbers:
        engine.delete(name, f"key in {json.dumps([_key(number) for number in numbers])}")


def _key(number: int) -> str:
    return f"g:{number:012d}"


def _part_key(sha: str, part: int) -> str:
    return f"t:{sha}:{part:06d}"
