from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toys import NOTES, ToyEncoder

from indexer import Index, QueryError
from search import MODES, Mode, Searcher
from search.constraints import allowed_rows, expansion_terms
from search.query import Fuzzy, Prefix, parse

ALL = {0, 1, 2, 3, 4, 5, 6}


@pytest.fixture(scope="module")
def searcher(toy_folder: Path) -> Searcher:
    return Searcher.open(toy_folder, encoder=ToyEncoder())


# The rows are those of toys.NOTES: 0 reward-hacking, 1 policy-gradients, 2 critic-free, 3 memory-search, 4 cafe,
# 5 proof-search, 6 hackers.  Stems: hacking -> hack, hackers -> hacker, verified and verifiers -> verifi.
@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ('"reward model"', {0}),
        ('"Reward MODELS"', {0}),
        ('"exact phrase"', {6}),
        ('"phrase exact"', {6}),
        ('"policy critic"', set()),  # both words, apart
        ('"gradients the"', set()),  # the end of a title, the beginning of its description
        ('"without a critic"', {1, 2}),
        ('"without critic"', set()),  # stop words count in a phrase
        ('"hacking"', {0, 2}),
        ('"cafe"', {4}),
        ('"creme"', {4}),
        ('"再帰"', {4}),
        ('"帰再"', set()),
        ('"3.5"', {4}),
        ('"C++"', {3}),
        ('"???"', ALL),  # demands nothing
        ('"nosuchword"', set()),
        ('"reward" "policy"', {0, 1}),
        ('"reward" "essay"', {6}),
        ("-hacking", {1, 3, 4, 5, 6}),
        ("-hackers", {0, 1, 2, 3, 4, 5}),
        ('-"without a critic"', {0, 3, 4, 5, 6}),
        ("-nosuchword", ALL),
        ("-:)", ALL),  # excludes nothing
        ('-"" memory', ALL),
        ("what does x -= 1 do", ALL),
        ("-(??? OR policy)", {2, 3, 4, 5, 6}),
        ("😀 OR memory", {3, 5}),  # no alternative
        ("-a", {4, 5}),  # a stop word can be excluded as well
        ("-(policy critic)", {0, 2, 3, 4, 5, 6}),
        ("-(policy OR memory)", {2, 4, 6}),
        ("-policy -memory", {2, 4, 6}),
        ("policy OR memory", {0, 1, 3, 5}),
        ("policy OR memory OR café", {0, 1, 3, 4, 5}),
        ("(reward hacking) OR café", {0, 4}),
        ("hacking OR -reward", {0, 2, 3, 4, 5}),
        ("proo*", {2, 3, 5}),
        ("verify*", {2, 3}),
        ("hack*", {0, 2, 6}),
        ("-hack*", {1, 3, 4, 5}),
        ("CRÈ*", {4}),
        ("nosuch*", set()),
        ("critik~", {1, 2}),
        ("再帰*", {4}),  # a term a character
        ("帰再*", set()),
        ("再帰的*", set()),
        ("title:再帰*", set()),
        ("再帰的~", {4}),
        ("再帰的に~2", {4}),
        ("再再帰~", set()),
        ("再起的~2", set()),  # two characters stay
        ("-再帰*", ALL - {4}),
        ("hakcing~2", {0, 2}),  # from hakc one swap (or two replacements) to hack, but two letters more to hacker
        ("mmry~2", {3, 5}),
        ("mmry~", set()),
        ("title:proof", {5}),
        ("description:proof", {2, 3}),
        ("topic:memory", {3, 5}),
        ("Topic:MEMORY", {3, 5}),
        ("-topic:memory", {0, 1, 2, 4, 6}),
        ('topic:"Reward Models"', {0}),
        ('title:"hacking in practice"', {0}),
        ('description:"hacking in practice"', set()),
        ("title:hack*", {0, 6}),
        ("title:critik~", {2}),
        ("tag:rl", {0, 1, 2}),
        ("tag:#RL", {0, 1, 2}),
        ("-tag:rl", {3, 4, 5, 6}),
        ('tag:"formal proof"', {2}),
        ("tag:formal-proof", {2}),
        ("tag:formal", set()),
        ("tag:for*", {2}),
        ("tag:safty~", {0}),
        ("tag:rl -tag:safety", {1, 2}),
        ("tag:safety OR tag:agents", {0, 3}),
        ("tag:rl title:policy", {1}),
    ],
)
def test_an_operator_allows_these_rows(toy_index: Index, query: str, rows: set[int]) -> None:
    constraint = parse(query).constraint
    assert constraint is not None
    allowed = allowed_rows(toy_index, constraint)
    assert allowed.rows().tolist() == sorted(rows)
    assert {row for row in range(len(NOTES)) if allowed.admits(row)} == rows


@pytest.mark.parametrize(
    ("expansion", "terms"),
    [
        (Prefix("proo"), ["proof"]),
        (Prefix("hack"), ["hack", "hacker"]),
        (Prefix("hack", "title"), ["hack", "hacker"]),
        (Prefix("verify"), ["verifi"]),
        (Prefix("rl", "tag"), ["rl"]),
        (Prefix("nosuch"), []),
        (Fuzzy("critik", 1), ["critic"]),
        (Prefix("再帰"), ["再", "帰"]),
        (Fuzzy("再帰的", 1), ["再", "帰"]),
        (Fuzzy("nosuchword", 2), []),
    ],
)
def test_an_expansion_stands_for_these_terms(toy_index: Index, expansion: Prefix | Fuzzy, terms: list[str]) -> None:
    assert expansion_terms(toy_index, [expansion]) == terms


def test_the_terms_of_several_expansions_come_sorted_and_once(toy_index: Index) -> None:
    found = expansion_terms(toy_index, [Prefix("proo"), Prefix("hack"), Prefix("hacker"), Fuzzy("critik", 1)])
    assert found == ["critic", "hack", "hacker", "proof"]


def test_the_beginning_of_a_chinese_or_japanese_word_finds_its_notes(searcher: Searcher) -> None:
    for query in ("再帰", "再帰*", "再帰的~", "description:再帰*"):
        assert [hit.note.id for hit in searcher.search(query, mode="lexical")] == ["cafe"], query


# query, the notes that may appear, and those of them that the lexical leg can find (they hold a ranking word)
BOUND = [
    ("reward -hacking", {1, 3, 4, 5, 6}, {1, 6}),
    ("policy -critic", {0, 3, 4, 5, 6}, {0}),
    ("reward tag:rl", {0, 1, 2}, {0, 1}),
    ('reward "exact phrase"', {6}, {6}),
    ("proof topic:memory", {3, 5}, {3, 5}),
    ("critic OR memory", {1, 2, 3, 5}, {1, 2, 3, 5}),
    ("reward -topic:essays", {0, 1, 2, 3, 4, 5}, {0, 1}),
    ("hack* -title:reward", {2, 6}, {2, 6}),
    ("reward -nosuchword", ALL, {0, 1, 6}),
    ("reward nosuchword OR nosuchagain", set(), set()),
]


@pytest.mark.parametrize(("query", "allowed", "worded"), BOUND)
def test_constraints_bind_both_legs(searcher: Searcher, query: str, allowed: set[int], worded: set[int]) -> None:
    ids = [str(note["id"]) for note in NOTES]

    def rows(mode: Mode) -> list[int]:
        return [ids.index(hit.note.id) for hit in searcher.search(query, k=100, mode=mode)]

    assert set(rows("lexical")) == worded
    assert set(rows("semantic")) == allowed
    assert set(rows("hybrid")) <= allowed
    assert set(rows("hybrid")) >= worded


@pytest.mark.parametrize("mode", MODES)
def test_a_query_of_filters_alone_lists_what_they_allow_in_the_order_of_the_notes(
    searcher: Searcher, mode: Mode
) -> None:
    assert [hit.note.id for hit in searcher.search("tag:rl -tag:safety", mode=mode)] == [
        "policy-gradients",
        "critic-free",
    ]
    assert [hit.note.id for hit in searcher.search("-tag:rl", k=2, mode=mode)] == ["memory-search", "cafe"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("query", ["", "   ", "()"])
def test_the_empty_query_finds_nothing(searcher: Searcher, query: str, mode: Mode) -> None:
    assert searcher.search(query, mode=mode) == []


def test_words_alone_never_ask_the_encoder(toy_folder: Path) -> None:
    encoder = ToyEncoder()
    searcher = Searcher.open(toy_folder, encoder=encoder)
    assert searcher.search('"reward model" OR tag:rl -proof', mode="lexical")
    assert encoder.queries == 0


WORDS = "reward Café hack 再帰 OR - \" “ ” ( ) * ~ ~2 # the ??? title: topic: description: tag: 😀 ' C++"
PIECES = [*WORDS.split(), " ", " ", "\0", "\ud800", "\u0301"]
GRAMMAR = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)


@given(st.text(st.characters(exclude_categories=[])) | GRAMMAR, st.sampled_from(MODES))
def test_no_text_is_too_strange_to_search_for(searcher: Searcher, query: str, mode: Mode) -> None:
    try:
        hits = searcher.search(query, mode=mode)
    except QueryError:
        return
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert len({hit.note.id for hit in hits}) == len(hits)
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
