"""This module opens, builds and examines an index wherever it is said to be: in a folder, or on an engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from indexer.errors import IndexCorruptError
from indexer.home import Home, Hubness
from indexer.store import Index, open_index

if TYPE_CHECKING:
    from typing import TypeAlias

    from indexer.build import BuildReport
    from indexer.cluster.address import Address
    from indexer.freshness import NoteChanges

    Place: TypeAlias = Path | Address

_SCHEME = "milvus+"  # what an address begins with, and no folder does


class Changes(Protocol):
    """Says how the notes on disk differ from those in an index."""

    def changes(self) -> NoteChanges:
        """What changed since the index was built.  Raises SourceError when the notes cannot be read now."""
        ...


@dataclass(frozen=True, slots=True)
class Examined:
    """What a thorough look at an index found; ``index`` is None where it cannot be opened."""

    index: Home | None
    problems: list[str]  # what is wrong, a sentence each
    not_by_words: list[str]  # the ids of the notes that the words lack
    not_by_meaning: list[str]


def place_of(text: str) -> Place:
    """What a person means by ``text``: an address where it begins like one, else a folder.

    Raises ClusterError for an address that cannot be read.
    """
    if not text.startswith(_SCHEME):
        return Path(text)
    from indexer.cluster.address import Address  # here, like the rest of it: a search in a folder needs none

    return Address.parse(text)


def open_home(place: str | Place) -> Home:
    """The newest generation of the index in a folder, or at an address ("milvus+http://host:port/name").

    Raises what ``open_index`` raises, and of an engine ClusterError.
    """
    found = place_of(place) if isinstance(place, str) else place
    if isinstance(found, Path):
        return open_index(found)
    from indexer.cluster.remote import open_remote

    return open_remote(found)


def own_folder(place: Place) -> Path:
    """The folder on this machine that goes with an index: itself, or where what an engine holds is prepared."""
    return place if isinstance(place, Path) else place.cache


def build_at(
    paths: Sequence[Path],
    place: Place,
    hubs: Callable[[Index, Callable[[str, int, int], None]], Hubness],
    **options: Any,
) -> BuildReport:
    """Index the notes in ``paths`` into a folder, or onto an engine; ``options`` and errors are those of
    ``build_index``.  ``hubs`` finds what each note is to every note, for homes that keep it."""
    if isinstance(place, Path):
        from indexer.build import build_index

        return build_index(paths, place, **options)
    from indexer.cluster.build import build_on

    return build_on(paths, place, hubs=hubs, **options)


def inputs_of(place: Place) -> list[Path]:
    """What is read where no path is named; see ``indexer.freshness.usual_inputs``."""
    from indexer.freshness import usual_inputs

    return usual_inputs(place if isinstance(place, Path) else place.workshop)


def changes_on_disk(index: Home) -> Changes:
    """Says how the notes that an index was built from differ now; what it read is remembered."""
    if isinstance(index, Index):
        from indexer.freshness import Freshness

        return Freshness(index)
    from indexer.cluster.sources import changes_of

    return changes_of(index)


def examined(place: Place) -> Examined:
    """A thorough look: reads every byte.  Raises IndexNotFoundError or IndexVersionError, and of an engine
    ClusterError."""
    from indexer.soundness import damage_in, problems

    if not isinstance(place, Path):
        from indexer.cluster.check import looked_through

        return Examined(*looked_through(place))
    try:
        index = open_index(place)
        found = problems(index)
    except IndexCorruptError as error:
        return Examined(None, damage_in(place) or [error.problem], [], [])
    except FileNotFoundError:  # newer generations were published meanwhile, and this one went
        return examined(place)
    from indexer.coverage import lacking

    return Examined(index, found, *lacking(index))
