"""Promises that hold for every input: tried on the seeds of the fuzz run, on what it found, and on made-up inputs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.targets import TARGETS
from indexer.analysis import Analyser
from indexer.mining import spelt_out
from indexer.notes import RawNote, assign_ids
from search.fusion import combine, normalise, trust, with_feedback
from search.query import And, Constraint, Fuzzy, Not, Or, Phrase, Prefix, parse
from search.snippets import best_snippet

SEEDS = Path(__file__).parent.parent / "fuzz" / "seeds"
# What each kind of input is made of, beside any text at all.
PIECES: dict[str, Sequence[str]] = {
    "page": [
        "←", "Title", "Explore related Read →", "3 notes", "1,000 notes", "View as", " · ", "2 papers",
        "1 sub-topic", "2 notes (primary) · 1 paper · 1 sub-topic", "\n", "\n\n", "\r", "\u2028", " ",
    ],
    "markdown": [
        "---\n", "---", "title: ", "tags: [", "]", "date: 2024-13-1", "id: a b", "draft: yes\n", "- ", "&a ",
        "*a", "!!python/object:os.system ", "|\n", ">\n", "# ", "```", "`", "[[", "]]", "](a.md)", "![", "<!--",
        "-->", "<b", ">", "**", "_", "&amp;", "\\", "#tag", "\n", "\n\n", "a", "é", "\x1b", "\ufeff", "\u202e",
        "| a |\n|---|\n",
    ],
    "jsonl": [
        '{"title": "a"', '"', "}", "{", "[", "]", ":", ",", "\n", '"tags": ', '"id": ', "null", "1e999", "NaN",
        "\\ud800", '"text": ', "999999999999999999999999999999", "\\x00", '"name": ["a"]', "true", "-", " ",
    ],
    "table": [
        "title", "text", "tags", ",", ";", "\t", '"', '""', "\n", "\r\n", "a", " ", "id", "é", "\\", "\x1b",
    ],
    "query": [
        "a", "OR", "-", '"', "“", "”", "„", "(", ")", " ", "*", "~", "2", "title:", "tag:", "topic:", ":", "\t",
        "再",
    ],
    "text": [
        "reward", "(RLHF)", "RLHF", " ", "-", "'", "’", "3.5", "1,0", "\u00ad", "\u200d", "é", "é", "İ", "ß",
        "再", "ﬁ", "😀", "\x1b[31m", "\u202e", ".", "\n", "PRMs", "process reward model (PRM)",
    ],
    "manifest": [
        "{", "}", '"format": 3', '"files": {', '"../a"', ":", ",", "[", "]", "null", "1e999",
        '"generation": "000001-00000000"',
    ],
    "weights": [
        "\x10\x00\x00\x00\x00\x00\x00\x00", '{"a":', "}", '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}',
        "\x00", "[", "9",
    ],
}  # fmt: skip


@pytest.mark.parametrize("path", sorted(SEEDS.glob("*/*")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_seed_keeps_the_promises(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


def test_every_target_has_seeds_and_pieces() -> None:
    assert TARGETS.keys() == PIECES.keys() == {path.name for path in SEEDS.iterdir()}


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_the_bytes_are_the_promises_are_kept(name: str) -> None:
    pieces = st.lists(st.sampled_from(PIECES[name]) | st.text(max_size=3), max_size=40).map("".join)
    encoded = pieces.map(lambda text: text.encode("utf-8", "surrogatepass"))

    @given(encoded | st.binary(max_size=300))
    @settings(derandomize=True, max_examples=150, deadline=None)
    def kept(data: bytes) -> None:
        TARGETS[name](data)

    kept()


# --- the grammar: what is printed is read as the same

WORDS = st.sampled_from(["a", "reward", "été", "再帰", "C++", "x_y", "title", "or"])
FIELDS = st.sampled_from([None, "title", "description", "topic", "tag"])
LEAVES = (
    st.builds(Phrase, st.lists(WORDS, min_size=1, max_size=3).map(" ".join), FIELDS)
    | st.builds(Prefix, st.sampled_from(["re", "été", "再帰"]), FIELDS)
    | st.builds(Fuzzy, st.sampled_from(["reward", "été"]), st.sampled_from([1, 2]), FIELDS)
)


def trees(parts: st.SearchStrategy[Constraint]) -> st.SearchStrategy[Constraint]:
    several = st.lists(parts, min_size=2, max_size=3).map(tuple)
    single = parts.filter(lambda part: not isinstance(part, Not))
    return st.builds(And, several) | st.builds(Or, several) | st.builds(Not, single)


def printed(constraint: Constraint) -> str:
    """A query that means ``constraint`` and nothing else, by the grammar in the docstring of ``search.query``."""
    if isinstance(constraint, And):
        return "(" + " ".join(map(printed, constraint.parts)) + ")"
    if isinstance(constraint, Or):
        return "(" + " OR ".join(map(printed, constraint.parts)) + ")"
    if isinstance(constraint, Not):
        return "-" + printed(constraint.part)
    field = f"{constraint.field}:" if constraint.field else ""
    if isinstance(constraint, Phrase):
        return f'{field}"{constraint.text}"'
    if isinstance(constraint, Prefix):
        return f"{field}{constraint.text}*"
    return f"{field}{constraint.text}~{constraint.edits}"


@given(st.recursive(LEAVES, trees, max_leaves=8))
@settings(derandomize=True)
def test_a_constraint_that_is_printed_is_read_as_the_same(constraint: Constraint) -> None:
    assert parse(printed(constraint)).constraint == constraint


# --- fusion


PARTS = st.lists(st.tuples(*[st.floats(0, 1, width=32)] * 3), min_size=1, max_size=8)


@given(st.lists(st.floats(-5, 50, width=32), max_size=8), st.floats(-1, 10, width=32))
@settings(derandomize=True)
def test_a_normalised_score_lies_between_nothing_and_the_best_and_keeps_the_order(
    held: list[float], floor: float
) -> None:
    scores = np.array(held, dtype=np.float32)
    scaled = normalise(scores, floor)
    assert ((scaled >= 0) & (scaled <= 1)).all()
    assert (np.diff(scaled[np.argsort(scores)]) >= 0).all()
    assert not len(scores) or scaled.max() == (1 if scores.max() > floor else 0)


@given(PARTS, st.floats(0, 100), st.floats(0, 100))
@settings(derandomize=True)
def test_parts_add_up_to_no_more_than_one_and_a_better_part_never_costs(
    parts: list[tuple[float, float, float]], best: float, ceiling: float
) -> None:
    believed = trust(best, ceiling)
    assert 0 <= believed <= 1
    words, meaning, tokens = (np.array(part, dtype=np.float32) for part in zip(*parts, strict=True))
    for late in (None, tokens):
        mixed = combine(words, meaning, late, believed)
        assert ((mixed >= 0) & (mixed <= 1 + 1e-6)).all()
        assert (combine(words, np.ones_like(meaning), late, believed) >= mixed).all()
        assert np.allclose(combine(0 * words, 0 * meaning, None if late is None else 0 * late, believed), 0)


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=8), st.integers(0, 2**32 - 1))
@settings(derandomize=True)
def test_related_notes_move_scores_within_their_scale(held: list[float], seed: int) -> None:
    scores = np.sort(np.array(held, dtype=np.float32))[::-1]
    affinities = np.random.default_rng(seed).normal(0, 3, (min(len(scores), 3), len(scores))).astype(np.float32)
    moved = with_feedback(scores, affinities)
    assert moved.shape == scores.shape
    assert np.isfinite(moved).all() and moved.max() <= 1


# --- nothing takes the square of its length

LONG = 250_000  # characters, the longest text that is read of a note; squared, each of these would take an hour


def marked_words() -> None:
    analyser = Analyser("none")
    text = "reward hacking policy " * (LONG // 22)
    tokens = list(analyser.tokens(text))
    shown = best_snippet(text, lambda _: tokens, {"reward": 1.0, "policy": 2.0})
    assert (shown.text[:14], len(shown.spans)) == ("reward hacking", 21)  # 235 characters hold 21 of the 32 words


def many_words_marked() -> None:
    analyser = Analyser("none")
    text = " ".join(f"w{number}" for number in range(LONG // 7))
    tokens = list(analyser.tokens(text))
    assert best_snippet(text, lambda _: tokens, {token.term: 1.0 for token in tokens}).text.startswith("w0 w1 ")


def acronyms_in_brackets() -> None:
    assert len(list(spelt_out("process reward model (PRM) " * (LONG // 27)))) == LONG // 27


def brackets_without_acronyms() -> None:
    assert list(spelt_out("a b (xy) " * (LONG // 9))) == []


def digits_before_brackets() -> None:
    assert list(spelt_out(("0" * 900 + " (ab) ") * (LONG // 906))) == []


def equal_titles_and_links() -> None:
    count = 30_000
    raw = [RawNote("A", "", Path("n"), 1, "n", links=(f"A {number}", "a-2")) for number in range(count)]
    raw += [RawNote(f"A {number}", "", Path("n"), 1, "n") for number in range(2, count)]
    notes = assign_ids(raw)
    assert len({note.id for note in notes}) == 2 * count - 2
    assert notes[7].links == ("a-7", "a-2")


def one_note_with_many_links() -> None:
    raw = [RawNote("A", "", Path("n"), 1, "n", links=tuple(f"b{number}" for number in range(50_000)))]
    raw += [RawNote(f"b{number}", "", Path("n"), 1, "n") for number in range(50_000)]
    assert len(assign_ids(raw)[0].links) == 50_000


def titles_of_one_line() -> None:
    line = json.dumps({"title": "a", "tags": ["#" * 100] * 20_000, "links": ["x"] * 20_000}).encode()
    TARGETS["jsonl"](line)


@pytest.mark.parametrize(
    "work",
    [
        marked_words, many_words_marked, acronyms_in_brackets, brackets_without_acronyms, digits_before_brackets,
        equal_titles_and_links, one_note_with_many_links, titles_of_one_line,
    ],
    ids=lambda work: work.__name__,
)  # fmt: skip
def test_what_is_long_takes_time_by_its_length_and_not_by_the_square_of_it(work: Callable[[], None]) -> None:
    begun = time.perf_counter()
    work()
    assert time.perf_counter() - begun < 60
