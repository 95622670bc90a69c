"""This module is Whoosh: BM25F over all fields, any word of the query suffices.

Settings: whoosh.readthedocs.io, "How to index documents" (StemmingAnalyzer, field_boost), "Parsing user queries" (the
OR group with a bonus for notes that hold more of the words, no wildcards in questions) and "Tips for speeding up batch
indexing" (limitmb; its procs, one a core, took twice as long on two cores: see benchmarks/LOG.md).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.task import K, Task

DISTRIBUTIONS = ("whoosh-reloaded",)
FIELDS = ("title", "description", "topic")
_MEGABYTES = 256  # the guide's own figure


def build(task: Task, folder: Path) -> float:
    """See ``worker``."""
    from whoosh import fields, index
    from whoosh.analysis import StemmingAnalyzer

    words = StemmingAnalyzer()
    schema = fields.Schema(
        id=fields.ID(stored=True),
        title=fields.TEXT(words, field_boost=2.0),
        description=fields.TEXT(words),
        topic=fields.TEXT(words),
    )
    writer = index.create_in(str(folder), schema).writer(limitmb=_MEGABYTES)
    for note in task.notes():
        writer.add_document(id=note.id, title=note.title, description=note.description, topic=note.topic)
    writer.commit()
    return 0.0


def opened(folder: Path, mode: str, depth: int = K) -> Callable[[str], list[str]]:
    """See ``worker``."""
    from whoosh import index, qparser

    searcher = index.open_dir(str(folder), readonly=True).searcher()
    parser = qparser.MultifieldParser(FIELDS, searcher.schema, group=qparser.OrGroup.factory(0.9))
    parser.remove_plugin_class(qparser.WildcardPlugin)

    def ask(text: str) -> list[str]:
        return [hit["id"] for hit in searcher.search(parser.parse(text), limit=depth)]

    return ask
