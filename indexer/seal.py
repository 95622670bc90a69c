"""This module knows again what this user's Kindred wrote on this machine.

Whoosh unpickles its files, which can run any code, and faiss trusts what it reads.  So both are opened only where they
bear a seal: an HMAC (RFC 2104, SHA-256) over their bytes with a key that no index holds and no other user can read.
An index that came from elsewhere has no seal that fits, whatever it claims, and neither has a file that was changed.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import secrets
from pathlib import Path

from indexer.files import sha256_of

_SEAL = "seal.json"
_KEY_BYTES = 32
_LONGEST_SEAL = 1000  # bytes of a seal file; ours have 150


def seal(path: Path) -> None:
    """Seal the folder or the file ``path``, just written; nothing where no key can be kept."""
    key = _key(create=True)
    if key is not None:
        _seal_of(path).write_text(json.dumps({"key": _name(key), "seal": _mac(key, path)}) + "\n", encoding="utf-8")


def is_sealed(path: Path) -> bool:
    """Whether this user sealed ``path`` on this machine, and it has not changed since.  Reads all of it.

    False where it was sealed by another, or never.  Raises ValueError where it bears our seal and differs from what
    was sealed, and OSError where it cannot be read.
    """
    path.stat()
    key = _key(create=False)
    if key is None or not _is_private(path):
        return False
    try:
        with _seal_of(path).open("rb") as file:
            written = json.loads(file.read(_LONGEST_SEAL))
        name, mac = str(written["key"]), str(written["seal"])
    except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
        return False
    if name != _name(key):
        return False
    if not hmac.compare_digest(mac.encode(), _mac(key, path).encode()):
        raise ValueError(f"{path.name} is not what was written")
    return True


def can_seal() -> bool:
    """Whether a key is there, or can be kept."""
    return _key(create=True) is not None


def _seal_of(path: Path) -> Path:
    return path / _SEAL if path.is_dir() else path.with_name(f"{path.name}.{_SEAL}")


def _mac(key: bytes, path: Path) -> str:
    """The HMAC over name, size and SHA-256 of each file, in the order of names; a seal itself does not count.

    Raises ValueError for what is neither a file nor a folder of files: a link could lead anywhere.
    """
    code = hmac.new(key, digestmod="sha256")
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        if file.is_symlink() or not file.is_file():
            raise ValueError(f"{file.name} is no file")
        if file.name != _SEAL:
            code.update(f"{len(file.name)} {file.name} {file.stat().st_size} {sha256_of(file)}\n".encode())
    return code.hexdigest()


def _is_private(path: Path) -> bool:
    """Whether no other user may change the file or folder between the look at its seal and its reading."""
    if os.name == "nt":
        return True
    found = [place.stat() for place in (path, path.parent)]
    return all(one.st_uid == os.geteuid() and not one.st_mode & 0o002 for one in found)


def _name(key: bytes) -> str:
    """What a key is called in the open: enough to know it again, nothing to guess it from."""
    return hmac.new(key, b"name", "sha256").hexdigest()[:16]


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
