"""The API, asked in this process: what it answers, and how it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from toys import NOTES, ToyEncoder, near, record, write_jsonl

from indexer import Vectors, build_index
from search.cli import main
from search.server.app import create_app

HERE = "http://127.0.0.1:8000"
LOCAL = {"host": "127.0.0.1:8000"}


@pytest.fixture(scope="module")
def client(toy_folder: Path) -> Iterator[TestClient]:
    with TestClient(create_app(toy_folder, encoder=ToyEncoder()), HERE) as client:
        yield client


@pytest.fixture(scope="module")
def owner(owner_index: Path) -> Iterator[TestClient]:
    with TestClient(create_app(owner_index), HERE) as client:
        yield client


def printed(index: Path, *words: str) -> list[dict[str, Any]]:
    """What a command prints with --json, a record a line."""
    done = CliRunner().invoke(main, [*words, "--json", "--index", str(index)])
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


NOTE = "can-llms-design-reward-functions-for-reinforcement-learning"


@pytest.mark.parametrize("mode", ["hybrid", "lexical", "semantic"])
def test_the_hits_are_those_of_the_command_line(owner: TestClient, owner_index: Path, mode: str) -> None:
    answer = owner.get("/api/search", params={"q": "why do models reason badly?", "k": 7, "mode": mode, "explain": 1})
    command = ["search", "why do models reason badly?", "-k", "7", "--mode", mode, "--explain"]
    assert answer.json()["hits"] == near(printed(owner_index, *command))


def test_every_other_answer_is_that_of_the_command_line(owner: TestClient, owner_index: Path) -> None:
    related = owner.get(f"/api/notes/{NOTE}/related", params={"k": 5}).json()
    assert related["related"] == printed(owner_index, "related", NOTE, "-k", "5")
    assert [owner.get(f"/api/notes/{NOTE}").json()] == printed(owner_index, "show", NOTE)
    why = owner.get("/api/why", params={"q": "reward hacking", "note": NOTE}).json()
    assert [why] == near(printed(owner_index, "why", "reward hacking", NOTE))
    info = owner.get("/api/info").json()
    assert info["freshness"].pop("checked")
    assert info.pop("problem") is None
    assert [info] == printed(owner_index, "info")


def test_topics_and_tags_narrow_a_query_that_has_constraints_of_its_own(client: TestClient) -> None:
    def ids(**parameters: object) -> set[str]:
        answer = client.get("/api/search", params={"q": "policy critic", "mode": "lexical", **parameters}).json()
        return {hit["id"] for hit in answer["hits"]}

    assert ids() == {"policy-gradients", "critic-free", "reward-hacking"}
    assert ids(topic="Reinforcement Learning") == {"policy-gradients", "critic-free"}
    assert ids(topic="Reinforcement Learning", q="policy critic -hacking") == {"policy-gradients"}
    assert ids(topic=["Reinforcement Learning", "Reward Models"]) == ids()
    assert ids(tag="rl", topic="Reward Models") == {"reward-hacking"}
    assert ids(tag=["formal proof", "safety"]) == {"critic-free", "reward-hacking"}
    assert ids(q="", topic="Memory") == {"memory-search", "proof-search"}  # nothing ranks: all that is allowed


# Names that are told apart by signs, by more words, or by nothing but case.
TOPICS = ["C", "C++", "RL", "RL safety", "📚", "???", "Crème", "", "go", "Go"]


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server of a note a topic of ``TOPICS``."""
    root = tmp_path_factory.mktemp("topics")
    notes = [record(f"n{number}", "Reward", "It pays.", topic) for number, topic in enumerate(TOPICS)]
    build_index([write_jsonl(root / "notes.jsonl", notes)], root / "index", encoder=ToyEncoder())
    with TestClient(create_app(root / "index", encoder=ToyEncoder()), HERE) as client:
        yield client


@pytest.mark.parametrize("name", [*TOPICS, "creme", "rl SAFETY", "safety", "GO", "++"])
def test_a_topic_narrows_to_the_notes_that_have_it_and_to_no_others(narrow: TestClient, name: str) -> None:
    alike = {"creme": {"Crème"}, "rl SAFETY": {"RL safety"}, "GO": {"go", "Go"}, "safety": set(), "++": set()}
    for query in ("", "reward", "reward -policy"):
        answer = narrow.get("/api/search", params={"q": query, "topic": name}).json()
        assert {hit["topic"] for hit in answer["hits"]} == alike.get(name, {name})


def test_all_notes_are_listed_page_by_page(client: TestClient) -> None:
    whole = client.get("/api/notes").json()
    assert [note["id"] for note in whole["notes"]] == [note["id"] for note in NOTES]
    pages = [client.get("/api/notes", params={"offset": at, "limit": 3}).json() for at in (0, 3, 6, 9)]
    assert [note for page in pages for note in page["notes"]] == whole["notes"]
    assert [len(page["notes"]) for page in pages] == [3, 3, 1, 0]
    assert {page["total"] for page in pages} == {7}


def test_topics_are_counted(client: TestClient) -> None:
    answer = client.get("/api/topics").json()
    expected = [("Reward Models", 1), ("Reinforcement Learning", 2), ("Memory", 2), ("Essays", 1)]
    assert [(found["topic"], found["notes"]) for found in answer["topics"]] == expected
    assert answer["total"] == 7


def test_an_unfinished_word_is_completed_and_a_misspelt_one_put_right(client: TestClient) -> None:
    assert client.get("/api/suggest", params={"q": "verifiable hack"}).json()["completions"] == ["hacking", "hackers"]
    assert client.get("/api/suggest", params={"q": "rewrad "}).json()["suggestion"] == "reward "
    assert client.get("/api/suggest", params={"q": "rewrad"}).json()["suggestion"] is None  # it may go on
    assert client.get("/api/suggest", params={"q": "rewrad -poli"}).json()["suggestion"] == "reward -poli"


def test_a_note_is_found_by_any_id(tmp_path: Path) -> None:
    odd = ["café/再帰", "a/related", "a", "100%&more?", "v1.2", "a#b;c", "ends/"]
    notes = [record(note_id, f"Reward {number}", "A policy.") for number, note_id in enumerate(odd)]
    build_index([write_jsonl(tmp_path / "notes.jsonl", notes)], tmp_path / "index", encoder=ToyEncoder())
    with TestClient(create_app(tmp_path / "index", encoder=ToyEncoder()), HERE) as client:
        for note_id in odd:
            address = "/api/notes/" + quote(note_id, safe="")
            assert client.get(address).json()["id"] == note_id
            related = client.get(f"{address}/related").json()
            assert related["note"] == note_id
            assert {found["id"] for found in related["related"]} == set(odd) - {note_id}
        assert client.get("/api/notes/café/再帰").json()["id"] == "café/再帰"
        assert client.get("/api/notes/café/再帰/related").json()["note"] == "café/再帰"


def test_a_query_that_breaks_the_grammar_is_refused_with_its_column(client: TestClient) -> None:
    answer = client.get("/api/search", params={"q": 'reward topic:"never closed'})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json()["column"] == 8


def test_an_unknown_note_is_refused_with_the_nearest_ids(client: TestClient) -> None:
    for path in ("/api/notes/reward-hackin", "/api/notes/reward-hackin/related", "/api/why?q=a&note=reward-hackin"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert answer.json()["nearest"][0] == "reward-hacking"


@pytest.mark.parametrize(
    "status, path",
    [
        (422, "/api/search"),
        (422, "/api/search?q=a&k=0"),
        (422, "/api/search?q=a&k=101"),
        (422, "/api/search?q=a&k=ten"),
        (422, "/api/search?q=a&mode=magic"),
        (422, "/api/search?q=a&topics=Memory"),
        (422, f"/api/search?q={'a' * 1_001}"),
        (422, "/api/notes?offset=-1"),
        (422, "/api/notes?limit=1001"),
        (414, f"/api/search?q={'a' * 62_000}"),
        (404, "/api"),
        (404, "/api/topics/"),
        (404, "/docs"),
    ],
)
def test_every_refusal_is_a_problem(client: TestClient, status: int, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == answer.json()["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json().keys() >= {"type", "title", "detail"}


def test_the_longest_query_of_any_script_is_answered(client: TestClient) -> None:
    assert client.get("/api/search", params={"q": "帰" * 1_000}).status_code == 200  # 9,000 bytes as they travel


def test_other_methods_and_bodies_are_refused(client: TestClient) -> None:
    answer = client.post("/api/search")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert answer.headers["content-type"] == "application/problem+json"
    assert client.request("GET", "/api/topics", content=b"x" * 2_000).status_code == 413
    assert client.request("GET", "/api/topics", content=iter([b"x"])).status_code == 413


def test_an_etag_spares_an_answer_until_the_address_or_its_compression_differs(client: TestClient) -> None:
    plain = {"accept-encoding": "identity"}
    first = client.get("/api/search?q=reward", headers=plain)
    etag = first.headers["etag"]
    assert etag.startswith('"') and first.headers["cache-control"] == "no-cache"
    again = client.get("/api/search?q=reward", headers={**plain, "if-none-match": f'"else", {etag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert client.get("/api/search?q=rewards", headers={**plain, "if-none-match": etag}).status_code == 200
    zipped = client.get("/api/search?q=reward", headers={"accept-encoding": "gzip", "if-none-match": etag})
    assert (zipped.status_code, zipped.headers["content-encoding"]) == (200, "gzip")
    assert zipped.json() == first.json()
    assert "accept-encoding" in zipped.headers["vary"].lower()


def test_a_foreign_name_or_page_is_turned_away(client: TestClient) -> None:
    for host in ("127.0.0.1", "localhost:9", "LOCALHOST", "[::1]:8000"):
        assert client.get("/api/topics", headers={"host": host}).status_code == 200
    for host in ("evil.example", "127.0.0.1.evil.example", "evil.example:8000", "[", ""):
        assert client.get("/api/topics", headers={"host": host}).status_code == 421
    assert client.get("/api/topics", headers={"origin": HERE}).status_code == 200
    for origin in ("http://evil.example", "null", "http://127.0.0.1:9", "http://[", HERE + ".evil.example"):
        answer = client.get("/api/topics", headers={"origin": origin})
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
    assert client.get("/api/topics").headers["cross-origin-resource-policy"] == "same-origin"


def test_a_site_that_is_named_may_ask(toy_folder: Path) -> None:
    friend = "https://notes.example.org"
    with TestClient(create_app(toy_folder, origins=[friend], encoder=ToyEncoder()), HERE) as client:
        answer = client.get("/api/topics", headers={"origin": friend})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, friend)
        asks = {"origin": friend, "access-control-request-method": "GET", "access-control-request-headers": "x-mine"}
        assert client.options("/api/topics", headers=asks).status_code == 200
        assert client.get("/api/topics", headers={"origin": "https://other.example.org"}).status_code == 403


def test_other_machines_need_the_token(toy_folder: Path) -> None:
    app = create_app(toy_folder, host="0.0.0.0", token="opensesame", encoder=ToyEncoder())  # noqa: S104, S106
    with TestClient(app, "http://notes.local:8000") as client:
        for header in ({}, {"authorization": "Bearer opensesam"}, {"authorization": "Basic opensesame"}):
            answer = client.get("/api/topics", headers=header)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (
                401,
                'Bearer, Basic realm="Kindred", charset="UTF-8"',
            )
        assert client.get("/metrics").status_code == 401
        assert client.get("/api/health").status_code == 200
        assert client.get("/api/topics", auth=("whoever", "opensesame")).status_code == 200
        bearer = {"authorization": "Bearer opensesame"}
        assert client.get("/api/topics", headers=bearer).status_code == 200
        assert client.get("/api/openapi.json", headers=bearer).json()["security"] == [{"token": []}]


def test_freshness_names_what_changed(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "notes.jsonl", NOTES)
    build_index([source], tmp_path / "index", encoder=ToyEncoder())
    changed = [record("cafe", "Café", "Tea."), *(note for note in NOTES if note["id"] not in ("cafe", "hackers"))]
    write_jsonl(source, [*changed, record("new", "New", "Newer.")])
    with TestClient(create_app(tmp_path / "index", encoder=ToyEncoder()), HERE) as client:
        found = client.get("/api/info").json()["freshness"]
        names = [found[name] for name in ("fresh", "added", "changed", "removed")]
        # A place in a file belongs to a note: those behind the two that went have moved up.
        assert names[:2] + names[3:] == [False, ["new"], ["hackers"]] and "cafe" in names[2]
        source.unlink()
        assert client.get("/api/info").json()["freshness"] == found  # for some seconds
    with TestClient(create_app(tmp_path / "index", encoder=ToyEncoder()), HERE) as client:
        found = client.get("/api/info").json()["freshness"]
        assert found["fresh"] is None and "notes.jsonl" in found["problem"]


def test_requests_are_counted_by_route_and_status(toy_folder: Path) -> None:
    with TestClient(create_app(toy_folder, encoder=ToyEncoder()), HERE) as client:
        for path in ("/api/notes/cafe", "/api/notes/hackers", "/api/notes/nobody", "/made/up", "/made/up/too"):
            client.get(path)
        text = client.get("/metrics").text
        generation = client.get("/api/ready").json()["generation"]
    counts = {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line[0] != "#"}
    assert counts['kindred_requests_total{route="/api/notes/{note_id}",status="200"}'] == 2
    assert counts['kindred_requests_total{route="/api/notes/{note_id}",status="404"}'] == 1
    assert counts['kindred_requests_total{route="other",status="404"}'] == 2
    assert counts['kindred_request_seconds_count{route="/api/notes/{note_id}"}'] == 3
    assert counts[f'kindred_generation_info{{generation="{generation}"}}'] == 1
    assert counts["kindred_notes"] == 7


def test_without_its_encoder_words_are_still_found_and_the_rest_says_what_is_missing(toy_folder: Path) -> None:
    with TestClient(create_app(toy_folder), HERE) as client:  # nothing can load the toy encoder
        assert client.get("/api/search?q=reward&mode=lexical").json()["hits"]
        for path in ("/api/search?q=reward", "/api/ready"):
            answer = client.get(path)
            assert answer.status_code == 503
            assert "encoder" in answer.json()["detail"]


def test_a_text_is_encoded_once_however_often_it_is_asked(toy_folder: Path) -> None:
    encoder = ToyEncoder()
    with TestClient(create_app(toy_folder, encoder=encoder), HERE) as client:
        asked = [client.get(f"/api/search?q=reward&k={k}").json()["hits"] for k in (1, 2, 2, 3)]
        assert [len(hits) for hits in asked] == [1, 2, 2, 3] and asked[0] == asked[3][:1]
        assert encoder.queries == 1
        client.get("/api/search?q=rewards")
        assert encoder.queries == 2


def test_a_mistake_of_ours_is_a_problem_as_well(toy_folder: Path) -> None:
    class Broken(ToyEncoder):
        def encode_query(self, text: str) -> Vectors:
            raise ZeroDivisionError

    with TestClient(create_app(toy_folder, encoder=Broken()), HERE, raise_server_exceptions=False) as client:
        answer = client.get("/api/search?q=reward")
        assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")


def test_no_random_request_gets_an_answer_that_is_not_described(toy_folder: Path) -> None:
    app = create_app(toy_folder, encoder=ToyEncoder())
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", app, headers=LOCAL)
    answered = set()
    for operation in (found.ok() for found in schema.get_all_operations()):

        @settings(max_examples=6, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
        @given(operation.as_strategy(), st.booleans())
        def holds(case: schemathesis.Case, known: bool) -> None:
            if known and "note_id" in case.path_parameters:  # random ids alone would find no note
                case.path_parameters["note_id"] = "reward-hacking"
            if case.call_and_validate(headers=LOCAL).status_code == 200:
                answered.add(case.operation.path)

        holds()
    assert len(answered) >= 10  # all but why, whose notes are not guessed
