"""This module draws the map: where each note's point lies, and how its topic looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer import evenly_spread
from search.atlas import Label, labels
from search.site.catalogue import Catalogue, Entry

WIDTH = 1000  # units of the drawing; the browser scales it
_MARGIN = 24
_MOST = 3_000  # points; more would hide each other, and their page would be larger than 1 MB
_LONGEST_NAME = 40  # characters of a topic that is named on the map
# Colours repeat after eight topics, and then the shape changes: 32 topics look different, in grey as well as by eight.
COLOURS = 8
# Drawn around 0,0; all of about the same area.
SHAPES = (
    "M-6,0a6,6 0 1,0 12,0a6,6 0 1,0 -12,0Z",
    "M-5.5,-5.5H5.5V5.5H-5.5Z",
    "M0,-7.5L7,5.5H-7Z",
    "M0,-8L8,0L0,8L-8,0Z",
)


@dataclass(frozen=True, slots=True)
class Look:
    """How the points of a topic look: the number of a colour, and a shape as the data of an SVG path."""

    colour: int
    shape: int


@dataclass(frozen=True, slots=True)
class Point:
    """A note on the map, in the units of the drawing."""

    entry: Entry
    x: float
    y: float
    look: Look


@dataclass(frozen=True, slots=True)
class Drawing:
    """The map: its height (its width is ``WIDTH``), a point for every note in the order that the pages list, and the
    names of the topics for which there is room."""

    height: float
    points: Sequence[Point]
    labels: Sequence[Label]


def look_of(topic: int) -> Look:
    """The look of the topic with this number."""
    return Look(topic % COLOURS, topic // COLOURS % len(SHAPES))


def drawing(catalogue: Catalogue, positions: npt.NDArray[np.float32]) -> Drawing:
    """The map of all notes; ``positions`` is float32 [n_notes, 2] in [0, 1]², both axes of one scale.

    Of more than 3,000 notes the points are evenly spread over their order.  The drawing is as high as its points need,
    and at least half as high as it is wide.
    """
    low, scale = positions.min(axis=0), WIDTH - 2 * _MARGIN

    def placed(place: npt.ArrayLike) -> tuple[float, float]:
        x, y = ((np.asarray(place) - low) * scale + _MARGIN).tolist()
        return round(x, 1), round(y, 1)

    height = max(placed(positions.max(axis=0))[1] + _MARGIN, WIDTH / 2)
    listed = [entry for cluster in catalogue.clusters for section in cluster.sections for entry in section.entries]
    shown = [listed[at] for at in evenly_spread(len(listed), _MOST)]
    names = [entry.note.topic if len(entry.note.topic) <= _LONGEST_NAME else "" for entry in catalogue.entries.values()]
    return Drawing(
        height=height,
        points=[Point(entry, *placed(positions[entry.row]), look_of(entry.topic)) for entry in shown],
        labels=[Label(name.text, *placed((name.x, name.y))) for name in labels(positions, names)],
    )
