"""This module writes hits and notes for people to read in a terminal."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:  # for their names alone: what a server found is shown without numpy, or any reader of notes
    from indexer import BuildReport, Note
    from search.evaluate import Metrics

Record = Mapping[str, Any]  # a hit as JSON-ready values, with what each lexical term added

# What a grade says to a reader, before the hits.
SAID = {
    "strong": "Strong match.",
    "fair": "Fair match.",
    "weak": "No note answers this; the closest are:",
}
# Control characters (escape codes among them) and the overrides of writing direction: a note must not be able to
# steer the terminal that shows it.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
# Stand-ins for the beginning and the end of a match while lines are wrapped: private use, removed from notes' texts.
_BEGIN, _END = "\ue000", "\ue001"
# What makes a spreadsheet run a cell (OWASP, CSV injection), with the wide forms of the same signs.
_FORMULA = tuple("=+-@＝＋－＠")
_MAX_WIDTH = 100  # longer lines are hard to read
_MAX_TITLE = 300  # of a title or id in a list; `kindred show` prints all of it


def is_styled() -> bool:
    """Whether standard output shows colours: a terminal, and NO_COLOR (https://no-color.org) not set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def safe(text: str) -> str:
    """``text`` without what a terminal would obey instead of showing."""
    return _UNSAFE.sub("\ufffd", text)


def json_text(record: Any) -> str:
    """``record`` as JSON on one line: letters of every script as they are, what a terminal would obey escaped."""
    return _UNSAFE.sub(lambda sign: f"\\u{ord(sign[0]):04x}", json.dumps(record, ensure_ascii=False))


def cell(text: str) -> str:
    """``text`` as a cell of a table: safe, and behind an apostrophe where a spreadsheet would run it."""
    shown = safe(text)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown


def hits_text(
    hits: Sequence[Record], measure: str = "match", explain: bool = False, remarks: Sequence[str] | None = None
) -> str:
    """Hits as paragraphs: title, topic, how good the match is, id, a remark each where there are ``remarks``, the best
    words of the description.

    ``measure`` is the word for the score: "match" in a search, where the best is 1; "likeness" between notes, in
    standard deviations above a random pair.
    """
    lines = [""] * len(hits) if remarks is None else remarks
    return "\n\n".join(_hit_text(hit, measure, explain, line) for hit, line in zip(hits, lines, strict=True))


def note_text(note: Note) -> str:
    """A whole note."""
    lines = [strong(safe(note.title)), safe(note.id)]
    details = {
        "topic": note.topic,
        "cluster": note.cluster,
        "tags": ", ".join(note.tags),
        "date": note.date,
        "links": ", ".join(note.links),
        "from": f"{note.source}:{note.line}",
    }
    lines += [f"{name}: {safe(value)}" for name, value in details.items() if value]
    return "\n".join([*lines, "", *wrapped(safe(note.description), "")])


def metrics_text(rows: dict[str, Metrics], n_queries: int) -> str:
    """A table of metrics, a line a ranking."""
    width = max(map(len, rows))
    lines = [f"{'':{width}}  nDCG@10  recall@10    MRR   ({n_queries} judged)"]
    lines += [f"{name:{width}}  {m.ndcg:7.4f}  {m.recall:9.4f}  {m.mrr:5.4f}" for name, m in rows.items()]
    return "\n".join(lines)


def report_text(report: BuildReport, seconds: float) -> str:
    """One sentence on what a build did."""
    notes, files = count(report.n_notes, "note"), count(report.n_sources, "file")
    if not report.published:
        return f"Nothing changed: {notes} from {files} in {seconds:.1f} s (generation {report.generation})."
    return (
        f"Indexed {notes} from {files} in {seconds:.1f} s: {report.added} added, "
        f"{report.changed} changed, {report.removed} removed; {count(report.encoded, 'text')} encoded "
        f"(generation {report.generation})."
    )


def count(number: int, noun: str) -> str:
    """ "1 note", "203 notes"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _hit_text(hit: Record, measure: str, explain: bool, remark: str) -> str:
    facts = [safe(hit["topic"]), _score(hit, measure), shortened(hit["id"])]
    lines = [
        f"{hit['rank']:2}. {strong(shortened(hit['title']))}",
        "    " + faint(" · ".join(fact for fact in facts if fact)),
        *map(faint, wrapped(safe(remark), "    ")),
        *wrapped(_marked(hit["snippet"]), "    "),
    ]
    if explain:
        lines += ["    " + faint(line) for line in _explanation(hit)]
    return "\n".join(_restore(line) for line in lines)


def _score(hit: Record, measure: str) -> str:
    """The score, and the two figures behind it that compare across queries."""
    parts, legs = [], hit["legs"]
    if "semantic" in legs:
        parts.append(f"meaning {legs['semantic']['score']:.2f}")
    if legs:
        parts.append(count(len(legs["lexical"].get("terms", ())), "word") if "lexical" in legs else "no word")
    return f"{measure} {hit['score']:.2f}" + (f" ({', '.join(parts)})" if parts else "")


def _explanation(hit: Record) -> Iterable[str]:
    for name, leg in hit["legs"].items():
        terms = ", ".join(f"{safe(term)} {value:.2f}" for term, value in leg.get("terms", {}).items())
        yield f"{name}: rank {leg['rank']}, score {leg['score']:.3f}" + (f" ({terms})" if terms else "")


def _marked(snippet: Record) -> str:
    text: str = snippet["text"]
    parts, at = [], 0
    for begin, end in snippet["spans"]:
        parts += [text[at:begin], _BEGIN, text[begin:end], _END]
        at = end
    parts.append(text[at:])
    # The texts between the marks are cleaned one by one, so that a note cannot bring marks of its own.
    return "".join(part if part in (_BEGIN, _END) else re.sub(f"[{_BEGIN}{_END}]", "", safe(part)) for part in parts)


def _restore(line: str) -> str:
    begin, end = ("\x1b[1;33m", "\x1b[0m") if is_styled() else ("*", "*")
    return line.replace(_BEGIN, begin).replace(_END, end)


def wrapped(text: str, indent: str) -> list[str]:
    """Lines as wide as the terminal, up to what is easy to read, each behind ``indent``."""
    width = min(shutil.get_terminal_size((80, 24)).columns, _MAX_WIDTH)
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def shortened(text: str) -> str:
    """A title or an id, safe, and cut where it is endless."""
    return safe(text if len(text) <= _MAX_TITLE else text[:_MAX_TITLE] + "…")


def strong(text: str) -> str:
    """Bold, on a terminal with colours."""
    return click.style(text, bold=True) if is_styled() else text


def faint(text: str) -> str:
    """Dim, on a terminal with colours."""
    return click.style(text, dim=True) if is_styled() else text
