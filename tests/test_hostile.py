"""What a stranger's notes can do to whoever indexes them: nothing that a sentence does not say."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click import Context
from click.testing import CliRunner
from toys import ToyEncoder, resealed, write_jsonl

from indexer import SourceError, build_index, open_index
from indexer.sources import read_notes
from indexer.sources.files import read_file
from search import Searcher
from search.cli import main

MIB = 1 << 20
# Reads what is named on the command line, says what came of it, and how much memory that took, in bytes.
READER = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
from pathlib import Path
from indexer import KindredError
from indexer.sources import read_notes
unit = 1 if sys.platform == "darwin" else 1024
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    found = read_notes([Path(sys.argv[1])])
    print(len(found.notes), "notes", *found.warnings[:1])
except KindredError as error:
    print(str(error).removeprefix(sys.argv[1]))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit)
"""
# name -> what is written, and what is said of it
ENDLESS: dict[str, tuple[Callable[[], Iterator[bytes]], str]] = {
    "200-mib.md": (lambda: (b"word " * (MIB // 5) for _ in range(200)), ": is longer than 16 MiB, "),
    "100-mib-page.txt": (lambda: (b"word\n" * (MIB // 5) for _ in range(100)), ": is longer than 16 MiB, "),
    "front-matter-of-50-mib.md": (
        lambda: iter([b"---\ntitle: a\n", *[b"x: y\n" * (MIB // 5)] * 50, b"---\n"]),
        ": is longer than 16 MiB, ",
    ),
    "front-matter-of-10-mib.md": (
        lambda: iter([b"---\ntitle: a\n", *[b"x: y\n" * (MIB // 5)] * 10, b"---\n"]),
        ":1: opens front matter with '---' and does not close it with another within 64 KiB.",
    ),
    "aliases-that-explode.md": (
        lambda: iter(
            [b"---\na: &a [x,x,x,x,x,x,x,x,x]\n"]
            + [b"%c: &%c [%s]\n" % (at, at, b",".join([b"*%c" % (at - 1)] * 9)) for at in range(98, 123)]
            + [b"title: *z\n---\n"]
        ),
        ":3: the front matter is no valid YAML: the alias *a is not read; ",
    ),
    "anchors-10000-deep.md": (
        lambda: iter([b"---\ntitle: ", *(b"&a [" for at in range(10_000)), b"]" * 10_000, b"\n---\n"]),
        ":2: the front matter is no valid YAML: it is nested deeper than 20 levels; ",
    ),
    "json-100000-levels-deep.jsonl": (
        lambda: iter([b'{"title": "a", "x": ', b"[" * 100_000, b"]" * 100_000, b"}"]),
        ":1: is nested too deep to be read.",
    ),
    "a-line-of-200-mib.jsonl": (
        lambda: iter([b'{"title": "a"}\n{"title": "', *[b"x" * MIB] * 200, b'"}\n']),
        ":2: one note has more than 16 Mi characters, the most that is read; shorten it.",
    ),
    "a-field-of-200-mib.csv": (
        lambda: iter([b"title,text\na,b\nc,", *[b"x" * MIB] * 200, b"\n"]),
        ":3: one note has more than 16 Mi characters, ",
    ),
    "a-quoted-field-of-20-mib.csv": (
        lambda: iter([b'title,text\na,b\nc,"', *[b"x\n" * (MIB // 2)] * 20, b'"\n']),
        ":3: one note has more than 16 Mi characters, ",
    ),
    "a-million-columns.csv": (
        lambda: iter([b"title" + b",x" * 1_000_000 + b"\n", b"a" + b",b" * 1_000_000 + b"\n"]),
        "1 notes ",
    ),
    "a-million-columns-without-a-title.csv": (
        lambda: iter([b"," * 1_000_000 + b"\n"]),
        ":1: has no title column: one must be called title, name, question or heading; the columns are: ,,,,,",
    ),
    "a-billion-columns-begun.csv": (
        lambda: iter([b"title", *[b"," * MIB] * 100]),
        ":1: one note has more than 16 Mi characters, ",
    ),
    "a-title-of-5-mb.md": (
        lambda: iter([b"# ", b"word " * 1_000_000]),
        "1 notes ",
    ),
    "a-paragraph-of-3-mib.md": (lambda: iter([b"# a\n", *[b"[[word]] " * (MIB // 9)] * 3]), "1 notes "),
    "an-archive-of-nul.md": (lambda: (b"\0" * MIB for _ in range(10)), ": is not text: it holds a NUL byte; "),
    "a-million-empty-lines.jsonl": (lambda: iter([b"\n" * 1_000_000]), ": holds no note ("),
    "a-million-quotes.md": (lambda: iter([b"> " * 500_000, b"\n", b"- " * 500_000]), "1 notes "),
}


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
@pytest.mark.parametrize("name", ENDLESS)
def test_what_is_endless_is_read_or_refused_within_time_and_memory(tmp_path: Path, name: str) -> None:
    content, said = ENDLESS[name]
    path = tmp_path / name
    with path.open("wb") as file:
        file.writelines(content())
    size = path.stat().st_size
    done = subprocess.run(
        [sys.executable, "-c", READER, str(path)], capture_output=True, text=True, timeout=120, check=False
    )
    path.unlink()
    assert done.returncode == 0, done.stderr[-2000:]
    answer, memory = done.stdout.rsplit("\n", 2)[:2]
    assert answer.startswith(said), answer[:500]
    assert len(answer) < 1000
    assert int(memory) < 3 * size + 256 * MIB


def test_a_text_that_is_endless_is_cut_and_the_warning_says_where(tmp_path: Path) -> None:
    path = tmp_path / "n.md"
    path.write_text("# " + "word " * 60_000 + "\n\n" + "x" * 250_000 + "\n\n[[" + "y" * 300_000 + "]]")
    found = read_notes([path])
    (note,) = found.notes
    assert note.title == ("word " * 50_000).rstrip()
    assert len(note.description) == 250_000
    assert len(note.id) == 999  # "word-" two hundred times, without the last hyphen
    assert found.warnings == [
        f"{path}:1: of a text of 299,999 characters the first 250,000 are read",
        f"{path}:1: of a text of 300,000 characters the first 250,000 are read",
    ]


def test_an_id_of_100000_characters_is_refused_with_its_line(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "n.jsonl", [{"title": "a"}, {"title": "b", "id": "x" * 100_000}])
    with pytest.raises(SourceError) as caught:
        read_notes([path])
    said = f"{path}:2: the id '{'x' * 80}…' is longer than 1,000 characters; write a shorter one."
    assert str(caught.value) == said


def test_10000_topics_and_10000_tags_on_a_note_are_indexed_and_found(tmp_path: Path) -> None:
    notes = [{"title": f"policy {number}", "topic": f"t{number}"} for number in range(10_000)]
    notes.append({"title": "reward", "tags": [f"tag{number}" for number in range(10_000)]})
    build_index([write_jsonl(tmp_path / "n.jsonl", notes)], tmp_path / "i", encoder=ToyEncoder(), tokens=False)
    searcher = Searcher.open(tmp_path / "i", encoder=ToyEncoder())
    assert [hit.note.title for hit in searcher.search("tag:tag9999")] == ["reward"]
    assert [hit.note.title for hit in searcher.search("topic:t4321")] == ["policy 4321"]


def test_a_word_of_a_quarter_of_a_million_letters_is_indexed_completed_and_put_right(tmp_path: Path) -> None:
    word = "reward" + "x" * 249_994
    notes = [{"title": "reward"}, {"title": word}, {"title": "regard"}, {"title": "short", "tags": [word]}]
    build_index([write_jsonl(tmp_path / "n.jsonl", notes)], tmp_path / "i", encoder=ToyEncoder())
    searcher = Searcher.open(tmp_path / "i", encoder=ToyEncoder())
    assert searcher.complete("rexard") == ["regard", "reward"]  # no word of that length is offered
    assert searcher.search("rewrad", mode="lexical").suggestion == "reward"
    assert {hit.note.title[:7] for hit in searcher.search("rewardx*", mode="lexical")} == {"rewardx"}


# --- what a folder may hold


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_pipes_sockets_links_out_and_links_in_circles_are_left_out_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    vault = Path("vault")
    (vault / "in").mkdir(parents=True)
    (vault / "in" / "note.md").write_text("Body.")
    os.mkfifo(vault / "pipe.md")
    (vault / "device.md").symlink_to("/dev/zero")
    (vault / "self.md").symlink_to("self.md")
    (vault / "in" / "circle").symlink_to("..", target_is_directory=True)
    (vault / "secret.md").symlink_to("/etc/passwd")
    (vault / "out").symlink_to("/", target_is_directory=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("vault/socket.md")
        found = read_notes([vault])
    assert [note.source for note in found.notes] == ["in/note.md"]
    assert found.left_out == [
        "broken links and special files: 3 (pipe.md, self.md, socket.md)",
        "links to folders or out of the folder: 4 (device.md, in/circle, out, …)",
    ]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_file_that_became_a_pipe_or_a_device_before_it_was_read_is_refused_and_nobody_waits(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    for path in (tmp_path / "pipe.md", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(SourceError, match="is no file that can be read"):
            read_file(path, 10)
    with pytest.raises(SourceError, match="cannot be read: No such file or directory"):
        read_file(tmp_path / "gone.md", 10)
    with pytest.raises(SourceError, match="cannot be read: "):
        read_file(tmp_path, 10)


def test_no_more_of_a_file_is_read_than_its_kind_may_have_however_long_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "n.md"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # a hole: nothing of it lies on the disk
    with pytest.raises(SourceError, match="is longer than 16 MiB, the most that is read of a file of its kind"):
        read_notes([path])
    path.write_bytes(b"x" * 10)
    assert read_file(path, 10) == b"x" * 10
    with pytest.raises(SourceError, match="is longer than 0 MiB"):
        read_file(path, 9)


# --- what reaches the terminal

# Escape codes (a title for the window, a colour, 8-bit CSI), overrides of direction, and what nobody sees.
STEERS = "\x1b]0;mine\x07\x1b[31m\x9b2J\u202e\u2066\x7f"
UNSEEN = "\u202e\u2067\u200b\u200f\ufeff"
# What no byte of an answer may be: C0 but tab and line end, DEL, C1, and the overrides and isolates of direction.
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the notes of a stranger, in vault/."""
    root = tmp_path_factory.mktemp("stranger")
    vault = root / "vault"
    notes = [
        {
            "id": f"n{number}{UNSEEN}",
            "title": f"Reward hacking {STEERS} {number}",
            "description": f"Policy {STEERS} reward, reinforcement learning (RL{UNSEEN}){STEERS} {number}",
            "topic": f"Topic {STEERS}{number % 2}",
            "cluster": STEERS,
            "tags": [f"tag{STEERS}"],
            "date": f"2024{STEERS}",
            "links": [f"n1{UNSEEN}"],
        }
        for number in range(5)
    ]
    write_jsonl(vault / "n.jsonl", notes)
    page = [f"Page{STEERS}", f"About{STEERS}", "9 notes · 1 papers · 9 sub-topics", f"Head{STEERS}", "3 notes"]
    page += [f"Reward {STEERS}", f"Why{STEERS}", "Explore related Read →"]
    for name, text in {
        f"page\x1b[31m{UNSEEN}.txt": "\n".join(page),
        "a\n\x1b[31m\"'$(x)`y`\u202e\x9b.md": "---\ntags: a #b\n---\n",
        f"folder\x1b[31m\n{UNSEEN}/x.md": f"# Reward{UNSEEN}\n\nBody {UNSEEN} [[Reward]]",
        f"picture\x1b[31m{UNSEEN}.pdf\x1b": "",
    }.items():
        try:
            (vault / name).parent.mkdir(exist_ok=True)
            (vault / name).write_text(text, encoding="utf-8", newline="\n")
        except (OSError, ValueError):
            continue  # this file system has no such names
    return root


# name of the command -> what is typed after it
TYPED: dict[str, list[list[str]]] = {
    "index": [["VAULT"], ["VAULT", "--quiet"], ["missing\x1b[31m"], ["--encoder", "x\x1b[31m\u202e"]],
    "info": [[], ["--json"]],
    "check": [[]],
    "search": [
        [text, *options]
        for text in ("reward", f"rewrad{STEERS}", f'title:"{STEERS}', "title:", f"zzz{STEERS}", f'"reward {STEERS}"')
        for options in ([], ["--json"], ["--explain"], ["--typing", "--mode", "lexical"])
    ],
    "show": [[f"n1{UNSEEN}"], [f"n1{UNSEEN}", "--json"], [f"zz{STEERS}"]],
    "why": [
        [f"reward {STEERS}", f"n1{UNSEEN}"], ["reward", f"n1{UNSEEN}", "--json"], ["rewrad zz", f"n2{UNSEEN}"],
        ["reward", f"zz{STEERS}"],
    ],
    "related": [
        [f"n1{UNSEEN}"], [f"n1{UNSEEN}", "--json"], [f"zz{STEERS}"], ["--all"], ["--all", "--format", "csv"],
        ["--all", "--format", "jsonl"], ["--all", "-o", "ROOT/r\x1b[31m.json"],
        ["--all", "-o", "ROOT/r\x1b[31m.json", "--diff", "--fresh"], ["--all", "-o", "ROOT/none\x1b[31m/r.json"],
    ],
    "garden": [[], ["--format", "csv"], ["-o", "ROOT/g\x1b[31m.md"], ["-o", "ROOT/none\x1b[31m/g.md"]],
    "export": [["ROOT/site\x1b[31m"], ["VAULT"]],
    "eval": [["--queries", "ROOT/q\x1b[31m", "--qrels", "ROOT/z\x1b[31m"], ["--related", "ROOT/z\x1b[31m"]],
}  # fmt: skip


def test_no_command_sends_to_a_terminal_what_a_stranger_s_notes_would_have_it_obey(stranger: Path) -> None:
    assert set(main.list_commands(Context(main))) - TYPED.keys() == {"serve", "mcp"}  # which print nothing of notes
    index = stranger / "index\x1b[31m"
    runs = [(name, typed) for name, every in TYPED.items() for typed in every]
    runs += [(name, typed) for name in ("info", "check", "search") for typed in TYPED[name][:1]]
    for turn, (name, typed) in enumerate(runs):
        if turn == len(runs) - 3:  # from here on the notes are not those of the index, and one cannot be read
            (stranger / "vault" / "broken\x1b[31m.jsonl").write_text('{"title": "a", "id": "\x1b\x9b \u202e"}')
        words = [word.replace("VAULT", str(stranger / "vault")).replace("ROOT", str(stranger)) for word in typed]
        # color=True: nothing is taken out on the way to what is no terminal
        done = CliRunner().invoke(main, [name, *words, "--index", str(index)], color=True)
        assert done.exception is None or isinstance(done.exception, SystemExit), (name, typed, done.exception)
        for stream in (done.stdout, done.stderr):
            found = OBEYED.search(stream)
            assert found is None, (name, typed, stream[max(found.start() - 60, 0) : found.end() + 20])
        if turn == 0:
            assert (done.exit_code, len(open_index(index)) >= 6) == (0, True), done.output


def test_json_keeps_what_a_note_holds_and_shows_it_escaped(stranger: Path) -> None:
    index = stranger / "json"
    CliRunner().invoke(main, ["index", str(stranger / "vault" / "n.jsonl"), "--index", str(index)])
    done = CliRunner().invoke(main, ["show", f"n1{UNSEEN}", "--json", "--index", str(index)])
    assert "\\u202e" in done.stdout
    assert json.loads(done.stdout)["id"] == f"n1{UNSEEN}"


@pytest.mark.parametrize("place", ["format", "generation", "created", "inputs", "encoder", "file", "text"])
def test_an_index_of_a_stranger_cannot_steer_the_terminal_either(stranger: Path, place: str) -> None:
    index = stranger / "steered"
    CliRunner().invoke(main, ["index", str(stranger / "vault" / "n.jsonl"), "--index", str(index)])
    path = index / "manifest.json"
    whole = path.read_text(encoding="utf-8")
    record = json.loads(whole)
    if place == "encoder":
        record["encoder"] |= {"name": STEERS, "runtime": "sentence-transformers"}
    elif place == "file":
        record["files"][STEERS] = {"bytes": 1, "crc32": 1, "sha256": STEERS}
    else:
        record[place] = [STEERS] if place == "inputs" else STEERS
    path.write_text("{" + STEERS if place == "text" else resealed(record), encoding="utf-8")
    for typed in (["info"], ["check"], ["search", "reward"], ["show", f"n1{UNSEEN}"]):
        done = CliRunner().invoke(main, [*typed, "--index", str(index)], color=True)
        assert done.exception is None or isinstance(done.exception, SystemExit), (typed, done.exception)
        assert not OBEYED.search(done.stdout + done.stderr), (typed, done.stdout, done.stderr)
    path.write_text(whole, encoding="utf-8")
