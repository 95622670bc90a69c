"""This module lets a searcher answer judged queries, for ``search.evaluate`` to score."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from indexer import JudgementError, NoteNotFoundError
from search.evaluate import RUN_DEPTH, Judgements, Run, read_queries
from search.hits import MODES, Hit
from search.searcher import Searcher


def query_runs(searcher: Searcher, queries: Path, judgements: Judgements) -> dict[str, Run]:
    """The run of each mode over the judged queries of a BEIR queries.jsonl, in the order of that file.

    Raises JudgementError when a judged query is not in the file.
    """
    texts = read_queries(queries)
    missing = sorted(judgements.keys() - texts.keys())
    if missing:
        raise JudgementError(f"{queries}: lacks the judged query {missing[0]} (and {len(missing) - 1} more).")
    judged = {query_id: text for query_id, text in texts.items() if query_id in judgements}
    runs: dict[str, Run] = {
        mode: {query_id: _ranking(searcher.search(text, RUN_DEPTH, mode)) for query_id, text in judged.items()}
        for mode in MODES
    }
    searcher.index.ensure_kept()
    return runs


def related_run(searcher: Searcher, judgements: Judgements) -> Run:
    """The related notes of every judged note; a note that the index lacks has none, and so counts as a miss."""
    run = {}
    for note_id in judgements:
        try:
            run[note_id] = _ranking(searcher.related(note_id, RUN_DEPTH))
        except NoteNotFoundError:
            run[note_id] = []
    searcher.index.ensure_kept()
    return run


def _ranking(hits: Iterable[Hit]) -> list[tuple[str, float]]:
    return [(hit.note.id, hit.score) for hit in hits]
