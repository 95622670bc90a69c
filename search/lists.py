"""This module keeps the lists of related notes in files, and tells how two sets of lists differ."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from indexer import SourceError
from search.display import cell, json_text
from search.hits import Grade
from search.neighbours import Neighbour

Format = Literal["json", "jsonl", "csv"]
FORMATS: tuple[Format, ...] = get_args(Format)
_COLUMNS = ("note", "rank", "id", "title", "score", "grade", "reason", "bridge", "linked")


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one neighbour: ``was`` and ``now`` are its ranks from 1, None where it is not in the list."""

    neighbour: Neighbour
    was: int | None
    now: int | None


def format_of(path: Path) -> Format:
    """The format that a file's name ends in; JSON where it says none."""
    ending = path.suffix.lower().removeprefix(".")
    return next((form for form in FORMATS if form == ending), "json")


def written(lists: Iterable[tuple[str, Sequence[Neighbour]]], generation: str, form: Format) -> Iterator[str]:
    """The text of a file with these notes' lists, piece by piece; the same lists always give the same text.

    JSON: {"generation": …, "notes": {id: [neighbour, …], …}}, a line a note.  JSON lines: {"id": …, "related": […]}
    a note.  CSV: a line a pair, with a header; a note without neighbours has no line, and a text that a spreadsheet
    would run as a formula begins with an apostrophe instead.
    """
    if form == "csv":
        yield _csv_line(_COLUMNS)
        for note_id, neighbours in lists:
            for rank, found in enumerate(neighbours, start=1):
                values = found.as_dict()
                values |= {name: str(values[name]).lower() for name in ("bridge", "linked")}
                texts = {name: cell(value) for name, value in values.items() if isinstance(value, str)}
                yield _csv_line([cell(note_id), rank, *(values | texts).values()])
        return
    records = ((note_id, [found.as_dict() for found in neighbours]) for note_id, neighbours in lists)
    if form == "jsonl":
        for note_id, related in records:
            yield json_text({"id": note_id, "related": related}) + "\n"
        return
    yield f'{{"generation": {json_text(generation)}, "notes": {{'
    separator = "\n"
    for note_id, related in records:
        yield f"{separator}{json_text(note_id)}: {json_text(related)}"
        separator = ",\n"
    yield "\n}}\n"


def read_lists(path: Path) -> dict[str, tuple[Neighbour, ...]] | None:
    """The lists in a file that ``written`` filled, JSON or JSON lines.

    None where there is nothing to keep to: no file, an empty one, or CSV.  Raises SourceError for any other file, so
    that nobody's file is written over.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        text = "?"
    if not text.strip() or text.startswith(",".join(_COLUMNS)):
        return None
    try:
        if text.startswith('{"generation": '):
            records = json.loads(text)["notes"].items()
        else:
            records = [(record["id"], record["related"]) for record in map(json.loads, text.rstrip().split("\n"))]
        return {str(note_id): tuple(map(neighbour_of, related)) for note_id, related in records}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise SourceError(path, None, "is no file of related notes; delete it or name another.") from None


def read_line(line: str) -> tuple[str, tuple[Neighbour, ...]] | None:
    """The list in one line of a file that ``written`` filled, JSON or JSON lines; None where a line holds none, as the
    first and the last of JSON.  Raises ValueError for a line of anything else."""
    if not line.strip("}\r\n ") or line.startswith('{"generation": '):
        return None
    try:
        if line.startswith('{"id": '):
            record = json.loads(line)
            note_id, related = record["id"], record["related"]
        else:
            ((note_id, related),) = json.loads("{" + line.rstrip().removesuffix(",") + "}").items()
        return str(note_id), tuple(map(neighbour_of, related))
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("not a list of related notes") from error


def changes(old: Sequence[Neighbour], new: Sequence[Neighbour]) -> list[Change]:
    """What was added to a list, removed from it and moved in it, by the rank now and, of those removed, before.

    What merely makes room for another, or has its old rank, has not moved: as few as possible count as moved.
    """
    was = {found.id: rank for rank, found in enumerate(old, start=1)}
    now = {found.id: rank for rank, found in enumerate(new, start=1)}
    stayed = set(_longest_rise([was[found.id] for found in new if found.id in was]))
    present = [
        Change(found, was.get(found.id), rank)
        for rank, found in enumerate(new, start=1)
        if was.get(found.id) not in stayed and was.get(found.id) != rank
    ]
    return present + [Change(found, rank, None) for rank, found in enumerate(old, start=1) if found.id not in now]


def _longest_rise(values: Sequence[int]) -> list[int]:
    """A longest rising subsequence, the first of equals."""
    best: list[list[int]] = []  # the longest that ends at each value
    for value in values:
        before = max((rise for rise in best if rise[-1] < value), key=len, default=[])
        best.append([*before, value])
    return max(best, key=len, default=[])


def neighbour_of(record: dict[str, Any]) -> Neighbour:
    """The inverse of ``Neighbour.as_dict``.  Raises KeyError, TypeError or ValueError for a record of anything else."""
    grade, names = record["grade"], ("id", "title", "reason")
    if grade not in get_args(Grade) or not all(isinstance(record[name], str) for name in names):
        raise ValueError("not a neighbour")
    return Neighbour(
        id=record["id"],
        title=record["title"],
        score=float(record["score"]),
        grade=grade,
        reason=record["reason"],
        bridge=bool(record["bridge"]),
        linked=bool(record["linked"]),
    )


def _csv_line(values: Sequence[Any]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(values)
    return buffer.getvalue()
