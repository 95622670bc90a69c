"""An encoder that a person can compute in the head, and the handful of notes that the tests share."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from indexer import EncoderInfo, Vectors

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
