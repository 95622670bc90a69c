"""This module reads from the sources what the default encoder is made of, without importing them."""

from __future__ import annotations

import ast
from typing import Any

from supply.closure import ROOT

_SOURCES = (ROOT / "indexer" / "protocols.py", ROOT / "indexer" / "encoders.py")


def encoder_files() -> tuple[str, str, dict[str, str]]:
    """The name of the default encoder, the distribution that carries it, and SHA-256 by file, as the sources have
    them."""
    values: dict[str, Any] = {}
    for node in (node for path in _SOURCES for node in ast.parse(path.read_text("utf-8")).body):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                values[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return values["DEFAULT_ENCODER"], values["_DEFAULT_REQUIREMENT"].partition("==")[0], values["_DEFAULT_SHA256"]
