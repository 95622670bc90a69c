"""Whoever is killed while an engine is given notes, the builder or the engine, it answers as before or as meant.

`make faults` kills each thirty times and more, and keeps the count for the README.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import Kind, started
from victims import Desk, collection

from indexer.cluster.address import Address
from indexer.cluster.book import FIELDS, published
from indexer.cluster.engine import Engine
from indexer.cluster.shelf import shelf_fields

ALL = os.environ.get("KINDRED_FAULTS") == "all"
MOMENTS = 10 if ALL else 2  # of each of the three cases
CASES: list[tuple[Kind, str]] = [("lite2", "all"), ("lite2", "one"), ("lite3", "one")]
CHANGES = {
    "all": {"old": collection("before"), "new": collection("after")},
    "one": {"old": collection("before"), "new": collection("before")[:-1] + collection("after")[-1:]},
}
ROWS = {
    "client": (
        "SIGKILL of `kindred index` at a random moment while it fills an engine",
        "leave the old index or the new one",
    ),
    "engine": ("SIGKILL of the engine at a random moment while it is filled", "leave the old index or the new one"),
}
Survived = dict[str, int]


@pytest.fixture(scope="module")
def survived(request: pytest.FixtureRequest) -> Iterator[Survived]:
    """Takes down how many kills were survived; `make faults` keeps it for the README, where no test failed."""
    tally: Survived = {}
    yield tally
    if ALL and not request.session.testsfailed:
        from benchmarks.results import save_reliability

        for what, (tried, outcome) in ROWS.items():
            number = tally[what]
            save_reliability(f"faults cluster {what}", tried, f"{number} of {number} {outcome}", {"count": number})


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize(("kind", "change"), CASES)
@pytest.mark.parametrize("victim", ROWS)
def test_a_load_that_is_killed_leaves_the_old_index_or_the_new_one(
    victim: str, kind: Kind, change: str, tmp_path: Path, survived: Survived
) -> None:
    server = started(kind, tmp_path / "engine")
    try:
        desk = Desk(tmp_path, f"{server.address}/notes", CHANGES[change])
        desk.write("old")
        desk.build()
        assert desk.state() == "old"
        desk.write("new")
        whole = desk.build()
        assert (desk.state(), desk.leftovers()) == ("new", [])
        chance, states = random.Random(f"{victim} {kind} {change}"), ["old", "new"]  # noqa: S311 - no secret
        killed = 0
        while killed < MOMENTS:
            was, meant = states[(killed + 1) % 2], states[killed % 2]
            desk.write(meant)
            builder = desk.start()
            time.sleep(chance.uniform(0, whole))
            if victim == "client":
                builder.kill()
                builder.join()
                assert builder.exitcode in (-signal.SIGKILL, 0)
            else:
                server.kill()
                server.start()
                builder.join()
                assert builder.exitcode in (3, 0)  # a sentence, or it was done before or waited
            assert desk.state() in (was, meant)
            desk.build()
            assert (desk.state(), desk.leftovers()) == (meant, [])
            killed += 1
        survived[victim] = survived.get(victim, 0) + killed
    finally:
        server.kill()


def test_what_a_build_left_that_was_killed_as_it_had_published_goes_with_the_next(lite2: str, tmp_path: Path) -> None:
    desk = Desk(tmp_path, f"{lite2}/left", CHANGES["one"])
    for state in ("old", "new", "old"):
        desk.write(state)
        desk.build()
    address = Address.parse(desk.place)
    engine = Engine(address)
    book = published(engine, "left")[-1]
    shelf = "left_0badcafe_s"  # of a generation that nobody names any more
    engine.create(shelf, FIELDS)
    ended = engine.fetch(book.shelf, "row == 0", [field.name for field in shelf_fields(9, True)])
    engine.upsert(book.shelf, [{**ended[0], "row": 10_000, "since": 1, "until": 1}])
    assert desk.leftovers() == [shelf, f"1 rows on {book.shelf}"]
    desk.build()  # nothing changed
    assert (desk.state(), desk.leftovers()) == ("old", [])
