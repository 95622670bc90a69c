"""The servers that the cluster tests ask, one of each kind a session, and places on them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from homes import Home, made
from servers import started

from indexer.cluster.address import Address

_NUMBERS = count()


@pytest.fixture(scope="session")
def lite2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of Milvus's C++ core, such as milvus+http://127.0.0.1:19530; what is behind it is the session's."""
    server = started("lite2", tmp_path_factory.mktemp("lite2"))
    yield server.address
    server.kill()


@pytest.fixture(scope="session")
def lite3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same of its rewriting in Python."""
    server = started("lite3", tmp_path_factory.mktemp("lite3"))
    yield server.address
    server.kill()


@pytest.fixture(params=["lite2", "lite3"])
def engine_address(request: pytest.FixtureRequest) -> Address:
    """A place for an index that nobody used, on each of the servers."""
    return Address.parse(f"{request.getfixturevalue(request.param)}/index{next(_NUMBERS)}")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where this machine prepares what engines hold; gone with the session."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("KINDRED_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The folder whose answers every home must give; not to be changed."""
    root = tmp_path_factory.mktemp("reference")
    return made("folder", str(root / "index"), root)


@pytest.fixture(scope="session", params=["folder", "lite2", "lite3"])
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The same notes in another folder and on each of the servers."""
    root = tmp_path_factory.mktemp(request.param)
    place = str(root / "index") if request.param == "folder" else f"{request.getfixturevalue(request.param)}/contract"
    return made(request.param, place, root)
