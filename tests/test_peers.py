"""The bench beside other systems: its arithmetic, the notes and queries that it makes, and that it takes up its work.

No other system need be installed: the runs here ask SQLite, which comes with Python.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from math import log, log2
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.growth import growth_text
from benchmarks.peers.arithmetic import exponents, merged, most_allowed, percentile, violations
from benchmarks.peers.corpora import Corpora
from benchmarks.peers.driver import Bench, StepFailed
from benchmarks.peers.given import GivenEncoder
from benchmarks.peers.queries import made_queries
from benchmarks.peers.report import full_text, peers_text, size_text, time_text
from benchmarks.peers.roster import SYSTEMS, System
from benchmarks.peers.task import Query, Task, Text
from benchmarks.peers.texts import made_notes, recombined
from benchmarks.peers.vectors import given_vectors, recombined_vectors
from benchmarks.peers.worker import warm
from benchmarks.results import RESULTS, ROOT, shown
from indexer import load_encoder

PAPERS = [
    Text("p1", "Learned optics of lenses", "Lenses bend light. Mirrors turn it back.", "optics"),
    Text("p2", "Grasping with soft robots", "Soft hands grasp eggs. They break few.", "robots"),
    Text("p3", "Deep dreams of sheep", "Androids count electric sheep at night. Some sleep.", "dreams"),
]
KNOWN = [f"{first}{second}ing" for first in "bdfglmnprst" for second in ("a", "e", "i", "oa", "ou")]
FTS5 = System("SQLite FTS5", "with_fts5", ("lexical",), is_ours=True)  # runs in this Python


def papers_file(folder: Path) -> Path:
    path = folder / "papers.jsonl"
    lines = [{"id": p.id, "title": p.title, "description": p.description, "topic": p.topic} for p in PAPERS]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def task_of(folder: Path, size: int = 3) -> Task:
    """The papers as a task, with one axis a paper as its vector."""
    np.save(folder / "vectors.npy", np.eye(3, 384, dtype=np.float16))
    return Corpora(folder / "tasks", papers_file(folder), folder / "vectors.npy").sized(size)


def asked(task: Task, *queries: Query) -> None:
    """Put queries into a task in the place of its own."""
    lines = [json.dumps({"id": query.id, "text": query.text, "judged": dict(query.judged)}) for query in queries]
    (task.folder / "queries.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("values", [[3.0], [1.0, 2.0], [5.0, 1.0, 4.0, 2.0], list(range(200))])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.95, 1.0])
def test_a_percentile_is_numpy_s(values: Sequence[float], share: float) -> None:
    assert percentile(values, share) == pytest.approx(np.percentile(values, 100 * share))


def test_nothing_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_the_exponent_between_two_sizes_is_the_power_that_the_cost_grows_by() -> None:
    assert exponents({10: 5.0, 1000: 5.0 * 100**1.5, 100: 5.0 * 10**1.5}) == [
        (10, 100, pytest.approx(1.5)),
        (100, 1000, pytest.approx(1.5)),
    ]
    assert exponents({203: 1.0}) == []


def test_n_log_n_is_allowed_and_what_is_worse_is_named() -> None:
    costs = {size: size * log(size) for size in (203, 1_000, 10_000)}
    for small, large, exponent in exponents(costs):
        assert exponent == pytest.approx(most_allowed(small, large))
    assert violations(costs, slack=1e-9) == []
    assert violations({10: 1.0, 100: 100.0, 1000: 100.0}) == [(10, 100, pytest.approx(2.0))]


def test_a_merged_record_keeps_other_rows_and_replaces_what_was_measured_again() -> None:
    old = {"tasks": {"a": {"rows": {"x": {"seconds": 1}, "y": {"seconds": 2}}}, "b": {"rows": {}}}}
    new = {"tasks": {"a": {"rows": {"x": {"failed": "given up"}, "z": {"seconds": 3}}}}}
    once = merged(old, new, depth=4)
    assert once["tasks"]["a"]["rows"] == {"x": {"failed": "given up"}, "y": {"seconds": 2}, "z": {"seconds": 3}}
    assert once["tasks"]["b"] == {"rows": {}}
    assert old["tasks"]["a"]["rows"]["x"] == {"seconds": 1}  # not changed in place


def test_made_notes_are_the_same_for_the_same_seed_and_begin_alike_at_every_size() -> None:
    notes = list(made_notes(300, KNOWN))
    assert notes[:40] == list(made_notes(40, KNOWN))
    assert notes[:40] != list(made_notes(40, KNOWN, seed=1))
    assert len({note.id for note in notes}) == 300
    lengths = [len(note.description.split()) for note in notes]
    assert 40 < np.mean(lengths) < 50  # papers have 46.5


def test_a_recombined_note_is_made_of_three_others() -> None:
    for note, (first, second, third) in recombined(PAPERS, 30):
        begin, end = PAPERS[first].title.split(), PAPERS[second].title.split()
        assert note.title.split()[:2] == begin[:2]
        assert note.title.split()[-2:] == end[-2:]
        sentences = [f"{sentence.rstrip('.')}." for sentence in note.description.split(". ")]
        assert sentences[0] in PAPERS[first].description
        assert sentences[1] in PAPERS[third].description
        assert note.topic == PAPERS[first].topic
    assert list(recombined(PAPERS, 30)) == list(recombined(PAPERS, 30))


def test_the_answer_of_a_made_query_is_the_note_that_holds_its_words() -> None:
    notes = {note.id: note for note in made_notes(300, KNOWN)}
    queries = made_queries(list(notes.values()), {"the", "of"}, count=60)
    assert queries == made_queries(list(notes.values()), {"the", "of"}, count=60)
    warming, measured = queries[:20], queries[20:]
    assert all(not query.judged for query in warming)
    assert len(measured) == 60
    assert len({answer for query in measured for answer in query.judged}) == 60
    for query in measured:
        (answer,) = query.judged
        text = notes[answer].encoded.lower()
        told = [word for word in query.text.lower().replace("?", "").replace(",", "").split() if word in text]
        assert len(told) >= 2, query


def test_too_few_notes_give_fewer_queries() -> None:
    assert len(made_queries(PAPERS, set(), count=10)) <= 3


def test_given_vectors_are_read_as_unit_rows_and_too_few_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.array([[3, 4], [0, 2]], dtype=np.float16))
    assert given_vectors(tmp_path / "v.npy", 2).tolist() == [pytest.approx([0.6, 0.8]), [0.0, 1.0]]
    with pytest.raises(ValueError, match="holds 2 vectors, and 3 are needed"):
        given_vectors(tmp_path / "v.npy", 3)


def test_a_recombined_vector_is_near_to_its_parents_and_nearest_to_the_first() -> None:
    base = np.eye(5, 384, dtype=np.float32)
    rows = recombined_vectors(base, np.array([[0, 1, 2], [3, 4, 3]]))
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1])
    cosines = rows @ base.T
    assert cosines.argmax(axis=1).tolist() == [0, 3]
    assert (cosines[0, 1:3] > cosines[0, 3:].max() + 0.1).all()


def test_a_task_holds_the_papers_and_beyond_them_notes_put_together(tmp_path: Path) -> None:
    task = task_of(tmp_path, size=7)
    notes = list(task.notes())
    assert notes[:3] == PAPERS
    assert [note.id for note in notes[3:]] == [f"again-{number:07d}" for number in range(4)]
    vectors = task.vectors()
    assert vectors.shape == (7, 384)
    assert vectors.dtype == np.float32
    assert (vectors[:3] == np.eye(3, 384)).all()
    assert "put together" in task.about()["source"]
    stamp = (task.folder / "notes.jsonl").stat().st_mtime_ns
    assert task_of(tmp_path, size=7).about() == task.about()
    assert (task.folder / "notes.jsonl").stat().st_mtime_ns == stamp  # found, not written again


def test_the_encoder_for_building_takes_given_vectors_and_encodes_what_is_not_given(tmp_path: Path) -> None:
    task = task_of(tmp_path)
    encoder = GivenEncoder(task, tmp_path / "encodings.sqlite")
    done: list[int] = []
    found = encoder.encode_documents([PAPERS[2].encoded, "a title alone", PAPERS[0].encoded], done.append)
    assert (found[[0, 2]] == np.eye(3, 384)[[2, 0]]).all()
    assert (found[1] == load_encoder().encode_documents(["a title alone"])[0]).all()
    assert sum(done) == 3
    assert encoder.seconds > 0


def test_a_system_is_built_once_asked_cold_and_warm_and_scored_by_the_judgements(tmp_path: Path) -> None:
    task = task_of(tmp_path)
    asked(
        task,
        Query("w", "warm", {}),
        Query("q1", "grasping eggs", {"p2": 3}),
        Query("q2", "optics, or night?", {"p1": 1, "p2": 1}),
        Query("q3", "nowhere written", {"p1": 1}),
    )
    bench = Bench(tmp_path / "work", Path("unused"), patience=60, search_seconds=30)
    figures = bench.measured(FTS5, task, "lexical")
    # q1 finds p2 alone; q2 finds p1, whose title holds its word, before p3: of two relevant notes one, at rank 1;
    # q3 finds nothing.
    assert figures["ndcg@10"] == pytest.approx((1 + 1 / (1 + 1 / log2(3)) + 0) / 3)
    assert figures["asked"] == 3
    assert 0 < figures["median seconds"] <= figures["p95 seconds"]
    assert figures["open seconds"] < figures["cold seconds"]
    assert figures["index bytes"] == sum(p.stat().st_size for p in bench.index_of(FTS5, task).rglob("*"))
    stamp = (bench.index_of(FTS5, task) / "notes.sqlite").stat().st_mtime_ns
    assert bench.built(FTS5, task)["seconds"] == figures["index seconds"]
    assert (bench.index_of(FTS5, task) / "notes.sqlite").stat().st_mtime_ns == stamp


def test_a_step_that_fails_says_why(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "work", Path("unused"), patience=60, search_seconds=1)
    missing = System("none", "with_nothing", ("lexical",), is_ours=True)
    with pytest.raises(StepFailed, match=r"No module named .*with_nothing"):
        bench.step(missing, task_of(tmp_path), "build", str(tmp_path / "index"))


def test_a_step_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "work", Path("unused"), patience=0.001, search_seconds=1)
    with pytest.raises(StepFailed, match="was given up after 0 s"):
        bench.step(FTS5, task_of(tmp_path), "build", str(tmp_path / "index"))


def test_warm_queries_end_when_their_time_is_over_and_say_which_were_answered(tmp_path: Path) -> None:
    task = task_of(tmp_path)
    asked(task, *(Query(f"q{number}", "sheep", {"p3": 1}) for number in range(5)))
    system = SimpleNamespace(opened=lambda folder, mode: lambda text: ["p3"])
    assert list(warm(system, task, tmp_path, "lexical", seconds=60)["answers"]) == [f"q{n}" for n in range(5)]
    assert warm(system, task, tmp_path, "lexical", seconds=-1)["answers"] == {}


def row(median: float, ndcg: float) -> dict[str, object]:
    figures = ("p95 seconds", "cold seconds", "search memory", "index seconds", "index memory", "index bytes")
    return {
        "median seconds": median,
        "ndcg@10": ndcg,
        "asked": 2,
        "versions": {"a": "1"},
        **dict.fromkeys(figures, 1.0),
    }


def test_the_tables_mark_where_another_system_is_better_and_name_what_failed() -> None:
    record = {
        "machine": {"cores": 2, "processor": "one", "python": "3.11"},
        "tasks": {
            "papers-10": {
                "about": {"notes": 10, "queries": 2, "source": "papers", "relevance": "made"},
                "rows": {
                    "Kindred, lexical": row(0.002, 0.5),
                    "tantivy": row(0.001, 0.4),
                    "Whoosh": row(0.003, 0.6) | {"asked": 1, "load": 4.5},
                    "bm25s": {"failed": "was given up after 3 s"},
                },
            }
        },
    }
    text = peers_text(record)
    assert "| **Kindred, lexical** | **2.00 ms · 0.500** |" in text
    assert "| tantivy, lexical | 1.00 ms ▴ · 0.400 |" in text
    assert "| Whoosh, lexical | 3.00 ms · 0.600 ▴ |" in text
    assert "| bm25s, lexical | – |" in text
    assert "10 notes: bm25s was given up after 3 s; Whoosh answered 1 of 2 queries in its time; " in text
    assert "Whoosh was measured beside other work." in text
    assert "- bm25s was given up after 3 s." in full_text(record)
    assert "Versions: a 1." in full_text(record)


def test_growth_names_what_grows_faster_than_n_log_n() -> None:
    record = {"sizes": {"100": {"source": "x", "index": 1.0}, "1000": {"source": "x", "index": 100.0}}}
    assert "Grows faster than n log n: all indexed, vectors given from 100 to 1,000 (2.00)" in growth_text(record)
    record["sizes"]["1000"]["index"] = 15.0
    assert "No step is worse than n log n" in growth_text(record)
    assert "| all indexed, vectors given | 1.0 s | 15.0 s (1.18) |" in growth_text(record)


def test_times_and_sizes_are_shown_in_the_unit_that_suits() -> None:
    assert [time_text(s) for s in (0.00012, 0.0123, 0.5, 12.34, 1234.5)] == [
        "0.12 ms",
        "12.3 ms",
        "500 ms",
        "12.3 s",
        "1,234 s",
    ]
    assert [size_text(b) for b in (123_456, 45_600_000, 2_000_000_000)] == ["0.1 MB", "46 MB", "2,000 MB"]


def test_every_package_of_another_system_is_pinned() -> None:
    lines = (ROOT / "benchmarks/peers/requirements.txt").read_text("utf-8").splitlines()
    pinned = {line.split("==")[0] for line in lines if "==" in line}
    for system in SYSTEMS:
        if not system.is_ours:
            assert set(import_module(f"benchmarks.peers.systems.{system.module}").DISTRIBUTIONS) <= pinned


def test_every_row_has_a_name_of_its_own() -> None:
    names = [name for system in SYSTEMS for name, _ in system.rows()]
    assert len(names) == len(set(names))


def test_the_readme_shows_what_the_bench_measured() -> None:
    assert shown("peers") == peers_text(json.loads((RESULTS / "peers.json").read_text("utf-8")))
    assert shown("growth") == growth_text(json.loads((RESULTS / "growth.json").read_text("utf-8")))
