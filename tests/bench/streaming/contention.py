"""Many writers of one table, without any labelling: what they lose to each other, and that nothing is lost or there twice."""

import subprocess

from .finding import Bench, Finding
from .servers import REPOSITORY

WORKERS = 50
QUICK_SECONDS = 20
# Of all workers together, as the design has it: the log of a table takes about one commit a second.
PACE = 1.5
# The share of the time in which they race as fast as they can besides, so that there are conflicts to resolve.
UNPACED = 0.1


def race(bench: Bench, seconds: float, pace: float) -> dict[str, str]:
    """What the lake's own example counts."""
    command = [bench.programs / "examples/contention", "race", "s3", "--workers", WORKERS]
    command += ["--seconds", seconds, "--rate", pace]
    environment = bench.servers.aws() | bench.servers.environment
    result = subprocess.run(
        list(map(str, command)), cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True, timeout=seconds + 300
    )
    # It ends with 1 where something is lost or doubled, which its line says.
    if result.returncode not in (0, 1) or not result.stdout.startswith("contention "):
        raise RuntimeError(f"the race ended with status {result.returncode}: {result.stdout}")
    return dict(pair.split("=", 1) for pair in result.stdout.split()[1:])


def run(bench: Bench) -> Finding:
    """One race at the pace of group commits, and a shorter one without any."""
    seconds = QUICK_SECONDS if bench.quick else bench.contention_seconds
    paced, unpaced = race(bench, seconds, PACE), race(bench, seconds * UNPACED, 0)
    names = ["workers", "seconds", "commits", "rows", "lost", "duplicated", "conflicts", "p50_ms", "p99_ms", "max_ms"]
    values: dict[str, object] = {name: paced[name] for name in names}
    values |= {f"unpaced_{name}": unpaced[name] for name in ["commits", "lost", "duplicated", "conflicts"]}
    met = all(values[name] == "0" for name in values if name.endswith(("lost", "duplicated")))
    details = [
        f"{who}: {' '.join(f'{name}={value}' for name, value in told.items())}"
        for who, told in [(f"all together {PACE} commits a second", paced), ("as fast as they can", unpaced)]
    ]
    return Finding("contention", values, "nothing lost or duplicated", met, details)
