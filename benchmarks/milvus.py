"""This module starts Milvus where it is measured or tested: its C++ core (lite2) and its rewriting in Python (lite3).

Neither is a Milvus as one runs it for others: each is one process that speaks its protocol over gRPC and keeps its data
in a folder.  `make` installs them, each in an environment of its own at the root of the repository.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Literal

from benchmarks.results import ROOT

Kind = Literal["lite2", "lite3"]
_ENVIRONMENTS = {"lite2": ROOT / ".venv-milvus2", "lite3": ROOT / ".venv-milvus3"}
_PROGRAMS = {"lite2": "lib/python3*/site-packages/milvus_lite/lib/milvus", "lite3": "bin/milvus-lite"}


def program(kind: Kind) -> Path | None:
    """The file that starts a server, None where its environment is not there."""
    return next(iter(sorted(_ENVIRONMENTS[kind].glob(_PROGRAMS[kind]))), None)


def free_port() -> int:
    """A port of this machine that nobody listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Server:
    """A Milvus of one kind over the data in ``folder``; ``address`` is where it answers, as ``--index`` has it, without
    the name of an index.

    ``kill`` ends it at once, as a power cut would; ``start`` starts it again, on the same port and the same data.
    Raises FileNotFoundError where it is not installed.
    """

    def __init__(self, kind: Kind, folder: Path, port: int | None = None) -> None:
        self.kind, self.folder, self.port = kind, folder, port or free_port()
        self.address = f"milvus+http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.start()

    def start(self) -> None:
        """Start it and wait until it listens.  Raises ChildProcessError with its log where it ends instead."""
        found = program(self.kind)
        if found is None:
            raise FileNotFoundError(f"no server {self.kind}: type make {_ENVIRONMENTS[self.kind].name}/done")
        command = [str(found)]
        environment = dict(os.environ)
        if self.kind == "lite2":
            command += [str(self.folder / "notes.db"), f"127.0.0.1:{self.port}", "ERROR"]
            environment |= {name: str(found.parent) for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")}
        else:
            command += ["server", "--data-dir", str(self.folder), "--host", "127.0.0.1", "--port", str(self.port)]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log)
        while self._process.poll() is None:  # as long as it starts: a busy machine is no failure
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        self._process = None
        raise ChildProcessError((self.folder / "server.log").read_text("utf-8", "replace"))

    def kill(self) -> None:
        """End it with SIGKILL and wait until it is gone; nothing where none runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def memory(self) -> int:
        """The most bytes that it held at once so far, on Linux; 0 elsewhere."""
        status = Path(f"/proc/{self._process.pid}/status") if self._process else Path("none")
        if not status.is_file():
            return 0
        lines = dict(line.split(":", 1) for line in status.read_text("utf-8").splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024

    def disk(self) -> int:
        """The bytes of its files."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
