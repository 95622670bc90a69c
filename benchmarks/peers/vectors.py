"""This module gets the vectors that all systems are given: from a file, from the cache, or by encoding."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.encodings import CachedEncoder
from benchmarks.peers.given import ENCODINGS
from indexer import TokenEncoder, Vectors, load_encoder
from indexer.late import LATE_LIMIT

_CHUNK = 1_000  # texts between two savings
_SHARES = np.array([1.0, 0.5, 0.5], dtype=np.float32)  # of the three notes that a recombined one comes from
_NOISE = 0.02  # a component; over 384 of them about a quarter of the length of the sum


def given_vectors(path: Path, count: int) -> Vectors:
    """The first ``count`` rows of a file, float32 or float16 [n, dim], as float32 unit rows.

    Raises ValueError where it holds fewer.
    """
    rows = np.load(path, mmap_mode="r")
    if len(rows) < count:
        raise ValueError(f"{path} holds {len(rows):,} vectors, and {count:,} are needed")
    return _unit(np.asarray(rows[:count], dtype=np.float32))


def encoded_vectors(texts: Sequence[str], cache: Path) -> Vectors:
    """The default encoder's vectors of ``texts``, float32 [len(texts), dim].

    They are kept in ``cache``, every thousand of them, so that a run that was stopped goes on where it was; with them,
    where Kindred will want them, the token vectors, which come from the same pass.  Says how long it will take.
    """
    encoder = load_encoder()
    tokens = encoder if isinstance(encoder, TokenEncoder) and len(texts) <= LATE_LIMIT else None
    digest = hashlib.sha256(encoder.info.fingerprint.encode())
    for text in texts:
        digest.update(text.encode() + b"\0")
    folder = cache / digest.hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    parts: list[Vectors] = []
    encoded = 0
    begun = time.perf_counter()
    for begin in range(0, len(texts), _CHUNK):
        path = folder / f"{begin:07d}.npy"
        chunk = texts[begin : begin + _CHUNK]
        if not path.is_file():
            part = folder / "part.npy"
            if tokens is not None:
                cached = CachedEncoder(tokens, cache.parent / ENCODINGS)
                np.save(part, np.array([states.vector for states in cached.encode_document_tokens(chunk)]))
                cached.close()
            else:
                np.save(part, encoder.encode_documents(chunk))
            part.replace(path)
            encoded += len(chunk)
            left = (len(texts) - begin - len(chunk)) * (time.perf_counter() - begun) / encoded
            print(f"encoded {begin + len(chunk):,} of {len(texts):,} texts, about {left / 60:.0f} min left", flush=True)
        parts.append(np.load(path))
    return np.concatenate(parts) if parts else np.empty((0, encoder.info.dim), dtype=np.float32)


def recombined_vectors(base: Vectors, parents: npt.NDArray[np.int64], seed: int = 0) -> Vectors:
    """Vectors near those of the notes that others were made of: unit rows, float32 [len(parents), dim].

    ``parents`` are rows of ``base`` [n, 3].  A row is the sum of its parents', the first counting twice, with noise.
    """
    chance = np.random.default_rng(seed)
    mixture = np.einsum("p,npd->nd", _SHARES, base[parents])
    noise = chance.standard_normal(mixture.shape, dtype=np.float32) * np.float32(_NOISE)
    return _unit(mixture + noise)


def _unit(rows: Vectors) -> Vectors:
    unit: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit
