"""Bounded memory at any size: `bolus label` over many copies of a small study, among few and among very many other files, and the listing of
a store of a million objects.

See README.md beside this file for what is measured and how. `make bench-scale` calls this.
"""

import argparse
import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import generate
import measure
import pydicom
import report
import scale_store

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
SLICES = 20
# Every fourth pixel of the benchmark's series: a study of 650 KB.
STRIDE = 4
# Part of each UID of the template; a copy has its own number there, as long as this.
MARK = b"7777777"
FIRST_COPY = 1_000_000
FILES_A_FOLDER = 1_000
GOAL_FIRST_ROW_S = 2.0
GOAL_PEAK_MIB = 300
# Two runs of one program differ by this much in what the allocator keeps.
SAME_PEAK = 1.05


@dataclass
class Scale:
    """One run."""

    what: str
    objects: int
    peak_mib: float
    seconds: float
    first_row_s: float | None = None
    series: int = 0

    def line(self) -> str:
        """The last word on it."""
        first = "-" if self.first_row_s is None else f"{self.first_row_s:.2f}"
        rate = self.series / self.seconds
        return (
            f"scale what={self.what} objects={self.objects} first_row_s={first} peak_mib={self.peak_mib:.0f} "
            f"series_s={rate:.2f} objects_s={self.objects / self.seconds:.0f}"
        )


def template() -> list[bytes]:
    """The files of one small study, with MARK in every UID."""
    files = []
    generate.SPACING_MM[SLICES] = 10.0
    for index in range(SLICES):
        dataset = generate.pixel_module(generate.draw_slice(0, index / SLICES)[::STRIDE, ::STRIDE])
        generate.add_header(dataset, "scale", index, SLICES)
        root = f"1.2.826.0.1.3680043.10.1.{MARK.decode()}"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = f"{root}.1", f"{root}.2", f"{root}.3"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{root}.4.{index + 1}"
        dataset.PixelSpacing = [generate.PIXEL_MM * STRIDE] * 2
        buffer = pydicom.filebase.DicomBytesIO()
        pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
        files.append(buffer.getvalue())
    return files


def write_studies(folder: Path, files: list[bytes], copies: int, others: int) -> None:
    """`copies` of the study, a folder each, spread among the folders of `others` files, which are listed by name."""
    folders = max(1, others // FILES_A_FOLDER)
    for copy in range(copies):
        study = folder / f"{copy * folders // copies:06d}-study-{copy:06d}"
        study.mkdir(parents=True)
        number = str(FIRST_COPY + copy).encode()
        for index, content in enumerate(files):
            (study / f"IM{index:04d}").write_bytes(content.replace(MARK, number))


def write_others(folder: Path, count: int) -> None:
    """`count` files that are no DICOM: links to one file a folder, so that they cost the disk no more than their names."""
    for start in range(0, count, FILES_A_FOLDER):
        others = folder / f"{start // FILES_A_FOLDER:06d}-others"
        others.mkdir(parents=True)
        first = others / "0000"
        first.write_bytes(b"no image")
        for index in range(1, min(FILES_A_FOLDER, count - start)):
            os.link(first, others / f"{index:04d}")


def run(command: list, what: str, environment: dict | None = None) -> tuple[dict, float, float, float | None]:
    """Runs `command`, whose JSON lines may be very many: the summary, the peak in MiB, the seconds, and those to the first row."""
    with tempfile.TemporaryFile("w+") as errors:
        begin = perf_counter()
        words = list(map(str, command))
        process = subprocess.Popen(words, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)
        memory = measure.PeakMemory(process.pid)
        memory.start()
        first, last = None, ""
        for line in process.stdout:
            if first is None and '"type":"series"' in line:
                first = perf_counter() - begin
            last = line
        status = process.wait()
        seconds = perf_counter() - begin
        memory.stop.set()
        memory.join()
        summary = json.loads(last) if last else {}
        if status not in (0, 3) or summary.get("type") != "summary":
            errors.seek(0)
            raise RuntimeError(f"{what} ended with status {status}:\n{errors.read()[-4000:]}")
    return summary, memory.mib, seconds, first


def label(arguments: argparse.Namespace, scratch: Path, files: list[bytes], copies: int, objects: int) -> Scale:
    """Labels `copies` of the study among other files, `objects` in all."""
    inputs, lake = scratch / f"in-{objects}", scratch / f"lake-{objects}"
    others = objects - copies * SLICES
    write_studies(inputs, files, copies, others)
    write_others(inputs, others)
    command = [arguments.bolus, "label", inputs, "--lake", lake, "--json", "--device", "cpu", "--model", arguments.model]
    summary, peak, seconds, first = run(command, f"the label of {objects} objects")
    if summary["files_seen"] != objects or summary["series_labelled"] != copies:
        raise RuntimeError(f"{copies} series in {objects} files were to be labelled: {summary}")
    shutil.rmtree(inputs)
    return Scale("label", objects, peak, seconds, first, copies)


def listing(arguments: argparse.Namespace, objects: int) -> Scale:
    """Lists a store of `objects` objects, of which no byte exists, and cuts the listing into studies."""
    with scale_store.Store(objects, FILES_A_FOLDER) as store:
        environment = os.environ | store.environment
        command = [arguments.bolus, "submit", f"s3://{store.bucket}/{store.prefix}", "--dry-run", "--json"]
        summary, peak, seconds, _ = run(command, "the listing", environment)
    if summary["objects_listed"] != objects or summary["studies_found"] != -(-objects // FILES_A_FOLDER):
        raise RuntimeError(f"{objects} objects were to be listed: {summary}")
    return Scale("list", objects, peak, seconds)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bolus", type=Path, required=True)
    parser.add_argument("--model", default="chest-lite", help="default: the light bundle for the chest")
    parser.add_argument("--copies", type=int, default=1_000)
    parser.add_argument("--objects", type=int, default=1_000_000, help="files of the large tree, and objects of the store")
    parser.add_argument("--results", type=Path, default=HERE / "SCALE_RESULTS.md")
    return parser.parse_args()


def goals(many: Scale, small: Scale, large: Scale) -> list[tuple[str, str, bool]]:
    """What was asked for, what is, and whether that is met."""
    first = max(run.first_row_s for run in (many, small, large))
    peak = max(run.peak_mib for run in (many, small, large))
    return [
        (f"first row within {GOAL_FIRST_ROW_S:.0f} s", f"{first:.2f} s", first <= GOAL_FIRST_ROW_S),
        (f"peak of at most {GOAL_PEAK_MIB} MiB", f"{peak:.0f} MiB", peak <= GOAL_PEAK_MIB),
        (
            f"no more memory for {large.objects:,} objects than for {small.objects:,}",
            f"{large.peak_mib:.0f} and {small.peak_mib:.0f} MiB",
            large.peak_mib <= small.peak_mib * SAME_PEAK,
        ),
    ]


def document(runs: list[Scale], judged: list[tuple[str, str, bool]], model: str) -> str:
    """The text of SCALE_RESULTS.md."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True).stdout.strip()
    load = os.getloadavg()[0]
    lines = "\n".join(run.line() for run in runs)
    return "\n\n".join([
        "# Results of the benchmark of size",
        f"Written by `make bench-scale` (`python tests/bench/scale.py`) on {datetime.date.today()}, commit {commit}. README.md says what each figure is.",
        f"- Machine: {report.machine()}",
        f"- Bundle {model}; Python {platform.python_version()}; load average at the end {load:.1f}",
        "## Goals",
        report.table(["goal", "found", ""], [[goal, found, "met" if met else "**missed**"] for goal, found, met in judged]),
        f"```\n{lines}\n```",
    ])


def main() -> None:
    """Measures, prints, and writes the results."""
    arguments = parse()
    files = template()
    runs = []

    def told(one: Scale) -> Scale:
        print(one.line(), flush=True)
        runs.append(one)
        return one

    with tempfile.TemporaryDirectory(prefix="bolus-scale-") as scratch:
        few = max(1, arguments.copies // 10)
        many = told(label(arguments, Path(scratch), files, arguments.copies, arguments.copies * SLICES))
        small = told(label(arguments, Path(scratch), files, few, max(10_000, few * SLICES)))
        large = told(label(arguments, Path(scratch), files, few, arguments.objects))
    told(listing(arguments, arguments.objects))
    judged = goals(many, small, large)
    arguments.results.write_text(document(runs, judged, arguments.model) + "\n")
    for goal, found, met in judged:
        print(f"scale goal={'met' if met else 'missed'}: {goal}; found {found}")
    sys.exit(0 if all(met for *_, met in judged) else 1)


if __name__ == "__main__":
    main()
