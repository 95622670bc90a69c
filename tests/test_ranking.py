"""What the rankings must achieve on the judged notes, and expectations whose reason stands beside them."""

from pathlib import Path

import numpy as np
import pytest
from toys import record, write_jsonl

from indexer import build_index
from search import Searcher
from search.evaluate import evaluate, read_judgements
from search.fusion import combine, lexical_part, normalise, trust, with_feedback
from search.trials import query_runs, related_run

DEV = Path(__file__).parent.parent / "benchmarks" / "judgements" / "dev"


@pytest.fixture(scope="module")
def searcher(owner_index: Path) -> Searcher:
    return Searcher.open(owner_index)


def test_hybrid_search_beats_both_legs_on_the_judged_queries(searcher: Searcher) -> None:
    judgements = read_judgements(DEV / "qrels.tsv")
    runs = query_runs(searcher, DEV / "queries.jsonl", judgements)
    ndcg = {mode: evaluate(run, judgements).ndcg for mode, run in runs.items()}
    assert ndcg["hybrid"] >= 0.67  # 0.59 was asked for; measured 0.682
    assert ndcg["hybrid"] > max(ndcg["lexical"], ndcg["semantic"])


def test_related_notes_are_right_on_the_judged_notes(searcher: Searcher) -> None:
    judgements = read_judgements(DEV / "related.tsv")
    assert evaluate(related_run(searcher, judgements), judgements).ndcg >= 0.61  # measured 0.613


def test_a_title_finds_its_own_note_first(searcher: Searcher) -> None:
    for note in list(searcher.index.notes())[::20]:
        assert searcher.search(note.title, k=1)[0].note.id == note.id


def test_a_note_is_never_related_to_itself_and_lists_have_no_repeats(searcher: Searcher) -> None:
    for note in list(searcher.index.notes())[::20]:
        ids = [hit.note.id for hit in searcher.related(note.id, k=50)]
        assert note.id not in ids
        assert 0 < len(set(ids)) == len(ids) <= 50


def test_the_order_does_not_depend_on_how_many_results_were_asked_for(searcher: Searcher) -> None:
    for query in ("reward hacking", "how do models plan ahead?", "zzzz"):
        for mode in ("lexical", "semantic", "hybrid"):
            every = [(hit.note.id, hit.score) for hit in searcher.search(query, k=203, mode=mode)]
            assert [(hit.note.id, hit.score) for hit in searcher.search(query, k=3, mode=mode)] == every[:3]


def test_scores_fall_from_rank_to_rank(searcher: Searcher) -> None:
    scores = [hit.score for hit in searcher.search("reward hacking", k=203)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx(1)


def test_gibberish_has_no_lexical_hit_and_no_lexical_leg(searcher: Searcher) -> None:
    assert searcher.search("zzqx vvkw", mode="lexical") == []
    assert all("lexical" not in hit.legs for hit in searcher.search("zzqx vvkw"))


OFF_TOPIC = (
    "how to prune apple trees in winter", "cheap flights to lisbon in may", "symptoms of vitamin d deficiency",
    "recipe for vegan lasagna", "premier league table 1998", "average rainfall in bergen", "plot of hamlet",
    "guitar chords for beginners", "how do volcanoes erupt", "what is the capital of mongolia", "divorce law in texas",
    "wedding speech for my brother", "hair dye for dark hair", "ancient roman concrete", "how long do cats live",
    "qwpeoriu zxmcnv", "lkjhgf dsa poiuy", "aaaaaaa", "1234 5678", "zzz qqq xyzzy",
)  # fmt: skip


@pytest.mark.parametrize("query", OFF_TOPIC)
def test_a_query_that_no_note_answers_is_called_weak(searcher: Searcher, query: str) -> None:
    assert searcher.search(query).grade == "weak"


def test_a_note_s_own_title_is_a_strong_match_nearly_always(searcher: Searcher) -> None:
    grades = [searcher.search(note.title, k=1).grade for note in list(searcher.index.notes())[::10]]
    assert grades.count("weak") == 0
    assert grades.count("strong") >= 0.8 * len(grades)


def test_an_acronym_that_stands_in_a_note_is_never_weak(searcher: Searcher) -> None:
    assert searcher.search("DINOSAUR").grade == "weak"
    assert searcher.search("SFT").grade != "weak"  # the encoder does not know it; notes hold it


def test_normalising_keeps_a_single_hit_and_a_blind_leg_apart() -> None:
    assert normalise(np.array([7.0], dtype=np.float32), 0.0).tolist() == [1.0]
    assert normalise(np.array([0.2, 0.2], dtype=np.float32), 0.2).tolist() == [0.0, 0.0]
    assert normalise(np.array([4, 3, 1], dtype=np.float32), 2.0).tolist() == [1.0, 0.5, 0.0]


def test_parts_add_up_in_their_shares_and_words_only_as_far_as_they_are_believed() -> None:
    words = np.array([1.0, 0.0, 0.5], dtype=np.float32)
    meaning = np.array([0.0, 1.0, 0.5], dtype=np.float32)
    tokens = np.ones(3, dtype=np.float32)
    assert combine(words, meaning, None, 1.0).tolist() == pytest.approx([0.64, 0.36, 0.5])
    assert combine(words, meaning, None, 0.5).tolist() == pytest.approx([0.32, 0.36, 0.34])
    assert combine(words, meaning, tokens, 1.0).tolist() == pytest.approx([0.84, 0.55, 0.695])
    # a blind leg leaves the order to the other
    assert combine(np.zeros(3, dtype=np.float32), meaning, None, 1.0).tolist() == pytest.approx([0, 0.36, 0.18])
    # half of the lexical part are runs of letters, each on its own scale
    runs = np.array([0.0, 4.0, 2.0], dtype=np.float32)
    assert lexical_part(words, runs).tolist() == pytest.approx([0.5, 0.5, 0.5])
    assert lexical_part(words, None).tolist() == [1.0, 0.0, 0.5]


def test_words_are_believed_by_the_root_of_what_the_best_note_holds_of_them() -> None:
    assert trust(9.0, 9.0) == 1.0
    assert trust(2.25, 9.0) == 0.5
    assert trust(0.0, 9.0) == 0.0
    assert trust(9.1, 9.0) == 1.0  # a prefix may stand for more words than were typed
    assert trust(1.0, 0.0) == 1.0


def test_a_misspelt_word_finds_its_notes(searcher: Searcher) -> None:
    for typed, meant in (("reinforcment lerning", "reinforcement"), ("mechanistc interpretabilty", "interpretability")):
        found = searcher.search(typed, k=3)
        assert any(meant in f"{hit.note.title} {hit.note.description} {hit.note.topic}".lower() for hit in found), typed


def test_feedback_lifts_the_neighbour_of_the_best_note() -> None:
    scores = np.array([1.0, 0.5, 0.5], dtype=np.float32)
    affinities = np.array([[0, 0.0, 2.0]], dtype=np.float32)  # the best note is related to the third alone
    # F = (2, 0, 2): the best note counts as related to itself as its nearest; 0.7 S + 0.3 F / 2
    assert with_feedback(scores, affinities).tolist() == pytest.approx([1.0, 0.35, 0.65])


def test_notes_that_are_not_related_to_each_other_keep_their_order() -> None:
    scores = np.array([1.0, 0.5], dtype=np.float32)
    # F = (-2, -2), which falls by as much as the best could rise: 0.7 S - 0.3 = (0.4, 0.05)
    apart = np.array([[0, -2.0], [-2.0, 0]], dtype=np.float32)
    assert with_feedback(scores, apart).tolist() == pytest.approx([1.0, 0.125])
    # F = (0.1, 0.1), less than a standard deviation: 0.7 S + 0.03 = (0.73, 0.38)
    hardly = np.array([[0, 0.1], [0.1, 0]], dtype=np.float32)
    assert with_feedback(scores, hardly).tolist() == pytest.approx([1.0, 0.38 / 0.73])


def test_a_search_among_a_few_notes_that_are_not_alike_puts_the_one_that_is_meant_first(tmp_path: Path) -> None:
    notes = [
        record("bread", "Sourdough bread", "Hydration of the dough, flour and water."),
        record("kernel", "Linux kernel", "Scheduling of processes on many cores."),
        record("lava", "Volcanoes", "Lava, ash and the plates below."),
        record("bees", "Keeping bees", "Honey, hives and winter."),
        record("chess", "Chess openings", "The Sicilian and its variations."),
        record("tax", "Taxes", "What may be deducted, and when."),
    ]
    build_index([write_jsonl(tmp_path / "notes.jsonl", notes)], tmp_path / "index")
    searcher = Searcher.open(tmp_path / "index")
    for query, first in (
        ("flour and water title:sourdough", "bread"),  # which is the only one, and the best
        ("flour and water (title:sourdough OR title:kernel)", "bread"),
        ("lava (title:sourdough OR title:kernel OR title:volcanoes)", "lava"),
    ):
        hits = searcher.search(query)
        assert hits[0].note.id == first
        scores = [hit.score for hit in hits]
        assert scores == sorted(scores, reverse=True) and scores[0] == 1.0
