"""This module writes and opens the Whoosh index, and hands Whoosh our analyser as its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.analysis import Analyser
from indexer.notes import Note

if TYPE_CHECKING:
    from whoosh.fields import Schema
    from whoosh.index import Index as WhooshIndex

# The analyser's languages that Whoosh knows stop words for, by its two-letter names.
_STOP_LISTS = {
    "danish": "da", "dutch": "nl", "english": "en", "finnish": "fi", "french": "fr", "german": "de",
    "hungarian": "hu", "italian": "it", "norwegian": "no", "portuguese": "pt", "russian": "ru", "spanish": "es",
    "swedish": "sv",
}  # fmt: skip


def stop_words(language: str) -> tuple[str, ...]:
    """The stop words of a language, sorted (the Snowball project's lists, as Whoosh ships them); () where none are."""
    from whoosh.lang.stopwords import stoplists

    return tuple(sorted(stoplists.get(_STOP_LISTS.get(language, ""), ())))


class WhooshAnalyser:
    """An ``Analyser`` in the form that Whoosh calls: text -> an iterator over one token object, changed in place."""

    class _Token:
        """What Whoosh's posting formats read of a token."""

        boost = 1.0
        stopped = False
        text = ""
        pos = startchar = endchar = 0

    def __init__(self, analyser: Analyser) -> None:
        self.analyser = analyser

    def __call__(self, value: str, **_: object) -> Iterator[WhooshAnalyser._Token]:
        """Every term of ``value``; Whoosh's flags only say what it will read, and all of it is always there."""
        shared = self._Token()
        for token in self.analyser.tokens(value):
            shared.text, shared.pos, shared.startchar, shared.endchar = (
                token.term,
                token.position,
                token.start,
                token.end,
            )
            yield shared


def write_whoosh(folder: Path, notes: Sequence[Note], analyser: Analyser) -> None:
    """Write the Whoosh index of ``notes`` into the new folder ``folder``; document i is note i.

    Fields: title, description and topic with positions; tag, one term a folded tag.
    """
    from whoosh.index import create_in

    folder.mkdir()
    _fill(create_in(str(folder), _schema(analyser)), notes)


def open_whoosh(folder: Path) -> WhooshIndex:
    """Open what ``write_whoosh`` wrote.  Whoosh unpickles its own files: the caller knows who wrote them."""
    from whoosh.index import open_dir

    return open_dir(str(folder), readonly=True)


def whoosh_in_memory(notes: Iterable[Note], analyser: Analyser) -> WhooshIndex:
    """What ``write_whoosh`` writes, made of ``notes`` in memory (20 s for 20,000): for an index from elsewhere, whose
    pickles must not be opened."""
    from whoosh.filedb.filestore import RamStorage

    index = RamStorage().create_index(_schema(analyser))
    _fill(index, notes)
    return index


def _schema(analyser: Analyser) -> Schema:
    from whoosh import fields

    adapter = WhooshAnalyser(analyser)
    return fields.Schema(
        title=fields.TEXT(analyzer=adapter),
        description=fields.TEXT(analyzer=adapter),
        topic=fields.TEXT(analyzer=adapter),
        tag=fields.KEYWORD(),
    )


def _fill(index: WhooshIndex, notes: Iterable[Note]) -> None:
    writer = index.writer(limitmb=256)
    for note in notes:
        writer.add_document(
            title=note.title,
            description=note.description,
            topic=note.topic,
            tag=[tag_term(tag) for tag in note.tags],
        )
    writer.commit(optimize=True)


def tag_term(tag: str) -> str:
    """The term under which a tag is indexed: folded, with hyphens for white space."""
    from indexer.analysis import fold

    return "-".join(fold(tag).removeprefix("#").split())
