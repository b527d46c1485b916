"""The benchmark of streaming: the worker against its goals, on real servers that it starts and ends itself.

See README.md beside this file for what is measured and how. `make bench-stream` calls this.
"""

import argparse
import dataclasses
import datetime
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import report
from streaming import contention, duplicates, latency, scaling, throughput
from streaming.finding import Bench, Finding
from streaming.servers import REPOSITORY, Servers

HERE = Path(__file__).resolve().parent
PARTS = {
    "throughput": throughput.run,
    "latency": latency.run,
    "scaling": scaling.run,
    "duplicates": duplicates.run,
    "contention": contention.run,
}


def parse() -> argparse.Namespace:
    """The arguments."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bolus"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=Path, default=cache / "target/release", help="where bolus, bolus-worker and examples/ are")
    parser.add_argument("--series", type=Path, default=cache / "bench", help="where generated series are kept, and a run's servers")
    parser.add_argument("--part", choices=PARTS, action="append", help="measure this alone, and keep the others' results")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--contention-seconds", type=int, default=600)
    parser.add_argument("--quick", action="store_true", help="short forms, once each; STREAM_RESULTS.md untouched")
    parser.add_argument("--note", default="", help="what the results have to say of the circumstances")
    parser.add_argument("--results", type=Path, default=HERE / "STREAM_RESULTS.md")
    arguments = parser.parse_args()
    for program in ["bolus", "bolus-worker", "examples/slow_store", "examples/contention"]:
        if not (arguments.programs / program).is_file():
            parser.error(f"{arguments.programs / program} is not built: see infra/bench-stream")
    return arguments


def commit() -> str:
    """The commit that is checked out."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True).stdout.strip()


def measure_parts(arguments: argparse.Namespace) -> list[Finding]:
    """Runs the parts one after the other on the same servers."""
    # The programs are of this one, whatever is checked out later.
    built, findings = commit(), []
    arguments.series.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.series, prefix="stream-") as scratch, Servers(Path(scratch)) as servers:
        bench = Bench.of(arguments, servers)
        for name in arguments.part or PARTS:
            begin, load = time.perf_counter(), os.getloadavg()[0]
            print(f"stream: {name}", file=sys.stderr)
            finding = PARTS[name](bench)
            notes = [f"commit {built}", f"load average {load:.1f} before it", arguments.note]
            finding.circumstances = ", ".join(filter(None, notes))
            print(f"{finding.line()} ({time.perf_counter() - begin:.0f} s)", file=sys.stderr)
            findings.append(finding)
    return findings


def with_earlier(findings: list[Finding], path: Path) -> list[Finding]:
    """The findings of all parts: those that were not measured now as they were last time."""
    known = {entry["what"]: entry for entry in json.loads(path.read_text())} if path.exists() else {}
    known |= {finding.what: dataclasses.asdict(finding) for finding in findings}
    path.write_text(json.dumps(list(known.values())))
    return [Finding(**known[name]) for name in PARTS if name in known]


def document(findings: list[Finding], repeat: int) -> str:
    """The text of STREAM_RESULTS.md."""
    head = [
        "# Results of the benchmark of streaming",
        f"Written by `make bench-stream` (`python tests/bench/stream.py`) on {datetime.date.today()}. README.md says what each figure is.",
        f"- Machine: {report.machine()}",
        f"- Apache Kafka, versitygw and the benchmark itself run on the same machine; Python {platform.python_version()}; medians of {repeat}",
    ]
    verdict = {True: "met", False: "**missed**", None: "not judged"}
    rows = [[finding.what, finding.figures(), finding.goal, verdict[finding.met]] for finding in findings]
    details = [f"- {finding.what}: {detail}" for finding in findings for detail in [finding.circumstances, *finding.details]]
    lines = "\n".join(finding.line() for finding in findings)
    behind = "\n".join(details)
    parts = [*head, "## Goals", report.table(["what", "figures", "goal", ""], rows), "## Behind the figures", behind]
    return "\n\n".join([*parts, f"```\n{lines}\n```"])


def main() -> None:
    """Measures, prints, and writes the results."""
    arguments = parse()
    # So that a run that is told to end ends its servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    findings = measure_parts(arguments)
    if not arguments.quick:
        every = with_earlier(findings, arguments.series / "stream-findings.json")
        arguments.results.write_text(document(every, arguments.repeat) + "\n")
    for finding in findings:
        print(finding.line())


if __name__ == "__main__":
    main()
