"""This module keeps sorted words end to end in one array, so that a memory map is searched without being read."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Distinct words, numbered in the order of their UTF-8 bytes; the arrays may be memory maps."""

    text: npt.NDArray[np.uint8]  # UTF-8, end to end
    starts: npt.NDArray[np.int64]  # [n_words + 1] where each word begins in `text`

    @classmethod
    def of(cls, words: Iterable[str]) -> Vocabulary:
        """The vocabulary of ``words``, which come in the order of ``sort_key``, each once."""
        return cls.joined([word.encode("utf-8") for word in words])

    @classmethod
    def joined(cls, encoded: Sequence[bytes]) -> Vocabulary:
        """The same of words in UTF-8, in their own order."""
        return cls(np.frombuffer(b"".join(encoded), dtype=np.uint8), np.cumsum([0, *map(len, encoded)], dtype=np.int64))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, number: int) -> str:
        return self._bytes(number).decode("utf-8")

    def find(self, word: str) -> int | None:
        """The number of ``word``, or None where it is not there."""
        encoded = word.encode("utf-8")
        number = self._first_at_least(encoded)
        return number if number < len(self) and self._bytes(number) == encoded else None

    def with_prefix(self, prefix: str) -> range:
        """The numbers of all words that begin with ``prefix``."""
        encoded = prefix.encode("utf-8")
        return range(self._first_at_least(encoded), self._first_at_least(encoded + b"\xff"))

    def words(self) -> list[str]:
        """All of them, in order."""
        return [word.decode("utf-8") for word in self.encoded()]

    def encoded(self) -> list[bytes]:
        """All of them in UTF-8, in order."""
        text, starts = self.text.tobytes(), self.starts.tolist()
        return [text[begin:end] for begin, end in pairwise(starts)]

    def take(self, numbers: npt.NDArray[np.integer[Any]]) -> Vocabulary:
        """The vocabulary of some of the words, by ascending number."""
        sizes = self.starts[numbers + 1] - self.starts[numbers]
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        places = np.repeat(self.starts[numbers] - starts[:-1], sizes) + np.arange(starts[-1])
        return Vocabulary(self.text[places], starts)

    def fits(self) -> bool:
        """Whether the two arrays belong together."""
        return self.text.ndim == self.starts.ndim == 1 and len(self.starts) >= 1 and self.starts[-1] == len(self.text)

    def _bytes(self, number: int) -> bytes:
        return self.text[self.starts[number] : self.starts[number + 1]].tobytes()

    def _first_at_least(self, encoded: bytes) -> int:
        # A search looks at 1,000 words; memory views hand them out three times as fast as arrays do.
        text, starts = self.text.data, self.starts.data
        return bisect_left(
            range(len(self)), encoded, key=lambda number: text[starts[number] : starts[number + 1]].tobytes()
        )


def sort_key(word: str) -> bytes:
    """What a vocabulary is sorted by."""
    return word.encode("utf-8")
