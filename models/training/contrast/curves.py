"""Learning curves as a PNG."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402


def draw(log: list[dict], path: Path, title: str) -> None:
    """Training and validation loss, and 1 - AUC of the validation slices, over the steps of all stages."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), constrained_layout=True)
    ends, total = {}, 0
    for stage in sorted({r["stage"] for r in log}):
        ends[stage], total = total, total + max(r["step"] for r in log if r["stage"] == stage)
    at = lambda r: ends[r["stage"]] + r["step"]  # noqa: E731
    trained, held = [r for r in log if "loss" in r], [r for r in log if r.get("auc") is not None]
    left.plot([at(r) for r in trained], [r["loss"] for r in trained], label="training")
    left.plot([at(r) for r in held], [r["validation_loss"] for r in held], "o-", label="validation")
    left.set(xlabel="step", ylabel="binary cross-entropy", title=title)
    left.legend()
    right.plot([at(r) for r in held], [max(1 - r["auc"], 1e-4) for r in held], "o-", color="tab:green")
    right.set(xlabel="step", ylabel="1 - AUC, validation slices", yscale="log")
    for axes in (left, right):
        for edge in list(ends.values())[1:]:
            axes.axvline(edge, color="0.8", linewidth=1)
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    plt.close(figure)
