"""This module draws costs against sizes, both in logarithms, as SVG that is legible on light and on dark pages.

matplotlib is needed by the bench alone; without it nothing is drawn, and that is said.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.peers.roster import KINDRED, MODES, SYSTEMS

INK = "#7d8590"  # contrast 3.8 on white, 5.1 on a black page
OURS = "#2f81f7"
# Of middling lightness, and told apart by marker as well.
_COLOURS = ("#d29922", "#3fb950", "#db61a2", "#a371f7", "#e5534b", "#39a9b5", "#b08968", "#8a9a5b")
_MARKERS = "sD^vPX*h"


class Line(NamedTuple):
    """Costs by size, and how the line looks."""

    name: str
    points: Mapping[int, float]
    ours: bool = False


class Panel(NamedTuple):
    """One diagram."""

    title: str
    unit: str
    lines: Sequence[Line]


def draw_peers(record: Mapping[str, Any], path: Path) -> None:
    """A warm query's median by size, a panel a kind of search."""
    sized = {
        task["about"]["notes"]: task["rows"]
        for task in record["tasks"].values()
        if "public" not in task["about"]["source"]
    }
    panels = []
    for mode in MODES:
        lines = []
        for system in SYSTEMS:
            for row, kind in system.rows():
                found = {
                    size: rows[row]["median seconds"] * 1000 for size, rows in sorted(sized.items()) if _has(rows, row)
                }
                if kind == mode and found:
                    lines.append(Line(system.name, found, system is KINDRED))
        panels.append(Panel(mode, "ms, a warm query's median", lines))
    draw(panels, path)


def _has(rows: Mapping[str, Any], row: str) -> bool:
    return bool(rows.get(row)) and "median seconds" in rows[row]


def _decades(values: Sequence[float], below: float, above: float) -> tuple[float, float]:
    """The powers of ten around all values, with a little room."""
    return below * 10 ** math.floor(math.log10(min(values))), above * 10 ** math.ceil(math.log10(max(values)))


def draw(panels: Sequence[Panel], path: Path, own_legends: bool = False) -> None:
    """Write the panels side by side, with one legend for all or one each.  The same panels give the same bytes."""
    if find_spec("matplotlib") is None:
        print("no plot: matplotlib is not installed; type: pip install matplotlib")
        return
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    matplotlib.rcParams.update(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "kindred",
            "font.family": "sans-serif",
            "font.size": 10,
            **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
        }
    )
    figure, grid = pyplot.subplots(1, len(panels), figsize=(3.7 * len(panels), 4.4), squeeze=False)
    looks: dict[str, tuple[str, str]] = {}
    others = cycle(zip(_COLOURS, _MARKERS, strict=True))
    for axes, panel in zip(grid.flat, panels, strict=True):
        if own_legends:
            looks, others = {}, cycle(zip(_COLOURS, _MARKERS, strict=True))
        for line in panel.lines:
            if line.name not in looks:
                looks[line.name] = (OURS, "o") if line.ours else next(others)
            colour, marker = looks[line.name]
            width, order = (2.6, 3) if line.ours else (1.3, 2)
            axes.plot(
                list(line.points), list(line.points.values()), color=colour, marker=marker, markersize=5,
                linewidth=width, zorder=order, label=line.name,
            )  # fmt: skip
        axes.set(xscale="log", yscale="log", title=panel.title, xlabel="notes", ylabel=panel.unit)
        values = [value for line in panel.lines for value in line.points.values()]
        axes.set_ylim(*_decades(values, 0.9, 1.1))
        axes.set_xlim(*_decades([size for line in panel.lines for size in line.points], 0.8, 1.25))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: f"{value:,g}" if value < 1e5 else f"{value / 1e6:g} M")
        axes.grid(True, which="major", color=INK, alpha=0.25, linewidth=0.6)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        if own_legends:
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), frameon=False, fontsize=9)
    if not own_legends:
        handles = {
            label: handle for axes in grid.flat for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(handles.values(), handles, loc="lower center", ncols=5, frameon=False)
    figure.tight_layout(rect=(0, 0 if own_legends else 0.12, 1, 1))
    figure.savefig(path, transparent=True, metadata={"Date": None})
    pyplot.close(figure)
