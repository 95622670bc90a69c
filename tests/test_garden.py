"""What a gardener is told of notes whose faults are known, because they were planted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from indexer import Note
from search.garden import Finding, Section, garden
from search.neighbours import Neighbour

Row = Sequence[tuple[str, float]]


def note(note_id: str, topic: str = "", links: Sequence[str] = ()) -> Note:
    return Note(note_id, f"Title of {note_id}", "", topic, links=tuple(links))


def lists(notes: Sequence[Note], rows: Mapping[str, Row]) -> dict[str, tuple[Neighbour, ...]]:
    """The neighbours of every note, those of ``rows`` with their likeness, none where it says nothing."""
    links = {note.id: note.links for note in notes}

    def neighbour(here: str, there: str, score: float) -> Neighbour:
        grade = "strong" if score >= 2.5 else "fair" if score >= 1.75 else "weak"
        linked = there in links[here] or here in links[there]
        return Neighbour(there, f"Title of {there}", score, grade, "", False, linked)

    return {note.id: tuple(neighbour(note.id, *entry) for entry in rows.get(note.id, ())) for note in notes}


def sections(notes: Sequence[Note], rows: Mapping[str, Row]) -> dict[str, Section]:
    return {section.name: section for section in garden(notes, lists(notes, rows))}


def pairs(section: Section) -> list[tuple[str, str, float]]:
    return [(finding.subject.id, finding.others[0].id, finding.figure) for finding in section.findings]


def ids(section: Section) -> list[str]:
    return [finding.subject.id for finding in section.findings]


def only(section: Section) -> Finding:
    (finding,) = section.findings
    return finding


def test_the_sections_come_in_one_order_with_a_rule_each_even_of_no_notes() -> None:
    found = garden([], {})
    assert [section.name for section in found] == [
        "near-duplicate", "orphan", "across-topics", "hub", "thin-topic", "filed-wrongly",
    ]  # fmt: skip
    for section in found:
        assert section.findings == ()
        assert section.rule.endswith(".") and section.meaning.endswith(".")


# Ten notes in a ring.  Second neighbours have 1.0, 1.0, 1.2, 1.2, … 1.8, 1.8: median 1.4, median absolute deviation
# 0.2, so near-duplicates begin at 1.4 + 5 x 1.4826 x 0.2 = 2.8826.
RING = [note(f"n{number}") for number in range(10)]


def ring(**first: float) -> dict[str, Row]:
    return {
        f"n{number}": [(f"n{(number + 1) % 10}", first.get(f"n{number}", 2.0)), (f"n{(number + 5) % 10}", second)]
        for number, second in enumerate([1.0, 1.0, 1.2, 1.2, 1.4, 1.4, 1.6, 1.6, 1.8, 1.8])
    }


def test_near_duplicates_are_far_above_what_second_neighbours_usually_have() -> None:
    found = sections(RING, ring(n3=2.89, n7=2.88))["near-duplicate"]
    assert pairs(found) == [("n3", "n4", 2.89)]
    assert only(found).fact == "likeness 2.89"
    assert "above 2.88" in found.rule and "0.30" in found.rule and "1.40" in found.rule


def test_a_pair_counts_once_with_the_greater_of_its_likenesses() -> None:
    rows = ring(n3=4.0)
    rows["n4"] = [("n3", 5.0), ("n9", 1.4)]
    assert pairs(sections(RING, rows)["near-duplicate"]) == [("n3", "n4", 5.0)]


def test_a_double_of_every_note_does_not_make_doubles_usual() -> None:
    rows = {f"n{number}": [(f"n{number ^ 1}", 6.0), (f"n{(number + 2) % 10}", 1.0)] for number in range(10)}
    assert pairs(sections(RING, rows)["near-duplicate"]) == [
        (f"n{number}", f"n{number + 1}", 6.0) for number in range(0, 10, 2)
    ]


def test_near_duplicates_are_strong_even_where_all_second_neighbours_are_alike() -> None:
    notes = [note("a"), note("b"), note("c"), note("d")]
    rows = {"a": [("b", 2.5), ("c", 1.0)], "b": [("a", 2.4), ("c", 1.0)], "c": [("d", 2.49), ("a", 1.0)]}
    assert pairs(sections(notes, rows)["near-duplicate"]) == [("a", "b", 2.5)]


def test_without_links_an_orphan_stands_in_no_list() -> None:
    notes = [note("a", "T"), note("b"), note("c")]
    finding = only(sections(notes, {"a": [("b", 2.0), ("c", 1.0)], "b": [("c", 1.5)], "c": [("b", 1.5)]})["orphan"])
    assert (finding.subject.id, finding.subject.title, finding.subject.topic) == ("a", "Title of a", "T")
    assert [other.id for other in finding.others] == ["b", "c"]
    assert (finding.figure, finding.fact) == (2.0, "in no list")


def test_with_links_orphans_are_what_links_do_not_reach_or_leave() -> None:
    notes = [
        note("both", links=["into"]),  # nothing links to it
        note("into", links=["through"]),
        note("through", links=["into", "end"]),
        note("end"),  # links to nothing
        note("far"),  # neither, and its nearest note is less near than that of
        note("near"),  # neither
    ]
    rows = {
        "near": [("end", 2.0), ("both", 1.3), ("into", 1.2), ("far", 1.1)],
        "far": [("end", 1.0), ("both", 0.99)],
        "both": [("end", 0.99)],  # no nearer than random pairs may be
    }
    found = sections(notes, rows)["orphan"]
    assert [(finding.subject.id, finding.fact) for finding in found.findings] == [
        ("near", "no link to it and none from it"),
        ("far", "no link to it and none from it"),
        ("both", "no link to it, and nothing near"),
        ("end", "no link from it, and nothing near"),
    ]
    assert [other.id for other in found.findings[0].others] == ["end", "both", "into"]  # the three nearest
    assert [other.id for other in found.findings[1].others] == ["end"]
    assert (found.findings[2].others, found.findings[2].figure) == ((), None)
    assert found.findings[2].advice == "see whether it belongs here"


def test_missing_links_are_strong_pairs_without_a_link_the_nearest_first() -> None:
    notes = [note("a", links=["b"]), *map(note, "bcdefghijkl")]
    rows = {
        "a": [("b", 3.4), ("c", 3.0)],  # b is linked
        "b": [("a", 3.4), ("d", 3.1)],
        "d": [("c", 2.5), ("b", 1.0)],
        "c": [("d", 2.49), ("a", 2.0)],
        "e": [("f", 2.49), ("g", 2.0)],  # not strong
        "h": [("i", 9.0), ("j", 1.0)],  # near-duplicates
    }
    found = sections(notes, rows)
    # Second neighbours have 3.0, 3.1, 1.0, 2.0, 2.0, 1.0: median 2, deviations 1, 1.1, 1, 0, 0, 1: above 9.41
    assert pairs(found["near-duplicate"]) == []
    assert pairs(found["missing-link"]) == [("h", "i", 9.0), ("b", "d", 3.1), ("a", "c", 3.0), ("c", "d", 2.5)]
    rows["h"] = [("i", 9.5), ("j", 1.0)]
    found = sections(notes, rows)
    assert pairs(found["near-duplicate"]) == [("h", "i", 9.5)]
    assert pairs(found["missing-link"])[0] == ("b", "d", 3.1)
    assert "across-topics" not in found


def test_a_link_counts_in_either_direction() -> None:
    notes = [note("a"), note("b", links=["a"]), note("c")]
    rows = {"a": [("b", 3.0), ("c", 2.0)], "b": [("a", 3.0), ("c", 2.0)]}
    assert pairs(sections(notes, rows)["missing-link"]) == []


def test_without_links_the_strongest_pairs_across_topics_stand_for_missing_ones() -> None:
    notes = [note("a", "S"), note("b", "S"), note("c", "T"), note("d")]
    rows = {
        "a": [("b", 2.9), ("c", 2.6), ("d", 2.6)],  # b is of its topic, d of none
        "b": [("c", 2.5), ("a", 2.4)],
        "c": [("d", 2.8), ("b", 2.7)],
    }
    found = sections(notes, rows)
    assert "missing-link" not in found
    assert pairs(found["across-topics"]) == [("b", "c", 2.7), ("a", "c", 2.6)]
    assert "No note here links to another" in found["across-topics"].meaning


def test_hubs_are_near_in_more_lists_than_two_and_a_half_deviations_above_the_mean() -> None:
    # Every note has the hub near; of the ten counts nine are 0 and one is 9: mean 0.9, deviation 2.7, least 7.65.
    rows: dict[str, Row] = {f"n{number}": [("n0", 1.75), ("n1", 1.74)] for number in range(1, 10)}  # 1.74 is weak
    found = sections(RING, rows)["hub"]
    assert (only(found).subject.id, only(found).figure, only(found).fact) == ("n0", 9, "in 9 lists")
    assert "more than 7.65 lists" in found.rule and "2.70" in found.rule and "0.90" in found.rule
    rows["n9"] = rows["n8"] = [("n3", 2.0)]
    # Counts 7, 2 and eight of 0: mean 0.9, variance 53 / 10 - 0.81 = 4.49, deviation 2.12, least 6.2.
    assert ids(sections(RING, rows)["hub"]) == ["n0"]
    rows["n7"] = rows["n6"] = [("n4", 2.0)]
    # Counts 5, 2, 2 and seven of 0: mean 0.9, variance 33 / 10 - 0.81 = 2.49, deviation 1.58, least 4.84.
    assert ids(sections(RING, rows)["hub"]) == ["n0"]
    rows["n5"] = [("n4", 2.0)]
    # Counts 4, 3, 2: mean 0.9, variance 29 / 10 - 0.81 = 2.09, deviation 1.45, least 4.51.
    assert ids(sections(RING, rows)["hub"]) == []


def test_there_is_no_hub_where_all_notes_stand_in_as_many_lists() -> None:
    assert sections(RING, ring())["hub"].findings == ()


# Two topics of four notes each, which keep to themselves, and what the tests below add.
CALM = [note(f"{topic}{number}", topic.upper()) for topic in "st" for number in range(4)]
CALM_ROWS: dict[str, Row] = {
    f"{topic}{number}": [(f"{topic}{other}", 2.0) for other in range(4) if other != number]
    for topic in "st" for number in range(4)
}  # fmt: skip


def test_topics_that_keep_to_themselves_are_not_thin() -> None:
    assert sections(CALM, CALM_ROWS)["thin-topic"].findings == ()


def test_a_topic_of_few_notes_is_thin_and_is_seen_beside_the_topic_its_lists_lead_to() -> None:
    notes = [*CALM, note("u0", "U"), note("v0", "V"), note("v1", "V")]
    rows = {**CALM_ROWS, "u0": [("s0", 1.0), ("t0", 1.2), ("t1", 1.1)], "v0": [("v1", 2.0)], "v1": [("v0", 2.0)]}
    found = sections(notes, rows)["thin-topic"]
    shown = [(f.subject.title, f.subject.id, f.fact, [other.title for other in f.others]) for f in found.findings]
    assert shown == [("U", "", "1 note", ["T"]), ("V", "", "2 notes", [])]


def test_a_topic_whose_notes_are_in_each_others_lists_no_oftener_than_by_chance_is_thin() -> None:
    notes = [*CALM, *(note(f"u{number}", "U") for number in range(4))]
    rows = {**CALM_ROWS, **{f"u{number}": [(f"s{number}", 2.0), (f"s{3 - number}", 1.75)] for number in range(4)}}
    rows["u0"] = [*rows["u0"], *((f"u{number}", 1.7) for number in range(1, 4))]  # weak: does not count
    # A note has 3 of the 11 others in its topic, and 8 places in lists: 8 x 3 / 11 = 2.2.
    finding = only(sections(notes, rows)["thin-topic"])
    assert finding.subject.title == "U"
    assert finding.fact == "4 notes, 0 times in each other's lists, 2.2 by chance"
    assert [other.title for other in finding.others] == ["S"]


def test_a_topic_whose_notes_are_near_to_nothing_is_thin() -> None:
    notes = [*CALM, *(note(f"u{number}", "U") for number in range(3))]
    finding = only(sections(notes, CALM_ROWS)["thin-topic"])
    assert (finding.fact, finding.others) == ("3 notes, 0 times in each other's lists, 0.0 by chance", ())


def test_a_collection_of_one_topic_or_none_has_no_thin_topic() -> None:
    rows = {"a": [("b", 1.0)]}
    assert sections([note("a", "T"), note("b", "T")], rows)["thin-topic"].findings == ()
    assert sections([note("a"), note("b")], rows)["thin-topic"].findings == ()


@pytest.mark.parametrize(
    "row, says",
    [
        ([("t0", 2.0), ("t1", 1.9), ("t2", 1.75)], "the nearest 3 are of T"),
        ([("t0", 3.0), ("t1", 1.9), ("t2", 1.8), ("t3", 1.75)], "the nearest 4 are of T"),
        ([("t0", 3.0), ("t1", 1.9), ("t2", 1.8), ("s1", 1.75)], "the nearest 3 are of T"),
        ([("t0", 3.0), ("t1", 1.9), ("t2", 1.74)], None),  # the third is weak
        ([("t0", 3.0), ("t1", 1.7), ("t2", 1.9), ("t3", 1.9)], None),  # the second is, as a varied list may have it
        ([("t0", 3.0), ("t1", 1.9)], None),  # two are too few
        ([("s1", 3.0), ("t1", 2.9), ("t2", 2.8), ("t3", 2.7)], None),  # the nearest is of its own
        ([("t0", 3.0), ("t1", 2.9), ("s1", 2.8), ("t3", 2.7)], None),
        ([("s1", 3.0), ("s2", 2.9), ("s3", 2.8)], None),
    ],
)
def test_a_note_whose_nearest_are_all_of_one_other_topic_may_be_filed_wrongly(row: Row, says: str | None) -> None:
    found = sections(CALM, {**CALM_ROWS, "s0": row})["filed-wrongly"]
    assert [(f.subject.id, f.fact, f.advice) for f in found.findings] == (
        [("s0", says, "move to T, or say why not")] if says else []
    )


def test_a_note_without_a_topic_or_near_notes_without_one_is_not_filed_wrongly() -> None:
    notes = [*CALM, note("x"), note("y"), note("z"), note("free")]
    rows = {**CALM_ROWS, "s0": [("x", 3.0), ("y", 3.0), ("z", 3.0)], "free": [("t0", 3.0), ("t1", 3.0), ("t2", 3.0)]}
    assert sections(notes, rows)["filed-wrongly"].findings == ()


def test_equal_figures_are_ordered_by_id_whatever_the_order_of_the_notes() -> None:
    notes = [note("c", "S"), note("a", "S"), note("d", "T"), note("b", "T")]
    rows = {"c": [("d", 2.6)], "a": [("b", 2.6), ("d", 2.6)]}  # no likeness is above that of second neighbours
    forwards, backwards = sections(notes, rows), sections(notes[::-1], rows)
    assert pairs(forwards["across-topics"]) == [("a", "b", 2.6), ("a", "d", 2.6), ("c", "d", 2.6)]
    assert forwards == backwards
    assert ids(forwards["orphan"]) == ["a", "c"]
