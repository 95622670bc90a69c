"""This module writes and opens the Whoosh index, and hands Whoosh our analyser as its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.analysis import Analyser
from indexer.notes import Note

if TYPE_CHECKING:
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
    from whoosh import fields
    from whoosh.index import create_in

    adapter = WhooshAnalyser(analyser)
    schema = fields.Schema(
        title=fields.TEXT(analyzer=adapter),
        description=fields.TEXT(analyzer=adapter),
        topic=fields.TEXT(analyzer=adapter),
        tag=fields.KEYWORD(),
    )
    folder.mkdir()
    writer = create_in(str(folder), schema).writer(limitmb=256)
    for note in notes:
        writer.add_document(
            title=note.title,
            description=note.description,
            topic=note.topic,
            tag=[tag_term(tag) for tag in note.tags],
        )
    writer.commit(optimize=True)


def open_whoosh(folder: Path) -> WhooshIndex:
    """Open what ``write_whoosh`` wrote.  Whoosh unpickles its own files: a folder from elsewhere must not come."""
    from whoosh.index import open_dir

    return open_dir(str(folder), readonly=True)


def tag_term(tag: str) -> str:
    """The term under which a tag is indexed: folded, with hyphens for white space."""
    from indexer.analysis import fold

    return "-".join(fold(tag).removeprefix("#").split())
