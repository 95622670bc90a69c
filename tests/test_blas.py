"""Matrix products on one thread, asked of the libraries themselves."""

from __future__ import annotations

import numpy as np  # noqa: F401 - brings the library that is asked
from threadpoolctl import threadpool_info

from indexer.blas import one_blas_thread

# Those that were there when the product was imported: numpy's.  Others, which tests bring later, are not ours to hold.
LIBRARIES = {pool["filepath"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def blas_threads() -> list[int]:
    return [int(pool["num_threads"]) for pool in threadpool_info() if pool["filepath"] in LIBRARIES]


def test_within_it_every_library_is_on_one_thread_and_outside_as_before() -> None:
    before = blas_threads()
    assert before
    with one_blas_thread():
        assert set(blas_threads()) == {1}
        with one_blas_thread():
            assert set(blas_threads()) == {1}
        assert set(blas_threads()) == {1}
    assert blas_threads() == before


def test_as_a_decorator_it_holds_while_the_function_runs() -> None:
    before = blas_threads()

    @one_blas_thread()
    def during() -> list[int]:
        return blas_threads()

    assert blas_threads() == before  # decorating alone changes nothing
    assert set(during()) == {1}
    assert blas_threads() == before
