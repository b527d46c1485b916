"""The benchmark: `bolus label` against the Python reference and against ONNX Runtime alone, interleaved, on one machine.

See README.md beside this file for what is compared and how. `make bench` calls this.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import generate
import measure
import report

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
BATCHES = [1, 4, 8, 10, 14, 16, 32]
CODECS = ["uncompressed", "jpeg-ls", "jpeg-2000"]
# Our probability and the reference's may differ by this much for the same series.
AGREE = 1e-3
# A real, small series, for the time from the start to the first label.
SMALL_SERIES = REPOSITORY / "tests/data/series/chest-noncontrast-every10th"


@dataclass
class Case:
    """The runs of one series, by kind of run."""

    codec: str
    slices: int
    runs: dict[str, list[measure.Measured]] = field(default_factory=dict)
    alone: list[float] = field(default_factory=list)  # seconds of ONNX Runtime alone at its best batch size
    difference: float = 0.0  # of our probability from the reference

    def median(self, kind: str, value) -> float:
        """The median of `value` over the runs of one kind."""
        return statistics.median(value(run) for run in self.runs[kind])


class Bench:
    """Where everything is, and one method for each kind of run."""

    def __init__(self, arguments: argparse.Namespace, scratch: Path):
        self.scratch = scratch
        self.bolus = arguments.bolus
        self.bundle = arguments.bundle
        self.threads = arguments.threads
        self.lakes = 0

    def ours(self, *inputs: Path, extra=()) -> measure.Measured:
        """`bolus label` into a new lake. Status 3 (some refused) is looked at by the caller."""
        self.lakes += 1
        lake = self.scratch / f"lake-{self.lakes}"
        command = [self.bolus, "label", *inputs, "--lake", lake, "--json", "--device", "cpu", "--model", self.bundle.name, *extra]
        run = measure.run(command, cwd=REPOSITORY)
        shutil.rmtree(lake, ignore_errors=True)
        if run.last.get("type") != "summary":
            raise RuntimeError(f"the last line of bolus is no summary: {run.last}")
        return run

    def reference(self, folder: Path, *extra) -> measure.Measured:
        """The Python pipeline."""
        script = HERE / "reference" / "pipeline.py"
        output = self.scratch / "reference.parquet"
        return measure.run([sys.executable, script, folder, "--bundle", self.bundle, "--output", output, "--threads", self.threads, *extra])

    def alone(self, tensor: Path, batches: list[int], rounds: int) -> dict:
        """ONNX Runtime alone: batch size → seconds of each round."""
        script = HERE / "reference" / "ort_alone.py"
        command = [sys.executable, script, "--bundle", self.bundle, "--tensor", tensor, "--threads", self.threads, "--rounds", rounds]
        result = measure.run([*command, "--batches", *batches]).last
        return {int(batch): seconds for batch, seconds in result["seconds"].items()}


def warm(folder: Path) -> None:
    """Reads every file once, so that no run pays for a cold disk."""
    for path in folder.iterdir():
        path.read_bytes()


def check_agreement(ours: measure.Measured, reference: measure.Measured) -> float:
    """The largest difference of the probabilities of the same series; fails where a series is missing or differs."""
    expected = {row["series_instance_uid"]: row["probability"] for row in reference.last["series"]}
    found = {line["series_instance_uid"]: line["probability"] for line in ours.lines if line["type"] == "series"}
    if expected.keys() != found.keys():
        raise RuntimeError(f"bolus labelled {sorted(found)}, the reference {sorted(expected)}")
    worst = max(abs(expected[uid] - found[uid]) for uid in expected)
    if worst > AGREE:
        raise RuntimeError(f"probabilities differ by {worst}: {found} against {expected}")
    return worst


def run_case(bench: Bench, codec: str, slices: int, folder: Path, repeat: int, batch: int, tensor: Path) -> Case:
    """All runs of one series, one of each kind in turn, `repeat` times."""
    case = Case(codec, slices)
    kinds = {
        "reference": lambda: bench.reference(folder),
        "reference_skip": lambda: bench.reference(folder, "--skip-inference"),
        "reference_needed_skip": lambda: bench.reference(folder, "--skip-inference", "--needed-only"),
    }
    if bench.bolus:
        kinds = {
            "ours": lambda: bench.ours(folder),
            "ours_skip": lambda: bench.ours(folder, extra=["--bench-skip-inference"]),
        } | kinds
    warm(folder)
    for _ in range(repeat):
        for kind, run in kinds.items():
            case.runs.setdefault(kind, []).append(run())
            print(f"  {codec} {slices} {kind}: {case.runs[kind][-1].wall_seconds:.2f} s", file=sys.stderr)
        case.alone += bench.alone(tensor, [batch], 1)[batch]
    if bench.bolus:
        case.difference = check_agreement(case.runs["ours"][0], case.runs["reference"][0])
    return case


def run_memory(bench: Bench, series: Path) -> dict[str, measure.Measured]:
    """The runs that are looked at for memory and for the first label only, by their description."""
    codec = "jpeg-2000"
    five = [generate.series(series, codec, 200, seed) for seed in range(5)]
    long = generate.series(series, codec, 2000)
    runs = {
        f"one series of 200 slices, {codec}": bench.ours(five[0]),
        f"five series of 200 slices, {codec}": bench.ours(*five),
        f"one series of 2,000 slices, {codec}": bench.ours(long),
    }
    if SMALL_SERIES.is_dir():
        runs["a real chest series of 28 slices"] = bench.ours(SMALL_SERIES)
    return runs


def default_bundle() -> Path | None:
    """The first bundle of the repository."""
    return next((path.parent for path in sorted(REPOSITORY.glob("models/*/bundle.toml"))), None)


def parse() -> argparse.Namespace:
    """The arguments, with the paths made absolute."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bolus"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bolus", type=Path, default=cache / "target/release/bolus")
    parser.add_argument("--reference-only", action="store_true", help="measure the Python side alone")
    parser.add_argument("--bundle", type=Path, default=default_bundle(), help="default: the first folder of models/ with a bundle.toml")
    parser.add_argument("--series", type=Path, default=cache / "bench", help="where generated series are kept")
    parser.add_argument("--codec", choices=generate.CODECS, action="append", help=f"default: {', '.join(CODECS)}")
    parser.add_argument("--slices", type=int, choices=generate.SPACING_MM, action="append", help="default: 200 and 1000")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of onnxruntime on the Python side")
    parser.add_argument("--quick", action="store_true", help="one repetition, 200 slices, no memory part, RESULTS.md untouched")
    parser.add_argument("--results", type=Path, default=HERE / "RESULTS.md")
    arguments = parser.parse_args()
    if arguments.bundle is None:
        parser.error("no models/*/bundle.toml; name a bundle with --bundle")
    if arguments.reference_only:
        arguments.bolus = None
    elif not arguments.bolus.is_file():
        parser.error(f"{arguments.bolus} is not built; build it, name it with --bolus, or pass --reference-only")
    arguments.bundle = arguments.bundle.resolve()
    return arguments


def main() -> None:
    """Generates, measures, reports."""
    arguments = parse()
    codecs = arguments.codec or CODECS
    lengths = arguments.slices or ([200] if arguments.quick else [200, 1000])
    repeat = 1 if arguments.quick else arguments.repeat
    arguments.series.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.series, prefix="run-") as scratch:
        bench = Bench(arguments, Path(scratch))
        folders = {(codec, count): generate.series(arguments.series, codec, count) for codec in codecs for count in lengths}
        tensor = Path(scratch) / "slab.npy"
        bench.reference(folders[codecs[0], lengths[0]], "--skip-inference", "--dump-tensor", tensor)
        sweep = bench.alone(tensor, BATCHES, repeat)
        batch = min(sweep, key=lambda size: statistics.median(sweep[size]))
        cases = [run_case(bench, codec, count, folder, repeat, batch, tensor) for (codec, count), folder in folders.items()]
        memory = run_memory(bench, arguments.series) if bench.bolus and not arguments.quick else {}
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True).stdout.strip()
    text = report.document(cases, memory, sweep, batch, arguments, repeat, commit)
    print(text)
    if not arguments.quick and not arguments.reference_only:
        arguments.results.write_text(text + "\n")
    if bench.bolus:
        for case in cases:
            print(report.line(case))


if __name__ == "__main__":
    main()
