"""Builds indexes in processes that may be killed: imports once, then forks a child for each build that is asked for.

A line of JSON on stdin asks for a build; the child's calls are announced by shim.c on the descriptor that is named
first, waits for leave on the second, and the end is told on the first: "pid <tab> number", "exit <tab> status".
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path

from toys import ToyEncoder

from indexer import KindredError, build_index, open_index

REFUSED = 3  # the child's exit status where it said what is wrong, in one sentence


def build(asked: dict[str, object], announce: int, leave: int) -> None:
    """One build, by a child that never returns."""
    os.write(announce, f"pid\t{os.getpid()}\n".encode())
    shim = ctypes.CDLL(None)
    if asked["clock"]:
        shim.faults_clock(ctypes.c_long(int(str(asked["clock"]))))
    if asked["announce"]:
        shim.faults_begin(str(asked["root"]).encode(), announce, leave)
    if asked["limit"] is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(str(asked["limit"])),) * 2)
    try:
        build_index([Path(str(asked["source"]))], Path(str(asked["folder"])), encoder=ToyEncoder())
    except KindredError as error:
        os.write(announce, f"refused\t{error}\n".encode())
        os._exit(REFUSED)
    except BaseException as error:
        os.write(announce, f"failed\t{error!r}\n".encode())
        os._exit(1)
    os._exit(0)


def main() -> None:
    """Fork until stdin ends."""
    announce, leave = map(int, sys.argv[1:])
    warm = json.loads(sys.stdin.readline())
    build_index([Path(warm["source"])], Path(warm["folder"]), encoder=ToyEncoder())  # so that no child imports
    open_index(Path(warm["folder"]))
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            build(asked, announce, leave)
        if asked["seconds"] is not None:
            time.sleep(asked["seconds"])
            os.kill(pid, signal.SIGKILL)  # nothing happens where it is done: it was not waited for yet
        _, status = os.waitpid(pid, 0)
        os.write(announce, f"exit\t{os.waitstatus_to_exitcode(status)}\n".encode())


if __name__ == "__main__":
    main()
