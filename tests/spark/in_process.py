"""What ``search.spark.job`` asks of a SparkContext, done in this process, one part after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace
from typing import Any


@dataclass
class Partitions:
    """An RDD: its partitions, made when they are asked for."""

    context: InProcess
    make: Callable[[], Sequence[Iterable[Any]]]

    def mapPartitions(self, work: Callable[[Any], Iterable[Any]]) -> Partitions:  # noqa: N802 - Spark's names
        return self.mapPartitionsWithIndex(lambda _, items: work(items))

    def mapPartitionsWithIndex(self, work: Callable[[int, Any], Iterable[Any]]) -> Partitions:  # noqa: N802
        return Partitions(self.context, lambda: [work(n, iter(items)) for n, items in enumerate(self.make())])

    def partitionBy(self, count: int, place: Callable[[Any], int]) -> Partitions:  # noqa: N802
        def shuffled() -> list[list[Any]]:
            found: list[list[Any]] = [[] for _ in range(count)]
            for pair in self.collect():
                found[place(pair[0]) % count].append(pair)
            return found

        return Partitions(self.context, shuffled)

    def collect(self) -> list[Any]:
        found = []
        for items in self.make():
            found += list(items)
            self.context.worked()
        return found


class InProcess:
    """A SparkContext; where ``stops_after`` is given, it is interrupted after so many parts of work."""

    def __init__(self, stops_after: int | None = None) -> None:
        self._left = stops_after

    def worked(self) -> None:
        """A part of work is done."""
        if self._left is not None:
            self._left -= 1
            if not self._left:
                raise KeyboardInterrupt

    def cancelAllJobs(self) -> None:  # noqa: N802
        pass

    def parallelize(self, items: Iterable[Any], count: int) -> Partitions:
        given = list(items)
        cuts = [len(given) * part // count for part in range(count + 1)]
        return Partitions(self, lambda: [given[begin:end] for begin, end in pairwise(cuts)])

    def broadcast(self, value: Any) -> Any:
        return SimpleNamespace(value=value)

    def statusTracker(self) -> Any:  # noqa: N802
        return SimpleNamespace(getActiveJobsIds=lambda: [])


@contextmanager
def in_process(stops_after: int | None = None) -> Iterator[InProcess]:
    """A session."""
    yield InProcess(stops_after)
