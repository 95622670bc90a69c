"""This module compiles the one loop that most of encoding consists of, for the processor that it runs on.

The loop is a linear layer.  OpenBLAS copies the weights at every call before it multiplies, and reaches two thirds of
what a core can do with hundreds of rows, and a fifth with the dozen of a question; this one keeps the weights in the
order in which they are read, and a tile of the product in registers, as BLIS does (Van Zee and van de Geijn 2015,
https://doi.org/10.1145/2764454).

Each number of the product is one chain of fused multiply-adds in the order of the inputs, whatever the number of rows
and whichever row it is: so a text's vector cannot depend on the texts beside it.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from llvmlite import binding, ir

Matrix = npt.NDArray[np.float32]
_Loop = Callable[[int, int, int, int, int], None]  # inputs, weights, bias, outputs (addresses), rows

_COMPILING = Lock()  # LLVM's set-up is global
_FLOAT, _INT, _LONG, _POINTER = ir.FloatType(), ir.IntType(32), ir.IntType(64), ir.PointerType()
_BYTES = 4  # of a float


class Shape(NamedTuple):
    """How a tile of the product fits the registers: ``lanes`` floats in one, ``heights`` the rows of a tile.

    A tile is two registers wide.  Where fewer rows are left than the first height, the next one takes them.
    """

    lanes: int
    heights: tuple[int, ...]

    @property
    def width(self) -> int:
        """Columns of a tile."""
        return 2 * self.lanes


# 32 registers hold 24 sums, two of weights and one input; 16 hold 12.
_AVX512, _AVX2, _NEON = Shape(16, (12, 4, 1)), Shape(8, (6, 2, 1)), Shape(4, (12, 4, 1))


def host_shape() -> Shape | None:
    """The tile for this processor; None where it cannot multiply and add in one step, or is not known here."""
    features = binding.get_host_cpu_features()
    if features.get("avx512f"):
        return _AVX512
    if features.get("avx2") and features.get("fma"):
        return _AVX2
    return _NEON if binding.get_process_triple().startswith(("aarch64", "arm64")) else None


class Linear:
    """A linear layer: x W^T + b, and GELU of it where ``gelu`` is set.

    ``weight`` is float32 [n_out, n_in]; n_out a multiple of the tile's width, with a bias each, or ValueError
    is raised.
    Safe to share between threads.
    """

    def __init__(self, weight: Matrix, bias: Matrix, shape: Shape, gelu: bool = False) -> None:
        self.n_out, self.n_in = weight.shape
        if self.n_out % shape.width:
            raise ValueError(f"{self.n_out} outputs are no multiple of {shape.width}")
        if bias.shape != (self.n_out,):
            raise ValueError(f"expected a bias each of {self.n_out} outputs, got {bias.shape}")
        self._loop = _compiled(self.n_in, self.n_out, shape, gelu)
        columns = weight.reshape(-1, shape.width, self.n_in)
        self._weights = np.ascontiguousarray(columns.transpose(0, 2, 1), dtype=np.float32)  # [panel, n_in, width]
        self._bias = np.ascontiguousarray(bias, dtype=np.float32)

    def __call__(self, rows: Matrix) -> Matrix:
        """Float32 [n, n_in], rows one after the other in memory -> float32 [n, n_out].

        Raises ValueError for anything else: what is compiled checks nothing.
        """
        if rows.dtype != np.float32 or rows.shape != (len(rows), self.n_in) or not rows.flags.c_contiguous:
            raise ValueError(f"expected contiguous float32 [n, {self.n_in}], got {rows.dtype} {rows.shape}")
        product = np.empty((len(rows), self.n_out), dtype=np.float32)
        if len(rows):
            self._loop(
                rows.ctypes.data, self._weights.ctypes.data, self._bias.ctypes.data, product.ctypes.data, len(rows)
            )
        return product


@cache
def _compiled(n_in: int, n_out: int, shape: Shape, gelu: bool) -> _Loop:
    """The loop for layers of one shape, compiled once a process (10 ms)."""
    with _COMPILING:
        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
        machine = binding.Target.from_default_triple().create_target_machine(
            cpu=binding.get_host_cpu_name(), features=binding.get_host_cpu_features().flatten(), opt=3
        )
        module = ir.Module()
        _write_loop(module, n_in, n_out, shape, gelu)
        compiled = binding.parse_assembly(str(module))
        compiled.verify()
        engine = binding.create_mcjit_compiler(compiled, machine)
        engine.finalize_object()
        signature = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4, ctypes.c_int64)
        loop: Any = signature(engine.get_function_address("linear"))
        loop.engine = engine  # the code lives as long as it
        return loop  # type: ignore[no-any-return]


def _write_loop(module: ir.Module, n_in: int, n_out: int, shape: Shape, gelu: bool) -> None:
    """``linear(inputs, weights, bias, outputs, rows)``: panel by panel of columns, tile by tile of rows.

    A panel's weights stay in the second cache while all rows pass by.
    """
    kind = ir.FunctionType(ir.VoidType(), [_POINTER] * 4 + [_LONG])
    function = ir.Function(module, kind, "linear")
    for argument in function.args[:4]:
        argument.add_attribute("noalias")
    inputs, weights, bias, outputs, rows = function.args
    entry = function.append_basic_block("entry")
    panels = _Counter(ir.IRBuilder(entry), _number(0))
    build = panels.build
    panel_weights = _at(build, weights, panels.value, n_in * shape.width * _BYTES)
    panel_bias = _at(build, bias, panels.value, shape.width * _BYTES)
    panel_outputs = _at(build, outputs, panels.value, shape.width * _BYTES)
    begin: ir.Value = _number(0)
    for height in shape.heights:
        row = _Counter(build, begin)
        build = row.build
        body, beyond = function.append_basic_block("tile"), function.append_basic_block("beyond")
        following = build.add(row.value, _number(height))
        build.cbranch(build.icmp_signed("<=", following, rows), body, beyond)
        tile = ir.IRBuilder(body)
        tile = _write_tile(
            tile,
            _at(tile, inputs, row.value, n_in * _BYTES),
            panel_weights,
            panel_bias,
            _at(tile, panel_outputs, row.value, n_out * _BYTES),
            (height, n_in, n_out),
            shape.lanes,
            gelu,
        )
        row.again(tile, following)
        build, begin = ir.IRBuilder(beyond), row.value
    panels.build = build
    panels.until(n_out // shape.width).ret_void()


def _write_tile(
    build: ir.IRBuilder,
    inputs: ir.Value,
    weights: ir.Value,
    bias: ir.Value,
    outputs: ir.Value,
    sizes: tuple[int, int, int],
    lanes: int,
    gelu: bool,
) -> ir.IRBuilder:
    """Some rows by one panel: all sums in registers, one step an input."""
    height, n_in, n_out = sizes
    vector = ir.VectorType(_FLOAT, lanes)
    step = _Counter(build, _number(0))
    before, build = build, step.build
    sums = [[build.phi(vector) for _ in range(2)] for _ in range(height)]
    column = _at(build, weights, step.value, 2 * lanes * _BYTES)
    loaded = [build.load(_at(build, column, _number(side), lanes * _BYTES), typ=vector, align=4) for side in range(2)]
    cell = _at(build, inputs, step.value, _BYTES)
    totals = []
    for row in range(height):
        value = build.load(_at(build, cell, _number(row), n_in * _BYTES), typ=_FLOAT, align=4)
        spread = _spread(build, value, vector)
        totals.append([_call(build, "llvm.fma", spread, loaded[side], sums[row][side]) for side in range(2)])
        for side in range(2):
            sums[row][side].add_incoming(ir.Constant(vector, [0.0] * lanes), before.block)
            sums[row][side].add_incoming(totals[row][side], build.block)
    build = step.until(n_in)
    for side in range(2):
        offset = build.load(_at(build, bias, _number(side), lanes * _BYTES), typ=vector, align=4)
        for row in range(height):
            place = _at(build, outputs, _number(1), (row * n_out + side * lanes) * _BYTES)
            build.store(build.fadd(totals[row][side], offset), place, align=4)
    if not gelu:
        return build
    line = _Counter(build, _number(0))
    for side in range(2):
        place = _at(line.build, _at(line.build, outputs, line.value, n_out * _BYTES), _number(side), lanes * _BYTES)
        line.build.store(_gelu(line.build, line.build.load(place, typ=vector, align=4), vector), place, align=4)
    return line.until(height)


def _gelu(build: ir.IRBuilder, x: ir.Value, vector: ir.VectorType) -> ir.Value:
    """x Φ(x), as in ``indexer.bert``: erf by Abramowitz and Stegun 7.1.26, e^y as a power of 2 times a series."""

    def constant(value: float) -> ir.Constant:
        return ir.Constant(vector, [float(np.float32(value))] * vector.count)

    def series(at: ir.Value, *terms: float) -> ir.Value:  # the highest power first
        total: ir.Value = constant(terms[0])
        for term in terms[1:]:
            total = _call(build, "llvm.fma", total, at, constant(term))
        return total

    z = build.fmul(_call(build, "llvm.fabs", x), constant(math.sqrt(0.5)))
    t = build.fdiv(constant(1), _call(build, "llvm.fma", z, constant(0.3275911), constant(1)))
    polynomial = series(t, 1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592, 0)
    power = build.fmul(build.fmul(z, z), constant(-1 / math.log(2)))
    power = _call(build, "llvm.maxnum", power, constant(-126))  # below it e^y adds nothing to 1
    whole = _call(build, "llvm.rint", power)
    rest = build.fsub(power, whole)
    fraction = series(rest, *(math.log(2) ** n / math.factorial(n) for n in range(7, -1, -1)))
    integers = ir.VectorType(_INT, vector.count)
    exponent = build.add(build.fptosi(whole, integers), ir.Constant(integers, [127] * vector.count))
    scale = build.bitcast(build.shl(exponent, ir.Constant(integers, [23] * vector.count)), vector)
    tail = build.fmul(polynomial, build.fmul(fraction, scale))
    erf = _call(build, "llvm.copysign", build.fsub(constant(1), tail), x)
    return build.fmul(build.fmul(constant(0.5), x), build.fadd(constant(1), erf))


class _Counter:
    """A loop's number: a block of its own that begins with it, entered from ``before`` at ``first``."""

    def __init__(self, before: ir.IRBuilder, first: ir.Value) -> None:
        self.block = before.function.append_basic_block("loop")
        origin = before.block
        before.branch(self.block)
        self.build = ir.IRBuilder(self.block)
        self.value = self.build.phi(_LONG)
        self.value.add_incoming(first, origin)

    def until(self, number: int) -> ir.IRBuilder:
        """End the loop by another turn with the next number, up to ``number``; what comes after it."""
        following = self.build.add(self.value, _number(1))
        after = self.build.function.append_basic_block("after")
        self.value.add_incoming(following, self.build.block)
        self.build.cbranch(self.build.icmp_signed("==", following, _number(number)), after, self.block)
        return ir.IRBuilder(after)

    def again(self, build: ir.IRBuilder, value: ir.Value) -> None:
        """End ``build`` by another turn with ``value``."""
        self.value.add_incoming(value, build.block)
        build.branch(self.block)


def _number(value: int) -> ir.Constant:
    return ir.Constant(_LONG, value)


def _at(build: ir.IRBuilder, base: ir.Value, index: ir.Value, size: int) -> ir.Value:
    """The address of element ``index`` of ``size`` bytes each behind ``base``."""
    return build.gep(base, [build.mul(index, _number(size))], source_etype=ir.IntType(8))


def _call(build: ir.IRBuilder, name: str, *values: ir.Value) -> ir.Value:
    """An operation of LLVM's on vectors of one type."""
    kind = values[0].type
    full = f"{name}.v{kind.count}f32"
    known = build.module.globals.get(full)
    return build.call(known or ir.Function(build.module, ir.FunctionType(kind, [kind] * len(values)), full), values)


def _spread(build: ir.IRBuilder, value: ir.Value, vector: ir.VectorType) -> ir.Value:
    """A vector that holds ``value`` everywhere."""
    undefined = ir.Constant(vector, ir.Undefined)
    one = build.insert_element(undefined, value, ir.Constant(_INT, 0))
    zeros = ir.Constant(ir.VectorType(_INT, vector.count), [0] * vector.count)
    return build.shuffle_vector(one, undefined, zeros)
