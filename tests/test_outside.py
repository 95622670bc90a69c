"""What benches are given from outside is named by the same options everywhere, and papers are read in one way."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from benchmarks import encoding
from benchmarks.outside import read_papers
from benchmarks.peers.task import Text


def test_papers_are_read_plain_and_packed_alike(tmp_path: Path) -> None:
    records = [
        {"id": "p1", "title": "Attention", "description": "All you need.", "topic": "cs.CL"},
        {"id": "p2", "title": "Ünicode"},
    ]
    text = "".join(json.dumps(record) + "\n" for record in records)
    (tmp_path / "papers.jsonl").write_text(text, "utf-8")
    (tmp_path / "papers.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    papers = [Text("p1", "Attention", "All you need.", "cs.CL"), Text("p2", "Ünicode", "", "")]
    assert list(read_papers(tmp_path / "papers.jsonl")) == papers
    assert list(read_papers(tmp_path / "papers.jsonl.gz")) == papers


def test_the_papers_that_are_encoded_are_those_after_the_first_thousand_and_the_last_of_a_shorter_file(
    tmp_path: Path,
) -> None:
    path = tmp_path / "papers.jsonl"
    lines = [json.dumps({"id": f"{n}", "title": f"T{n}", "description": "d"}) + "\n" for n in range(1010)]
    path.write_text("".join(lines), "utf-8")
    assert encoding.papers(path, 3) == ["T1000 d", "T1001 d", "T1002 d"]
    path.write_text("".join(lines[:5]), "utf-8")
    assert encoding.papers(path, 3) == ["T2 d", "T3 d", "T4 d"]
