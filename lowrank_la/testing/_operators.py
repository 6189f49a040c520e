"""The contract of a measurement operator."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._typing import Array
from ..factors import Factors
from ..operators import (
    HasGaussNewton,
    HasMatrix,
    HasNormalProduct,
    HasTangentRows,
    MeasurementOperator,
    matrix_of,
)
from ._values import close, draw


def check_operator(
    operator: MeasurementOperator,
    *,
    hermitian: bool = False,
    tolerance: float = 1e-10,
    rng: Any = 0,
) -> None:
    """Check the contract of a measurement operator.

    Both dot tests, linearity in each factor, the dense twin, inputs that are read-only or not
    contiguous, float32 kept, the abilities against the three methods, and `isometry`.

    Parameters
    ----------
    operator : MeasurementOperator
        The operator.
    hermitian : bool
        Its measurement functionals only see the Hermitian part of X, with real values.
    tolerance : float
        Relative accuracy asked for.
    rng : int, Generator or None
        Source of the random matrices.

    Raises
    ------
    AssertionError
    """
    assert isinstance(operator, MeasurementOperator), "the methods or attributes are not all there"
    generator = np.random.default_rng(rng)
    n1, n2 = operator.shape
    kind = np.result_type(operator.dtype or float, float)
    L, R = draw(generator, (n1, 3), kind), draw(generator, (n2, 3), kind)
    X = Factors(L, R)
    y = operator.forward(X)
    assert y.shape == (operator.size,), f"forward has shape {y.shape}, not ({operator.size},)"
    z = draw(generator, operator.size, float if hermitian else kind)
    _check_adjoints(operator, X, y, z, hermitian, tolerance)
    other = draw(generator, (n1, 3), kind)
    close(
        operator.forward(Factors(2.0 * L - other, R)),
        2.0 * y - operator.forward(Factors(other, R)),
        tolerance,
        "forward is not linear in the left factor",
    )
    _check_layouts(operator, X, y, z, tolerance)
    matrix = matrix_of(operator)
    dense = np.asarray(matrix @ X.to_dense().ravel())
    close(y, dense.real if hermitian else dense, tolerance, "forward differs from the matrix")
    if isinstance(operator, HasMatrix):
        made = matrix_of(_WithoutAbilities(operator))
        found = np.asarray(matrix @ np.eye(n1 * n2))
        # On single entries a Hermitian operator shows the real part only.
        close(found.real if hermitian else found, made, tolerance, "as_matrix differs")
    if isinstance(operator, HasNormalProduct):
        direction = Factors(other, draw(generator, (n2, 3), kind))
        _check_gauss_newton(operator, X, direction, z, tolerance, hermitian)
    if isinstance(operator, HasTangentRows):
        _check_tangent_rows(operator, X, matrix, tolerance)
    _check_single(operator, X)
    if operator.size:
        _check_isometry(operator, generator, kind)


def _check_adjoints(
    operator: MeasurementOperator, X: Factors, y: Array, z: Array, hermitian: bool, tol: float
) -> None:
    measured: Any = np.vdot(z, y)
    through_right = np.vdot(operator.adjoint_right(z, X.right), X.left)
    through_left = np.vdot(X.right, operator.adjoint_left(z, X.left))
    if hermitian:
        through_right, through_left = through_right.real, through_left.real
    size = max(float(np.linalg.norm(z) * np.linalg.norm(y)), 1e-300)
    for value, name in ((through_right, "adjoint_right"), (through_left, "adjoint_left")):
        gap = abs(measured - value) / size
        assert gap <= tol, f"{name} fails the dot test by {gap:.1e}"


def _check_tangent_rows(operator: Any, X: Factors, matrix: Any, tol: float) -> None:
    """The ability `HasTangentRows` against the measurement matrices."""
    start, stop = operator.size // 3, operator.size
    found = operator.tangent_rows(X.left, X.right, start, stop)
    rows = np.asarray(matrix[start:stop]).conj().reshape(stop - start, *operator.shape)
    close(found[0], _turned(rows @ X.right), tol, "tangent_rows: A_i R is wrong")
    expected = _turned(_turned(rows.conj()) @ X.left)
    close(found[1], expected, tol, "tangent_rows: A_i^H L is wrong")
    if getattr(operator, "symmetric", False):
        P, Q = operator.tangent_rows(X.left, X.left, start, stop)
        assert P is Q, "tangent_rows: one factor makes two arrays"
        close(P, _turned(rows @ X.left), tol, "tangent_rows: A_i L is wrong for one factor")
    assert operator.tangent_limit > 0, "tangent_limit is not positive"


def _turned(matrices: Array) -> Array:
    return np.swapaxes(matrices, 1, 2)


def _check_gauss_newton(
    operator: Any, X: Factors, D: Factors, z: Array, tol: float, hermitian: bool
) -> None:
    """The abilities `HasNormalProduct` and `HasGaussNewton` against `forward` and adjoints."""
    moved = Factors(np.hstack([D.left, X.left]), np.hstack([X.right, D.right]))
    a1, a2 = operator.forward(moved), operator.forward(D)
    products = operator.normal_product(X, D)
    expected = operator.adjoint_right(a1, X.right), operator.adjoint_left(a1, X.left)
    for found, right in zip(products, expected, strict=True):
        close(found, right, tol, "normal_product differs from the adjoints of the tangent map")
    # Measurements of Hermitian forms are real, whatever the data are said to be.
    parts = (operator.forward(X) - (z.real if hermitian else z), a1, a2)
    sums = [np.vdot(parts[a], parts[b]).real for a in range(3) for b in range(a, 3)]
    prepared = operator.prepare(z)
    close(operator.line_sums(X, D, prepared), sums, tol, "line_sums differs from forward")
    if not isinstance(operator, HasGaussNewton):
        return
    none = Factors(np.zeros_like(D.left), D.right), Factors(D.left, np.zeros_like(D.right))
    for side, fixed, alone in (("left", X.right, none[1]), ("right", X.left, none[0])):
        blocks = operator.normal_blocks(fixed, side=side)
        direction = alone.left if side == "left" else alone.right
        image = np.einsum("iab,ib->ia", blocks, direction)
        found = operator.normal_product(X, alone)[0 if side == "left" else 1]
        # Exact where measurements are entries; else the diagonal blocks alone.
        if hasattr(operator, "row_counts"):
            close(image, found, tol, f"normal_blocks of side {side!r} differ from the product")


def _check_layouts(
    operator: MeasurementOperator, X: Factors, y: Array, z: Array, tolerance: float
) -> None:
    frozen = Factors(X.left.copy(), X.right.copy())
    for array in (frozen.left, frozen.right):
        array.flags.writeable = False
    still = z.copy()
    still.flags.writeable = False
    close(operator.forward(frozen), y, tolerance, "forward differs on read-only factors")
    spread = np.repeat(z, 2)[::2]
    wide_left = np.asfortranarray(X.left)
    wide_right = np.asfortranarray(X.right)
    for name, factor, wide in (
        ("adjoint_right", X.right, wide_right),
        ("adjoint_left", X.left, wide_left),
    ):
        method = getattr(operator, name)
        expected = method(z, factor)
        close(method(still, factor), expected, tolerance, f"{name} differs on read-only data")
        close(method(spread, wide), expected, tolerance, f"{name} differs on strided input")


def _check_single(operator: MeasurementOperator, X: Factors) -> None:
    small = X.astype(
        np.result_type(np.float32, np.float32 if X.dtype.kind == "f" else np.complex64)
    )
    y = operator.forward(small)
    assert y.real.dtype == np.float32, f"forward turned float32 into {y.dtype}"
    back = operator.adjoint_right(y, small.right)
    assert back.real.dtype == np.float32, f"adjoint_right turned float32 into {back.dtype}"


def _check_isometry(
    operator: MeasurementOperator, generator: np.random.Generator, kind: Any
) -> None:
    n1, n2 = operator.shape
    shares = []
    for _ in range(40):
        X = Factors(draw(generator, (n1, 4), kind), draw(generator, (n2, 4), kind))
        if getattr(operator, "symmetric", False):
            X = Factors(np.hstack([X.left, X.right]), np.hstack([X.right, X.left]))
        shares.append((np.linalg.norm(operator.forward(X)) / X.norm()) ** 2)
    ratio = float(np.mean(shares)) / operator.isometry
    assert 0.7 < ratio < 1.4, f"isometry is off by a factor {ratio:.2f}"


class _WithoutAbilities:
    """The three methods of an operator and nothing more."""

    def __init__(self, base: MeasurementOperator) -> None:
        self.shape, self.size, self.dtype = base.shape, base.size, base.dtype
        self.isometry = base.isometry
        self.forward, self.adjoint_right = base.forward, base.adjoint_right
        self.adjoint_left = base.adjoint_left
