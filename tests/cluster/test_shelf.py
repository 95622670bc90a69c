from __future__ import annotations

import base64
import zlib
from hashlib import blake2b

import numpy as np
import pytest

from indexer.cluster.shelf import (
    MOST_HELD,
    collections_of,
    held_list,
    held_number,
    pack_said,
    pack_tokens,
    payloads_of,
    shelf_fields,
    store_rows,
    unpack_said,
    unpack_tokens,
)
from indexer.late import TokenStates


def test_the_number_of_a_word_is_63_bits_of_its_hash() -> None:
    expected = int(blake2b(b"title\x1fpolicy", digest_size=8).hexdigest(), 16) % 2**63
    assert held_number("title", "policy") == expected
    numbers = {held_number("title", "policy", "gradient"), held_number("tag", "policy"), expected}
    assert len(numbers) == 3
    assert all(0 < number < 2**63 for number in numbers)


def test_a_note_that_holds_too_much_says_so_with_a_zero() -> None:
    fits, more = np.arange(5, 5 + MOST_HELD), np.arange(5, 6 + MOST_HELD)
    assert held_list(fits) == list(range(5, 5 + MOST_HELD))
    assert held_list(more) == [0, *range(5, 5 + MOST_HELD - 1)]


def test_what_a_note_says_is_packed_as_it_is_documented() -> None:
    dims = np.array([3, 70_000], dtype=np.uint32)
    saturations, counts = np.array([0.5, 2.0], dtype=np.float32), np.array([1.0, 0.0], dtype=np.float32)
    content = pack_said(dims, saturations, counts)
    assert content.hex() == "02000000" + "03000000" + "70110100" + "0000003f" + "00000040" + "0000803f" + "00000000"
    for found, given in zip(unpack_said(content), (dims, saturations, counts), strict=True):
        np.testing.assert_array_equal(found, given)
    with pytest.raises(ValueError, match="another length"):
        unpack_said(content[:-1])


def test_token_vectors_come_back_as_they_were() -> None:
    states = TokenStates(
        np.array([[1, -2, 3], [-128, 0, 127]], dtype=np.int8),
        np.array([0.5, 0.25], dtype=np.float32),
        np.array([7, 9], dtype=np.int32),
    )
    found = unpack_tokens(pack_tokens(states), 3)
    for name in ("codes", "scales", "pieces"):
        np.testing.assert_array_equal(getattr(found, name), getattr(states, name))
    with pytest.raises(ValueError, match="another length"):
        unpack_tokens(pack_tokens(states), 4)


def test_payloads_are_cut_into_parts_and_put_together_in_any_order() -> None:
    noise = np.random.default_rng(0).bytes(100_000)
    payloads = {"note": b'{"id":"a"}\n', "said": noise, "late": noise}
    rows = store_rows(5, payloads)
    assert base64.b64decode(rows[0]["text"]) == zlib.compress(payloads["note"], 1)
    assert [row["key"] for row in rows if row["kind"] == "late"] == ["5:late:0", "5:late:1", "5:late:2"]
    assert payloads_of(reversed([*rows, *store_rows(6, {"late": b""})])) == {
        **{(5, kind): content for kind, content in payloads.items()},
        (6, "late"): b"",
    }
    with pytest.raises(ValueError, match=r"1 of 3 parts of \(5, 'late'\)"):
        payloads_of([row for row in rows if row["key"] == "5:late:1"])


def test_shelves_of_other_contents_or_other_numbers_have_other_names() -> None:
    names = {collections_of("notes", *made) for made in [("000001-aa", 1), ("000002-bb", 1), ("000001-aa", 2)]}
    assert len(names) == 3
    assert all(shelf.startswith("notes_") and shelf[:-1] == store[:-1] for shelf, store in names)


def test_only_a_shelf_of_few_notes_has_runs_of_letters() -> None:
    assert [field.name for field in shelf_fields(4, True)][-1] == "runs"
    assert "runs" not in {field.name for field in shelf_fields(4, False)}
