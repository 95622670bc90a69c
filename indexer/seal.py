"""This module knows again what this user's Kindred wrote on this machine.

Whoosh unpickles its files, which can run any code, and faiss trusts what it reads.  So both are opened only where the
manifest of their generation, which holds the hash of every file, bears a seal: an HMAC (RFC 2104, SHA-256) with a key
that no index holds and no other user can read.  An index that came from elsewhere has no seal that fits, whatever it
claims.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import secrets
from pathlib import Path

from indexer.files import replace_text

SEAL = "seal.json"
_KEY_BYTES = 32
_LONGEST_SEAL = 1000  # bytes of a seal file; ours have 150


def seal(folder: Path, text: str) -> None:
    """Seal the folder of a generation, whose manifest says ``text``; nothing where no key can be kept."""
    key = _key(create=True)
    if key is not None:
        replace_text(folder / SEAL, json.dumps({"seal": _mac(key, text)}) + "\n")


def is_sealed(folder: Path, text: str) -> bool:
    """Whether this user sealed ``folder`` with the manifest ``text`` on this machine, and no other may change it."""
    key = _key(create=False)
    if key is None or not _is_private(folder):
        return False
    try:
        with (folder / SEAL).open("rb") as file:
            written = json.loads(file.read(_LONGEST_SEAL))
        mac = str(written["seal"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
    return hmac.compare_digest(mac.encode("utf-8", "replace"), _mac(key, text).encode())


def can_seal() -> bool:
    """Whether a key is there, or can be kept."""
    return _key(create=True) is not None


def _mac(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode("utf-8"), "sha256").hexdigest()


def _is_private(path: Path) -> bool:
    """Whether no other user may change a folder between the look at its seal and the reading of its files."""
    if os.name == "nt":
        return True
    try:
        found = [place.stat() for place in (path, path.parent, *filter(Path.is_dir, path.iterdir()))]
    except OSError:
        return False
    return all(one.st_uid == os.geteuid() and not one.st_mode & 0o002 for one in found)


def _key(create: bool) -> bytes | None:
    """The user's key, made where there is none; None where it cannot be kept, or others may read it."""
    try:
        path = _state_folder() / "key"
        if create and not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary = path.with_name(f"key.{secrets.token_hex(8)}")
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(_KEY_BYTES))
            with contextlib.suppress(FileExistsError):  # another process was as quick
                os.link(temporary, path)
            temporary.unlink()
        found = path.stat()
        key = path.read_bytes()
    except (OSError, RuntimeError):  # the latter where there is no home
        return None
    private = os.name == "nt" or (found.st_uid == os.geteuid() and not found.st_mode & 0o077)
    return key if private and len(key) == _KEY_BYTES else None


def _state_folder() -> Path:
    """Where the user's programs keep what is neither configuration nor data (XDG base directories, 0.8)."""
    named = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_STATE_HOME", "")
    folder = Path(named) if named and Path(named).is_absolute() else Path.home() / ".local" / "state"
    return folder / "kindred"
