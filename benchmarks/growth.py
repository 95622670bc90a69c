"""This module measures how Kindred's costs grow with the number of notes, and holds them against n log n.

    make bench-growth                                      what needs no outside data: 203, 1,000 and 10,000 notes
    python -m benchmarks.growth --sizes 203,1000,10000,100000,1000000 --papers papers.jsonl.gz --vectors papers.npy
    python -m benchmarks.growth --show                     the table and the plot from what was measured

Notes, vectors and queries are those of ``benchmarks.peers``, and so are the indexes where they are there.  Every size
is kept as soon as it is measured; a run that was stopped goes on where it was.  A size that was measured with papers
stays as it is while there are none.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.outside import add_papers, add_sizes, add_vectors
from benchmarks.peers.arithmetic import exponents, violations
from benchmarks.peers.corpora import Corpora, keeps
from benchmarks.peers.driver import Bench, load, run_step
from benchmarks.peers.plot import Line, Panel, draw
from benchmarks.peers.records import CACHE, add, published, so_far
from benchmarks.peers.report import QUIET, size_text, time_text
from benchmarks.peers.roster import KINDRED
from benchmarks.results import RESULTS, save, table

SIZES = (203, 1_000, 10_000)
_DEPTH = 2  # of a record: sizes, size
SLACK = 0.05  # of an exponent: what two runs on a busy machine differ by


class Cost(NamedTuple):
    """One row: its name, its key in the record, and whether it is bytes instead of seconds."""

    name: str
    key: str
    is_bytes: bool = False


COSTS = (
    Cost("words indexed", "indexing words"),
    Cost("vectors compressed", "compressing vectors"),
    Cost("all indexed, vectors given", "index"),
    Cost("one changed note published", "change"),
    Cost("index opened", "open"),
    Cost("query by words", "lexical"),
    Cost("query by meaning", "semantic"),
    Cost("query by both", "hybrid"),
    Cost("related notes of one", "related"),
    Cost("memory, searching", "search memory", True),
    Cost("memory, indexing", "index memory", True),
    Cost("index on disk", "bytes", True),
)
PANELS = {
    "indexing": ("indexing words", "compressing vectors", "index", "change"),
    "asking": ("open", "lexical", "semantic", "hybrid", "related"),
    "memory and disk": ("search memory", "index memory", "bytes"),
}


def main() -> None:
    """Measure, keep each size, show all."""
    options = parser().parse_args()
    if not options.show:
        _measure_all(options)
    show(so_far("growth", _DEPTH))
    published("growth")


def _measure_all(options: argparse.Namespace) -> None:
    bench = Bench(CACHE / "work", Path(sys.executable), options.patience, 0.0)
    corpora = Corpora(CACHE / "tasks", options.papers, options.vectors)
    known = [(int(size), row["source"]) for size, row in so_far("growth", _DEPTH).get("sizes", {}).items()]
    for size in options.sizes:
        if keeps(size, options.papers, known):
            continue
        task = corpora.sized(size)
        key = bench.key(KINDRED, task, asked=True)
        if so_far("growth", _DEPTH).get("sizes", {}).get(str(size), {}).get("key") == key and not options.again:
            print(f"{size:,} notes: known")
            continue
        built = bench.built(KINDRED, task)
        index = bench.index_of(KINDRED, task)
        command = [sys.executable, "-m", "benchmarks.growth_steps"]
        asked = run_step([*command, "ask", str(task.folder), str(index)], options.patience, one_core=True)
        changed = run_step([*command, "change", str(task.folder), str(index)], options.patience, one_core=False)
        figures = {
            "key": key,
            "source": task.about()["source"],
            "index": built["seconds"],
            **json.loads(index.with_name("stages.json").read_text(encoding="utf-8")),
            **asked["costs"],
            "change": changed["change"],
            "search memory": asked["memory"],
            "index memory": built["memory"] + built["child memory"],
            "bytes": built["bytes"],
            "load": load(),
        }
        add("growth", {"sizes": {str(size): figures}}, _DEPTH)
        print(f"{size:,} notes: " + ", ".join(f"{cost.name} {_shown(cost, figures)}" for cost in COSTS), flush=True)


def show(record: dict[str, Any]) -> None:
    """The table in README.md, and the plot."""
    names = {cost.key: cost for cost in COSTS}
    panels = []
    for title, keys in PANELS.items():
        lines = []
        for key in keys:
            costs = _costs(record, names[key])
            scale = 1e-6 if names[key].is_bytes else 1.0 if title == "indexing" else 1e3
            lines.append(Line(names[key].name, {size: scale * cost for size, cost in costs.items()}))
        unit = {"indexing": "s", "asking": "ms"}.get(title, "MB")
        panels.append(Panel(title, unit, [line for line in lines if line.points]))
    draw(panels, RESULTS / "growth.svg", own_legends=True)
    save("growth", record, growth_text(record))


def growth_text(record: Mapping[str, Any]) -> str:
    """The table, and what grew faster than n log n."""
    sizes = sorted(map(int, record["sizes"]))
    rows, worse = [], []
    for cost in COSTS:
        costs = _costs(record, cost)
        steps = {large: exponent for _, large, exponent in exponents(costs)}
        cells = []
        for size in sizes:
            shown = _shown(cost, record["sizes"][str(size)])
            cells.append(f"{shown} ({steps[size]:.2f})" if size in steps else shown)
        rows.append([cost.name, *cells])
        worse += [
            f"{cost.name} from {small:,} to {large:,} ({exponent:.2f})"
            for small, large, exponent in violations(costs, SLACK)
        ]
    sources = dict.fromkeys(record["sizes"][str(size)]["source"] for size in sizes)
    verdict = "Grows faster than n log n: " + "; ".join(worse) if worse else "No step is worse than n log n"
    busy = [f"{size:,}" for size in sizes if record["sizes"][str(size)].get("load", 0) > QUIET]
    beside = f"\nMeasured beside other work: {', '.join(busy)} notes." if busy else ""
    return "\n\n".join(
        [
            table(["", *(f"{size:,} notes" for size in sizes)], rows),
            "In brackets the exponent since the size before: a cost that doubles with the notes has 1.\n"
            f"{verdict}, beyond {SLACK} of an exponent for noise.\n"
            f"Notes: {'; '.join(sources)}.{beside}",
        ]
    )


def _costs(record: Mapping[str, Any], cost: Cost) -> dict[int, float]:
    """What a cost was at each size where it was paid, by size in order."""
    sizes = sorted(map(int, record["sizes"]))
    found = {size: record["sizes"][str(size)].get(cost.key) for size in sizes}
    return {size: value for size, value in found.items() if value}


def _shown(cost: Cost, figures: Mapping[str, Any]) -> str:
    value = figures.get(cost.key)
    if not value:
        return "–"
    return size_text(value) if cost.is_bytes else time_text(value)


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_sizes(options, SIZES)
    add_papers(options)
    add_vectors(options)
    options.add_argument("--patience", type=float, default=7200, metavar="S", help="seconds that one step may take")
    options.add_argument("--again", action="store_true", help="measure what is known, too")
    options.add_argument("--show", action="store_true", help="measure nothing, write table and plot anew")
    return options


if __name__ == "__main__":
    main()
