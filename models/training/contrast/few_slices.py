"""Fits how much wider the band of the indeterminate is for few slices: `python -m contrast.few_slices BUNDLE --bolus PROGRAM LAKE=TRUTH…`.

Each LAKE holds labels of whole series by the bundle, each TRUTH their contrast (`series_uid`, `contrast`, as `bolus evaluate` reads it).
On the logit the mean of n slices lies about the mean of all N as sqrt(1/n - 1/N) says: of the draws from series of 15 slices and more the
same share stays within the same factor for 1, 2, 4 and 8 slices (printed). So one number is left, the widening of `[decision.few_slices]`:
the least, in steps of 0.1, for which of the single slices that are decided at most `LIMIT` are decided wrongly in every lake.
"""

import argparse
import csv
import json
import subprocess
import tomllib
from pathlib import Path

import numpy as np

ENOUGH = 20
"""Source slices from which the band is that of all."""
LIMIT = 0.025
"""Share of decided single slices that may be decided wrongly."""
EDGE = 1e-7


def logit(p: np.ndarray) -> np.ndarray:
    """Of probabilities, kept off 0 and 1 as the program does."""
    p = np.clip(p, EDGE, 1 - EDGE)
    return np.log(p / (1 - p))


def calibrated(raw: np.ndarray, calibration: dict) -> np.ndarray:
    """The logit of the calibrated probability of aggregates."""
    if calibration["method"] == "platt":
        return calibration["scale"] * logit(raw) + calibration["shift"]
    if calibration["method"] == "isotonic":
        return logit(np.interp(raw, calibration["raw"], calibration["calibrated"]))
    return logit(raw)


def errors(scores: np.ndarray, truth: np.ndarray, band: list[float], widening: float) -> tuple[float, float]:
    """Share of single slices that are decided, and of these the share that is decided wrongly."""
    by = widening * np.sqrt(1 - 1 / ENOUGH)
    low, high = logit(np.array(band))
    decided = (scores < low - by) | (scores > high + by)
    wrong = decided & ((scores > 0) != truth)
    return decided.mean(), wrong.sum() / max(1, decided.sum())


def fit(sets: list[tuple[np.ndarray, np.ndarray]], band: list[float]) -> float:
    """The least widening that keeps to `LIMIT` in every set of single slices and their truth."""
    steps = np.round(np.arange(0, 8, 0.1), 1)
    return float(next(w for w in steps if all(errors(*one, band, w)[1] <= LIMIT for one in sets)))


def spread(series: list[np.ndarray], calibration: dict, rng: np.random.Generator) -> dict[int, float]:
    """For n slices the factor within which the logit of 80 % of the draws stays about that of the whole series."""
    found = {}
    for n in (1, 2, 4, 8):
        draws = []
        for scores in series:
            whole = calibrated(scores.mean(keepdims=True), calibration)[0]
            for _ in range(60):
                part = calibrated(rng.choice(scores, n, replace=False).mean(keepdims=True), calibration)[0]
                draws.append(abs(part - whole) / np.sqrt(1 / n - 1 / len(scores)))
        found[n] = round(float(np.quantile(draws, 0.8)), 2) if draws else float("nan")
    return found


def read(bolus: str, lake: str, truth: str, bundle: str) -> dict[str, tuple[bool, np.ndarray]]:
    """Truth and slice scores by series."""
    known = {row["series_uid"]: row["contrast"].lower() in ("1", "yes", "true", "enhanced") for row in csv.DictReader(open(truth))}
    query = f"SELECT series_instance_uid, sop_instance_uid, probability FROM slice_scores WHERE bundle_name = '{bundle}'"
    done = subprocess.run([bolus, "sql", "--lake", lake, "--format", "json", query], stdout=subprocess.PIPE, text=True, check=True)
    scores: dict[str, dict[str, float]] = {}
    for row in map(json.loads, done.stdout.splitlines()):
        # One score a source slice: neighbouring positions of thick slices show the same.
        scores.setdefault(row["series_instance_uid"], {})[row["sop_instance_uid"]] = row["probability"]
    return {uid: (known[uid], np.array(list(found.values()))) for uid, found in scores.items() if uid in known}


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("bundle", type=Path)
    args.add_argument("sets", nargs="+", metavar="LAKE=TRUTH")
    args.add_argument("--bolus", default="bolus")
    a = args.parse_args()
    manifest = tomllib.loads((a.bundle / "bundle.toml").read_text())
    band, calibration = manifest["decision"]["indeterminate"], manifest["calibration"]
    sets, long = [], []
    for one in a.sets:
        series = read(a.bolus, *one.split("=", 1), manifest["name"]).values()
        long += [scores for _, scores in series if len(scores) >= 15]
        truth = np.concatenate([np.full(len(scores), contrast) for contrast, scores in series])
        sets.append((calibrated(np.concatenate([scores for _, scores in series]), calibration), truth))
    print("80 % of draws stay within, by slices:", spread(long, calibration, np.random.default_rng(0)))
    widening = fit(sets, band)
    for one, (scores, truth) in zip(a.sets, sets, strict=True):
        for factor in (0.0, widening):
            decided, wrong = errors(scores, truth, band, factor)
            print(f"{one}: {len(truth)} slices, widening {factor}: {decided:.3f} decided, {wrong:.4f} of them wrongly")
    print(f"[decision.few_slices]\nwidening = {widening}\nenough = {ENOUGH}")


if __name__ == "__main__":
    main()
