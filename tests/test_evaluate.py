from __future__ import annotations

import json
import random
from math import log2
from pathlib import Path

import pytest

from indexer import JudgementError
from search.evaluate import (
    evaluate,
    ndcg_at,
    read_judgements,
    read_queries,
    recall_at,
    reciprocal_rank,
    write_run,
)

GRADES = {"a": 3, "b": 2, "c": 1, "d": 0}


def test_ndcg_is_the_discounted_gain_over_that_of_the_ideal_order() -> None:
    # d, a, x, c at ranks 1 to 4; ideally a, b, c
    gained = 0 / log2(2) + 3 / log2(3) + 0 / log2(4) + 1 / log2(5)
    ideal = 3 / log2(2) + 2 / log2(3) + 1 / log2(4)
    assert ndcg_at(["d", "a", "x", "c"], GRADES) == pytest.approx(gained / ideal, abs=1e-12)


def test_ndcg_is_1_for_the_ideal_order_and_0_where_nothing_is_found_or_relevant() -> None:
    assert ndcg_at(["a", "b", "c"], GRADES) == 1
    assert ndcg_at(["x", "d"], GRADES) == 0
    assert ndcg_at([], GRADES) == 0
    assert ndcg_at(["a"], {"a": 0}) == 0
    assert ndcg_at(["a"], {}) == 0


def test_ndcg_counts_only_to_its_depth_in_the_ranking_and_in_the_ideal() -> None:
    assert ndcg_at(["x", "a"], GRADES, depth=1) == 0
    assert ndcg_at(["b"], GRADES, depth=1) == pytest.approx(2 / 3)
    many = {f"n{number}": 1 for number in range(30)}
    assert ndcg_at([f"n{number}" for number in range(10)], many) == 1


def test_a_negative_grade_counts_as_0() -> None:
    assert ndcg_at(["bad", "a"], {"bad": -2, "a": 1}) == pytest.approx(1 / log2(3))


def test_recall_is_the_share_of_the_relevant_in_the_first_ten() -> None:
    assert recall_at(["a", "x", "c"], GRADES) == pytest.approx(2 / 3)
    assert recall_at(["a", "x", "c"], GRADES, relevant_from=2) == pytest.approx(1 / 2)
    assert recall_at(["x"] * 10 + ["a"], GRADES) == 0
    assert recall_at(["a"], {"a": 0}) == 0


def test_the_reciprocal_rank_is_that_of_the_first_relevant_note() -> None:
    assert reciprocal_rank(["d", "x", "c", "a"], GRADES) == pytest.approx(1 / 3)
    assert reciprocal_rank(["d", "x", "c", "a"], GRADES, relevant_from=2) == pytest.approx(1 / 4)
    assert reciprocal_rank(["d", "x"], GRADES) == 0


def test_every_judged_query_is_in_the_denominator_and_no_other() -> None:
    judgements = {"q1": {"a": 1}, "q2": {"b": 1}, "q3": {"c": 1}, "q4": {"d": 1}}
    metrics = evaluate({"q1": [("a", 1.0)], "q2": [("x", 2.0), ("b", 1.0)], "extra": [("z", 1.0)]}, judgements)
    assert metrics.ndcg == pytest.approx((1 + 1 / log2(3)) / 4)
    assert metrics.recall == pytest.approx(2 / 4)
    assert metrics.mrr == pytest.approx((1 + 1 / 2) / 4)


def test_without_judgements_there_is_no_score() -> None:
    with pytest.raises(JudgementError, match="hold no query"):
        evaluate({}, {})


@pytest.mark.parametrize("relevant_from", [1, 2])
@pytest.mark.parametrize("seed", range(5))
def test_metrics_are_those_of_ir_measures_on_random_runs(seed: int, relevant_from: int) -> None:
    import ir_measures
    from ir_measures import RR, R, nDCG

    dice = random.Random(seed)  # noqa: S311 - made runs, no secrets
    notes = [f"n{number}" for number in range(60)]
    judgements = {
        f"q{number}": {note: dice.choice([0, 0, 1, 2, 3]) for note in dice.sample(notes, dice.randint(1, 30))}
        for number in range(40)
    }
    run = {
        query: [(note, 100.0 - rank) for rank, note in enumerate(dice.sample(notes, dice.randint(1, 60)))]
        for query in judgements
        if dice.random() > 0.2  # the others are left unanswered
    }
    assert 0 < len(run) < len(judgements)
    measures = [nDCG @ 10, R(rel=relevant_from) @ 10, RR(rel=relevant_from)]
    theirs = ir_measures.calc_aggregate(measures, judgements, {query: dict(ranking) for query, ranking in run.items()})
    ours = evaluate(run, judgements, relevant_from)
    assert [ours.ndcg, ours.recall, ours.mrr] == pytest.approx([theirs[measure] for measure in measures], abs=1e-9)


def test_a_run_is_written_as_trec_reads_it(tmp_path: Path) -> None:
    write_run(tmp_path / "run", {"q1": [("a", 0.5), ("b", 0.25)], "q2": [("é/ü", -1.0)]}, "hybrid")
    assert (tmp_path / "run").read_text("utf-8") == (
        "q1 Q0 a 1 0.500000 hybrid\nq1 Q0 b 2 0.250000 hybrid\nq2 Q0 é/ü 1 -1.000000 hybrid\n"
    )


def test_written_scores_fall_strictly_so_that_no_evaluator_breaks_ties(tmp_path: Path) -> None:
    write_run(tmp_path / "run", {"q": [("a", 0.5), ("b", 0.5), ("c", 0.5), ("d", 0.4999999), ("e", 0.1)]}, "x")
    cells = [line.split() for line in (tmp_path / "run").read_text("utf-8").splitlines()]
    assert [(cell[2], cell[4]) for cell in cells] == [
        ("a", "0.500000"),
        ("b", "0.499999"),
        ("c", "0.499998"),
        ("d", "0.499997"),
        ("e", "0.100000"),
    ]


def test_a_run_is_written_to_a_depth_of_100(tmp_path: Path) -> None:
    write_run(tmp_path / "run", {"q": [(f"n{rank}", 1 - rank / 1000) for rank in range(150)]}, "x")
    lines = (tmp_path / "run").read_text("utf-8").splitlines()
    assert len(lines) == 100
    assert lines[-1].split()[2:4] == ["n99", "100"]
    scores = [float(line.split()[4]) for line in lines]
    assert scores == sorted(set(scores), reverse=True)


def test_queries_are_read_from_beir_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "queries.jsonl"
    path.write_text('{"_id": "q2", "text": "b", "metadata": {}}\n\n{"_id": "q1", "text": "再"}\n', "utf-8")
    assert list(read_queries(path).items()) == [("q2", "b"), ("q1", "再")]


@pytest.mark.parametrize(
    "text",
    [
        "q1\t0\ta\t2\nq1\t0\tb\t0\nq2\t0\ta\t1\n",  # TREC
        "q1 0 a 2\nq1 0 b 0\n\nq2 0 a 1\n",
        "query-id\tcorpus-id\tscore\nq1\ta\t2\nq1\tb\t0\nq2\ta\t1\n",  # BEIR
        "\ufeffquery-id\tcorpus-id\tscore\r\nq1\ta\t2\r\nq1\tb\t0\r\nq2\ta\t1\r\n",
        "q1\ta\t2\nq1\tb\t0\nq2\ta\t1",
    ],
)
def test_judgements_are_read_from_beir_and_trec(tmp_path: Path, text: str) -> None:
    path = tmp_path / "qrels.tsv"
    path.write_text(text, "utf-8", newline="")
    assert read_judgements(path) == {"q1": {"a": 2, "b": 0}, "q2": {"a": 1}}


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        '["q"]',
        '{"_id": "q"}',
        '{"_id": 7, "text": "x"}',
        '{"_id": "q", "text": null}',
        '{"_id": "q1", "text": "stands twice"}',
    ],
)
def test_a_queries_file_that_is_broken_is_refused_with_path_and_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "queries.jsonl"
    path.write_text('{"_id": "q1", "text": "a"}\n\n' + line + "\n", "utf-8")
    with pytest.raises(JudgementError) as caught:
        read_queries(path)
    assert str(caught.value).startswith(f"{path}:3: ")


@pytest.mark.parametrize("line", ["q1\ta", "q1\ta\thigh", "q1\ta\t0.5", "a b c d e", "q1"])
def test_a_judgements_file_that_is_broken_is_refused_with_path_and_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "qrels.tsv"
    path.write_text("query-id\tcorpus-id\tscore\nq1\ta\t1\n" + line + "\n", "utf-8")
    with pytest.raises(JudgementError) as caught:
        read_judgements(path)
    assert str(caught.value).startswith(f"{path}:3: ")


@pytest.mark.parametrize("read", [read_queries, read_judgements])
def test_a_file_that_is_missing_empty_or_no_text_is_refused(tmp_path: Path, read: object) -> None:
    assert callable(read)
    empty, binary = tmp_path / "empty", tmp_path / "binary"
    empty.write_text("\n")
    binary.write_bytes(b"\xff\xfe\x00")
    for path, problem in [(tmp_path / "none", "cannot be read"), (empty, "holds no"), (binary, "is not UTF-8")]:
        with pytest.raises(JudgementError, match=problem) as caught:
            read(path)
        assert str(path) in str(caught.value)


def test_a_queries_line_that_nests_beyond_measure_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "queries.jsonl"
    path.write_text(json.dumps({"_id": "q", "text": "a"}) + "\n" + "[" * 200_000 + "\n", "utf-8")
    with pytest.raises(JudgementError, match=":2: "):
        read_queries(path)
