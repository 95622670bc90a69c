"""This module measures the lists of related notes: how good, how fair to every note, how long they take.

python -m benchmarks.explore                      the owner's notes
python -m benchmarks.explore --large INDEX        and how long the lists of another index take, of many notes

Indexes that are not given keep the figures that were measured last.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.judged import owner_notes
from benchmarks.outside import add_large
from benchmarks.results import save, saved, table, with_kept
from indexer import Index, build_index, open_index
from search.evaluate import Judgements, evaluate

_FIVE, _TEN = 5, 10
_FRESH = "import sys\nfrom pathlib import Path\nfrom benchmarks.explore import timed\ntimed(Path(sys.argv[1]))"


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_large(options)
    return options


def main() -> None:
    """Measure, save, print."""
    options = parser().parse_args()
    judged = owner_notes()
    with tempfile.TemporaryDirectory() as scratch:
        build_index([judged.notes], Path(scratch))
        index = open_index(Path(scratch))
        rows = [_measured(name, index, lists, judged.related) for name, lists in _rankings(index).items()]
        times = [_in_a_process_of_its_own(folder) for folder in (Path(scratch), *options.large)]
    times = with_kept(times, saved("explore").get("times", []), "notes")
    save("explore", {"judged": len(judged.related), "rows": rows, "times": times}, explore_text(rows, times))


def explore_text(rows: Sequence[dict[str, Any]], times: Sequence[dict[str, Any]]) -> str:
    """Both tables, with a line above each."""
    qualities = [
        [row["ranking"], f"{row['ndcg@10']:.3f}", *(str(row[name]) for name in ("most top fives", "in no top ten"))]
        for row in rows
    ]
    spent = [[f"{row['notes']:,}", f"{row['seconds']:.1f} s", f"{row['peak MB']:,} MB"] for row in times]
    return "\n\n".join(
        [
            "The note that stands in most of the 203 top fives, and how many notes stand in no top ten:",
            table(["lists of related notes", "nDCG@10", "most top fives", "in no top ten"], qualities),
            "`kindred related --all`, in a process of its own:",
            table(["notes", "time", "memory at its peak"], spent),
        ]
    )


def timed(folder: Path) -> None:
    """Make the lists of an index, and print in one line how long it took and the greatest memory in MB."""
    from search.neighbours import all_related

    started = time.perf_counter()
    index = open_index(folder)
    all_related(index)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(len(index), time.perf_counter() - started, peak)


def _rankings(index: Index) -> dict[str, dict[str, list[str]]]:
    """Ranking -> note -> the ids of its list, best first."""
    from search.neighbours import all_related

    ids = [note.id for note in index.notes()]
    rows = np.arange(len(ids))
    cosines = index.vectors @ index.vectors.T
    affinities = np.array([index.affinity(row, rows, by_token=True) for row in rows.tolist()])
    lists = {"cosine of the vectors": _nearest(ids, cosines), "affinity, hubs and all": _nearest(ids, affinities)}
    own = {note_id: [found.id for found in neighbours] for note_id, neighbours in all_related(index).items()}
    return {**lists, "**Kindred**": own}


def _nearest(ids: Sequence[str], scores: Any) -> dict[str, list[str]]:
    lists = {}
    for row, note_id in enumerate(ids):
        order = sorted((other for other in range(len(ids)) if other != row), key=lambda i: (-scores[row, i], ids[i]))
        lists[note_id] = [ids[other] for other in order[:_TEN]]
    return lists


def _measured(name: str, index: Index, lists: dict[str, list[str]], judgements: Judgements) -> dict[str, Any]:
    run = {note_id: [(other, float(-rank)) for rank, other in enumerate(lists[note_id])] for note_id in judgements}
    fives = Counter(other for found in lists.values() for other in found[:_FIVE])
    named = {other for found in lists.values() for other in found[:_TEN]}
    return {
        "ranking": name,
        "ndcg@10": evaluate(run, judgements).ndcg,
        "most top fives": max(fives.values()),
        "in no top ten": len(index) - len(named),
    }


def _in_a_process_of_its_own(folder: Path) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-c", _FRESH, str(folder)], capture_output=True, text=True, check=True)
    notes, seconds, peak = done.stdout.split()
    return {"notes": int(notes), "seconds": float(seconds), "peak MB": int(peak)}


if __name__ == "__main__":
    main()
