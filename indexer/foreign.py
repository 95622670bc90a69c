"""This module runs any model through sentence-transformers: what is no BERT, or is not as numpy would have it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from indexer.bert import Vectors
from indexer.errors import EncoderMissingError
from indexer.protocols import DEFAULT_ENCODER, EncoderInfo, Progress


class SentenceTransformersEncoder:
    """Any sentence-transformers model, with its own query and document prompts and its own maximum length.

    ``device`` is torch's name for where it runs, None for torch's choice; ``fetch`` whether it may come from the hub.
    """

    def __init__(self, name: str, device: str | None = None, fetch: bool = True) -> None:
        self._model = _load_sentence_transformer(name, device, fetch)
        dim = int(self._model.encode_query("x").shape[0])
        self.info = EncoderInfo(name, "sentence-transformers", _fingerprint_of_model(self._model), dim)

    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """See ``Encoder``.  Texts run in batches, so a vector may differ by 1e-7 from one that was encoded alone."""
        chunk = 256  # texts between two reports of progress
        rows = np.empty((len(texts), self.info.dim), dtype=np.float32)
        for begin in range(0, len(texts), chunk):
            part = list(texts[begin : begin + chunk])
            rows[begin : begin + len(part)] = self._model.encode_document(
                part, normalize_embeddings=True, show_progress_bar=False
            )
            if progress:
                progress(len(part))
        return rows

    def encode_query(self, text: str) -> Vectors:
        """See ``Encoder``."""
        vector: Vectors = self._model.encode_query(text, normalize_embeddings=True, show_progress_bar=False)
        return vector


def _load_sentence_transformer(name: str, device: str | None, fetch: bool) -> Any:
    try:
        from sentence_transformers import SentenceTransformer  # from 6.0 on it runs no code of a model's folder
    except ImportError as error:
        raise EncoderMissingError(
            f"the encoder {name} needs sentence-transformers; type: pip install 'sentence-transformers>=6'"
        ) from error
    try:
        return SentenceTransformer(name, device=device, local_files_only=not fetch)
    except (OSError, ValueError, RuntimeError) as error:
        # What the library raises for a name that is neither a folder nor reachable, or files that are no model.
        raise EncoderMissingError(missing(name)) from error


def missing(name: str) -> str:
    """The message for an encoder that cannot be had."""
    return (
        f"the encoder {name} is neither a sentence-transformers folder nor in this machine's model cache, and could "
        f"not be fetched; name a folder, or leave --encoder out to use {DEFAULT_ENCODER}"
    )


def _fingerprint_of_model(model: Any) -> str:
    """SHA-256 over every weight, the prompts and the maximum length of a SentenceTransformer."""
    digest = hashlib.sha256(repr((sorted(model.prompts.items()), model.max_seq_length)).encode())
    for key, tensor in sorted(model.state_dict().items()):
        digest.update(key.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
