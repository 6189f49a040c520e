"""Figures fit for a paper; all take and return matplotlib objects."""

from ._convergence import convergence
from ._phase import phase_diagram
from ._style import COLOURS, LABELS, save_figure, style

__all__ = ["COLOURS", "LABELS", "convergence", "phase_diagram", "save_figure", "style"]
