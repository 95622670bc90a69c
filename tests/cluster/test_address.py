from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from indexer import place_of
from indexer.cluster.address import Address
from indexer.errors import ClusterError
from search.cli import main


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("milvus+http://host:1/notes", Address("host", 1, "notes")),
        ("milvus+http://host/notes", Address("host", 19530, "notes")),
        ("milvus+https://host/notes", Address("host", 443, "notes", secure=True)),
        ("milvus+http://[::1]:1/notes?database=lab%20two", Address("::1", 1, "notes", database="lab two")),
    ],
)
def test_an_address_is_what_its_text_says_and_writes_it_again(text: str, address: Address) -> None:
    assert Address.parse(text) == address
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("milvus+ftp://host/notes", "names no engine"),
        ("milvus+http:///notes", "names no engine"),
        ("milvus+http://host:port/notes", "cannot be read"),
        ("milvus+http://host", "names no index"),
        ("milvus+http://host/a/b", "names no index"),
        ("milvus+http://host/2notes", "names no index"),
        ("milvus+http://host/" + "n" * 201, "names no index"),
        ("milvus+http://host/notes_current", "is named like a part of another index"),
        ("milvus+http://host/notes_0123abcd_s", "is named like a part of another index"),
        ("milvus+http://host/notes?user=me", "asks for more than a database"),
    ],
)
def test_an_address_that_cannot_be_used_says_what_is_wrong(text: str, problem: str) -> None:
    with pytest.raises(ClusterError, match=problem):
        Address.parse(text)


def test_a_token_in_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(ClusterError, match="KINDRED_MILVUS_TOKEN") as caught:
        Address.parse("milvus+http://root:secret@host/notes")
    assert "secret" not in str(caught.value)


def test_only_what_begins_like_an_address_is_one() -> None:
    assert place_of("milvus/notes") == Path("milvus/notes")
    assert place_of("milvus+http://host/notes") == Address("host", 19530, "notes")


def test_two_addresses_have_two_workshops_below_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KINDRED_CACHE", str(tmp_path))
    one, other = Address("host", 1, "notes").workshop, Address("host", 1, "papers").workshop
    assert one != other
    assert one.name == other.name == "workshop"
    assert one.parent.parent == tmp_path
    monkeypatch.delenv("KINDRED_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Address("host", 1, "notes").workshop.parent.parent == tmp_path / "kindred"


@pytest.mark.parametrize(
    ("collection", "owned"),
    [
        ("notes_0123abcd_s", True),
        ("notes_0123abcd_p", True),
        ("notes", False),
        ("notes_current", False),
        ("notes_0123abcd_x", False),
        ("notes_0123abcg_s", False),
        ("notes_0123abc_s", False),
        ("notes_2_0123abcd_s", False),
        ("0123abcd_s", False),
    ],
)
def test_an_index_owns_the_collections_that_it_made_and_no_others(collection: str, owned: bool) -> None:
    assert Address.parse("milvus+http://localhost/notes").owns(collection) is owned


@pytest.mark.parametrize("words", [["garden"], ["export", "site"]])
def test_a_command_that_reads_folders_says_where_the_builders_folder_lies(words: list[str]) -> None:
    address = Address.parse("milvus+http://localhost/notes")
    result = CliRunner().invoke(main, [*words, "--index", str(address)])
    assert result.exit_code == 2
    assert str(address.workshop) in result.output.replace("\n", "")
