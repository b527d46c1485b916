"""Two workers against one where the store is far away, with a network that costs nothing."""

import statistics
import time
from contextlib import ExitStack

from . import lake, studies
from .finding import Bench, Busy, Finding, spread
from .servers import PARTITIONS, SlowStore
from .worker import wait_until_assigned

STUDIES, QUICK_STUDIES = 1_200, 120
DELAY_MS = 50
FLUSH = "1s"
GOAL = 1.7
SECONDS_A_STUDY = 2


def timed(bench: Bench, endpoint: str, prefixes: list[str], workers: int, name: str) -> tuple[float, float]:
    """Seconds from the first event to the last commit, and the share of the processors in use."""
    topic = bench.servers.topic(name)
    log = lake.Log(bench.servers.path(f"lakes/{name}"))
    with ExitStack() as stack:
        started = []
        for _ in range(workers):
            settings = {"model": "cheap", "flush": FLUSH, "endpoint": endpoint}
            started.append(stack.enter_context(bench.worker(name, **settings)))
            # One after the other, so that they do not make the lake at the same time.
            wait_until_assigned(started, PARTITIONS)
        with Busy() as busy:
            begin = time.perf_counter()
            bench.servers.send(topic, [studies.event(bench.servers.bucket, prefix) for prefix in prefixes])

            def check():
                for worker in started:
                    worker.check()

            last = log.wait_for(len(prefixes), check, SECONDS_A_STUDY * len(prefixes))
    if log.rows != len(prefixes):
        raise RuntimeError(f"{log.rows} rows of {len(prefixes)} studies")
    return last.seen - begin, busy.share


def run(bench: Bench) -> Finding:
    """One and two in turn, `repeat` times."""
    prefixes = [f"studies/scaling/{number:04}" for number in range(QUICK_STUDIES if bench.quick else STUDIES)]
    bench.servers.put_all(studies.tiny(prefixes))
    runs: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    with SlowStore(bench.programs / "examples/slow_store", bench.servers, DELAY_MS) as endpoint:
        for turn in range(bench.repeat):
            for workers in runs:
                runs[workers].append(timed(bench, endpoint, prefixes, workers, f"scaling-{workers}-{turn}"))
    one, two = (statistics.median(seconds for seconds, _ in runs[workers]) for workers in (1, 2))
    values = {
        "scaling": one / two,
        "one_studies_s": len(prefixes) / one,
        "two_studies_s": len(prefixes) / two,
        "delay_ms": DELAY_MS,
        "studies": len(prefixes),
    }
    details = [
        f"{workers}: {spread(seconds for seconds, _ in runs[workers])} s, "
        f"processors {statistics.median(busy for _, busy in runs[workers]):.0%} busy"
        for workers in runs
    ]
    return Finding("scaling", values, f"scaling ≥ {GOAL}", None if bench.quick else one / two >= GOAL, details)
