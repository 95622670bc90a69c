"""This module is tantivy with English stems, titles counting twice.

Settings: tantivy-py.readthedocs.io, "Tutorials" (a stored id, en_stem, parse_query with field_boosts); the lenient
parser is the one for what people type.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.task import K, Task

DISTRIBUTIONS = ("tantivy",)
_FIELDS = ["title", "description", "topic"]


def build(task: Task, folder: Path) -> float:
    """See ``worker``."""
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_text_field("id", stored=True, tokenizer_name="raw", index_option="basic")
    for field in _FIELDS:
        builder.add_text_field(field, tokenizer_name="en_stem")
    writer = tantivy.Index(builder.build(), path=str(folder)).writer()
    for note in task.notes():
        document = tantivy.Document(id=note.id, title=note.title, description=note.description, topic=note.topic)
        writer.add_document(document)
    writer.commit()
    writer.wait_merging_threads()
    return 0.0


def opened(folder: Path, mode: str) -> Callable[[str], list[str]]:
    """See ``worker``."""
    import tantivy

    index = tantivy.Index.open(str(folder))
    searcher = index.searcher()

    def ask(text: str) -> list[str]:
        query, _ = index.parse_query_lenient(text, _FIELDS, field_boosts={"title": 2.0})
        return [searcher.doc(address).get_first("id") for _, address in searcher.search(query, K, count=False).hits]

    return ask
