"""Numba kernels: plain arrays in, `out` arrays written; the only place that imports numba."""
