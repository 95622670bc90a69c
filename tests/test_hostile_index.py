"""What a stranger's index or model can do to whoever opens it: nothing that a sentence does not say."""

from __future__ import annotations

import ast
import io
import json
import os
import shutil
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import save
from toys import ToyEncoder, resealed

from indexer import EncoderError, IndexCorruptError, KindredError, load_encoder, open_index
from indexer.bert import read_safetensors
from indexer.integrity import entry_of
from indexer.soundness import problems
from search import Searcher
from search.cli import main

ROOT = Path(__file__).parent.parent


@pytest.fixture
def copy(toy_folder: Path, tmp_path: Path) -> Path:
    """An index that may be changed."""
    shutil.copytree(toy_folder, tmp_path / "index")
    return tmp_path / "index"


def generation(folder: Path) -> Path:
    return folder / str(json.loads((folder / "manifest.json").read_text("utf-8"))["generation"])


def restate(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what the manifest says."""
    path = folder / "manifest.json"
    record = json.loads(path.read_text("utf-8"))
    change(record)
    path.write_text(resealed(record), "utf-8")


def own(path: Path, name: str, record: dict[str, Any]) -> None:
    """Say of a file what it is now."""
    record["files"][name] = entry_of(path)


def use(folder: Path) -> None:
    """Ask an index for all that it can do."""
    searcher = Searcher.open(folder, encoder=ToyEncoder())
    searcher.search("rewrad hacking pro* -tag:agents")
    searcher.complete("re")
    searcher.neighbours("cafe")
    problems(searcher.index)


@pytest.mark.parametrize(
    "name", ["../n.jsonl", "/etc/passwd", "..", ".", "", "a/../../n.jsonl", "a\0b", "C:\\x", "vectors.npy/../x", "a//b"]
)
def test_a_manifest_that_names_a_file_outside_its_generation_is_refused(copy: Path, name: str) -> None:
    restate(copy, lambda record: record["files"].update({name: {"bytes": 0, "crc32": 0, "sha256": ""}}))
    with pytest.raises(IndexCorruptError, match="names an impossible file"):
        open_index(copy)


@pytest.mark.parametrize("name", ["../index", "..", "/", "000001-0000000G", "000001-00000000\n", "٠٠٠٠٠١-00000000", 1])
def test_a_manifest_that_names_another_folder_than_a_generation_is_refused(copy: Path, name: object) -> None:
    restate(copy, lambda record: record.update(generation=name))
    with pytest.raises(IndexCorruptError, match="names an impossible generation"):
        open_index(copy)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_links_and_pipes_in_the_place_of_files_are_refused_and_nobody_waits(copy: Path, tmp_path: Path) -> None:
    def refused(problem: str) -> None:
        with pytest.raises(IndexCorruptError, match=problem):
            open_index(copy)

    folder = generation(copy)
    content = (folder / "impacts" / "rows.npy").read_bytes()
    (folder / "impacts" / "rows.npy").rename(tmp_path / "rows.npy")
    (folder / "impacts" / "rows.npy").symlink_to(tmp_path / "rows.npy")
    refused("impacts/rows.npy is no file of its own")
    (folder / "impacts" / "rows.npy").unlink()
    os.mkfifo(folder / "impacts" / "rows.npy")
    restate(copy, lambda record: record["files"]["impacts/rows.npy"].update(bytes=0))
    refused("impacts/rows.npy is no file of its own")
    (folder / "impacts" / "rows.npy").unlink()
    (folder / "impacts" / "rows.npy").write_bytes(content)
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    refused("is no file of its own")
    (copy / "manifest.json").unlink()
    os.mkfifo(copy / "manifest.json")
    refused("manifest.json is no file")


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 100_000, '{"format": ' + "9" * 100_000 + "}", "\ud800"])
def test_a_manifest_that_nests_or_counts_without_end_is_refused(copy: Path, text: str) -> None:
    (copy / "manifest.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(KindredError):
        open_index(copy)


@pytest.mark.parametrize(
    "key", ["sources", "inputs", "created", "files", "encoder", "analyser", "calibration", "notes"]
)
@pytest.mark.parametrize("value", [{}, [], None, "x", 5, {"a": {"b": 1}}, [{"path": 1, "cluster": 5}], 1e300, 2**70])
def test_what_a_manifest_says_in_another_form_is_refused_or_shown(copy: Path, key: str, value: object) -> None:
    restate(copy, lambda record: record.update({key: value}))
    for typed in (["info"], ["check"], ["search", "reward", "--mode", "lexical"]):
        done = CliRunner().invoke(main, [*typed, "--index", str(copy)])
        assert done.exception is None or isinstance(done.exception, SystemExit), (typed, done.exception)


def header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """A .npy file's header, which may promise what it likes."""
    written = io.BytesIO()
    np.lib.format.write_array_header_1_0(written, {"descr": dtype, "fortran_order": False, "shape": shape})
    return written.getvalue()


HEADERS: dict[str, Callable[[np.ndarray[Any, Any]], bytes]] = {
    "huge": lambda array: header(array.dtype.str, (2**62, *array.shape[1:])),
    "a terabyte": lambda array: header(array.dtype.str, (2**38, *array.shape[1:])),
    "overflowing": lambda array: header(array.dtype.str, (2**31, 2**31, 2**31)),
    "negative": lambda array: header(array.dtype.str, (-1, *array.shape[1:])),
    "empty": lambda array: header(array.dtype.str, (0,) * array.ndim),
    "a number": lambda array: header(array.dtype.str, ()),
    "objects": lambda array: header("|O", array.shape) + b"\x80\x04N.",
    "no header": lambda array: b"\x93NUMPY\x01\x00v\x00" + b"{" * 118,
    "a program": lambda array: b"\x93NUMPY\x01\x00v\x00" + b"__import__('os').abort()".ljust(118),
    "no array": lambda array: b"x" * 200,
    "nothing": lambda array: b"",
}


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning", "ignore::UserWarning:numpy")
@pytest.mark.parametrize("lie", HEADERS)
def test_an_array_whose_header_lies_is_refused_at_opening(copy: Path, lie: str) -> None:
    folder = generation(copy)
    known = json.loads((copy / "manifest.json").read_text("utf-8"))["files"]
    names = [name for name in known if name.endswith(".npy") and not name.startswith("training/")]
    refused = 0
    for name in names:
        path, before = folder / name, (folder / name).read_bytes()
        forged = HEADERS[lie](np.load(path))
        path.write_bytes(forged)
        restate(copy, partial(own, path, name))
        try:
            use(copy)
        except IndexCorruptError:
            refused += 1
        path.write_bytes(before)
        restate(copy, partial(own, path, name))
    may_be_empty = {name for name in names if name.startswith("acronyms/")}  # there are none among the toys
    assert refused >= len(names) - len(may_be_empty) and len(names) > 20
    use(copy)


# --- models


def tensors(header: object, data: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(begin: int, end: int, shape: list[int]) -> dict[str, object]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    "content",
    [
        tensors({"a": entry(0, 8, [2]), "b": entry(4, 12, [2])}, bytes(12)),
        tensors({"a": entry(0, 8, [2]), "b": entry(0, 8, [2])}, bytes(8)),
        tensors({"a": entry(0, 4, [1])}, bytes(8)),
        tensors({"a": entry(4, 8, [1])}, bytes(8)),
        tensors({"a": entry(0, 8, [2**62, 2**62])}, bytes(8)),
        tensors({"a": entry(0, 8, [-2, -1])}, bytes(8)),
        tensors({"a": entry(0, 2**70, [2**68])}, bytes(8)),
        tensors({"a": entry(0, 8, [1.0, 2])}, bytes(8)),
        tensors(b"[" * 100_000, b""),
        tensors(b'{"a":' * 100_000, b""),
        (2**63).to_bytes(8, "little") + b"{}",
        b"",
    ],
    ids=range(12),
)
def test_weights_that_overlap_leave_gaps_or_lie_about_their_shape_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(ValueError):
        read_safetensors(tmp_path / "w.safetensors")


def test_weights_as_the_safetensors_package_writes_them_are_read_empty_ones_too(tmp_path: Path) -> None:
    known = {"b": np.ones((2, 3), np.float32), "a": np.zeros((0, 3), np.float32), "c": np.arange(4)}
    (tmp_path / "w.safetensors").write_bytes(save(known))
    found = read_safetensors(tmp_path / "w.safetensors")
    assert {name: array.tolist() for name, array in found.items()} == {k: v.tolist() for k, v in known.items()}


def test_a_model_s_folder_that_brings_code_is_refused_and_none_of_it_runs(tmp_path: Path) -> None:
    model, trace = tmp_path / "model", tmp_path / "trace"
    model.mkdir()
    (model / "modules.json").write_text(json.dumps([{"idx": 0, "name": "0", "path": "", "type": "mine.Module"}]))
    (model / "config.json").write_text(
        json.dumps({"model_type": "mine", "auto_map": {"AutoConfig": "mine.Module", "AutoModel": "mine.Module"}})
    )
    (model / "mine.py").write_text(f"open({str(trace)!r}, 'w')\nclass Module: pass\n")
    with pytest.raises(EncoderError):
        load_encoder(str(model))
    assert not trace.exists()


@pytest.mark.parametrize("name", ["config.json", "modules.json", "pooling/config.json"])
@pytest.mark.parametrize("content", ["[]", "5", "[" * 100_000, '"x"', "{}", "null"])
def test_a_model_whose_small_files_are_forged_is_refused(tmp_path: Path, name: str, content: str) -> None:
    from toys import tiny_bert

    model = tiny_bert(tmp_path / "model")
    (model / name).write_text(content)
    with pytest.raises(EncoderError):
        from indexer.encoders import NumpyEncoder

        NumpyEncoder("x", model)


# --- nothing is run


@cache
def calls() -> list[tuple[str, str, ast.Call]]:
    """File, dotted name and node of every call in both packages."""
    found = []
    for package in ("indexer", "search"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call):
                    found.append((path.relative_to(ROOT).as_posix(), ast.unparse(node.func), node))
    return found


def test_no_array_may_hold_pickled_objects() -> None:
    arrays = [(file, node) for file, name, node in calls() if name in ("np.load", "np.save", "numpy.load")]
    assert len(arrays) > 10
    for file, node in arrays:
        allowed = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        assert allowed.get("allow_pickle") == "False", f"{file}:{node.lineno}"


def test_nothing_that_was_read_is_run() -> None:
    runs = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "torch.load", "yaml.load"}
    for file, name, node in calls():
        assert name not in runs, f"{file}:{node.lineno}: {name}"
        assert not name.startswith(("pickle.", "marshal.", "shelve.", "dill.", "joblib.", "subprocess."))
        keywords = {keyword.arg for keyword in node.keywords}
        assert not keywords & {"trust_remote_code", "shell"}, f"{file}:{node.lineno}"
    for package in ("indexer", "search"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
                assert not {"pickle", "marshal", "shelve", "dill", "joblib", "subprocess"} & set(names), path
