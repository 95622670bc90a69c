from __future__ import annotations

import math

import numpy as np
import pytest

from indexer.kernels import Linear, Shape, host_shape

SHAPES = [Shape(16, (12, 4, 1)), Shape(8, (6, 2, 1)), Shape(4, (12, 4, 1))]
CHANCE = np.random.default_rng(0)
WEIGHT = CHANCE.standard_normal((96, 37)).astype(np.float32)
BIAS = CHANCE.standard_normal(96).astype(np.float32)
ROWS = CHANCE.standard_normal((29, 37)).astype(np.float32)
EXACT = ROWS.astype(np.float64) @ WEIGHT.astype(np.float64).T + BIAS

pytestmark = pytest.mark.skipif(host_shape() is None, reason="this processor is not known: numpy does the work")


def test_by_hand() -> None:
    shape = host_shape()
    assert shape is not None
    weight = np.zeros((shape.width, 2), dtype=np.float32)
    weight[0], weight[-1] = (1, 10), (-2, 0.5)
    product = Linear(weight, np.ones(shape.width, dtype=np.float32), shape)(np.array([[3, 4]], dtype=np.float32))
    assert product[0, 0] == 3 * 1 + 4 * 10 + 1
    assert product[0, -1] == 3 * -2 + 4 * 0.5 + 1
    assert (product[0, 1:-1] == 1).all()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_layer_is_the_product_and_the_sum_that_it_stands_for(shape: Shape) -> None:
    product = Linear(WEIGHT, BIAS, shape)(ROWS)
    assert (product.shape, product.dtype) == ((29, 96), np.float32)
    np.testing.assert_allclose(product, EXACT, rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gelu_is_x_times_the_share_of_the_normal_distribution_below_x(shape: Shape) -> None:
    wide = 4 * ROWS  # far into both tails
    exact = wide.astype(np.float64) @ WEIGHT.astype(np.float64).T + BIAS
    expected = np.vectorize(lambda x: x * 0.5 * math.erfc(-x / math.sqrt(2)))(exact)
    np.testing.assert_allclose(Linear(WEIGHT, BIAS, shape, gelu=True)(wide), expected, rtol=1e-6, atol=2e-5)


def test_gelu_of_what_no_sum_reaches_stays_finite() -> None:
    shape = SHAPES[0]
    edges = np.array([[-1e30], [-1e4], [-10], [0], [10], [1e4], [1e30]], dtype=np.float32)
    layer = Linear(np.ones((32, 1), dtype=np.float32), np.zeros(32, dtype=np.float32), shape, gelu=True)
    np.testing.assert_allclose(layer(edges)[:, 0], [0, 0, 0, 0, 10, 1e4, 1e30], rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_row_has_the_same_bits_wherever_it_stands_and_on_every_processor(shape: Shape, gelu: bool) -> None:
    layer = Linear(WEIGHT, BIAS, shape, gelu)
    whole = layer(ROWS)
    assert whole.tobytes() == Linear(WEIGHT, BIAS, SHAPES[0], gelu)(ROWS).tobytes()
    for begin in range(0, 29, 3):
        for end in range(begin + 1, 30):
            assert layer(ROWS[begin:end]).tobytes() == whole[begin:end].tobytes()


def test_no_row_gives_no_row() -> None:
    assert Linear(WEIGHT, BIAS, SHAPES[0])(ROWS[:0]).shape == (0, 96)


def test_what_the_compiled_loop_would_read_wrongly_is_refused() -> None:
    layer = Linear(WEIGHT, BIAS, SHAPES[0])
    for wrong in (ROWS[:, :36], ROWS.astype(np.float64), np.asfortranarray(ROWS), ROWS[::2], ROWS[0]):
        with pytest.raises(ValueError, match="expected contiguous float32"):
            layer(wrong)
    with pytest.raises(ValueError, match="95 outputs are no multiple of 32"):
        Linear(WEIGHT[:95], BIAS[:95], SHAPES[0])
    with pytest.raises(ValueError, match="a bias each"):
        Linear(WEIGHT, BIAS[:95], SHAPES[0])
