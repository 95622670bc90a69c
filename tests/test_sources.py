from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.errors import DuplicateNoteError, SourceError
from indexer.notes import Note
from indexer.sources import Cluster, Collection, Source, read_notes
from indexer.sources.page import read_page

SAMPLE = Path(__file__).parent.parent / "data" / "reasoning-and-learning-architectures.txt"
KINDS = (
    "what is read are saved cluster pages (.txt), Markdown (.md, .markdown), "
    "JSON lines (.jsonl, .ndjson) and tables (.csv, .tsv)."
)
CLOSING = "Explore related Read →"


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every path below is relative, so that messages can be compared whole."""
    monkeypatch.chdir(tmp_path)


def write(name: str, content: str | bytes) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(name: str, content: str | bytes) -> Collection:
    return read_notes([write(name, content)])


def only(name: str, content: str | bytes) -> Note:
    collection = read(name, content)
    assert collection.warnings == []
    (note,) = collection.notes
    return note


def refusal(*paths: str) -> str:
    with pytest.raises(SourceError) as caught:
        read_notes([Path(path) for path in paths])
    return str(caught.value)


def refused(name: str, content: str | bytes) -> str:
    return refusal(str(write(name, content)))


# --- the saved cluster page


def test_the_sample_page_gives_its_203_notes_under_20_sub_topics() -> None:
    collection = read_notes([SAMPLE])
    counts = list(Counter(note.topic for note in collection.notes).values())
    assert counts == [27, 21, 18, 17, 17, 16, 13, 12, 10, 8, 8, 7, 7, 6, 4, 4, 3, 3, 1, 1]
    assert len(collection.notes) == 203
    assert collection.warnings == [f"{SAMPLE}:7: states 290 notes under 21 sub-topics and holds 203 under 20"]
    assert collection.left_out == []
    assert {note.cluster for note in collection.notes} == {"Reasoning and Learning Architectures"}


def test_the_sample_page_is_named_with_its_hash_and_figures() -> None:
    (source,) = read_notes([SAMPLE]).sources
    assert source.path == "reasoning-and-learning-architectures.txt"
    assert (source.kind, source.notes) == ("page", 203)
    assert source.sha256 == hashlib.sha256(SAMPLE.read_bytes()).hexdigest()
    assert source.cluster is not None
    assert source.cluster.title == "Reasoning and Learning Architectures"
    assert source.cluster.description.startswith("Research on how language models learn, reason, and improve")
    assert (source.cluster.stated_notes, source.cluster.stated_papers, source.cluster.stated_topics) == (290, 1094, 21)


def test_notes_of_the_sample_page_have_the_ids_and_lines_that_a_reader_expects() -> None:
    notes = {note.id: note for note in read_notes([SAMPLE]).notes}
    first = notes["can-llms-design-reward-functions-for-reinforcement-learning"]
    assert (first.topic, first.line) == ("Reinforcement Learning", 14)
    assert "can-an-agent-s-own-beliefs-guide-credit-assignment-without-critics" in notes
    assert "why-do-language-models-fail-to-act-on-their-own-reasoning" in notes
    last = notes["can-deep-learning-theory-unify-around-training-dynamics"]
    assert (last.topic, last.line) == ("Foundation Models", 1302)


HEADER = ["Minds", "About minds.", "2 notes (primary) · 3 papers · 1 sub-topic"]  # lines 1 to 3
NOTE_A = ["What is A?", "On A.", CLOSING]
NOTE_B = ["What is B?", "On B.", CLOSING]


def page(*parts: list[str] | str) -> str:
    return "\n".join(line for part in parts for line in ([part] if isinstance(part, str) else part))


def test_a_page_is_read_without_its_optional_lines_and_with_blank_lines_and_white_space_anywhere() -> None:
    text = page(HEADER, "Topic", "2 notes", NOTE_A, NOTE_B)
    plain = read("plain.txt", text)
    loose = read("loose.txt", "\n \n← All clusters\n" + "\r\n\t\r\n".join(f"  {line}\t" for line in text.split("\n")))
    assert plain.warnings == loose.warnings == []
    assert [(note.title, note.description, note.topic, note.cluster, note.line) for note in plain.notes] == [
        ("What is A?", "On A.", "Topic", "Minds", 6),
        ("What is B?", "On B.", "Topic", "Minds", 9),
    ]
    assert [note.line for note in loose.notes] == [14, 20]
    assert [note.id for note in loose.notes] == ["what-is-a", "what-is-b"]


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ("1 note (primary) · 1 paper · 1 sub-topic", (1, 1, 1)),
        ("1,094 notes (primary) · 12.345 papers · 1 234 567 sub-topics", (1094, 12345, 1234567)),
        ("2\u00a0900 notes · 0 papers · 20 sub-topics", (2900, 0, 20)),
    ],
)
def test_figures_may_be_singular_and_have_thousands_separators(figures: str, expected: tuple[int, int, int]) -> None:
    source = read("p.txt", page("Minds", "About.", figures, "View as", "Topic", "1 note", NOTE_A)).sources[0]
    assert source.cluster == Cluster("Minds", "About.", *expected)


def test_a_page_that_holds_other_numbers_than_it_states_is_read_with_a_warning_for_each() -> None:
    text = page(
        "Minds", "About.", "9 notes · 3 papers · 1 sub-topic", "T", "2 notes", NOTE_A, "U", "1 note", NOTE_A, NOTE_B
    )
    collection = read("p.txt", text)
    assert len(collection.notes) == 3
    assert collection.warnings == [
        "p.txt:3: states 9 notes under 1 sub-topic and holds 3 under 2",
        "p.txt:5: states 2 notes and holds 1",
        "p.txt:10: states 1 note and holds 2",
    ]


def test_a_description_or_a_title_may_read_like_a_count() -> None:
    text = page(HEADER, "Topic", "2 notes", ["27 notes", "On A.", CLOSING], ["How many?", "27 notes", CLOSING])
    assert [(note.title, note.description) for note in read("p.txt", text).notes] == [
        ("27 notes", "On A."),
        ("How many?", "27 notes"),
    ]


NO_PAGE = (
    "is no cluster page: below its title and description must stand a line like "
    "'290 notes (primary) · 1094 papers · 21 sub-topics', not {}."
)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("Just\n\nsome\n\ntext.", 5, NO_PAGE.format("'text.'")),
        ("A shopping list", 1, NO_PAGE.format("'A shopping list'")),
        (page("Minds", HEADER[2], "T", "1 note", NOTE_A), 3, NO_PAGE.format("'T'")),
        (page(HEADER, "T", "1 note", "What is A?", CLOSING), 6, "the title 'What is A?' has no description."),
        (
            page(HEADER, "T", "1 note", "What is A?", "On A.", NOTE_B),
            8,
            f"'{CLOSING}' must stand below the title 'What is A?' and its description, not 'What is B?'.",
        ),
        (
            page(HEADER, "T", "1 note", "What is A?", "On A.", "More on A.", CLOSING),
            8,
            f"'{CLOSING}' must stand below the title 'What is A?' and its description, not 'More on A.'.",
        ),
        (
            page(HEADER, "T", "1 note", NOTE_A, "An advertisement", NOTE_B),
            11,
            f"'{CLOSING}' must stand below the title 'An advertisement' and its description, not 'On B.'.",
        ),
        (page(HEADER, NOTE_A), 4, "the note 'What is A?' stands before the first heading."),
        (page(HEADER, "View as", "2 notes", NOTE_A), 5, "'2 notes' counts the notes of no heading."),
        (page(HEADER, "T", "1 note", NOTE_A, "1 note", NOTE_B), 9, "'1 note' counts the notes of no heading."),
        (page(HEADER, "T", "1 note", NOTE_A, CLOSING), 9, f"'{CLOSING}' closes no note."),
        (page(HEADER, "T", "1 note", NOTE_A, "B?"), 9, "the page ends in the middle of the note 'B?'."),
        (page(HEADER, "T", "1 note", NOTE_A, "B?", "On B."), 9, "the page ends in the middle of the note 'B?'."),
    ],
)
def test_a_page_of_another_form_is_refused_with_the_line(text: str, line: int, problem: str) -> None:
    assert refused("p.txt", text) == f"p.txt:{line}: {problem}"


_SPECIAL = {CLOSING, "View as"}
_texts = (
    (
        st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1)
        | st.sampled_from(["3 notes", "1 note", "1,000 notes"])
    )
    .map(lambda text: " ".join(text.split()))
    .filter(lambda text: text and text not in _SPECIAL and not text.startswith("←"))
)


@given(st.lists(st.tuples(_texts, st.lists(st.tuples(_texts, _texts), max_size=3)), max_size=4), _texts, _texts)
@settings(max_examples=60)
def test_whatever_the_notes_say_a_page_gives_them_back(
    topics: list[tuple[str, list[tuple[str, str]]]], title: str, description: str
) -> None:
    held = sum(len(notes) for _, notes in topics)
    lines = [
        "← All clusters",
        title,
        description,
        f"{held} notes (primary) · 7 papers · {len(topics)} sub-topics",
        "View as",
    ]
    for topic, notes in topics:
        lines += [topic, f"{len(notes)} notes"]
        for note in notes:
            lines += [*note, CLOSING]
    raw, cluster, warnings = read_page("\n\n".join(lines), Path("p.txt"), "p.txt")
    assert [(note.topic, note.title, note.description) for note in raw] == [
        (topic, *note) for topic, notes in topics for note in notes
    ]
    assert cluster == Cluster(title, description, held, 7, len(topics))
    assert warnings == []


# --- Markdown


def test_front_matter_states_all_that_a_note_has() -> None:
    text = """---
Title: "Credit: who gets it?"
SUMMARY: On   credit
  assignment.
tags: [rl, "#credit", rl]
date: 2024-01-05 10:30:00
id: 42
topic: Learning
aliases:
  - Assignment
unknown: {a: [b]}
---
Body.
"""
    note = only("n.md", text)
    assert note == Note(
        id="42",
        title="Credit: who gets it?",
        description="On credit assignment.",
        topic="Learning",
        tags=("rl", "credit"),
        date="2024-01-05",
        source="n.md",
        line=2,
    )


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("[a, b]", ("a", "b")),
        ("'a, deep learning,, #c'", ("a", "deep learning", "c")),
        ('"#a #b c"', ("a", "b", "c")),
        ("a b  # a comment", ("a", "b")),
        ("\n- 2024\n- yes\n-", ("2024", "yes")),
        ("", ()),
        ("null", ()),
    ],
)
def test_tags_are_a_list_or_text_with_commas_or_spaces(tags: str, expected: tuple[str, ...]) -> None:
    assert only("n.md", f"---\ntags: {tags}\n---\nBody.").tags == expected


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("2024-01-05", "2024-01-05"),
        ("2024-1-5", "2024-01-05"),
        ("2024-01-05T23:59:00Z", "2024-01-05"),
        ("'2024-01-05'", "2024-01-05"),
        ("2024-13-45", "2024-13-45"),
        ("spring 2024", "spring 2024"),
        ("2024", "2024"),
        ("", ""),
    ],
)
def test_a_day_is_kept_in_iso_form_and_any_other_date_as_it_is(date: str, expected: str) -> None:
    assert only("n.md", f"---\ndate: {date}\n---\nBody.").date == expected


def test_values_stay_as_they_are_written() -> None:
    note = only("n.md", "---\ntitle: 1984\ndescription: yes\nid: 007\ntopic: [[Old Books]]\n---\n")
    assert (note.title, note.description, note.id, note.topic) == ("1984", "yes", "007", "Old Books")


@pytest.mark.parametrize(
    ("text", "title", "line"),
    [
        ("\n# One *two* `three` ##\n\nBody.", "One two three", 2),
        ("One\ntwo\n===\n\nBody.", "One two", 1),
        ("One\n---\n\nBody.", "One", 1),
        ("Before.\n\n### Third [level](x.html) C#\n\nBody.", "Third level C#", 3),
        ("```\n# code\n```\n<!--\n# comment\n-->\n#\n#tag\n\n## Real\n\nBody.", "Real", 10),
        ("---\ntags: a\n---\n# Below\n\nBody.", "Below", 4),
        ("---\ntitle:\n---\n# Below\n\nBody.", "Below", 4),
        ("- item\n---\nBody.", "file name", 1),
        ("> quote\n---\nBody.", "file name", 1),
        ("Body.", "file name", 1),
        ("---\n\nA rule above.", "file name", 1),
    ],
)
def test_the_title_is_the_first_heading_or_the_name_of_the_file(text: str, title: str, line: int) -> None:
    note = only("file name.md", text)
    assert (note.title, note.line) == (title, line)


@pytest.mark.parametrize(
    ("text", "description"),
    [
        ("# T\n\nOne\ntwo\n\nthree", "One two"),
        ("Before.\n\n# T\n\nAfter.", "After."),
        ("Before.\n\n# T", "Before."),
        ("---\ntitle: T\n---\n# Heading\n\nBody.", "Body."),
        ("# T\n## S\n***\n* * *\n![i](i.png)\n![[embed]]\n\n<br>\n\nBody.", "Body."),
        ("# T\n```py\nx\n```\n~~~~\n```\n~~~\n~~~~\nBody.", "Body."),
        ("# T\n- ```py\n  x\n  ```\n\nBody.", "Body."),
        ("# T\n> ```\n> x\n\nBody.", "Body."),
        ("# T\n<!-- a -->\n<!-- b\n\nc --> Body <!-- d -->.", "Body ."),
        ("# T\n`<!--` Body.", "<!-- Body."),
        ("# T\n| a | b |\n|---|---|\n| c | d |\n\na | b\n:-- | --:\nc | d\n\nBody.", "Body."),
        ("# T\n[x]: http://x.y\n[^1]: A footnote.\n\nBody.[^1]", "Body."),
        ("# T\n#tag #other/tag\nBody.", "Body."),
        ("# T\n> [!note]- Hint\n> One\n> two", "Hint One two"),
        ("# T\n- one\n- [x] two\n3. three", "one two three"),
        (
            "# T\n**bold *and* ~~struck~~** ==marked== __init__ snake_case_name 2*3 a * b",
            "bold and struck marked init snake_case_name 2*3 a * b",
        ),
        (
            "# T\n[text](a_(b).md 'x') [ref][r] ![alt](x.png) <https://x.y> <b>b</b> a < b",
            "text ref https://x.y b a < b",
        ),
        ("# T\n[[Target]] [[Target|shown]] [[Target#part]] [[#part]]", "Target shown Target > part part"),
        (
            "# T\n`a*b*` ``c`d`` \\*e\\* f\\[g\\] &amp; &lt;h&gt; &#8594; &bogus; R&D",
            "a*b* c`d *e* f[g] & <h> → &bogus; R&D",
        ),
    ],
)
def test_the_description_is_the_first_paragraph_as_plain_text(text: str, description: str) -> None:
    assert only("n.md", text).description == description


def test_a_note_without_a_paragraph_is_kept_with_a_warning() -> None:
    collection = read("n.md", "\n\n# Alone\n\n```\ncode\n```\n")
    assert [(note.title, note.description) for note in collection.notes] == [("Alone", "")]
    assert collection.warnings == ["n.md:3: has a title but no description"]


def test_wikilinks_and_links_to_markdown_files_become_ids_in_order() -> None:
    write(
        "v/start.md",
        "# Start [[d]]\n\n[[Note B|shown]] [x](other%20note.md#part) ![[sub/c#part]] [[nickname]]\n"
        "| a | [[Note B\\|again]] | [y](<sub/paren (1).md>) |\n\n"
        "`[[code]]` ``x ` [[code]]`` [web](http://x.y/code.md) [abs](/code.md) [[Missing]] [[start]] [[#here]]\n"
        "```\n[[code]]\n```\n<!-- [[code]] -->\n",
    )
    for name in ("b.md", "other note.md", "sub/c.md", "d.md", "code.md", "sub/paren (1).md"):
        write(f"v/{name}", "Body.")
    write("v/b.md", "# Note B\n\nBody.")
    write("v/e.md", "---\naliases: Nickname, other\n---\n# Note E\n\nBody.")
    notes = {note.source: note for note in read_notes([Path("v")]).notes}
    assert notes["start.md"].links == ("d", "note-b", "other-note", "c", "note-e", "paren-1")


def test_a_link_to_a_file_leads_to_the_note_in_that_file_where_every_folder_has_an_index() -> None:
    for fruit in ("apples", "pears", "plums"):
        write(f"v/{fruit}/index.md", f"# All about {fruit}\n\nBody.")
    write("v/index.md", "# Fruit\n\nBody.")
    write("v/kiwis/index.md", "---\ndraft: true\n---\n# Kiwis\n\nBody.")
    write("v/apples/title.md", "# index\n\nBody.")  # a note that is called as files are
    write(
        "v/nuts/home.md",
        "# Home\n\n[a](../pears/index.md) [b](../index.md) [c](../plums/./../Plums/Index.md#top) "
        "[moved](gone/title.md) [out](../../v/apples/index.md) [out](../../apples/index.md) [none](../kiwis/gone.md) "
        "[draft](../kiwis/index.md)",
    )
    write("v/pears/near.md", "# Near\n\n[here](index.md) [[apples/index]]")
    notes = {note.source: note for note in read_notes([Path("v")]).notes}
    assert notes["nuts/home.md"].links == ("all-about-pears", "fruit", "all-about-plums", "index")
    assert notes["pears/near.md"].links == ("all-about-pears", "all-about-apples")


def test_a_link_to_a_file_stays_in_its_folder_where_two_folders_are_read() -> None:
    for folder in ("a", "b"):
        write(f"{folder}/index.md", f"# Of {folder}\n\nBody.")
        write(f"{folder}/home.md", f"# Home of {folder}\n\nSee [all](index.md).")
    Path("x").mkdir()
    notes = read_notes([Path("a"), Path("x/../b")]).notes
    assert {note.id: note.links for note in notes if note.links} == {"home-of-a": ("of-a",), "home-of-b": ("of-b",)}


def test_a_tag_that_yaml_reads_as_a_comment_gets_a_warning() -> None:
    text = "---\ntags: #a #b\naliases:\n  - '#fine'\n  - #c\n# a comment\ntopic: T # a comment\n---\nBody."
    assert read("n.md", text).warnings == [
        "n.md:2: '#' begins a comment in YAML; quote the tag or write it without '#'",
        "n.md:5: '#' begins a comment in YAML; quote the tag or write it without '#'",
    ]


def test_inline_tags_follow_those_of_the_front_matter() -> None:
    text = "# T #heading\n\nIssue #12 is #b-c/d, (#no) x#no `#code` `x`#code #a #größe_1.\n\n    ~~~\n#code"
    assert only("n.md", "---\ntags: [a]\n---\n" + text).tags == ("a", "b-c/d", "größe_1")


def test_the_topic_is_the_folder_where_the_note_states_none() -> None:
    write("v/root.md", "Body.")
    write("v/a/b/deep.md", "Body.")
    write("v/a/own.md", "---\ncategory: Mine\n---\nBody.")
    notes = {note.source: note.topic for note in read_notes([Path("v")]).notes}
    assert notes == {"a/b/deep.md": "a/b", "a/own.md": "Mine", "root.md": ""}
    assert read_notes([Path("v/a/b/deep.md")]).notes[0].topic == ""


YAML = "the front matter is no valid YAML: "
QUOTE_IT = "; quote a value that holds a colon or begins with a sign."


@pytest.mark.parametrize(
    ("front", "line", "problem"),
    [
        ("- a\n- b", 2, "the front matter holds no keys with values."),
        ("just text", 2, "the front matter holds no keys with values."),
        ("# a comment", 2, "the front matter holds no keys with values."),
        ("date: x\ntitle: *bold", 3, f"{YAML}the alias *bold is not read{QUOTE_IT}"),
        ("a: &x [*x]", 2, f"{YAML}the alias *x is not read{QUOTE_IT}"),
        ("a: " + "[" * 30, 2, f"{YAML}it is nested deeper than 20 levels{QUOTE_IT}"),
        ("a: 1\nb: \x07", 3, "the front matter holds the control character U+0007."),
        ("a: 1\n--- \t|\nb", 3, "the front matter holds two YAML documents."),
        ("tags: a\ntitle: {a: b}", 3, "'title' must be one piece of text."),
        ("description: [a, b]", 2, "'description' must be one piece of text."),
        ("date: {a: b}", 2, "'date' must be one piece of text."),
        ("id: [a, b]", 2, "'id' must be one piece of text."),
        ("tags: {a: b}", 2, "'tags' must be a list, or text with commas."),
        ("x: 1\naliases: [[a]]", 3, "'aliases' must be a list, or text with commas."),
        ("title: T\nid: a b", 2, "the id 'a b' holds white space or control characters; write it without."),
        ('title: T\nid: "a\\u0007"', 2, "the id 'a\\x07' holds white space or control characters; write it without."),
        ('title: "\\u0007"', 2, "has a title without a visible character."),
    ],
)
def test_front_matter_of_the_wrong_form_is_refused_with_the_line(front: str, line: int, problem: str) -> None:
    assert refused("n.md", f"---\n{front}\n---\nBody.") == f"n.md:{line}: {problem}"


def test_front_matter_that_nests_without_end_is_refused() -> None:
    # PyYAML 6.0.4 and newer refuse it themselves, in their own words
    assert refused("n.md", "---\na: " + "[" * 60_000 + "\n---\nBody.").startswith(f"n.md:2: {YAML}")


@pytest.mark.parametrize(
    ("front", "line"),
    [("date: x\ntitle: a: b", 3), ("tags: [a, b", 3), ("\ttitle: a", 2), ("title: @a", 2)],
)
def test_front_matter_that_is_no_yaml_is_refused_near_its_line(front: str, line: int) -> None:
    message = refused("n.md", f"---\n{front}\n---\nBody.")
    # The two parsers that PyYAML has (one in C, one in Python) name the line of an unclosed bracket differently.
    assert message.startswith((f"n.md:{line}: {YAML}", f"n.md:{line - 1}: {YAML}"))
    assert message.endswith(QUOTE_IT)


@pytest.mark.parametrize("text", ["---\ntitle: T\nBody.", "---\ntitle: T\n" + "x: y\n" * 20_000 + "---\nBody."])
def test_front_matter_that_is_not_closed_is_refused(text: str) -> None:
    assert refused("n.md", text) == (
        "n.md:1: opens front matter with '---' and does not close it with another within 64 KiB."
    )


def test_of_a_key_stated_twice_the_first_counts_with_a_warning() -> None:
    collection = read("n.md", "---\ntitle: One\nx: 1\nx: 2\nTitle: Two\n---\nBody.")
    assert [note.title for note in collection.notes] == ["One"]
    assert collection.warnings == ["n.md:5: states title twice; the first is kept"]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "[a](" * 100_000,
        "![[" * 100_000,
        "**a _b " * 50_000,
        " ".join("`" * length for length in range(600)),
        "<a" * 100_000,
        "<!--" * 100_000,
        "# " + " #" * 100_000 + "x",
        "---\n" + "a" * 300_000,
        "> " * 100_000 + "x",
        "- " * 100_000 + "x",
        "&#" + "9" * 300_000 + ";",
    ],
    ids=lambda text: text[:8],
)
def test_a_hostile_text_is_read_in_linear_time(text: str) -> None:
    assert len(read("n.md", text).notes) == 1


# --- JSON lines and tables


def test_a_json_line_states_all_that_a_note_has() -> None:
    record = {
        "_id": 7,
        "Question": " Why\n so? ",
        "Abstract": "On\tit.",
        "section": "S",
        "collection": "C",
        "keywords": "a, #b,,a",
        "published": 2019,
        "related": ["Other", 8],
        "unknown": [{}],
    }
    other = {"id": "o", "title": "Other", "text": "x", "tags": ["t u", "v"], "created": "2019-5-2"}
    notes = read("n.jsonl", f"\n{json.dumps(record)}\n\n{json.dumps(other)}").notes
    assert notes == [
        Note("7", "Why so?", "On it.", "S", "C", ("a", "b"), "2019", ("o",), "n.jsonl", 2),
        Note("o", "Other", "x", tags=("t u", "v"), date="2019-05-02", source="n.jsonl", line=4),
    ]


SYNONYMS = [  # the names that the format's description lists, in its order
    ("title", ["title", "name", "question", "heading"]),
    ("description", ["description", "summary", "text", "abstract", "body", "content"]),
    ("id", ["id", "_id", "slug"]),
    ("topic", ["topic", "sub_topic", "subtopic", "category", "section"]),
    ("cluster", ["cluster", "collection"]),
    ("tags", ["tags", "keywords"]),
    ("date", ["date", "created", "year", "published"]),
]


@pytest.mark.parametrize(("field", "names"), SYNONYMS, ids=lambda value: value if isinstance(value, str) else "")
def test_the_first_name_of_a_field_that_is_not_empty_wins_in_json_and_in_tables(field: str, names: list[str]) -> None:
    rest = {"title": "T"} if field != "title" else {}
    for position, name in enumerate(names):
        record = rest | {later.upper(): f"from-{later}" for later in reversed(names[position:])}
        record |= dict.fromkeys(names[:position], " ")
        (from_json,) = read("n.jsonl", json.dumps(record)).notes
        (from_table,) = read("n.csv", ",".join(record) + "\n" + ",".join(record.values())).notes
        value = getattr(from_json, field)
        assert value == ((f"from-{name}",) if field == "tags" else f"from-{name}")
        assert getattr(from_table, field) == value


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            "{'title': 1}",
            "is no JSON: Expecting property name enclosed in double quotes in column 2; "
            "each line must be one whole JSON object.",
        ),
        ("{", None),
        ("[1]", 'is no JSON object; each line must be one, as in {"title": "..."}.'),
        ('"text"', 'is no JSON object; each line must be one, as in {"title": "..."}.'),
        ("{}", "has no title: a field called title, name, question or heading that is not empty."),
        (
            '{"title": " ", "name": null}',
            "has no title: a field called title, name, question or heading that is not empty.",
        ),
        ('{"name": 5}', "'name' is not text."),
        ('{"title": "T", "abstract": ["x"]}', "'abstract' is not text."),
        ('{"title": "T", "topic": 1.5}', "'topic' is neither text nor a whole number."),
        ('{"title": "T", "id": true}', "'id' is neither text nor a whole number."),
        ('{"title": "T", "tags": {"a": 1}}', "'tags' is neither a list nor text with commas."),
        ('{"title": "T", "links": [{"a": 1}]}', "'links' is neither text nor a whole number."),
        ('{"title": "T", "id": "a b"}', "the id 'a b' holds white space or control characters; write it without."),
        (
            '{"title": "T", "id": "a\\u0000"}',
            "the id 'a\\x00' holds white space or control characters; write it without.",
        ),
        ('{"title": "\\ud800"}', "holds half of a surrogate pair, which is no character; write the character itself."),
        ('{"title": "T", "x": ' + "[" * 200_000, "is nested too deep to be read."),
        ('{"title": "T", "id": ' + "9" * 5000 + "}", None),
    ],
    ids=lambda value: value[:24] if value else "",
)
def test_a_line_that_is_no_note_is_refused_with_its_number(line: str, problem: str | None) -> None:
    message = refused("n.jsonl", f'{{"title": "Fine", "text": "x"}}\n\n{line}\n')
    if problem is None:  # the words are Python's and differ between its versions
        assert message.startswith("n.jsonl:3: is no JSON")
    else:
        assert message == f"n.jsonl:3: {problem}"


def test_notes_without_a_description_are_kept_with_a_warning() -> None:
    assert read("n.jsonl", '\n{"title": "T"}\n{"title": "U", "text": null}').warnings == [
        "n.jsonl:2: has a title but no description",
        "n.jsonl:3: has a title but no description",
    ]
    collection = read("n.csv", "title,text\nT,\nU,x\nV\n")
    assert [note.title for note in collection.notes] == ["T", "U", "V"]
    assert collection.warnings == [
        "n.csv:2: has a title but no description",
        "n.csv:4: has a title but no description",
    ]


def test_a_table_may_quote_line_ends_and_a_note_stands_where_its_row_begins() -> None:
    text = 'Name , Abstract,tags\r\n\r\n"A ""quoted""\r\nname","one\r\n\r\ntwo","x, y"\r\n,,\r\nB,"three, four",\r\n'
    notes = read("n.csv", text).notes
    assert [(note.title, note.description, note.tags, note.line) for note in notes] == [
        ('A "quoted" name', "one two", ("x", "y"), 3),
        ("B", "three, four", (), 8),
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("n.csv", "title,text\nA,b"),
        ("n.csv", "title;text\nA;b"),
        ("n.csv", "title\ttext\nA\tb"),
        ("n.csv", '"title";"text"\n"A";"b"'),
        ("n.csv", '"a, b";title;text\nx;A;b'),
        ("n.TSV", "title\ttext\nA\tb"),
        ("n.tsv", "title\ttext\ta,b;c\nA\tb\tc"),
        ("n.csv", "\n,,\ntitle,text\nA,b"),
    ],
)
def test_the_separator_is_found_in_the_header(name: str, text: str) -> None:
    note = only(name, text)
    assert (note.title, note.description) == ("A", "b")


def test_a_table_of_one_column_is_read() -> None:
    assert [note.title for note in read("n.csv", "title\nA\nB").notes] == ["A", "B"]


def test_a_cell_may_be_longer_than_the_csv_module_allows_by_default() -> None:
    assert len(only("n.csv", "title,text\nA," + "x" * 200_000).description) == 200_000


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        (
            "\nfoo,bar\nA,b",
            2,
            "has no title column: one must be called title, name, question or heading; the columns are: foo, bar.",
        ),
        (
            "title,text\nA,b\nC,d,e",
            3,
            "has 3 cells under 2 columns; quote a cell that holds the separator.",
        ),
        (
            'title,text\n"A\nB",x\n,y',
            4,
            "has no title: a field called title, name, question or heading that is not empty.",
        ),
        ("title,text,id\nA,b,c d", 2, "the id 'c d' holds white space or control characters; write it without."),
    ],
)
def test_a_table_of_the_wrong_form_is_refused_with_the_line(text: str, line: int, problem: str) -> None:
    assert refused("n.csv", text) == f"n.csv:{line}: {problem}"


@pytest.mark.parametrize(
    ("text", "line"), [('title,text\nA,b\nC,"d\n\n', 3), ('title,text\nA,"b"c', 2), ('"title,text\nA', 1)]
)
def test_a_table_whose_quotes_do_not_pair_is_refused_where_its_row_begins(text: str, line: int) -> None:
    message = refused("n.csv", text)
    assert message.startswith(f"n.csv:{line}: is no row of a table: ")
    assert message.endswith("; check its quotes.")


# --- files and folders


def test_a_folder_is_read_with_its_subfolders_in_the_order_of_its_paths() -> None:
    for name in ("b.md", "a/z.MD", "a.markdown", "é.md", "B.md", "a/b/c.md"):
        write(f"v/{name}", "Body.")
    write("v/t.ndjson", '{"title": "J", "text": "x"}\n{"title": "K", "text": "x"}')
    collection = read_notes([Path("v")])
    order = ["B.md", "a.markdown", "a/b/c.md", "a/z.MD", "b.md", "t.ndjson", "é.md"]
    assert [source.path for source in collection.sources] == order
    assert list(dict.fromkeys(note.source for note in collection.notes)) == order
    assert collection.sources[5] == Source(
        "t.ndjson", "jsonl", hashlib.sha256(Path("v/t.ndjson").read_bytes()).hexdigest(), 2
    )
    assert [source.kind for source in collection.sources[:2]] == ["markdown", "markdown"]
    assert collection.left_out == []


def test_what_is_left_out_of_a_folder_is_said_by_kind_with_a_count() -> None:
    for name in ("n.md", ".obsidian/x.md", ".hidden.md", "LICENSE", "readme.MD", "sub/README.md"):
        write(f"v/{name}", "# T\n\nBody.")
    for number in range(4):
        write(f"v/{number}.PNG", b"\0")
    write("v/d.md", "---\ndraft: true\n---\nBody.")
    write("v/sub/e.md", "---\ndraft: yes\n---\nBody.")
    write("v/f.md", "---\ndraft: false\n---\nBody.")
    write("v/described/README.md", "---\ntitle: A note after all\n---\nBody.")
    collection = read_notes([Path("v")])
    assert [note.source for note in collection.notes] == ["described/README.md", "f.md", "n.md"]
    assert collection.left_out == [
        ".png files: 4 (0.PNG, 1.PNG, 2.PNG, …)",
        "README.md without front matter, which describes its folder: 2 (readme.MD, sub/README.md)",
        "drafts: 2 (d.md, sub/e.md)",
        "files without a suffix: 1 (LICENSE)",
        "hidden files and folders: 2 (.hidden.md, .obsidian)",
    ]
    assert collection.warnings == []


def test_files_of_a_folder_without_a_note_are_left_out_with_a_warning() -> None:
    write("v/a.md", " \n\n")
    write("v/b.csv", "title,text\n")
    write("v/c.jsonl", "")
    write("v/d.txt", page(HEADER))
    write("v/n.md", "Body.")
    collection = read_notes([Path("v")])
    assert [source.path for source in collection.sources] == ["n.md"]
    assert collection.warnings == [
        "v/a.md:1: is empty; left out",
        "v/b.csv:1: holds no note; left out",
        "v/c.jsonl:1: is empty; left out",
        "v/d.txt:3: states 2 notes under 1 sub-topic and holds 0 under 0",
        "v/d.txt:1: holds no note; left out",
    ]


def test_files_of_a_vault_that_hold_something_else_are_left_out_with_a_line_and_refused_when_they_are_named() -> None:
    write("v/n.md", "Body.")
    write("v/list.txt", "Milk\n\nBread, and butter")
    Path("v/old.txt").write_bytes("Clusté".encode("latin-1"))
    Path("v/core.txt").write_bytes(b"\0\1\2")
    write("v/sums.csv", "day,amount\n1,2\n")
    write("v/few.tsv", "day\tamount\n")
    collection = read_notes([Path("v")])
    assert [source.path for source in collection.sources] == ["n.md"]
    assert (collection.warnings, collection.left_out) == (
        [],
        [
            "tables without a title column: 2 (few.tsv, sums.csv)",
            "text files that are no cluster page: 3 (core.txt, list.txt, old.txt)",
        ],
    )
    for name, problem in (("list.txt", "is no cluster page"), ("old.txt", "is not UTF-8"), ("sums.csv", "no title")):
        assert problem in refusal(f"v/{name}")


@pytest.mark.parametrize(
    ("encoding", "lost", "problem"),
    [
        ("utf-8", HEADER[2], "v/p.txt:4: is no cluster page"),  # the line of figures was cut out
        ("utf-8", "On A.", "v/p.txt:6: the title 'What is A?' has no description"),
        ("utf-16", "", "v/p.txt: is not text"),
        ("latin-1", "", "v/p.txt:3: is not UTF-8"),
    ],
)
def test_a_torn_page_in_a_folder_is_an_error_so_that_its_notes_do_not_go_unnoticed(
    encoding: str, lost: str, problem: str
) -> None:
    text = page(HEADER, "T", "1 note", NOTE_A).replace(lost, "", 1)
    write("v/n.md", "Body.")
    Path("v/p.txt").write_bytes(text.encode(encoding, "replace"))
    assert problem in refusal("v")


def test_a_readme_that_is_named_itself_is_a_note() -> None:
    assert only("README.md", "# T\n\nBody.").title == "T"


def test_a_file_named_twice_is_read_once() -> None:
    write("v/sub/a.md", "Body.")
    write("v/b.md", "Body.")
    collection = read_notes([Path("v/sub/a.md"), Path("v"), Path("v/../v/b.md"), Path("v/sub")])
    assert [(note.source, note.topic) for note in collection.notes] == [("a.md", ""), ("b.md", "")]
    assert collection.left_out == ["files named more than once, read once: 3 (a.md, b.md, sub/a.md)"]


def test_links_that_lead_to_folders_or_out_of_the_folder_are_not_followed() -> None:
    write("out/o.md", "Body.")
    write("v/real.md", "Body.")
    write("v/.store/kept.md", "Body.")
    Path("v/again.md").symlink_to("real.md")
    Path("v/kept.md").symlink_to(".store/kept.md")
    Path("v/out.md").symlink_to("../out/o.md")
    Path("v/folder").symlink_to("../out")
    Path("v/loop").symlink_to(".")
    Path("v/broken.md").symlink_to("nowhere.md")
    Path("named").symlink_to("v")
    collection = read_notes([Path("named")])
    assert [note.source for note in collection.notes] == ["kept.md", "real.md"]
    assert collection.left_out == [
        "broken links and special files: 1 (broken.md)",
        "hidden files and folders: 1 (.store)",
        "links to files that are read under their own name: 1 (again.md)",
        "links to folders or out of the folder: 3 (folder, loop, out.md)",
    ]


def test_excluded_folders_are_not_read() -> None:
    write("v/n.md", "Body.")
    write("v/index/1/notes.jsonl", '{"title": "T", "text": "x"}')
    collection = read_notes([Path("v")], exclude=[Path("v/sub/../index"), Path("missing")])
    assert [note.source for note in collection.notes] == ["n.md"]
    assert collection.left_out == ["folders that are excluded, such as the index: 1 (index)"]
    with pytest.raises(SourceError) as caught:
        read_notes([Path("v/index/1")], exclude=[Path("v/index")])
    assert str(caught.value) == (
        f"v/index/1: holds no note (folders that are excluded, such as the index: 1 (v/index/1)); {KINDS}"
    )


def test_ids_are_unique_over_all_files_and_links_lead_from_one_to_another() -> None:
    write("v/a.md", "# Same\n\nSee [[From a table]].")
    write("v/b.csv", "title,text\nSame,x\nFrom a table,y")
    notes = read_notes([Path("v")]).notes
    assert [note.id for note in notes] == ["same", "same-2", "from-a-table"]
    assert notes[0].links == ("from-a-table",)


def test_one_id_in_two_files_is_refused_with_both_places() -> None:
    write("v/a.md", "---\nid: x\n---\n# T\n\nBody.")
    write("v/b.jsonl", '\n{"id": "x", "title": "T", "text": "y"}')
    with pytest.raises(DuplicateNoteError) as caught:
        read_notes([Path("v")])
    assert str(caught.value) == (
        "v/b.jsonl:2: the id 'x' already belongs to v/a.md:4; give one of the two notes another id."
    )


def test_a_byte_order_mark_and_windows_or_old_mac_line_ends_mean_nothing() -> None:
    text = "---\ntitle: T\n---\n# H\n\nOne\ntwo"
    notes = [
        only("n.md", b"\xef\xbb\xbf" * bom + text.replace("\n", end).encode())
        for bom in (False, True)
        for end in ("\n", "\r\n", "\r")
    ]
    assert notes == [notes[0]] * 6
    assert notes[0].description == "One two"
    assert only("n.csv", "\ufefftitle,text\r\nA,b").title == "A"
    assert only("n.jsonl", '\ufeff{"title": "A", "text": "b"}\r\n').title == "A"


def test_control_characters_never_reach_a_note() -> None:
    note = only("n.jsonl", json.dumps({"title": "a\x1b[31m\x00b\u0085c", "text": "d\u2028e\u00a0f", "topic": "g\x07"}))
    assert (note.title, note.description, note.topic) == ("a [31m b c", "d e f", "g")


@pytest.mark.parametrize("suffix", ["txt", "md", "jsonl", "csv"])
def test_a_file_that_is_no_text_is_refused(suffix: str) -> None:
    assert refused(f"n.{suffix}", b"title\0") == (
        f"n.{suffix}: is not text: it holds a NUL byte; notes are saved as UTF-8."
    )


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_broken_utf_8_is_refused_with_its_line(bom: bytes, end: bytes) -> None:
    assert refused("n.md", bom + end.join([b"One", "zwölf".encode(), b"caf\xe9 au lait", b"four"])) == (
        "n.md:3: is not UTF-8: invalid continuation byte (0xe9); save the file as UTF-8."
    )
    assert refused("n.md", bom + end + b"\xe9").startswith("n.md:2: is not UTF-8: ")


def test_paths_without_a_note_are_refused_and_the_kinds_are_named() -> None:
    write("drafts/a.md", "---\ndraft: true\n---\nBody.")
    write("pictures/a.png", b"")
    write("empty.md", "\n")
    write("header.csv", "title\n")
    write("a.pdf", "x")
    write("draft.md", "---\ndraft: true\n---\nBody.")
    Path("void").mkdir()
    assert refusal("missing") == f"missing: there is no such file or folder; {KINDS}"
    assert refusal("a.pdf/x.md") == f"a.pdf/x.md: there is no such file or folder; {KINDS}"
    assert refusal("a.pdf") == f"a.pdf: is of a kind that is not read; {KINDS}"
    assert refusal("void") == f"void: holds no note; {KINDS}"
    assert refusal("pictures") == f"pictures: holds no note (.png files: 1 (a.png)); {KINDS}"
    assert refusal("drafts") == f"drafts: holds no note (drafts: 1 (a.md)); {KINDS}"
    assert refusal("draft.md") == f"draft.md: holds no note (drafts: 1 (draft.md)); {KINDS}"
    assert refusal("empty.md") == f"empty.md: holds no note (empty.md:1: is empty; left out); {KINDS}"
    assert refusal("header.csv") == f"header.csv: holds no note (header.csv:1: holds no note; left out); {KINDS}"


def test_one_folder_without_a_note_is_refused_even_beside_another_that_has_some() -> None:
    write("v/n.md", "Body.")
    Path("void").mkdir()
    assert refusal("v", "void") == f"void: holds no note; {KINDS}"


def test_no_path_at_all_is_a_mistake_of_the_program() -> None:
    with pytest.raises(ValueError, match="no path"):
        read_notes([])


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused() -> None:
    path = write("v/n.md", "Body.")
    path.chmod(0)
    assert refusal("v") == "v/n.md: cannot be read: Permission denied."


def test_a_file_name_that_is_no_utf_8_is_read_and_shown_with_a_replacement() -> None:
    try:
        Path("v").mkdir()
        Path(os.fsdecode(b"v/caf\xe9.md")).write_text("Body.")
    except OSError:
        pytest.skip("this file system has no such names")
    (note,) = read_notes([Path("v")]).notes
    assert (note.title, note.source) == ("caf\ufffd", "caf\ufffd.md")
