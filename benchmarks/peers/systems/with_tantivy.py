"""This module is tantivy with English stems and stop words.

Settings: tantivy-py.readthedocs.io, "Tutorials" (a stored id) and "Reference" (TextAnalyzerBuilder: en_stem with stop
words, without which questions match titles by "for" and "with"); the lenient parser is the one for what people type.
Titles count as anything else: twice as much lost 0.08 of nDCG@10 on 10,000 papers.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.peers.task import K, Task

DISTRIBUTIONS = ("tantivy",)
_FIELDS = ["title", "description", "topic"]
_ANALYSER = "english"


def _register(index: Any) -> None:
    """Analysers are not kept in an index: each process registers them."""
    from tantivy import Filter, TextAnalyzerBuilder, Tokenizer

    builder = TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.remove_long(40)).filter(Filter.lowercase())
    analyser = builder.filter(Filter.stopword(_ANALYSER)).filter(Filter.stemmer(_ANALYSER)).build()
    index.register_tokenizer(_ANALYSER, analyser)


def build(task: Task, folder: Path) -> float:
    """See ``worker``."""
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_text_field("id", stored=True, tokenizer_name="raw", index_option="basic")
    for field in _FIELDS:
        builder.add_text_field(field, tokenizer_name=_ANALYSER)
    index = tantivy.Index(builder.build(), path=str(folder))
    _register(index)
    writer = index.writer()
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
    _register(index)
    searcher = index.searcher()

    def ask(text: str) -> list[str]:
        query, _ = index.parse_query_lenient(text, _FIELDS)
        return [searcher.doc(address).get_first("id") for _, address in searcher.search(query, K, count=False).hits]

    return ask
