"""Search as you type: the last word is not finished."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from toys import ToyEncoder, record, write_jsonl

from indexer import Index, Vectors, build_index, open_index
from search import Mode, Searcher
from search.cli import main

# "reward" stands in two notes, "rewards" in one, "research" in three; "memory" beside "rewards" alone.
NOTES = [
    record("one", "Reward research", "the model's model"),
    record("two", "Reward and research", "a policy"),
    record("three", "Memory rewards", "theory of 3d models"),
    record("four", "Research", "interpretability"),
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    root = tmp_path_factory.mktemp("completion")
    build_index([write_jsonl(root / "notes.jsonl", NOTES)], root / "index", encoder=ToyEncoder())
    return open_index(root / "index")


@pytest.mark.parametrize(
    ("text", "completions"),
    [
        ("re", ["research", "reward", "rewards"]),  # three notes, two, one
        ("RE", ["research", "reward", "rewards"]),
        # The note that says memory holds "rewards" and no research; "reward" has a share in it through its stem, which
        # "rewards" shares: two of the three notes of the term, against one.
        ("memory re", ["reward", "rewards", "research"]),
        ("zebra re", ["research", "reward", "rewards"]),  # a word before that says nothing
        ("rew", ["reward", "rewards"]),
        ("reward", ["rewards"]),  # longer words only
        ("th", ["theory"]),  # "the" is a stop word
        ("mod", ["model", "models"]),  # not "model's"
        ("intrep", ["interpretability"]),  # nothing begins so; one swap away
        ("interpertability", ["interpretability"]),
        ("xyz", []),
        ("rsx", []),  # three letters are too few to be nearly anything
        ("re ", []),  # the word is finished
        ("re?", []),
        ("", []),
        ("再", []),
        ("3", ["3d"]),
    ],
)
def test_the_last_word_is_completed_by_the_most_useful_words(index: Index, text: str, completions: list[str]) -> None:
    assert Searcher(index).complete(text) == completions
    assert Searcher(index).complete(text, 1) == completions[:1]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("mem", ["three"]),
        ("memory rew", ["three", "one", "two"]),
        ("res", ["one", "two", "four"]),
        ("rewa", ["one", "two", "three"]),
        ("polcy", ["two"]),  # nearly
        ("m", []),  # one letter says nothing
        ('-policy "mem', ["three"]),  # a quote that is not closed yet is text
        ("mem ", []),  # finished: no note says "mem"
        ("mem?", []),
        ("-mem", []),  # excluded, and nothing is asked
        ("", []),
    ],
)
def test_an_unfinished_word_finds_the_words_that_begin_so(index: Index, query: str, found: list[str]) -> None:
    hits = Searcher(index).search(query, mode="lexical", typing=True)
    assert sorted(hit.note.id for hit in hits if "lexical" in hit.legs) == sorted(found)
    assert hits.suggestion is None


@pytest.mark.parametrize("query", ["memo -pol", "memo -memo", "memo -topic:memo", "memo -tag:rew", "memo rewards~2"])
@pytest.mark.parametrize("mode", ["lexical", "semantic"])
def test_a_word_before_a_filter_that_is_typed_does_not_go_on(index: Index, query: str, mode: Mode) -> None:
    searcher = Searcher(index, ToyEncoder())
    plain, typed = (searcher.search(query, mode=mode, typing=typing).as_dict() for typing in (False, True))
    assert typed == plain
    assert searcher.search("-pol memo", mode=mode, typing=True).as_dict() != plain


def test_before_a_fuzzy_word_that_is_typed_the_encoder_reads_what_stands_there(index: Index) -> None:
    read: list[str] = []

    class Reader(ToyEncoder):
        def encode_query(self, text: str) -> Vectors:
            read.append(text)
            return super().encode_query(text)

    Searcher(index, Reader()).search("models policy~2", typing=True)
    assert read == ["models policy"]


def test_all_completions_together_count_as_one_word_of_all_their_notes(index: Index) -> None:
    searcher = Searcher(index)
    typed = searcher.search("re", mode="lexical", typing=True)
    # Every note holds a word that begins so: the idf is ln(1 + 0.5 / 4.5), at most 2.2 times that for one of two terms.
    assert len(typed) == 4
    assert max(hit.score for hit in typed) < 2 * 2.2 * 0.1053606


def test_a_finished_word_counts_in_full_while_typing(index: Index) -> None:
    searcher = Searcher(index)
    for query in ("policy", "memory", "Research of memory"):
        plain = {hit.note.id: hit.score for hit in searcher.search(query, mode="lexical")}
        typed = {hit.note.id: hit.score for hit in searcher.search(query, mode="lexical", typing=True)}
        assert typed == pytest.approx(plain)


def test_the_encoder_reads_the_likeliest_word(index: Index) -> None:
    searcher = Searcher(index, ToyEncoder())

    def ranking(query: str, typing: bool) -> list[tuple[str, float]]:
        return [(hit.note.id, hit.score) for hit in searcher.search(query, mode="semantic", typing=typing)]

    assert ranking("memo", True) == ranking("memory", False) != ranking("memo", False)
    assert ranking("memory rew", True) == ranking("memory reward", False)


def test_words_before_the_unfinished_one_are_still_put_right(index: Index) -> None:
    hits = Searcher(index).search("polciy rew", mode="lexical", typing=True)
    assert hits[0].note.id == "two"
    assert hits.suggestion == "policy rew"


def test_typing_on_the_command_line(owner_index: Path) -> None:
    arguments = ["search", "interpretabi", "--mode", "lexical", "--index", str(owner_index), "-k", "1"]
    assert CliRunner().invoke(main, arguments).stdout == ""
    assert "interpretab" in CliRunner().invoke(main, [*arguments, "--typing"]).stdout.lower()
