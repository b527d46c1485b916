"""Runs one process and measures it from outside: wall time, peak memory, and when each line of its output came."""

import json
import subprocess
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

# The kernel keeps the high-water mark itself, so a sample misses only what a process grows in its last moments.
SAMPLE_SECONDS = 0.01


@dataclass
class Measured:
    """One finished run."""

    wall_seconds: float
    peak_mib: float
    lines: list[dict] = field(default_factory=list)  # the JSON objects of standard output
    first_series_seconds: float | None = None  # start of the process to the first line of type `series`

    @property
    def last(self) -> dict:
        """The last JSON object."""
        return self.lines[-1]


class PeakMemory(threading.Thread):
    """Follows the resident high-water mark (VmHWM) of one process until it ends."""

    def __init__(self, pid: int):
        super().__init__(daemon=True)
        self.status = Path(f"/proc/{pid}/status")
        self.mib = 0.0
        self.stop = threading.Event()

    def run(self):
        while not self.stop.wait(SAMPLE_SECONDS):
            try:
                text = self.status.read_text()
            except OSError:
                return
            for line in text.splitlines():
                if line.startswith("VmHWM:"):
                    self.mib = max(self.mib, int(line.split()[1]) / 1024)


def run(command: list, cwd: Path | None = None, accepted=(0,), environment: dict | None = None) -> Measured:
    """Runs `command`, which prints JSON lines; raises with its error output where its exit status is not `accepted`."""
    with tempfile.TemporaryFile("w+") as errors:
        begin = perf_counter()
        words = list(map(str, command))
        process = subprocess.Popen(words, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)
        memory = PeakMemory(process.pid)
        memory.start()
        lines, first = [], None
        for line in process.stdout:
            lines.append(json.loads(line))
            if first is None and lines[-1].get("type") == "series":
                first = perf_counter() - begin
        status = process.wait()
        wall = perf_counter() - begin
        memory.stop.set()
        memory.join()
        if status not in accepted or not lines:
            errors.seek(0)
            shown = " ".join(map(str, command))
            raise RuntimeError(f"{shown} ended with status {status}:\n{errors.read()[-4000:]}")
    return Measured(wall, memory.mib, lines, first)
