"""The bench's own formulas against hand arithmetic, and what it keeps and shows."""

from __future__ import annotations

import ast
import json
import random
from collections.abc import Iterator, Sequence
from itertools import product
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from toys import NOTES, write_jsonl

from benchmarks.cluster import agreement, cluster_text
from benchmarks.encodings import CachedEncoder
from benchmarks.explore import explore_text
from benchmarks.formulas import (
    at_8_bits,
    averaged,
    max_similarity,
    min_max,
    mixed,
    neighbours,
    principal_axes,
    reciprocal_ranks,
    smoothed,
    whitening,
)
from benchmarks.grade import OFF_TOPIC, read_off_topic
from benchmarks.judged import beir, owner_notes
from benchmarks.late import late_scores
from benchmarks.rankings import as_run
from benchmarks.results import RESULTS, ROOT, shown, table
from benchmarks.scoring import scored_rows
from benchmarks.serve import serve_text
from benchmarks.significance import randomisation_p, roc_area, wins_and_losses
from benchmarks.spark import spark_text
from benchmarks.tables import quality_text
from indexer import EncoderInfo, TokenEncoder, Vectors, build_index, load_encoder, open_index
from indexer.encoders import TextStates


def floats(*rows: Sequence[float]) -> Vectors:
    return np.array(rows, dtype=np.float32)


def test_min_max_puts_the_least_at_0_and_the_greatest_at_1_query_by_query() -> None:
    assert min_max(floats([2, 4, 3], [-1, -5, -5], [7, 7, 7])).tolist() == [[0, 1, 0.5], [1, 0, 0], [0, 0, 0]]


def test_a_mixture_is_the_weighted_sum_of_both_after_min_max() -> None:
    assert mixed(floats([0, 10, 5]), floats([3, 1, 2]), 0.75).tolist() == [pytest.approx([0.25, 0.75, 0.5])]


def test_reciprocal_ranks_count_from_1_and_leave_out_what_was_not_retrieved() -> None:
    parts = reciprocal_ranks(floats([0.5, 0.9, 0.0, 0.5]), np.array([[True, True, False, True]]))
    assert parts.tolist() == [pytest.approx([1 / 62, 1 / 61, 0, 1 / 63])]


def test_the_nearest_notes_come_first_and_share_by_cosine() -> None:
    vectors = floats([1, 0], [0.6, 0.8], [0, 1], [-1, 0])  # cosines of the first: 0.6, 0, -1; of the second: 0.6, 0.8
    rows, shares = neighbours(vectors, 2)
    assert rows.tolist()[:3] == [[1, 2], [2, 0], [1, 0]]
    assert shares[0].tolist() == pytest.approx([1, 0])
    assert shares[1].tolist() == pytest.approx([0.8 / 1.4, 0.6 / 1.4])
    assert shares[3].tolist() == [0.5, 0.5]  # nothing is near: no cosine above 0


def test_smoothing_hears_each_note_s_neighbours() -> None:
    rows, shares = np.array([[1, 2], [0, 2], [0, 1]]), floats([0.75, 0.25], [1, 0], [0.5, 0.5])
    # 0.6 s + 0.4 (0.75 * 2 + 0.25 * 3, 1 * 1, 0.5 * 1 + 0.5 * 2)
    smooth = smoothed(floats([1, 2, 3]), rows, shares, 0.4)
    assert smooth.tolist() == [pytest.approx([0.6 + 0.9, 1.2 + 0.4, 1.8 + 0.6])]


def test_a_single_note_has_no_neighbours_and_is_not_smoothed() -> None:
    rows, shares = neighbours(floats([1, 0]))
    assert smoothed(floats([3]), rows, shares).tolist() == [[3]]


def test_whitening_divides_each_axis_by_how_much_titles_and_descriptions_differ_along_it() -> None:
    # D = (1, 0) and (0, 2): S = diag(1, 4) / 2, eigenvalues over their mean 0.4 and 1.6
    titles, descriptions = floats([sqrt(2), 0], [0, 0]), floats([0, 0], [0, 2 * sqrt(2)])
    assert whitening(titles, descriptions, 6.0).tolist() == [
        pytest.approx([1 / sqrt(6.4), 0], abs=1e-6),
        pytest.approx([0, 1 / sqrt(7.6)], abs=1e-6),
    ]


def test_whitening_without_regulariser_makes_the_scatter_a_sphere() -> None:
    dice = np.random.default_rng(3)
    titles, descriptions = dice.standard_normal((2, 50, 4)) * [1, 2, 3, 4]
    matrix = whitening(titles.astype(np.float32), descriptions.astype(np.float32), 0.0)
    scatter = np.cov(((titles - descriptions) @ matrix).T, bias=True) + np.outer(
        *[((titles - descriptions) @ matrix).mean(axis=0)] * 2
    )
    assert scatter / scatter[0, 0] == pytest.approx(np.eye(4), abs=1e-4)


def test_whitening_without_notes_or_differences_turns_nothing() -> None:
    assert whitening(floats([1, 0]), floats([1, 0]), 4.0).tolist() == [[0.5, 0], [0, 0.5]]
    assert whitening(np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32), 4.0).tolist() == [[0.5, 0], [0, 0.5]]


def test_a_view_that_a_note_lacks_is_left_out_of_its_average() -> None:
    views = [floats([1, 0], [1, 0]), floats([0, 1], [0, 1])]
    present = [np.array([True, True]), np.array([True, False])]
    assert averaged(views, present).tolist() == [pytest.approx([sqrt(0.5), sqrt(0.5)]), [1, 0]]


def test_principal_axes_are_those_of_greatest_variance() -> None:
    assert np.abs(principal_axes(np.diag([1.0, 9.0, 4.0]), 2)).tolist() == [[0, 0], [1, 0], [0, 1]]


def test_eight_bits_are_255_steps_from_minus_to_plus_the_greatest_component() -> None:
    assert at_8_bits(floats([127, 1.4, -126.6], [0, 0, 0])).tolist() == [[127, 1, -127], [0, 0, 0]]


def test_late_interaction_is_the_mean_of_each_query_token_s_best_match() -> None:
    queries, notes = floats([1, 0], [0, 1], [0.6, 0.8]), floats([1, 0], [0, 1], [0.8, 0.6])
    scores = max_similarity(queries, np.array([2, 0, 1]), notes, np.array([1, 0, 2]))
    # the first query's tokens meet (1, 0) with 1 and 0, and the last note's with 0.8 and 1
    assert scores.tolist() == [pytest.approx([0.5, 0, 0.9]), [0, 0, 0], pytest.approx([0.6, 0, 0.96])]


class LetterEncoder:
    """A token a letter, a vector drawn from the letter; ``asked`` counts the texts that were encoded."""

    def __init__(self) -> None:
        self.info = EncoderInfo("letters", "custom", "letters-1", 6)
        self.asked = 0

    def encode_documents(self, texts: Sequence[str], progress: object = None) -> Vectors:
        return np.array([self.encode_query(text) for text in texts], dtype=np.float32).reshape(-1, 6)

    def encode_query(self, text: str) -> Vectors:
        return self.encode_query_tokens(text).vector

    def encode_document_tokens(self, texts: Sequence[str], progress: object = None) -> Iterator[TextStates]:
        return map(self.encode_query_tokens, texts)

    def encode_query_tokens(self, text: str) -> TextStates:
        self.asked += 1
        pieces = np.array([ord(letter) for letter in text], dtype=np.int32)
        tokens = [np.random.default_rng(int(piece)).standard_normal(6) for piece in pieces]
        matrix = np.array(tokens, dtype=np.float32).reshape(-1, 6)
        return TextStates(np.eye(6, dtype=np.float32)[len(text) % 6], matrix, pieces)


LETTERS, ASKED = ["abc", "", "bcd", "xyzzy", "a"] * 3, ["ab", "", "zebra"]


def test_late_interaction_in_blocks_is_that_of_a_plain_loop(tmp_path: Path) -> None:
    encoder = LetterEncoder()
    tokens = [encoder.encode_query_tokens(text).tokens.astype(np.float64) for text in LETTERS]
    mean = np.concatenate(tokens).mean(axis=0)

    def unit(rows: np.ndarray) -> np.ndarray:
        return (rows - mean) / np.linalg.norm(rows - mean, axis=1, keepdims=True)

    expected = np.zeros((len(ASKED), len(LETTERS)))
    for i, text in enumerate(ASKED):
        for j, note in enumerate(tokens):
            query = encoder.encode_query_tokens(text).tokens
            if len(query) and len(note):
                expected[i, j] = np.mean([max(row @ other for other in unit(note)) for row in unit(query)])
    exact, turned = late_scores(encoder, LETTERS, ASKED, [None, 6], tmp_path)
    assert exact == pytest.approx(expected, abs=1e-5)
    assert turned == pytest.approx(expected, abs=0.01)  # all axes are kept: a rotation, at 8 bits
    asked = encoder.asked
    assert (late_scores(encoder, LETTERS, ASKED, [None, 6], tmp_path)[1] == turned).all()
    assert encoder.asked == asked


def test_the_cache_answers_bit_for_bit_without_the_encoder(tmp_path: Path) -> None:
    encoder = LetterEncoder()
    first = CachedEncoder(encoder, tmp_path / "cache" / "x.sqlite")
    states = next(iter(first.encode_document_tokens(["abc"])))
    vectors, query = first.encode_documents(["a", "abc", "a"]), first.encode_query_tokens("abc")
    first.close()
    assert encoder.asked == 3  # "abc" as a document, "a", and "abc" as a query, whose prompt may be another
    second = CachedEncoder(encoder, tmp_path / "cache" / "x.sqlite")
    again = next(iter(second.encode_document_tokens(["abc"])))
    for kept, given in zip((*again, *second.encode_query_tokens("abc")), (*states, *query), strict=True):
        assert (kept == given).all()
        assert kept.dtype == given.dtype
    assert (second.encode_documents(["a", "abc", "a"]) == vectors).all()
    assert (second.encode_query("abc") == query.vector).all()
    assert encoder.asked == 3
    assert next(iter(second.encode_document_tokens(["a"]))).tokens.shape == (1, 6)  # only its vector was known
    second.close()


def test_an_index_built_through_the_cache_holds_the_same_bytes(tmp_path: Path) -> None:
    notes, encoder = write_jsonl(tmp_path / "notes.jsonl", NOTES), load_encoder()
    assert isinstance(encoder, TokenEncoder)
    build_index([notes], tmp_path / "plain", encoder=encoder)
    for name in ("filled", "answered"):  # first by the encoder, then from the file
        cached = CachedEncoder(encoder, tmp_path / "encodings.sqlite")
        build_index([notes], tmp_path / name, encoder=cached)
        cached.close()
        assert open_index(tmp_path / name).manifest.files == open_index(tmp_path / "plain").manifest.files


@pytest.mark.parametrize("gaps, p", [([1, 2, 3], 2 / 8), ([1, 2, -3], 1.0), ([1, 0, 0], 1.0), ([], 1.0)])
def test_the_randomisation_test_counts_the_signs_that_are_as_far_from_0(gaps: list[float], p: float) -> None:
    assert randomisation_p(gaps) == p


@pytest.mark.parametrize("seed", range(3))
def test_drawn_signs_come_near_to_all_of_them(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - made differences, no secrets
    gaps = [dice.gauss(0.15, 0.5) for _ in range(14)]  # 16,384 assignments: too many to be tried
    sums = [
        abs(sum(sign * gap for sign, gap in zip(signs, gaps, strict=True))) for signs in product((1, -1), repeat=14)
    ]
    exact = sum(total >= abs(sum(gaps)) - 1e-9 for total in sums) / len(sums)
    assert randomisation_p(gaps, seed) == pytest.approx(exact, abs=0.02)
    assert randomisation_p([-gap for gap in gaps], seed) == randomisation_p(gaps, seed)


def test_the_area_under_the_roc_curve_is_the_share_of_pairs_in_order() -> None:
    assert roc_area([3, 2], [1, 2]) == (1 + 1 + 1 + 0.5) / 4
    assert roc_area([1], [2]) == 0
    assert np.isnan(roc_area([], [1]))


def test_wins_and_losses_are_the_greatest_changes_and_ties_stand_by_id() -> None:
    before, after = {"a": 0.5, "b": 0.5, "c": 0.5, "d": 0.5}, {"a": 0.75, "b": 1.0, "c": 0.5, "d": 0.25}
    assert wins_and_losses(before, after, 1) == ({"b": 0.5}, {"d": -0.25})
    assert wins_and_losses(before, after, 9) == ({"b": 0.5, "a": 0.25}, {"d": -0.25})


def test_a_run_is_sorted_by_score_and_then_by_id() -> None:
    run = as_run(["q"], ["c", "a", "b"], floats([1, 1, 2]), np.array([[True, True, True]]))
    assert [note_id for note_id, _ in run["q"]] == ["b", "a", "c"]
    assert as_run(["q"], ["c", "a", "b"], floats([1, 1, 2]), np.array([[True, False, False]]))["q"] == [("c", 1.0)]


def test_a_row_is_tested_against_the_row_above_and_against_the_product() -> None:
    judgements = {f"q{number}": {"good": 1} for number in range(4)}
    found, missed = [("good", 1.0)], [("bad", 1.0)]
    runs = {
        "first": dict.fromkeys(judgements, missed),
        "second": {**dict.fromkeys(judgements, found), "q3": missed},
        "product": dict.fromkeys(judgements, found),
    }
    rows = scored_rows(runs, judgements, 1, "product", {"q0": "short", "q1": "long", "q2": "long", "q3": "long"})
    assert [row["ndcg@10"] for row in rows] == [0, 0.75, 1]
    assert [row["p against the row above"] for row in rows] == [None, 2 / 2**3, 1]
    assert [row["p against product"] for row in rows] == [2 / 2**4, 1, None]
    assert rows[1]["by type"] == {"short": 1, "long": round(2 / 3, 4)}
    assert rows[1]["gained most"] == {"q0": 1, "q1": 1, "q2": 1}
    assert rows[2]["lost most"] == {}


def test_the_off_topic_queries_are_many_of_many_kinds_and_none_is_judged() -> None:
    queries = read_off_topic(OFF_TOPIC)
    assert len(queries) >= 60
    assert len(set(queries.values())) >= 6
    assert not set(queries) & set(owner_notes().texts().values())


def test_every_judged_query_has_a_note_that_answers_it() -> None:
    judged = owner_notes()
    assert len(judged.judgements) == 60
    assert all(max(grades.values()) >= judged.relevant_from for grades in judged.judgements.values())


@pytest.mark.parametrize("text", ["lost\n", "# one\ntwice\n\n# two\ntwice\n"])
def test_an_off_topic_file_with_a_query_without_kind_or_twice_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "off.txt").write_text(text, "utf-8")
    with pytest.raises(ValueError, match="stands twice, or above the first kind"):
        read_off_topic(tmp_path / "off.txt")


def test_a_beir_folder_is_read_by_split_and_limit_and_an_incomplete_one_is_none(tmp_path: Path) -> None:
    folder, cache = tmp_path / "toy", tmp_path / "cache"
    folder.mkdir()
    documents = [{"_id": "d1", "title": "", "text": "one two"}, {"_id": "d2", "title": "T", "text": ""}]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(d) + "\n" for d in documents), "utf-8")
    queries = "".join(json.dumps({"_id": f"q{n}", "text": f"t{n}", "type": "x"}) + "\n" for n in range(5))
    (folder / "queries.train.jsonl").write_text(queries, "utf-8")
    (folder / "qrels.train.tsv").write_text("q0\td1\t1\nq1\td2\t1\nq2\td2\t0\nq4\td2\t2\n", "utf-8")
    assert beir(folder, "test", cache) is None
    assert beir(tmp_path / "absent", "train", cache) is None
    whole, part = beir(folder, "train", cache), beir(folder, "train", cache, limit=2)
    assert whole is not None and part is not None
    assert whole.texts() == {"q0": "t0", "q1": "t1", "q4": "t4"}  # q2 has nothing to find, q3 is not judged
    assert whole.types() == {"q0": "x", "q1": "x", "q4": "x"}
    assert list(part.judgements) == ["q0", "q4"]
    titles = [json.loads(line)["title"] for line in whole.notes.read_text("utf-8").splitlines()]
    assert titles == ["one two", "T"]


def test_a_beir_folder_is_read_as_it_is_given_away_with_the_queries_of_all_splits_in_one_file(tmp_path: Path) -> None:
    folder = tmp_path / "given"
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text('{"_id": "d1", "title": "T", "text": "x"}\n', "utf-8")
    queries = [{"_id": "q1", "text": "of the test"}, {"_id": "q2", "text": "of the training"}]
    (folder / "queries.jsonl").write_text("".join(json.dumps(query) + "\n" for query in queries), "utf-8")
    for split, query in (("test", "q1"), ("train", "q2")):
        (folder / "qrels" / f"{split}.tsv").write_text(f"query-id\tcorpus-id\tscore\n{query}\td1\t1\n", "utf-8")
    test, train = beir(folder, "test", tmp_path), beir(folder, "train", tmp_path)
    assert test is not None and train is not None
    assert (test.texts(), test.judgements) == ({"q1": "of the test"}, {"q1": {"d1": 1}})
    assert train.texts() == {"q2": "of the training"}
    assert beir(folder, "dev", tmp_path) is None


def test_a_table_is_markdown() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n|---|---|\n| 1 | 2 |"


def test_the_readme_shows_the_figures_that_the_bench_kept() -> None:
    record = json.loads((RESULTS / "quality.json").read_text("utf-8"))
    assert shown("quality") == quality_text(record)


def test_the_readme_shows_what_was_tried_against_it() -> None:
    record = json.loads((RESULTS / "reliability.json").read_text("utf-8"))
    assert shown("reliability") == table(
        ["what was tried", "outcome"], [[row["tried"], row["outcome"]] for row in record.values()]
    )


def test_every_benchmark_says_what_it_is_for_and_stays_readable() -> None:
    for path in (ROOT / "benchmarks").rglob("*.py"):
        text = path.read_text("utf-8")
        assert (ast.get_docstring(ast.parse(text)) or "").startswith("This module ") or path.name == "__init__.py"
        assert len(text.splitlines()) <= 300, path.name


def test_the_readme_shows_the_lists_that_the_bench_measured() -> None:
    record = json.loads((RESULTS / "explore.json").read_text("utf-8"))
    assert shown("explore") == explore_text(record["rows"], record["times"])


def test_the_readme_shows_how_the_server_was_measured() -> None:
    record = json.loads((RESULTS / "serve.json").read_text("utf-8"))
    assert shown("serve") == serve_text(record)


def test_agreement_counts_first_notes_and_shared_ids() -> None:
    own = {"a": ["1", "2", "3"], "b": ["4", "5"], "c": []}
    found = {"a": ["1", "3", "9"], "b": ["5", "4"], "c": []}
    assert agreement(own, found) == {"queries": 3, "first": 2, "ids": 5, "shared": 4}


def test_the_table_of_engines_shows_what_was_measured_and_a_dash_for_the_rest() -> None:
    seconds = {kind: {"p50": 0.002, "p95": 0.25} for kind in ("hybrid", "lexical", "semantic", "filtered", "related")}
    load = {"seconds": 2.0, "sent": 0.0, "bytes": 1_000_000, "memory": 2_000_000}
    same = {"queries": 4, "first": 3, "ids": 40, "shared": 39}
    seen = {"asked": 1200, "generations": 2, "failed": 0, "mixed": 0, "longest": 0.5}
    folder = {"load": load, "ask": {"seconds": seconds, "memory": 3_000_000}, "change": {"change": 1.0}}
    asked = {**folder["ask"], "server memory": 4_000_000, "agreement": {"hybrid": same, "related": same}}
    lite2 = {"load": {**load, "sent": 1.5}, "ask": asked, "replace": seen}
    text = cluster_text({"203": {"folder": folder, "lite2": lite2}})
    assert "| of that sent to the engine | – | 1.5 s |" in text
    assert "| a changed note | 1.0 s | – |" in text
    assert "| a search: first note, first ten as in a folder | – | 3 of 4, 97.5 % |" in text
    assert "a client asked 1,200 times, of 2 generations: 0 answers failed, 0 were mixed" in text
    if (RESULTS / "cluster.json").is_file():
        assert shown("cluster") == cluster_text(json.loads((RESULTS / "cluster.json").read_text("utf-8")))


def test_the_readme_shows_how_lists_were_made_on_spark() -> None:
    record = json.loads((RESULTS / "spark.json").read_text("utf-8"))
    assert shown("spark") == spark_text(record["rows"])
