"""This module reads notes from tables: one JSON object a line, or rows of comma- or tab-separated values.

Both know a field by several names, in any case; the first name in this order that is present and not empty wins:

    title        title, name, question, heading              required
    description  description, summary, text, abstract, body, content
    id           id, _id, slug
    topic        topic, sub_topic, subtopic, category, section
    cluster      cluster, collection
    tags         tags, keywords                              a list, or text with commas
    date         date, created, year, published
    links        links, related                              a list, or text with commas: ids or titles

Other names are ignored.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from indexer.errors import SourceError
from indexer.notes import RawNote

_NAMES = {
    "title": ("title", "name", "question", "heading"),
    "description": ("description", "summary", "text", "abstract", "body", "content"),
    "id": ("id", "_id", "slug"),
    "topic": ("topic", "sub_topic", "subtopic", "category", "section"),
    "cluster": ("cluster", "collection"),
    "tags": ("tags", "keywords"),
    "date": ("date", "created", "year", "published"),
    "links": ("links", "related"),
}
_KNOWN = frozenset(name for names in _NAMES.values() for name in names)
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_LONGEST = 16 << 20  # characters of one note, in a line or a row; as a file of Markdown
_TOO_LONG = f"one note has more than {_LONGEST >> 20} Mi characters, the most that is read; shorten it."
_COLUMNS_SHOWN = 10  # in the message on a header that has no title


class NoTitleColumnError(SourceError):
    """A table of something else than notes."""


def read_jsonl(text: str, path: Path, source: str) -> tuple[list[RawNote], list[str]]:
    """One note for each line that is not blank, in order, and the warnings (notes without a description).

    Raises SourceError with the line for what is no JSON object, has no title, or has a field of the wrong type:
    title and description are text, the other single fields text or whole numbers.
    """
    notes: list[RawNote] = []
    for number, match in enumerate(_LINE.finditer(text), 1):
        if match.end() - match.start() > _LONGEST:
            raise SourceError(path, number, _TOO_LONG)
        line = match.group().strip()
        if not line:
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            problem = f"is no JSON: {error.msg} in column {error.colno}; each line must be one whole JSON object."
            raise SourceError(path, number, problem) from error
        except ValueError as error:  # a number with more digits than Python converts
            raise SourceError(path, number, f"is no JSON that can be read: {error}.") from error
        except RecursionError as error:
            raise SourceError(path, number, "is nested too deep to be read.") from error
        if not isinstance(record, dict):
            raise SourceError(path, number, 'is no JSON object; each line must be one, as in {"title": "..."}.')
        notes.append(_note(_lower(record.items()), path, number, source))
    return notes, _without_description(notes)


def read_csv(text: str, path: Path, source: str) -> tuple[list[RawNote], list[str]]:
    """One note for each row below the header that is not blank, in order, and the warnings.

    A .tsv file is separated by tabs; any other by comma, semicolon or tab, whichever makes most sense of the header.
    A quoted cell may hold line ends; a note's line is the first of its row.  A short row lacks its last cells.
    Raises NoTitleColumnError, and SourceError for a row longer than the header, a row without a title, and
    quotes that do not pair.
    """
    delimiter = "\t" if path.suffix.lower() == ".tsv" else _delimiter(text)
    rows = _rows(text, delimiter, path)
    header_line, header = next(rows, (1, []))
    columns = [cell.lower() for cell in header]
    if not set(columns) & set(_NAMES["title"]):
        found = ", ".join(cell[:40] for cell in header[:_COLUMNS_SHOWN])
        found += f" and {len(header) - _COLUMNS_SHOWN:,} more" if len(header) > _COLUMNS_SHOWN else ""
        raise NoTitleColumnError(
            path,
            header_line,
            f"has no title column: one must be called {_either(_NAMES['title'])}; the columns are: {found}.",
        )
    notes: list[RawNote] = []
    for number, cells in rows:
        if len(cells) > len(columns):
            problem = f"has {len(cells)} cells under {len(columns)} columns; quote a cell that holds the separator."
            raise SourceError(path, number, problem)
        notes.append(_note(_lower(zip(columns, cells, strict=False)), path, number, source))
    return notes, _without_description(notes)


def _rows(text: str, delimiter: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Every row with a cell that is not blank: the number of its first line, its cells without surrounding space."""
    number, size = 1, 0  # the row's first line, and how much of it was read

    def lines() -> Iterator[str]:
        nonlocal size
        for match in _LINE.finditer(text):
            size += match.end() - match.start()
            if size > _LONGEST:
                raise SourceError(path, number, _TOO_LONG)
            yield match.group()

    reader = csv.reader(lines(), delimiter=delimiter, strict=True)
    while True:
        number, size = reader.line_num + 1, 0
        # The module's own limit of 128 Ki characters is global; no cell can be longer than a row.
        before = csv.field_size_limit(_LONGEST)
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            raise SourceError(path, number, f"is no row of a table: {error}; check its quotes.") from error
        finally:
            csv.field_size_limit(before)
        if any(cells):
            yield number, cells


def _delimiter(text: str) -> str:
    """Comma, semicolon or tab: the one that shows most known columns in the header, then most columns."""

    def score(delimiter: str) -> tuple[int, int]:
        try:
            header = next(_rows(text, delimiter, Path()), (1, []))[1]
        except SourceError:  # the quotes do not pair with this one; the chosen one reports its own fault
            return (-1, 0)
        return (len(_KNOWN & {cell.lower() for cell in header}), len(header))

    return max((",", ";", "\t"), key=score)  # the first of equals


def _lower(fields: Iterable[tuple[str, object]]) -> dict[str, object]:
    """The fields that are not empty under their lower-case names; of two with one name, the first."""
    lowered: dict[str, object] = {}
    for name, value in fields:
        empty = value is None or value == [] or (isinstance(value, str) and not value.strip())
        if not empty:
            lowered.setdefault(name.strip().lower(), value)
    return lowered


def _note(record: Mapping[str, object], path: Path, line: int, source: str) -> RawNote:
    values: dict[str, str] = {}
    lists: dict[str, tuple[str, ...]] = {}
    for field, names in _NAMES.items():
        name = next((name for name in names if name in record), "")
        value = record.get(name, "")
        try:
            if field in ("tags", "links"):
                lists[field] = _items(value)
            else:
                values[field] = _text(value, numbers=field not in ("title", "description"))
        except TypeError as error:
            raise SourceError(path, line, f"{name!r} is {error}.") from error
    if not values["title"]:
        raise SourceError(path, line, f"has no title: a field called {_either(_NAMES['title'])} that is not empty.")
    return RawNote(
        title=values["title"],
        description=values["description"],
        path=path,
        line=line,
        source=source,
        topic=values["topic"],
        cluster=values["cluster"],
        tags=lists["tags"],
        date=values["date"],
        explicit_id=values["id"],
        links=lists["links"],
    )


def _text(value: object, numbers: bool) -> str:
    if isinstance(value, str):
        return value
    if numbers and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise TypeError("neither text nor a whole number" if numbers else "not text")


def _items(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list):
        raise TypeError("neither a list nor text with commas")
    return tuple(_text(item, numbers=True) for item in value)


def _without_description(notes: list[RawNote]) -> list[str]:
    return [f"{note.path}:{note.line}: has a title but no description" for note in notes if not note.description]


def _either(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
