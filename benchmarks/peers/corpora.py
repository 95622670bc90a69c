"""This module writes the tasks: the owner's notes, a BEIR collection, or as many papers or made notes as are wanted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.judged import Judged, beir, owner_notes
from benchmarks.outside import read_papers
from benchmarks.peers.queries import made_queries, titles_to_warm_up
from benchmarks.peers.task import ABOUT, NOTES, QUERIES, VECTORS, Query, Task, Text
from benchmarks.peers.texts import made_notes, recombined
from benchmarks.peers.vectors import encoded_vectors, given_vectors, recombined_vectors
from indexer import TokenEncoder, Vectors, load_encoder
from indexer.lexical import stop_words
from indexer.sources import read_notes

OWNER = 203  # the size that stands for the owner's notes
PAPERS = "titles and abstracts of papers"  # with these words begins where notes come from
_MADE_BASE = 10_000  # so many notes are made and encoded; further ones are put together from them
_DRAWN_FROM = 10_000  # queries are drawn from the first notes, so that all larger sizes are asked the same
_CHUNK = 10_000  # vectors that are made at once
_FORMAT = "1"  # of a task; raised when the same arguments would make another one


def keeps(size: int, papers: Path | None, known: Iterable[tuple[int, str]]) -> bool:
    """Whether a size stays as it is, because it was measured with papers and there are none now; says so.

    ``known`` are the sizes that were measured, each with where its notes came from.
    """
    kept = papers is None and any(other == size and source.startswith(PAPERS) for other, source in known)
    if kept:
        print(f"kept as it was: {size:,} notes, which were measured with papers; there are no --papers")
    return kept


class Corpora:
    """Where notes and vectors come from, and where tasks are written.

    ``papers`` is a file of JSON lines with id, title, description and topic, ``vectors`` a file with their vectors in
    order; without either, notes are made and vectors encoded.
    """

    def __init__(self, folder: Path, papers: Path | None, vectors: Path | None) -> None:
        self.folder = folder
        self.papers = papers
        self.vectors = vectors

    def sized(self, size: int) -> Task:
        """The task of ``size`` notes.  Raises ValueError where the vectors given are too few."""
        if size == OWNER:
            return self._judged(owner_notes(), "the owner's notes")
        kind = "papers" if self.papers else "made"
        task = Task(self.folder / f"{kind}-{size}")
        about = self._about(size, str(self.vectors))
        if self._is_there(task, about):
            return task
        base = list(islice(read_papers(self.papers) if self.papers else made_notes(_MADE_BASE, known_words()), size))
        known = self._encoded([note.encoded for note in base])
        parents: list[tuple[int, int, int]] = []

        def notes() -> Iterator[Text]:
            yield from base
            for note, places in recombined(base, size - len(base)):
                parents.append(places)
                yield note

        queries = made_queries(base[:_DRAWN_FROM], stop_words("english"))
        source = PAPERS if self.papers else "made from a seed, of words as frequent as Zipf's law has it"
        if size > len(base):
            source += f"; all but {len(base):,} put together from the sentences of these, with vectors near theirs"
        self._write(task, about, source, "made: the answer is the note whose words they are", notes(), queries)
        self._write_vectors(task, known, np.array(parents, dtype=np.int64).reshape(-1, 3))
        return self._finished(task, about)

    def public(self, folder: Path) -> Task | None:
        """The task of a BEIR folder with its test queries, or None where a file of it is not there."""
        judged = beir(folder, "test", self.folder)
        return None if judged is None else self._judged(judged, f"{folder.name}, a public collection")

    def _judged(self, judged: Judged, source: str) -> Task:
        task = Task(self.folder / judged.name)
        notes = [Text(note.id, note.title, note.description, note.topic) for note in read_notes([judged.notes]).notes]
        grades = json.dumps([[asdict(note) for note in notes], judged.texts(), judged.judgements], sort_keys=True)
        about = hashlib.sha256(f"{_FORMAT}\n{grades}".encode()).hexdigest()
        if self._is_there(task, about):
            return task
        queries = titles_to_warm_up(notes)
        queries += [Query(query, text, judged.judgements[query]) for query, text in judged.texts().items()]
        self._write(task, about, source, "judged by readers", notes, queries)
        self._write_vectors(task, self._encoded([note.encoded for note in notes], False), np.empty((0, 3), np.int64))
        return self._finished(task, about)

    def _about(self, size: int, vectors: str) -> str:
        papers = self.papers
        stamp = f"{papers.name} {papers.stat().st_size}" if papers else "made"
        return hashlib.sha256(f"{_FORMAT}\n{size}\n{stamp}\n{vectors}".encode()).hexdigest()

    def _encoded(self, texts: Sequence[str], may_be_given: bool = True) -> Vectors:
        if may_be_given and self.papers and self.vectors:
            return given_vectors(self.vectors, len(texts))
        return encoded_vectors(texts, self.folder / "vectors")

    def _is_there(self, task: Task, key: str) -> bool:
        return (task.folder / ABOUT).is_file() and task.about()["key"] == key

    def _write(
        self, task: Task, key: str, source: str, asked: str, notes: Iterable[Text], queries: Sequence[Query]
    ) -> None:
        task.folder.mkdir(parents=True, exist_ok=True)
        (task.folder / ABOUT).unlink(missing_ok=True)
        count = 0
        with (task.folder / NOTES).open("w", encoding="utf-8") as file:
            for note in notes:
                file.write(json.dumps(asdict(note), ensure_ascii=False) + "\n")
                count += 1
        with (task.folder / QUERIES).open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(query), ensure_ascii=False) + "\n" for query in queries)
        measured = sum(1 for query in queries if query.judged)
        record = {"key": key, "source": source, "notes": count, "queries": measured, "relevance": asked}
        (task.folder / f"{ABOUT}.part").write_text(json.dumps(record), encoding="utf-8")

    def _write_vectors(self, task: Task, base: Vectors, parents: npt.NDArray[np.int64]) -> None:
        path = task.folder / VECTORS
        rows = np.lib.format.open_memmap(
            path, mode="w+", dtype=np.float32, shape=(len(base) + len(parents), base.shape[1])
        )
        rows[: len(base)] = base
        for begin in range(0, len(parents), _CHUNK):
            made = recombined_vectors(base, parents[begin : begin + _CHUNK], seed=begin)
            rows[len(base) + begin : len(base) + begin + len(made)] = made
        rows.flush()

    def _finished(self, task: Task, key: str) -> Task:
        (task.folder / f"{ABOUT}.part").replace(task.folder / ABOUT)
        return task


def known_words() -> list[str]:
    """The words that the default encoder knows as a whole, three letters long at least, sorted."""
    encoder = load_encoder()
    words = encoder.words() if isinstance(encoder, TokenEncoder) else []
    return [word for word in words if len(word) > 2 and word.isascii() and word.isalpha()]
