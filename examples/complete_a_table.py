"""What a low rank adds to row and column effects on a ratings table.

Claim: on a generated table of ratings (row effects, column effects, a rank-4 taste part and
noise, rounded to 1 ... 5) the error on held-out cells falls below that of the additive model
from a dozen ratings per row on, towards the noise; with fewer the two models agree.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import lowrank_la as ll

SHARES = (0.02, 0.04, 0.08, 0.16, 0.32)
MODELS = {
    "mean": "global mean",
    "additive": "row + column effects",
    "low_rank": "effects + low rank",
}


def ratings(rng, n1: int, n2: int, r: int = 4) -> tuple[np.ndarray, float]:
    """The full table, and the error of its noiseless values, which no model can beat."""
    taste = 0.3 * rng.standard_normal((n1, r)) @ rng.standard_normal((r, n2))
    mean = 3.6 + 0.45 * rng.standard_normal((n1, 1)) + 0.5 * rng.standard_normal(n2) + taste
    table = np.clip(np.round(mean + 0.5 * rng.standard_normal((n1, n2))), 1, 5)
    return table, np.sqrt(np.mean((table - np.clip(mean, 1, 5)) ** 2))


def main(folder: Path) -> None:
    rng = np.random.default_rng(0)
    full, noise = ratings(rng, 600, 300)
    draw = rng.random(full.shape)
    scores = []
    for share in SHARES:
        table = np.where(draw < share, full, np.nan)
        model = ll.complete(table, rank=8, bounds="observed", holdout=0.1)
        scores.append(model.score)
        print(f"{share:.0%} observed: {model.score}")
    with ll.plotting.style():
        figure, ax = plt.subplots(layout="constrained")
        styles = zip(MODELS.items(), ("s:", "D--", "o-"), ll.plotting.COLOURS, strict=False)
        for (name, label), dashes, colour in styles:
            errors = [getattr(score, name) for score in scores]
            ax.plot(np.array(SHARES) * 300, errors, dashes, color=colour, label=label, markersize=4)
        ax.set_xscale("log", base=2)
        ax.set(xlabel="ratings per row, on average", ylabel="RMSE on held-out ratings")
        ax.set_xticks([300 * share for share in SHARES], [f"{300 * s:.0f}" for s in SHARES])
        ax.axhline(noise, color="0.4", linewidth=0.9, label="noise")
        ax.legend(ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
    ll.plotting.save_figure(figure, folder / "complete_a_table.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
