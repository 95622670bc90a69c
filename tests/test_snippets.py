from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer import Analyser, Token
from search.snippets import best_snippet

ANALYSER = Analyser("english")


def tokenise(text: str) -> list[Token]:
    return list(ANALYSER.tokens(text))


def marked(text: str, weights: dict[str, float], length: int) -> str:
    """The snippet with its spans in square brackets."""
    snippet = best_snippet(text, tokenise, weights, length)
    out, at = "", 0
    for start, end in snippet.spans:
        out += snippet.text[at:start] + "[" + snippet.text[start:end] + "]"
        at = end
    return out + snippet.text[at:]


def test_a_short_text_comes_whole_with_exactly_the_matched_words_marked() -> None:
    text = "Hacking rewards: a reward-hacking policy (hackneyed, unrewarded)."
    assert marked(text, {"hack": 1.0, "reward": 1.0}, 240) == (
        "[Hacking] [rewards]: a [reward]-[hacking] policy (hackneyed, unrewarded)."
    )


def test_marks_stand_at_the_written_word_where_folding_changes_its_length() -> None:
    assert marked("ﬁxed Straßen, fixed", {"fix": 1.0, "strassen": 1.0}, 240) == "[ﬁxed] [Straßen], [fixed]"


def test_without_a_match_the_beginning_is_shown() -> None:
    # 20 characters in all: 18 of text and room for an ellipsis on either side
    assert marked("one two three four five six", {}, 20) == "one two three four…"
    assert marked("one two three four five six", {"seven": 1.0}, 20) == "one two three four…"
    assert marked("one two", {}, 20) == "one two"
    assert marked("", {"one": 1.0}, 20) == ""


def test_the_window_with_the_most_weight_is_shown_not_the_one_with_the_most_words() -> None:
    text = "cat cat cat cat " + "filler " * 20 + "dog " + "filler " * 20
    assert "[dog]" in marked(text, {"cat": 1.0, "dog": 1.5}, 40)
    assert "[dog]" not in marked(text, {"cat": 1.0, "dog": 0.5}, 40)


def test_two_different_words_in_one_window_outweigh_a_heavier_single_one() -> None:
    text = "heavy " + "filler " * 20 + "light and bright " + "filler " * 20
    shown = marked(text, {"heavi": 1.5, "light": 1.0, "bright": 1.0}, 60)
    assert "[light] and [bright]" in shown


def test_the_earliest_of_equal_windows_is_shown() -> None:
    text = "dog one " + "filler " * 20 + "dog two " + "filler " * 20
    assert marked(text, {"dog": 1.0}, 40).startswith("[dog] one")


def test_ellipses_stand_for_what_was_cut_and_nowhere_else() -> None:
    text = "start " + "filler " * 20 + "end"
    begin, middle, end = (
        marked(text, {"start": 1.0}, 30),
        marked("x " * 40 + "dog " + "y " * 40, {"dog": 1.0}, 30),
        marked(text, {"end": 1.0}, 30),
    )
    assert begin.startswith("[start]")
    assert begin.endswith("…")
    assert middle.startswith("…")
    assert "[dog]" in middle
    assert middle.endswith("…")
    assert end.startswith("…")
    assert end.endswith("[end]")


def test_words_before_the_first_match_are_shown_where_there_is_room() -> None:
    text = "filler " * 20 + "the very dog " + "filler " * 20
    assert "the very [dog]" in marked(text, {"dog": 1.0}, 60)


def test_a_word_longer_than_the_window_is_cut() -> None:
    assert marked("a" * 50, {}, 20) == "a" * 18 + "…"


@pytest.mark.parametrize("length", [10, 40, 240])
def test_a_text_of_exactly_the_length_is_not_cut(length: int) -> None:
    text = "x" * (length - 4) + " dog"
    assert marked(text, {"dog": 1.0}, length) == text.replace("dog", "[dog]")


WORDS = ["cat", "dog", "Dogs", "été", "再帰", "a", "filler", "extraordinarily", "—", "😀", "C++", "don't", "."]
WEIGHTS = st.dictionaries(st.sampled_from([ANALYSER.term(word) for word in WORDS]), st.sampled_from([0.5, 1.0, 3.0]))


@given(st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join) | st.text(), WEIGHTS, st.integers(20, 120))
def test_a_snippet_is_a_stretch_of_the_text_with_every_match_in_it_marked(
    text: str, weights: dict[str, float], length: int
) -> None:
    snippet = best_snippet(text, tokenise, weights, length)
    assert len(snippet.text) <= length
    lead = len(text) > length and snippet.text.startswith("…") and not text.startswith(snippet.text.removesuffix("…"))
    shown = snippet.text[1:] if lead else snippet.text
    if shown not in text:
        assert shown.endswith("…")
        shown = shown[:-1]
    assert shown in text
    end = 0
    for start, stop in snippet.spans:
        assert end <= start < stop <= len(snippet.text)
        assert ANALYSER.term(snippet.text[start:stop]) in weights
        end = stop
    if len(text) <= length:
        assert snippet.text == text
    if not any(token.term in weights for token in tokenise(text)):
        assert snippet.spans == ()
        assert not lead


@given(st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join), WEIGHTS, st.integers(20, 120))
def test_no_window_of_the_same_size_weighs_more_than_the_snippet(
    text: str, weights: dict[str, float], length: int
) -> None:
    snippet = best_snippet(text, tokenise, weights, length)
    shown = {ANALYSER.term(snippet.text[start:end]) for start, end in snippet.spans}
    tokens = tokenise(text)
    room = length if len(text) <= length else length - 2
    for first in tokens:
        inside = {token.term for token in tokens if first.start <= token.start and token.end <= first.start + room}
        assert sum(weights[term] for term in inside if term in weights) <= sum(weights[term] for term in shown)
