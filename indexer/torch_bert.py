"""This module runs a BERT encoder with torch: the upper layers to learn changes of them, all on a graphics card.

The network is that of ``indexer.bert``.  The layers below never change while others learn, so numpy runs each text
through them once; here texts of any length are packed end to end, and only attention sees them side by side.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from indexer.bert import BertModel, Vectors
from indexer.errors import EncoderError

if TYPE_CHECKING:
    from torch import Tensor

Factors = Mapping[str, "tuple[Tensor, Tensor]"]  # weight -> up [n_out, rank], down [rank, n_in]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the tokens of some texts lie: packed end to end [n_tokens], and side by side [n_texts, longest]."""

    places: Tensor  # int64 [n_texts * longest] which packed token stands there; 0 beyond a text's end
    packed: Tensor  # int64 [n_tokens] where each packed token stands side by side
    present: Tensor  # bool [n_texts, longest]
    mask: Tensor  # float32 [n_texts, 1, 1, longest], added to attention's logits: 0, or minus infinity beyond the end

    def side_by_side(self, values: Tensor) -> Tensor:
        """Packed values [n_tokens, …] as [n_texts, longest, …]; what lies beyond a text's end is not to be read."""
        return values.index_select(0, self.places).view(*self.present.shape, *values.shape[1:])


def lay_out(lengths: Sequence[int], device: str = "cpu") -> Layout:
    """The layout of texts with so many tokens each, at least one, on a device of torch's."""
    import torch

    sizes = torch.tensor(lengths)
    present = torch.arange(max(lengths))[None, :] < sizes[:, None]
    packed = present.flatten().nonzero().flatten()
    places = torch.zeros(present.numel(), dtype=torch.int64)
    places[packed] = torch.arange(len(packed))
    mask = torch.zeros(present.shape).masked_fill(~present, -torch.inf)[:, None, None, :]
    return Layout(*(part.to(device) for part in (places, packed, present, mask)))


def graphics_card() -> str | None:
    """What torch calls the graphics card of this machine; None where there is none that it can use.

    torch is imported only where the driver of one is there.
    """
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None
    import torch

    return "cuda" if torch.cuda.is_available() else None


class TorchBert:
    """All layers on a device of torch's, in float32: ``states`` as ``indexer.packed.PackedBert`` has it, to 1e-5.

    Raises EncoderError where torch has no such device, or is not installed.
    """

    batch = 50_000  # characters of texts that are worth a call

    def __init__(self, model: BertModel, device: str) -> None:
        try:
            self._layers = UpperLayers(model, 0, device)
        except (ImportError, RuntimeError, AssertionError) as error:  # torch raises the last two for what it has not
            reason = str(error).splitlines()[0]
            raise EncoderError(f"nothing can be encoded on {device} ({reason}); leave --device out") from error
        self._model = model
        self.device = device

    def states(self, texts: Sequence[Sequence[int]]) -> list[Vectors]:
        """The last hidden states of texts, given as the numbers of their word pieces: float32 [n_tokens, dim] each."""
        import torch

        lengths = [len(ids) for ids in texts]
        entering = np.concatenate([self._model.embed(ids) for ids in texts])
        with torch.inference_mode():
            states = self._layers.run(torch.from_numpy(entering).to(self.device), lay_out(lengths, self.device), {})
            leaving = states.cpu().numpy()
        return np.split(leaving, np.cumsum(lengths)[:-1])


class UpperLayers:
    """The layers of ``model`` from ``first`` on."""

    def __init__(self, model: BertModel, first: int, device: str = "cpu") -> None:
        import torch

        self._checkpoint = model.checkpoint
        self._first = first
        layers = tuple(f"encoder.layer.{layer}." for layer in range(first, model.checkpoint.layers))
        self._weights = {
            name: torch.from_numpy(np.array(weight, dtype=np.float32)).to(device)
            for name, weight in model.weights.items()
            if name.startswith(layers)
        }

    def run(self, states: Tensor, layout: Layout, factors: Factors) -> Tensor:
        """The last hidden states from those below the first layer, both packed: float32 [n_tokens, dim].

        Each weight that ``factors`` names counts as W + up down.
        """
        from torch.nn.functional import gelu

        for layer in range(self._first, self._checkpoint.layers):
            prefix = f"encoder.layer.{layer}"
            attended = self._attend(states, layout, factors, f"{prefix}.attention.self")
            attended = self._linear(attended, f"{prefix}.attention.output.dense", factors)
            states = self._norm(states + attended, f"{prefix}.attention.output.LayerNorm")
            expanded = gelu(self._linear(states, f"{prefix}.intermediate.dense", factors))
            contracted = self._linear(expanded, f"{prefix}.output.dense", factors)
            states = self._norm(states + contracted, f"{prefix}.output.LayerNorm")
        return states

    def _linear(self, states: Tensor, name: str, factors: Factors) -> Tensor:
        from torch.nn.functional import linear

        product = linear(states, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])
        if f"{name}.weight" in factors:
            up, down = factors[f"{name}.weight"]
            product = product + linear(linear(states, down), up)
        return product

    def _norm(self, states: Tensor, name: str) -> Tensor:
        from torch.nn.functional import layer_norm

        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return layer_norm(states, weight.shape, weight, bias, self._checkpoint.epsilon)

    def _attend(self, states: Tensor, layout: Layout, factors: Factors, name: str) -> Tensor:
        from torch.nn.functional import scaled_dot_product_attention

        heads = self._checkpoint.heads

        def by_head(part: str) -> Tensor:  # [n_texts, heads, longest, dim / heads]
            projected = layout.side_by_side(self._linear(states, f"{name}.{part}", factors))
            return projected.view(*layout.present.shape, heads, -1).transpose(1, 2)

        mixed = scaled_dot_product_attention(by_head("query"), by_head("key"), by_head("value"), attn_mask=layout.mask)
        return mixed.transpose(1, 2).flatten(2).flatten(0, 1).index_select(0, layout.packed)
