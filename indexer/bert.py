"""This module runs a sentence-transformers BERT checkpoint with numpy alone.

It exists so that neither a search nor the build of a small index imports torch (9 to 12 s cold).  The weights are
views into the memory-mapped safetensors file: opening copies nothing, and a query reads only the rows it needs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

Vectors = npt.NDArray[np.float32]

# OpenBLAS copies both matrices before it multiplies them, but not where the product takes at most so many
# multiplications: a question's layers run twice as fast in parts that are as small (13 tokens: 11.2 ms and 5.8 ms).
_SMALL_PRODUCT = 1_000_000
_LEAST_ROWS = 16  # of a part; below it the parts are too many

_DTYPES = {"F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32}


def read_safetensors(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Every tensor of a safetensors file as a read-only view into its memory map, by name.

    Layout (https://github.com/huggingface/safetensors): eight bytes little-endian header length, a JSON header
    with dtype, shape and data_offsets, then the data.  Opening through the safetensors package would copy the
    90 MB of MiniLM first (50 ms of a 400 ms search).

    Raises ValueError when the header disagrees with the size of the file, or the tensors with each other.
    """
    raw = np.memmap(path, dtype=np.uint8, mode="r")
    length = int.from_bytes(raw[:8].tobytes(), "little") if raw.size >= 8 else -1
    if not 0 < length <= raw.size - 8:
        raise ValueError(f"{path} is no safetensors file: header length {length}, file size {raw.size}")
    data = raw[8 + length :]
    tensors: dict[str, npt.NDArray[Any]] = {}
    spans: list[tuple[int, int]] = []
    try:
        header = json.loads(raw[8 : 8 + length].tobytes())
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            dtype = np.dtype(_DTYPES[entry["dtype"]])
            begin, end = entry["data_offsets"]
            if not 0 <= begin <= end <= data.size or end - begin != math.prod(entry["shape"]) * dtype.itemsize:
                raise ValueError(f"tensor {name} does not fit the file")
            tensors[name] = data[begin:end].view(dtype).reshape(entry["shape"])
            spans.append((begin, end))
        ends = [0, *(end for _, end in sorted(spans))]
        if [begin for begin, _ in sorted(spans)] != ends[:-1] or ends[-1] != data.size:
            raise ValueError("the tensors overlap, or leave a part of the file out")
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"{path} is no safetensors file: {error!r}") from error
    return tensors


@dataclass(frozen=True)
class Checkpoint:
    """What the small files of a sentence-transformers folder say about a BERT encoder."""

    heads: int
    layers: int
    epsilon: float
    max_tokens: int
    pooling: Literal["mean", "cls"]
    query_prompt: str
    document_prompt: str


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """The encoder in ``folder``, or None where it is not one that this module can run.

    It can run: model type bert, absolute positions, exact GELU, weights in model.safetensors, one pooling by mean
    or [CLS] that includes the prompt, at most a normalisation after it.
    """
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        modules = json.loads((folder / "modules.json").read_text("utf-8"))
        kinds = [str(module["type"]).rsplit(".", 1)[-1] for module in modules]
        pooling = json.loads((folder / modules[1]["path"] / "config.json").read_text("utf-8"))
    except (OSError, ValueError, KeyError, IndexError, TypeError, RecursionError):
        return None
    if not isinstance(config, dict) or not isinstance(pooling, dict):
        return None
    mode = _pooling_mode(pooling)
    runnable = (
        config.get("model_type") == "bert"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and config.get("hidden_act") == "gelu"
        and kinds in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
        and mode is not None
        and pooling.get("include_prompt", True)
        and (folder / "model.safetensors").is_file()
        and (folder / "tokenizer.json").is_file()
    )
    if not runnable or mode is None:
        return None
    limits = _optional_json(folder / "sentence_bert_config.json")
    prompting = _optional_json(folder / "config_sentence_transformers.json")
    prompts = prompting.get("prompts") or {}
    default = prompts.get(prompting.get("default_prompt_name"), "")
    return Checkpoint(
        heads=config["num_attention_heads"],
        layers=config["num_hidden_layers"],
        epsilon=config["layer_norm_eps"],
        max_tokens=min(limits.get("max_seq_length") or 512, config["max_position_embeddings"]),
        pooling=mode,
        query_prompt=prompts.get("query", default),
        document_prompt=prompts.get("document", prompts.get("passage", default)),
    )


def _pooling_mode(pooling: dict[str, Any]) -> Literal["mean", "cls"] | None:
    """The one active pooling; older files hold a flag a mode, newer ones name it."""
    active = [
        key.removeprefix("pooling_mode_") for key, on in pooling.items() if key.startswith("pooling_mode_") and on
    ]
    if "pooling_mode" in pooling:
        active = [str(pooling["pooling_mode"])]
    if active in (["mean_tokens"], ["mean"]):
        return "mean"
    if active in (["cls_token"], ["cls"]):
        return "cls"
    return None


def _optional_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return content


class BertModel:
    """A BERT encoder (Devlin et al. 2019) over memory-mapped weights; safe to share between threads.

    ``dim`` is the length of its vectors.  Here every text runs alone, so that its vector never depends on its company:
    numpy's products of matrices of another shape round differently, by up to 6e-8.  ``indexer.packed`` runs many.
    """

    def __init__(self, folder: Path, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        tensors = {
            name.removeprefix("bert."): tensor
            for name, tensor in read_safetensors(folder / "model.safetensors").items()
        }
        self.weights = {name: np.asarray(tensor) for name, tensor in tensors.items()}
        self._tokenizer: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(checkpoint.max_tokens)
        self.dim = int(self.weights["embeddings.word_embeddings.weight"].shape[1])

    def changed(self, changes: Mapping[str, Vectors]) -> BertModel:
        """This encoder with a matrix added to each weight that is named.

        Raises ValueError where it has no such weight, or one of another shape.
        """
        for name, change in changes.items():
            if name not in self.weights or self.weights[name].shape != change.shape:
                raise ValueError(f"it has no weight {name} of shape {change.shape}")
        other = copy(self)
        other.weights = self.weights | {name: self.weights[name] + change for name, change in changes.items()}
        return other

    def words(self) -> list[str]:
        """The word pieces that are whole words of letters, sorted."""
        return sorted(piece for piece in self._tokenizer.get_vocab() if piece.isalpha())  # "##" begins all others

    def word_pieces(self, text: str) -> tuple[list[int], list[bool]]:
        """The numbers of a text's word pieces, and which of them stand for letters or digits."""
        encoding = self._tokenizer.encode(text)
        return encoding.ids, [any(map(str.isalnum, text[begin:end])) for begin, end in encoding.offsets]

    def spell(self, pieces: npt.NDArray[np.int32]) -> list[str]:
        """Word pieces as the vocabulary writes them: one that continues a word begins with "##"."""
        return [self._tokenizer.id_to_token(piece) or "" for piece in pieces.tolist()]

    def states(self, ids: list[int], layers: int) -> Vectors:
        """The hidden states of a text's word pieces after the first ``layers`` layers: float32 [n_tokens, dim]."""
        states, epsilon = self.embed(ids), self.checkpoint.epsilon
        for layer in range(layers):
            prefix = f"encoder.layer.{layer}"
            attended = self._linear(
                self._attend(states, f"{prefix}.attention.self"), f"{prefix}.attention.output.dense"
            )
            states = layer_norm(states + attended, self.weights, f"{prefix}.attention.output.LayerNorm", epsilon)
            expanded = _gelu(self._linear(states, f"{prefix}.intermediate.dense"))
            states = states + self._linear(expanded, f"{prefix}.output.dense")
            states = layer_norm(states, self.weights, f"{prefix}.output.LayerNorm", epsilon)
        return states

    def embed(self, ids: Sequence[int]) -> Vectors:
        """What enters the first layer: float32 [n_tokens, dim]."""
        weights = self.weights
        states: Vectors = (
            weights["embeddings.word_embeddings.weight"][ids].astype(np.float32, copy=False)
            + weights["embeddings.position_embeddings.weight"][: len(ids)]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        return layer_norm(states, weights, "embeddings.LayerNorm", self.checkpoint.epsilon)

    def pool(self, token_vectors: Vectors) -> Vectors:
        """The unit vector of a whole text from its token vectors: float32 [dim]."""
        pooled = token_vectors.mean(axis=0) if self.checkpoint.pooling == "mean" else token_vectors[0]
        unit: Vectors = pooled / np.float32(max(float(np.linalg.norm(pooled)), 1e-12))
        return unit

    def _linear(self, states: Vectors, name: str) -> Vectors:
        weight = self.weights[f"{name}.weight"]
        rows = _SMALL_PRODUCT // max(states.size, 1) // 16 * 16
        if rows < _LEAST_ROWS:
            product: Vectors = states @ weight.T
        else:
            across = np.ascontiguousarray(states.T)
            parts = [weight[begin : begin + rows] @ across for begin in range(0, len(weight), rows)]
            product = np.ascontiguousarray(np.concatenate(parts).T)
        product += self.weights[f"{name}.bias"]
        return product

    def _attend(self, states: Vectors, name: str) -> Vectors:
        heads = self.checkpoint.heads
        n_tokens, dim = states.shape

        def by_head(part: str) -> Vectors:  # [heads, n_tokens, dim / heads]
            return self._linear(states, f"{name}.{part}").reshape(n_tokens, heads, dim // heads).transpose(1, 0, 2)

        logits = by_head("query") @ by_head("key").transpose(0, 2, 1) / np.float32(math.sqrt(dim // heads))
        shares = np.exp(logits - logits.max(axis=2, keepdims=True))
        shares /= shares.sum(axis=2, keepdims=True)
        mixed: Vectors = (shares @ by_head("value")).transpose(1, 0, 2).reshape(n_tokens, dim)
        return mixed


def layer_norm(states: Vectors, weights: Mapping[str, Vectors], name: str, epsilon: float) -> Vectors:
    """Rows of mean 0 and deviation 1, scaled and moved as the layer ``name`` has it: float32, the shape of ``states``.

    Every row's result depends on the row alone.
    """
    normed: Vectors = states - states.mean(axis=1, keepdims=True)
    variance = np.einsum("ij,ij->i", normed, normed)[:, None] / np.float32(states.shape[1])
    normed /= np.sqrt(variance + np.float32(epsilon))
    normed *= weights[f"{name}.weight"]
    normed += weights[f"{name}.bias"]
    return normed


def _gelu(x: Vectors) -> Vectors:
    """x Φ(x), with erf by Abramowitz and Stegun 7.1.26 (absolute error below 1.5e-7)."""
    z = np.abs(x) * np.float32(math.sqrt(0.5))
    t = 1 / (1 + np.float32(0.3275911) * z)
    polynomial = t * (
        0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * np.float32(1.061405429))))
    )
    erf = np.copysign(1 - polynomial * np.exp(-z * z), x)
    activated: Vectors = np.float32(0.5) * x * (1 + erf)
    return activated
