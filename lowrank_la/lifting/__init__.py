"""Lifting of symmetric problems to tensors, in closed form.

With x = vec(F) the squared loss of a symmetric problem is ``1/4 |<A, x x^T> - b|^2``; lifted to
order l it is ``1/4 |<A^(xl), w w^T> - b^(xl)|^2`` over tensors w with l indices, where ^(xl) is
the l-fold tensor power (Ma, Molybog, Lavaei, Sojoudi 2023; Ma, Lavaei, Sojoudi 2023, whose loss
is twice or once this one). The power of A acts on one index pair after another and is never
formed. At a lifted point ``x^(xl)`` all follows from three matrices,

    P = sum_k (A_k x)(A_k x)^T,   N = A*(A(x x^T)),   C = A*(b):

the gradient is ``(N x)^(xl) - (C x)^(xl)`` and the Hessian ``2 P^(xl) + N^(xl) - C^(xl)``. So x is
stationary for every order if it is for one, while the curvature changes with the order.
"""

from __future__ import annotations

from ._lifting import LIMIT as LIMIT
from ._lifting import Lifting
from ._reduction import why_not as why_not
from ._saddles import strict_saddle_order

__all__ = ["Lifting", "strict_saddle_order"]
