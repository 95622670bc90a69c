"""An encoder that a person can compute in the head, and the handful of notes that the tests share."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from indexer import EncoderInfo, Vectors
from indexer.manifest import sealed

WORDS = ("reward", "hacking", "policy", "critic", "memory", "search", "proof", "model")
CONSTANT = 0.1  # the last component before normalising: a text without any of the words still has a direction


class ToyEncoder:
    """Counts each of ``WORDS`` as it stands (no stemming), adds a constant component, and normalises.

    ``encoded`` counts the documents that were encoded, ``queries`` the queries.
    """

    def __init__(self, fingerprint: str = "toy-1") -> None:
        self.info = EncoderInfo("toy", "custom", fingerprint, len(WORDS) + 1)
        self.encoded = 0
        self.queries = 0

    def encode_documents(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        self.encoded += len(texts)
        if progress:
            progress(len(texts))
        return np.array([_vector(text) for text in texts], dtype=np.float32).reshape(len(texts), self.info.dim)

    def encode_query(self, text: str) -> Vectors:
        self.queries += 1
        return _vector(text)


def _vector(text: str) -> Vectors:
    words = re.findall("[a-z]+", text.lower())
    counts = np.array([*(words.count(word) for word in WORDS), CONSTANT], dtype=np.float32)
    unit: Vectors = counts / np.linalg.norm(counts)
    return unit


def record(note_id: str, title: str, description: str, topic: str = "", tags: Sequence[str] = ()) -> dict[str, Any]:
    return {"id": note_id, "title": title, "description": description, "topic": topic, "tags": list(tags)}


# Row 0 to row 6 of the toy index.
NOTES = [
    record(
        "reward-hacking",
        "Reward hacking in practice",
        "A policy exploits the reward model until the proxy breaks.",
        "Reward Models",
        ["rl", "safety"],
    ),
    record(
        "policy-gradients",
        "Policy gradients",
        "The policy follows its reward without a critic.",
        "Reinforcement Learning",
        ["rl"],
    ),
    record(
        "critic-free",
        "Training without a critic",
        "Hacking is rare where verifiers check every proof.",
        "Reinforcement Learning",
        ["rl", "Formal Proof"],
    ),
    record(
        "memory-search",
        "Memory and search",
        "Agents search a memory of verified proofs; C++ helps.",
        "Memory",
        ["agents"],
    ),
    record("cafe", "Café notes", "Nothing but coffee, crème and 再帰 at 3.5 degrees."),
    record("proof-search", "Proof search", "", "Memory"),
    record(
        "hackers",
        "Hackers and painters",
        "An essay on taste: the exact phrase, not the phrase exact, wins a reward.",
        "Essays",
    ),
]


def write_jsonl(path: Path, notes: Sequence[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(note, ensure_ascii=False) + "\n" for note in notes), encoding="utf-8")
    return path


ASKING = tuple(f"ask{letter}" for letter in "abcdefghijkl")
ANSWERING = tuple(f"tell{letter}" for letter in "abcdefghijkl")


def asked_and_told(count: int, shuffled: bool = False) -> list[dict[str, Any]]:
    """Notes whose titles hold three words of ``ASKING`` and whose descriptions hold the three of ``ANSWERING`` that
    belong to them: what a title has to do with its description can be learned, and stands in no word.  ``shuffled``
    gives each description to another title, so that there is nothing to learn."""
    chance = random.Random(1)  # noqa: S311 - toys, not secrets
    chosen: dict[tuple[int, ...], None] = {}
    while len(chosen) < count:
        chosen[tuple(sorted(chance.sample(range(len(ASKING)), 3)))] = None
    told = [" ".join(ANSWERING[i] for i in chance.sample(key, 3)) + "." for key in chosen]
    if shuffled:
        chance.shuffle(told)
    return [
        record(f"n{number}", " ".join(ASKING[i] for i in key) + "?", answer)
        for number, (key, answer) in enumerate(zip(chosen, told, strict=True))
    ]


def tiny_bert(folder: Path, dim: int = 32, layers: int = 2) -> Path:
    """A BERT checkpoint of random weights in the new folder ``folder``; it knows ``ASKING`` and ``ANSWERING`` as words.

    Its values are small and what follows them is large, so that a change of values tells within a few steps.
    """
    (folder / "pooling").mkdir(parents=True)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "?", ".", *ASKING, *ANSWERING]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106 - the unknown word
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    chance = np.random.default_rng(0)
    weights: dict[str, Vectors] = {}

    def matrix(name: str, rows: int, columns: int, scale: float) -> None:
        weights[f"{name}.weight"] = (scale * chance.standard_normal((rows, columns))).astype(np.float32)

    def linear(name: str, rows: int, columns: int, scale: float = 1) -> None:
        matrix(name, rows, columns, scale / columns**0.5)
        weights[f"{name}.bias"] = (0.01 * chance.standard_normal(rows)).astype(np.float32)

    def norm(name: str) -> None:
        weights[f"{name}.weight"] = np.ones(dim, dtype=np.float32)
        weights[f"{name}.bias"] = np.zeros(dim, dtype=np.float32)

    matrix("embeddings.word_embeddings", len(words), dim, 1)
    matrix("embeddings.position_embeddings", 64, dim, 0.02)
    matrix("embeddings.token_type_embeddings", 2, dim, 0.02)
    norm("embeddings.LayerNorm")
    for layer in range(layers):
        prefix = f"encoder.layer.{layer}"
        linear(f"{prefix}.attention.self.query", dim, dim)
        linear(f"{prefix}.attention.self.key", dim, dim)
        linear(f"{prefix}.attention.self.value", dim, dim, 0.05)
        linear(f"{prefix}.attention.output.dense", dim, dim, 20)
        norm(f"{prefix}.attention.output.LayerNorm")
        linear(f"{prefix}.intermediate.dense", 2 * dim, dim)
        linear(f"{prefix}.output.dense", dim, 2 * dim)
        norm(f"{prefix}.output.LayerNorm")
    save_file(weights, folder / "model.safetensors")
    files = {
        "config.json": {
            "model_type": "bert",
            "hidden_act": "gelu",
            "num_attention_heads": 2,
            "num_hidden_layers": layers,
            "layer_norm_eps": 1e-12,
            "max_position_embeddings": 64,
        },
        "modules.json": [{"type": "x.Transformer", "path": ""}, {"type": "x.Pooling", "path": "pooling"}],
        "pooling/config.json": {"pooling_mode": "mean"},
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), "utf-8")
    return folder


def near(value: Any) -> Any:
    """``value`` with each float in it as one that may differ by 2e-6: a server compiles its encoder, a command has no
    time to, and the two round differently."""
    if isinstance(value, dict):
        return {key: near(part) for key, part in value.items()}
    if isinstance(value, list):
        return [near(part) for part in value]
    return pytest.approx(value, abs=2e-6) if isinstance(value, float) else value


def resealed(record: dict[str, Any]) -> str:
    """The text of a manifest that says ``record``, with the checksum that it must have."""
    return sealed({key: value for key, value in record.items() if key not in ("format", "checksum")}, record["format"])
