"""Why a note stands where it stands: figures that a person can work out, and ranks that are those of the search."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from toys import ToyEncoder, record, write_jsonl

from indexer import NoteNotFoundError, QueryError, build_index
from search import Searcher
from search.cli import main
from search.query import parse
from search.verdict import Place, Word
from search.why import explain, written

RUBRICS = "how-can-rubric-based-rewards-resist-reward-hacking-attacks"
FUNCTIONS = "can-llms-design-reward-functions-for-reinforcement-learning"
# What the toy encoder counts in each of toys.NOTES: the words of toys.WORDS that occur in title and description.
COUNTS = {
    "reward-hacking": {"reward": 2, "hacking": 1, "policy": 1, "model": 1},
    "policy-gradients": {"policy": 2, "reward": 1, "critic": 1},
    "critic-free": {"critic": 1, "hacking": 1, "proof": 1},
    "memory-search": {"memory": 2, "search": 2},
    "cafe": {},
    "proof-search": {"proof": 1, "search": 1},
    "hackers": {"reward": 1},
}


@pytest.fixture(scope="module")
def toy(toy_folder: Path) -> Searcher:
    return Searcher.open(toy_folder, encoder=ToyEncoder())


@pytest.fixture(scope="module")
def owner(owner_index: Path) -> Searcher:
    return Searcher.open(owner_index)


def cosine(words: dict[str, int], others: dict[str, int]) -> float:
    """Of two texts as the toy encoder sees them: word counts, and 0.1 more."""
    product = sum(count * others.get(word, 0) for word, count in words.items()) + 0.01
    lengths = [sum(count * count for count in text.values()) + 0.01 for text in (words, others)]
    return product / math.sqrt(lengths[0] * lengths[1])


def test_the_figures_of_both_legs_are_those_of_arithmetic(toy: Searcher) -> None:
    asked = {"reward": 1, "hacking": 1}
    cosines = {note: cosine(asked, counts) for note, counts in COUNTS.items()}
    by_meaning = ["reward-hacking", "hackers", "critic-free", "policy-gradients", "cafe", "proof-search"]
    assert sorted(cosines, key=lambda note: -cosines[note])[:6] == by_meaning
    for rank, note in enumerate(by_meaning, start=1):
        why = explain(toy, "reward hacking", note)
        assert why.semantic is not None
        assert (why.semantic.rank, why.semantic.of, why.semantic.counts) == (rank, 7, True)
        assert why.semantic.score == pytest.approx(cosines[note], abs=1e-6)
        assert why.background == pytest.approx(sum(cosines.values()) / 7, abs=1e-6)


def test_words_are_told_with_the_fields_that_hold_them_and_what_each_added(toy: Searcher) -> None:
    why = explain(toy, "reward hacking", "critic-free")
    reward, hacking = why.words
    assert reward == Word("reward", notes=3, fields=(), added=0.0)  # in reward-hacking, policy-gradients, hackers
    assert (hacking.text, hacking.notes, hacking.fields) == ("hacking", 2, ("description",))
    assert why.lacks == ("reward",)
    assert why.lexical is not None
    assert why.lexical.of == 4
    assert hacking.added == pytest.approx(why.lexical.score)
    idf = math.log(1 + (7 - 2 + 0.5) / (2 + 0.5))  # in two notes of seven
    lengths = [6, 5, 6, 7, 7, 0, 8]  # words of the seven descriptions, stop words left out
    frequency = 1 / (1 - 0.75 + 0.75 * lengths[2] / (sum(lengths) / 7))
    assert hacking.added == pytest.approx(idf * 2.2 * frequency / (1.2 + frequency), abs=1e-5)
    first = explain(toy, "reward hacking", "reward-hacking")
    assert [word.fields for word in first.words] == [("title", "description", "topic"), ("title",)]


def test_words_of_one_stem_are_one_word_and_stop_words_none(toy: Searcher) -> None:
    assert [word.text for word in explain(toy, "the rewards of a reward", "cafe").words] == ["rewards"]
    assert [word.text for word in explain(toy, "Café 再帰", "cafe").words] == ["Café", "再", "帰"]
    assert explain(toy, "Café 再帰 reward", "cafe").lacks == ("reward",)


def test_an_expansion_is_told_as_it_was_typed(toy: Searcher) -> None:
    why = explain(toy, "hack* hacking", "critic-free")
    assert [(word.text, word.notes) for word in why.words] == [("hacking", 2), ("hack*", 3)]  # hackers is a term apart
    assert why.words[1].fields == ("description",)
    assert why.words[1].added == 0.0  # what hack* stands for here was added by hacking
    assert why.lexical is not None
    assert sum(word.added for word in why.words) == pytest.approx(why.lexical.score)


@pytest.mark.parametrize(
    ("query", "note", "unmet", "excluded"),
    [
        ("reward -hacking", "reward-hacking", (), ("-hacking",)),
        ('"reward model"', "hackers", ('"reward model"',), ()),
        ('reward "hacking"', "hackers", ('"hacking"',), ()),
        ("proof topic:memory", "critic-free", ("topic:memory",), ()),
        ('reward topic:"Reward Models" -tag:rl', "cafe", ('topic:"Reward Models"',), ()),
        ("reward -(policy OR memory) title:hack*", "policy-gradients", ("title:hack*",), ("-(policy OR memory)",)),
        ("reward critik~2 OR café", "hackers", ("critik~2 OR café",), ()),
        ("(critic proof) OR café", "policy-gradients", ("(critic proof) OR café",), ()),
        ("tag:rl -tag:safety", "reward-hacking", (), ("-tag:safety",)),
    ],
)
def test_the_constraints_that_shut_a_note_out_are_named_and_no_others(
    toy: Searcher, query: str, note: str, unmet: tuple[str, ...], excluded: tuple[str, ...]
) -> None:
    assert note not in [hit.note.id for hit in toy.search(query, k=7)]
    why = explain(toy, query, note)
    assert (why.unmet, why.excluded) == (unmet, excluded)
    assert why.as_dict()["rank"] is None
    assert all(part in why.conclusion for part in unmet + excluded)


def test_what_is_told_of_a_note_shut_out_holds_without_the_constraint(toy: Searcher) -> None:
    why = explain(toy, "reward -hacking", "reward-hacking")
    without = [hit.note.id for hit in toy.search("reward", k=7)]
    assert why.as_dict()["shut_out"] == {
        "unmet": [],
        "excluded": ["-hacking"],
        "rank_without": 1 + without.index("reward-hacking"),
    }
    assert why.of == 7
    # With two of three constraints kept: policy-gradients and critic-free alone are left beside it.
    kept = explain(toy, "reward tag:rl -hacking", "reward-hacking")
    assert (kept.note.rank, kept.of) == (1, 3)
    assert kept.conclusion == "The query shuts it out: -hacking excludes it; without that it would be rank 1 of 3."


@pytest.mark.parametrize(
    "query",
    [
        '"reward model"', '"reward"', "-hacking", '-"a phrase"', "-(policy critic)", "-(policy OR memory)", "a OR b",
        '"reward model" OR café', "(reward hacking) OR café", "hacking OR -reward", "proo*", "critik~", "critik~2",
        "title:proof", 'topic:"Reward Models"', "-topic:memory", "title:hack*", "description:critik~2", "tag:#RL",
        "-(a OR (b c))", "-hack*",
    ],
)  # fmt: skip
def test_a_constraint_is_written_as_one_types_it(query: str) -> None:
    constraint = parse(query).constraint
    assert constraint is not None
    assert written(constraint) == query
    assert parse(written(constraint)).constraint == constraint


QUERIES = (
    "reward hacking", "how do reward models fail when the policy exploits them?", "reinforcment lerning", "SFT",
    "zzqx vvkw", "how do volcanoes erupt", "to be or not to be", "???", "😀", "Ünïcode 再帰 naïve", "models",
    'reason* -"reward model"', 'reasoning OR hacking topic:"Reward Models"', '"language models" memory', "x " * 50,
    "title:reward", 'topic:"Reward Models"', "-reasoning -model", "a\ud800b \0 reward",
)  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
def test_ranks_are_those_of_the_search_and_sums_those_of_their_parts(owner: Searcher, query: str) -> None:
    hits = owner.search(query, k=len(owner.index))
    ranks = {hit.note.id: hit for hit in hits}
    for note in [hit.note for hit in hits[:3]] + list(owner.index.notes())[::23]:
        why = explain(owner, query, note.id)
        hit = ranks.get(note.id)
        assert why.shut_out == (hit is None)
        if hit is None:
            continue
        assert (why.note.rank, why.note.score, why.of) == (hit.rank, pytest.approx(hit.score), len(hits))
        for leg, place in (("lexical", why.lexical), ("semantic", why.semantic)):
            told = hit.legs.get(leg)
            assert (told.rank if told else None) == (place.rank if place else None)
            if told and place:
                assert place.score == pytest.approx(told.score, abs=1e-6)
        assert {word.text for word in why.words if word.fields} == set(why.note.words)
        if why.lexical:
            assert sum(word.added for word in why.words) == pytest.approx(why.lexical.score, abs=1e-4)
        for other in why.ahead:
            assert other.rank is not None and other.rank < hit.rank
            assert (hits[other.rank - 1].note.id, hits[other.rank - 1].score) == (other.id, other.score)
        assert json.loads(json.dumps(why.as_dict()))["rank"] == hit.rank


WORDS = 'reward hack policy* critik~ OR - " ( ) the ??? title: tag:rl topic:memory 😀 再帰'
PIECES = [*WORDS.split(), " ", " ", "\0"]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), st.sampled_from(sorted(COUNTS)))
def test_no_query_is_too_strange_to_be_explained(toy: Searcher, query: str, note: str) -> None:
    try:
        ids = [hit.note.id for hit in toy.search(query, k=7)]
    except QueryError:
        return
    why = explain(toy, query, note)
    assert why.as_dict()["rank"] == (1 + ids.index(note) if note in ids else None)
    assert why.shut_out == (note not in ids and parse(query).constraint is not None)
    assert why.conclusion.endswith(".")


def test_ahead_stand_the_first_the_tenth_and_the_three_directly_above(owner: Searcher) -> None:
    hits = owner.search("reward hacking", k=40)
    shown = {rank: explain(owner, "reward hacking", hits[rank - 1].note.id).ahead for rank in (1, 2, 5, 12, 40)}
    assert {rank: [other.rank for other in ahead] for rank, ahead in shown.items()} == {
        1: [],
        2: [1],
        5: [1, 2, 3, 4],
        12: [1, 9, 10, 11],
        40: [1, 10, 37, 38, 39],
    }


def test_the_words_that_a_note_uses_instead_are_found(owner: Searcher) -> None:
    why = explain(owner, "why do models exploit rewards", RUBRICS)
    nearest = {near.word: near for near in why.nearest}
    assert list(nearest) == ["models", "exploit", "rewards"]  # stop words left out
    assert nearest["exploit"].found == "exploited"
    assert nearest["models"].found == "models"
    assert 0.4 < nearest["exploit"].likeness < nearest["models"].likeness <= 1
    assert why.note.late is not None and why.late_background is not None
    assert why.note.late > why.late_background


def test_likeness_word_by_word_is_the_weighted_mean_of_its_parts(owner: Searcher) -> None:
    why = explain(owner, "exploit", RUBRICS)  # one word piece, so that its part is the whole
    assert [near.likeness for near in why.nearest] == [pytest.approx(why.note.late, abs=1e-5)]


def test_an_index_without_token_vectors_tells_the_rest(toy: Searcher) -> None:
    why = explain(toy, "reward hacking", "hackers")
    assert (why.note.late, why.late_background, why.nearest) == (None, None, ())
    assert "word by word" not in why.conclusion
    assert why.as_dict()["late"] is None


@pytest.mark.parametrize("query", ["", "   ", "()"])
def test_the_empty_query_finds_no_note_and_says_so(toy: Searcher, query: str) -> None:
    why = explain(toy, query, "cafe")
    assert (why.note.rank, why.lexical, why.semantic, why.ahead) == (None, None, None, ())
    assert why.conclusion == "The query is empty: it finds no note."


def test_a_query_of_filters_alone_has_the_order_of_the_notes(toy: Searcher) -> None:
    why = explain(toy, "tag:rl", "critic-free")
    assert (why.note.rank, why.of, why.ahead) == (3, 3, ())
    assert why.conclusion.endswith("and this one is number 3 of 3.")
    assert explain(toy, "tag:rl", "cafe").conclusion == "The query shuts it out: it does not meet tag:rl."


def test_a_note_beyond_what_the_legs_hand_on_is_told_exactly(tmp_path: Path) -> None:
    # Each leg hands on 1,000: the notes with the word.  The fifty without it follow by meaning, in the order of ids.
    notes = [record(f"a{number:04}", f"Reward {number}", "") for number in range(1000)]
    notes += [record(f"c{number:02}", f"Critic {number}", "") for number in range(50)]
    build_index([write_jsonl(tmp_path / "notes.jsonl", notes)], tmp_path / "index", encoder=ToyEncoder())
    searcher = Searcher.open(tmp_path / "index", encoder=ToyEncoder())
    assert "c07" not in [hit.note.id for hit in searcher.search("reward", k=2000)]
    why = explain(searcher, "reward", "c07")
    assert why.lexical == Place(rank=None, of=1000, score=0.0, counts=False)
    assert why.semantic is not None
    assert (why.semantic.rank, why.semantic.of, why.semantic.counts) == (1008, 1050, False)
    assert why.semantic.score == pytest.approx(0.01 / 1.01)
    assert why.note.rank is None
    assert why.conclusion.startswith("It is not among the 1000 notes that the ranking holds: none of 1 word, meaning")
    assert [other.rank for other in why.ahead] == [1, 10]


def test_a_collection_of_one_note_is_told_as_well(tmp_path: Path) -> None:
    build_index(
        [write_jsonl(tmp_path / "notes.jsonl", [record("only", "Reward", "")])], tmp_path / "i", encoder=ToyEncoder()
    )
    why = explain(Searcher.open(tmp_path / "i", encoder=ToyEncoder()), "reward", "only")
    assert why.conclusion == "It is first of 1: 1 of 1 word, meaning 1.00, where a note on average has 1.00."


@pytest.mark.parametrize(
    ("query", "note", "sentence"),
    [
        # The words are those that the note lacks and others hold, what the notes ahead hold first.
        ("reward hacking", FUNCTIONS, "; if that is its subject, write “hacking” in its title or description."),
        ("judge fooled", FUNCTIONS, "write “judge” in its title or description (no note holds “fooled”)."),
        (
            "reinforcement lerning",
            "can-environment-feedback-replace-scalar-rewards-in-policy-learning",
            "; no note holds “lerning”: check the spelling.",
        ),
        ("how do volcanoes erupt", FUNCTIONS, "no note holds “volcanoes” or “erupt”: check the spelling."),
        ("???", FUNCTIONS, "; no word of the query counts, so meaning alone decides."),
        ("reasoning", "why-do-language-models-fail-to-act-on-their-own-reasoning", "ask with a rarer word."),
    ],
)
def test_the_conclusion_says_what_would_help(owner: Searcher, query: str, note: str, sentence: str) -> None:
    assert explain(owner, query, note).conclusion.endswith(sentence)


def test_a_prefix_is_neither_advised_nor_called_unknown_where_other_notes_hold_it(owner: Searcher) -> None:
    hits = owner.search("reasoning OR hack*", k=203)
    told = [explain(owner, "reasoning OR hack*", hit.note.id) for hit in hits[1:40:6]]
    assert any(why.lacks == ("hack*",) for why in told)
    for why in told:
        assert "no note holds" not in why.conclusion and "write" not in why.conclusion


def test_following_the_advice_lifts_the_note(owner: Searcher, tmp_path: Path) -> None:
    query, note = (
        "sparsity and interpretability",
        "does-reinforcement-learning-update-only-a-small-fraction-of-parameters",
    )
    why = explain(owner, query, note)
    advice = "write “sparsity” and “interpretability” in its title or description"
    assert why.note.rank is not None and why.conclusion.endswith(f"{advice}.")
    notes = [record(other.id, other.title, other.description, other.topic) for other in owner.index.notes()]
    for changed in notes:
        changed["description"] += " It is a matter of sparsity and interpretability." if changed["id"] == note else ""
    shutil.copytree(owner.index.folder, tmp_path / "index")  # whose vectors of the other notes are taken over
    build_index([write_jsonl(tmp_path / "notes.jsonl", notes)], tmp_path / "index")
    lifted = explain(Searcher.open(tmp_path / "index"), query, note)
    assert lifted.lacks == ()
    assert lifted.note.rank is not None and lifted.note.rank < why.note.rank


def test_a_query_that_no_note_answers_is_said_to_be_one(owner: Searcher) -> None:
    for query, place in (("zzqx vvkw", "it is first of 203"), ("recipe for vegan lasagna", "it is rank 30 of 203")):
        hit = owner.search(query, k=30)[0 if "first" in place else 29]
        conclusion = explain(owner, query, hit.note.id).conclusion
        assert conclusion.startswith(f"No note answers this well, and {place}: none of ")


def test_an_unknown_note_and_a_broken_query_are_refused(toy: Searcher) -> None:
    with pytest.raises(NoteNotFoundError):
        explain(toy, "reward", "no-such-note")
    with pytest.raises(QueryError):
        explain(toy, "title:", "cafe")


def run(owner_index: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["why", "--index", str(owner_index), *words], env={"COLUMNS": "80"})


def test_the_command_prints_the_conclusion_first_then_the_figures_then_what_is_ahead(owner_index: Path) -> None:
    done = run(owner_index, "reward hacking", "Can LLMs design reward functions for reinforcement learning?")
    lines = done.stdout.splitlines()
    assert (done.exit_code, done.stderr) == (0, "")
    assert lines[0] == "Can LLMs design reward functions for reinforcement learning?"
    assert lines[1].startswith("    It is rank ")
    names = [line[4:16].strip() for line in lines[2 : lines.index("    ahead of it:")] if line[4] != " "]
    assert [name for name in names if name in ("words", "lacks", "meaning", "word by word")] == [
        "words",
        "lacks",
        "meaning",
        "word by word",
    ]
    assert "     1. How can rubric-based rewards resist reward hacking attacks?" in lines
    assert max(map(len, lines)) <= 80


def test_json_is_one_object_with_the_documented_keys(owner_index: Path) -> None:
    done = run(owner_index, "reward hacking", FUNCTIONS, "--json")
    assert len(done.stdout.splitlines()) == 1
    told = json.loads(done.stdout)
    assert list(told) == [
        "query", "id", "title", "rank", "of", "score", "shut_out", "grade", "words", "lacks", "lexical", "letters",
        "semantic", "background", "late", "late_background", "related", "nearest", "ahead", "conclusion",
    ]  # fmt: skip
    assert (told["id"], told["lacks"], told["shut_out"], told["grade"]) == (FUNCTIONS, ["hacking"], None, "strong")
    assert list(told["words"][0]) == ["text", "notes", "fields", "added"]
    assert list(told["lexical"]) == list(told["semantic"]) == ["rank", "of", "score", "counts"]
    assert told["ahead"][0]["id"] == RUBRICS
    assert told["ahead"][0]["words"] == ["reward", "hacking"]


def test_a_very_long_query_is_told_in_few_lines(owner_index: Path) -> None:
    query = " ".join(f"word{number}" for number in range(2000)) + " " + "y" * 10_000
    done = run(owner_index, f"{query} reward hacking", RUBRICS)
    assert done.exit_code == 0
    flowing = " ".join(done.stdout.split())
    assert "2 of 2003 words" in flowing and "and 1995 more" in flowing
    assert len(done.stdout) < 3000
    assert "y" * 50 not in run(owner_index, "y" * 10_000, RUBRICS).stdout


def test_nothing_that_a_terminal_obeys_comes_back_from_the_query(owner_index: Path) -> None:
    shown = run(owner_index, 'reward "\x1b[31m red" -\x9b31m', RUBRICS).stdout
    assert "does not meet" in shown and not set(shown) & {"\x1b", "\x9b"}


def test_the_command_refuses_what_search_and_show_refuse(owner_index: Path, tmp_path: Path) -> None:
    for words, sentence in (
        (("reward", "no-such-note"), "the nearest are: "),
        (("title:", RUBRICS), "query, column 1: "),
        (("reward", RUBRICS, "--index", str(tmp_path / "none")), "type: kindred index"),
    ):
        done = run(owner_index, *words)
        assert (done.exit_code, done.stdout) == (1, "")
        assert done.stderr.startswith("kindred: ") and sentence in done.stderr
