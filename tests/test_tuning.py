"""Notes that teach a tiny encoder: what is learned, when it is kept, and what later builds make of it."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from toys import ToyEncoder, asked_and_told, record, tiny_bert, write_jsonl

from indexer import (
    BuildReport,
    EncoderError,
    IndexCorruptError,
    Note,
    build_index,
    load_encoder,
    open_index,
)
from indexer.adapters import Adapter
from indexer.encoders import NumpyEncoder
from indexer.lora import EPOCHS, Pieces, Trainer
from indexer.soundness import damage_in
from indexer.torch_bert import UpperLayers, lay_out
from indexer.tuning import chosen_pairs, learn, reciprocal_ranks
from search import Searcher
from search.cli import main

NOTES = asked_and_told(200)
PAIRS = [(note["title"], note["description"]) for note in NOTES]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> NumpyEncoder:
    folder = tiny_bert(tmp_path_factory.mktemp("model") / "tiny")
    return NumpyEncoder(str(folder), folder)


class Desk:
    """A file of notes, and an index of it by the tiny encoder."""

    def __init__(self, root: Path, encoder: NumpyEncoder) -> None:
        self.source = root / "notes.jsonl"
        self.folder = root / "index"
        self.encoder = encoder

    def build(self, notes: list[dict[str, Any]] | None = None, **options: Any) -> BuildReport:
        if notes is not None:
            write_jsonl(self.source, notes)
        return build_index([self.source], self.folder, encoder=self.encoder, **options)

    def hashes(self) -> dict[str, str]:
        index = open_index(self.folder)
        generation = self.folder / index.manifest.generation
        return {name: sha256((generation / name).read_bytes()).hexdigest() for name in index.manifest.files}

    def adapter(self) -> Path:
        return self.folder / open_index(self.folder).manifest.generation / "adapter.safetensors"


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory, tiny: NumpyEncoder) -> Desk:
    """An index that was built plain, then tuned; not to be changed."""
    desk = Desk(tmp_path_factory.mktemp("tuned"), tiny)
    desk.build(NOTES)
    report = desk.build(tune=True)
    assert report.published
    return desk


@pytest.fixture
def desk(tuned: Desk, tmp_path: Path) -> Desk:
    """A copy of the tuned desk."""
    shutil.copytree(tuned.folder.parent, tmp_path / "desk")
    return Desk(tmp_path / "desk", tuned.encoder)


def pieces(encoder: NumpyEncoder) -> list[tuple[Pieces, Pieces]]:
    return [(Pieces.of(encoder.model, title), Pieces.of(encoder.model, description)) for title, description in PAIRS]


def random_adapter(first: int, last: int, dim: int) -> Adapter:
    chance = np.random.default_rng(3)
    names = [
        f"encoder.layer.{layer}.attention.self.{part}.weight"
        for layer in range(first, last)
        for part in ("query", "value")
    ]
    return Adapter(
        {name: (0.1 * chance.standard_normal((dim, 3))).astype(np.float32) for name in names},
        {name: (0.1 * chance.standard_normal((3, dim))).astype(np.float32) for name in names},
    )


@pytest.mark.parametrize("which", ["tiny", "default"])
def test_torch_with_factors_gives_the_states_that_numpy_gives_with_the_adapter(which: str, tiny: NumpyEncoder) -> None:
    import torch

    encoder = tiny if which == "tiny" else load_encoder()
    assert isinstance(encoder, NumpyEncoder)
    layers = encoder.model.checkpoint.layers
    adapter = random_adapter(layers // 2, layers, encoder.info.dim)
    texts = ["aska tellb.", "Why do reward models fail?", "a", "askc " * 30]
    ids = [encoder.model.word_pieces(text)[0] for text in texts]
    layout = lay_out([len(part) for part in ids])
    lower = torch.cat([torch.from_numpy(encoder.model.states(part, layers // 2)) for part in ids])
    factors = {name: (torch.from_numpy(adapter.up[name]), torch.from_numpy(adapter.down[name])) for name in adapter.up}
    ours = UpperLayers(encoder.model, layers // 2).run(lower, layout, factors).numpy()
    adapted = encoder.adapted(adapter).model
    theirs = np.concatenate([adapted.states(part, layers) for part in ids])
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
    assert np.abs(theirs - np.concatenate([encoder.model.states(part, layers) for part in ids])).max() > 1e-3


def test_texts_that_are_packed_lie_side_by_side_and_come_back() -> None:
    import torch

    layout = lay_out([2, 3, 1])
    beside = layout.side_by_side(torch.tensor([10, 11, 20, 21, 22, 30]))
    assert layout.present.tolist() == [[True, True, False], [True, True, True], [True, False, False]]
    assert beside[layout.present].tolist() == [10, 11, 20, 21, 22, 30]
    assert beside.flatten()[layout.packed].tolist() == [10, 11, 20, 21, 22, 30]


def test_equal_seeds_give_equal_adapters_and_another_seed_another_one(tiny: NumpyEncoder) -> None:
    rarity = np.ones(100, dtype=np.float32)

    def trained(seed: int) -> str:
        return Trainer(tiny.model, pieces(tiny), rarity).train(range(64), seed, 2, lambda _: None).fingerprint

    assert trained(1) == trained(1) != trained(2)


def test_training_changes_the_upper_half_of_the_layers_alone(tiny: NumpyEncoder) -> None:
    told: list[int] = []
    trainer = Trainer(tiny.model, pieces(tiny), np.ones(100, dtype=np.float32))
    adapter = trainer.train(range(40), 0, 3, told.append)
    assert sorted(adapter.changes()) == [f"encoder.layer.1.attention.self.{part}.weight" for part in ("query", "value")]
    assert told == [1, 2, 3]
    assert all(np.abs(change).max() > 0 for change in adapter.changes().values())


def test_titles_that_were_held_out_find_their_descriptions_better_once_the_others_have_taught_the_encoder(
    tiny: NumpyEncoder,
) -> None:
    adapter, facts = learn(PAIRS, tiny, lambda *_: None)
    assert adapter is not None
    assert facts.pairs == 67  # every third of 200
    assert facts.after > facts.before + 2 * facts.error
    rows = np.arange(len(PAIRS))
    assert reciprocal_ranks(tiny.adapted(adapter), PAIRS, rows).mean() > reciprocal_ranks(tiny, PAIRS, rows).mean()


def test_where_titles_have_nothing_to_do_with_their_descriptions_nothing_is_kept(tiny: NumpyEncoder) -> None:
    pairs = [(note["title"], note["description"]) for note in asked_and_told(200, shuffled=True)]
    adapter, facts = learn(pairs, tiny, lambda *_: None)
    assert adapter is None
    assert not facts.helps


def test_pairs_have_both_texts_stand_once_and_do_not_depend_on_the_order_of_notes() -> None:
    notes = [
        Note("a", "Title", "Text"),
        Note("b", "Title", "Another text"),  # a title that stands twice would be its own rival
        Note("c", "Another title", "Text"),
        Note("d", "No text", " "),
        Note("e", "Third", "Third text"),
    ]
    assert sorted(chosen_pairs(notes)) == [("Third", "Third text"), ("Title", "Text")]
    distinct = [Note(f"n{i}", f"Title {i}", f"Text {i}") for i in range(500)]
    assert chosen_pairs(distinct) == chosen_pairs(distinct[::-1])
    assert len(chosen_pairs(distinct)) == 400


def test_tuning_is_published_though_no_note_changed_and_both_steps_are_told(desk: Desk) -> None:
    stages: list[tuple[str, int, int]] = []
    before = open_index(desk.folder).manifest.generation
    report = desk.build(tune=True, progress=lambda *stage: stages.append(stage))
    assert (report.published, report.added, report.changed, report.removed) == (True, 0, 0, 0)
    assert report.remarks[0].startswith("tuned: held-out titles find their descriptions first ")
    assert report.generation != before
    for stage in ("tuning on two thirds, epochs", "tuning on all notes, epochs"):
        assert [done for name, done, _ in stages if name == stage] == list(range(EPOCHS + 1))


def test_tuning_twice_gives_the_same_bytes_in_every_file(tuned: Desk, desk: Desk) -> None:
    assert "adapter.safetensors" in tuned.hashes()
    desk.build(tune=True)
    assert desk.hashes() == tuned.hashes()


def test_later_builds_keep_the_adapter_and_encode_only_what_changed_by_it(desk: Desk, tmp_path: Path) -> None:
    bytes_before = desk.adapter().read_bytes()
    assert not desk.build().published
    report = desk.build([*NOTES[:-1], NOTES[-1] | {"description": "tella tellb telld."}])
    assert (report.published, report.changed, report.encoded) == (True, 1, 1)
    index = open_index(desk.folder)
    assert desk.adapter().read_bytes() == bytes_before
    assert index.manifest.tuning is not None
    assert index.manifest.tuning.helps
    adapter = index.adapter
    assert adapter is not None
    own = desk.encoder.adapted(adapter).encode_documents([f"{NOTES[-1]['title']} tella tellb telld."])[0]
    assert index.encoded[-1].tobytes() == own.tobytes()


def test_no_tune_goes_back_to_the_bytes_of_an_index_that_was_never_tuned(desk: Desk, tmp_path: Path) -> None:
    never = Desk(tmp_path / "never", desk.encoder)
    never.build(NOTES)
    report = desk.build(tune=False)
    assert (report.published, report.encoded) == (True, len(NOTES))
    assert desk.hashes() == never.hashes()
    assert open_index(desk.folder).manifest.tuning is None
    assert not desk.build(tune=False).published


def test_a_rebuild_of_a_tuned_index_learns_again_and_gives_the_same_bytes(tuned: Desk, desk: Desk) -> None:
    report = desk.build(rebuild=True)
    assert report.encoded == len(NOTES)
    assert report.remarks[0].startswith("tuned: ")
    assert desk.hashes() == tuned.hashes()


def test_a_searcher_of_a_tuned_index_asks_the_adapted_encoder_wherever_the_index_lies(
    tuned: Desk, tmp_path: Path
) -> None:
    shutil.copytree(tuned.folder, tmp_path / "elsewhere")
    searcher = Searcher.open(tmp_path / "elsewhere")
    adapter = searcher.index.adapter
    assert adapter is not None
    expected = tuned.encoder.adapted(adapter).encode_query("aska askb")
    assert searcher.encoder.encode_query("aska askb").tobytes() == expected.tobytes()
    assert expected.tobytes() != tuned.encoder.encode_query("aska askb").tobytes()


def test_info_tells_the_outcome_and_check_finds_the_index_sound(tuned: Desk) -> None:
    runner = CliRunner()
    facts = json.loads(runner.invoke(main, ["info", "--json", "--index", str(tuned.folder)]).output)
    recorded = open_index(tuned.folder).manifest.tuning
    assert recorded is not None
    assert facts["tuning"] == {**recorded.as_dict(), "kept": True, "outcome": recorded.sentence()}
    assert recorded.sentence() in runner.invoke(main, ["info", "--index", str(tuned.folder)]).output
    checked = runner.invoke(main, ["check", "--index", str(tuned.folder)])
    assert checked.exit_code == 0, checked.output


def test_a_changed_adapter_is_found_by_check_and_refused_at_opening(desk: Desk) -> None:
    data = bytearray(desk.adapter().read_bytes())
    data[-2] ^= 1  # a low bit of the last number: still finite
    desk.adapter().write_bytes(data)
    assert damage_in(desk.folder) == ["adapter.safetensors differs from what was published"]
    with pytest.raises(IndexCorruptError, match=r"adapter\.safetensors differs from what was published"):
        open_index(desk.folder)


def test_an_adapter_of_the_right_size_that_is_garbage_is_refused_at_opening_and_learned_again(
    tuned: Desk, desk: Desk
) -> None:
    desk.adapter().write_bytes(b"\xff" * desk.adapter().stat().st_size)
    with pytest.raises(IndexCorruptError, match="adapter"):
        open_index(desk.folder)
    assert desk.build().remarks[1].startswith("tuned: ")
    assert desk.hashes() == tuned.hashes()


def test_too_few_notes_are_indexed_plain_with_a_remark(tiny: NumpyEncoder, tmp_path: Path) -> None:
    few = Desk(tmp_path, tiny)
    report = few.build([*NOTES[:63], record("x", "aska", "")], tune=True)
    assert report.remarks == ["tuning needs 64 notes with a title and a description, and there are 63: left out"]
    assert open_index(few.folder).manifest.tuning is None
    assert not few.adapter().exists()


def test_what_did_not_help_is_left_out_remembered_and_not_tried_again(tiny: NumpyEncoder, tmp_path: Path) -> None:
    idle = Desk(tmp_path, tiny)
    report = idle.build(asked_and_told(200, shuffled=True), tune=True)
    assert report.remarks[0].startswith("tuning did not help ")
    index = open_index(idle.folder)
    assert (index.adapter, idle.adapter().exists()) == (None, False)
    assert index.manifest.encoder == tiny.info
    assert (idle.build().published, idle.build().remarks) == (False, [])
    assert "tuning did not help" in CliRunner().invoke(main, ["info", "--index", str(idle.folder)]).output


def test_an_encoder_that_numpy_does_not_run_is_refused_with_the_way_out(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "notes.jsonl", NOTES)
    with pytest.raises(EncoderError, match=r"tuning needs a BERT encoder that numpy runs.*leave --encoder out"):
        build_index([source], tmp_path / "index", encoder=ToyEncoder(), tune=True)


def test_a_tuned_index_that_is_given_such_an_encoder_is_built_plain_with_a_remark(desk: Desk) -> None:
    report = build_index([desk.source], desk.folder, encoder=ToyEncoder())
    assert report.remarks == ["tuning needs a BERT encoder that numpy runs, and toy is not one: left out"]
    assert open_index(desk.folder).manifest.tuning is None
