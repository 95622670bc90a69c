"""This module says what an encoder is to the rest: what it gives, and what an index remembers of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from indexer.bert import Vectors

DEFAULT_ENCODER = "all-MiniLM-L6-v2"  # the one that comes with the installation


class TextStates(NamedTuple):
    """One text encoded: its unit vector, its token vectors, and which word piece each of them stands for."""

    vector: Vectors  # float32 [dim]
    tokens: Vectors  # float32 [n_tokens, dim]
    pieces: npt.NDArray[np.int32]  # [n_tokens] numbers from 0


Progress = Callable[[int], None]  # called with the number of texts done since the last call


@dataclass(frozen=True, slots=True)
class EncoderInfo:
    """What an index must remember of its encoder.

    ``fingerprint`` is a SHA-256 over everything that shapes a vector; ``untuned`` is the one without an adapter, ""
    where there is none.  ``stamp`` is size and modification time (ns) of the weights file when ``weights_sha256`` was
    taken: while it holds, a search need not hash 90 MB again.
    """

    name: str
    runtime: Literal["numpy", "sentence-transformers", "custom"]
    fingerprint: str
    dim: int
    weights_sha256: str = ""
    stamp: tuple[int, int] | None = None
    untuned: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self)

    def plain(self) -> EncoderInfo:
        """The same encoder without its adapter."""
        return replace(self, fingerprint=self.untuned, untuned="") if self.untuned else self

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> EncoderInfo:
        """The inverse of ``as_dict``."""
        stamp = record.get("stamp")
        return cls(**{**record, "stamp": tuple(stamp) if stamp else None})


class Encoder(Protocol):
    """Text -> unit vectors.  Equal texts give equal bits, whatever else is encoded beside them."""

    @property
    def info(self) -> EncoderInfo:
        """What the index remembers of this encoder."""
        ...

    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """Unit rows, float32 [len(texts), dim], in the order of ``texts``."""
        ...

    def encode_query(self, text: str) -> Vectors:
        """A unit vector, float32 [dim]."""
        ...


@runtime_checkable
class TokenEncoder(Encoder, Protocol):
    """An encoder that can also give a vector a word piece, from the same pass; punctuation is left out."""

    def encode_document_tokens(self, texts: Sequence[str], progress: Progress | None = None) -> Iterator[TextStates]:
        """Each text in order."""
        ...

    def encode_query_tokens(self, text: str) -> TextStates:
        """A query; its ``vector`` equals ``encode_query``."""
        ...

    def words(self) -> list[str]:
        """The words that it knows as a whole, sorted: the most frequent ones of its language."""
        ...

    def spell(self, pieces: npt.NDArray[np.int32]) -> list[str]:
        """Word pieces as they are written, in the order given; "##" begins one that continues the word before."""
        ...
