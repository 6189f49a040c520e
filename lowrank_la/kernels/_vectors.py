"""Explicit SIMD vectors in numba: a few intrinsics that emit LLVM's vector operations.

LLVM splits a vector into what the processor has, so that the same code runs with AVX-512, AVX2,
SSE or NEON. The number of lanes is known when a kernel is compiled: it is `BLOCK` times the
length of the tuple `lanes` that kernels take, see `wide.lanes_of`. Numbers are real; complex
data keep the plain kernels.

Matrices of which rows are gathered are contiguous and padded with zeros to a multiple of the
lanes; `part` picks one of several vectors that lie side by side in a row.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import extending
from numba.core import types
from numba.core.errors import RequireLiteralValue
from numba.extending import models, register_model

# Lanes of a block; wider vectors are multiples of it.
BLOCK = 8
# Sums may be fused and reordered; NaN and infinity stay what they are.
FLAGS = ("contract", "reassoc")
WORD, LANE = ir.IntType(64), ir.IntType(32)
# Numba takes the signatures in kernels from what the intrinsics return, not from these.
intrinsic: Any = extending.intrinsic


class Vector(types.Type):  # type: ignore[misc]
    """Real numbers that are worked on together."""

    def __init__(self, dtype: Any, size: int) -> None:
        self.dtype, self.size = dtype, size
        super().__init__(name=f"Vector({dtype}, {size})")


class Blocks(types.Type):  # type: ignore[misc]
    """Several vectors of one block each: sums that stay in registers."""

    def __init__(self, dtype: Any, count: int) -> None:
        self.dtype, self.count = dtype, count
        super().__init__(name=f"Blocks({dtype}, {count})")


def _vector(dtype: Any, size: int) -> Any:
    return ir.VectorType(ir.DoubleType() if dtype == types.float64 else ir.FloatType(), size)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Vector) -> None:
        super().__init__(manager, kind, _vector(kind.dtype, kind.size))


@register_model(Blocks)
class _BlocksModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Blocks) -> None:
        super().__init__(manager, kind, ir.ArrayType(_vector(kind.dtype, BLOCK), kind.count))


def _triangle(rows: int) -> list[tuple[int, int]]:
    """Row and block of the vectors of a lower triangle; the last row is the right-hand side."""
    inside = [(a, b) for a in range(rows) for b in range(a // BLOCK + 1)]
    return inside + [(rows, b) for b in range(-(-rows // BLOCK))]


def _real(*arrays: Any) -> bool:
    """Whether all are contiguous arrays of one real data type."""
    return all(
        isinstance(a, types.Array)
        and a.layout == "C"
        and a.dtype in (types.float32, types.float64)
        and a.dtype == arrays[0].dtype
        for a in arrays
    )


def _literal(number: Any) -> int:
    if not isinstance(number, types.IntegerLiteral):
        raise RequireLiteralValue("a place in a vector must be a constant")
    return int(number.literal_value)


def _word(builder: Any, number: Any, kind: Any) -> Any:
    if number.type.width == WORD.width:
        return number
    return (builder.sext if kind.signed else builder.zext)(number, WORD)


def _data(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    return context.make_array(kind)(context, builder, array)


def _row(context: Any, builder: Any, kind: Any, array: Any, row: Any, shift: int) -> Any:
    """Pointer to column `shift` of a row; the row is a word and not negative."""
    held = _data(context, builder, kind, array)
    width = builder.extract_value(held.shape, kind.ndim - 1)
    start = builder.mul(row, width, flags=("nsw",))
    return builder.gep(held.data, [builder.add(start, ir.Constant(WORD, shift))])


def _load(builder: Any, pointer: Any, dtype: Any, size: int) -> Any:
    pointer = builder.bitcast(pointer, _vector(dtype, size).as_pointer())
    return builder.load(pointer, align=dtype.bitwidth // 8)


def _shuffle(builder: Any, a: Any, b: Any, picks: list[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(LANE, len(picks)), picks))


def _splat(builder: Any, number: Any, size: int) -> Any:
    vector = ir.Constant(ir.VectorType(number.type, size), ir.Undefined)
    one = builder.insert_element(vector, number, ir.Constant(LANE, 0))
    return _shuffle(builder, one, vector, [0] * size)


def _constant(kind: Any, number: float) -> Any:
    return ir.Constant(_vector(kind.dtype, kind.size), [number] * kind.size)


def _sum(builder: Any, a: Any, b: Any) -> Any:
    return builder.fadd(a, b, flags=FLAGS)


def _fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    # Not llvm.fma, which is a call of a library where the processor has no such instruction.
    return builder.fadd(builder.fmul(a, b, flags=FLAGS), c, flags=FLAGS)


def _folded(builder: Any, vector: Any) -> Any:
    """Sum of the blocks of a vector."""
    size = vector.type.count
    parts = [_shuffle(builder, vector, vector, [*range(k, k + BLOCK)]) for k in range(0, size, 8)]
    while len(parts) > 1:
        pairs = zip(parts[::2], parts[1::2], strict=False)
        last = parts[-1:] if len(parts) % 2 else []
        parts = [_sum(builder, a, b) for a, b in pairs] + last
    return parts[0]


def _total(builder: Any, vector: Any) -> Any:
    out, size = _folded(builder, vector), BLOCK
    while size > 1:
        size //= 2
        low = _shuffle(builder, out, out, [*range(size)])
        out = _sum(builder, low, _shuffle(builder, out, out, [*range(size, 2 * size)]))
    return builder.extract_element(out, ir.Constant(LANE, 0))


# Lanes of two vectors that are added, such that after three rounds lane k holds the sum of
# vector k: 21 operations for eight sums.
ROUNDS = (
    ([0, 8, 2, 10, 4, 12, 6, 14], [1, 9, 3, 11, 5, 13, 7, 15]),
    ([0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15]),
    ([0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]),
)


def _totals(builder: Any, vectors: list[Any]) -> Any:
    parts = [_folded(builder, v) for v in vectors]
    for low, high in ROUNDS:
        parts = [
            _sum(builder, _shuffle(builder, a, b, low), _shuffle(builder, a, b, high))
            for a, b in zip(parts[::2], parts[1::2], strict=True)
        ]
    return parts[0]


@intrinsic
def at(typingctx, array, index):  # type: ignore[no-untyped-def]
    """array[index], an index that is known not to be negative."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        pointer = _data(context, builder, array, args[0]).data
        place = builder.gep(pointer, [_word(builder, args[1], index)])
        return context.unpack_value(builder, array.dtype, place)

    return array.dtype(array, index), codegen


@intrinsic
def row_of(typingctx, array, row, part, lanes):  # type: ignore[no-untyped-def]
    """A vector: part `part` of a row of a matrix."""
    if not _real(array):
        return None
    kind, shift = Vector(array.dtype, BLOCK * len(lanes)), _literal(part) * BLOCK * len(lanes)

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        place = _word(builder, args[1], row)
        pointer = _row(context, builder, array, args[0], place, shift)
        return _load(builder, pointer, kind.dtype, kind.size)

    return kind(array, row, part, lanes), codegen


@intrinsic
def block_at(typingctx, array, start):  # type: ignore[no-untyped-def]
    """A vector of one block: the elements start, start + 1, ... of an array."""
    if not _real(array):
        return None
    kind = Vector(array.dtype, BLOCK)

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        pointer = _data(context, builder, array, args[0]).data
        pointer = builder.gep(pointer, [_word(builder, args[1], start)])
        return _load(builder, pointer, kind.dtype, BLOCK)

    return kind(array, start), codegen


@intrinsic
def store(typingctx, array, start, vector):  # type: ignore[no-untyped-def]
    """Write a vector to the elements start, start + 1, ... of an array."""
    if not _real(array, array) or array.dtype != vector.dtype:
        return None

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        pointer = _data(context, builder, array, args[0]).data
        pointer = builder.gep(pointer, [_word(builder, args[1], start)])
        pointer = builder.bitcast(pointer, args[2].type.as_pointer())
        builder.store(args[2], pointer, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, start, vector), codegen


@intrinsic
def zeros(typingctx, array, lanes):  # type: ignore[no-untyped-def]
    """A vector of zeros of the data type of an array."""
    kind = Vector(array.dtype, BLOCK * len(lanes))

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return _constant(kind, 0.0)

    return kind(array, lanes), codegen


@intrinsic
def dot(typingctx, u, array, row, part):  # type: ignore[no-untyped-def]
    """The inner product of a vector and part `part` of a row."""
    shift = _literal(part) * u.size

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        place = _word(builder, args[2], row)
        pointer = _row(context, builder, array, args[1], place, shift)
        v = _load(builder, pointer, u.dtype, u.size)
        return _total(builder, builder.fmul(args[0], v, flags=FLAGS))

    return u.dtype(u, array, row, part), codegen


@intrinsic
def dots(typingctx, u, array, rows, first, part):  # type: ignore[no-untyped-def]
    """One block: the inner products of a vector and the rows rows[first], rows[first + 1], ..."""
    kind, shift = Vector(u.dtype, BLOCK), _literal(part) * u.size

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        parts = [
            builder.fmul(args[0], _load(builder, pointer, u.dtype, u.size), flags=FLAGS)
            for pointer in _gathered(context, builder, array, rows, shift, args[1:4])
        ]
        return _totals(builder, parts)

    return kind(u, array, rows, first, part), codegen


@intrinsic
def pair_dots(typingctx, u, w, array, rows, first):  # type: ignore[no-untyped-def]
    """One block: for each row the inner products of u with its part 0 and of w with its part 1."""
    kind = Vector(u.dtype, BLOCK)

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        sums = []
        for start in _gathered(context, builder, array, rows, 0, args[2:5]):
            next_ = builder.gep(start, [ir.Constant(WORD, u.size)])
            a, b = (_load(builder, pointer, u.dtype, u.size) for pointer in (start, next_))
            sums.append(_fma(builder, args[1], b, builder.fmul(args[0], a, flags=FLAGS)))
        return _totals(builder, sums)

    return kind(u, w, array, rows, first), codegen


def _gathered(context: Any, builder: Any, array: Any, rows: Any, shift: int, args: Any) -> Any:
    indices = _data(context, builder, rows, args[1]).data
    for k in range(BLOCK):
        place = builder.gep(indices, [builder.add(args[2], ir.Constant(WORD, k))])
        row = _word(builder, context.unpack_value(builder, rows.dtype, place), rows.dtype)
        yield _row(context, builder, array, args[0], row, shift)


@intrinsic
def add_rows(typingctx, sums, weights, array, rows, first):  # type: ignore[no-untyped-def]
    """``sums + weights[0] array[rows[first]] + weights[1] array[rows[first + 1]] + ...``."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        out = args[0]
        for k, pointer in enumerate(_gathered(context, builder, array, rows, 0, args[2:])):
            v = _load(builder, pointer, sums.dtype, sums.size)
            out = _fma(builder, _shuffle(builder, args[1], args[1], [k] * sums.size), v, out)
        return out

    return sums(sums, weights, array, rows, first), codegen


@intrinsic
def add_row(typingctx, sums, weight, array, row):  # type: ignore[no-untyped-def]
    """``sums + weight array[row]``."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        pointer = _row(context, builder, array, args[2], _word(builder, args[3], row), 0)
        factor = _splat(builder, context.cast(builder, args[1], weight, sums.dtype), sums.size)
        return _fma(builder, factor, _load(builder, pointer, sums.dtype, sums.size), args[0])

    return sums(sums, weight, array, row), codegen


@intrinsic
def total(typingctx, vector):  # type: ignore[no-untyped-def]
    """The sum of a vector."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return _total(builder, args[0])

    return vector.dtype(vector), codegen


@intrinsic
def plus(typingctx, a, b):  # type: ignore[no-untyped-def]
    """``a + b``."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return _sum(builder, *args)

    return a(a, b), codegen


@intrinsic
def minus(typingctx, a, b):  # type: ignore[no-untyped-def]
    """``a - b``."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.fsub(*args, flags=FLAGS)

    return a(a, b), codegen


@intrinsic
def times(typingctx, a, b):  # type: ignore[no-untyped-def]
    """The products of the elements of a and b."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.fmul(*args, flags=FLAGS)

    return a(a, b), codegen


@intrinsic
def scaled(typingctx, a, number):  # type: ignore[no-untyped-def]
    """``number a``."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        factor = context.cast(builder, args[1], number, a.dtype)
        return builder.fmul(args[0], _splat(builder, factor, a.size), flags=FLAGS)

    return a(a, number), codegen


@intrinsic
def maximum(typingctx, a, b):  # type: ignore[no-untyped-def]
    """The larger element of a and b in each lane."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.select(builder.fcmp_ordered(">", args[1], args[0]), args[1], args[0])

    return a(a, b), codegen


@intrinsic
def clamped(typingctx, a, bound):  # type: ignore[no-untyped-def]
    """Elements moved into [-bound, bound]; NaN stays, since comparisons with it are false."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        number = context.cast(builder, args[1], bound, a.dtype)
        high = _splat(builder, number, a.size)
        low = _splat(builder, builder.fneg(number), a.size)
        out = builder.select(builder.fcmp_ordered(">", args[0], high), high, args[0])
        return builder.select(builder.fcmp_ordered("<", out, low), low, out)

    return a(a, bound), codegen


@intrinsic
def signs(typingctx, a):  # type: ignore[no-untyped-def]
    """The signs of the elements; zero and NaN stay."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        above, below = (builder.fcmp_ordered(c, args[0], _constant(a, 0.0)) for c in "><")
        out = builder.select(above, _constant(a, 1.0), args[0])
        return builder.select(below, _constant(a, -1.0), out)

    return a(a), codegen


@intrinsic
def inverse_roots(typingctx, a, floor):  # type: ignore[no-untyped-def]
    """``1 / sqrt(a)`` above the floor, zero at or below it, NaN for NaN."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        shape = args[0].type
        name = f"llvm.sqrt.v{a.size}f{a.dtype.bitwidth}"
        root = builder.module.declare_intrinsic(name, fnty=ir.FunctionType(shape, [shape]))
        inverse = builder.fdiv(_constant(a, 1.0), builder.call(root, [args[0]]))
        return builder.select(builder.fcmp_ordered("<=", *args), _constant(a, 0.0), inverse)

    return a(a, floor), codegen


@intrinsic
def triangle(typingctx, array, rows):  # type: ignore[no-untyped-def]
    """A lower triangle and right-hand side of zeros, with as many rows as `rows` is long."""
    kind = Blocks(array.dtype, len(_triangle(len(rows))))

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return ir.Constant(context.get_value_type(kind), None)

    return kind(array, rows), codegen


@intrinsic
def add_outer(typingctx, sums, rows, array, row, weight):  # type: ignore[no-untyped-def]
    """Add ``v v^T`` to a triangle and ``weight v`` to its right-hand side; v is array[row]."""
    if not _real(array):
        return None
    places = _triangle(len(rows))

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        start = _row(context, builder, array, args[2], _word(builder, args[3], row), 0)
        factors = [
            builder.load(builder.gep(start, [ir.Constant(WORD, a)])) for a in range(len(rows))
        ]
        factors.append(context.cast(builder, args[4], weight, array.dtype))
        return _outer(builder, sums, args[0], places, start, start, factors)

    return sums(sums, rows, array, row, weight), codegen


def _outer(
    builder: Any, kind: Any, sums: Any, places: Any, start: Any, other: Any, factors: Any
) -> Any:
    """Add factor a times block b of what `other` points to, for all places (a, b)."""
    v = {
        b: _load(builder, builder.gep(other, [ir.Constant(WORD, BLOCK * b)]), kind.dtype, BLOCK)
        for b in sorted({b for _, b in places})
    }
    spread = [_splat(builder, factor, BLOCK) for factor in factors]
    for k, (a, b) in enumerate(places):
        new = _fma(builder, spread[a], v[b], builder.extract_value(sums, k))
        sums = builder.insert_value(sums, new, k)
    return sums


@intrinsic
def put_triangle(typingctx, sums, rows, array, system):  # type: ignore[no-untyped-def]
    """Write a triangle, row after row, and then its right-hand side, to ``array[., system]``.

    The array has BLOCK columns: so many systems are then solved in the lanes of vectors.
    """
    if not _real(array):
        return None

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        pointer = _data(context, builder, array, args[2]).data
        start = builder.gep(pointer, [_word(builder, args[3], system)])
        for k, (a, b) in enumerate(_triangle(len(rows))):
            part = builder.extract_value(args[0], k)
            for c in range(BLOCK * b, min(BLOCK * (b + 1), a + 1, len(rows))):
                number = builder.extract_element(part, ir.Constant(LANE, c - BLOCK * b))
                place = ir.Constant(WORD, (a * (a + 1) // 2 + c) * BLOCK)
                builder.store(number, builder.gep(start, [place]))
        return context.get_dummy_value()

    return types.void(sums, rows, array, system), codegen


@intrinsic
def tile(typingctx, array):  # type: ignore[no-untyped-def]
    """A square of BLOCK by BLOCK zeros, and a further row of them."""
    kind = Blocks(array.dtype, BLOCK + 1)

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return ir.Constant(context.get_value_type(kind), None)

    return kind(array), codegen


@intrinsic
def add_tile(typingctx, sums, array, row, a, b, weight):  # type: ignore[no-untyped-def]
    """Add the outer product of the blocks a and b of a row, and ``weight`` times block b."""
    if not _real(array):
        return None
    places = [(k, 0) for k in range(BLOCK + 1)]

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        start = _row(context, builder, array, args[1], _word(builder, args[2], row), 0)
        eight = ir.Constant(WORD, BLOCK)
        first, second = (
            builder.gep(start, [builder.mul(_word(builder, n, kind), eight)])
            for n, kind in ((args[3], a), (args[4], b))
        )
        factors = [builder.load(builder.gep(first, [ir.Constant(WORD, k)])) for k in range(BLOCK)]
        factors.append(context.cast(builder, args[5], weight, array.dtype))
        return _outer(builder, sums, args[0], places, first, second, factors)

    return sums(sums, array, row, a, b, weight), codegen


@intrinsic
def put_tile(typingctx, sums, array):  # type: ignore[no-untyped-def]
    """Write a tile to an array of BLOCK + 1 rows and BLOCK columns."""
    if not _real(array):
        return None

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        start = _data(context, builder, array, args[1]).data
        for k in range(BLOCK + 1):
            pointer = builder.gep(start, [ir.Constant(WORD, k * BLOCK)])
            part = builder.extract_value(args[0], k)
            pointer = builder.bitcast(pointer, part.type.as_pointer())
            builder.store(part, pointer, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(sums, array), codegen
