"""Where the heat maps of `bolus explain` lie on synthetic patients: `python -m phantom.heat EXPLAIN.json SET`.

SET is a folder that `python -m phantom.series … --mask` has written: its masks say where contrast changed the image by more
than 15 HU, that is vessels and organs that take it up. For each explained slice of an enhanced patient:

share   part of the positive mass (falls of the logit: what speaks for contrast) inside the mask, which is widened by half
        a patch, since a patch whose middle lies that far away still covers some of it
area    part of the measured pixels that the widened mask covers: the share of a map that knows nothing
hit     whether the patch of the largest fall touches the mask
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pydicom


def window(mask: np.ndarray, source_mm: tuple[float, float], plane: list[int], target_mm: list[float]) -> np.ndarray:
    """The network's centred window of a source slice's mask, by the nearest pixel."""
    for axis in (0, 1):
        size = mask.shape[axis]
        resampled = int(size * source_mm[axis] / target_mm[axis] + 0.5)
        positions = (resampled // 2 - plane[axis] // 2 + np.arange(plane[axis])) * target_mm[axis] / source_mm[axis]
        nearest = np.rint(positions).astype(int)
        inside = ((nearest >= 0) & (nearest < size)).reshape((-1, 1) if axis == 0 else (1, -1))
        mask = np.take(mask, np.clip(nearest, 0, size - 1), axis) & inside
    return mask


def widened(mask: np.ndarray, reach: int) -> np.ndarray:
    """`mask` grown by `reach` pixels in rows and columns."""
    for axis in (0, 1):
        sums = np.cumsum(np.pad(mask.astype(int), [(reach + 1, reach) if a == axis else (0, 0) for a in (0, 1)]), axis)
        size = mask.shape[axis]
        mask = np.take(sums, np.arange(size) + 2 * reach + 1, axis) > np.take(sums, np.arange(size), axis)
    return mask


def judge(heat: np.ndarray, measured: np.ndarray, mask: np.ndarray, patch: int) -> dict | None:
    """Share, area and hit of one slice; None where nothing speaks for contrast or nothing took it up."""
    positive = np.clip(heat, 0, None)
    if not mask.any() or positive.sum() == 0:
        return None
    wide = widened(mask, patch // 2)
    return {
        "share": float(positive[wide].sum() / positive.sum()),
        "area": float((wide & measured).sum() / max(1, measured.sum())),
        "hit": bool(wide[np.unravel_index(np.argmax(positive), positive.shape)]),
    }


def spacings(folder: Path) -> dict[str, tuple[float, float]]:
    """Pixel spacing of every series of a set."""
    found = {}
    for series in (path for path in folder.iterdir() if path.is_dir() and path.name != "masks"):
        first = next(series.glob("*.dcm"), None)
        if first:
            d = pydicom.dcmread(first, stop_before_pixels=True)
            found[str(d.SeriesInstanceUID)] = tuple(float(v) for v in d.PixelSpacing)
    return found


def slices(explained: Path, folder: Path):
    """The judgement of every explained slice whose series has a mask."""
    report = json.loads(explained.read_text())
    spacing = spacings(folder)
    for series in report["series"]:
        patch = round(report["patch_mm"] / series["spacing_mm"][0])
        path = folder / "masks" / f"{series['series_uid']}.npz"
        if not path.exists():
            continue
        stored = np.load(path)
        layers = dict(zip(stored["sop_instance_uid"].tolist(), stored["mask"]))
        maps = np.load(explained.parent / series["maps"]).astype(np.float32)
        for heat, line in zip(maps, series["slices"]):
            source_mm = spacing[series["series_uid"]]
            mask = window(layers[line["sop_instance_uid"]], source_mm, series["plane"], series["spacing_mm"])
            grid = np.array([[drop is not None for drop in row] for row in line["drops"]])
            near = [
                np.abs(np.arange(size)[:, None] - np.array(series[name])).argmin(1)
                for size, name in zip(heat.shape, ("grid_rows", "grid_columns"))
            ]
            judged = judge(heat, grid[np.ix_(*near)], mask, patch)
            if judged:
                yield {"series_uid": series["series_uid"], "slice": line["slice"], "probability": line["probability"], **judged}


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("explained", type=Path, help="explain.json")
    args.add_argument("set", type=Path, help="folder of the set, with masks")
    args.add_argument("--json", type=Path, help="write the judgements of all slices here")
    a = args.parse_args()
    judged = list(slices(a.explained, a.set))
    if not judged:
        raise SystemExit(f"no series of {a.explained} has a mask in {a.set / 'masks'}: draw the set with --mask")
    mean = {name: float(np.mean([one[name] for one in judged])) for name in ("share", "area", "hit")}
    series = len({one["series_uid"] for one in judged})
    print(f"{len(judged)} slices of {series} enhanced series: {mean['share']:.1%} of the positive mass lies on vessels and enhancing")
    print(f"organs, which cover {mean['area']:.1%} of the body; the strongest patch touches them in {mean['hit']:.1%} of slices")
    if a.json:
        a.json.write_text(json.dumps({"mean": mean, "slices": judged}, indent=1) + "\n")


if __name__ == "__main__":
    main()
