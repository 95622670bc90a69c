"""This module keeps matrix products on one thread.

A query's products, and those over one text, are too little work to share, and OpenBLAS's second thread spins while it
waits: a question took 18 ms at rest and 400 ms while another process held the other core.  One thread also gives one
order of summation, so that equal inputs give equal bits whatever else runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController

_BLAS = ThreadpoolController()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Within it, or within a function that it decorates, every matrix product of this process runs on one thread.

    Where several threads are within, the first holds the limit for all, and lifts it when it leaves: the others'
    results stay right, and may take longer.
    """
    with _BLAS.limit(limits=1, user_api="blas"):
        yield
