"""Comparisons and rate fits."""
