"""Turns measured runs into the table of RESULTS.md and the lines that `make bench` ends with."""

import argparse
import datetime
import importlib.metadata
import os
import platform
import statistics
import subprocess
from pathlib import Path

LIBRARIES = ["numpy", "onnxruntime", "pyarrow", "pydicom", "pyjpegls", "pylibjpeg-openjpeg", "SimpleITK"]


def wall(run) -> float:
    """Seconds of the whole process."""
    return run.wall_seconds


def peak(run) -> float:
    """Peak resident memory in MiB."""
    return run.peak_mib


def net_of_start(run) -> float:
    """Seconds of a bolus process without its one-off start-up (loading and checking the network)."""
    return run.wall_seconds - run.last["startup_seconds"]


def stages(run) -> float:
    """Seconds of the reference's stages: interpreter start, imports and loading the network are left out."""
    seconds = run.last["seconds"]
    return sum(seconds.values()) - seconds["load"]


def ratios(case) -> dict[str, float]:
    """The ratios of one case, of medians; README.md defines each."""
    ours, ours_net = case.median("ours", wall), case.median("ours", net_of_start)
    skip_net = case.median("ours_skip", net_of_start)
    alone = statistics.median(case.alone)
    return {
        "pre_inference_x": case.median("reference_skip", stages) / skip_net,
        "pre_inference_needed_x": case.median("reference_needed_skip", stages) / skip_net,
        "pre_inference_process_x": case.median("reference_skip", wall) / case.median("ours_skip", wall),
        "whole_x": case.median("reference", wall) / ours,
        "whole_net_x": case.median("reference", stages) / ours_net,
        "over_inference": ours / alone,
        "over_inference_net": ours_net / alone,
    }


def line(case) -> str:
    """The last word on one case."""
    ratio = ratios(case)
    return (
        f"bench codec={case.codec} slices={case.slices} pre_inference_x={ratio['pre_inference_x']:.2f} "
        f"whole_x={ratio['whole_x']:.2f} over_inference={ratio['over_inference']:.2f} peak_mib={case.median('ours', peak):.0f}"
    )


def table(head: list[str], rows: list[list]) -> str:
    """A markdown table; numbers with two decimals."""

    def cell(value):
        return f"{value:.2f}" if isinstance(value, float) else str(value)

    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(map(cell, row)) + " |" for row in rows])


def reference_table(cases) -> str:
    """The seconds of the reference and of ONNX Runtime alone."""

    def stage(case, kind, name):
        return case.median(kind, lambda run: run.last["seconds"][name])

    head = ["codec", "slices", "process", "read and decode", "preprocess", "load network", "inference", "write"]
    head += ["all but inference", "same, needed slices only", "ONNX Runtime alone", "peak MiB"]
    rows = []
    for case in cases:
        parts = [stage(case, "reference", name) for name in ("read_decode", "preprocess", "load", "inference", "write")]
        skips = [case.median("reference_skip", stages), case.median("reference_needed_skip", stages)]
        row = [case.codec, case.slices, case.median("reference", wall), *parts, *skips, statistics.median(case.alone)]
        rows.append([*row, round(case.median("reference", peak))])
    return table(head, rows)


def ours_table(cases) -> str:
    """The seconds of bolus."""
    head = ["codec", "slices", "process", "start-up of it", "process, no inference", "start-up of it"]
    head += ["first label", "peak MiB", "difference of the probability"]
    rows = []
    for case in cases:
        row = [case.codec, case.slices]
        for kind in ("ours", "ours_skip"):
            row += [case.median(kind, wall), case.median(kind, lambda run: float(run.last["startup_seconds"]))]
        first = case.median("ours", lambda run: run.first_series_seconds or float("nan"))
        rows.append([*row, first, round(case.median("ours", peak)), f"{case.difference:.1e}"])
    return table(head, rows)


def ratio_table(cases) -> str:
    """The ratios."""
    return table(["codec", "slices", *ratios(cases[0])], [[case.codec, case.slices, *ratios(case).values()] for case in cases])


def memory_table(memory) -> str:
    """Peak memory and first label of the runs that are for these only."""
    head = ["input", "seconds", "first label", "peak MiB"]
    return table(head, [[name, wall(run), run.first_series_seconds or float("nan"), round(peak(run))] for name, run in memory.items()])


def machine() -> str:
    """Processor, cores and memory."""
    model = platform.processor() or platform.machine()
    for entry in Path("/proc/cpuinfo").read_text().splitlines():
        if entry.startswith("model name"):
            model = entry.split(":", 1)[1].strip()
            break
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {len(os.sched_getaffinity(0))} cores, {gib:.0f} GiB, {platform.system()} {platform.release()}"


def document(cases, memory, sweep, batch, arguments: argparse.Namespace, repeat: int, commit: str) -> str:
    """The whole of RESULTS.md."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    options = f" --repeat {repeat}" if repeat != 3 else ""
    parts = [
        "# Results of the benchmark",
        f"Written by `make bench` (`python tests/bench/run.py{options}`) on {datetime.date.today()}, commit {commit}. README.md says what each column is.",
        f"- Machine: {machine()}; load average at the end {os.getloadavg()[1]:.1f} (5 minutes)",
        f"- Python {platform.python_version()}, {versions}",
    ]
    if arguments.bolus:
        version = subprocess.run([arguments.bolus, "--version"], capture_output=True, text=True).stdout.strip()
        parts.append(f"- {version}")
    parts.append(f"- Bundle {arguments.bundle.name}; medians of {repeat}; all times in seconds; files in the page cache")
    parts += ["## Reference, and ONNX Runtime alone", reference_table(cases)]
    shown = ", ".join(f"{size}: {statistics.median(seconds):.2f}" for size, seconds in sweep.items())
    parts.append(f"ONNX Runtime alone by batch size: {shown}; best {batch}, which the table uses.")
    if arguments.bolus:
        parts += ["## Bolus", ours_table(cases), "## Ratios", ratio_table(cases)]
    if memory:
        parts += ["## Memory, and the first label", memory_table(memory)]
    if arguments.bolus:
        parts.append("```\n" + "\n".join(line(case) for case in cases) + "\n```")
    return "\n\n".join(parts)
