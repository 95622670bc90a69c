"""This module reads a saved cluster page: the visible text of a web page that lists notes under sub-topics.

    ← All clusters                                      optional
    Reasoning and Learning Architectures                cluster title
    Research on how language models learn, ...          cluster description
    290 notes (primary) · 1094 papers · 21 sub-topics   figures line
    View as                                             optional
    Reinforcement Learning                              heading  \\ any number
    27 notes                                            count    / of these,
    Can LLMs design reward functions?                   title        \\  each followed
    Can language models help automate ...               description   > by any number
    Explore related Read →                              closing line /  of these

Blank lines and the white space around a line mean nothing.  Three lines of which only the third is the closing line
are a note, whatever the first two say; so a description may read "27 notes".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer.errors import SourceError
from indexer.notes import RawNote

_CLOSING = "Explore related Read →"
# Plain digits, or groups of three behind a separator; "3.5" is no count.
_NUMBER = r"([0-9]{1,9}|[0-9]{1,3}(?:[.,'’ ][0-9]{3}){1,3})"
_COUNT = re.compile(rf"{_NUMBER} notes?")
_FIGURES = re.compile(rf"{_NUMBER} notes?(?: \(primary\))? · {_NUMBER} papers? · {_NUMBER} sub-topics?")


def is_page(data: bytes) -> bool:
    """Whether a file's bytes look like a page, perhaps a torn one or one in another encoding, and not like any text."""
    text = data.replace(b"\0", b"").decode("utf-8", "replace")
    return "Explore related Read" in text or ("·" in text and "sub-topic" in text)


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a saved cluster page states about itself; the figures are the page's, not what it holds."""

    title: str
    description: str
    stated_notes: int
    stated_papers: int
    stated_topics: int


@dataclass(slots=True)
class _Heading:
    title: str
    count_line: int
    stated: int
    held: int = 0


_Lines = Sequence[tuple[int, str]]  # number from 1, text with single spaces; blank lines left out


def read_page(text: str, path: Path, source: str) -> tuple[list[RawNote], Cluster, list[str]]:
    """The notes of a page in its order, what it states about itself, and its warnings.

    A note's topic is its heading, its cluster the page's title, its line that of the title.
    A page that holds other numbers of notes or sub-topics than it states is read and gets warnings: one for the
    figures line, one for each heading.  Raises SourceError with the line of whatever else differs from the form
    above.  ``text`` has "\\n" line ends and is not blank.
    """
    collapsed = ((number, " ".join(line.split())) for number, line in enumerate(text.split("\n"), 1))
    lines = [(number, line) for number, line in collapsed if line]
    cluster, figures_line, position = _header(lines, path)
    notes: list[RawNote] = []
    headings: list[_Heading] = []
    while position < len(lines):
        number, first = lines[position]
        second, third = (lines[at][1] if at < len(lines) else "" for at in (position + 1, position + 2))
        if third == _CLOSING and _CLOSING not in (first, second):
            if not headings:
                raise SourceError(path, number, f"the note {_quoted(first)} stands before the first heading.")
            headings[-1].held += 1
            topic = headings[-1].title
            notes.append(RawNote(first, second, path, number, source, topic=topic, cluster=cluster.title))
            position += 3
        elif (count := _COUNT.fullmatch(second)) and first != _CLOSING:
            headings.append(_Heading(first, lines[position + 1][0], _number(count[1])))
            position += 2
        else:
            raise SourceError(path, *_fault(lines, position))
    return notes, cluster, _disagreements(cluster, figures_line, headings, len(notes), path)


def _header(lines: _Lines, path: Path) -> tuple[Cluster, int, int]:
    """The cluster, the number of its figures line, and the position of the first line below the header."""
    position = 1 if lines[0][1].startswith("←") else 0
    number, found = lines[min(position + 2, len(lines) - 1)]
    figures = _FIGURES.fullmatch(found) if position + 2 < len(lines) else None
    if figures is None:
        raise SourceError(
            path,
            number,
            "is no cluster page: below its title and description must stand a line like "
            f"'290 notes (primary) · 1094 papers · 21 sub-topics', not {_quoted(found)}.",
        )
    title, description = lines[position][1], lines[position + 1][1]
    cluster = Cluster(title, description, _number(figures[1]), _number(figures[2]), _number(figures[3]))
    position += 3
    if position < len(lines) and lines[position][1] == "View as":
        position += 1
    return cluster, number, position


def _fault(lines: _Lines, position: int) -> tuple[int, str]:
    """Line and sentence for what stands at ``position``, which is neither a heading nor a note."""
    number, first = lines[position]
    if first == _CLOSING:
        return number, f"{_quoted(_CLOSING)} closes no note."
    if _COUNT.fullmatch(first):
        return number, f"{_quoted(first)} counts the notes of no heading."
    if position + 1 < len(lines) and lines[position + 1][1] == _CLOSING:
        return number, f"the title {_quoted(first)} has no description."
    if position + 2 >= len(lines):
        return number, f"the page ends in the middle of the note {_quoted(first)}."
    number, found = lines[position + 2]
    return number, (
        f"{_quoted(_CLOSING)} must stand below the title {_quoted(first)} and its description, not {_quoted(found)}."
    )


def _disagreements(
    cluster: Cluster, figures_line: int, headings: Sequence[_Heading], held: int, path: Path
) -> list[str]:
    warnings: list[str] = []
    if (cluster.stated_notes, cluster.stated_topics) != (held, len(headings)):
        stated = f"{_plural(cluster.stated_notes, 'note')} under {_plural(cluster.stated_topics, 'sub-topic')}"
        warnings.append(f"{path}:{figures_line}: states {stated} and holds {held} under {len(headings)}")
    for heading in headings:
        if heading.stated != heading.held:
            stated = _plural(heading.stated, "note")
            warnings.append(f"{path}:{heading.count_line}: states {stated} and holds {heading.held}")
    return warnings


def _number(digits: str) -> int:
    return int(re.sub(r"[^0-9]", "", digits))


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:80] + "…")
