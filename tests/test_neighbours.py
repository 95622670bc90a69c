"""The lists of related notes, on the owner's notes and on toys: right, honest, varied and steady."""

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import WORDS, ToyEncoder, record, write_jsonl

from indexer import Index, build_index, open_index, open_previous
from search.lists import changes
from search.neighbours import FAIR, FLOOR, STRONG, Explorer, Neighbour, all_related
from search.selection import MARGIN

DATA = Path(__file__).parent.parent / "data"

Lists = dict[str, tuple[Neighbour, ...]]


@pytest.fixture(scope="module")
def index(owner_index: Path) -> Index:
    return open_index(owner_index)


@pytest.fixture(scope="module")
def lists(index: Index) -> Lists:
    return all_related(index)


def toys(folder: Path, notes: Sequence[dict[str, Any]]) -> Index:
    build_index([write_jsonl(folder / "notes.jsonl", notes)], folder / "index", encoder=ToyEncoder())
    return open_index(folder / "index")


def ids(neighbours: Sequence[Neighbour]) -> list[str]:
    return [found.id for found in neighbours]


def test_no_note_stands_in_more_than_twelve_top_fives_and_none_in_no_list(lists: Lists) -> None:
    fives = Counter(found.id for neighbours in lists.values() for found in neighbours[:5])
    assert max(fives.values()) <= 12  # 18 without the correction, 23 by cosine
    assert {found.id for neighbours in lists.values() for found in neighbours} == lists.keys()


def test_lists_come_in_the_order_of_the_notes_and_name_their_notes(index: Index, lists: Lists) -> None:
    assert list(lists) == [note.id for note in index.notes()]
    for note_id, neighbours in lists.items():
        assert note_id not in ids(neighbours) and len(set(ids(neighbours))) == len(neighbours) <= 10
        for found in neighbours:
            row = index.row_of(found.id)
            assert row is not None and index.note(row).title == found.title


def test_grades_follow_scores_and_nothing_stands_below_the_floor(lists: Lists) -> None:
    for found in (found for neighbours in lists.values() for found in neighbours):
        assert found.score >= FLOOR
        assert found.grade == ("strong" if found.score >= STRONG else "fair" if found.score >= FAIR else "weak")


def test_one_in_eight_random_pairs_reaches_the_floor(index: Index) -> None:
    rows = np.arange(len(index))
    pairs = np.array([np.delete(index.affinity(row, rows, by_token=True), row) for row in rows[::10].tolist()])
    assert [float((pairs >= bound).mean()) for bound in (FLOOR, FAIR, STRONG)] == pytest.approx(
        [0.13, 0.04, 0.013], rel=0.25
    )


def test_bridges_are_fair_notes_of_another_topic_two_at_most(index: Index, lists: Lists) -> None:
    topics = {note.id: note.topic for note in index.notes()}
    for note_id, neighbours in lists.items():
        bridges = [found for found in neighbours if found.bridge]
        assert len(bridges) <= 2
        assert all(found.score >= FAIR and topics[found.id] != topics[note_id] for found in bridges)


def test_a_single_list_is_the_one_among_all_and_short_lists_begin_long_ones(index: Index, lists: Lists) -> None:
    explorer = Explorer(index)  # which finds candidates one by one, not on every core
    for row in range(0, len(index), 40):
        note_id = index.note(row).id
        assert explorer.neighbours(row, 10) == lists[note_id]
        assert explorer.neighbours(row, 3) == lists[note_id][:3]


def test_progress_rises_to_the_number_of_notes(toy_index: Index) -> None:
    told: list[tuple[int, int]] = []
    all_related(toy_index, progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told) and told[-1] == (7, 7)


def test_one_note_has_no_neighbour_and_two_have_each_other_without_a_claim(tmp_path: Path) -> None:
    one, two = record("one", "Reward hacking", ""), record("two", "Proof search", "")
    assert all_related(toys(tmp_path / "a", [one])) == {"one": ()}
    lists = all_related(toys(tmp_path / "b", [one, two]))
    assert {note_id: ids(neighbours) for note_id, neighbours in lists.items()} == {"one": ["two"], "two": ["one"]}
    assert lists["one"][0].grade == "weak"  # a single pair is as far apart as any


def test_ten_notes_without_a_description_have_their_likes_first(tmp_path: Path) -> None:
    notes = [record(f"n{n}", f"{WORDS[n // 2]} number{n}", "") for n in range(10)]
    lists = all_related(toys(tmp_path, notes))
    for n in range(10):
        assert lists[f"n{n}"][0].id == f"n{n ^ 1}"  # the other one with its word


def test_copies_take_one_place_and_the_copy_of_the_note_itself_is_named_as_such(tmp_path: Path) -> None:
    text = "The critic reads a proof before the policy is rewarded."
    notes = [record(f"copy{n}", "A critic of proof", text) for n in range(3)]
    notes += [record("near", "The critic", "Its proof changes the search for a policy, slowly.")]
    notes += [record(f"n{n}", f"{WORDS[n % 8]} item{n}", f"Thing{n} about {WORDS[n * 3 % 8]}.") for n in range(36)]
    lists = all_related(toys(tmp_path, notes))
    assert sum(found.id.startswith("copy") for found in lists["near"]) == 1
    assert lists["copy1"][0].id == "copy0" and "near" in ids(lists["copy1"])
    assert lists["copy1"][0].reason == "Nearly the same text."
    assert "copy2" not in ids(lists["copy1"])  # a copy of copy0 as well


def test_equal_notes_have_lists_whatever_they_hold(tmp_path: Path) -> None:
    lists = all_related(toys(tmp_path, [record(f"n{n}", "Same", "text") for n in range(12)]))
    assert {len(neighbours) for neighbours in lists.values()} == {1}
    lists = all_related(toys(tmp_path, [record(f"n{n}", "???", "") for n in range(40)]))
    assert len(lists) == 40


def test_a_note_far_from_all_others_has_an_empty_list(tmp_path: Path) -> None:
    notes = [record(f"n{n}", f"{WORDS[1 + n % 7]} thing", f"It is about {WORDS[1 + n % 7]}.") for n in range(42)]
    lists = all_related(toys(tmp_path, [*notes, record("far", "Reward", "Nobody else names it.")]))
    assert lists["far"] == ()
    assert all("far" not in ids(neighbours) for neighbours in lists.values())
    assert lists["n0"]


def test_a_link_lifts_a_note_and_is_marked_on_both_sides(tmp_path: Path) -> None:
    notes = [record(f"n{n}", f"{WORDS[n % 8]} item{n}", f"Thing{n} about {WORDS[n * 3 % 8]}.") for n in range(40)]
    plain = all_related(toys(tmp_path / "a", notes))["n0"]
    target = plain[-1]
    linking = [{**notes[0], "links": [target.id]}, *notes[1:]]
    lists = all_related(toys(tmp_path / "b", linking))
    found = {found.id: found for found in lists["n0"]}[target.id]
    assert found.linked and not target.linked
    assert found.score == pytest.approx(target.score + 0.5, abs=1e-4)
    assert {back.id: back.linked for back in lists[target.id]}.get("n0", True)


def test_lists_as_they_were_are_lists_as_they_are(index: Index, lists: Lists) -> None:
    assert all_related(index, previous=lists) == lists


def test_another_list_is_kept_but_for_what_is_ahead_by_the_margin(index: Index, lists: Lists) -> None:
    explorer = Explorer(index)
    for row in range(0, len(index), 20):
        fresh = lists[index.note(row).id]
        turned = (fresh[1], fresh[0], *fresh[2:])
        kept = explorer.neighbours(row, 10, turned)
        far = fresh[0].score - fresh[1].score > MARGIN + 0.1  # 0.1 is the most that crowding takes
        near = fresh[0].score - fresh[1].score <= MARGIN - 0.1
        if far or near:
            assert ids(kept) == ids(fresh if far else turned)


def test_a_note_more_changes_no_list_but_those_that_it_enters(owner_index: Path, lists: Lists, tmp_path: Path) -> None:
    shutil.copytree(owner_index, tmp_path / "index")
    new = {
        "title": "Does process supervision beat outcome supervision for math reasoning?",
        "description": "Compares step-level and final-answer rewards, and asks when feedback is worth its labels.",
    }
    (tmp_path / "new.jsonl").write_text(json.dumps(new), "utf-8")
    build_index([DATA, tmp_path / "new.jsonl"], tmp_path / "index")
    index = open_index(tmp_path / "index")
    after = all_related(index, previous=lists)
    (added,) = after.keys() - lists.keys()
    entered = {note_id for note_id, neighbours in after.items() if added in ids(neighbours)}
    changed = {note_id for note_id in lists if changes(lists[note_id], after[note_id])}
    assert changed == entered and 0 < len(entered) < 30
    assert after[added] == all_related(index)[added]  # a new note has no list of before
    older = open_previous(index)
    assert older is not None and all_related(older) == lists  # what a run without a file keeps to
