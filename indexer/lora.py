"""This module trains an adapter with torch: each title learns to find its own description among others.

The loss is contrastive within a batch, both ways, on the two scores that a search uses: the cosine of whole texts, and
late interaction of their tokens (``indexer.late``).  Nothing here runs when an index is searched.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from indexer.adapters import Adapter
from indexer.bert import BertModel
from indexer.blas import one_blas_thread
from indexer.errors import EncoderMissingError
from indexer.torch_bert import Layout, UpperLayers, lay_out

if TYPE_CHECKING:
    from torch import Tensor

EPOCHS = 10
_RANK = 8
_SCALE = 2.0  # what the product of the factors counts (alpha / rank)
# The share of the change that is kept: half-way between the weights of before and after, what was learned is mostly
# kept and what the encoder knew before hardly lost (WiSE-FT, Wortsman et al. 2022, https://arxiv.org/abs/2109.01903).
_KEPT_SHARE = 0.5
_PARTS = ("query", "value")
_LEARNING_RATE = 1e-3
_BATCH = 32
_WARM_UP = 0.1  # share of the steps over which the learning rate rises; it falls in a straight line afterwards
# One over the temperatures of the two losses.
_POOLED_SHARPNESS, _TOKENS_SHARPNESS = 20.0, 30.0
# What it costs to leave the vectors that the encoder gave before.  Without it keyword and misspelt queries, which no
# title resembles, lose what questions gain: judged notes 0.676 at 0 and 0.687 at 2
# (6 epochs), 0.695 to 0.697 at 5 and 0.697 to 0.698 at 10 (10 epochs, all of the change).
_KEEP = 5.0
_MAX_TOKENS = 128  # longer texts are cut while training: they cost much and teach little more
_NORM = 1.0  # gradients are clipped to it


@dataclass(frozen=True, slots=True)
class Pieces:
    """A text as word pieces: their numbers, and which of them stand for letters or digits."""

    ids: list[int]
    spelled: list[bool]

    @classmethod
    def of(cls, model: BertModel, text: str) -> Pieces:
        """The text's first word pieces and [SEP]."""
        ids, spelled = model.word_pieces(text)
        if len(ids) > _MAX_TOKENS:
            ids, spelled = [*ids[: _MAX_TOKENS - 1], ids[-1]], [*spelled[: _MAX_TOKENS - 1], spelled[-1]]
        return cls(ids, spelled)


@dataclass(frozen=True, slots=True)
class _Side:
    """One side of every pair: what the learning layers read, and what the losses need beside it."""

    states: list[Tensor]  # float32 [n_tokens, dim] of each text, below the first layer that learns
    weights: list[Tensor]  # float32 [n_tokens] of each text: rarity of spelled word pieces, 0 for the others
    kept: Tensor  # float32 [n_texts, dim] unit vectors before any learning


class Trainer:
    """Learns adapters for one model from pairs of a query and the passage that answers it.

    ``rarity`` is the weight of each word piece, float32; of those beyond its end, that of its greatest.  The upper half
    of the layers learns.  Raises EncoderMissingError where torch is not installed.
    """

    def __init__(
        self, model: BertModel, pairs: Sequence[tuple[Pieces, Pieces]], rarity: npt.NDArray[np.float32]
    ) -> None:
        try:
            import torch  # noqa: F401 - whether it is here is the question
        except ImportError as error:
            raise EncoderMissingError(
                "tuning needs torch; type: pip install 'sentence-transformers>=6', or build without --tune"
            ) from error
        self._pooling = model.checkpoint.pooling
        self._dim = model.dim
        self._first = model.checkpoint.layers // 2
        self._names = [
            f"encoder.layer.{layer}.attention.self.{part}.weight"
            for layer in range(self._first, model.checkpoint.layers)
            for part in _PARTS
        ]
        self._layers = UpperLayers(model, self._first)
        with _one_order_of_summation():
            self._queries = self._side(model, [query for query, _ in pairs], rarity)
            self._passages = self._side(model, [passage for _, passage in pairs], rarity)

    def train(self, rows: Sequence[int], seed: int, epochs: int, follow: Callable[[int], None]) -> Adapter:
        """An adapter learned from the pairs in ``rows``, at half its strength; equal seeds give equal bytes on one
        machine.

        ``follow`` is told after each epoch how many are done.
        """
        import torch

        batches = max(len(rows) // _BATCH, 1)
        total = epochs * batches
        chance = random.Random(seed)  # noqa: S311 - an order of training, not a secret
        factors = self._start(seed)
        learned = [factor for pair in factors.values() for factor in pair]
        optimiser = torch.optim.AdamW(learned, lr=_LEARNING_RATE)
        step = 0
        with _one_order_of_summation():
            for epoch in range(epochs):
                order = list(rows)
                chance.shuffle(order)
                for begin in range(0, batches * _BATCH, _BATCH):
                    for group in optimiser.param_groups:
                        group["lr"] = _LEARNING_RATE * _schedule(step, total)
                    optimiser.zero_grad()
                    self._loss(order[begin : begin + _BATCH], factors).backward()  # type: ignore[no-untyped-call]
                    torch.nn.utils.clip_grad_norm_(learned, _NORM)
                    optimiser.step()
                    step += 1
                follow(epoch + 1)
        return Adapter(
            {name: np.float32(_SCALE * _KEPT_SHARE) * up.detach().numpy() for name, (up, _) in factors.items()},
            {name: down.detach().numpy() for name, (_, down) in factors.items()},
        )

    def _start(self, seed: int) -> dict[str, tuple[Tensor, Tensor]]:
        """Factors whose product is 0: up is 0, down uniform with the bound of Kaiming He, as in LoRA."""
        import torch

        generator = np.random.default_rng(seed)
        bound = 1 / math.sqrt(self._dim)
        factors = {}
        for name in self._names:
            down = generator.uniform(-bound, bound, (_RANK, self._dim)).astype(np.float32)
            up = torch.zeros(self._dim, _RANK, requires_grad=True)
            factors[name] = (up, torch.from_numpy(down).requires_grad_())
        return factors

    def _side(self, model: BertModel, texts: Sequence[Pieces], rarity: npt.NDArray[np.float32]) -> _Side:
        import torch

        with one_blas_thread():
            states = [torch.from_numpy(model.states(text.ids, self._first)) for text in texts]
        weights = []
        for text in texts:
            known = rarity[np.minimum(text.ids, len(rarity) - 1)]
            weights.append(torch.from_numpy(np.where(text.spelled, known, 0).astype(np.float32)))
        kept = torch.zeros(len(texts), self._dim)
        with torch.no_grad():
            for begin in range(0, len(texts), _BATCH):
                part = states[begin : begin + _BATCH]
                layout = lay_out([len(text) for text in part])
                kept[begin : begin + _BATCH] = self._pooled(self._layers.run(torch.cat(part), layout, {}), layout)
        return _Side(states, weights, kept)

    def _loss(self, rows: Sequence[int], factors: dict[str, tuple[Tensor, Tensor]]) -> Tensor:
        """The mean of both contrastive losses, and what it costs to move away from the vectors before."""
        import torch
        from torch.nn.functional import normalize

        queries, query_layout, query_weights = self._run(self._queries, rows, factors)
        passages, passage_layout, passage_weights = self._run(self._passages, rows, factors)
        query_vectors = self._pooled(queries, query_layout)
        passage_vectors = self._pooled(passages, passage_layout)
        loss = _contrast(_POOLED_SHARPNESS * query_vectors @ passage_vectors.T)

        spelled = passage_weights > 0
        mean = passages.detach()[spelled].mean(dim=0)
        query_tokens = query_layout.side_by_side(normalize(queries - mean, dim=1))
        passage_tokens = passage_layout.side_by_side(normalize(passages - mean, dim=1))
        shares = query_layout.side_by_side(query_weights) * query_layout.present
        shares = shares / shares.sum(dim=1, keepdim=True).clamp_min(1e-6)
        hidden = ~(passage_layout.side_by_side(spelled) & passage_layout.present)
        cosines = torch.einsum("qid,pjd->qpij", query_tokens, passage_tokens)
        best = cosines.masked_fill(hidden[None, :, None, :], -1).amax(dim=3)  # [queries, passages, query's tokens]
        loss = loss + _contrast(_TOKENS_SHARPNESS * (best * shares[:, None, :]).sum(dim=2))

        moved = 2 - (query_vectors * self._queries.kept[rows]).sum(dim=1)
        moved = moved - (passage_vectors * self._passages.kept[rows]).sum(dim=1)
        return loss + _KEEP * moved.mean()

    def _run(
        self, side: _Side, rows: Sequence[int], factors: dict[str, tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, Layout, Tensor]:
        """Last hidden states of some texts, packed, with their layout and the weights of their tokens."""
        import torch

        states = [side.states[row] for row in rows]
        layout = lay_out([len(text) for text in states])
        return (
            self._layers.run(
                torch.cat(states), layout, {name: (_SCALE * up, down) for name, (up, down) in factors.items()}
            ),
            layout,
            torch.cat([side.weights[row] for row in rows]),
        )

    def _pooled(self, states: Tensor, layout: Layout) -> Tensor:
        """Unit vectors of whole texts, float32 [n_texts, dim], as ``BertModel.pool`` gives them."""
        from torch.nn.functional import normalize

        beside = layout.side_by_side(states)
        if self._pooling == "cls":
            return normalize(beside[:, 0], dim=1)
        return normalize((beside * layout.present[:, :, None]).sum(dim=1), dim=1)


def _contrast(scores: Tensor) -> Tensor:
    """Cross entropy of the diagonal over rows and over columns (in-batch negatives both ways), their mean."""
    import torch
    from torch.nn.functional import cross_entropy

    own = torch.arange(len(scores))
    return (cross_entropy(scores, own) + cross_entropy(scores.T, own)) / 2


def _schedule(step: int, total: int) -> float:
    """The share of the learning rate at ``step``: rises to 1 over the warm-up, then falls in a straight line to 0."""
    warm = max(round(_WARM_UP * total), 1)
    return (step + 1) / warm if step < warm else (total - step) / max(total - warm, 1)


@contextmanager
def _one_order_of_summation() -> Iterator[None]:
    """Equal inputs give equal bits: one thread, and no kernel that adds in the order of arrival.

    A second thread gains little on matrices of this size, and costs five times the time while another process holds the
    other core.
    """
    import torch

    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(strict)
        torch.set_num_threads(threads)
