from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import ANSWERING, ToyEncoder, record, tiny_bert, write_jsonl

from indexer import Note, Vectors, build_index, open_index
from indexer.encoders import NumpyEncoder
from indexer.encoding import encode_notes
from indexer.journal import JOURNAL, Journal, forget
from indexer.late import TokenStates

KEPT = [
    ("a", np.array([1, 0], dtype=np.float32), None),
    ("b", np.array([0.6, 0.8], dtype=np.float32), None),
    ("é\ud800", np.array([0, -1], dtype=np.float32), None),  # a lone surrogate, as a broken file may hold
]


def journal(folder: Path, fingerprint: str = "f", tokens: bool = False) -> Journal:
    return Journal(folder, fingerprint, 2, tokens)


def written(folder: Path) -> Path:
    with journal(folder) as kept:
        for text, vector, states in KEPT:
            kept.keep(text, vector, states)
    return folder / JOURNAL


def texts_in(folder: Path) -> list[str]:
    """The texts that a journal gives back, each checked to be as it was kept."""
    found = journal(folder).found
    present = [(text, vector) for text, vector, _ in KEPT if Journal.key(text) in found]
    assert len(found) == len(present)
    for text, vector in present:
        assert found[Journal.key(text)][0].tobytes() == vector.tobytes()
    return [text for text, _ in present]


def test_what_was_kept_comes_back_and_more_can_be_added(tmp_path: Path) -> None:
    written(tmp_path)
    assert texts_in(tmp_path) == ["a", "b", "é\ud800"]
    with journal(tmp_path) as again:
        again.keep("c", np.array([2, 2], dtype=np.float32), None)
    assert journal(tmp_path).found.keys() == {Journal.key(text) for text in ("a", "b", "é\ud800", "c")}


def test_a_file_that_ends_early_gives_the_texts_that_are_whole_and_goes_on_behind_them(tmp_path: Path) -> None:
    path = written(tmp_path)
    data = path.read_bytes()
    size = (len(data) - len(data.split(b"\n", 1)[0]) - 1) // len(KEPT)
    for end in range(len(data)):
        path.write_bytes(data[:end])
        whole = max(0, (end - (len(data) - len(KEPT) * size)) // size)
        assert texts_in(tmp_path) == [text for text, _, _ in KEPT[:whole]]
        with journal(tmp_path) as again:
            for text, vector, states in KEPT[whole:]:
                again.keep(text, vector, states)
        assert path.read_bytes() == data


def test_a_text_whose_record_was_damaged_is_never_trusted_nor_what_follows_it(tmp_path: Path) -> None:
    path = written(tmp_path)
    data = path.read_bytes()
    size = (len(data) - len(data.split(b"\n", 1)[0]) - 1) // len(KEPT)
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
        whole = max(0, (at - (len(data) - len(KEPT) * size)) // size)
        assert texts_in(tmp_path) == [text for text, _, _ in KEPT[:whole]]


def test_token_vectors_come_back_as_they_were(tmp_path: Path) -> None:
    codes = np.array([[1, -127], [127, 0], [3, 4]], dtype=np.int8)
    states = TokenStates(codes, np.array([0.5, 2, 1e-12], dtype=np.float32), np.array([7, 30521, 0], dtype=np.int32))
    nothing = TokenStates(codes[:0], states.scales[:0], states.pieces[:0])  # a text of punctuation
    with journal(tmp_path, tokens=True) as kept:
        kept.keep("a", KEPT[0][1], states)
        kept.keep("!", KEPT[1][1], nothing)
    found = journal(tmp_path, tokens=True).found
    for text, expected in (("a", states), ("!", nothing)):
        back = found[Journal.key(text)][1]
        assert back is not None
        for name in ("codes", "scales", "pieces"):
            one, other = getattr(back, name), getattr(expected, name)
            assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


def test_what_another_encoder_left_counts_for_nothing_and_is_overwritten(tmp_path: Path) -> None:
    size = written(tmp_path).stat().st_size
    assert not journal(tmp_path, fingerprint="g").found
    assert not journal(tmp_path, tokens=True).found
    with journal(tmp_path, fingerprint="g") as other:
        other.keep("a", KEPT[0][1], None)
    assert (tmp_path / JOURNAL).stat().st_size < size
    assert journal(tmp_path, fingerprint="g").found.keys() == {Journal.key("a")}


def test_forgetting_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    forget(tmp_path)
    written(tmp_path)
    forget(tmp_path)
    assert list(tmp_path.iterdir()) == []


BUILD = """
import os, signal, sys
from pathlib import Path
from indexer import build_index
from indexer.encoders import NumpyEncoder

encoder = NumpyEncoder("tiny", Path(sys.argv[3]))
whole = encoder.encode_document_tokens

def dying(texts, progress=None):
    for number, states in enumerate(whole(texts, progress)):
        if number == 230:
            os.kill(os.getpid(), signal.SIGKILL)
        yield states

encoder.encode_document_tokens = dying
build_index([Path(sys.argv[1])], Path(sys.argv[2]), encoder=encoder)
"""


def hashes(folder: Path) -> dict[str, str]:
    manifest = open_index(folder).manifest
    return {name: sha256((folder / manifest.generation / name).read_bytes()).hexdigest() for name in manifest.files}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill so")
def test_a_build_that_was_killed_goes_on_where_it_was_and_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    notes = [record(f"n{n}", f"note {n}", f"{ANSWERING[n % 12]} {ANSWERING[n // 12 % 12]}!") for n in range(300)]
    source = write_jsonl(tmp_path / "notes.jsonl", notes)
    model = tiny_bert(tmp_path / "model")
    done = subprocess.run([sys.executable, "-c", BUILD, source, tmp_path / "index", model], capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (tmp_path / "index" / JOURNAL).is_file()
    report = build_index([source], tmp_path / "index", encoder=NumpyEncoder("tiny", model))
    assert report.encoded == 300 - 230
    assert report.remarks == ["went on where a build was stopped: 230 of 300 texts were encoded"]
    assert not (tmp_path / "index" / JOURNAL).exists()
    build_index([source], tmp_path / "fresh", encoder=NumpyEncoder("tiny", model))
    assert hashes(tmp_path / "index") == hashes(tmp_path / "fresh")


class Stopping(ToyEncoder):
    """Stops at the second portion of texts."""

    def encode_documents(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        if self.encoded:
            raise KeyboardInterrupt
        return super().encode_documents(texts, progress)


def test_without_token_vectors_what_came_back_is_kept_too(tmp_path: Path) -> None:
    notes = [Note(id=f"n{n}", title=f"reward {n}", description="") for n in range(1100)]
    remarks: list[str] = []

    def encode(encoder: ToyEncoder) -> Any:
        return encode_notes(notes, encoder, None, False, lambda *_: None, tmp_path, remarks)

    with pytest.raises(KeyboardInterrupt):
        encode(Stopping())
    encoder = ToyEncoder()
    vectors, late, encoded = encode(encoder)
    assert (encoded, encoder.encoded, late) == (76, 76, None)
    assert remarks == ["went on where a build was stopped: 1,024 of 1,100 texts were encoded"]
    np.testing.assert_array_equal(vectors, ToyEncoder().encode_documents([note.title for note in notes]))


def test_a_handful_of_texts_is_not_kept(tmp_path: Path) -> None:
    notes = [Note(id=f"n{n}", title=f"reward {n}", description="") for n in range(50)]
    encode_notes(notes, ToyEncoder(), None, False, lambda *_: None, tmp_path, [])
    assert list(tmp_path.iterdir()) == []
