"""This module holds what is fuzzed: a function a target, which takes any bytes and raises where a promise is broken.

What a person can put right (KindredError) is no broken promise, and neither is the ValueError that a damaged file of
an index or a model is refused with.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from indexer.analysis import Analyser
from indexer.bert import read_safetensors
from indexer.errors import KindredError
from indexer.manifest import MANIFEST, read_manifest, sealed
from indexer.mining import spelt_out
from indexer.notes import MAX_ID, assign_ids
from indexer.sources import understood
from indexer.sources.files import File
from search.display import safe
from search.query import parse
from search.snippets import best_snippet

ANALYSER = Analyser("english", ("the", "of"))
SCRATCH = Path(tempfile.mkdtemp(prefix="kindred-fuzz-"))


def page(data: bytes) -> None:
    """A saved cluster page."""
    _read("a/n.txt", data)


def markdown(data: bytes) -> None:
    """A note of Markdown, with or without front matter."""
    _read("a/n.md", data)


def jsonl(data: bytes) -> None:
    """JSON lines."""
    _read("a/n.jsonl", data)


def table(data: bytes) -> None:
    """A table; the separator is guessed."""
    _read("a/n.csv", data)


def query(data: bytes) -> None:
    """A query: it is understood, and no more of it ranks than was typed."""
    text = data.decode("utf-8", "replace")
    with suppress(KindredError):
        found = parse(text)
        assert len(found.words) <= len(found.text) <= len(text)
        assert parse(f" {text.rstrip()}\n") == found


def text(data: bytes) -> None:
    """Analyser, snippets, acronyms and what a terminal is sent: spans ascend within the text, and nothing steers."""
    try:
        written = data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        written = data.decode("utf-8", "replace")
    tokens = list(ANALYSER.tokens(written))
    ends = [0]
    for token in tokens:
        assert ends[-1] <= token.start < token.end <= len(written)
        assert token.term == ANALYSER.term(written[token.start : token.end])
        ends.append(token.end)
    weights = {token.term: float(len(token.term)) for token in tokens[::3]}
    snippet = best_snippet(written, lambda _: tokens, weights, 40)
    assert len(snippet.text) <= 40
    at = 0
    for begin, end in snippet.spans:
        assert at <= begin < end <= len(snippet.text)
        assert ANALYSER.term(snippet.text[begin:end]) in weights
        at = end
    for short, long in spelt_out(written):
        assert short and long
    assert not any(ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in safe(written))


def manifest(data: bytes) -> None:
    """The manifest of an index from a stranger, as it is, and with the checksum that it must have."""
    texts = [data]
    with suppress(ValueError, RecursionError, AttributeError):
        record = json.loads(data)
        rest = {key: value for key, value in record.items() if key not in ("format", "checksum")}
        texts.append(sealed(rest, record.get("format")).encode("utf-8", "surrogatepass"))
    for text in texts:
        (SCRATCH / MANIFEST).write_bytes(text)
        with suppress(KindredError):
            found = read_manifest(SCRATCH)
            for name in found.files:
                assert (SCRATCH / found.generation / name).resolve().is_relative_to(SCRATCH.resolve())


def weights(data: bytes) -> None:
    """The weights of a model from a stranger: no tensor reaches beyond the file."""
    path = SCRATCH / "model.safetensors"
    path.write_bytes(data)
    with suppress(ValueError):
        assert sum(tensor.nbytes for tensor in read_safetensors(path).values()) <= len(data)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (page, markdown, jsonl, table, query, text, manifest, weights)
}


def _read(name: str, data: bytes) -> None:
    """Read a file: every note can be kept, on one line, in UTF-8, with an id of its own."""
    path = Path(name)
    with suppress(KindredError):
        remarks: list[str] = []
        source, raw = understood(data, File(path, path.name, named=False), {}, remarks)
        notes = assign_ids(raw)
        assert source.notes == len(notes) == len({note.id for note in notes})
        assert all(remark.startswith(f"{name}:") for remark in remarks)
        for note in notes:
            assert note.title and 0 < len(note.id) <= MAX_ID + 20
            for value in (note.id, note.title, note.description, note.topic, note.cluster, note.date, *note.tags):
                assert not any(ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in value)
                value.encode()
