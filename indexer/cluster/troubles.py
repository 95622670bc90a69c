"""This module tells what the errors of an engine, and of the connection to it, mean to a person."""

from __future__ import annotations

from typing import Any

from indexer.cluster.address import Address
from indexer.errors import ClusterError

_AGAIN = "then repeat the command"
# Milvus's own numbers (pkg/util/merr/errors.go): what they say, by the reason that they are to us.
_CODES = {
    2: "away",
    3: "full",  # memory
    4: "busy",
    7: "full",  # disk
    8: "busy",  # asked to slow down
    9: "full",  # a quota
    10: "version",
    12: "full",
    100: "missing",
    101: "unloaded",
    1400: "refused",
    1401: "refused",
}
_STATES = {
    "UNAVAILABLE": "away",
    "DEADLINE_EXCEEDED": "slow",
    "UNAUTHENTICATED": "refused",
    "PERMISSION_DENIED": "refused",
    "RESOURCE_EXHAUSTED": "busy",
    "UNIMPLEMENTED": "version",
}
# What an error says that has no number of its own, or one that means too little.
_WORDS = {
    "UNAUTHENTICATED": "refused",
    "auth check failure": "refused",
    "UNAVAILABLE": "away",
    "closed channel": "away",  # pymilvus's own, which it closes where an engine stays away
}
_PROBLEMS = {
    "away": ("does not answer", f"start the engine, or correct the address, {_AGAIN}"),
    "slow": ("did not answer in time", f"see what keeps the engine busy, {_AGAIN}"),
    "busy": ("is too busy to answer", f"wait a little, {_AGAIN}"),
    "refused": ("refuses the token", "put the right one into the environment: KINDRED_MILVUS_TOKEN"),
    "full": ("is full", f"give the engine more memory or disk, {_AGAIN}"),
    "version": ("speaks another version of Milvus", "Kindred needs Milvus 2.5 or 2.6"),
    "unloaded": ("is not ready to answer", f"wait a little, {_AGAIN}"),
    "missing": ("lacks a collection", "build the index again: kindred index --index ADDRESS"),
    "failed": ("failed", f"see the engine's log, {_AGAIN}"),
}


def problem_of(address: Address, error: Exception) -> ClusterError:
    """What an error of pymilvus or gRPC means to a person."""
    code: Any = getattr(error, "code", None)
    if callable(code):  # gRPC's
        code = code()
    text = str(getattr(error, "message", "")) or str(getattr(error, "details", lambda: "")() or "") or str(error)
    state = getattr(code, "name", None)
    reason = _STATES.get(state) if isinstance(state, str) else None
    if reason is None and isinstance(code, int):
        reason = _CODES.get(int(code))
    for words, meant in _WORDS.items():
        if reason in (None, "away") and words in text:
            reason = meant
            break
    if reason == "away" and "GOAWAY" in text:  # it hung up on one connection, and takes another
        reason = "busy"
    if reason == "away" and "DEADLINE_EXCEEDED" in text:
        reason = "slow"
    reason = reason or "failed"
    problem, remedy = _PROBLEMS[reason]
    if reason in ("full", "failed", "missing", "version") and text:
        problem += f" ({' '.join(text.split())[:200]})"
    return ClusterError(address, problem, remedy.replace("ADDRESS", str(address)), reason)
