"""This module compares queries with every note of a collection token by token, a few notes at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.formulas import at_8_bits, max_similarity, principal_axes, unit_rows
from indexer import Rows, Scores, TokenEncoder, Vectors

# Products of a query's token with a note's that are held at once: 160 MB.
_PRODUCTS = 40_000_000
_LEAST_TOKENS = 2_000  # of notes at once, however many queries there are


def late_scores(
    encoder: TokenEncoder, notes: Sequence[str], queries: Sequence[str], sizes: Sequence[int | None], cache: Path
) -> list[Scores]:
    """Late interaction of every query with every note, float32 [n_queries, n_notes] for each of ``sizes``.

    Tokens are the encoder's last hidden states without punctuation, minus the notes' mean token, as unit rows.  A
    size is the number of principal axes (of the notes' tokens) that are kept, at 8 bits; None keeps the tokens as
    they are.  Scores are kept in ``cache`` under a hash of encoder, texts and size.
    """
    paths = [cache / f"{_key(encoder, notes, queries, size)}.npy" for size in sizes]
    missing = [place for place, path in enumerate(paths) if not path.is_file()]
    if missing:
        cache.mkdir(parents=True, exist_ok=True)
        for place, scores in zip(
            missing, _score(encoder, notes, queries, [sizes[place] for place in missing]), strict=True
        ):
            np.save(paths[place], scores, allow_pickle=False)
    return [np.load(path, allow_pickle=False) for path in paths]


def _score(
    encoder: TokenEncoder, notes: Sequence[str], queries: Sequence[str], sizes: Sequence[int | None]
) -> list[Scores]:
    mean, axes = _statistics(encoder, notes)
    asked = [encoder.encode_query_tokens(text).tokens for text in queries]
    query_sizes = np.array([len(tokens) for tokens in asked], dtype=np.int64)
    centred_queries = np.concatenate(asked) - mean
    bases = [None if size is None else axes[:, :size] for size in sizes]
    query_tokens = [unit_rows(centred_queries if basis is None else centred_queries @ basis) for basis in bases]
    scores = [np.zeros((len(queries), len(notes)), dtype=np.float32) for _ in sizes]
    begin = 0
    for tokens, note_sizes in _blocks(encoder, notes, max(_PRODUCTS // max(len(centred_queries), 1), _LEAST_TOKENS)):
        end = begin + len(note_sizes)
        centred = tokens - mean
        for basis, prepared, table in zip(bases, query_tokens, scores, strict=True):
            kept = unit_rows(centred) if basis is None else at_8_bits(unit_rows(centred @ basis))
            table[:, begin:end] = max_similarity(prepared, query_sizes, kept, note_sizes)
        begin = end
    return scores


def _statistics(encoder: TokenEncoder, notes: Sequence[str]) -> tuple[Vectors, Vectors]:
    """The mean token of the notes, float32 [dim], and their principal axes as columns, float32 [dim, dim]."""
    dim = encoder.info.dim
    total, products, count = np.zeros(dim), np.zeros((dim, dim)), 0
    for tokens, _ in _blocks(encoder, notes, _LEAST_TOKENS):
        total += tokens.sum(axis=0, dtype=np.float64)
        products += tokens.T @ tokens
        count += len(tokens)
    mean = total / max(count, 1)
    return mean.astype(np.float32), principal_axes(products / max(count, 1) - np.outer(mean, mean), dim)


def _blocks(encoder: TokenEncoder, notes: Sequence[str], least: int) -> Iterator[tuple[Vectors, Rows]]:
    """The notes' tokens, end to end, with how many each note has; at least so many tokens at a time, but the last."""
    held: list[Vectors] = []
    for states in encoder.encode_document_tokens(notes):
        held.append(states.tokens)
        if sum(map(len, held)) >= least:
            yield np.concatenate(held), _sizes(held)
            held = []
    if held:
        yield np.concatenate(held), _sizes(held)


def _sizes(parts: Iterable[Vectors]) -> Rows:
    return np.array([len(part) for part in parts], dtype=np.int64)


def _key(encoder: TokenEncoder, notes: Sequence[str], queries: Sequence[str], size: int | None) -> str:
    digest = hashlib.sha256(repr((encoder.info.fingerprint, size, len(notes), len(queries))).encode())
    for text in (*notes, *queries):
        digest.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    return digest.hexdigest()[:32]
