from __future__ import annotations

import io

import pytest

from search.progress import Progress, duration


class Clock:
    """A clock that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_without_a_terminal_a_line_now_and_then_says_how_far_how_fast_and_how_long() -> None:
    out, clock = io.StringIO(), Clock()
    with Progress(out=out, clock=clock) as progress:
        progress("encoding notes", 0, 100_000)
        for seconds, done in ((14, 400), (16, 480), (20, 600), (40, 1200), (60, 100_000)):
            clock.now = 100 + seconds
            progress("encoding notes", done, 100_000)
    assert out.getvalue().splitlines() == [
        "encoding notes: 480 of 100,000; 30.0 a second, 55 min left",
        "encoding notes: 1,200 of 100,000; 30.0 a second, 55 min left",
        "encoding notes: 100,000 of 100,000",
    ]


def test_what_is_soon_over_leaves_no_line() -> None:
    out, clock = io.StringIO(), Clock()
    with Progress(out=out, clock=clock) as progress:
        for stage in ("one", "two", "three"):
            progress(stage, 0, 1)
            clock.now += 10
            progress(stage, 1, 1)
    assert out.getvalue() == ""


def test_in_a_terminal_a_bar_shows_the_same() -> None:
    out, clock = Terminal(), Clock()
    with Progress(out=out, clock=clock) as progress:
        progress("encoding notes", 0, 400)
        clock.now += 10
        progress("encoding notes", 200, 400)
        progress("indexing words", 1, 1)
    text = out.getvalue()
    assert "encoding notes" in text
    assert "200/400" in text
    assert "20 a second" in text
    assert "indexing words" in text


def test_quiet_shows_nothing() -> None:
    for out in (io.StringIO(), Terminal()):
        with Progress(quiet=True, out=out) as progress:
            progress("encoding notes", 1, 2)
        assert out.getvalue() == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (89, "89 s"), (90, "2 min"), (3300, "55 min"), (5399, "1 h 30 min"), (11_100, "3 h 5 min")],
)
def test_time_is_told_as_coarsely_as_a_person_needs_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text
