"""What an adapter file holds, and what it does to an encoder; the outside answers are arithmetic and the safetensors
package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from toys import tiny_bert

from indexer.adapters import Adapter, Tuning, load_adapter, save_adapter
from indexer.encoders import NumpyEncoder, load_encoder
from indexer.errors import EncoderMismatchError

QUERY = "encoder.layer.1.attention.self.query.weight"
VALUE = "encoder.layer.1.attention.self.value.weight"


def made(rank: int = 2, dim: int = 32, names: tuple[str, ...] = (QUERY, VALUE), scale: float = 0.3) -> Adapter:
    chance = np.random.default_rng(5)
    return Adapter(
        {name: (scale * chance.standard_normal((dim, rank))).astype(np.float32) for name in names},
        {name: (scale * chance.standard_normal((rank, dim))).astype(np.float32) for name in names},
    )


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> NumpyEncoder:
    folder = tiny_bert(tmp_path_factory.mktemp("model") / "tiny")
    return NumpyEncoder(str(folder), folder)


def test_the_change_of_a_weight_is_the_product_of_its_factors() -> None:
    up = np.array([[1], [2]], dtype=np.float32)
    down = np.array([[3, 4, 5]], dtype=np.float32)
    assert Adapter({"w": up}, {"w": down}).changes()["w"].tolist() == [[3, 4, 5], [6, 8, 10]]


def test_an_adapter_is_read_as_it_was_written_and_the_safetensors_package_reads_it_too(tmp_path: Path) -> None:
    adapter = made()
    save_adapter(tmp_path / "a.safetensors", adapter)
    read = load_adapter(tmp_path / "a.safetensors")
    theirs = load_file(tmp_path / "a.safetensors")
    assert sorted(theirs) == sorted(f"{name}.{part}" for name in (QUERY, VALUE) for part in ("up", "down"))
    for name in (QUERY, VALUE):
        np.testing.assert_array_equal(read.up[name], adapter.up[name])
        np.testing.assert_array_equal(theirs[f"{name}.down"], adapter.down[name])
    assert read.fingerprint == adapter.fingerprint


def test_equal_adapters_give_equal_bytes_and_one_changed_number_another_fingerprint(tmp_path: Path) -> None:
    first, second = made(), made()
    other = Adapter(first.up, {**first.down, QUERY: first.down[QUERY] + np.float32(1e-6)})
    for name, adapter in {"first": first, "second": second}.items():
        save_adapter(tmp_path / name, adapter)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    assert first.fingerprint == second.fingerprint
    assert other.fingerprint != first.fingerprint


def test_an_adapter_file_that_ends_early_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    save_adapter(tmp_path / "whole", made(dim=2, rank=1, names=("w",)))
    data = (tmp_path / "whole").read_bytes()
    for size in range(len(data)):
        (tmp_path / "cut").write_bytes(data[:size])
        with pytest.raises(ValueError, match=r"."):
            load_adapter(tmp_path / "cut")


ONE = np.ones((2, 1), dtype=np.float32)


@pytest.mark.parametrize(
    "factors",
    [
        {},
        {"w.up": ONE},
        {"w.up": ONE, "w.down": ONE.T, "more": ONE},
        {"w.up": ONE, "v.down": ONE.T},
        {"w.up": ONE, "w.down": np.ones((2, 2), dtype=np.float32)},
        {"w.up": ONE, "w.down": np.ones(2, dtype=np.float32)},
        {"w.up": ONE.astype(np.float16), "w.down": ONE.T},
        {"w.up": ONE, "w.down": np.array([[1, np.nan]], dtype=np.float32)},
        {"w.up": ONE * np.float32(np.inf), "w.down": ONE.T},
    ],
    ids=["empty", "alone", "more", "strangers", "rank", "flat", "half", "nan", "inf"],
)
def test_a_safetensors_file_that_is_no_adapter_is_refused(
    tmp_path: Path, factors: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]
) -> None:
    save_file({name: np.ascontiguousarray(factor) for name, factor in factors.items()}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match=r"x\.safetensors does not hold an adapter"):
        load_adapter(tmp_path / "x.safetensors")


def test_an_adapter_changes_vectors_of_notes_and_queries_and_the_fingerprint_but_not_the_encoder_itself(
    tiny: NumpyEncoder,
) -> None:
    before = tiny.encode_query("aska askb")
    adapted = tiny.adapted(made())
    assert np.abs(adapted.encode_query("aska askb") - before).max() > 1e-3
    assert adapted.encode_documents(["aska askb"])[0].tobytes() == adapted.encode_query("aska askb").tobytes()
    assert tiny.encode_query("aska askb").tobytes() == before.tobytes()
    assert adapted.info.fingerprint not in ("", tiny.info.fingerprint)
    assert adapted.info.plain() == tiny.info


def test_an_adapter_of_zeros_changes_no_vector(tiny: NumpyEncoder) -> None:
    nothing = made(scale=0)
    assert tiny.adapted(nothing).encode_query("aska").tobytes() == tiny.encode_query("aska").tobytes()


@pytest.mark.parametrize("adapter", [made(dim=16), made(names=("encoder.layer.7.attention.self.query.weight",))])
def test_an_adapter_for_another_checkpoint_is_refused_with_the_next_command(
    tiny: NumpyEncoder, adapter: Adapter
) -> None:
    with pytest.raises(EncoderMismatchError, match=r"was tuned for another encoder.*type: kindred index --tune"):
        tiny.adapted(adapter)


def test_an_encoder_is_loaded_with_the_adapter_that_the_index_remembers_and_with_no_other(tiny: NumpyEncoder) -> None:
    adapted = tiny.adapted(made())
    name = tiny.info.name
    assert load_encoder(name, known=adapted.info, adapter=made()).info.fingerprint == adapted.info.fingerprint
    for wrong in (None, made(scale=0.2)):
        with pytest.raises(EncoderMismatchError, match=r"type: kindred index$"):
            load_encoder(name, known=adapted.info, adapter=wrong)


def test_tuning_helps_where_the_gain_is_more_than_two_standard_errors() -> None:
    assert Tuning(60, 41, 52, before=0.50, after=0.61, error=0.05).helps
    assert not Tuning(60, 41, 44, before=0.50, after=0.54, error=0.05).helps
    assert not Tuning(60, 41, 41, before=0.50, after=0.50, error=0.0).helps


def test_the_outcome_is_said_either_way() -> None:
    assert Tuning(60, 41, 52, 0.5, 0.61, 0.05).sentence() == (
        "tuned: held-out titles find their descriptions first 41 -> 52 of 60"
    )
    assert Tuning(60, 41, 40, 0.5, 0.5, 0.05).sentence() == (
        "tuning did not help (held-out titles find their descriptions first 41 -> 40 of 60): left out"
    )
