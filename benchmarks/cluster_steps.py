"""This module does one step of ``benchmarks.cluster`` in a process of its own and prints what it measured, as JSON.

python -m benchmarks.cluster_steps load TASK PLACE      an index at PLACE holds the notes of TASK
python -m benchmarks.cluster_steps ask TASK PLACE       latencies, and what is found
python -m benchmarks.cluster_steps change TASK PLACE    one note is changed, published, and changed back
python -m benchmarks.cluster_steps keep TASK PLACE      asks until its input ends
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import Any

from benchmarks.judged import owner_notes
from benchmarks.peers.arithmetic import percentile
from benchmarks.peers.corpora import OWNER
from benchmarks.peers.task import NOTES, K, Query, Task
from benchmarks.peers.worker import peak_memory
from indexer import build_at, own_folder, place_of
from search import Searcher
from search.evaluate import evaluate
from search.hits import MODES
from search.likeness import hubness_of
from search.trials import query_runs, related_run

_RELATED_OF = 50  # notes
_QUERIES = 100
_KEPT = 10
_ROUNDS = 2  # the less of them counts
_SECONDS = 20.0  # for the questions of a kind, but each is asked once


def main() -> None:
    """One step, named by the arguments."""
    step, folder, place = sys.argv[1:]
    steps: dict[str, Callable[[Task, str], dict[str, Any]]] = {
        "load": _load, "ask": _ask, "change": _change, "keep": _keep,
    }  # fmt: skip
    print(json.dumps(steps[step](Task(Path(folder)), place) | peak_memory()))


def _load(task: Task, place: str) -> dict[str, Any]:
    """Seconds of a build, those in the encoder left out, and of what of them the engine was given notes."""
    from benchmarks.peers.given import ENCODINGS, GivenEncoder  # here, because to search none of this is needed

    notes = _notes(place)
    notes.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(task.folder / NOTES, notes)
    encoder = GivenEncoder(task, task.folder.parent / ENCODINGS)
    apart, begun = encoder.seconds, time.perf_counter()
    sending: list[float] = []

    def clock(stage: str, done: int, total: int) -> None:
        if stage.startswith("sending"):
            sending.append(time.perf_counter())

    report = build_at([notes], place_of(place), hubness_of, encoder=encoder, progress=clock)
    ended = time.perf_counter()
    seconds = ended - begun - (encoder.seconds - apart)
    return {"seconds": seconds, "sent": ended - sending[0] if sending else 0.0, "published": report.published}


def _notes(place: str) -> Path:
    """Where the notes lie that an index was built from."""
    return own_folder(place_of(place)).with_name(f"{own_folder(place_of(place)).name}-notes.jsonl")


def _ask(task: Task, place: str) -> dict[str, Any]:
    """Latencies by kind of question, the ids that were found, and for the owner's notes what judges say of them."""
    searcher = Searcher.open(place_of(place)).prepare()
    warming, queries = task.queries()
    queries = queries[:: max(1, len(queries) // _QUERIES)][:_QUERIES]
    topics = [note.topic for note in task.notes() if note.topic]
    often = max(sorted(set(topics)), key=topics.count) if len(topics) < 10_000 else topics[0]
    ids = [note.id for note in task.notes()]
    chosen = [Query(note, note, {}) for note in ids[:: max(1, len(ids) // _RELATED_OF)][:_RELATED_OF]]
    kinds: dict[str, tuple[Sequence[Query], Callable[[str], Any]]] = {
        **{mode: (queries, partial(searcher.search, k=K, mode=mode)) for mode in MODES},
        "filtered": (queries, lambda text: searcher.search(f'{text} topic:"{often}"', K)),
        "related": (chosen, partial(searcher.related, k=K)),
    }
    figures: dict[str, Any] = {"seconds": {}, "found": {}}
    for kind, (asked, ask) in kinds.items():
        for query in [*warming[:20], *asked[:5]] if kind != "related" else asked[:5]:
            ask(query.text)
        least: dict[str, float] = {}
        until = time.perf_counter() + _SECONDS
        for _ in range(_ROUNDS):
            for query in asked:
                if query.id in least and time.perf_counter() > until:
                    break
                begun = time.perf_counter()
                hits = ask(query.text)
                spent = time.perf_counter() - begun
                least[query.id] = min(spent, least.get(query.id, spent))
                figures["found"].setdefault(kind, {})[query.id] = [hit.note.id for hit in hits]
        times = list(least.values())
        figures["seconds"][kind] = {"p50": percentile(times, 0.5), "p95": percentile(times, 0.95)}
    if len(ids) == OWNER:
        judged = owner_notes()
        runs = query_runs(searcher, judged.queries, judged.judgements)
        figures["ndcg@10"] = {
            "hybrid": evaluate(runs["hybrid"], judged.judgements).ndcg,
            "related": evaluate(related_run(searcher, judged.related), judged.related).ndcg,
        }
    return figures


def _change(task: Task, place: str) -> dict[str, Any]:
    """The seconds until one changed note is published, the less of two: the change, and its withdrawal."""
    from benchmarks.peers.given import ENCODINGS, GivenEncoder

    notes = _notes(place)
    encoder = GivenEncoder(task, task.folder.parent / ENCODINGS)
    seconds = []
    for content in task.one_changed():
        notes.write_bytes(content)
        begun = time.perf_counter()
        build_at([notes], place_of(place), hubness_of, encoder=encoder)
        seconds.append(time.perf_counter() - begun)
    return {"change": min(seconds)}


def _keep(task: Task, place: str) -> dict[str, Any]:
    """Ask the newest generation until the input ends: how many answers there were, how many failed, and of how many
    generations; ``mixed`` are those that differ from another answer of their generation to the same query."""
    queries = task.queries()[1][:_KEPT]  # few, so that each is asked again and again of each generation
    starts = [note.id for note in islice(task.notes(), len(queries))]  # the last notes will be gone
    searcher = Searcher.open(place_of(place)).prepare()
    over: list[bool] = []
    Thread(target=lambda: over.append(bool(sys.stdin.read() or True)), daemon=True).start()
    answers: dict[tuple[str, str], list[str]] = {}
    generations: dict[str, None] = {}
    asked = failed = mixed = 0
    times: list[float] = []
    errors: dict[str, int] = {}
    while not over or len(times) < len(queries):
        query = queries[asked % len(queries)]
        asked += 1
        begun = time.perf_counter()
        try:
            searcher = searcher.newest()
            if asked % 2:
                found = [hit.note.id for hit in searcher.search(query.text, K)]
            else:
                found = [hit.note.id for hit in searcher.related(starts[asked % len(queries)], K)]
        except Exception as error:  # whatever fails is counted
            failed += 1
            errors[f"{type(error).__name__}: {error}"[:300]] = (
                errors.get(f"{type(error).__name__}: {error}"[:300], 0) + 1
            )
            continue
        times.append(time.perf_counter() - begun)
        generation = searcher.index.manifest.generation
        generations[generation] = None
        mixed += answers.setdefault((generation, f"{asked % 2} {query.id}"), found) != found
    return {
        "asked": asked,
        "failed": failed,
        "errors": errors,
        "mixed": mixed,
        "generations": len(generations),
        "p50": percentile(times, 0.5),
        "p95": percentile(times, 0.95),
        "longest": max(times),
    }


if __name__ == "__main__":
    main()
