"""Memory is counted by glibc itself: malloc_info lists its arenas."""

from __future__ import annotations

import subprocess
import sys

import pytest

from search.server.arenas import give_back, keep_together

_COUNT = """
import ctypes, sys, threading
from search.server.arenas import keep_together
if sys.argv[1] == "together":
    assert keep_together()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
asked = threading.Barrier(6)
def ask():
    libc.malloc(ctypes.c_size_t(100_000))
    asked.wait()
threads = [threading.Thread(target=ask) for _ in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc.fdopen.restype = ctypes.c_void_p
libc.malloc_info(0, ctypes.c_void_p(libc.fdopen(1, b"w")))
libc.fflush(None)
"""


def arenas(how: str) -> int:
    """The arenas of a process of which six threads asked for memory at once."""
    told = subprocess.run([sys.executable, "-c", _COUNT, how], check=True, capture_output=True, text=True)
    return told.stdout.count("<heap nr=")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's arenas")
def test_threads_share_one_arena_where_they_are_told_to() -> None:
    assert arenas("apart") > 1
    assert arenas("together") == 1


_HELD = """
from pathlib import Path
from search.server.arenas import give_back, keep_together
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
keep_together()
small = [bytes(10_000) for _ in range(6_000)]
last = bytearray(20_000)
full = resident()
del small
assert give_back()
print(full - resident())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's arenas")
def test_what_was_freed_is_given_back_though_something_behind_it_is_held() -> None:
    told = subprocess.run([sys.executable, "-c", _HELD], check=True, capture_output=True, text=True)
    assert int(told.stdout) > 50_000_000


@pytest.mark.skipif(sys.platform.startswith("linux"), reason="where there are none")
def test_elsewhere_nothing_is_changed() -> None:
    assert not keep_together()
    assert not give_back()
