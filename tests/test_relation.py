"""What is said of two related notes: only what stands in them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from toys import WORDS, ToyEncoder, record, write_jsonl

from indexer import Index, build_index, open_index
from search.relation import Relations

# 36 notes on six other subjects, so that a word in two notes is rare, but for the stem of "reward".
OTHERS = [record(f"other{n}", f"{WORDS[2 + n % 6]} item{n}", f"Perhaps thing{n} is rewarding.") for n in range(36)]

Say = Callable[[Sequence[dict[str, Any]]], str]


@pytest.fixture
def say(tmp_path: Path) -> Say:
    """Why the second of the notes given is related to the first."""

    def reason(notes: Sequence[dict[str, Any]]) -> str:
        build_index([write_jsonl(tmp_path / "n.jsonl", [*notes, *OTHERS])], tmp_path / "index", encoder=ToyEncoder())
        index: Index = open_index(tmp_path / "index")
        return Relations(index, index.note).reasons(0, [1])[0]

    return reason


def test_a_run_of_rare_words_is_named_as_the_note_writes_it(say: Say) -> None:
    one = record("a", "Reward", "On Entropy-Collapse in training.")
    assert say([one, record("b", "A reward", "Why entropy collapse happens.")]) == "Both say “Entropy-Collapse”."


def test_two_runs_are_named_the_rarer_first(say: Say) -> None:
    notes = [
        record("a", "Reward", "Curriculum here. Then rubric."),
        record("b", "A reward", "The rubric of a curriculum."),
        record("c", "A reward", "A curriculum once more."),
    ]
    assert say(notes) == "Both say “rubric” and “Curriculum”."


def test_words_of_one_stem_are_spoken_of_not_said(say: Say) -> None:
    notes = [record("a", "Reward", "It verifies."), record("b", "A reward", "They verify.")]
    assert say(notes) == "Both speak of “verifies”."


def test_no_run_goes_over_the_end_of_a_sentence_or_begins_with_a_stop_word(say: Say) -> None:
    notes = [
        record("a", "Reward", "The curriculum. Rubric of it."),
        record("b", "A reward", "The curriculum, rubric of it."),
    ]
    assert say(notes) == "Both say “curriculum” and “Rubric”."


def test_a_word_that_notes_on_anything_use_is_not_named(say: Say) -> None:
    notes = [record("a", "Reward", "Perhaps."), record("b", "A reward", "Perhaps not.")]
    assert say(notes) == "Close in meaning, in other words."


def test_without_a_word_a_link_is_named_then_the_topic(say: Say) -> None:
    one, other = record("a", "Reward", "Here.", "Topic"), record("b", "A reward", "There.", "Topic")
    assert say([one, other]) == "Both are of the topic “Topic”."
    assert say([{**one, "links": ["b"]}, other]) == "This note links to it."
    assert say([one, {**other, "links": ["a"]}]) == "It links to this note."


def test_long_common_text_is_named_by_its_first_six_words(say: Say) -> None:
    text = "alpha beta gamma delta epsilon zeta eta theta"
    assert say([record("a", "Reward", text), record("b", "A reward", text)]) == (
        "Both say “alpha beta gamma delta epsilon zeta”."
    )


def test_a_part_of_a_longer_word_is_not_named(say: Say) -> None:
    notes = [record("a", "Reward", "Meta-curriculum here."), record("b", "A reward", "Meta-rubric there.")]
    assert say(notes) == "Close in meaning, in other words."
    notes = [record("a", "Reward", "Meta-curriculum here."), record("b", "A reward", "Their meta-curriculum.")]
    assert say(notes) == "Both say “Meta-curriculum”."
