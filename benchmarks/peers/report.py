"""This module shows what was measured: a short form in README.md, all of it in results/peers.md, and the plot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.peers.driver import COLD_ROUNDS
from benchmarks.peers.plot import draw_peers
from benchmarks.peers.roster import KINDRED, LEG, MODES, SYSTEMS, Mode
from benchmarks.peers.worker import ROUNDS
from benchmarks.results import RESULTS, save, table

Record = Mapping[str, Any]
BETTER = " ▴"
QUIET = 3.0  # processes that want to run, over a minute: the bench by itself has one, and two where it indexes


class Figure(NamedTuple):
    """A column: what is read, how it is shown, and whether more of it is better."""

    title: str
    key: str
    shown: Callable[[float], str]
    more: bool = False


def time_text(seconds: float) -> str:
    """Two digits that count, in the unit that suits."""
    if seconds < 0.1:
        return f"{1000 * seconds:.2f} ms" if seconds < 0.01 else f"{1000 * seconds:.1f} ms"
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds:,.0f} s"


def size_text(count: float) -> str:
    """Megabytes of a million bytes."""
    return f"{count / 1e6:,.1f} MB" if count < 10e6 else f"{count / 1e6:,.0f} MB"


NDCG = Figure("nDCG@10", "ndcg@10", "{:.3f}".format, more=True)
MEDIAN = Figure("warm, median", "median seconds", time_text)
FIGURES = (
    NDCG,
    MEDIAN,
    Figure("warm, 95 of 100 within", "p95 seconds", time_text),
    Figure("cold", "cold seconds", time_text),
    Figure("memory, searching", "search memory", size_text),
    Figure("indexed in", "index seconds", time_text),
    Figure("memory, indexing", "index memory", size_text),
    Figure("on disk", "index bytes", size_text),
)


def show(record: dict[str, Any]) -> None:
    """Write everything, print the short form."""
    (RESULTS / "peers.md").write_text(full_text(record), encoding="utf-8")
    draw_peers(record, RESULTS / "peers.svg")
    save("peers", record, peers_text(record))


def peers_text(record: Record) -> str:
    """What README.md shows: medians with nDCG@10 at every size, and all figures at the largest that all were asked."""
    tasks = in_order(record["tasks"])
    most = max(len(task["rows"]) for task in tasks.values())
    whole = [name for name in tasks if len(tasks[name]["rows"]) == most]
    largest = ([name for name in whole if "public" not in tasks[name]["about"]["source"]] or list(tasks))[-1]
    about = tasks[largest]["about"]
    remarks = [
        f"{_heading(name, task['about'])}: {'; '.join(_remarks(task))}."
        for name, task in tasks.items()
        if _remarks(task)
    ]
    return "\n\n".join(
        [
            f"A warm query's median, and nDCG@10 beside it;{BETTER} is better than Kindred's row of the same kind:",
            _by_size(tasks),
            *remarks,
            f"Everything at {about['notes']:,} notes ({about['source']}):",
            _all_figures(tasks[largest]["rows"]),
            _how(record),
        ]
    )


def full_text(record: Record) -> str:
    """results/peers.md: all figures of all tasks, with versions and with what failed."""
    parts = ["# Kindred beside other systems", _how(record)]
    for name, task in in_order(record["tasks"]).items():
        about = task["about"]
        parts.append(f"## {_heading(name, about)}")
        parts.append(
            f"{about['notes']:,} notes: {about['source']}.\n{about['queries']} queries; relevance {about['relevance']}."
        )
        parts.append(_all_figures(task["rows"]))
        if remarks := _remarks(task):
            parts.append("\n".join(f"- {remark}." for remark in remarks))
    versions: dict[str, str] = {}
    for task in record["tasks"].values():
        for found in task["rows"].values():
            versions |= found.get("versions", {})
    parts.append("Versions: " + ", ".join(f"{name} {versions[name]}" for name in sorted(versions, key=str.lower)) + ".")
    return "\n\n".join(parts) + "\n"


def _remarks(task: Record) -> list[str]:
    """What failed, which rows stand for a part of the queries, and which were measured on a busy machine."""
    count = task["about"]["queries"]
    found = task["rows"].items()
    failed = [f"{row} {figures['failed']}" for row, figures in found if "failed" in figures]
    short = [
        f"{row} answered {figures['asked']} of {count} queries in its time"
        for row, figures in found
        if figures.get("asked", count) < count
    ]
    busy = [f"{row} was measured beside other work" for row, figures in found if figures.get("load", 0) > QUIET]
    return failed + short + busy


def in_order(tasks: Record) -> dict[str, Record]:
    """Sizes from small to large, then public collections by name."""

    def place(name: str) -> tuple[bool, int, str]:
        about = tasks[name]["about"]
        return "public" in about["source"], about["notes"], name

    return {name: tasks[name] for name in sorted(tasks, key=place)}


def _heading(name: str, about: Record) -> str:
    return name if "public" in about["source"] else f"{about['notes']:,} notes"


def _rows(mode: Mode) -> list[str]:
    return [row for system in SYSTEMS for row, kind in system.rows() if kind == mode]


def _own(mode: Mode) -> str:
    return next(row for row, kind in KINDRED.rows() if kind == mode)


def _cell(found: Record | None, own: Record | None, figure: Figure) -> str:
    """A figure, marked where it is better than Kindred's as both are shown; empty where there is none."""
    if not found or figure.key not in found:
        return "–" if found else ""
    value, text = found[figure.key], figure.shown(found[figure.key])
    if own and found is not own and figure.key in own and text != figure.shown(own[figure.key]):
        better = value > own[figure.key] if figure.more else value < own[figure.key]
        return text + (BETTER if better else "")
    return text


def _by_size(tasks: Mapping[str, Record]) -> str:
    lines: list[list[str]] = []
    for mode in MODES:
        for row in _rows(mode):
            cells = []
            for task in tasks.values():
                found, own = task["rows"].get(row), _compared(row, mode, task["rows"])
                both = [_cell(found, own, figure) for figure in (MEDIAN, NDCG)]
                cells.append(both[0] if both[0] in ("", "–") else " · ".join(both))
            if any(cells):
                lines.append([_bold(cell, row == _own(mode)) for cell in (_named(row, mode), *cells)])
    return table(["", *(_heading(name, task["about"]) for name, task in tasks.items())], lines)


def _all_figures(rows: Record) -> str:
    lines = []
    for mode in MODES:
        for row in _rows(mode):
            if rows.get(row):
                cells = [_cell(rows[row], _compared(row, mode, rows), figure) for figure in FIGURES]
                lines.append([_bold(cell, row == _own(mode)) for cell in (_named(row, mode), *cells)])
    return table(["", *(figure.title for figure in FIGURES)], lines)


def _compared(row: str, mode: Mode, rows: Record) -> Record | None:
    """The figures that a row's are marked against: Kindred's of the same kind; none for a part of Kindred."""
    return None if row in (name for name, _ in LEG.rows()) else rows.get(_own(mode))


def _named(row: str, mode: Mode) -> str:
    return row if row.endswith(mode) else f"{row}, {mode}"


def _how(record: Record) -> str:
    machine = record["machine"]
    lines = [
        f"{machine['cores']} cores ({machine['processor']}), Python {machine['python']}; ten hits a query.",
        f"Searching has one core and one thread in every library; after a warm-up each query is asked {ROUNDS} times "
        "and its least time counts, with the encoding of the query and, for Kindred, corrected spelling and marked "
        "passages; the leg alone does what engines for words do, and nothing else.",
        f"Cold is a new process from its start to its first answer, the median of {COLD_ROUNDS}, with the files in the "
        "system's cache.",
        "Indexing may use all cores; the vectors are made once and given to all, and their time is not counted.",
        "The indexes of Kindred and LanceDB hold vectors whichever way they are asked, Kindred's up to 20,000 notes "
        "token vectors as well.",
        "Memory is the most that the process held at once, pages of mapped files included; when it indexes, the most "
        "of one child process is added.",
    ]
    rates: Sequence[tuple[str, Record]] = list(record.get("encoding", {}).items())
    if rates:
        stated = " and ".join(f"{rate['texts a second']:.0f} by {name}" for name, rate in rates)
        lines.append(f"Texts encoded in a second on all cores: {stated}.")
    made = any("made" in task["about"]["relevance"] for task in record["tasks"].values())
    if made:
        lines.append(
            "Queries of sizes above the owner's are made from words of a note, which is their one answer; "
            "such queries favour words over meaning."
        )
    return "\n".join(lines)


def _bold(text: str, bold: bool) -> str:
    return f"**{text}**" if bold and text else text
