"""Disks that are full, or may only be read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from builder import REFUSED
from stage import ALL, OLD, Count, Desk, Stage, kindred, leftovers, mended, settled, state, tiny_encoder
from toys import write_jsonl

from indexer import build_index

PAGE = 4096  # what the smallest file takes of a disk in memory


@contextmanager
def mounted(folder: Path, size: int) -> Iterator[Path]:
    """A disk in memory of so many bytes; only root may mount one, and elsewhere these tests are skipped."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={size},nr_inodes=4000", "kindred-test", str(folder)]
    if sys.platform != "linux" or subprocess.run(["mount", *options], capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(path: Path, leave: int) -> None:
    """Write zeros until so many bytes are left on the disk."""
    free = os.statvfs(path.parent).f_bavail * PAGE
    path.write_bytes(bytes(max(free - leave, 0)))


def test_a_disk_without_room_for_the_new_index_keeps_the_old_one_and_fills_no_further(
    stage: Stage, tmp_path: Path, count: Count
) -> None:
    base = settled(tmp_path / "base")
    needed = None
    with mounted(tmp_path / "small", 4 << 20) as disk:
        for pages in range(0, 100, 1 if ALL else 7):
            desk = Desk(disk / "desk")
            shutil.copytree(base.root, desk.root)
            fill(disk / "ballast", pages * PAGE)
            outcome = stage.run(desk)
            if outcome.status == 0:
                needed = pages
                break
            assert outcome.status == REFUSED, outcome.said
            assert "cannot be written" in outcome.said and outcome.said.endswith("then repeat the command.")
            assert state(desk.folder) in ("old", "new")  # new where the last folder could not be synced
            assert leftovers(desk.folder) == []
            assert os.statvfs(disk).f_bavail >= pages
            (disk / "ballast").unlink()
            mended(desk)
            shutil.rmtree(desk.root)
            count("small disks", 1)
    assert needed  # with room enough it was built


def read_only(folder: Path) -> bool:
    """Whether a disk could be made one that may only be read."""
    return subprocess.run(["mount", "-o", "remount,ro", str(folder)], capture_output=True).returncode == 0


def test_an_index_on_a_disk_that_may_only_be_read_answers_and_cannot_be_built(tmp_path: Path) -> None:
    notes = write_jsonl(tmp_path / "notes.jsonl", OLD)
    with mounted(tmp_path / "small", 8 << 20) as disk:
        folder = disk / "index"
        build_index([notes], folder, encoder=tiny_encoder(tmp_path / "model"))
        assert read_only(disk)
        assert " 1. Reward hacking in practice" in kindred("search", '"reward hacking"', "--index", folder).stdout
        done = kindred("check", "--index", folder)
        assert (done.returncode, done.stdout) == (
            0, f"The index in {folder} is sound: {len(OLD)} notes, all in both legs.\n",
        )  # fmt: skip
        done = kindred("index", "--index", folder, "--rebuild")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            f"kindred: the index in {folder} cannot be written: Read-only file system ({folder}/.lock); "
            "put that right, then repeat the command.\n"
        )
