"""The gardener's report: it shows what notes say whatever is written in them; and the command as people meet it."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from indexer import Note, open_index
from search import Searcher
from search.cli import main
from search.garden import Finding, Section, Subject
from search.garden_report import csv_report, markdown_report

HOSTILE = [
    "<script>alert(1)</script>",
    "**bold**, _thin_, ~~gone~~ and `code`",
    "[link](https://example.org) ![image](x.png) [[wikilink]] [ ] [x] [^1]",
    "a | b | c",
    "two\nlines\r\nand a\ttab",
    "# no heading",
    "- no list",
    "+ no list",
    "1. no list",
    "12) no list",
    "---",
    "===",
    "> no quote",
    "&lt; &amp; &copy;",
    "back\\slash \\* \\",
    "$x$ ==mark== %%comment%% #tag",
    "再帰とは何か",
    "مرحبا بالعالم",
    "👩‍🌾 gardens",
    "*",
    "**",
    "`",
]


def report_of(title: str, topic: str = "T") -> list[Section]:
    here, there = Subject("a", title, topic), Subject("b", title, topic)
    return [Section("kind", "Kind", "It means that.", "If so.", (Finding(here, (there,), 1.5, "likeness 1.50", "do"),))]


def shown(markdown: str) -> list[str]:
    """The text of every list item, as a reader of the rendered page sees it."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown)
    items, depth = [], 0
    for token in tokens:
        depth += {"list_item_open": 1, "list_item_close": -1}.get(token.type, 0)
        if token.type == "inline" and depth:
            assert {child.type for child in token.children or ()} <= {
                "text",
                "text_special",
                "strong_open",
                "strong_close",
            }
            items.append("".join(child.content for child in token.children or ()))
        assert not token.type.startswith(("html", "fence", "code_block", "blockquote", "hr", "ordered"))
    return items


def on_one_line(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("title", HOSTILE)
def test_markdown_shows_a_title_as_it_is_written(title: str) -> None:
    line = on_one_line(title)
    assert shown(markdown_report([], report_of(title))) == [f"{line} (T): likeness 1.50", f"{line} (T)"]


@pytest.mark.parametrize("topic", HOSTILE)
def test_markdown_shows_a_topic_as_it_is_written(topic: str) -> None:
    line = on_one_line(topic)
    assert shown(markdown_report([], report_of("Title", topic))) == [
        f"Title ({line}): likeness 1.50",
        f"Title ({line})",
    ]


@given(st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), min_size=1).filter(str.strip))
def test_markdown_shows_any_title(title: str) -> None:
    line = on_one_line(title)
    assert shown(markdown_report([], report_of(title))) == [f"{line} (T): likeness 1.50", f"{line} (T)"]


def test_markdown_cuts_an_endless_title_and_csv_keeps_it() -> None:
    sections = report_of("a" * 5000)
    assert shown(markdown_report([], sections))[1] == "a" * 300 + "… (T)"
    assert rows(csv_report(sections))[1][2] == "a" * 5000


def test_neither_form_can_steer_a_terminal() -> None:
    sections = report_of("red \x1b[31m and \u202eturned")
    for text in (markdown_report([], sections), csv_report(sections)):
        assert "\x1b" not in text and "\u202e" not in text


def test_markdown_counts_first_and_says_so_where_nothing_is() -> None:
    empty = Section("other", "Other", "It means this.", "If it were.", ())
    text = markdown_report([Note("a", "A", "", "T", links=("b",)), Note("b", "B", "", "S")], [*report_of("x"), empty])
    assert "2 notes in 2 topics, with 1 link between them." in text
    assert text.index("| Kind | 1 |") < text.index("| Other | 0 |") < text.index("## Kind") < text.index("## Other")
    assert text.endswith("## Other\n\nIt means this.\nRule: If it were.\n\nNothing here.\n")


def test_markdown_shows_ten_findings_of_a_section_and_csv_all() -> None:
    findings = tuple(Finding(Subject(f"n{n}", f"N{n}", ""), (), n, f"{n}", "do") for n in range(12))
    sections = [Section("kind", "Kind", "Means.", "If.", findings)]
    text = markdown_report([], sections)
    assert shown(text) == [f"N{n}: {n}" for n in range(10)]
    assert text.endswith("\n\n… and 2 more; `kindred garden --format csv` lists all.\n")
    assert "more" not in markdown_report([], [Section("kind", "Kind", "Means.", "If.", findings[:10])])
    assert len(rows(csv_report(sections))) == 13


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_csv_has_a_header_and_a_row_a_finding() -> None:
    assert csv_report(report_of('Say "no", twice')) == (
        'section,note,title,other,other title,figure,advice\nkind,a,"Say ""no"", twice",b,"Say ""no"", twice",1.5,do\n'
    )


@pytest.mark.parametrize("title", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1+1", "\r=1", " \n=1", "＝1+1", "－1"])
def test_no_cell_of_csv_is_a_formula(title: str) -> None:
    cells = rows(csv_report(report_of(title)))[1]
    assert cells[2] == cells[4] == f"'{title.strip()}"


@given(st.text())
def test_no_title_makes_csv_of_other_shape_or_a_formula(title: str) -> None:
    found = rows(csv_report(report_of(title, title)))
    assert [len(row) for row in found] == [7, 7]
    assert not any(cell.startswith(tuple("=+-@\t\r\n")) for cell in found[1])


def test_a_figure_below_nothing_is_no_formula_either() -> None:
    lone = Finding(Subject("a", "A", ""), (), -0.25, "", "do")
    assert rows(csv_report([Section("kind", "Kind", "", "", (lone,))]))[1][5] == "'-0.25"


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


TOPICS = ("Diffusion-Based LLMs", "RL with Verifiable Rewards (RLVR)", "LLM Memory", "Mechanistic Interpretability")
MOVED = "why-can-t-we-easily-adapt-reinforcement-learning-to-diffusion-language-models"
TWICE = "can-reasoning-emerge-from-expert-demonstrations-alone"


@pytest.fixture(scope="module")
def chains(owner_index: Path) -> list[list[str]]:
    """The ids of the notes of four of the owner's topics."""
    notes = list(open_index(owner_index).notes())
    return [[note.id for note in notes if note.topic == topic] for topic in TOPICS]


@pytest.fixture(scope="module")
def vault(owner_index: Path, chains: list[list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index of 46 notes in Markdown: the 44 of ``chains``, a folder a topic, each linked to the next of its
    topic, with faults: one on diffusion lies in another folder, one stands there twice, and one is on soup."""
    index, root = open_index(owner_index), tmp_path_factory.mktemp("garden")
    texts = {"Cooking/soup.md": "# How long does a soup simmer?\n\nOnions, carrots and leek give a broth in an hour.\n"}
    for topic, chain in zip(TOPICS, chains, strict=True):
        for note_id, following in zip(chain, [*chain[1:], ""], strict=True):
            note = Searcher(index).get(note_id)
            text = f"{note.title}\n\n{note.description}\n"
            folder = "LLM Memory" if note_id == MOVED else topic
            texts[f"{folder}/{note_id}.md"] = f"# {text}\n" + (f"[[{following}]]\n" if following else "")
            if note_id == TWICE:
                texts[f"{folder}/twice.md"] = f"# Once more: {text}"
    for name, text in texts.items():
        (root / "vault" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "vault" / name).write_text(text, "utf-8")
    assert run("index", root / "vault", "--index", root / "index", "--quiet").exit_code == 0
    return root / "index"


def test_faults_planted_in_a_vault_are_found(vault: Path, chains: list[list[str]]) -> None:
    done = run("garden", "--index", vault, "--format", "csv")
    assert (done.exit_code, done.stderr) == (0, "")
    found: dict[str, list[list[str]]] = {}
    for name, *row in rows(done.stdout)[1:]:
        found.setdefault(name, []).append(row)
    twin, soup = f"once-more-{TWICE}", "how-long-does-a-soup-simmer"
    assert [(row[0], row[2]) for row in found["near-duplicate"]] == [(TWICE, twin)]
    assert [(row[0], row[2]) for row in found["orphan"][:2]] == [(twin, TWICE), (soup, "")]
    assert found["orphan"][1][4:] == ["", "see whether it belongs here"]  # nothing is near it
    assert {row[0] for row in found["orphan"]} == {
        twin,
        soup,
        *(end for chain in chains for end in chain[:: len(chain) - 1]),
    }
    linked = {pair for chain in chains for pair in pairwise(chain)}
    missing = [(row[0], row[2]) for row in found["missing-link"]]
    assert missing and not linked & {*missing, *((there, here) for here, there in missing)}
    assert (TWICE, twin) not in missing
    assert [float(row[4]) for row in found["missing-link"]] == sorted(
        (float(row[4]) for row in found["missing-link"]), reverse=True
    )
    assert [row[1] for row in found["thin-topic"]] == ["Cooking"]
    assert [(row[0], row[5]) for row in found["filed-wrongly"]] == [
        (MOVED, "move to Diffusion-Based LLMs, or say why not")
    ]


def test_the_report_on_a_vault_counts_its_links(vault: Path, chains: list[list[str]]) -> None:
    text = run("garden", "--index", vault).stdout
    assert f"46 notes in 5 topics, with {sum(len(chain) - 1 for chain in chains)} links between them." in text
    assert "| Missing links |" in text and "Pairs across topics" not in text


def test_the_report_on_the_owners_notes_has_pairs_across_topics_for_missing_links(owner_index: Path) -> None:
    text = run("garden", "--index", owner_index).stdout
    assert "203 notes in 20 topics, with 0 links between them." in text
    assert "No note here links to another" in text and "Missing links" not in text
    assert len(text.splitlines()) < 120  # a page or two
    # Read by a person: they say the same in other words.
    assert "Can we generate synthetic data without any seed examples?" in text[: text.index("## Orphans")]


def test_two_runs_write_the_same_whatever_the_order_of_sets(vault: Path, tmp_path: Path) -> None:
    written = []
    for seed in ("1", "2"):
        path = tmp_path / f"{seed}.csv"
        words = ["garden", "--index", str(vault), "--format", "csv", "-o", str(path)]
        done = subprocess.run(
            [sys.executable, "-m", "search.cli", *words],
            env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout == ""
        written.append(path.read_bytes())
    assert written[0] == written[1] == run("garden", "--index", vault, "--format", "csv").stdout.encode()


def test_what_the_file_ends_in_says_what_is_written(vault: Path, tmp_path: Path) -> None:
    for name, words, first in (
        ("garden.md", [], "# What a gardener would put right"),
        ("garden.csv", [], "section,note,title,other,other title,figure,advice"),
        ("garden.txt", ["--format", "csv"], "section,note,title,other,other title,figure,advice"),
    ):
        done = run("garden", "--index", vault, "-o", tmp_path / name, *words)
        text = (tmp_path / name).read_text("utf-8")
        assert text.startswith(first + "\n")
        findings = len(rows((tmp_path / "garden.csv").read_text("utf-8"))) - 1 if name != "garden.md" else None
        assert (done.exit_code, done.stdout) == (0, "")
        assert done.stderr.endswith(f"to {tmp_path / name}.\n")
        if findings is not None:
            assert done.stderr.startswith(f"Wrote {findings} findings ")


def test_a_folder_that_is_not_there_is_refused_before_the_work(tmp_path: Path) -> None:
    done = run("garden", "--index", tmp_path / "no-index", "-o", tmp_path / "nowhere" / "garden.md")
    assert done.exit_code == 2
    assert "there is no folder" in done.stderr


def test_a_single_note_is_an_orphan_with_nothing_near_it(tmp_path: Path) -> None:
    (tmp_path / "only.md").write_text("# Alone\n\nOnly this.\n", "utf-8")
    assert run("index", tmp_path / "only.md", "--index", tmp_path / "index", "--quiet").exit_code == 0
    done = run("garden", "--index", tmp_path / "index")
    assert done.exit_code == 0, done.output
    assert "1 note in 0 topics, with 0 links between them." in done.stdout
    assert shown(done.stdout) == ["Alone: in no list, and nothing near"]
