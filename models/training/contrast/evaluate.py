"""Judges bundles and records the figures: `python -m contrast.evaluate --bolus PROGRAM --work DIR FOLDER…`.

Each bundle labels, through the program itself, the hold-out phantoms of its body part (settings that training has not
seen) and the real series of known status; `bolus evaluate` makes the figures. They go to models/evaluations/NAME.json,
from which `contrast.table` writes the table and `contrast.card` the cards.
"""

import argparse
import csv
import json
import os
import shutil
import statistics
import subprocess
import time
import tomllib
from pathlib import Path

import numpy as np
import pydicom
from phantom.lookalikes import lookalikes
from phantom.series import SETS

from .card import EVALUATIONS, network_of
from .export import run, session
from .networks import NETWORKS, parameters
from .shards import Shards

PREFIX = {"head-neck": "hn", "chest": "torso"}
ARCHITECTURE = {"b4": "efficientnet-b4"}


class Judge:
    """The program, where it works, the real data, and how many hold-out scans to take (0: all)."""

    def __init__(self, bolus: Path, work: Path, data: Path, scans: int = 0):
        self.bolus, self.work, self.data, self.scans = bolus, work, data, scans

    def call(self, *arguments: str, allowed: tuple[int, ...] = (0, 3)) -> str:
        """Run the program; exit status 3 (some were refused) is an answer, too."""
        done = subprocess.run([str(self.bolus), *map(str, arguments)], stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode not in allowed:
            raise SystemExit(f"bolus {' '.join(map(str, arguments))}: exit status {done.returncode}")
        return done.stdout

    def lake(self, name: str) -> Path:
        lake = self.work / "lakes" / name
        shutil.rmtree(lake, ignore_errors=True)
        return lake

    def evaluation(self, truth: Path, lake: Path) -> dict:
        return json.loads(self.call("evaluate", "--truth", truth, "--lake", lake, "--json", "-", "--models", self.work / "bundles"))

    def chosen(self, *sets: str) -> tuple[list[Path], Path]:
        """The folders of the scans of `sets`, of each the first so many, and their truth in one file."""
        rows = []
        for name in sets:
            head, *lines = (self.work / "sets" / name / "truth.csv").read_text().splitlines()
            rows += [(name, line) for line in (lines[: self.scans] if self.scans else lines)]
        truth = self.work / "truth.csv"
        truth.write_text("\n".join([head, *(line for _, line in rows)]) + "\n")
        patients = [row["patient"] for row in csv.DictReader(truth.open())]
        return [self.work / "sets" / name / patient for (name, _), patient in zip(rows, patients, strict=True)], truth

    def hold_out(self, folder: Path, manifest: dict) -> dict:
        """Labels the hold-out set of the bundle's part; an int8 bundle beside its float32 sibling, where that was judged before."""
        name, own = f"{PREFIX[manifest['body_parts'][0]]}-hold", manifest["name"]
        scans, truth = self.chosen(name)
        shared = self.work / "lakes" / own.removesuffix("-int8")
        beside = own.endswith("-int8") and shared.exists()
        lake = shared if beside else self.lake(own)
        self.call("label", *scans, "--model", folder, "--lake", lake, "--device", "cpu", "--json")
        evaluation = self.evaluation(truth, lake)
        bundle = next(b for b in evaluation["bundles"] if b["bundle"]["name"] == own)
        figures = {"set": name, "account": bundle["account"], "lookalikes": self.lookalikes(truth, name, lake, own)}
        figures |= {level: level_figures(bundle[level]) for level in ("scan", "slice")}
        return figures | ({"against_float32": evaluation["comparisons"][0]} if beside else {})

    def lookalikes(self, truth: Path, name: str, lake: Path, bundle: str) -> dict:
        """How native scans that hold something as bright as contrast were called."""
        text = self.call("sql", "--lake", lake, "--format", "csv",
                         f"SELECT series_instance_uid, predicted_class FROM series_labels WHERE bundle_name = '{bundle}'")  # fmt: skip
        classes = {row["series_instance_uid"]: row["predicted_class"] for row in csv.DictReader(text.splitlines())}
        native = [row for row in csv.DictReader(truth.open()) if row["contrast"] == "0" and row["series_uid"] in classes]
        called: dict[str, dict[str, int]] = {}
        for row in native:
            for bright in sorted(lookalikes(int(row["patient"]), SETS[name])):
                counts = called.setdefault(bright, {"native": 0, "indeterminate": 0, "enhanced": 0})
                counts[classes[row["series_uid"]]] += 1
        return called

    def real(self, folder: Path, manifest: dict) -> dict:
        """Labels the real series; single slices, which no bundle takes, go through preprocessing and network alone."""
        rows = []
        if "chest" in manifest["body_parts"]:
            truth = {row["path"].rsplit("/", 1)[0]: row["contrast_label"] for row in csv.DictReader((self.data / "manifest.csv").open())}
            for series in sorted((self.data / "series").iterdir()):
                text = self.call("label", series, "--model", folder, "--lake", self.lake("real"), "--device", "cpu", "--json")
                row = json.loads(text.splitlines()[0])
                contrast, kind = truth[f"series/{series.name}"] == "contrast", row["predicted_class"] or row["status"]
                rows.append(real_row(series.name, contrast, row["slices_scored"], row["probability"], kind))
            rows += self.single_slices(folder, manifest)
        return {"right": sum(r["right"] for r in rows), "total": len(rows), "series": rows}

    def single_slices(self, folder: Path, manifest: dict) -> list[dict]:
        out, spec = self.work / "single", self.work / "single.toml"
        steps = manifest["preprocessing"] | {"min_slices": 1}
        spec.write_text("[preprocessing]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in steps.items()))
        kinds = {"contrast": 1, "noncontrast": 0}
        paths = {str(pydicom.dcmread(path, stop_before_pixels=True).SeriesInstanceUID): path
                 for kind in kinds for path in sorted((self.data / "slices-labelled" / kind).iterdir())}  # fmt: skip
        truth = self.work / "single.csv"
        truth.write_text("series_uid,contrast\n" + "".join(f"{uid},{kinds[path.parent.name]}\n" for uid, path in paths.items()))
        self.call("export-tensors", "--spec", spec, "--any-body-part", "--truth", truth, "--out", out, "--force", *[str(p) for p in paths.values()])
        shards = Shards([out])
        images = shards.batch(range(len(shards)))[0][:, 0].numpy()
        scores = run(session(folder / manifest["network"]["file"]), images)
        return [single_row(path.stem, kinds[path.parent.name] == 1, scores[[s.series == uid for s in shards.slices]]) for uid, path in paths.items()]


def single_row(name: str, contrast: bool, scores: np.ndarray) -> dict:
    """A thick slice may become two of the network's."""
    p = float(scores.mean())
    return real_row(name, contrast, len(scores), p, "enhanced" if p > 0.5 else "native")


def real_row(name: str, contrast: bool, slices: int, probability: float | None, kind: str) -> dict:
    right = kind == ("enhanced" if contrast else "native")
    return {"name": name, "contrast": contrast, "slices": slices, "probability": probability, "class": kind, "right": right}


def level_figures(level: dict) -> dict:
    """The figures that the table and the card show."""
    value = lambda name: (level["figures"].get(name) or {}).get("value")  # noqa: E731
    interval = (level["auc"] or {}).get("interval") or {"low": None, "high": None}
    names = {"sensitivity": "sensitivity", "specificity": "specificity", "f1": "f1", "accuracy": "accuracy", "brier": "brier", "ece": "calibration_error"}
    return {"n": level["cases"], "auc": (level["auc"] or {}).get("value"), "auc_interval": [interval["low"], interval["high"]],
            "confusion": level["confusion"]} | {key: value(name) for key, name in names.items()}  # fmt: skip


def speed(folder: Path, manifest: dict, rounds: int = 5) -> dict:
    """Slices a second of the network alone, all cores, batches of four; int8 interleaved with its float32 sibling."""
    threads = os.cpu_count() or 1
    siblings = {manifest["name"]: folder}
    plain = folder.with_name(manifest["name"].removesuffix("-int8"))
    if plain != folder and plain.exists():
        siblings[plain.name] = plain
    images = np.fromfile(folder / manifest["reference"]["input"], np.uint8).reshape(-1, 192, 192)[:4].astype(np.float32) / 255
    sessions = {name: session(path / "model.onnx", threads) for name, path in siblings.items()}
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(rounds + 1):
        for name, network in sessions.items():
            started = time.perf_counter()
            for _ in range(3):
                run(network, images, len(images))
            times[name].append((time.perf_counter() - started) / 3)
    rates = {name: len(images) / statistics.median(taken[1:]) for name, taken in times.items()}
    own = rates.pop(manifest["name"])
    return {"slices_per_second": own, "threads": threads, "over_float32": own / next(iter(rates.values())) if rates else None}


def save(name: str, figures: dict) -> None:
    EVALUATIONS.mkdir(exist_ok=True)
    (EVALUATIONS / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n")


def record(judge: Judge, folder: Path) -> None:
    manifest = tomllib.loads((folder / "bundle.toml").read_text())
    name = manifest["name"]
    short = network_of(name)
    figures = {
        "bundle": name, "version": manifest["version"], "network": short, "precision": manifest["network"]["precision"],
        "network_sha256": manifest["network"]["sha256"], "bytes": (folder / manifest["network"]["file"]).stat().st_size,
        "parameters": parameters(NETWORKS[ARCHITECTURE.get(short, short)]()),
        "hold_out": judge.hold_out(folder, manifest), "real": judge.real(folder, manifest), "speed": speed(folder, manifest),
    }  # fmt: skip
    save(name, figures)
    scan, piece = figures["hold_out"]["scan"], figures["hold_out"]["slice"]
    print(f"{name}: scan AUC {scan['auc']:.4f}, slice AUC {piece['auc']:.4f}, real {figures['real']['right']}/{figures['real']['total']}, "
          f"{figures['speed']['slices_per_second']:.1f} slices/s", flush=True)


def record_speed(folder: Path) -> None:
    """Measures the speed again, on a quieter machine."""
    figures = json.loads((EVALUATIONS / f"{folder.name}.json").read_text()) | {"speed": speed(folder, tomllib.loads((folder / "bundle.toml").read_text()))}
    save(folder.name, figures)
    print(f"{folder.name}: {figures['speed']['slices_per_second']:.1f} slices/s", flush=True)


def record_modes(judge: Judge, folder: Path) -> None:
    """What int8 and --adaptive cost and gain against the whole bundle, on all hold-out scans of its part."""
    manifest = tomllib.loads((folder / "bundle.toml").read_text())
    sets = [f"{PREFIX[manifest['body_parts'][0]]}-{name}" for name in ("hold", "hold-b")]
    scans, truth = judge.chosen(*sets)
    modes = {"int8": (folder.with_name(f"{folder.name}-int8"), ()), "adaptive": (folder, ("--adaptive",))}
    figures = {"bundle": folder.name, "sets": sets}
    for mode, (bundle, extra) in modes.items():
        if not bundle.exists():
            continue
        lake = judge.lake(f"{folder.name}-{mode}")
        judge.call("label", *scans, "--model", folder, "--lake", lake, "--device", "cpu", "--json")
        text = judge.call("label", *scans, "--model", bundle, *extra, "--lake", lake, "--device", "cpu", "--json")
        figures[mode] = mode_figures(judge.evaluation(truth, lake), json.loads(text.splitlines()[-1]))
    save(f"{folder.name}.modes", figures)


def mode_figures(evaluation: dict, summary: dict) -> dict:
    """One mode against the whole bundle. A scan that --adaptive went all through is the whole label, and so equal."""
    if not evaluation["comparisons"]:
        raise SystemExit("no scan was scored both ways")
    comparison, scans = evaluation["comparisons"][0], max(bundle["scan"]["cases"] for bundle in evaluation["bundles"])
    compared, equal = comparison["equal_decisions"]["of"], comparison["equal_decisions"]["hits"]
    return {"scans": scans, "different_decisions": compared - equal, "equal_decisions": 1 - (compared - equal) / scans,
            "slices_scored_share": summary["slices_scored"] / summary["slices_planned"], "slices_fetched": summary["slices_fetched"],
            "comparison": comparison}  # fmt: skip


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--bolus", type=Path, required=True)
    args.add_argument("--work", type=Path, required=True, help="where `make train` works: sets/ and bundles/ are there")
    args.add_argument("--data", type=Path, required=True, help="the real series: a folder with manifest.csv")
    args.add_argument("--scans", type=int, default=0, help="take only the first so many hold-out scans, half of them enhanced; for heavy networks")
    args.add_argument("--modes", action="store_true", help="compare int8 and --adaptive with the whole bundle, too")
    args.add_argument("--speed", action="store_true", help="measure nothing but the speed again")
    args.add_argument("folders", type=Path, nargs="+", help="bundles")
    a = args.parse_args()
    judge = Judge(a.bolus, a.work, a.data, a.scans)
    for folder in a.folders:
        if a.speed:
            record_speed(folder)
            continue
        record(judge, folder)
        if a.modes and not folder.name.endswith("-int8"):
            record_modes(judge, folder)


if __name__ == "__main__":
    main()
