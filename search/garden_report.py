"""This module writes the gardener's report, as Markdown to read or CSV to work through, and is its command."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from search.options import ensure_folder, folder_option, write_out

if TYPE_CHECKING:
    from indexer import Note
    from search.garden import Section, Subject

_SHOWN = 10  # findings of a section that Markdown shows; more are no evening's work
_NEIGHBOURS = 10  # length of the lists that the findings come from, as `kindred related` shows them
# What Markdown, its dialects (tables, ~~, $, ==, %%, #tag) and the HTML in it would take for markup.
_MARKUP = re.compile(r"[\\`*_\[\]<>|~&#$=%]")
_MAX_TITLE = 300  # as in the other lists; CSV has all of it


@click.command()
@folder_option
@click.option(
    "-o",
    "output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where the report is written, if not to the terminal.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["markdown", "csv"]),
    help="Markdown has the first findings of each section, CSV all, a row each; at first what FILE ends in, else "
    "markdown.",
)
def garden(folder: Path, output: Path | None, form: str | None) -> None:
    """Report what a gardener of the notes would put right.

    Near-duplicates, orphans, missing links, hubs, thin topics, and notes that may be filed wrongly, from the lists of
    related notes and the links.  Each section says what it means, what to do, and by which rule it was found.

    Example: kindred garden -o garden.md
    """
    from indexer import open_index
    from search.display import count, safe
    from search.garden import garden as findings
    from search.neighbours import all_related
    from search.progress import Progress

    ensure_folder(output, "-o")
    index = open_index(folder)
    with Progress() as bars:
        lists = all_related(index, _NEIGHBOURS, progress=lambda done, total: bars("related notes", done, total))
    notes = list(index.notes())
    sections = findings(notes, lists)
    chosen = form or ("csv" if output is not None and output.suffix.lower() == ".csv" else "markdown")
    text = csv_report(sections) if chosen == "csv" else markdown_report(notes, sections)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_out(output, text)
        found = count(sum(len(one.findings) for one in sections), "finding")
        click.echo(safe(f"Wrote {found} to {output}."), err=True)


def markdown_report(notes: Sequence[Note], sections: Sequence[Section]) -> str:
    """The report to read: counts first, then each section with its first ten findings; ends with a line break.

    Titles appear as they are written, whatever markup they hold, on one line.
    """
    from search.display import count

    topics = len({note.topic for note in notes if note.topic})
    links = sum(len(note.links) for note in notes)
    lines = [
        "# What a gardener would put right",
        "",
        f"{count(len(notes), 'note')} in {count(topics, 'topic')}, with {count(links, 'link')} between them.",
        "Likeness is counted in standard deviations above a random pair of these notes, lists hold up to "
        f"{_NEIGHBOURS} related notes.",
        "",
        "| section | findings |",
        "|---|---|",
        *(f"| {section.title} | {len(section.findings)} |" for section in sections),
    ]
    for section in sections:
        lines += ["", f"## {section.title}", "", section.meaning, f"Rule: {section.rule}", ""]
        for finding in section.findings[:_SHOWN]:
            lines.append(f"- **{_title(finding.subject)}**{_topic(finding.subject)}: {_escaped(finding.fact)}")
            for other in finding.others:
                lines.append(f"  - {_title(other)}{_topic(other)}" if other.id else f"  - near {_escaped(other.title)}")
        if not section.findings:
            lines.append("Nothing here.")
        elif len(section.findings) > _SHOWN:
            lines += ["", f"… and {len(section.findings) - _SHOWN} more; `kindred garden --format csv` lists all."]
    return "\n".join(lines) + "\n"


def csv_report(sections: Sequence[Section]) -> str:
    """The report to work through: a header, then a row for each finding, with the nearest other where there is one.

    A cell that a spreadsheet would run as a formula begins with an apostrophe instead.
    """
    from search.display import cell

    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(["section", "note", "title", "other", "other title", "figure", "advice"])
    for section in sections:
        for finding in section.findings:
            subject, other = finding.subject, next(iter(finding.others), None)
            beside = (other.id, other.title) if other else ("", "")
            figure = "" if finding.figure is None else str(round(finding.figure, 2))
            row = [section.name, subject.id, subject.title, *beside, figure, finding.advice]
            writer.writerow(cell(_line(text)) for text in row)
    return written.getvalue()


def _topic(subject: Subject) -> str:
    return f" ({_escaped(subject.topic)})" if subject.topic else ""


def _title(subject: Subject) -> str:
    """A title as Markdown that shows it, at the start of an item as well, where signs and numbers begin a list."""
    return re.sub(r"^(\d*)(?=[-+.)])", r"\1\\", _escaped(subject.title))


def _escaped(text: str) -> str:
    """``text`` as Markdown that shows it within a line, cut where it is endless."""
    line = _line(text)
    return _MARKUP.sub(r"\\\g<0>", line if len(line) <= _MAX_TITLE else line[:_MAX_TITLE] + "…")


def _line(text: str) -> str:
    """``text`` on one line, without what a terminal would obey."""
    from search.display import safe

    return safe(" ".join(text.split()))
