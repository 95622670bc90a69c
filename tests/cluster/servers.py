"""This module starts the servers for the tests: see ``benchmarks.milvus``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.milvus import Kind, Server, program

__all__ = ["Kind", "Server", "started"]


def started(kind: Kind, folder: Path) -> Server:
    """A server on the data in ``folder``.

    Where it is not installed, the test is skipped, or fails where KINDRED_CLUSTER is set.
    """
    if program(kind) is None:
        missing = f"no server {kind}: `make test` installs it"
        if os.environ.get("KINDRED_CLUSTER"):
            pytest.fail(missing)
        pytest.skip(missing)
    return Server(kind, folder)
