"""This module works out the memory, disk and processors that an index on Milvus needs, from the bytes of one note.

    python -m benchmarks.sizes --large INDEX   measures the notes of an index in a folder, of more than 20,000; of
                                               several the first
    python -m benchmarks.sizes                 works the tables out again from what was measured last

Three kinds of figures are kept apart.  Measured: the bytes of a note, and what a build takes (``benchmarks.growth``).
Documented: what Milvus and Faiss say of their own structures; deploy/sizes.md names the pages.  Inferred: how these add
up, and every margin; no Milvus server was measured.
"""

from __future__ import annotations

import argparse
import base64
import math
import struct
import zlib
from typing import Any

import numpy as np

from benchmarks.outside import add_large
from benchmarks.results import ROOT, save, saved, table
from indexer import Index, evenly_spread, open_index
from indexer.postings import ALL_FIELDS, TAG
from indexer.tokens import POSITION, POSITION_BITS

PAGE = ROOT / "deploy" / "sizes.md"
SIZES = (1_000_000, 10_000_000, 100_000_000)
_SAMPLE = 5_000  # notes; a tenth more or less of them moves no mean by one in a hundred

# Documented.  Links of a vector in Milvus' AUTOINDEX; a link is a number of 4 bytes, and the lowest layer has twice as
# many (Malkov and Yashunin 2016, section 4.1).
HNSW_M = 18
SEGMENT = 1024 * 2**20  # bytes of a segment at most
GROWTH = 1_000_000  # the size at which a build was measured

# Inferred.
SCALARS = 5 * 8 + 4 + 2 * 8  # row, since, until, place, topic; hub; Milvus' own row id and timestamp
COPIES_OF_TERMS = 2  # the inverted list and the row that it was made from
MARGIN = 1.4  # of memory, for growing segments, deletions, and what a search takes while it runs
GENERATIONS = 2  # a full load stands beside the shelf that answers meanwhile
KEPT = 2  # what was dropped or merged away stays in the object store for hours
CORE = 4 * 2**30  # bytes of memory a core on query nodes
LARGEST_NODE = 128 * 2**30  # bytes of memory; a replica of more is spread over several
BUILDS = 3  # generations that lie in a workshop while the third is written


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_large(options)
    return options


def main() -> None:
    """Measure where an index is given, work out, save, print."""
    options = parser().parse_args()
    note = measured(open_index(options.large[0])) if options.large else saved("sizes").get("note")
    build = of_a_build(saved("growth"), saved("encoding"))
    if note is None or build is None:
        print(f"left out: sizes need --large INDEX, growth at {GROWTH:,} notes and encoding with --papers, each once")
        return
    record = {"note": note, "build": build, "needs": {str(size): needs(size, note, build) for size in SIZES}}
    save("sizes", record, sizes_text(record), PAGE)


def of_a_build(growth: dict[str, Any], encoding: dict[str, Any]) -> dict[str, float] | None:
    """What a build of ``GROWTH`` notes takes, from the records of these two benches; None where they lack it."""
    whole = growth.get("sizes", {}).get(str(GROWTH))
    papers = encoding.get("bulk", {}).get("papers")
    if whole is None or papers is None:
        return None
    return {
        "memory": whole["index memory"],
        "disk": whole["bytes"],
        "seconds": whole["index"],
        "texts": papers["texts"],
        "texts a second": papers["texts"] / papers["seconds"]["kindred"],
    }


def measured(index: Index) -> dict[str, float]:
    """Means over evenly spread notes: numbers and bytes of what the shelf and the store hold of one, and the bytes of
    the tables of all."""
    rows = evenly_spread(len(index), _SAMPLE)
    lines, said, ids, terms = 0, 0, 0, 0
    for row in rows.tolist():
        numbers, values, counts = index.impacts.note(row)
        line, _ = index.lines(row, row + 1)
        packed = struct.pack("<I", len(numbers)) + numbers.tobytes() + values.tobytes() + counts.tobytes()
        lines += len(base64.b64encode(zlib.compress(line, 1)))
        said += len(base64.b64encode(zlib.compress(packed, 1)))
        ids += len(index.note(row).id.encode())
        terms += len(numbers)
    held = int(_held(index, rows).sum())
    vocabularies = (index.impacts, index.postings)
    tables = sum(part.terms.nbytes + part.term_starts.nbytes for part in vocabularies) + 12 * len(index.impacts)
    for name in ("words", "acronyms"):
        tables += sum(path.stat().st_size for path in sorted(index.path(name).rglob("*.npy")))
    n_rows = len(rows)
    return {
        "notes": len(index),
        "sampled": n_rows,
        "dimensions": index.manifest.encoder.dim,
        "terms": terms / n_rows,
        "held": held / n_rows,
        "id bytes": ids / n_rows,
        "line bytes": lines / n_rows,
        "said bytes": said / n_rows,
        "table bytes": tables,
    }


def _held(index: Index, rows: np.ndarray[Any, np.dtype[Any]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """How many numbers stand for each note's terms, neighbouring terms and tags, int64 [n_rows]: of terms and of pairs
    one a field, whatever the places."""
    postings = index.postings
    of_row = np.full(len(index), -1, dtype=np.int64)
    of_row[rows] = np.arange(len(rows))
    here = np.flatnonzero(of_row[postings.rows] >= 0)
    terms = np.searchsorted(postings.starts, here, side="right") - 1
    owner, fields = of_row[postings.rows[here]], postings.places[here] >> np.uint32(POSITION_BITS)
    places = (postings.places[here] & np.uint32(POSITION)).astype(np.int64)
    order = np.lexsort((places, fields, owner))
    owner, fields, terms, places = owner[order], fields[order].astype(np.int64), terms[order], places[order]
    one = np.unique(np.stack([owner, fields, terms]), axis=1)[0]
    after = (owner[1:] == owner[:-1]) & (fields[1:] == fields[:-1]) & (fields[1:] != TAG) & (np.diff(places) == 1)
    pairs = np.stack([owner[1:], fields[1:], terms[:-1], terms[1:]])[:, after]
    two = np.unique(pairs, axis=1)[0]
    assert len(ALL_FIELDS) == TAG + 1  # noqa: S101 - tags are the last field
    counts: np.ndarray[Any, np.dtype[np.int64]] = np.bincount(one, minlength=len(rows)) + np.bincount(
        two, minlength=len(rows)
    )
    return counts


def parts(note: dict[str, float]) -> dict[str, float]:
    """Bytes that one note takes on Milvus, by what they are for."""
    return {
        "vectors": 4 * note["dimensions"] + 4 * 2 * HNSW_M,
        "words": 8 * note["terms"] * COPIES_OF_TERMS,
        "scalars": SCALARS + note["id bytes"] + 8 * note["held"],
        "store": note["line bytes"] + note["said bytes"],
    }


def needs(n_notes: int, note: dict[str, float], build: dict[str, float]) -> dict[str, float]:
    """What ``n_notes`` need, in bytes, cores and seconds: of one replica, of the object store and of the builder.

    Vectors and words are held in memory, with a margin; scalars and the store are mapped from the query nodes' disks.
    While a full load is under way both are there twice.
    """
    each = {name: n_notes * size for name, size in parts(note).items()}
    memory = MARGIN * (each["vectors"] + each["words"])
    mapped = each["scalars"] + each["store"]
    nodes = max(1, math.ceil(GENERATIONS * memory / LARGEST_NODE))
    on_disk = sum(each.values()) + n_notes * 4 * note["dimensions"]  # vectors lie there raw beside their index
    return {
        **each,
        "memory": memory,
        "memory while loading": GENERATIONS * memory,
        "nodes": nodes,
        "cores": max(4, math.ceil(GENERATIONS * memory / CORE)),
        "mapped": GENERATIONS * mapped,
        "segments": math.ceil((n_notes * 4 * note["dimensions"] + each["words"] + mapped) / SEGMENT),
        "object store": on_disk * GENERATIONS * KEPT,
        "builder memory": build["memory"] * n_notes / GROWTH,
        "builder disk": BUILDS * build["disk"] * n_notes / GROWTH,
        "indexing seconds": build["seconds"] * n_notes / GROWTH,
        "encoding seconds": n_notes / build["texts a second"],
    }


def sizes_text(record: dict[str, Any]) -> str:
    """The tables of deploy/sizes.md."""
    note, found = record["note"], [record["needs"][str(size)] for size in SIZES]
    each = parts(note)
    graph = 8 * HNSW_M
    per_note = [
        ["vector", f"4 × {note['dimensions']:.0f} + {graph} of links", _bytes(each["vectors"]), "memory", "documented"],
        [
            "words",
            f"8 × {note['terms']:.0f} terms × {COPIES_OF_TERMS}",
            _bytes(each["words"]),
            "memory",
            "measured × inferred",
        ],
        [
            "filters and scalars",
            f"8 × {note['held']:.0f} numbers + {note['id bytes']:.0f} of the id + {SCALARS}",
            _bytes(each["scalars"]),
            "mapped",
            "measured",
        ],
        [
            "texts",
            f"{note['line bytes']:.0f} of the note + {note['said bytes']:.0f} of its words",
            _bytes(each["store"]),
            "mapped",
            "measured",
        ],
    ]
    rows = [
        _row("memory of query nodes, a replica", [_size(need["memory"]) for need in found], "inferred"),
        _row(
            "the same while a full load is under way",
            [_size(need["memory while loading"]) for need in found],
            "inferred",
        ),
        _row("query nodes of 128 GiB at most, a replica", [f"{need['nodes']:,}" for need in found], "inferred"),
        _row("cores of query nodes, a replica", [f"{need['cores']:,}" for need in found], "inferred"),
        _row("local disk of query nodes, a replica", [_size(need["mapped"]) for need in found], "inferred"),
        _row("segments of 1 GiB", [f"{need['segments']:,}" for need in found], "inferred"),
        _row("object store", [_size(need["object store"]) for need in found], "inferred"),
        _row("memory of the builder", [_size(need["builder memory"]) for need in found], "measured at 1 million"),
        _row("disk of its workshop", [_size(need["builder disk"]) for need in found], "measured at 1 million"),
        _row(
            "its time without the encoder, 2 cores",
            [_time(need["indexing seconds"]) for need in found],
            "measured at 1 million",
        ),
        _row(
            "its time of encoding, 2 cores",
            [_time(need["encoding seconds"]) for need in found],
            f"measured at {record['build'].get('texts', 64)} texts",
        ),
    ]
    header = ["", *(f"{size // 1_000_000:,} million" for size in SIZES), "kind"]
    return (
        f"One note, as the mean of {note['sampled']:,} of {note['notes']:,} (titles and abstracts of papers):\n\n"
        + table(["what", "arithmetic", "bytes", "where", "kind"], per_note)
        + f"\n\nThe tables that every reader holds take {_size(note['table bytes'])} for these {note['notes']:,} notes."
        + "\n\nAll notes:\n\n"
        + table(header, rows)
    )


def _row(name: str, cells: list[str], kind: str) -> list[str]:
    return [name, *cells, kind]


def _bytes(size: float) -> str:
    return f"{size:,.0f}"


def _size(size: float) -> str:
    return (
        f"{size / 1e6:,.0f} MB" if size < 1e9 else f"{size / 1e9:,.1f} GB" if size < 1e11 else f"{size / 1e9:,.0f} GB"
    )


def _time(seconds: float) -> str:
    if seconds < 3600:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours" if seconds < 86_400 else f"{seconds / 86_400:,.0f} days"


if __name__ == "__main__":
    main()
