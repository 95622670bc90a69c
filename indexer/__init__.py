"""Notes in, generation out: the indexer owns every byte on disk and knows nothing of queries.

This is its only door: ``search`` imports from here and from nowhere below.
"""

from typing import TYPE_CHECKING, Any

from indexer.analysis import Analyser, Token, fold, tag_term
from indexer.bert import Vectors
from indexer.blas import one_blas_thread
from indexer.calibration import BEST, support
from indexer.encoders import load_encoder, prepare
from indexer.errors import (
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
from indexer.grams import grams
from indexer.impacts import Bm25, Impacts, Scores
from indexer.late import WeightedTokens
from indexer.manifest import Manifest
from indexer.notes import Note, slug
from indexer.pairs import evenly_spread
from indexer.previous import open_previous
from indexer.protocols import DEFAULT_ENCODER, Encoder, EncoderInfo, TokenEncoder
from indexer.soundness import damage_in, problems
from indexer.store import Index, open_index
from indexer.vectors import Rows, nearest, products
from indexer.words import Words, letter_set

if TYPE_CHECKING:
    from indexer.build import BuildReport, build_index
    from indexer.coverage import lacking
    from indexer.freshness import Freshness, NoteChanges, recorded_inputs, usual_inputs
    from indexer.watch import when_changed

__all__ = [
    "BEST",
    "DEFAULT_ENCODER",
    "Analyser",
    "Bm25",
    "BuildReport",
    "Encoder",
    "EncoderError",
    "EncoderInfo",
    "EncoderMismatchError",
    "EncoderMissingError",
    "Freshness",
    "Impacts",
    "Index",
    "IndexCorruptError",
    "IndexLockedError",
    "IndexNotFoundError",
    "IndexStateError",
    "IndexVersionError",
    "IndexWriteError",
    "JudgementError",
    "KindredError",
    "Manifest",
    "Note",
    "NoteChanges",
    "NoteNotFoundError",
    "QueryError",
    "Rows",
    "Scores",
    "SiteError",
    "SourceError",
    "SparkError",
    "Token",
    "TokenEncoder",
    "Vectors",
    "WeightedTokens",
    "Words",
    "build_index",
    "damage_in",
    "evenly_spread",
    "fold",
    "grams",
    "lacking",
    "letter_set",
    "load_encoder",
    "nearest",
    "one_blas_thread",
    "open_index",
    "open_previous",
    "prepare",
    "problems",
    "products",
    "recorded_inputs",
    "replace_text",
    "slug",
    "support",
    "tag_term",
    "usual_inputs",
    "when_changed",
]


def __getattr__(name: str) -> Any:
    """Building, with its readers and its lock, is imported when it is first asked for: a search needs none of it."""
    if name in ("BuildReport", "build_index"):
        from indexer import build

        return getattr(build, name)
    if name in ("Freshness", "NoteChanges", "recorded_inputs", "usual_inputs"):
        from indexer import freshness

        return getattr(freshness, name)
    if name == "lacking":
        from indexer import coverage

        return coverage.lacking
    if name == "when_changed":
        from indexer import watch

        return watch.when_changed
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
