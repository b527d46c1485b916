"""From the event of one small study to its label in the lake, on an idle system."""

import statistics
import time

from . import lake, studies
from .finding import Bench, Finding, spread
from .servers import PARTITIONS, REPOSITORY
from .worker import wait_until_assigned

SERIES = REPOSITORY / "tests/data/series/chest-noncontrast-every10th"
STUDIES, QUICK_STUDIES = 12, 3
FLUSH_SECONDS = 5.0
BEYOND_FLUSH = 1.5
IDLE_SECONDS = 1.0


def stage_seconds(metrics: dict[str, float], stage: str) -> float:
    """The mean time of a stage."""
    of = f'{{stage="{stage}"}}'
    return metrics.get(f"stage_seconds_sum{of}", 0.0) / max(metrics.get(f"stage_seconds_count{of}", 0.0), 1.0)


def run(bench: Bench) -> Finding:
    """One study after the other; the worker's own flush interval."""
    count = QUICK_STUDIES if bench.quick else STUDIES
    name = bench.servers.topic("latency")
    prefixes = [f"studies/latency/{number:02}" for number in range(count)]
    bench.servers.put_all(studies.copies(SERIES, prefixes))
    log = lake.Log(bench.servers.path(f"lakes/{name}"))
    seconds = []
    with bench.worker(name, model="chest-lite", flush=f"{FLUSH_SECONDS:.0f}s") as worker:
        wait_until_assigned([worker], PARTITIONS)
        for number, prefix in enumerate(prefixes):
            message = studies.event(bench.servers.bucket, prefix)
            begin = time.perf_counter()
            bench.servers.send(name, [message])
            seconds.append(log.wait_for(number + 1, worker.check, 60).seen - begin)
            time.sleep(IDLE_SECONDS)
        metrics = worker.metrics()
    if log.rows != count:
        raise RuntimeError(f"{log.rows} rows of {count} studies")
    limit = FLUSH_SECONDS + BEYOND_FLUSH
    stages = {stage: stage_seconds(metrics, stage) for stage in ["list", "headers", "label", "commit"]}
    values = {
        "median_s": statistics.median(seconds),
        "max_s": max(seconds),
        "flush_interval_s": FLUSH_SECONDS,
        "work_s": sum(stages.values()),
        "studies": count,
    }
    details = [
        f"event to commit: {spread(seconds)} s; the worker shortens its flush interval by up to a fifth at random",
        "of which on average " + ", ".join(f"{stage} {mean:.3f} s" for stage, mean in stages.items()),
    ]
    return Finding("latency", values, f"max_s ≤ flush_interval_s + {BEYOND_FLUSH}", max(seconds) <= limit, details)
