"""Acronyms: mined from the notes, and used both ways."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from toys import ToyEncoder, record, write_jsonl

from indexer import Index, build_index, open_index
from indexer.acronyms import load_acronyms, save_acronyms
from indexer.mining import long_form, spelt_out
from search import Searcher
from search.expansion import expansions, spell_out
from search.query import parse
from search.wording import word


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("RL with Verifiable Rewards (RLVR)", [("RLVR", "RL with Verifiable Rewards")]),
        ("We train process reward models (PRMs) first.", [("PRMs", "process reward models")]),  # a plural
        ("A PRM (process reward model) scores steps.", [("PRM", "process reward model")]),
        ("Outcome-based reward models (ORMs)", [("ORMs", "Outcome-based reward models")]),
        # The examples of the paper by Schwartz and Hearst (2003).
        ("heat shock protein (HSP)", [("HSP", "heat shock protein")]),
        ("heat shock transcription factor (HSF)", [("HSF", "heat shock transcription factor")]),
        ("Gcn5-related N-acetyltransferase (GNAT)", [("GNAT", "Gcn5-related N-acetyltransferase")]),
        ("body mass index (BMI; kg) and heart rate (HR)", [("BMI", "body mass index"), ("HR", "heart rate")]),
        ("many models (trying one approach)", []),
        ("a tree (Left)", []),  # one capital is a name
        ("(ABC) alone", []),
        ("no such letters (XYZ)", []),
        ("the RLVR method (RLVR)", []),  # it does not stand for itself
        ("a b (AB", []),
        ("再帰 (RLVR) and 😀 (AB)", []),
        ("", []),
    ],
)
def test_brackets_explain_acronyms_either_way_round(text: str, pairs: list[tuple[str, str]]) -> None:
    assert list(spelt_out(text)) == pairs


def test_the_letters_of_an_acronym_stand_in_its_long_form_in_order_the_first_at_a_beginning() -> None:
    assert long_form("SFT", "after supervised fine-tuning") == "supervised fine-tuning"
    assert long_form("TFS", "supervised fine-tuning") is None
    assert long_form("IS", "this analysis is") is None  # "is" holds no more than the letters
    assert long_form("AB", "xa b") is None


NOTES = [
    record("prm", "Process reward models (PRMs)", "Each step is scored; the age of rewards."),
    record("prm-too", "Process reward models", "A second look at scored steps."),
    record("steps", "What is a PRM worth?", "Nothing else."),
    record("sft", "Supervised fine-tuning or reinforcement", "SFT boosts scores; supervised fine-tuning too."),
    record("sft-too", "More supervised fine-tuning", "Policies."),
    record("age", "Advanced glycation endproducts (AGE)", "Chemistry."),
    record("memory", "Memory", "Search in memory, and a policy."),
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    root = tmp_path_factory.mktemp("acronyms")
    build_index([write_jsonl(root / "notes.jsonl", NOTES)], root / "index", encoder=ToyEncoder())
    return open_index(root / "index")


def test_every_pair_is_kept_both_ways_with_how_many_notes_support_it(index: Index) -> None:
    lines = index.acronyms.lines
    assert {lines[number]: int(index.acronyms.notes[number]) for number in range(len(lines))} == {
        "prm\tProcess reward models": 1,
        "process reward model\tprm": 1,
        "sft\tsupervised fine-tuning": 2,  # in no brackets, but two notes hold the phrase and nothing else fits
        "supervis fine tune\tsft": 2,
        "AGE\tAdvanced glycation endproducts": 1,  # in capitals, because "age" is a word of the notes as well
        "advanc glycat endproduct\tage": 1,
    }


def test_saved_acronyms_are_loaded_bit_by_bit_and_fit_each_other(index: Index, tmp_path: Path) -> None:
    save_acronyms(tmp_path / "a", index.acronyms)
    loaded = load_acronyms(tmp_path / "a")
    for name in ("text", "starts", "notes"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(index.acronyms, name))
    np.save(tmp_path / "a" / "notes.npy", loaded.notes[:-1])
    with pytest.raises(ValueError, match="do not fit"):
        load_acronyms(tmp_path / "a")


@pytest.mark.parametrize(
    ("query", "encoded"),
    [
        ("PRM", "PRM (Process reward models)"),
        ("are prms worth it?", "are prms (Process reward models) worth it?"),
        ("G-PRM and PRM-based", "G-PRM and PRM (Process reward models)-based"),  # G-PRM is a name of its own
        ("age", "age"),
        ("AGE", "AGE (Advanced glycation endproducts)"),
        ("process reward models", "process reward models"),  # the encoder knows these words
        ("PRM alpha beta gamma delta epsilon zeta", "PRM alpha beta gamma delta epsilon zeta"),  # six others explain it
        ("", ""),
        ("再帰 XYZ", "再帰 XYZ"),
    ],
)
def test_an_acronym_is_spelt_out_for_the_encoder_in_a_short_query(index: Index, query: str, encoded: str) -> None:
    assert spell_out(query, expansions(index, query)) == encoded
    assert word(index, parse(query)).text == encoded


def test_an_acronym_that_many_notes_hold_is_not_spelt_out(tmp_path: Path) -> None:
    notes = [record(f"n{number}", f"PRM number {number}", "Process reward models (PRMs)") for number in range(3)]
    build_index([write_jsonl(tmp_path / "notes.jsonl", notes)], tmp_path / "index", encoder=ToyEncoder())
    index = open_index(tmp_path / "index")
    assert index.acronyms.partner("prm") == "Process reward models"
    assert expansions(index, "PRM") == []  # three notes hold it, more than two and than one in a hundred


def test_either_form_finds_the_notes_that_hold_the_other_and_those_that_hold_both_first(index: Index) -> None:
    searcher = Searcher(index)
    for query in ("PRM", "process reward model"):
        ranking = [hit.note.id for hit in searcher.search(query, mode="lexical")]
        assert ranking[0] == "prm"
        assert sorted(ranking) == ["prm", "prm-too", "steps"]


def test_the_weights_of_the_other_form_are_below_what_was_typed(index: Index) -> None:
    def weights(query: str) -> dict[str, float]:
        return {index.impacts.term(number): weight for number, weight in word(index, parse(query)).terms.items()}

    assert weights("PRM") == {"prm": 1, "process": 0.5, "reward": 0.5, "model": 0.5}
    assert weights("process reward model") == {"process": 1, "reward": 1, "model": 1, "prm": 0.2}
    assert weights("PRM reward reward") == {"prm": 1, "reward": 2, "process": 0.5, "model": 0.5}


def test_the_owners_notes_explain_their_acronyms(owner_index: Path) -> None:
    acronyms = open_index(owner_index).acronyms
    assert {term: acronyms.partner(term) for term in ("rlvr", "prm", "sft", "cot", "zzz")} == {
        "rlvr": "RL with Verifiable Rewards",
        "prm": "process reward models",
        "sft": "supervised fine-tuning",
        "cot": "chain-of-thought",
        "zzz": None,
    }
