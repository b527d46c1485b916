"""Fits where the figures of patients lie and how they go together: `python -m plausible.fit FIGURES.csv… --out table.rs`.

The CSV comes from the example `plane_figures` of bolus-preprocess, which measures what `plausible.planes` writes: figures are the gate's
own. Each kind of row has a share of the weight (`SHARES`), within it each patient the same. The mean and the inverse covariance are
written as `shared/preprocess/src/plausible/table.rs`; printed is how far, against the limit of that many planes, lie the rows of the fit,
those of real patients whom a fit on the other half did not see, and those of a CSV that is only judged (`--judge`).
"""

import argparse
import csv
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SHARES = {"slice": 0.3, "run": 0.2, "series": 0.1, "phantom slice": 0.2, "phantom series": 0.2, "variant": 0.3}
"""Weight of each kind of row, of their sum."""
WIDENED = 0.03
"""What is added to the variance of each figure: patients of other scanners are not seen."""
REFUSED = 1.4
"""Beyond the limit times this a series is refused, `DISTANCE` in `limits.rs`."""
HALVES = 20
FIRST_FIGURE = 8
"""Columns before the figures."""
FILLED = 119
"""Characters to which rustfmt fills the lines of an array; a line that needs no break has one more."""
HEADER = """//! Where the figures of patients lie, and how they go together: see [`super::joint`], which also gives their order.
//!
//! Written by `models/training/plausible/fit.py`: do not edit.

use super::joint::COUNT;

"""


@dataclass
class Figures:
    """Rows of the CSV that have figures."""

    kind: np.ndarray
    """As in `SHARES`."""
    patient: np.ndarray
    name: np.ndarray
    most: np.ndarray
    """How far so many planes may lie."""
    places: np.ndarray
    """[row, figure]."""

    def __getitem__(self, rows: np.ndarray) -> "Figures":
        return Figures(self.kind[rows], self.patient[rows], self.name[rows], self.most[rows], self.places[rows])


def load(paths: Iterable[Path]) -> Figures:
    """All rows of all files."""
    rows = []
    for path in paths:
        with path.open() as file:
            rows += [row for row in list(csv.reader(file))[1:] if row[FIRST_FIGURE]]
    kinds = ["variant" if row[0].startswith("variant") else row[0] for row in rows]
    patients, names = ([row[place] for row in rows] for place in (1, 2))
    numbers = np.array([row[FIRST_FIGURE - 1 :] for row in rows], float)
    return Figures(np.array(kinds), np.array(patients), np.array(names), numbers[:, 0], numbers[:, 1:])


def weights(figures: Figures) -> np.ndarray:
    """Of rows: each kind its share, each patient of a kind the same."""
    weight = np.zeros(len(figures.kind))
    for kind, share in SHARES.items():
        rows = figures.kind == kind
        _, patient, count = np.unique(figures.patient[rows], return_inverse=True, return_counts=True)
        if len(count):
            weight[rows] = share / len(count) / count[patient]
    return weight / weight.sum()


def fit(figures: Figures) -> tuple[np.ndarray, np.ndarray]:
    """The mean of each figure, and the inverse of their widened covariance, rounded as the table has them."""
    if unknown := set(figures.kind) - set(SHARES):
        raise ValueError(f"rows of these kinds have no weight: {sorted(unknown)}")
    weight = weights(figures)[:, None]
    mean = (weight * figures.places).sum(0)
    off = figures.places - mean
    covariance = (weight * off).T @ off + WIDENED * np.eye(len(mean))
    precision = np.linalg.inv(covariance)
    return mean.round(3), ((precision + precision.T) / 2).round(2)


def relative(figures: Figures, mean: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """Distances, against what so many planes may have."""
    off = figures.places - mean
    return np.sqrt(np.einsum("ij,jk,ik->i", off, precision, off)) / figures.most


def unseen(figures: Figures, seed: int = 0) -> tuple[Figures, np.ndarray]:
    """Rows of real patients, and their relative distances, by fits on the other half of the real patients and all synthetic ones."""
    synthetic = np.char.startswith(figures.kind, "phantom")
    in_series = np.unique(figures.patient[figures.kind == "run"])
    single = np.setdiff1d(figures.patient[~synthetic], in_series)
    rng, left, distances = np.random.default_rng(seed), [], []
    for _ in range(HALVES):
        seen = np.concatenate([rng.permutation(group)[: len(group) // 2] for group in (in_series, single)])
        rows = synthetic | np.isin(figures.patient, seen)
        left.append(np.flatnonzero(~rows))
        distances.append(relative(figures[~rows], *fit(figures[rows])))
    return figures[np.concatenate(left)], np.concatenate(distances)


def array(numbers: Iterable[float], digits: int, indent: int, end: str) -> str:
    """A Rust array as rustfmt breaks it."""
    text = ", ".join(f"{number:.{digits}f}" for number in numbers)
    pad = " " * indent
    if len(f"{pad}[{text}]{end}") <= FILLED + 1:
        return f"{pad}[{text}]{end}"
    inner = textwrap.fill(text + ",", FILLED, initial_indent=f"{pad}    ", subsequent_indent=f"{pad}    ")
    return f"{pad}[\n{inner}\n{pad}]{end}"


def table(mean: np.ndarray, precision: np.ndarray) -> str:
    """The text of `table.rs`."""
    lines = [HEADER + "/// The mean of each figure.", "pub(super) const CENTRE: [f64; COUNT] ="]
    centre = array(mean, 3, 0, ";")
    lines = [*lines[:-1], f"{lines[-1]} {centre}"] if "\n" in centre else [*lines, f"    {centre}"]
    lines += ["", f"/// The inverse of the covariance, to whose diagonal {WIDENED} was added.", "pub(super) const PRECISION: [[f64; COUNT]; COUNT] = ["]
    return "\n".join([*lines, *(array(row, 2, 4, ",") for row in precision), "];", ""])


def report(title: str, figures: Figures, distance: np.ndarray) -> None:
    """Prints how many rows of each kind lie beyond the limit."""
    print(f"{title}:")
    for kind in sorted(set(figures.kind)):
        rows = figures.kind == kind
        patients, far = len(set(figures.patient[rows])), distance[rows]
        beyond = f"{(far > 1).sum()} doubted, {(far > REFUSED).sum()} refused"
        print(f"  {kind:15} {rows.sum():6} rows of {patients:4} patients: {beyond}; median {np.median(far):.2f}, largest {far.max():.2f}")


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("figures", type=Path, nargs="+", help="CSV to fit on")
    args.add_argument("--judge", type=Path, nargs="*", default=[], help="CSV of patients that are only judged")
    args.add_argument("--out", type=Path, help="where table.rs goes")
    a = args.parse_args()
    figures = load(a.figures)
    fitted = fit(figures)
    report("fitted on", figures, relative(figures, *fitted))
    report("real patients that fits on the other half have not seen", *unseen(figures))
    for path in a.judge:
        held = load([path])
        report(f"only judged, {path.name}", held, relative(held, *fitted))
    if a.out:
        a.out.write_text(table(*fitted))


if __name__ == "__main__":
    main()
