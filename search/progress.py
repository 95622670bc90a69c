"""This module shows how far long work is, how fast it goes and how long it will take, on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, TextIO

import click

_EVERY = 15.0  # seconds between two lines where there is no terminal


class Progress:
    """Follows stages of work, one after the other; to be used as a context, and called as a build calls it.

    In a terminal, a bar a stage.  Elsewhere a line every 15 seconds, and none for what takes less.  ``quiet`` shows
    nothing.  ``out`` is stderr unless given, ``clock`` gives seconds.
    """

    def __init__(
        self, quiet: bool = False, out: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._quiet = quiet
        self._out = out if out is not None else sys.stderr
        self._clock = clock
        self._stage = ""
        self._bar: Any = None
        self._begun = self._told = 0.0
        self._at_first = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._finish()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """``done`` of ``total`` steps of a stage are made; another stage's name ends the one before."""
        if self._quiet or not total:
            return
        now = self._clock()
        if stage != self._stage:
            self._finish()
            self._stage, self._begun, self._told, self._at_first = stage, now, now, done
            if self._out.isatty():
                self._bar = click.progressbar(
                    length=total, label=stage, file=self._out, show_pos=True, item_show_func=lambda pace: pace
                )
                self._bar.__enter__()
        pace = (done - self._at_first) / max(now - self._begun, 1e-9)
        if self._bar is not None:
            self._bar.update(done - self._bar.pos, f"{pace:,.0f} a second" if pace >= 1 else None)
        elif now - self._told >= _EVERY:
            self._told = now
            left = f"; {pace:,.1f} a second, {duration((total - done) / pace)} left" if pace and done < total else ""
            click.echo(f"{stage}: {done:,} of {total:,}{left}", file=self._out)

    def _finish(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None


def duration(seconds: float) -> str:
    """ "50 s", "12 min", "3 h 5 min": what a person who waits wants to know."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
