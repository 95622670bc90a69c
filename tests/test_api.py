"""The Python API: what a program may rely on that imports ``search`` and keeps a searcher."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any

import html5lib
import pytest
from toys import ToyEncoder, record, write_jsonl

import search
from indexer import build_index
from search import Hits, Searcher

HOSTILE = [
    record("a&b", "<script>reward</script>", 'A reward <img src=x onerror="alert(1)"> & more.', "<b>Topic</b>"),
    record("plain", "Reward, plainly", "A reward is a reward & no more."),
]


@pytest.fixture
def build(tmp_path: Path) -> Callable[[list[dict[str, Any]]], Path]:
    def publish(notes: list[dict[str, Any]]) -> Path:
        build_index([write_jsonl(tmp_path / "notes.jsonl", notes)], tmp_path / "index", encoder=ToyEncoder())
        return tmp_path / "index"

    return publish


def test_a_searcher_that_got_ready_for_many_questions_finds_the_same(owner_index: Path) -> None:
    questions = ("reward hacking", "how do models fail when nobody watches?")
    plain, ready = Searcher.open(owner_index), Searcher.open(owner_index).prepare()
    for question in questions:
        expected, found = plain.search(question), ready.search(question)
        assert [hit.note.id for hit in found] == [hit.note.id for hit in expected]
        assert [hit.score for hit in found] == pytest.approx([hit.score for hit in expected], abs=1e-5)


def table(html: str) -> Any:
    """The table that a browser makes of it."""
    return html5lib.parse(html, namespaceHTMLElements=False).find("body/table")


def texts(element: Any, path: str) -> list[str]:
    return ["".join(found.itertext()) for found in element.iterfind(path)]


def test_every_public_name_can_be_imported() -> None:
    names = ", ".join(search.__all__)
    subprocess.run([sys.executable, "-c", f"from search import {names}"], check=True)
    assert search.Snippet("text", ()).text == "text"
    with pytest.raises(AttributeError, match="no attribute 'Magic'"):
        _ = search.Magic


def test_both_packages_tell_type_checkers_that_they_are_typed() -> None:
    assert all(files(package).joinpath("py.typed").is_file() for package in ("indexer", "search"))


def test_many_threads_get_the_answers_of_one(owner_index: Path) -> None:
    queries = ["reward hacking", "why do models fail?", '"reward models" -reasoning', "rewrad hakcing", "RLVR entropy"]
    asked = [*product(queries, search.MODES)]

    def ask(searcher: Searcher, query: str, mode: search.Mode) -> Any:
        hits = searcher.search(query, 5, mode)
        found = [(hit.note.id, pytest.approx(hit.score, abs=1e-5)) for hit in hits]
        reasons = [(near.id, near.reason) for near in searcher.neighbours(hits[0].note.id, 3)]
        related = [hit.note.id for hit in searcher.related(hits[0].note.id, 3)]
        return found, hits.grade, hits.suggestion, reasons, related, searcher.complete(query)

    alone = {key: ask(Searcher.open(owner_index), *key) for key in asked}
    shared = Searcher.open(owner_index)
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda key: ask(shared, *key), asked * 4))
    assert together == [alone[key] for key in asked * 4]


def test_a_searcher_tells_when_a_newer_generation_is_there_and_stays_as_it_was(
    build: Callable[[list[dict[str, Any]]], Path],
) -> None:
    encoder = ToyEncoder()
    searcher = Searcher.open(build(HOSTILE[1:]), encoder)
    assert searcher.is_current() and searcher.newest() is searcher
    build(HOSTILE[1:])  # nothing changed, nothing published
    assert searcher.is_current()
    build(HOSTILE)
    assert not searcher.is_current()
    newer = searcher.newest()
    assert newer.is_current() and newer.encoder is encoder
    assert (len(searcher.search("reward")), len(newer.search("reward"))) == (1, 2)
    assert newer.newest() is newer


def test_the_newest_searcher_keeps_the_encoder_that_was_loaded(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "notes.jsonl", HOSTILE)
    build_index([source], tmp_path / "index")
    searcher = Searcher.open(tmp_path / "index")
    loaded = searcher.encoder
    write_jsonl(source, HOSTILE[1:])
    build_index([source], tmp_path / "index")
    assert searcher.newest().encoder is loaded


def test_hits_show_themselves_as_a_table_with_every_text_escaped_and_matches_marked(
    build: Callable[[list[dict[str, Any]]], Path],
) -> None:
    searcher = Searcher.open(build(HOSTILE), ToyEncoder())
    hits = searcher.search("reward", mode="lexical")
    shown = table(hits._repr_html_())
    assert sorted(texts(shown, "tbody/tr/td/strong")) == ["<script>reward</script>", "Reward, plainly"]
    assert sorted(texts(shown, "tbody/tr/td/small")) == ["<b>Topic</b> · a&b", "plain"]
    assert 'A reward <img src=x onerror="alert(1)"> & more.' in texts(shown, "tbody/tr/td")
    assert texts(shown, ".//mark") == ["reward"] * 3
    assert {found.tag for found in shown.iter()} == {
        "table", "thead", "tbody", "tr", "th", "td", "strong", "br", "small", "code", "mark",
    }  # fmt: skip


def test_hits_say_how_well_the_notes_answer_and_what_was_meant(owner_index: Path) -> None:
    searcher = Searcher.open(owner_index)
    assert texts(table(searcher.search("recipe for vegan lasagna")._repr_html_()), "caption") == [
        "No note answers this; the closest are:"
    ]
    assert texts(table(searcher.search("reward hakcing")._repr_html_()), "caption")[0].startswith(
        "Did you mean: reward hacking "
    )
    assert texts(table(Hits()._repr_html_()), "caption") == ["No note matches."]


def test_results_are_short_in_an_interactive_session(owner_index: Path) -> None:
    searcher = Searcher.open(owner_index)
    hits = searcher.search("reward hacking")
    best = "how-can-rubric-based-rewards-resist-reward-hacking-attacks"
    assert repr(hits) == f"<Hits: 10, strong, first {best!r}>"
    assert repr(hits[0]) == f"<Hit 1: {best!r}, score 1.00>"
    assert repr(searcher.neighbours(best, 4)).startswith("<Neighbours: 4, first '")
    assert (repr(Hits()), repr(search.Neighbours())) == ("<Hits: 0>", "<Neighbours: 0>")


def test_related_notes_show_why_they_are_related(owner_index: Path) -> None:
    searcher = Searcher.open(owner_index)
    found = searcher.neighbours("why-do-reward-models-ignore-what-question-was-asked", 3)
    shown = table(found._repr_html_())
    assert texts(shown, "tbody/tr/td/strong") == [near.title for near in found]
    assert all(text.startswith(near.reason) for text, near in zip(texts(shown, "tbody/tr/td[4]"), found, strict=True))
    assert isinstance(searcher.related("why-do-reward-models-ignore-what-question-was-asked", 3), Hits)
