"""This module says what benches are given from outside: the options that name it, and how papers are read.

`make bench` gives each bench those of BEIR, PAPERS, VECTORS, SIZES and LARGE that it has an option for.
"""

from __future__ import annotations

import gzip
import json
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path

from benchmarks.peers.task import Text


def add_beir(parser: ArgumentParser) -> None:
    """``--beir FOLDER``, as often as there are collections."""
    parser.add_argument("--beir", action="append", default=[], type=Path, metavar="FOLDER", help="a BEIR collection")


def add_large(parser: ArgumentParser) -> None:
    """``--large INDEX``, as often as there are indexes."""
    many = "an index of many notes, in a folder"
    parser.add_argument("--large", action="append", default=[], type=Path, metavar="INDEX", help=many)


def add_papers(parser: ArgumentParser) -> None:
    """``--papers FILE``."""
    lines = "JSON lines with id, title, description and topic, plain or packed by gzip (.gz)"
    parser.add_argument("--papers", type=Path, metavar="FILE", help=lines)


def add_vectors(parser: ArgumentParser) -> None:
    """``--vectors FILE``."""
    rows = "the papers' vectors in their order, float32 or float16"
    parser.add_argument("--vectors", type=Path, metavar="FILE", help=rows)


def add_sizes(parser: ArgumentParser, default: tuple[int, ...]) -> None:
    """``--sizes N,N``."""
    shown = ",".join(map(str, default))
    parser.add_argument("--sizes", type=_sizes, default=default, metavar="N,N", help=f"numbers of notes ({shown})")


def read_papers(path: Path) -> Iterator[Text]:
    """The notes of a file of JSON lines, which may be packed by gzip."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            yield Text(record["id"], record["title"], record.get("description", ""), record.get("topic", ""))


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(",") if part)
