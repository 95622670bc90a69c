"""What an index answers is the same wherever it lives: in a folder, or on an engine.

The value from outside is what a folder answers, whose own tests hold it against arithmetic, tables and other engines;
what may appear is held against plain Python.  The last test changes the notes.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import anyio
import pytest
import Stemmer
from homes import ODD, QUOTED, TOPIC, Home, made, near, notes_of, refused, run
from mcp import Client
from starlette.testclient import TestClient
from toys import record, tiny_bert, write_jsonl

from indexer import InTopic, Note, build_at, place_of
from indexer.cluster.address import Address
from indexer.cluster.book import Published, announce, open_book
from indexer.cluster.engine import Engine
from indexer.encoders import NumpyEncoder
from search import Searcher
from search.hits import MODES
from search.likeness import hubness_of
from search.mcp.server import make_server
from search.query import Not
from search.server.app import create_app

ROOT = Path(__file__).parent.parent.parent
DEV = ROOT / "benchmarks" / "judgements" / "dev"
# Every form of the grammar, and every kind of the judged queries.
QUERIES = [
    "entropy collapse",
    "pass@k",
    "PRM",  # an acronym, and below what it stands for
    "process reward models",
    "tokenizer-free",
    "Do preference scorers even read the prompt, or do they just grade how polished the reply looks?",
    "letting the machine take a nap so that what it just saw sticks for good",
    "making LLM thinking shorter and cheaper without losing accuracy",
    "reinforcment learning from verifable reward w random labels why does it still work??",
    "testtime scaling",
    "sparsity AND interpretability",
    '"reward models" -reasoning topic:"Reward Models"',
    "critic OR verifier",
    "(reward OR critic) -(policy OR entropy) models",
    "verif*",
    "entrpy~ collapse",
    "title:reward hacking",
    f'topic:"{TOPIC}"',  # the quote ends early: what follows is text
    "tag:draft",
    "tag:draft reward models",  # few notes, which the search by meaning must come by
    "the of and",
    "",
    "???",
    "再帰 naive strasse жизнь",
    "entry00042",
    "zzyzx qqq",  # written nowhere
]


@pytest.fixture(scope="module")
def here(home: Home) -> Searcher:
    return home.searcher()


@pytest.fixture(scope="module")
def there(reference: Home) -> Searcher:
    return reference.searcher()


@pytest.mark.parametrize("mode", MODES)
def test_a_query_ranks_the_same_notes_with_the_same_scores_and_snippets(
    here: Searcher, there: Searcher, mode: Any
) -> None:
    for query in QUERIES:
        found, wanted = here.search(query, 10, mode), there.search(query, 10, mode)
        assert found.as_dict(explain=True) == near(wanted.as_dict(explain=True)), query


def test_any_few_notes_are_compared_with_a_query(here: Searcher, there: Searcher) -> None:
    vector = there.index.vector(5)
    rows, theirs = here.index.rows(), there.index.rows()
    wanted = there.index.by_meaning(vector).of(theirs)
    for few in (slice(7, 8), slice(100, 103), slice(0, 210)):
        assert here.index.by_meaning(vector).of(rows[few]) == pytest.approx(wanted[few], abs=1e-5)


def test_an_unfinished_word_finds_and_becomes_the_same(here: Searcher, there: Searcher) -> None:
    for query in ("rew", "entropy coll", "reinforcement learning ver"):
        assert here.complete(query, 8) == there.complete(query, 8)
        assert here.search(query, 5, typing=True).as_dict() == near(there.search(query, 5, typing=True).as_dict()), (
            query
        )


# What may appear, in plain Python over words and the stemmer alone.

_STEM = Stemmer.Stemmer("english")
_FIELDS = ("title", "description", "topic")


@cache
def words_of(text: str) -> list[str]:
    return [_STEM.stemWord(word) for word in re.findall(r"[a-z0-9]+(?:['’][a-z0-9]+)*", text.lower())]


def says(note: Note, phrase: str, fields: tuple[str, ...] = _FIELDS) -> bool:
    wanted = words_of(phrase)
    return any(
        words[at : at + len(wanted)] == wanted
        for words in (words_of(getattr(note, field)) for field in fields)
        for at in range(len(words))
    )


def has(note: Note, fits: Callable[[str], bool], fields: tuple[str, ...] = _FIELDS) -> bool:
    return any(fits(word) for field in fields for word in words_of(getattr(note, field)))


def edits(left: str, right: str) -> int:
    """Insertions, deletions, replacements and swaps of neighbours, each letter touched once."""
    rows = [list(range(len(right) + 1))]
    for i, a in enumerate(left, 1):
        rows.append([i])
        for j, b in enumerate(right, 1):
            least = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (a != b))
            if i > 1 and j > 1 and (a, left[i - 2]) == (right[j - 2], b):
                least = min(least, rows[i - 2][j - 2] + 1)
            rows[i].append(least)
    return rows[-1][-1]


CONSTRAINED: dict[str, Callable[[Note], bool]] = {
    '"reward models"': lambda note: says(note, "reward models"),
    '"in the" language': lambda note: says(note, "in the"),
    '"it fails" OR "they fail" why': lambda note: says(note, "it fails") or says(note, "they fail"),
    "policy -reward": lambda note: not says(note, "reward"),
    'models -"language models" -"reward model"': lambda note: (
        not says(note, "language models") and not says(note, "reward model")
    ),
    "critic OR verifier": lambda note: says(note, "critic") or says(note, "verifier"),
    "reward -(policy OR critic)": lambda note: not says(note, "policy") and not says(note, "critic"),
    "-(reward policy) training": lambda note: not (says(note, "reward") and says(note, "policy")),
    '("credit assignment" OR (entropy collapse)) rl': lambda note: (
        says(note, "credit assignment") or (says(note, "entropy") and says(note, "collapse"))
    ),
    '"reward" "policy" "model"': lambda note: all(says(note, word) for word in ("reward", "policy", "model")),
    "verif*": lambda note: has(note, lambda word: word.startswith("verif")),
    "title:gener*": lambda note: has(note, lambda word: word.startswith("gener"), ("title",)),
    "entrpoy~": lambda note: has(note, lambda word: word[0] == "e" and edits(word, words_of("entrpoy")[0]) <= 1),
    "title:rewrad~2": lambda note: has(
        note, lambda word: word[0] == "r" and edits(word, words_of("rewrad")[0]) <= 2, ("title",)
    ),
    "再帰* naive": lambda note: "再帰" in note.description,
    "再帰的~ naive": lambda note: "再帰" in note.description,
    "title:reward": lambda note: says(note, "reward", ("title",)),
    'description:"chain of thought"': lambda note: says(note, "chain of thought", ("description",)),
    'topic:"Reward Models" hacking': lambda note: says(note, "Reward Models", ("topic",)),
    '-topic:"Reward Models" reward': lambda note: not says(note, "Reward Models", ("topic",)),
    "tag:draft": lambda note: "draft" in note.tags,
    'tag:"formal proof"': lambda note: "formal-proof" in {tag.lower().replace(" ", "-") for tag in note.tags},
    "tag:a'b": lambda note: "a'b" in note.tags,
    "-tag:draft topic:topics": lambda note: says(note, "topics", ("topic",)) and "draft" not in note.tags,
    "entry05999": lambda note: True,
    '"entry05999"': lambda note: note.id == "long",
    '-"entry05999 item" list': lambda note: note.id != "long",
    "-title:endless -title:twins": lambda note: (
        not says(note, "endless", ("title",)) and not says(note, "twins", ("title",))
    ),
    '"zzyzx"': lambda note: False,
}


def test_what_a_query_demands_binds_both_rankings(here: Searcher) -> None:
    notes = notes_of(here)
    for query, fits in CONSTRAINED.items():
        allowed = [note.id for note in notes if fits(note)]
        assert sorted(hit.note.id for hit in here.search(query, len(notes))) == sorted(allowed), query
        ranked = [hit.note.id for hit in here.search(query, len(notes), "lexical")]
        assert set(ranked) <= set(allowed), query


def test_a_query_without_a_word_that_ranks_lists_what_it_allows_in_the_order_of_the_notes(here: Searcher) -> None:
    notes = notes_of(here)
    for query in ("tag:draft", '-topic:"Reward Models"', 'topic:"reward models" -tag:draft'):
        fits = (
            CONSTRAINED.get(query)
            or {
                '-topic:"Reward Models"': lambda note: not says(note, "Reward Models", ("topic",)),
                'topic:"reward models" -tag:draft': lambda note: (
                    says(note, "Reward Models", ("topic",)) and "draft" not in note.tags
                ),
            }[query]
        )
        assert [hit.note.id for hit in here.search(query, len(notes))] == [note.id for note in notes if fits(note)]


def test_a_topic_by_its_name_is_that_topic_and_none_that_is_called_nearly_so(here: Searcher) -> None:
    notes = notes_of(here)
    names = {note.topic for note in notes}
    called = {name: {name} for name in names} | {"reward MODELS": {"Reward Models"}, "topics": set(), "???": set()}
    for name, topics in called.items():
        fitting = [note.id for note in notes if note.topic in topics]
        assert [hit.note.id for hit in here.search("", len(notes), within=InTopic(name))] == fitting, name
        others = [note.id for note in notes if note.topic not in topics]
        assert [hit.note.id for hit in here.search("", len(notes), within=Not(InTopic(name)))] == others, name
    assert len(names) == 23  # with "", the name of none


def test_the_notes_are_there_in_their_order_with_every_sign(here: Searcher, there: Searcher) -> None:
    assert notes_of(here) == notes_of(there)
    assert [note.id for note in notes_of(here)[-len(ODD) :]] == [note["id"] for note in ODD]
    assert here.get(QUOTED).topic == TOPIC
    assert here.get("Can LLMs design reward functions for reinforcement learning?").id == NOTE


def test_related_notes_are_the_same_with_the_same_reasons(here: Searcher, there: Searcher) -> None:
    ids = [note.id for note in notes_of(there)]
    for note_id in [*ids[::14], *(note["id"] for note in ODD)]:
        found, wanted = here.neighbours(note_id), there.neighbours(note_id)
        assert [one.as_dict() for one in found] == near([one.as_dict() for one in wanted]), note_id
        hits = [hit.as_dict(True) for hit in here.related(note_id)]
        assert hits == near([hit.as_dict(True) for hit in there.related(note_id)]), note_id


NOTE = "can-llms-design-reward-functions-for-reinforcement-learning"


@pytest.mark.parametrize(
    "words",
    [
        ("search", '"reward models" -reasoning', "-k", 5, "--explain"),
        ("related", NOTE, "-k", 5),
        ("related", "twin-1", "--explain"),
        ("show", QUOTED),
        ("why", "reward hacking", NOTE),
        ("why", "policy -reward", NOTE),
        ("why", "twins", "twin-2"),
        ("check",),
    ],
    ids=lambda words: " ".join(map(str, words)),
)
def test_a_command_prints_the_same(home: Home, reference: Home, words: tuple[object, ...]) -> None:
    assert home.printed(*words) == near(reference.printed(*words))


def test_info_says_the_same_but_where_and_when_it_was_built(home: Home, reference: Home) -> None:
    (found,), (wanted,) = home.printed("info"), reference.printed("info")
    assert found.keys() == wanted.keys()
    assert [Path(path).name for path in found["inputs"]] == ["data", "odd.jsonl"]
    assert found["freshness"]["fresh"] is True
    for own in ("generation", "created", "inputs", "sources", "bytes"):
        assert found.pop(own) and wanted.pop(own)
    assert found == near(wanted)
    assert "210 notes in 22 topics" in run("info", "--index", home.place).stdout


def test_eval_scores_the_same(home: Home, reference: Home, tmp_path: Path) -> None:
    """Over a few queries of each kind: each asks for a hundred notes in three modes."""
    lines = (DEV / "queries.jsonl").read_text("utf-8").splitlines()[::8]
    (tmp_path / "queries.jsonl").write_text("\n".join(lines), "utf-8")
    chosen = {json.loads(line)["_id"] for line in lines}
    header, *judged = (DEV / "qrels.tsv").read_text("utf-8").splitlines()
    judged = [line for line in judged if line.partition("\t")[0] in chosen]
    (tmp_path / "qrels.tsv").write_text("\n".join([header, *judged]), "utf-8")
    asked = ("eval", "--queries", tmp_path / "queries.jsonl", "--qrels", tmp_path / "qrels.tsv")
    assert home.printed(*asked) == near(reference.printed(*asked))


ADDRESSES = [
    f"/api/notes/{NOTE}/related?k=5&explain=true",
    f"/api/notes/{NOTE}",
    "/api/notes?offset=100&limit=120",
    "/api/topics",
    "/api/suggest?q=reinforcment+lea",
    f"/api/why?q=reward+hacking&note={NOTE}",
    "/api/search?q=reward+policy&topic=Reward+Models&topic=Twins&k=8",
    "/api/search?q=&tag=draft",
    "/api/search?q=twins&topic=",
    "/api/search?q=rewa&typing=true&mode=lexical",
]


def test_a_server_answers_the_same(home: Home, reference: Home) -> None:
    def served(place: str) -> list[Any]:
        answers = []
        with TestClient(create_app(place_of(place)), "http://127.0.0.1:8000") as client:
            for address in ADDRESSES:
                answer = client.get(address)
                assert answer.status_code == 200, (address, answer.text)
                record = answer.json()
                record.pop("generation", None)
                answers.append(record)
            assert client.get("/").status_code == 200
            assert client.get(f"/notes/?id={NOTE}").status_code == 200
            assert client.get("/api/notes/nowhere").status_code == 404
        return answers

    for address, found, wanted in zip(ADDRESSES, served(home.place), served(reference.place), strict=True):
        assert found == near(wanted), address


def test_an_assistant_reads_the_same(home: Home, reference: Home) -> None:
    def told(place: str) -> list[Any]:
        answers: list[Any] = []

        async def talk() -> None:
            async with Client(make_server(Searcher.open(place_of(place)))) as client:
                for tool, arguments in [
                    ("search", {"query": "how do reward models fail?", "k": 5}),
                    ("search", {"query": "reward", "k": 3, "topic": "reward models"}),
                    ("related", {"note": NOTE, "k": 5}),
                    ("get_note", {"note": QUOTED}),
                    ("list_topics", {}),
                ]:
                    result = await client.call_tool(tool, arguments)
                    assert not result.is_error, result.content
                    answers.append(result.structured_content)

        anyio.run(talk)
        return answers

    assert told(home.place) == near(told(reference.place))


def listed(home: Home, file: Path) -> dict[str, Any]:
    """What ``kindred related --all`` writes."""
    done = run("related", "--all", "-k", 3, "--index", home.place, "-o", file)
    assert done.exit_code == 0, done.output
    return {**json.loads(file.read_text("utf-8")), "generation": ""}


@pytest.fixture(scope="session")
def wanted_lists(reference: Home, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return listed(reference, tmp_path_factory.mktemp("lists") / "wanted.json")


@pytest.mark.parametrize("home", ["folder", "lite2"], indirect=True)  # lite3 takes 20 s for them
def test_the_lists_of_all_notes_are_the_same_in_a_file(
    home: Home, wanted_lists: dict[str, Any], tmp_path: Path
) -> None:
    assert listed(home, tmp_path / "found.json") == near(wanted_lists)


# What goes wrong is said in a sentence.


def nowhere(home: Home, tmp_path: Path) -> str:
    """A place of the same kind that holds no index."""
    return str(tmp_path / "nothing") if home.kind == "folder" else home.place.replace("/contract", "/nothing")


def test_where_no_index_is_a_command_says_how_to_make_one(home: Home, tmp_path: Path) -> None:
    place = nowhere(home, tmp_path)
    for words in (("search", "reward"), ("info",), ("check",), ("show", NOTE), ("related", NOTE)):
        said = refused(*words, "--index", place)
        assert place in said and "kindred index" in said


def test_a_note_that_is_not_there_has_neighbours_in_spelling(home: Home, reference: Home) -> None:
    asked = "can-llm-design-reward-function"
    assert refused("show", asked, "--index", home.place) == refused("show", asked, "--index", reference.place)


def test_a_query_that_breaks_the_grammar_is_told_where(home: Home) -> None:
    assert "column 8" in refused("search", 'reward topic:"open', "--index", home.place)


def test_an_index_by_an_encoder_that_changed_since_is_refused(home: Home, tmp_path: Path) -> None:
    model = tiny_bert(tmp_path / "model", layers=1)
    place = nowhere(home, tmp_path).replace("nothing", "other")
    notes = write_jsonl(tmp_path / "notes.jsonl", [record(f"n{i}", "aska askb", "tella tellb") for i in range(3)])
    build_at([notes], place_of(place), hubness_of, encoder=NumpyEncoder(str(model), model))
    assert run("search", "aska", "--index", place).exit_code == 0
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    said = refused("search", "aska", "--index", place)
    assert str(model) in said and "kindred index" in said
    assert run("search", "aska", "--index", place, "--mode", "lexical").exit_code == 0


def test_an_index_of_another_format_on_an_engine_is_refused_in_a_sentence(engine_address: Address) -> None:
    engine, name = Engine(engine_address), engine_address.name
    open_book(engine, name)
    announce(engine, name, Published(1, "000001-ab", f"{name}_s", f"{name}_p", 1, {}, {}, "", format=99))
    for words in (("search", "reward"), ("info",), ("show", NOTE)):
        said = refused(*words, "--index", engine_address)
        assert "format 99" in said and f"kindred index --rebuild --index {engine_address}" in said


def test_an_engine_that_is_away_is_named_in_a_sentence() -> None:
    with socket.socket() as silent:  # bound, and never listening
        silent.bind(("127.0.0.1", 0))
        place = f"milvus+http://127.0.0.1:{silent.getsockname()[1]}/notes"
        for words in (("search", "reward"), ("info",), ("check",)):
            said = refused(*words, "--index", place)
            assert place.partition("/notes")[0] in said and "does not answer" in said


# The notes change: this is the last word on a home.

CHANGED = [
    {**ODD[0], "description": "A xylophone plays reward models from memory."},
    record("fresh", "Which zymurgy is fresh?", "A xylophone and its zymurgy.", TOPIC, ["draft"]),
    *(note for note in ODD[1:] if note["id"] != "twin-2"),
]


@pytest.fixture(scope="session")
def changed_reference(tmp_path_factory: pytest.TempPathFactory) -> Home:
    root = tmp_path_factory.mktemp("changed")
    return made("folder", str(root / "index"), root, CHANGED)


def test_a_new_generation_is_seen_by_whoever_asks_for_it_and_by_nobody_else(
    home: Home, changed_reference: Home
) -> None:
    before = home.searcher()
    generation = before.index.manifest.generation
    assert home.index().exit_code == 0
    assert before.is_current() and home.searcher().index.manifest.generation == generation  # nothing to publish

    write_jsonl(home.odd, CHANGED)
    old = before.search("xylophone twins tie", 5).as_dict()
    assert home.printed("info")[0]["freshness"]["added"] == ["fresh"]
    done = home.index()
    assert done.exit_code == 0, done.output

    assert not before.is_current()
    assert before.search("xylophone twins tie", 5).as_dict() == old  # a snapshot stays what it was
    assert before.get("twin-2").title == "Do twins tie?"
    after = before.newest()
    assert after.is_current() and after.index.manifest.generation != generation
    assert {hit.note.id for hit in after.search("xylophone", 10, "lexical")} == {"fresh", QUOTED}
    assert [hit.note.id for hit in after.search("tag:draft", 10)] == [QUOTED, "fresh", "bare"]
    refused("show", "twin-2", "--index", home.place)
    assert home.printed("check")[0]["sound"] is True

    wanted = changed_reference.searcher()
    assert notes_of(after) == notes_of(wanted)
    for query in QUERIES[:12]:  # a home may keep the lengths of before, which move a score a little
        assert [hit.note.id for hit in after.search(query, 3)] == [hit.note.id for hit in wanted.search(query, 3)], (
            query
        )
        ids, theirs = ({hit.note.id for hit in one.search(query)} for one in (after, wanted))
        assert len(ids & theirs) >= len(theirs) - 1, query
    for note_id in (NOTE, "fresh", QUOTED, "twin-1"):
        first = [[one.id for one in searcher.neighbours(note_id, 3)] for searcher in (after, wanted)]
        assert first[0] == first[1], note_id
