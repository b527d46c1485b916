"""Runs a program on hostile input, under limits of memory and time, and says how it ended."""

import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading
import time

# How often a child's memory is looked at. Its peak is the kernel's own, so only what it takes in its last moment is missed.
# (The peak that `wait4` tells is no use: it holds that of this process before the child was one of its own.)
LOOK_S = 0.01


@dataclasses.dataclass
class Ended:
    """How a child ended."""

    status: int
    output: str
    peak_mb: float
    seconds: float
    over_memory: bool = False
    over_time: bool = False

    @property
    def aborted(self):
        """Killed by a signal that was not ours, or ended by a panic (101)."""
        ours = self.over_memory or self.over_time
        return not ours and (self.status < 0 or self.status in (101, 134, 139))


@dataclasses.dataclass
class Limits:
    memory_mb: float = 700
    seconds: float = 60


def run(command, limits, *, env=None, stdin=None):
    """Runs `command` to its end, or until it breaks a limit."""
    with tempfile.TemporaryFile() as output:
        start = time.monotonic()
        child = subprocess.Popen(
            [str(part) for part in command],
            stdin=stdin or subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
        ended = Ended(0, "", 0, 0)
        watch = threading.Thread(target=_watch, args=(child.pid, limits, start, ended))
        watch.start()
        ended.status = child.wait()
        ended.seconds = time.monotonic() - start
        watch.join()
        output.seek(0)
        ended.output = output.read().decode("utf-8", "backslashreplace")
    return ended


def _watch(pid, limits, start, ended):
    while True:
        peak = peak_mb(pid)
        if peak is None:
            return
        ended.peak_mb = max(ended.peak_mb, peak)
        ended.over_memory |= peak > limits.memory_mb
        ended.over_time |= time.monotonic() - start > limits.seconds
        if ended.over_memory or ended.over_time:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            return
        time.sleep(LOOK_S)


def peak_mb(pid):
    """The most that process `pid` has held; none where it has ended."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found.group(1)) / 1024 if found else None


@dataclasses.dataclass
class Case:
    """One case: `check` runs it and gives how it ended, and what is wrong with that (none where nothing is)."""

    name: str
    item: int
    check: callable


CASES = []


def case(item, name=None):
    """Registers a case of item `item` of the list of attacks. It takes the world and gives (Ended, problem or None)."""

    def register(check):
        CASES.append(Case(name or check.__name__.replace("_", "-"), item, check))
        return check

    return register
