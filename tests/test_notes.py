from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.errors import DuplicateNoteError
from indexer.notes import Note, RawNote, assign_ids, slug


def raw(
    title: str, explicit_id: str = "", links: tuple[str, ...] = (), names: tuple[str, ...] = (), line: int = 1
) -> RawNote:
    return RawNote(title, "", Path("vault/a.md"), line, "a.md", explicit_id=explicit_id, links=links, names=names)


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        # three titles of the sample page and the ids that its relevance judgements use for them
        (
            "Can an agent's own beliefs guide credit assignment without critics?",
            "can-an-agent-s-own-beliefs-guide-credit-assignment-without-critics",
        ),
        (
            "Can LLMs design reward functions for reinforcement learning?",
            "can-llms-design-reward-functions-for-reinforcement-learning",
        ),
        (
            "Why do language models fail to act on their own reasoning?",
            "why-do-language-models-fail-to-act-on-their-own-reasoning",
        ),
        ("Crème brûlée", "creme-brulee"),
        ("Straße nach Łódź", "strasse-nach-lodz"),
        ("  --3.5 % of (C++) & C#--  ", "3-5-of-c-c"),
        ("Ünïcödé　ＷＩＤＥ", "unicode-wide"),
        ("???", "a03b221c6c"),  # printf '???' | sha256sum | cut -c1-10
    ],
)
def test_a_title_becomes_its_slug(title: str, expected: str) -> None:
    assert slug(title) == expected


@given(st.text())
def test_a_slug_holds_only_lower_case_letters_digits_and_single_inner_hyphens(title: str) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug(title))


@given(st.text())
def test_a_slug_is_its_own_slug(title: str) -> None:
    assert slug(slug(title)) == slug(title)


@given(st.lists(st.sampled_from(["A", "a", "A 2", "A-2", "a 3", "é", "e", "再帰", "?", "", "A 2 2"]) | st.text()))
def test_ids_are_unique_whatever_the_titles(titles: list[str]) -> None:
    notes = assign_ids([raw(title) for title in titles])
    assert [note.title for note in notes] == titles
    assert len({note.id for note in notes}) == len(titles)


@given(st.lists(st.tuples(st.sampled_from(["A", "A 2", "B"]), st.booleans()), max_size=12))
def test_ids_are_unique_when_some_are_explicit(plan: list[tuple[str, bool]]) -> None:
    # explicit ids that collide with the slugs of other notes: a, a-2, b, numbered by position to stay distinct
    taken = iter(["a", "a-2", "a-3", "b", "b-2", "a-2-2", "c", "d", "e", "f", "g", "h"])
    notes = assign_ids([raw(title, explicit_id=next(taken) if explicit else "") for title, explicit in plan])
    assert len({note.id for note in notes}) == len(plan)


def test_equal_titles_are_numbered_in_order_passing_over_ids_that_other_titles_own() -> None:
    notes = assign_ids([raw("A"), raw("A"), raw("A 2"), raw("A")])
    assert [note.id for note in notes] == ["a", "a-3", "a-2", "a-4"]


def test_an_explicit_id_is_taken_as_it_stands_and_wins_over_an_earlier_title() -> None:
    notes = assign_ids([raw("Alpha"), raw("Other", explicit_id="alpha"), raw("Third", explicit_id="Ünicode/ID_1")])
    assert [note.id for note in notes] == ["alpha-2", "alpha", "Ünicode/ID_1"]


def test_two_notes_with_one_explicit_id_are_refused_with_both_places() -> None:
    with pytest.raises(DuplicateNoteError) as caught:
        assign_ids([raw("A", explicit_id="x", line=3), raw("B", explicit_id="x", line=8)])
    assert str(caught.value) == (
        "vault/a.md:8: the id 'x' already belongs to vault/a.md:3; give one of the two notes another id."
    )


def test_links_resolve_by_id_title_file_name_and_alias_without_regard_to_case_and_diacritics() -> None:
    notes = assign_ids(
        [
            raw("Start", links=("explicit-1", "CREME", "deep/file", "Nickname", "no such note")),
            raw("By id", explicit_id="explicit-1"),
            raw("Crème"),
            raw("By file", names=("file", "deep/file")),
            raw("By alias", names=("x", "nickname")),
        ]
    )
    assert notes[0].links == ("explicit-1", "creme", "by-file", "by-alias")


def test_a_title_wins_over_a_file_name_and_an_earlier_note_over_a_later_one() -> None:
    notes = assign_ids([raw("One", names=("Two",)), raw("Two"), raw("Two"), raw("From", links=("two",))])
    assert notes[3].links == ("two",)


def test_a_note_does_not_link_to_itself_and_to_another_only_once() -> None:
    notes = assign_ids([raw("A", links=("a", "B", "b", "A")), raw("B")])
    assert notes[0].links == ("b",)


def test_a_note_survives_json() -> None:
    note = Note("a", "A", "d", "t", "c", ("x", "y"), "2024-01-05", ("b",), "f.md", 7)
    assert Note.from_dict(json.loads(json.dumps(note.as_dict()))) == note


@pytest.mark.parametrize(
    "change",
    [{"extra": 1}, {"title": 5}, {"line": "7"}, {"tags": "x"}, {"links": None}],
)
def test_a_record_that_is_no_note_is_refused(change: dict[str, object]) -> None:
    record = Note("a", "A", "d").as_dict() | change
    with pytest.raises(ValueError, match=r"is not a|not the fields"):
        Note.from_dict(record)
