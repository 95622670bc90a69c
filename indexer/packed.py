"""This module runs texts through a BERT encoder end to end in one matrix, without padding, by compiled layers.

A linear layer's row depends on nothing but the row (``indexer.kernels``), a norm's neither, and attention runs text
by text: so a text's states have equal bits whatever stands beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np

from indexer.bert import BertModel, Vectors, layer_norm
from indexer.kernels import Linear, Shape, host_shape


def packed(model: BertModel) -> PackedBert | None:
    """The encoder compiled for this processor; None where it cannot be, which leaves numpy."""
    shape = host_shape()
    sizes = {model.weights[name].shape[0] for name in model.weights if name.endswith(".dense.weight")}
    return None if shape is None or any(size % shape.width for size in sizes) else PackedBert(model, shape)


class PackedBert:
    """The layers of a ``BertModel`` with weights in the compiled loops' order; safe to share between threads."""

    batch = 2_500  # characters of texts for one call: some 500 tokens, whose states fit a second cache
    device = "cpu"

    def __init__(self, model: BertModel, shape: Shape) -> None:
        self._model = model

        def linear(*names: str, gelu: bool = False) -> Linear:
            weights, biases = ([model.weights[f"{name}.{part}"] for name in names] for part in ("weight", "bias"))
            return Linear(np.concatenate(weights), np.concatenate(biases), shape, gelu)

        self._layers = []
        for layer in range(model.checkpoint.layers):
            prefix = f"encoder.layer.{layer}"
            attention = f"{prefix}.attention"
            self._layers.append(
                (
                    linear(*(f"{attention}.self.{part}" for part in ("query", "key", "value"))),
                    linear(f"{attention}.output.dense"),
                    linear(f"{prefix}.intermediate.dense", gelu=True),
                    linear(f"{prefix}.output.dense"),
                )
            )

    def states(self, texts: Sequence[Sequence[int]]) -> list[Vectors]:
        """The last hidden states of texts, given as the numbers of their word pieces: float32 [n_tokens, dim] each."""
        model, weights, epsilon = self._model, self._model.weights, self._model.checkpoint.epsilon
        bounds = list(accumulate(map(len, texts), initial=0))
        states = np.concatenate([model.embed(ids) for ids in texts])
        for layer, (queries_keys_values, merge, expand, contract) in enumerate(self._layers):
            prefix = f"encoder.layer.{layer}"
            projected = queries_keys_values(states)
            mixed = np.empty_like(states)
            for begin, end in pairwise(bounds):
                attend(projected[begin:end], model.checkpoint.heads, mixed[begin:end])
            attended = merge(mixed)
            attended += states
            states = layer_norm(attended, weights, f"{prefix}.attention.output.LayerNorm", epsilon)
            contracted = contract(expand(states))
            contracted += states
            states = layer_norm(contracted, weights, f"{prefix}.output.LayerNorm", epsilon)
        return [states[begin:end] for begin, end in pairwise(bounds)]


def attend(projected: Vectors, heads: int, mixed: Vectors) -> None:
    """Attention of one text: its queries, keys and values float32 [n_tokens, 3 dim] -> ``mixed`` [n_tokens, dim]."""
    n_tokens, dim = mixed.shape
    by_head = projected.reshape(n_tokens, 3, heads, dim // heads).transpose(1, 2, 0, 3)
    shares = by_head[0] @ by_head[1].transpose(0, 2, 1)
    shares *= np.float32(1 / math.sqrt(dim // heads))
    shares -= shares.max(axis=2, keepdims=True)
    np.exp(shares, out=shares)
    sums = shares.sum(axis=2, keepdims=True)
    values = shares @ by_head[2]
    values /= sums
    mixed.reshape(n_tokens, heads, dim // heads)[:] = values.transpose(1, 0, 2)
