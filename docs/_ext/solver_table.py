"""The ``solver-table`` directive: what the registry knows of each solver."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from lowrank_la.solvers import SolverInfo, available_solvers, solver_info
from lowrank_la.solvers._registry import registry

HEADER = ("name", "summary", "losses", "problems", "needs", "gauge invariant", "default start")


class SolverTable(SphinxDirective):
    """One row per registered solver."""

    def run(self) -> list[nodes.Node]:
        """The nodes of the table."""
        rows = [HEADER, ("---",) * len(HEADER)]
        rows += [row(solver_info(name)) for name in available_solvers()]
        return self.parse_text_to_nodes("\n".join(f"| {' | '.join(cells)} |" for cells in rows))


def row(info: SolverInfo) -> tuple[str, ...]:
    """The cells of one solver."""
    losses = "any smooth one"
    if info.losses is not None:
        losses = ", ".join(
            "any" if loss is object else f"`{loss.__name__}`" for loss in info.losses
        )
    kinds = {"symmetric": info.symmetric, "rectangular": info.asymmetric}
    path = f"lowrank_la.solvers.{registry[info.name].__name__}"
    return (
        f"{{py:obj}}`{info.name} <{path}>`",
        info.summary,
        losses,
        ", ".join(kind for kind, takes in kinds.items() if takes),
        ", ".join(f"`{ability}`" for ability in info.needs) or "three methods",
        "yes" if info.gauge_invariant else "no",
        "none" if info.one_shot else f"`{info.start}`",
    )


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("solver-table", SolverTable)
    return {"parallel_read_safe": True}
