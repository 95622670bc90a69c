"""This module remembers what an encoder gave for the last queries: encoding is most of the time of a search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from indexer import Encoder, EncoderInfo, TokenEncoder, Vectors

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# Queries that are remembered, the last ones asked: 10 MB of token vectors where each has ten words.
_REMEMBERED = 512


def remembering(encoder: Encoder) -> Encoder:
    """``encoder`` with a memory for queries; equal texts give the very same arrays, which nobody may change."""
    return _RememberingTokens(encoder) if isinstance(encoder, TokenEncoder) else _Remembering(encoder)


class _Remembering:
    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._query = lru_cache(_REMEMBERED)(encoder.encode_query)

    @property
    def info(self) -> EncoderInfo:
        return self._encoder.info

    def encode_documents(self, texts: Sequence[str], progress: Any = None) -> Vectors:
        return self._encoder.encode_documents(texts, progress)

    def encode_query(self, text: str) -> Vectors:
        return self._query(text)


class _RememberingTokens(_Remembering):
    def __init__(self, encoder: TokenEncoder) -> None:
        super().__init__(encoder)
        self._tokens = encoder
        self._states = lru_cache(_REMEMBERED)(encoder.encode_query_tokens)

    def encode_document_tokens(self, texts: Sequence[str], progress: Any = None) -> Iterator[Any]:
        return self._tokens.encode_document_tokens(texts, progress)

    def encode_query_tokens(self, text: str) -> Any:
        return self._states(text)

    def words(self) -> list[str]:
        return self._tokens.words()

    def spell(self, pieces: npt.NDArray[np.int32]) -> list[str]:
        return self._tokens.spell(pieces)
