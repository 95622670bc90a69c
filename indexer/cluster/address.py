"""This module says where an index on an engine is: milvus+http(s)://host:port/NAME?database=DB."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlsplit

from indexer.errors import ClusterError

_SCHEMES = {"milvus+http": False, "milvus+https": True}
_PORTS = {False: 19530, True: 443}  # where an engine listens, and an engine behind TLS
# What Milvus allows a collection to be called (255 characters), with room for what shelves add to it.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
# What an index names beside itself: NAME_current, and its shelves and stores (``Address.owns``).
_TAKEN = re.compile(r".+_current|.+_[0-9a-f]{8}_[sp]")
_FORM = "an address looks like milvus+http://host:19530/NAME"


@dataclass(frozen=True, slots=True)
class Address:
    """Where an index on an engine is.  ``str()`` gives the text that ``parse`` reads, and never a token."""

    host: str
    port: int
    name: str  # of the index: letters, digits and underscores
    secure: bool = False  # TLS
    database: str = ""  # "" means the engine's own default

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address that ``text`` writes; without a port 19530, with TLS 443.

        Raises ClusterError where it writes none, or holds a user or a token, which would end up in logs.
        """
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise ClusterError(text, f"cannot be read ({error})", _FORM, "address") from error
        if parts.scheme not in _SCHEMES or not parts.hostname:
            raise ClusterError(text, "names no engine", _FORM, "address")
        if "@" in parts.netloc:
            shown = text.replace(parts.netloc, parts.netloc.rpartition("@")[2], 1)
            raise ClusterError(shown, "held a token", "give it by the environment: KINDRED_MILVUS_TOKEN", "address")
        name = parts.path.strip("/")
        if not _NAME.fullmatch(name):
            raise ClusterError(
                text, "names no index", "a name is made of letters, digits and underscores, at most 200", "address"
            )
        if _TAKEN.fullmatch(name):
            raise ClusterError(
                text, "is named like a part of another index", "choose a name with another ending", "address"
            )
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        database = options.pop("database", "")
        if options or parts.fragment:
            raise ClusterError(text, "asks for more than a database", f"{_FORM}?database=DB", "address")
        secure = _SCHEMES[parts.scheme]
        return cls(parts.hostname, port if port is not None else _PORTS[secure], name, secure, database)

    def __str__(self) -> str:
        database = f"?database={quote(self.database)}" if self.database else ""
        return f"milvus+{self.uri}/{self.name}{database}"

    def owns(self, collection: str) -> bool:
        """Whether a collection is one of those that this index makes for its notes: NAME_<8 hex>_s, or _p."""
        digest, _, kind = collection.removeprefix(f"{self.name}_").partition("_")
        is_digest = len(digest) == 8 and set(digest) <= set("0123456789abcdef")
        return collection.startswith(f"{self.name}_") and is_digest and kind in ("s", "p")

    @property
    def uri(self) -> str:
        """Where the engine listens: http(s)://host:port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' if self.secure else ''}://{host}:{self.port}"

    @property
    def cache(self) -> Path:
        """The folder on this machine that goes with the index: what is prepared for it, and what was read of it.

        Below ``$KINDRED_CACHE``, else ``$XDG_CACHE_HOME/kindred``, else ``~/.cache/kindred``.
        """
        own = os.environ.get("KINDRED_CACHE")
        shared = os.environ.get("XDG_CACHE_HOME")
        base = Path(own) if own else (Path(shared) if shared else Path.home() / ".cache") / "kindred"
        return base / sha256(str(self).encode("utf-8")).hexdigest()[:16]

    @property
    def workshop(self) -> Path:
        """The folder on this machine in which the index is made before the engine gets it."""
        return self.cache / "workshop"
