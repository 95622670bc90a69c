"""This module writes the small HTML tables that results show themselves as in a notebook; every text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from search.snippets import Snippet


def table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """A table; ``caption`` and ``head`` are plain text, cells are HTML as the functions below write it."""
    parts = ["<table>"]
    if caption:
        parts.append(f'<caption style="text-align: left">{escape(caption)}</caption>')
    parts.append(
        "<thead><tr>"
        + "".join(f'<th style="text-align: left">{escape(name)}</th>' for name in head)
        + "</tr></thead><tbody>"
    )
    for row in rows:
        parts.append(
            "<tr>"
            + "".join(f'<td style="text-align: left; vertical-align: top">{content}</td>' for content in row)
            + "</tr>"
        )
    return "".join([*parts, "</tbody></table>"])


def cell(text: object) -> str:
    """Plain text as a cell."""
    return escape(str(text))


def titled(title: str, note_id: str, topic: str = "") -> str:
    """A cell with the title of a note, below it its topic and its id."""
    below = f"{cell(topic)} · <code>{cell(note_id)}</code>" if topic else f"<code>{cell(note_id)}</code>"
    return f"<strong>{cell(title)}</strong><br><small>{below}</small>"


def marked(snippet: Snippet) -> str:
    """A cell with a snippet, its spans in <mark>."""
    parts, at = [], 0
    for begin, end in snippet.spans:
        parts += [cell(snippet.text[at:begin]), f"<mark>{cell(snippet.text[begin:end])}</mark>"]
        at = end
    return "".join([*parts, cell(snippet.text[at:])])
