from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before anything imports the hub's client: no test may ask the network

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from playwright.sync_api import Browser, sync_playwright
from toys import NOTES, ToyEncoder, write_jsonl
from visits import CHROMIUM

from indexer import Index, build_index, open_index
from search.site.export import write_site

settings.register_profile("kindred", deadline=None)  # a busy machine is no failure
settings.load_profile("kindred")

DATA = Path(__file__).parent.parent / "data"


@pytest.fixture(scope="session")
def owner_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an index of the owner's notes, built by the real encoder; not to be changed."""
    folder = tmp_path_factory.mktemp("owner") / "index"
    build_index([DATA], folder)
    return folder


@pytest.fixture(scope="session")
def owner_site(owner_index: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the owner's notes; not to be changed."""
    site = tmp_path_factory.mktemp("owner-site") / "site"
    write_site(open_index(owner_index), site)
    return site


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an index of ``toys.NOTES``, built by the toy encoder; not to be changed."""
    root = tmp_path_factory.mktemp("toy")
    build_index([write_jsonl(root / "notes.jsonl", NOTES)], root / "index", encoder=ToyEncoder())
    return root / "index"


@pytest.fixture(scope="session")
def toy_index(toy_folder: Path) -> Index:
    """The index in ``toy_folder``, open."""
    return open_index(toy_folder)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium, the system's own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()
