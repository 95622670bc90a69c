"""What notes need on Milvus, against hand arithmetic: the bytes of one note, and their sums."""

from __future__ import annotations

from pathlib import Path

import pytest
import toys

from benchmarks.results import saved, shown
from benchmarks.sizes import PAGE, SIZES, measured, needs, parts, sizes_text
from indexer import build_index, open_index


def test_the_page_shows_the_sizes_that_were_worked_out_from_what_was_measured() -> None:
    record = saved("sizes")
    assert shown("sizes", PAGE) == sizes_text(record)
    assert record["needs"] == {str(number): needs(number, record["note"], record["build"]) for number in SIZES}


def test_needs_are_sums_of_what_a_note_takes() -> None:
    note = {"dimensions": 100, "terms": 10, "held": 5, "id bytes": 20, "line bytes": 300, "said bytes": 100}
    # 4 × 100 + 8 × 18 links; 8 × 10 × 2; 60 + 20 + 8 × 5; 300 + 100
    assert parts(note) == {"vectors": 544, "words": 160, "scalars": 120, "store": 400}
    found = needs(1_000_000, note, {"memory": 10e9, "disk": 4e9, "seconds": 300, "texts a second": 20})
    assert found["memory"] == pytest.approx(1.4 * 704e6)
    assert found["memory while loading"] == pytest.approx(2 * 1.4 * 704e6)
    assert found["mapped"] == 2 * 520e6
    assert found["object store"] == 4 * (1224e6 + 400e6)
    assert (found["builder memory"], found["builder disk"], found["encoding seconds"]) == (10e9, 12e9, 50_000)
    assert (found["nodes"], found["cores"]) == (1, 4)


def test_a_note_is_measured_by_what_stands_in_it(tmp_path: Path) -> None:
    notes = [toys.record("n1", "Reward hacking", "Policy reward, policy reward.", "Critics")]
    build_index([toys.write_jsonl(tmp_path / "notes.jsonl", notes)], tmp_path / "index", encoder=toys.ToyEncoder())
    note = measured(open_index(tmp_path / "index"))
    # Terms that rank: reward, hack, polici, critic.  A number for each field and term, 2 + 2 + 1, and for each field
    # and two neighbours: "reward hacking", and of the description "policy reward" and "reward policy".
    assert (note["notes"], note["sampled"], note["terms"], note["held"], note["id bytes"]) == (1, 1, 4, 8, 2)
    assert note["dimensions"] == 9
