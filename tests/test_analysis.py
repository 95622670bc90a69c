from __future__ import annotations

import pytest
import Stemmer
from hypothesis import given
from hypothesis import strategies as st

from indexer import Analyser, fold

PLAIN = Analyser("none")
ENGLISH = Analyser("english", ("the", "its", "being"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Crème BRÛLÉE", "creme brulee"),
        ("cafe\u0301", "cafe"),
        ("Straße", "strasse"),
        ("Łódź Ørsted Đorđe Æsir œuvre Þór", "lodz orsted dorde aesir oeuvre thor"),
        ("ＷＩＤＥ　１２", "wide 12"),
        ("ﬁne", "fine"),
        ("Αθήνα", "αθηνα"),
        ("Ёлка й", "елка и"),
        ("İstanbul ısı", "istanbul isi"),
        ("co\u00adop", "coop"),
        ("हिन्दी", "हिन्दी"),
        ("한국어", "한국어"),
        ("再帰", "再帰"),
        ("agent’s", "agent's"),
        ("", ""),
    ],
)
def test_folding_removes_case_width_and_latin_greek_and_cyrillic_diacritics_and_nothing_else(
    text: str, expected: str
) -> None:
    assert fold(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The agent's plan", ["The", "agent's", "plan"]),
        ("the agent’s plan", ["the", "agent’s", "plan"]),
        ("don't, won't!", ["don't", "won't"]),
        ("'quoted' words'", ["quoted", "words"]),
        ("C++ and C#", ["C", "and", "C"]),
        ("pass@k", ["pass", "k"]),
        ("o1 GPT-4", ["o1", "GPT", "4"]),
        ("from 3.5 to 1,000.", ["from", "3.5", "to", "1,000"]),
        ("a 1.5B model", ["a", "1.5B", "model"]),
        ("state-of-the-art snake_case", ["state", "of", "the", "art", "snake", "case"]),
        ("e\u0301te\u0301 nai\u0308f", ["e\u0301te\u0301", "nai\u0308f"]),
        ("再帰を learn", ["再", "帰", "を", "learn"]),
        ("GPT再帰", ["GPT", "再", "帰"]),
        ("हिन्दी में लिखो", ["हिन्दी", "में", "लिखो"]),
        ("ＷＩＤＥ　ｗｏｒｄ", ["ＷＩＤＥ", "ｗｏｒｄ"]),
        ("한국어 노트", ["한국어", "노트"]),
        ("so 😀 much 👩\u200d🚀 fun", ["so", "much", "fun"]),
        ("??? — … 😀", []),
        ("", []),
    ],
)
def test_words_are_those_of_unicode(text: str, words: list[str]) -> None:
    tokens = list(PLAIN.tokens(text))
    assert [text[token.start : token.end] for token in tokens] == words
    assert [token.position for token in tokens] == list(range(len(words)))


def test_an_offset_counts_characters_of_the_text_as_it_was_written_even_where_folding_changes_lengths() -> None:
    #       0123456789
    text = "ﬁx Straße"
    assert [(token.term, token.start, token.end) for token in PLAIN.tokens(text)] == [("fix", 0, 2), ("strasse", 3, 9)]


@pytest.mark.parametrize(
    ("words", "stem"),
    [
        # The sample vocabulary of https://snowballstem.org/algorithms/english/stemmer.html
        (("consign", "consigned", "consigning", "consignment"), "consign"),
        (("consist", "consisted", "consistency", "consistent", "consistently"), "consist"),
        (("consolation", "consolations"), "consol"),
        (("consolatory",), "consolatori"),
        (("knight", "knightly", "knights"), "knight"),
        (("knack", "knacks"), "knack"),
        # its exceptional forms
        (("skis",), "ski"),
        (("skies",), "sky"),
        (("news",), "news"),
        (("early",), "earli"),
        # words of the owner's notes, by the rules
        (("hacking", "hacks", "hacked", "Hack"), "hack"),
        (("Reward", "rewards", "rewarding"), "reward"),
        (("policy", "policies"), "polici"),
        (("agent", "agents", "agent's", "agent’s", "AGENT"), "agent"),
        # acronyms: the plural without its s, where Snowball would keep it
        (("LLM", "LLMs", "llms"), "llm"),
        (("PRMs", "PRM"), "prm"),
    ],
)
def test_english_words_share_their_snowball_stem(words: tuple[str, ...], stem: str) -> None:
    assert {word: ENGLISH.term(word) for word in words} == dict.fromkeys(words, stem)


def test_without_a_language_words_are_folded_only() -> None:
    assert PLAIN.terms("Policies are Élan") == ["policies", "are", "elan"]


def test_another_language_has_its_own_stems() -> None:
    # https://snowballstem.org/algorithms/german/stemmer.html: aufeinander, aufeinanderfolge, kategorien -> kategori
    assert {Analyser("german").term(word) for word in ("Kategorie", "Kategorien")} == {"kategori"}


def test_an_unknown_language_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no stemmer for 'klingon'; one of none, .*english"):
        Analyser("klingon")
    assert Analyser.languages()[0] == "none"


def test_stop_words_are_tokens_but_no_terms_to_rank() -> None:
    assert [token.term for token in ENGLISH.tokens("The reward and its being")] == ["the", "reward", "and", "it", "be"]
    assert ENGLISH.terms("The reward and its being") == ["reward", "and"]


def test_a_stop_word_is_recognised_by_its_term_whatever_its_form() -> None:
    assert [ENGLISH.is_stop(ENGLISH.term(word)) for word in ("THE", "The", "reward")] == [True, True, False]


TEXTS = st.text() | st.text(alphabet="aZé\u0301' ’.,0 1再ーहि\u200d\u00ad😀_-@+ßﬁİ")


@given(TEXTS)
def test_spans_ascend_are_disjoint_and_hold_the_word_whatever_the_text(text: str) -> None:
    end = 0
    for position, token in enumerate(ENGLISH.tokens(text)):
        assert end <= token.start < token.end <= len(text)
        assert token.position == position
        assert token.term == ENGLISH.term(text[token.start : token.end])
        end = token.end


@given(TEXTS)
def test_every_letter_and_digit_lies_in_a_word(text: str) -> None:
    covered = {at for token in PLAIN.tokens(text) for at in range(token.start, token.end)}
    assert {at for at, character in enumerate(text) if character.isalnum()} <= covered


@given(TEXTS, TEXTS)
def test_a_line_between_two_texts_separates_their_words(one: str, other: str) -> None:
    assert PLAIN.terms(f"{one}\n{other}") == PLAIN.terms(one) + PLAIN.terms(other)


@given(st.integers(0, 10**30))
def test_a_number_is_its_own_stem_in_every_language(number: int) -> None:
    for language in Analyser.languages():
        expected = str(number) if language == "none" else Stemmer.Stemmer(language).stemWord(str(number))
        assert Analyser(language).term(str(number)) == expected
