from __future__ import annotations

import gc
import json
import os
import pickle
import shutil
from pathlib import Path

import pytest
from toys import NOTES, ToyEncoder, write_jsonl
from whoosh.index import open_dir

from indexer import IndexCorruptError, build_index, open_index
from indexer.seal import can_seal, is_sealed, seal
from search import Searcher

CONSTRAINTS = ('"exact phrase"', "hack*", "polcy~", "-reward", "tag:rl", "reward OR critic", 'title:"policy gradients"')


class Bomb:
    """Pickled, this runs a command of its author's when it is opened."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.trace,)


class Desk:
    """Notes, and their index as this user built it."""

    def __init__(self, root: Path) -> None:
        self.notes = write_jsonl(root / "notes.jsonl", NOTES)
        self.folder = root / "index"
        self.build()

    def build(self) -> object:
        return build_index([self.notes], self.folder, encoder=ToyEncoder())

    def generation(self) -> Path:
        return self.folder / open_index(self.folder).manifest.generation

    def whoosh(self) -> Path:
        return self.generation() / "whoosh"

    def answers(self) -> list[list[str]]:
        searcher = Searcher.open(self.folder, encoder=ToyEncoder())
        return [[hit.note.id for hit in searcher.search(query, mode="lexical")] for query in CONSTRAINTS]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the user's state folder is another one, and has no key yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))


def plant(whoosh: Path, trace: Path) -> None:
    """Put pickles that run a command wherever Whoosh would read one: the schema, the segments, every other file."""
    bomb = pickle.dumps(Bomb(trace))
    for path in whoosh.iterdir():
        if path.suffix == ".toc":
            content = path.read_bytes()
            at = content.index(b"\x80\x02")  # where the pickled schema begins, behind its length
            path.write_bytes(content[:at] + bomb + content[at + len(bomb) :])
        else:
            path.write_bytes(bomb)


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # Whoosh's own, where it fails
def test_the_planted_pickles_run_where_whoosh_itself_opens_them(desk: Desk, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    plant(desk.whoosh(), trace)
    with pytest.raises(Exception):  # noqa: B017 - whatever Whoosh makes of it, when it is too late
        open_dir(str(desk.whoosh()))
    assert trace.exists()
    gc.collect()


def test_an_own_index_bears_a_seal_that_no_other_machine_takes_for_its_own(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert open_index(desk.folder).is_own()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
    assert not open_index(desk.folder).is_own()
    assert can_seal()  # this one has a key by now, another one
    assert not open_index(desk.folder).is_own()


def test_nothing_of_an_index_from_elsewhere_is_unpickled_and_its_constraints_hold_all_the_same(
    desk: Desk, another_machine: None, tmp_path: Path
) -> None:
    expected = [
        ["hackers"],
        ["reward-hacking", "critic-free", "hackers"],
        ["policy-gradients", "reward-hacking"],
        ["critic-free", "memory-search", "cafe", "proof-search"],
        ["reward-hacking", "policy-gradients", "critic-free"],
        ["reward-hacking", "policy-gradients", "critic-free", "hackers"],
        ["policy-gradients"],
    ]
    trace = tmp_path / "trace"
    plant(desk.whoosh(), trace)
    assert [sorted(found) for found in desk.answers()] == [sorted(found) for found in expected]
    assert open_index(desk.folder).problems() == []
    assert not trace.exists()


@pytest.mark.parametrize("with_a_key", [False, True])
def test_a_forged_seal_opens_nothing(desk: Desk, another_machine: None, tmp_path: Path, with_a_key: bool) -> None:
    assert not with_a_key or can_seal()
    trace = tmp_path / "trace"
    whoosh = desk.whoosh()
    plant(whoosh, trace)
    for forged in ({}, {"seal": ""}, [], {"seal": "0" * 64}, {"seal": "é\ud800"}, "[" * 900):
        (whoosh.parent / "seal.json").write_text(json.dumps(forged))
        assert desk.answers()
    assert not trace.exists()


def test_an_own_index_whose_pickles_were_exchanged_is_refused_and_built_anew(desk: Desk, tmp_path: Path) -> None:
    before, trace = desk.answers(), tmp_path / "trace"
    plant(desk.whoosh(), trace)
    with pytest.raises(IndexCorruptError, match="type: kindred index"):
        desk.answers()
    report = desk.build()
    assert "damaged" in report.remarks[0]  # type: ignore[attr-defined]
    assert desk.answers() == before
    assert not trace.exists()


def test_an_index_from_elsewhere_becomes_one_s_own_when_it_is_built_and_encodes_nothing_again(
    desk: Desk, another_machine: None
) -> None:
    encoder = ToyEncoder()
    report = build_index([], desk.folder, encoder=encoder)
    assert (report.published, report.encoded) == (True, 0)
    assert report.remarks == ["the old index was not built by you on this machine: its words are indexed anew"]
    assert open_index(desk.folder).is_own()
    assert not build_index([], desk.folder, encoder=encoder).published


def test_an_index_moved_to_another_folder_stays_one_s_own(desk: Desk, tmp_path: Path) -> None:
    shutil.copytree(desk.folder, tmp_path / "moved")
    assert open_index(tmp_path / "moved").is_own()


def test_where_no_key_can_be_kept_an_index_is_built_and_answers_and_is_not_built_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    desk = Desk(tmp_path)
    assert not open_index(desk.folder).is_own()
    assert desk.answers()[0] == ["hackers"]
    assert not desk.build().published  # type: ignore[attr-defined]


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
def test_a_key_or_a_folder_that_others_may_change_seals_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "in" / "folder"
    (folder / "whoosh").mkdir(parents=True)
    seal(folder, "é")
    key = tmp_path / "state" / "kindred" / "key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.parent.stat().st_mode & 0o777 == 0o700
    assert is_sealed(folder, "é")
    assert not is_sealed(folder, "e")
    for open_to_others in (folder.parent, folder, folder / "whoosh"):
        open_to_others.chmod(0o777)
        assert not is_sealed(folder, "é")
        open_to_others.chmod(0o755)
    key.chmod(0o644)
    assert not is_sealed(folder, "é")
    key.chmod(0o600)
    assert is_sealed(folder, "é")
    key.write_bytes(b"short")
    assert not is_sealed(folder, "é")


def test_the_seal_is_an_hmac_of_the_manifest_with_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert can_seal()
    # RFC 4231, test case 1 has a shorter key; the same data with a key of 32 bytes 0x0b, by openssl dgst
    (tmp_path / "state" / "kindred" / "key").write_bytes(b"\x0b" * 32)
    seal(tmp_path, "Hi There")
    assert json.loads((tmp_path / "seal.json").read_text()) == {
        "seal": "198a607eb44bfbc69903a0f1cf2bbdc5ba0aa3f3d9ae3c1c7a3b1696a0b68cf7"
    }


def test_a_part_that_gains_or_loses_or_links_a_file_is_known_to_differ(desk: Desk, tmp_path: Path) -> None:
    whoosh = desk.whoosh()
    some = sorted(whoosh.iterdir())[0]
    content = some.read_bytes()
    (whoosh / "_MAIN_99.toc").write_bytes(content)  # Whoosh opens the newest by its name
    with pytest.raises(IndexCorruptError, match=r"_MAIN_99\.toc does not belong to it"):
        desk.answers()
    (whoosh / "_MAIN_99.toc").unlink()
    assert desk.answers()
    some.unlink()
    with pytest.raises(IndexCorruptError, match="is missing"):
        desk.answers()
    (tmp_path / "out").write_bytes(content)
    some.symlink_to(tmp_path / "out")
    with pytest.raises(IndexCorruptError, match="is no file"):
        desk.answers()
