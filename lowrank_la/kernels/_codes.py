"""Codes of the losses whose slopes are known to kernels."""

SQUARED, ABSOLUTE, HUBER = 0, 1, 2
