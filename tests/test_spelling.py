"""Words that no note holds: what they were meant to be, and what the search makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from toys import ToyEncoder, record, write_jsonl

from indexer import Index, build_index, open_index
from search import Searcher
from search.cli import main
from search.spelling import edit_distances, meant_words, nearest, respell


def distance_by_hand(one: str, other: str) -> int:
    """Optimal string alignment, straight from its recursive definition."""
    if not one or not other:
        return len(one) + len(other)
    best = min(
        distance_by_hand(one[:-1], other) + 1,
        distance_by_hand(one, other[:-1]) + 1,
        distance_by_hand(one[:-1], other[:-1]) + (one[-1] != other[-1]),
    )
    if one[-2:] == other[-2:][::-1] and len(one) > 1 and len(other) > 1:
        best = min(best, distance_by_hand(one[:-2], other[:-2]) + 1)
    return best


@pytest.mark.parametrize(
    ("word", "candidate", "edits"),
    [
        ("reinforcment", "reinforcement", 1),
        ("recieve", "receive", 1),  # a swap is one edit
        ("ca", "abc", 3),  # not 2, as it would be if swapped letters could be edited again
        ("makng", "making", 1),
        ("same", "same", 0),
        ("", "abc", 3),
        ("été", "etc", 2),
        ("再帰", "再起", 1),
    ],
)
def test_edits_are_counted_as_the_definition_counts_them(word: str, candidate: str, edits: int) -> None:
    assert edit_distances(word, [candidate]).tolist() == [edits]


@given(st.text("abé", max_size=5), st.lists(st.text("abé", min_size=1, max_size=5), max_size=5))
def test_edits_to_many_words_at_once_are_those_to_each(word: str, candidates: list[str]) -> None:
    assert edit_distances(word, candidates).tolist() == [distance_by_hand(word, other) for other in candidates]
    beginnings = [[other[:end] for end in range(len(other) + 1)] for other in candidates]
    assert edit_distances(word, candidates, prefix=True).tolist() == [
        min(distance_by_hand(word, beginning) for beginning in every) for every in beginnings
    ]


# "cancer" stands in three notes, "cantor" in one, "dancer" in one.
NOTES = [
    record("one", "Cancer grows", "The policies adapt to memory and search"),
    record("two", "Cancer shrinks", "Cantor counts; a dancer counts steps"),
    record("three", "Cancer", "reinforcement of test beams takes time"),
    record("four", "Time", "multimodal interpretability"),
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    root = tmp_path_factory.mktemp("spelling")
    build_index([write_jsonl(root / "notes.jsonl", NOTES)], root / "index", encoder=ToyEncoder())
    return open_index(root / "index")


@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("cancor", ["cancer", "cantor"]),  # one edit from both; three notes against one
        ("cancerr", ["cancer"]),  # a doubled letter
        ("cancers", []),  # a letter more at the end is a form, not a slip
        ("ancer", []),  # the first letter must stand
        ("caner", ["cancer"]),
        ("tme", []),  # three letters are too few to tell
        ("reinfrcment", ["reinforcement"]),  # two edits in a long word
        ("cncr", []),  # two edits in a short one
        ("reinforcemant", ["reinforcement"]),
        ("interpretabilitie", []),  # two edits that change the last letter make another form
    ],
)
def test_near_words_are_those_that_a_slip_leads_to_the_likeliest_first(
    index: Index, typed: str, near: list[str]
) -> None:
    assert [other for other, _ in nearest(index.words, typed)] == near


@pytest.mark.parametrize(
    ("typed", "suggested"),
    [
        ("caner", "cancer"),
        ("Caner and the polcies", "Cancer and the policies"),
        ("testtime", "test time"),  # both halves stand in one note
        ("cancertime", "cancer time"),
        ("dancertime", "dancertime"),  # no note holds both halves
        ("TestTime", "Test time"),
        ("re inforcement", "reinforcement"),
        ("re-inforcement", "reinforcement"),
        ("re, inforcement", "re, inforcement"),  # a comma parts words for good
        ("multi modal", "multimodal"),
        ("ofcancer", "of cancer"),
        ("cancers", "cancers"),  # a form of what is there
        ("reinforcements", "reinforcements"),
        ("reinforcment", "reinforcement"),  # the stem is the same, but written so it is nowhere
        ("reinforcmnt", "reinforcement"),
        ("kangaroo", "kangaroo"),
        ("CANER RLVC", "CANER RLVC"),  # capitals are meant
        ("cance1 2023 C++", "cance1 2023 C++"),
        ("", ""),
        ("再帰 😀", "再帰 😀"),
        ("caner " * 3, "cancer " * 3),
        ('"caner grows" -polcies topic:caner', '"cancer grows" -polcies topic:cancer'),  # exclusions do not rank
        ("x" * 5_000, "x" * 5_000),
    ],
)
def test_a_query_is_suggested_with_its_words_as_they_were_meant(index: Index, typed: str, suggested: str) -> None:
    hits = Searcher(index, ToyEncoder()).search(typed)
    assert hits.suggestion == (None if suggested == typed else suggested)


def test_words_that_are_all_known_are_not_looked_up(index: Index) -> None:
    assert meant_words(index, "The cancer of time") == {}
    assert respell("The cancer of time", index.manifest.analyser, {}) == "The cancer of time"


def test_a_misspelt_word_counts_four_fifths_of_the_right_one(index: Index) -> None:
    searcher = Searcher(index)
    right = searcher.search("dancer memory", mode="lexical")
    typed = searcher.search("danser memory", mode="lexical")
    assert [hit.note.id for hit in right] == ["one", "two"]
    scores = {hit.note.id: hit.score for hit in right}
    assert {hit.note.id: hit.score for hit in typed} == pytest.approx(
        {"two": 0.8 * scores["two"], "one": scores["one"]}
    )
    assert typed[0].legs["lexical"].terms is not None


def test_the_meaning_compared_is_that_of_the_words_meant(index: Index) -> None:
    searcher = Searcher(index, ToyEncoder())
    right, typed = (searcher.search(text, mode="semantic") for text in ("memory", "memmory"))
    assert [(hit.note.id, hit.score) for hit in typed] == [(hit.note.id, hit.score) for hit in right]
    assert right[0].note.id == "one"


@pytest.mark.parametrize(
    ("typed", "suggested"),
    [
        ("reinforcment lerning", "reinforcement learning"),
        ("recieve rewards", "receive rewards"),  # no note says "receive", but the encoder knows it
        ("vegan lasagna", None),  # foreign to the notes and the encoder, near to nothing
        ("scolded pupils", None),
        ("GRPO vs DAPO", None),
    ],
)
def test_the_owners_notes_are_asked_as_it_was_meant(owner_index: Path, typed: str, suggested: str | None) -> None:
    searcher = Searcher.open(owner_index)
    hits = searcher.search(typed)
    assert hits.suggestion == suggested
    if suggested:
        # which of two good notes comes first, and so whether it holds every word, may differ
        assert hits.grade != "weak" and searcher.search(suggested).grade != "weak"


def test_the_suggestion_stands_on_stderr_before_the_hits(owner_index: Path) -> None:
    done = CliRunner().invoke(main, ["search", "Reward hackng", "--index", str(owner_index), "-k", "1"])
    assert done.stderr.splitlines()[0] == "Did you mean: Reward hacking"
    done = CliRunner().invoke(main, ["search", "reward hackng", "--index", str(owner_index), "-k", "1", "--json"])
    assert done.stderr == ""
