from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer import QueryError
from search.query import And, Constraint, Fuzzy, Not, Or, Phrase, Prefix, parse

A, B, C = Phrase("a"), Phrase("b"), Phrase("c")


@pytest.mark.parametrize(
    "query",
    [
        "reward",
        "how do reward models fail when the policy exploits them?",
        "exploit them?",
        "C++",
        "C#",
        "pass@k",
        "o1",
        "3.5",
        "???",
        "😀",
        "再帰",
        "what's new, really!",
        "rl - hacking",
        "rl -",
        "-",
        "--tune",
        "-- tune",
        "-> arrow",
        "state-of-the-art",
        "well–known",
        "a/b",
        '"unbalanced',
        'half a quote" here',
        '5" disk',
        "“unbalanced",
        "(unbalanced",
        "unbalanced)",
        "f(x)",
        "pass@(k)",
        ":",
        "title : short",
        "title: short",
        "a good topic: short or long",
        "http://example.org",
        "subtitle:x",
        "x:y",
        "a or b",
        "OR",
        "a OR",
        "OR b",
        "OR OR",
        "AND",
        "a AND b",
        "NOT a",
        "A*",
        "*",
        "**bold**",
        "a*b",
        "*suffix",
        "~5",
        "ab~",
        "fuzzy~3",
        "~fuzzy",
        "[[wikilink]]",
        "{a} <b> |c| \\d ^e$",
    ],
)
def test_what_is_no_operator_is_text(query: str) -> None:
    parsed = parse(query)
    assert (parsed.text, parsed.words, parsed.expansions, parsed.constraint) == (query, query, (), None)


@pytest.mark.parametrize(
    ("query", "text", "words", "constraint"),
    [
        # white space
        ("", "", "", None),
        (" \t\n", "", "", None),
        ("  a \t b\n", "a b", "a b", None),
        # phrases
        ('"exact phrase"', "exact phrase", "exact phrase", Phrase("exact phrase")),
        ("“exact phrase”", "exact phrase", "exact phrase", Phrase("exact phrase")),
        ("„exact phrase“ a", "exact phrase a", "exact phrase a", Phrase("exact phrase")),
        ('a "b" c', "a b c", "a b c", B),
        ('"a" "b"', "a b", "a b", And((A, B))),
        ('"a -b OR (c)"', "a -b OR (c)", "a -b OR (c)", Phrase("a -b OR (c)")),
        ('"a" "b', 'a "b', 'a "b', A),
        # exclusion
        ("rl -hacking", "rl", "rl", Not(Phrase("hacking"))),
        ("-hacking", "", "", Not(Phrase("hacking"))),
        ('rl -"reward hacking"', "rl", "rl", Not(Phrase("reward hacking"))),
        ("rl -(a b)", "rl", "rl", Not(And((A, B)))),
        ("rl -(a OR b)", "rl", "rl", Not(Or((A, B)))),
        ("-a -b", "", "", And((Not(A), Not(B)))),
        ("(-a)", "", "", Not(A)),
        ("rl -hack*", "rl", "rl", Not(Prefix("hack"))),
        # OR binds its neighbours and no more
        ("a OR b", "a b", "a b", Or((A, B))),
        ("a OR b OR c", "a b c", "a b c", Or((A, B, C))),
        ("a OR b c", "a b c", "a b c", Or((A, B))),
        ("c a OR b", "c a b", "c a b", Or((A, B))),
        ("a OR b c OR d", "a b c d", "a b c d", And((Or((A, B)), Or((C, Phrase("d")))))),
        ('"a b" OR c', "a b c", "a b c", Or((Phrase("a b"), C))),
        ("a OR -b", "a", "a", Or((A, Not(B)))),
        ("a OR OR b", "a OR OR b", "a OR OR b", None),
        # groups
        ("what (LLMs) do?", "what LLMs do?", "what LLMs do?", None),
        ("()", "", "", None),
        ("((a))", "a", "a", None),
        ("(a b) OR c", "a b c", "a b c", Or((And((A, B)), C))),
        ("c OR (a b)", "c a b", "c a b", Or((C, And((A, B))))),
        ("(a OR b) c", "a b c", "a b c", Or((A, B))),
        ("(a OR b) OR c", "a b c", "a b c", Or((Or((A, B)), C))),
        ('(see "a b")', "see a b", "see a b", Phrase("a b")),
        ("(a (b OR c))", "a b c", "a b c", Or((B, C))),
        ("(f(x) b) OR c", "f(x) b c", "f(x) b c", Or((And((Phrase("f(x)"), B)), C))),
        # fields
        ("title:proof", "proof", "proof", Phrase("proof", "title")),
        ("Title:proof", "proof", "proof", Phrase("proof", "title")),
        ("DESCRIPTION:proof a", "proof a", "proof a", Phrase("proof", "description")),
        ('topic:"Reward Models"', "", "", Phrase("Reward Models", "topic")),
        ("topic:“Reward Models” a", "a", "a", Phrase("Reward Models", "topic")),
        ("tag:rl", "", "", Phrase("rl", "tag")),
        ("a tag:rl b", "a b", "a b", Phrase("rl", "tag")),
        ("-topic:x", "", "", Not(Phrase("x", "topic"))),
        ('a -title:"b c"', "a", "a", Not(Phrase("b c", "title"))),
        ("tag:a OR tag:b", "", "", Or((Phrase("a", "tag"), Phrase("b", "tag")))),
        ("(tag:a b) OR c", "b c", "b c", Or((And((Phrase("a", "tag"), B)), C))),
        ("topic:OR", "", "", Phrase("OR", "topic")),
        ("title:C++", "C++", "C++", Phrase("C++", "title")),
    ],
)
def test_a_query_is_understood_as_the_grammar_says(
    query: str, text: str, words: str, constraint: Constraint | None
) -> None:
    parsed = parse(query)
    assert (parsed.text, parsed.words, parsed.expansions) == (text, words, ())
    assert parsed.constraint == constraint


@pytest.mark.parametrize(
    ("query", "text", "words", "expansion"),
    [
        ("hack*", "hack", "", Prefix("hack")),
        ("reward hack*", "reward hack", "reward", Prefix("hack")),
        ("再帰*", "再帰", "", Prefix("再帰")),
        ("fuzzy~", "fuzzy", "", Fuzzy("fuzzy", 1)),
        ("fuzzy~1", "fuzzy", "", Fuzzy("fuzzy", 1)),
        ("fuzzy~2", "fuzzy", "", Fuzzy("fuzzy", 2)),
        ("title:hack*", "hack", "", Prefix("hack", "title")),
        ("description:fuzzy~2", "fuzzy", "", Fuzzy("fuzzy", 2, "description")),
    ],
)
def test_prefixes_and_fuzzy_words_bind_and_rank_by_what_they_match(
    query: str, text: str, words: str, expansion: Prefix | Fuzzy
) -> None:
    parsed = parse(query)
    assert (parsed.text, parsed.words) == (text, words)
    assert parsed.expansions == (expansion,)
    assert parsed.constraint == expansion


@pytest.mark.parametrize(
    ("query", "expansion"), [("tag:for*", Prefix("for", "tag")), ("topic:rl1~", Fuzzy("rl1", 1, "topic"))]
)
def test_prefixes_and_fuzzy_words_in_a_filter_bind_and_do_not_rank(query: str, expansion: Prefix | Fuzzy) -> None:
    parsed = parse(query)
    assert (parsed.text, parsed.words, parsed.expansions, parsed.constraint) == ("", "", (), expansion)


@pytest.mark.parametrize(
    ("query", "column"),
    [
        ("title:", 1),
        ("TAG:", 1),
        ("reward topic:", 8),
        ("  title:", 3),
        ('topic:"Reward', 1),
        ('a topic:"Reward models', 3),
        ("topic:“Reward", 1),
        ("-tag:", 2),
        ("(a OR title:)", 7),
        ("a    title:", 6),
        ('"b"\t\t title:', 7),
    ],
)
def test_a_field_without_a_value_is_an_error_at_its_column(query: str, column: int) -> None:
    with pytest.raises(QueryError) as caught:
        parse(query)
    assert caught.value.column == column
    assert caught.value.query == query
    assert str(caught.value).startswith(f"query, column {column}: ")


@pytest.mark.parametrize(
    "query",
    [
        "word " * 2000,
        "x" * 10_000,
        "(" * 10_000,
        ")" * 10_000,
        "(" * 5000 + ")" * 5000,
        "() " * 3333,
        "(a " * 3333,
        '"' * 10_000,
        '" ' * 5000,
        "„ “ ” " * 1666,
        "-" * 10_000,
        "- " * 5000,
        "-x " * 3333,
        "-(" * 5000,
        "OR " * 3333,
        "a OR " * 2000,
        "a* " * 3333,
        "tag:x " * 1666,
        "title: " * 1428 + ".",
    ],
)
def test_ten_thousand_characters_are_read_in_a_moment(query: str) -> None:
    begin = time.perf_counter()
    parsed = parse(query)
    assert time.perf_counter() - begin < 2
    assert len(parsed.text) <= len(query)


def test_a_query_that_is_endless_is_refused_in_one_sentence() -> None:
    assert parse("x" * 40_000).text == "x" * 40_000
    with pytest.raises(QueryError) as caught:
        parse("reward " * 1_000_000)
    assert str(caught.value) == "query, column 40001: it has 7,000,000 characters, and 40,000 are read."
    assert len(parse("ab* " * 50 + "-(tag:fuzzy~ OR c) " * 50).expansions) == 50
    for query in ("ab* " * 101, "fuzzy~2 " * 101, "-(tag:ab* OR (topic:fuzzy~ a)) " * 51):
        with pytest.raises(QueryError, match=r"it has 10[12] prefixes and fuzzy words, and 100 are read\.$"):
            parse(query)
    assert parse("f" * 60 + "~").expansions == (Fuzzy("f" * 60, 1),)
    assert parse("f" * 61 + "~").expansions == ()


def test_brackets_nest_as_deep_as_a_person_writes_and_are_text_beyond() -> None:
    deep = "(" * 10 + "a OR b" + ")" * 10
    assert parse(deep).constraint == Or((A, B))
    absurd = "(" * 100 + "a" + ")" * 100
    assert (parse(absurd).text, parse(absurd).constraint) == (absurd, None)


GRAMMAR = st.lists(
    st.sampled_from(
        [
            "a",
            "b",
            "OR",
            "-",
            '"',
            "“",
            "”",
            "„",
            "(",
            ")",
            " ",
            "*",
            "~",
            "2",
            "title:",
            "tag:",
            "topic:",
            ":",
            "\t",
            "再",
        ]
    ),
    max_size=30,
).map("".join)


@given(st.text() | GRAMMAR)
def test_any_text_is_understood_or_refused_with_a_column_inside_it(query: str) -> None:
    try:
        parsed = parse(query)
    except QueryError as error:
        assert 1 <= error.column <= len(query)
        assert query[error.column - 1 :].lower().startswith(("title:", "description:", "topic:", "tag:"))
    else:
        assert len(parsed.text) <= len(query)
        assert parsed == parse(query)


@given(
    st.text(alphabet=st.characters(exclude_characters='"“”„(:*~-') | st.just("é")).filter(lambda text: "OR" not in text)
)
def test_text_without_operators_ranks_as_it_stands_with_single_spaces(query: str) -> None:
    parsed = parse(query)
    assert parsed.text == parsed.words == " ".join(query.split())
    assert parsed.constraint is None


@given(GRAMMAR)
def test_white_space_around_a_query_changes_nothing(query: str) -> None:
    try:
        expected = parse(query)
    except QueryError:
        with pytest.raises(QueryError):
            parse(f"\n {query} \t")
    else:
        assert parse(f"\n {query} \t") == expected
