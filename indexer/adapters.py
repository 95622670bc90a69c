"""This module keeps what a collection taught its encoder: changes of low rank to some of its weights.

LoRA (Hu et al. 2021, https://arxiv.org/abs/2106.09685): a weight W [n_out, n_in] becomes W + U D, with U [n_out, rank]
and D [rank, n_in].  A few hundred kilobytes stand for what would be tens of megabytes of changed weights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from indexer.bert import Vectors, read_safetensors

_UP, _DOWN = ".up", ".down"


@dataclass(frozen=True, slots=True)
class Adapter:
    """The factors of the change to each weight, by the weight's name in the checkpoint."""

    up: Mapping[str, Vectors]  # float32 [n_out, rank]
    down: Mapping[str, Vectors]  # float32 [rank, n_in]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the names, shapes and bytes of all factors."""
        digest = hashlib.sha256()
        for name, factor in sorted(self._factors().items()):
            digest.update(f"{name} {factor.shape}\n".encode())
            digest.update(np.ascontiguousarray(factor, dtype="<f4").tobytes())
        return digest.hexdigest()

    def changes(self) -> dict[str, Vectors]:
        """What is added to each weight: float32 [n_out, n_in], by its name."""
        return {name: self.up[name] @ self.down[name] for name in sorted(self.up)}

    def _factors(self) -> dict[str, Vectors]:
        return {name + _UP: factor for name, factor in self.up.items()} | {
            name + _DOWN: factor for name, factor in self.down.items()
        }


@dataclass(frozen=True, slots=True)
class Tuning:
    """How held-out titles find their descriptions, without the adapter and with it."""

    pairs: int
    first_before: int  # titles that find their own description first
    first_after: int
    before: float  # mean reciprocal rank
    after: float
    error: float  # standard error of the gain

    @property
    def helps(self) -> bool:
        """Whether the adapter is kept: where chance would give such a gain less than one time in forty."""
        return self.after - self.before > 2 * self.error

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self)

    def sentence(self) -> str:
        """The outcome, for people."""
        found = (
            f"held-out titles find their descriptions first {self.first_before} -> {self.first_after} of {self.pairs}"
        )
        return f"tuned: {found}" if self.helps else f"tuning did not help ({found}): left out"


def save_adapter(path: Path, adapter: Adapter) -> None:
    """Write an adapter as a safetensors file; equal adapters give equal bytes."""
    from safetensors.numpy import save  # a search, which only reads, need not import it

    factors = {name: np.ascontiguousarray(factor) for name, factor in sorted(adapter._factors().items())}
    path.write_bytes(save(factors))


def load_adapter(path: Path) -> Adapter:
    """Memory-map what ``save_adapter`` wrote.

    Raises ValueError where it is no safetensors file, or does not hold two finite float32 factors a weight that fit
    each other.  Whether they fit a checkpoint shows where they are applied.
    """
    factors = read_safetensors(path)
    names = {name.removesuffix(_UP) for name in factors if name.endswith(_UP)}
    if not names or factors.keys() != {name + part for name in names for part in (_UP, _DOWN)}:
        raise ValueError(f"{path.name} does not hold an adapter: two factors a weight")
    up = {name: np.asarray(factors[name + _UP]) for name in sorted(names)}
    down = {name: np.asarray(factors[name + _DOWN]) for name in sorted(names)}
    for name in sorted(names):
        for factor in (up[name], down[name]):
            if factor.dtype != np.float32 or factor.ndim != 2 or not np.isfinite(factor).all():
                raise ValueError(f"{path.name} does not hold an adapter: {name} is not of finite float32 matrices")
        if up[name].shape[1] != down[name].shape[0]:
            raise ValueError(f"{path.name} does not hold an adapter: the factors of {name} do not fit each other")
    return Adapter(up, down)
