"""How a list is chosen from candidates: the floor, the place of a bridge, crowding, and the margin that keeps it."""

from collections.abc import Sequence

import numpy as np

from search.selection import BRIDGE_PLACE, BRIDGE_REACH, MARGIN, choose, marked

NOBODY = np.zeros(20, dtype=np.bool_)


def listed(scores: Sequence[float], k: int = 10, floor: float = 1.0, old: Sequence[int] | None = None) -> list[int]:
    """The choice among candidates that have nothing to do with each other."""
    apart = np.zeros((len(scores), len(scores)), dtype=np.float32)
    return choose(np.array(scores, dtype=np.float32), apart.__getitem__, NOBODY[: len(scores)], floor, k, old)


def test_the_best_come_first_and_none_from_below_the_floor() -> None:
    assert listed([3, 2, 1, 0.9]) == [0, 1, 2]
    assert listed([3, 2, 1, 0.9], k=2) == [0, 1]
    assert listed([0.9]) == []
    assert listed([]) == []


def test_a_candidate_gives_way_to_another_as_it_is_crowded_by_what_stands_in_the_list() -> None:
    scores = np.array([3, 2.5, 2.4], dtype=np.float32)
    takes = np.array([[0, 0.2, 0], [0, 0, 0], [0, 0, 0]], dtype=np.float32)
    assert choose(scores, takes.__getitem__, NOBODY[:3], 1, 10) == [0, 2, 1]  # 2.5 - 0.2 < 2.4


def test_a_second_of_its_kind_is_left_out() -> None:
    scores = np.array([3, 2.9, 2], dtype=np.float32)
    takes = np.array([[0, np.inf, 0], [0, 0, 0], [0, 0, 0]], dtype=np.float32)
    assert choose(scores, takes.__getitem__, NOBODY[:3], 1, 10) == [0, 2]


def test_the_tenth_place_goes_to_a_bridge_within_reach_where_there_was_none() -> None:
    last = 2.0 + BRIDGE_REACH - 0.01
    scores = np.array([3.0] * BRIDGE_PLACE + [last, 2.0], dtype=np.float32)
    bridges = np.zeros(len(scores), dtype=np.bool_)
    bridges[-1] = True
    crowding = np.zeros((len(scores), len(scores)), dtype=np.float32).__getitem__
    assert choose(scores, crowding, bridges, 1, 10)[-1] == len(scores) - 1
    scores[BRIDGE_PLACE] = last + 0.02
    assert choose(scores, crowding, bridges, 1, 10)[-1] == BRIDGE_PLACE
    bridges[0] = True  # there is one already
    scores[BRIDGE_PLACE] = last
    assert choose(scores, crowding, bridges, 1, 10)[-1] == BRIDGE_PLACE


def test_two_bridges_are_marked_the_first_ones() -> None:
    bridges = np.array([True, False, True, True])
    assert marked(bridges, [3, 1, 0, 2]) == [True, False, True, False]


def test_the_first_of_a_list_do_not_depend_on_its_length() -> None:
    chance = np.random.default_rng(0)
    scores = np.sort(chance.uniform(0, 4, 20))[::-1].astype(np.float32)
    takes = chance.uniform(0, 1, (20, 20)).astype(np.float32)
    bridges = chance.uniform(size=20) < 0.2
    every = choose(scores, takes.__getitem__, bridges, 1, 20)
    for k in range(20):
        assert choose(scores, takes.__getitem__, bridges, 1, k) == every[:k]


def test_a_list_stays_as_it_was_while_nobody_is_ahead_by_more_than_the_margin() -> None:
    near, far = 2.0 + 0.9 * MARGIN, 2.0 + 1.1 * MARGIN
    assert listed([near, 2.0], k=1, old=[1]) == [1]
    assert listed([far, 2.0], k=1, old=[1]) == [0]
    assert listed([near, 2.0], k=2, old=[1, 0]) == [1, 0]
    assert listed([far, 2.0], k=2, old=[1, 0]) == [0, 1]


def test_a_margin_stands_on_both_sides_of_the_floor() -> None:
    assert listed([1 - 0.9 * MARGIN], old=[0]) == [0]
    assert listed([1 - 1.1 * MARGIN], old=[0]) == []
    assert listed([1 + 0.9 * MARGIN], old=[]) == []
    assert listed([1 + 1.1 * MARGIN], old=[]) == [0]


def test_scores_that_change_by_less_than_half_the_margin_change_no_list() -> None:
    chance = np.random.default_rng(1)
    for _ in range(50):
        scores = chance.uniform(0, 4, 20).astype(np.float32)
        takes = chance.uniform(0, 1, (20, 20)).astype(np.float32)
        order = np.argsort(-scores)
        old = order[choose(scores[order], takes[np.ix_(order, order)].__getitem__, NOBODY, 1, 10)].tolist()
        moved = scores + np.float32(MARGIN) * chance.uniform(-0.49, 0.49, 20).astype(np.float32)
        order = np.argsort(-moved)
        places = np.argsort(order)[old].tolist()  # where the old members stand among the candidates now
        kept = choose(moved[order], takes[np.ix_(order, order)].__getitem__, NOBODY, 1, 10, places)
        assert order[kept].tolist() == old
