"""Fits where the figures of patients lie and how they go together: `python -m plausible.fit FIGURES.csv… --out table.rs`.

The CSV comes from the example `plane_figures` of bolus-preprocess, which measures what `plausible.planes` writes: figures are the gate's
own. Each kind of row has a share of the weight (`SHARES`), within it each patient the same. The mean and the inverse covariance are
written as `shared/preprocess/src/plausible/table.rs`; printed is how far, against the limit of that many planes, lie the rows of the fit,
those of real patients by fits that have not seen them, and those of a CSV that is only judged (`--judge`).
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
FILLED = 119
"""Characters to which rustfmt fills the lines of an array; a line that needs no break has one more."""
HEADER = """//! Where the figures of patients lie, and how they go together: see [`super::joint`], which also gives their order.
//!
//! Written by `models/training/plausible/fit.py`: do not edit.

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
    """All rows of all files; the figures are the columns after `most`."""
    rows = []
    for path in paths:
        with path.open() as file:
            table = csv.reader(file)
            first = next(table).index("most")
            rows += [(*row[:3], row[first:]) for row in table if row[first + 1]]
    kinds, patients, names, numbers = zip(*rows, strict=True)
    kinds = ["variant" if kind.startswith("variant") else kind for kind in kinds]
    places = np.array(numbers, float)
    return Figures(np.array(kinds), np.array(patients), np.array(names), places[:, 0], places[:, 1:])


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


def unseen(figures: Figures, left_out: Iterable[np.ndarray]) -> tuple[Figures, np.ndarray]:
    """Rows of each group of patients, and their relative distances by a fit without them."""
    rows, distances = [], []
    for patients in left_out:
        out = np.isin(figures.patient, patients)
        rows.append(np.flatnonzero(out))
        distances.append(relative(figures[out], *fit(figures[~out])))
    return figures[np.concatenate(rows)], np.concatenate(distances)


def real_patients(figures: Figures) -> np.ndarray:
    """Those who are not drawn."""
    return np.unique(figures.patient[~np.char.startswith(figures.kind, "phantom")])


def halves(figures: Figures, seed: int = 0) -> list[np.ndarray]:
    """Halves of the real patients at random, of those with series and of those with slices alone."""
    in_series = np.unique(figures.patient[figures.kind == "series"])
    groups, rng = (in_series, np.setdiff1d(real_patients(figures), in_series)), np.random.default_rng(seed)
    return [np.concatenate([rng.permutation(group)[: -(-len(group) // 2)] for group in groups]) for _ in range(HALVES)]


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
    count = f"/// Figures that are held against each other.\npub(super) const COUNT: usize = {len(mean)};\n\n"
    lines = [HEADER + count + "/// The mean of each figure.", "pub(super) const CENTRE: [f64; COUNT] ="]
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
    report("real patients, each by a fit without it", *unseen(figures, real_patients(figures)[:, None]))
    report(f"half of the real patients by a fit on the others, {HALVES} times", *unseen(figures, halves(figures)))
    for path in a.judge:
        held = load([path])
        report(f"only judged, {path.name}", held, relative(held, *fitted))
    if a.out:
        a.out.write_text(table(*fitted))


if __name__ == "__main__":
    main()
