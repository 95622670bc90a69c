"""This module waits until files of notes change."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from threading import Event

from indexer.errors import SourceError
from indexer.freshness import Stamps, stamps

_POLL = 1.0  # seconds between two looks at what the system does not tell of
# A save is over when nothing changed for so many seconds; what never rests is taken as it is after so many looks.
_REST, _LOOKS = 0.2, 25


def when_changed(paths: Sequence[Path], exclude: Sequence[Path], stop: Event) -> Iterator[str | None]:
    """Yields at once, and then each time that the files which ``read_notes`` would read for the same arguments are not
    those of the yield before, or not as they were; ends when ``stop`` is set.

    What it yields is None, or a sentence where the files cannot even be listed, because a path is missing: that is one
    change, and its return another.  What changes while the caller is busy is seen afterwards.  Files that do not count
    (hidden ones, other kinds, an index among the notes) are no change.
    """
    while not stop.is_set():
        before = _look(paths, exclude)
        yield before if isinstance(before, str) else None
        changed = False
        while not changed and not stop.is_set():
            with suppress(FileNotFoundError), closing(_hints(paths, exclude, stop)) as hints:
                changed = any(
                    _look(paths, exclude) != before and _rested(paths, exclude, stop) != before for _ in hints
                )


def _hints(paths: Sequence[Path], exclude: Sequence[Path], stop: Event) -> Generator[None, None, None]:
    """Yields when it is worth looking: once the system is watching the folders, and whenever it tells of something
    there.  Named files are looked at every second: editors put a new file in their place, which no watch survives."""
    folders = [path for path in paths if path.is_dir()]
    polled = len(folders) < len(paths)
    if not folders:
        while not stop.wait(_POLL):
            yield
        return
    from watchfiles import watch

    excluded = tuple(os.path.realpath(folder) + os.sep for folder in exclude)
    started = False
    for told in watch(
        *folders,
        watch_filter=lambda _, path: not os.path.realpath(path).startswith(excluded),
        rust_timeout=int(_POLL * 1000),
        yield_on_timeout=True,
        stop_event=stop,
    ):
        if told or polled or not started:
            started = True
            yield


def _look(paths: Sequence[Path], exclude: Sequence[Path]) -> Stamps | str:
    """The files as they are, or why there are none."""
    try:
        return stamps(paths, exclude)
    except SourceError as error:
        return str(error)


def _rested(paths: Sequence[Path], exclude: Sequence[Path], stop: Event) -> Stamps | str:
    """The files once they are no longer being written."""
    found = _look(paths, exclude)
    for _ in range(_LOOKS):
        stop.wait(_REST)
        before, found = found, _look(paths, exclude)
        if found == before:
            break
    return found
