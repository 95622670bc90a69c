from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import log
from pathlib import Path

import numpy as np
import pytest
from whoosh.scoring import bm25 as whoosh_bm25
from whoosh_files import whoosh_index

from indexer import Analyser, Note, open_index, tag_term
from indexer.impacts import Bm25, FieldWeight, Impacts, compile_impacts, load_impacts, save_impacts
from indexer.lexical import stop_words, whoosh_searcher
from indexer.postings import collect
from indexer.tokens import tokenise

PLAIN = Analyser("none")
ENGLISH = Analyser("english", ("the", "of", "a", "is"))

# Two arguments of ours: term -> row -> score.
Scored = dict[str, dict[int, float]]


def note(title: str, description: str = "", topic: str = "") -> Note:
    return Note(id=title, title=title, description=description, topic=topic)


def made_notes(seed: int, n_notes: int = 60) -> list[Note]:
    """Notes of random words, frequent and rare ones, with empty fields, repeated words and a field of 100 words."""
    dice = random.Random(seed)  # noqa: S311 - made notes, no secrets
    words = [
        "the",
        "of",
        "reward",
        "rewards",
        "policy",
        "hacking",
        "Café",
        "再帰",
        "C++",
        *(f"w{n}" for n in range(60)),
    ]
    weights = [1 / (rank + 1) for rank in range(len(words))]

    def text(longest: int) -> str:
        return " ".join(dice.choices(words, weights, k=dice.randint(0, longest)))

    notes = [Note(f"n{row}", text(8), text(40), dice.choice(["", "", "reward policy", "w1"])) for row in range(n_notes)]
    return [*notes, note("long", "reward " * 70 + "policy " * 30), note("the of", "the")]


def compiled(notes: Sequence[Note], analyser: Analyser, bm25: Bm25) -> Impacts:
    return compile_impacts(collect(tokenise(notes, analyser), notes), analyser, bm25)


def as_dict(impacts: Impacts) -> Scored:
    scored: Scored = {}
    for number in range(len(impacts)):
        rows, values = impacts.postings(number)
        scored[impacts.term(number)] = dict(zip(rows.tolist(), values.tolist(), strict=True))
    return scored


def whoosh_postings(
    folder: Path, notes: Sequence[Note], analyser: Analyser, fields: Iterable[str]
) -> dict[str, dict[str, dict[int, float]]]:
    """Field -> term -> row -> frequency, as an index tells them that Whoosh wrote."""
    postings: dict[str, dict[str, dict[int, float]]] = {}
    with whoosh_index(folder, notes, analyser).reader() as reader:
        for field in fields:
            postings[field] = {}
            for term in reader.lexicon(field):
                matcher = reader.postings(field, term)
                found = {}
                while matcher.is_active():
                    found[matcher.id()] = matcher.weight()
                    matcher.next()
                postings[field][term.decode("utf-8")] = found
    return postings


def counted_lengths(notes: Sequence[Note], field: str, analyser: Analyser) -> list[int]:
    """How many words each note's field has, stop words left out, counted one after the other."""
    stop = {analyser.term(word) for word in analyser.stop_words}
    return [sum(token.term not in stop for token in analyser.tokens(getattr(note, field))) for note in notes]


def idf(n_notes: int, holding: int) -> float:
    return log(1 + (n_notes - holding + 0.5) / (holding + 0.5))


def direct_bm25f(folder: Path, notes: Sequence[Note], analyser: Analyser, bm25: Bm25) -> Scored:
    """The formula of ``compile_impacts``, written out a term and a note at a time over Whoosh's postings."""
    postings = whoosh_postings(folder, notes, analyser, bm25.fields)
    lengths = {field: counted_lengths(notes, field, analyser) for field in bm25.fields}
    stop = {analyser.term(word) for word in analyser.stop_words}
    scored: Scored = {}
    for term in {term for field in bm25.fields for term in postings[field]} - stop:
        frequency: dict[int, float] = {}
        for field, setting in bm25.fields.items():
            average = sum(lengths[field]) / len(notes)
            for row, count in postings[field].get(term, {}).items():
                norm = 1 - setting.b + setting.b * lengths[field][row] / average
                frequency[row] = frequency.get(row, 0) + setting.weight * count / norm
        weight = idf(len(notes), len(frequency))
        scored[term] = {row: weight * (bm25.k1 + 1) * tf / (bm25.k1 + tf) for row, tf in frequency.items()}
    return scored


def assert_same(ours: Mapping[str, Mapping[int, float]], theirs: Mapping[str, Mapping[int, float]]) -> None:
    assert ours.keys() == theirs.keys()
    for term, rows in theirs.items():
        assert list(ours[term]) == sorted(rows)
        assert ours[term] == pytest.approx(dict(rows), rel=1e-6)


def test_the_impacts_of_three_notes_are_those_worked_out_by_hand() -> None:
    notes = [note("cat cat dog"), note("cat"), note("fish fish")]
    impacts = compiled(notes, PLAIN, Bm25(1.2, {"title": FieldWeight(1.0, 0.75)}))
    # Lengths 3, 1, 2; their mean 2; so the norms are 0.25 + 0.75 * (1.5, 0.5, 1) = 1.375, 0.625, 1.
    # idf: cat in two of three notes, ln(1 + 1.5 / 2.5) = ln 1.6; dog and fish in one, ln(1 + 2.5 / 1.5) = ln(8 / 3).
    assert_same(
        as_dict(impacts),
        {
            "cat": {0: log(1.6) * 2.2 * 2 / (2 + 1.2 * 1.375), 1: log(1.6) * 2.2 * 1 / (1 + 1.2 * 0.625)},
            "dog": {0: log(8 / 3) * 2.2 * 1 / (1 + 1.2 * 1.375)},
            "fish": {2: log(8 / 3) * 2.2 * 2 / (2 + 1.2 * 1)},
        },
    )


@pytest.mark.parametrize("field", ["title", "description"])
@pytest.mark.parametrize(("k1", "b"), [(1.2, 0.75), (0.9, 0.4), (2.0, 1.0), (1.2, 0.0)])
def test_the_impacts_of_one_field_are_whooshs_bm25_with_exact_lengths(
    tmp_path: Path, field: str, k1: float, b: float
) -> None:
    notes = made_notes(1)
    impacts = compiled(notes, ENGLISH, Bm25(k1, {field: FieldWeight(1.0, b)}))
    lengths = counted_lengths(notes, field, ENGLISH)
    average = sum(lengths) / len(notes)
    theirs = {
        term: {
            row: whoosh_bm25(idf(len(notes), len(found)), frequency, lengths[row], average, b, k1)
            for row, frequency in found.items()
        }
        for term, found in whoosh_postings(tmp_path / "w", notes, ENGLISH, [field])[field].items()
        if term not in ("the", "of", "a", "is")
    }
    assert len(theirs) > 30
    assert_same(as_dict(impacts), theirs)


@pytest.mark.parametrize(
    "bm25",
    [
        Bm25(1.2, {"title": FieldWeight(2.0), "description": FieldWeight(1.0), "topic": FieldWeight(1.0)}),
        Bm25(0.7, {"description": FieldWeight(1.0, 0.3), "title": FieldWeight(5.0, 1.0)}),
        Bm25(1.5, {"title": FieldWeight(0.5, 0.0), "topic": FieldWeight(3.0, 0.5)}),
    ],
)
@pytest.mark.parametrize("analyser", [PLAIN, ENGLISH], ids=["plain", "english"])
def test_the_impacts_of_several_fields_are_bm25f_over_whooshs_postings(
    tmp_path: Path, bm25: Bm25, analyser: Analyser
) -> None:
    notes = made_notes(2)
    impacts = compiled(notes, analyser, bm25)
    assert_same(as_dict(impacts), direct_bm25f(tmp_path / "w", notes, analyser, bm25))


def test_the_owners_index_holds_bm25f_over_whooshs_postings(owner_index: Path, tmp_path: Path) -> None:
    index = open_index(owner_index)
    analyser, bm25 = index.manifest.analyser, index.manifest.bm25
    assert_same(as_dict(index.impacts), direct_bm25f(tmp_path / "w", list(index.notes()), analyser, bm25))


def test_the_ranking_of_any_words_is_that_of_adding_the_formula_up_note_by_note(tmp_path: Path) -> None:
    notes = made_notes(3)
    bm25 = Bm25(1.2, {"title": FieldWeight(2.0), "description": FieldWeight(1.0)})
    impacts = compiled(notes, ENGLISH, bm25)
    direct = direct_bm25f(tmp_path / "w", notes, ENGLISH, bm25)
    dice = random.Random(4)  # noqa: S311 - made queries, no secrets
    for _ in range(200):
        query = {term: float(dice.randint(1, 3)) for term in dice.sample(sorted(direct), dice.randint(1, 6))}
        expected = [0.0] * len(notes)
        for term, weight in query.items():
            for row, value in direct[term].items():
                expected[row] += weight * value
        numbers = {impacts.find(term): weight for term, weight in query.items()}
        scores = impacts.scores({number: weight for number, weight in numbers.items() if number is not None})
        assert scores.dtype == np.float32
        assert scores.tolist() == pytest.approx(expected, rel=1e-5)
        assert (scores > 0).tolist() == [value > 0 for value in expected]
        ranking = sorted(range(len(notes)), key=lambda row: (-scores[row], row))
        for better, worse in pairwise(ranking):
            assert expected[better] >= expected[worse] * (1 - 1e-5)


def test_no_term_and_no_note_give_no_score() -> None:
    bm25 = Bm25(1.2, {"title": FieldWeight(1.0)})
    assert compiled([note("cat")], PLAIN, bm25).scores({}).tolist() == [0.0]
    stop_only = compiled([note("the of"), note("is")], ENGLISH, bm25)
    assert len(stop_only) == 0
    assert stop_only.scores({}).tolist() == [0.0, 0.0]


def test_stop_words_can_be_matched_in_whoosh_but_are_not_in_the_vocabulary() -> None:
    impacts = compiled([note("the cat")], ENGLISH, Bm25(1.2, {"title": FieldWeight(1.0)}))
    assert as_dict(impacts).keys() == {"cat"}
    with whoosh_searcher(collect(tokenise([note("the cat")], ENGLISH), [note("the cat")])) as searcher:
        assert list(searcher.lexicon("title")) == [b"cat", b"the"]


@pytest.fixture
def vocabulary() -> Impacts:
    titles = ["a", "ab", "abc", "abd", "b", "é", "再", "ﬁ", "zz", "Ünï", "😀x", "𝔘"]
    return compiled([note(title) for title in titles], PLAIN, Bm25(1.2, {"title": FieldWeight(1.0)}))


def test_the_vocabulary_is_sorted_by_bytes_and_every_term_is_found_at_its_number(vocabulary: Impacts) -> None:
    terms = [vocabulary.term(number) for number in range(len(vocabulary))]
    assert terms == sorted(terms, key=str.encode)
    assert terms == ["a", "ab", "abc", "abd", "b", "e", "fi", "u", "uni", "x", "zz", "再"]
    assert [vocabulary.find(term) for term in terms] == list(range(len(terms)))


@pytest.mark.parametrize("absent", ["", "aa", "abcd", "A", "é", "zzz", "再帰", "\U0010ffff", "\0"])
def test_a_term_that_no_note_holds_is_not_found(vocabulary: Impacts, absent: str) -> None:
    assert vocabulary.find(absent) is None


@pytest.mark.parametrize("prefix", ["", "a", "ab", "abc", "abcd", "b", "c", "z", "zz", "再", "u", "\0", "\U0010ffff"])
def test_a_prefix_gives_the_numbers_of_the_terms_that_begin_with_it(vocabulary: Impacts, prefix: str) -> None:
    expected = [n for n in range(len(vocabulary)) if vocabulary.term(n).startswith(prefix)]
    assert list(vocabulary.vocabulary.with_prefix(prefix)) == expected


def test_postings_by_note_are_the_postings_by_term() -> None:
    bm25 = Bm25(1.2, {"title": FieldWeight(2.0), "description": FieldWeight(1.0), "topic": FieldWeight(1.0)})
    notes = made_notes(5)
    impacts = compiled(notes, ENGLISH, bm25)
    by_term = as_dict(impacts)
    for row, made in enumerate(notes):
        terms, values, counts = impacts.note(row)
        own = ENGLISH.terms(made.title) + ENGLISH.terms(made.description)
        names = [impacts.term(number) for number in terms.tolist()]
        assert set(names) == set(own) | set(ENGLISH.terms(made.topic))
        assert counts.tolist() == [own.count(name) for name in names]
        assert values.tolist() == [by_term[name][row] for name in names]


def arrays_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.npy"))


def test_saved_impacts_are_loaded_bit_by_bit(tmp_path: Path) -> None:
    notes = made_notes(6)
    impacts = compiled(notes, ENGLISH, Bm25(1.2, {"title": FieldWeight(1.0)}))
    save_impacts(tmp_path / "one", impacts)
    loaded = load_impacts(tmp_path / "one", len(notes))
    assert as_dict(loaded) == as_dict(impacts)
    save_impacts(tmp_path / "two", loaded)
    assert [path.name for path in arrays_of(tmp_path / "one")] == [path.name for path in arrays_of(tmp_path / "two")]
    for one, two in zip(arrays_of(tmp_path / "one"), arrays_of(tmp_path / "two"), strict=True):
        assert one.read_bytes() == two.read_bytes()


def test_impacts_of_another_number_of_notes_are_refused(tmp_path: Path) -> None:
    save_impacts(tmp_path / "i", compiled([note("a")], PLAIN, Bm25(1.2, {"title": FieldWeight(1.0)})))
    with pytest.raises(ValueError, match="do not fit"):
        load_impacts(tmp_path / "i", 2)


def test_impacts_with_any_array_cut_short_or_of_another_type_are_refused(tmp_path: Path) -> None:
    notes = made_notes(7, 5)
    folder = tmp_path / "i"
    save_impacts(folder, compiled(notes, PLAIN, Bm25(1.2, {"title": FieldWeight(1.0)})))
    for path in arrays_of(folder):
        whole = path.read_bytes()
        array = np.load(path)
        for change in (array[:-1], array.astype(np.float64), array[None, :]):
            np.save(path, change)
            with pytest.raises(ValueError, match="do not fit"):
                load_impacts(folder, len(notes))
        path.write_bytes(whole[: len(whole) - 3])
        with pytest.raises(ValueError, match=r"."):
            load_impacts(folder, len(notes))
        path.write_bytes(whole)
    load_impacts(folder, len(notes))


@pytest.mark.parametrize(
    ("tag", "term"),
    [("rl", "rl"), ("#RL", "rl"), ("Formal Proof", "formal-proof"), ("été/à la", "ete/a-la"), ("", ""), ("#", "")],
)
def test_a_tag_is_one_folded_term(tag: str, term: str) -> None:
    assert tag_term(tag) == term


def test_stop_words_are_known_for_english_and_none_for_a_language_without_a_list() -> None:
    assert {"the", "of", "and"} <= set(stop_words("english"))
    assert list(stop_words("english")) == sorted(set(stop_words("english")))
    assert stop_words("none") == stop_words("tamil") == ()


def test_parameters_survive_json() -> None:
    bm25 = Bm25(1.2, {"title": FieldWeight(2.0, 0.5), "topic": FieldWeight(1.0)})
    assert Bm25.from_dict(bm25.as_dict()) == bm25
