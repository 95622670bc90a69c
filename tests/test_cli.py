"""The command line as people meet it: what it prints, where, and how it fails."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from toys import resealed

from indexer.integrity import entry_of
from indexer.manifest import FORMAT
from search.cli import main

PAGE = """Cluster

About it.

2 notes (primary) · 3 papers · 1 sub-topics

Topic one

2 notes

Do cats plan?

Cats sleep, hunt and plan.

Explore related Read →

Do dogs plan?

Dogs fetch.

Explore related Read →
"""


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def refused(*words: object) -> str:
    """The one sentence on stderr of a command that must exit 1 without a traceback."""
    done = run(*words)
    assert done.exit_code == 1, done.output
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert lines[-1].startswith("kindred: ")
    assert "Traceback" not in done.stderr
    return lines[-1]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    (tmp_path / "page.txt").write_text(PAGE, "utf-8")
    folder = tmp_path / "index"
    assert run("index", tmp_path / "page.txt", "--index", folder, "--quiet").exit_code == 0
    return folder


def test_search_prints_one_json_object_a_line_with_the_documented_keys(owner_index: Path) -> None:
    done = run("search", "reward hacking", "--index", owner_index, "--json", "-k", 203)
    hits = [json.loads(line) for line in done.stdout.splitlines()]
    assert [hit["rank"] for hit in hits] == list(range(1, 204))
    for hit in hits:
        assert list(hit) == ["rank", "id", "title", "topic", "score", "snippet", "legs"]
        assert set(hit["legs"]) <= {"lexical", "semantic"}
        assert all(set(leg) == {"rank", "score"} for leg in hit["legs"].values())
        for begin, end in hit["snippet"]["spans"]:
            assert hit["snippet"]["text"][begin:end].strip()
    assert hits[0]["id"] == "how-can-rubric-based-rewards-resist-reward-hacking-attacks"  # both words in its title
    assert sum("lexical" in hit["legs"] for hit in hits) < 203  # a leg that did not retrieve a note is absent


def test_explain_names_the_matched_terms_and_what_they_added(owner_index: Path) -> None:
    done = run("search", "reward hacking", "--index", owner_index, "--json", "--explain", "-k", 1)
    lexical = json.loads(done.stdout)["legs"]["lexical"]
    assert list(lexical["terms"]) == ["hack", "reward"]  # the rarer word first
    assert sum(lexical["terms"].values()) == pytest.approx(lexical["score"], abs=1e-4)
    assert "lexical: rank 1" in run("search", "reward hacking", "--index", owner_index, "--explain", "-k", 1).stdout


@pytest.mark.parametrize("mode", ["lexical", "semantic"])
def test_a_single_mode_asks_a_single_leg(owner_index: Path, mode: str) -> None:
    done = run("search", "reward hacking", "--index", owner_index, "--json", "--mode", mode, "-k", 3)
    assert [set(json.loads(line)["legs"]) for line in done.stdout.splitlines()] == [{mode}] * 3


def test_a_question_full_of_signs_is_answered(owner_index: Path) -> None:
    questions = [
        "exploit them?",
        "C++",
        "pass@k",
        "o1",
        'unbalanced "quote',
        "((",
        "😀",
        "*",
        "a" * 10_000,
        "x " * 5_000,
        "~",
        "OR",
        ":",
    ]
    for question in questions:
        assert run("search", "--index", owner_index, "--", question).exit_code == 0, question


def test_no_hit_is_said_on_stderr_and_is_no_failure(owner_index: Path) -> None:
    done = run("search", "zzqx", "--mode", "lexical", "--index", owner_index)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "No note matches.\n")


def test_the_index_comes_from_the_environment(small: Path) -> None:
    done = CliRunner().invoke(main, ["show", "do-cats-plan"], env={"KINDRED_INDEX": str(small)})
    assert "Cats sleep, hunt and plan." in done.output


def test_a_note_is_found_by_its_title_too(small: Path) -> None:
    assert run("show", "Do cats plan?", "--index", small, "--json").stdout.startswith('{"id": "do-cats-plan"')


def test_indexing_again_says_that_nothing_changed_and_encodes_one_changed_note_alone(small: Path) -> None:
    assert "Nothing changed: 2 notes" in run("index", "--index", small).stdout
    page = small.parent / "page.txt"
    page.write_text(PAGE.replace("Dogs fetch.", "Dogs fetch and plan."), "utf-8")
    assert "0 added, 1 changed, 0 removed; 1 text encoded" in run("index", "--index", small).stdout


def test_check_says_what_changed_on_disk_and_fails_when_asked_to(small: Path) -> None:
    assert run("check", "--index", small).stdout == f"The index in {small} is sound: 2 notes, all in both legs.\n"
    page = small.parent / "page.txt"
    page.write_text(PAGE.replace("Dogs fetch.", "Dogs fetch and plan."), "utf-8")
    done = run("check", "--index", small)
    assert done.exit_code == 0 and "changed: do-dogs-plan" in done.stderr
    assert run("check", "--index", small, "--fresh").exit_code == 1


def test_info_says_how_fresh_an_index_is(small: Path) -> None:
    assert "\nfresh: no note changed since\n" in run("info", "--index", small).stdout
    page = small.parent / "page.txt"
    page.write_text(PAGE.replace("Dogs fetch.", "Dogs fetch and plan."), "utf-8")
    told = f"\nnot fresh: 1 changed since; type: kindred index --index {small}\n"
    assert told in run("info", "--index", small).stdout
    told = f"\nIt is not fresh (1 difference to the notes on disk); type: kindred index --index {small}\n"
    assert told in run("check", "--index", small).stdout
    facts = json.loads(run("info", "--index", small, "--json").stdout)
    assert facts["freshness"] == {
        "fresh": False,
        "added": [],
        "changed": ["do-dogs-plan"],
        "removed": [],
        "problem": None,
    }
    page.unlink()
    assert "its notes cannot be read now: " in run("info", "--index", small).stdout
    done = run("check", "--index", small)
    assert "\nWhether it is fresh is not known here: " in done.stdout and "not fresh" not in done.stdout
    assert (done.exit_code, run("check", "--index", small, "--fresh").exit_code) == (0, 1)


def test_check_finds_a_flipped_byte(small: Path) -> None:
    vectors = next(small.glob("0*/vectors.npy"))
    content = bytearray(vectors.read_bytes())
    content[-1] ^= 1
    vectors.write_bytes(content)
    done = run("check", "--index", small)
    assert done.exit_code == 1 and "not sound: vectors.npy differs from what was published" in done.stdout
    assert f"To put it right, type: kindred index --index {small}" in done.stdout
    report = json.loads(run("check", "--index", small, "--json").stdout)
    assert report["sound"] is False and report["problems"] == ["vectors.npy differs from what was published"]
    assert run("index", "--index", small).exit_code == 0
    report = json.loads(run("check", "--index", small, "--json").stdout)
    assert report == {
        "sound": True,
        "problems": [],
        "notes": 2,
        "not_by_words": [],
        "not_by_meaning": [],
        "freshness": {"fresh": True, "added": [], "changed": [], "removed": [], "problem": None},
    }


def test_check_names_a_note_that_a_leg_does_not_hold(small: Path) -> None:
    """No fault that is known leads there: the arrays are changed, and their new hashes written into the manifest."""
    generation = next(small.glob("0*/vectors.npy")).parent
    vectors, terms = np.load(generation / "vectors.npy"), np.load(generation / "impacts" / "note_terms.npy")
    vectors[0] = np.nan
    terms[-1] = terms[0]
    np.save(generation / "vectors.npy", vectors)
    np.save(generation / "impacts" / "note_terms.npy", terms)
    record = json.loads((small / "manifest.json").read_text("utf-8"))
    for name in ("vectors.npy", "impacts/note_terms.npy"):
        record["files"][name] = entry_of(generation / name)
    (small / "manifest.json").write_text(resealed(record), "utf-8")
    done = run("check", "--index", small)
    assert done.exit_code == 1
    assert "not found by meaning: do-cats-plan" in done.stdout.splitlines()
    assert "not found by words: do-dogs-plan" in done.stdout.splitlines()


@pytest.mark.parametrize(
    "name, content, sentence",
    [
        ("empty.txt", b"", "empty.txt"),
        ("empty.md", b"", "empty.md"),
        ("empty.jsonl", b"", "empty.jsonl"),
        ("empty.csv", b"", "empty.csv"),
        ("binary.txt", b"\x00\x01\x02", "is not text"),
        ("latin.txt", "Clusté".encode("latin-1"), "latin.txt:1:"),
        ("prose.txt", b"Some prose.\n", "is no cluster page"),
        ("torn.txt", PAGE.replace("Dogs fetch.\n", "").encode(), "torn.txt:"),
        ("broken.jsonl", b'{"title": "a", "description": "b"}\n{"title"\n', "broken.jsonl:2:"),
        (
            "twice.jsonl",
            b'{"id": "x", "title": "a", "text": "b"}\n{"id": "x", "title": "c", "text": "d"}\n',
            "twice.jsonl:1",
        ),
        ("columns.csv", b"a,b\n1,2\n", "columns.csv"),
        ("picture.png", b"\x89PNG", "picture.png"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert sentence in refused("index", tmp_path / name, "--index", tmp_path / "index")
    assert not (tmp_path / "index" / "manifest.json").exists()


def test_a_missing_path_and_a_folder_without_notes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    assert "nowhere" in refused("index", tmp_path / "nowhere", "--index", tmp_path / "index")
    assert "holds no note" in refused("index", tmp_path / "bare", "--index", tmp_path / "index")


def test_a_missing_index_names_the_command_that_builds_it(tmp_path: Path) -> None:
    for words in (["search", "x"], ["related", "x"], ["show", "x"], ["info"], ["check"]):
        assert "type: kindred index" in refused(*words, "--index", tmp_path / "none")


def test_a_truncated_array_is_refused(small: Path) -> None:
    vectors = next(small.glob("0*/vectors.npy"))
    vectors.write_bytes(vectors.read_bytes()[:-4])
    assert "vectors.npy has" in refused("search", "cats", "--index", small)
    assert "built from nothing" in run("index", "--index", small).stderr
    assert run("check", "--index", small).exit_code == 0


def test_an_array_of_another_shape_is_refused(small: Path) -> None:
    vectors = next(small.glob("0*/vectors.npy"))
    np.save(vectors, np.load(vectors).reshape(384, 2))
    assert "vectors.npy differs from what was published" in refused("search", "cats", "--index", small)
    manifest = small / "manifest.json"
    record = json.loads(manifest.read_text("utf-8"))
    record["files"]["vectors.npy"] = entry_of(vectors)
    manifest.write_text(resealed(record), "utf-8")
    assert "vectors.npy holds float32 (384, 2)" in refused("search", "cats", "--index", small)


@pytest.mark.parametrize(
    "old, new, sentence",
    [
        (f'"format": {FORMAT}', '"format": 99', "has format 99"),
        (f'"format": {FORMAT}', '"other": 1', "states no format"),
        ('"notes": 2', '"notes": 3', "differs from what was written"),
        ('"checksum": "', '"checksum": "0', "differs from what was written"),
        ("{", "", "is not a manifest"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(small: Path, old: str, new: str, sentence: str) -> None:
    manifest = small / "manifest.json"
    manifest.write_text(manifest.read_text("utf-8").replace(old, new, 1), "utf-8")
    assert sentence in refused("search", "cats", "--index", small)


def test_an_index_of_another_model_is_refused_with_both(small: Path) -> None:
    manifest = small / "manifest.json"
    record = json.loads(manifest.read_text("utf-8"))
    record["encoder"]["fingerprint"] = "0" * 64
    manifest.write_text(resealed(record), "utf-8")
    assert "the index was built by" in refused("search", "cats", "--index", small)


@pytest.mark.parametrize("query, column", [('x topic:"Reward', 3), ("title:", 1)])
def test_an_unclosed_field_is_refused_with_its_column(small: Path, query: str, column: int) -> None:
    assert f"query, column {column}: " in refused("search", query, "--index", small)


def test_an_unknown_note_is_refused_with_the_three_nearest_ids(owner_index: Path) -> None:
    wanted = "can-llms-design-reward-functions-for-reinforcement-learning"
    for command in ("related", "show"):
        sentence = refused(command, wanted.replace("design", "desing"), "--index", owner_index)
        nearest = sentence.split("the nearest are: ")[1].rstrip(".").split(", ")
        assert len(nearest) == 3 and nearest[0] == wanted
    assert "the nearest are" in refused("related", "zzz", "--index", owner_index)


def test_an_unknown_encoder_is_refused_with_what_to_type(tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text(PAGE, "utf-8")
    sentence = refused("index", tmp_path / "page.txt", "--index", tmp_path / "index", "--encoder", "nobody/nothing")
    assert "all-MiniLM-L6-v2" in sentence


def test_wrong_usage_exits_2(small: Path) -> None:
    for words in (
        ["search"],
        ["search", "x", "-k", "0"],
        ["search", "x", "--mode", "magic"],
        ["eval", "--queries", "q"],
        ["nonsense"],
    ):
        assert run(*words, *(["--index", small] if words[0] in ("search", "eval") else [])).exit_code == 2, words
    assert run("index", "--language", "klingon", "--index", small).exit_code == 2


def test_escape_codes_in_a_note_never_reach_the_terminal(tmp_path: Path) -> None:
    record = {"title": "Red \u202e alert", "description": "Do \x9b31m not obey \u001b[31m this."}
    (tmp_path / "notes.jsonl").write_text(json.dumps(record), "utf-8")
    folder = tmp_path / "index"
    assert run("index", tmp_path / "notes.jsonl", "--index", folder).exit_code == 0
    for words in (["search", "obey"], ["show", "Red \u202e alert"]):
        shown = run(*words, "--index", folder).stdout
        assert "alert" in shown and not set(shown) & {"\x1b", "\x9b", "\u202e"}


def test_eval_prints_each_mode_and_writes_the_run_of_the_chosen_one(owner_index: Path, tmp_path: Path) -> None:
    (tmp_path / "queries.jsonl").write_text(
        '{"_id": "q1", "text": "reward hacking"}\n{"_id": "q2", "text": "unjudged"}\n'
    )
    note = "how-can-rubric-based-rewards-resist-reward-hacking-attacks"
    (tmp_path / "qrels.tsv").write_text(f"query-id\tcorpus-id\tscore\nq1\t{note}\t2\n")
    words = ["eval", "--index", owner_index, "--queries", tmp_path / "queries.jsonl", "--qrels", tmp_path / "qrels.tsv"]
    done = run(*words, "--run", tmp_path / "run", "--json")
    assert [json.loads(line)["ranking"] for line in done.stdout.splitlines()] == ["lexical", "semantic", "hybrid"]
    assert json.loads(done.stdout.splitlines()[2])["ndcg@10"] == 1.0
    lines = [line.split() for line in (tmp_path / "run").read_text().splitlines()]
    assert len(lines) == 100 and {line[0] for line in lines} == {"q1"}
    assert lines[0] == ["q1", "Q0", note, "1", "1.000000", "kindred-hybrid"]


def test_eval_scores_related_notes(owner_index: Path, tmp_path: Path) -> None:
    source = "can-llms-design-reward-functions-for-reinforcement-learning"
    (tmp_path / "related.tsv").write_text(f"query-id\tcorpus-id\tscore\n{source}\t{source}\t3\nno-such-note\tx\t1\n")
    done = run(
        "eval", "--index", owner_index, "--related", tmp_path / "related.tsv", "--run", tmp_path / "run", "--json"
    )
    assert json.loads(done.stdout)["ndcg@10"] == 0.0  # a note is not related to itself, an unknown one counts as a miss
    assert source not in [line.split()[2] for line in (tmp_path / "run").read_text().splitlines()]


def test_a_file_that_cannot_be_written_is_told_in_a_sentence(owner_index: Path, small: Path, tmp_path: Path) -> None:
    (tmp_path / "related.tsv").write_text("query-id\tcorpus-id\tscore\na\tb\t1\n")
    impossible = tmp_path / ("x" * 300)
    for words in (
        ["garden", "--index", small, "-o", impossible],
        ["eval", "--index", small, "--related", tmp_path / "related.tsv", "--run", impossible],
    ):
        done = run(*words)
        assert done.exit_code == 1
        assert "cannot be written (File name too long)." in done.stderr
    done = run("eval", "--index", small, "--related", tmp_path / "related.tsv", "--run", tmp_path / "none" / "run")
    assert (done.exit_code, "there is no folder" in done.stderr) == (2, True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_report_goes_through_a_pipe_and_leaves_it_where_it_is(small: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_text, "utf-8")
        assert run("garden", "--index", small, "-o", pipe).exit_code == 0
        assert read.result().startswith("# What a gardener would put right")
    assert pipe.is_fifo()


def test_shell_completion_offers_commands_and_note_ids(small: Path) -> None:
    environment = {
        "_KINDRED_COMPLETE": "bash_complete",
        "COMP_WORDS": "kindred show do-c",
        "COMP_CWORD": "2",
        "KINDRED_INDEX": str(small),
    }
    script = "import sys; sys.argv[0] = 'kindred'; from search.cli import main; main(prog_name='kindred')"
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == ["plain,do-cats-plan"]


def test_the_grade_is_said_on_stderr_and_never_in_the_way_of_json(owner_index: Path) -> None:
    assert run("search", "reward hacking", "--index", owner_index).stderr == "Strong match.\n"
    assert run("search", "recipe for vegan lasagna", "--index", owner_index).stderr.startswith("No note answers this")
    assert run("search", "reward hacking", "--index", owner_index, "--json").stderr == ""


def test_an_empty_query_finds_nothing_and_says_so(owner_index: Path) -> None:
    for query in ("", "   "):
        done = run("search", query, "--index", owner_index)
        assert (done.exit_code, done.stdout) == (0, "")


def test_a_query_of_constraints_alone_lists_what_they_allow_in_the_order_of_the_notes(owner_index: Path) -> None:
    done = run("search", 'topic:"Evolutionary Methods" OR topic:"Foundation Models"', "--index", owner_index, "--json")
    titles = [json.loads(line)["title"] for line in done.stdout.splitlines()]
    assert titles == [
        "Why do LLM agents ignore condensed experience summaries?",
        "Can deep learning theory unify around training dynamics?",
    ]
