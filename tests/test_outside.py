"""What `make bench` is given reaches every bench that knows it, and what is not given keeps its figures."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
from argparse import ArgumentParser
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from benchmarks import building, encoding, explore, growth, legs, quality, sizes, spark, vectors
from benchmarks.outside import read_papers
from benchmarks.peers.corpora import keeps
from benchmarks.peers.task import Text
from benchmarks.results import ROOT, saved, shown, with_kept

TARGETS = ("bench", "bench-peers", "bench-growth", "bench-cluster", "soak")
VARIABLES = ("BEIR", "PAPERS", "VECTORS", "SIZES", "LARGE")


def dry_run(*given: str) -> subprocess.CompletedProcess[str]:
    """What make would run for all benches, without running it."""
    if shutil.which("make") is None or not (ROOT / "Makefile").is_file():
        pytest.skip("there is no make here, or no Makefile: a source distribution has none")
    plain = {name: value for name, value in os.environ.items() if name not in VARIABLES and not name.startswith("MAKE")}
    command = ["make", "--dry-run", "--always-make", *TARGETS, *given]
    return subprocess.run(command, cwd=ROOT, env=plain, capture_output=True, text=True, check=False)


def recipes(*given: str) -> dict[str, list[str]]:
    """Bench -> the words that it is called with."""
    done = dry_run(*given)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines() if " -m benchmarks." in line]
    return {words[words.index("-m") + 1]: words[words.index("-m") + 2 :] for words in lines}


def parser_of(name: str) -> ArgumentParser:
    module = import_module("benchmarks.peers.__main__" if name == "benchmarks.peers" else name)
    parser: ArgumentParser = module.parser()
    return parser


def test_every_bench_understands_what_make_gives_it_and_is_given_all_that_it_understands(tmp_path: Path) -> None:
    papers, vectors, folders = tmp_path / "papers.gz", tmp_path / "v.npy", [tmp_path / name for name in "abcd"]
    for path in (papers, vectors, *folders):
        path.touch()
    a, b, c, d = map(str, folders)
    expected = {
        "--beir": folders[:2],
        "--papers": papers,
        "--vectors": vectors,
        "--sizes": (203, 1000),
        "--large": folders[2:],
    }
    given = (f"BEIR={a} {b}", f"PAPERS={papers}", f"VECTORS={vectors}", "SIZES=203,1000", f"LARGE={c} {d}")
    found = recipes(*given)
    assert len(found) == 15
    for name, words in found.items():
        parser = parser_of(name)
        options = vars(parser.parse_args(words))
        for option, value in expected.items():
            if option in parser.format_help():
                assert options[option.removeprefix("--")] == value, (name, option)


def test_a_file_that_is_not_there_is_known_before_the_first_bench_is_run(tmp_path: Path) -> None:
    for variable in ("BEIR", "PAPERS", "VECTORS", "LARGE"):
        done = dry_run(f"{variable}={tmp_path / 'nowhere'}")
        assert done.returncode != 0
        assert f"{tmp_path / 'nowhere'} is not there" in done.stderr
        assert " -m benchmarks." not in done.stdout


def test_a_bench_that_is_given_nothing_has_its_own_sizes_and_no_data_from_outside() -> None:
    for name, words in recipes().items():
        options = vars(parser_of(name).parse_args(words))
        assert not any(options.get(option) for option in ("beir", "papers", "vectors", "large")), name
        assert 203 in options.get("sizes", [203]) or name == "benchmarks.building"


def test_every_bench_that_writes_a_table_is_run() -> None:
    pages = (ROOT / "README.md").read_text("utf-8") + (ROOT / "deploy" / "sizes.md").read_text("utf-8")
    for name in recipes():
        assert f"<!-- bench:{name.removeprefix('benchmarks.')} -->" in pages or name == "benchmarks.soak"
    tables = {line.split(":")[1].split()[0] for line in pages.splitlines() if line.startswith("<!-- bench:")}
    assert {f"benchmarks.{name}" for name in tables - {"reliability"}} <= set(recipes())


def test_the_documents_name_the_variables_that_there_are_and_no_options() -> None:
    pages = [path for path in (ROOT / name for name in ("README.md", "CONTRIBUTING.md", "Makefile")) if path.is_file()]
    text = "\n".join(path.read_text("utf-8") for path in pages)
    shown = re.findall(r"^.*(?:make bench|PAPERS=).*$", text, re.MULTILINE)
    assert len(shown) >= 5
    for line in shown:
        assert set(re.findall(r"\b([A-Z]+)='?[A-Z]", line)) <= set(VARIABLES)
        assert not re.search(r"[A-Z]='?--", line), line


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


def test_rows_that_are_not_measured_again_are_kept_in_their_order(capsys: pytest.CaptureFixture[str]) -> None:
    before = [{"notes": 203, "s": 1.0}, {"notes": 100_000, "s": 2.0}]
    assert with_kept([{"notes": 203, "s": 3.0}], before, "notes") == [{"notes": 203, "s": 3.0}, before[1]]
    assert capsys.readouterr().out == "kept as it was: 100000\n"
    assert with_kept(before, [], "notes") == before


def test_a_run_with_the_owner_s_notes_alone_keeps_every_row_of_the_readme() -> None:
    lists, searches, near = saved("explore"), saved("legs"), saved("vectors")
    times = with_kept(lists["times"][:1], lists["times"], "notes")
    assert explore.explore_text(lists["rows"], times) == shown("explore")
    assert legs.legs_text(with_kept(searches["rows"][:1], searches["rows"], "notes")) == shown("legs")
    made = [row for row in near["rows"] if row["kind"] == "made" and row["vectors"] in vectors.SIZES]
    assert len(made) == len(vectors.SIZES) < len(near["rows"])
    assert vectors.vectors_text(with_kept(made, near["rows"], "kind", "vectors")) == shown("vectors")


def test_papers_that_are_not_encoded_again_keep_their_figures_and_their_load() -> None:
    record = saved("encoding")
    now = {**record, "load": 0.2, "bulk": {"notes": record["bulk"]["notes"]}}
    assert encoding.shown(encoding.with_kept_texts(now, record)) == shown("encoding")
    elsewhere = encoding.with_kept_texts({**now, "cores": 64}, record)
    assert f"tokens each, {record['cores']} cores |" in encoding.shown(elsewhere)


def test_sizes_are_worked_out_after_a_run_without_papers_and_say_nothing_where_papers_were_never_measured() -> None:
    record = saved("encoding")
    now = encoding.with_kept_texts({**record, "bulk": {"notes": record["bulk"]["notes"]}}, record)
    build = sizes.of_a_build(saved("growth"), now)
    assert build is not None
    assert build["texts a second"] == saved("sizes")["build"]["texts a second"]
    assert sizes.of_a_build({}, now) is None
    assert sizes.of_a_build(saved("growth"), {}) is None


def test_a_collection_judged_without_tuning_keeps_its_tuned_rows_and_others_stay_as_they_were() -> None:
    before = saved("quality")["collections"]
    untuned = {
        part: [row for row in before["notes"][part] if "tuned" not in row["ranking"]] for part in ("rows", "related")
    }
    assert len(untuned["rows"]) == len(before["notes"]["rows"]) - 3
    assert quality.with_kept_rows({"notes": before["notes"] | untuned}, before) == before
    retired: dict[str, Any] = {"rows": [{"ranking": "an older way"}], "related": []}
    measured: dict[str, Any] = {"rows": [{"ranking": "BM25"}], "related": []}
    assert quality.with_kept_rows({"c": measured}, {"c": retired}) == {"c": measured}


def test_a_size_on_spark_is_replaced_when_as_much_is_known_of_it_and_others_stay() -> None:
    before = [{"notes": 203, "one process": 4.0, "spark": 70.0}, {"notes": 20_000, "one process": 60.0}]
    assert spark.with_row(before, {"notes": 203}) == before
    assert spark.with_row(before, {"notes": 203, "one process": 3.0}) == before
    whole = {"notes": 203, "one process": 3.0, "spark": 60.0, "killed": 50.0}
    assert spark.with_row(before, whole) == [whole, before[1]]
    assert spark.with_row([], {"notes": 203}) == [{"notes": 203}]


def test_what_was_measured_with_papers_is_not_measured_with_made_notes(tmp_path: Path) -> None:
    measured = [(int(size), figures["source"]) for size, figures in saved("growth")["sizes"].items()]
    tasks = [task["about"] for task in saved("peers")["tasks"].values()]
    kept = [size for size in growth.SIZES if keeps(size, None, measured)]
    assert kept == [1_000, 10_000]
    assert keeps(10_000, None, [(about["notes"], about["source"]) for about in tasks])
    assert not any(keeps(size, tmp_path, measured) for size in growth.SIZES)
    assert not keeps(1_000, None, [(1_000, "made from a seed, of words as frequent as Zipf's law has it")])


def test_building_shows_made_notes_and_papers_beside_each_other() -> None:
    figures = dict.fromkeys(("all but the codes", "codes", "nothing", "one changed", "one gone", "one more"), 1.5)
    made = {"kind": building.MADE_UP, "notes": 10_000, **figures, "memory MB": 1_200}
    papers = {**made, "kind": building.PAPERS}
    rows = with_kept([made], [papers], "kind", "notes")
    text = building.building_text({"rounds": 3, "rows": rows})
    assert "| 10,000 made-up | 1.5 s |" in text
    assert "| 10,000 papers | 1.5 s |" in text


def test_a_small_build_is_measured_in_every_way(tmp_path: Path) -> None:
    found = building.measure(building.made_up(20), tmp_path, rounds=1)
    assert found["notes"] == 20
    assert all(found[name] > 0 for name in ("nothing", "one changed", "one gone", "one more"))
