"""Notes in, generation out: the indexer owns every byte on disk and knows nothing of queries.

This is its only door: ``search`` imports from here and from nowhere below.
"""

from typing import TYPE_CHECKING, Any

from indexer.analysis import Analyser, Token, fold, tag_term
from indexer.bert import Vectors
from indexer.blas import one_blas_thread
from indexer.calibration import BEST, support
from indexer.demands import AllOf, AnyOf, Begins, Demand, InTopic, Leaf, Near, Run, Without
from indexer.encoders import load_encoder, prepare
from indexer.errors import (
    ClusterError,
    EncoderError,
    EncoderMismatchError,
    EncoderMissingError,
    IndexCorruptError,
    IndexLockedError,
    IndexNotFoundError,
    IndexStateError,
    IndexVersionError,
    IndexWriteError,
    JudgementError,
    KindredError,
    NoteNotFoundError,
    QueryError,
    SiteError,
    SourceError,
    SparkError,
)
from indexer.files import replace_text
from indexer.home import NEAREST, Allowed, Home, Hubness, Leg, mean_of_nearest
from indexer.impacts import Bm25, Impacts, Scores
from indexer.late import WeightedTokens
from indexer.manifest import Manifest
from indexer.notes import Note, slug
from indexer.pairs import evenly_spread
from indexer.places import build_at, changes_on_disk, examined, inputs_of, open_home, own_folder, place_of
from indexer.previous import open_previous
from indexer.protocols import DEFAULT_ENCODER, Encoder, EncoderInfo, TokenEncoder
from indexer.store import Index, open_index
from indexer.vectors import Rows
from indexer.words import Words, letter_set

if TYPE_CHECKING:
    from indexer.build import BuildReport, build_index
    from indexer.cluster.address import Address
    from indexer.extras import pip_line
    from indexer.freshness import Freshness, NoteChanges, recorded_inputs
    from indexer.places import Changes, Place
    from indexer.watch import when_changed

__all__ = [
    "BEST",
    "DEFAULT_ENCODER",
    "NEAREST",
    "Address",
    "AllOf",
    "Allowed",
    "Analyser",
    "AnyOf",
    "Begins",
    "Bm25",
    "BuildReport",
    "Changes",
    "ClusterError",
    "Demand",
    "Encoder",
    "EncoderError",
    "EncoderInfo",
    "EncoderMismatchError",
    "EncoderMissingError",
    "Freshness",
    "Home",
    "Hubness",
    "Impacts",
    "InTopic",
    "Index",
    "IndexCorruptError",
    "IndexLockedError",
    "IndexNotFoundError",
    "IndexStateError",
    "IndexVersionError",
    "IndexWriteError",
    "JudgementError",
    "KindredError",
    "Leaf",
    "Leg",
    "Manifest",
    "Near",
    "Note",
    "NoteChanges",
    "NoteNotFoundError",
    "Place",
    "QueryError",
    "Rows",
    "Run",
    "Scores",
    "SiteError",
    "SourceError",
    "SparkError",
    "Token",
    "TokenEncoder",
    "Vectors",
    "WeightedTokens",
    "Without",
    "Words",
    "build_at",
    "build_index",
    "changes_on_disk",
    "evenly_spread",
    "examined",
    "fold",
    "inputs_of",
    "letter_set",
    "load_encoder",
    "mean_of_nearest",
    "one_blas_thread",
    "open_home",
    "open_index",
    "open_previous",
    "own_folder",
    "pip_line",
    "place_of",
    "prepare",
    "recorded_inputs",
    "replace_text",
    "slug",
    "support",
    "tag_term",
    "when_changed",
]


def __getattr__(name: str) -> Any:
    """Building, with its readers and its lock, is imported when it is first asked for: a search needs none of it."""
    if name in ("BuildReport", "build_index"):
        from indexer import build

        return getattr(build, name)
    if name in ("Freshness", "NoteChanges", "recorded_inputs"):
        from indexer import freshness

        return getattr(freshness, name)
    if name == "Address":
        from indexer.cluster import address

        return address.Address
    if name == "pip_line":
        from indexer import extras

        return extras.pip_line
    if name == "when_changed":
        from indexer import watch

        return watch.when_changed
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
