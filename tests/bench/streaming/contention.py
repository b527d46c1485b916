"""Many writers of one table, without any labelling: what they lose to each other, and that nothing is lost or there twice."""

import subprocess

from .finding import Bench, Finding
from .servers import REPOSITORY

WORKERS = 50
QUICK_SECONDS = 20
# Of all workers together, as the design has it: the log of a table takes about one commit a second.
COMMITS_A_SECOND = 1.5


def race(bench: Bench, seconds: int) -> dict[str, str]:
    """What the lake's own example counts."""
    command = [bench.programs / "examples/contention", "race", "s3", "--workers", WORKERS]
    command += ["--seconds", seconds, "--rate", COMMITS_A_SECOND]
    environment = bench.servers.aws() | bench.servers.environment
    result = subprocess.run(
        list(map(str, command)), cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True, timeout=seconds + 300
    )
    # It ends with 1 where something is lost or doubled, which its line says.
    if result.returncode not in (0, 1) or not result.stdout.startswith("contention "):
        raise RuntimeError(f"the race ended with status {result.returncode}: {result.stdout}")
    return dict(pair.split("=", 1) for pair in result.stdout.split()[1:])


def run(bench: Bench) -> Finding:
    """One race."""
    told = race(bench, QUICK_SECONDS if bench.quick else bench.contention_seconds)
    shown = ["workers", "seconds", "commits", "rows", "lost", "duplicated", "conflicts", "p50_ms", "p99_ms", "max_ms"]
    met = told["lost"] == told["duplicated"] == "0"
    rest = " ".join(f"{name}={value}" for name, value in told.items() if name not in shown)
    details = [f"{rest}; all workers together pace themselves to {COMMITS_A_SECOND} commits a second"]
    return Finding("contention", {name: told[name] for name in shown}, "lost = duplicated = 0", met, details)
