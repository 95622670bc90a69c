"""An ordinary Whoosh index of notes, written by Whoosh itself: what our postings are held against."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from whoosh import fields
from whoosh.index import create_in

from indexer import Analyser, Note, tag_term


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
        """Every term of ``value``."""
        shared = self._Token()
        for token in self.analyser.tokens(value):
            shared.text, shared.pos = token.term, token.position
            shared.startchar, shared.endchar = token.start, token.end
            yield shared


def whoosh_index(folder: Path, notes: Sequence[Note], analyser: Analyser) -> Any:
    """A Whoosh index of ``notes`` in the new folder ``folder``; document i is note i."""
    adapter = WhooshAnalyser(analyser)
    schema = fields.Schema(
        title=fields.TEXT(analyzer=adapter),
        description=fields.TEXT(analyzer=adapter),
        topic=fields.TEXT(analyzer=adapter),
        tag=fields.KEYWORD(),
    )
    folder.mkdir()
    index = create_in(str(folder), schema)
    writer = index.writer()
    for note in notes:
        writer.add_document(
            title=note.title,
            description=note.description,
            topic=note.topic,
            tag=[tag_term(tag) for tag in note.tags],
        )
    writer.commit(optimize=True)
    return index
