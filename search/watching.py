"""This module keeps an index up to date while its notes are being written: `kindred index --watch`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event

import click

from indexer import (
    BuildReport,
    Encoder,
    IndexLockedError,
    KindredError,
    NoteChanges,
    when_changed,
)
from search.display import report_text, safe

_RETRY = 1.0  # seconds until a locked index is tried again
_NAMED = 3  # notes of one kind of change that a line names


def keep_up(
    paths: Sequence[Path],
    folder: Path,
    build: Callable[[Encoder | None], BuildReport],
    say: Callable[[BuildReport], None],
    stop: Event,
) -> None:
    """Build at once, and again each time that the notes in ``paths`` changed, until ``stop`` is set, or Ctrl+C.

    ``build`` is given the encoder of the build before, or None at first; ``say`` tells of a build.  The first one
    must succeed.  Later an error is printed, the index stays as it is, and the next change is tried.
    """
    report: BuildReport | None = None
    for problem in when_changed(paths, [folder], stop):
        try:
            if report is None or not problem:
                report = _patiently(build, report, stop)
                say(report)
        except KindredError as error:
            if report is None:
                raise
            problem = str(error)
        if problem:
            click.echo(f"{_clock()} The index stays as it was: {safe(problem)}", err=True)


def line_of(report: BuildReport, seconds: float) -> str:
    """One line on a build, with the time of day and the first notes of each change."""
    return f"{_clock()} {report_text(report, seconds)}{_names(report.changes)}"


def _patiently(build: Callable[[Encoder | None], BuildReport], before: BuildReport | None, stop: Event) -> BuildReport:
    """What ``build`` returns, once no other process holds the index; the first one does not wait."""
    told = False
    while True:
        try:
            return build(before.encoder if before is not None else None)
        except IndexLockedError:
            if before is None:
                raise
            if not told:
                click.echo(f"{_clock()} Another kindred is writing this index; waiting for it.", err=True)
                told = True
            stop.wait(_RETRY)


def _names(changes: NoteChanges) -> str:
    parts = []
    for what, ids in changes.as_dict().items():
        if ids:
            more = [f"and {len(ids) - _NAMED} more"] if len(ids) > _NAMED else []
            parts.append(f" {what}: {', '.join(map(safe, [*ids[:_NAMED], *more]))}.")
    return "".join(parts)


def _clock() -> str:
    return time.strftime("%H:%M:%S")
