"""What the soak bench asks, and how it tells growth from noise."""

from __future__ import annotations

from itertools import islice

import pytest

from benchmarks.soak import asks, growth, row


def test_a_line_through_the_minutes_is_the_growth_in_an_hour() -> None:
    # 100 MB and 2 MB more each minute; what a burst takes on top, and the first half of the time, do not count.
    samples = [
        {
            "second": float(second),
            "own MB": (900.0 if second < 300 else 100.0) + 2 * (second // 60) + (second % 60) / 10,
        }
        for second in range(0, 600, 10)
    ]
    slope, error = growth(samples, "own MB")
    assert slope == pytest.approx(120)
    assert error == pytest.approx(0, abs=1e-6)


def test_noise_has_an_error_that_is_the_textbooks() -> None:
    # Four minutes at 0, 1, 0, 1 MB: a slope of 0.2, squares of the rest 0.8, of the times 5, two degrees of freedom.
    samples = [{"second": 60.0 * minute, "own MB": float((minute + 1) % 2)} for minute in range(5, 9)]
    slope, error = growth(samples, "own MB")
    assert slope == pytest.approx(60 * 0.2)
    assert error == pytest.approx(2 * 60 * (0.8 / 2 / 5) ** 0.5)


def test_half_of_what_is_asked_was_asked_before_and_a_tenth_is_wrong() -> None:
    asked = list(islice(asks(["how do models reason?", "reward"], ["a", "b"]), 20 * 50))
    assert sum(status == 404 for _, status in asked) == sum(status == 422 for _, status in asked) == 50
    assert len({path for path, _ in asked}) > 6 * 50  # what is new is new
    assert sum(path == "/api/search?q=reward" for path, _ in asked) == 9 * 50 / 2


def test_the_row_says_what_failed_and_what_grew() -> None:
    record = {
        "requests": 12_345,
        "hours": 0.334,
        "asked a second": 10.4,
        "answers a second at most": 20.8,
        "publications": 19,
        "failed": 0,
        "own MB": [120.4, 121.0],
        "MB an hour": -1.25,
        "two standard errors": 2.0,
        "files": [55.0, 96.0],
        "threads": [7.0, 8.0],
    }
    tried, outcome = row(record)
    assert tried == (
        "12,345 requests to a server in 0.33 hours, 10 a second of the 21 that it can, and 19 publications"
    )
    assert outcome == "0 failed; memory 120 to 121 MB, -1.2 ± 2.0 MB an hour; 55 to 96 files, 7 to 8 threads"
