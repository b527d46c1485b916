"""Events of studies that the lake has already: how fast they go by."""

import statistics
import time

from . import lake, studies
from .finding import Bench, Finding, spread
from .servers import PARTITIONS
from .worker import Worker, wait_until_assigned

EVENTS, QUICK_EVENTS = 10_000, 1_000
RESENT, QUICK_RESENT = 2_000, 200
# A multiple of the partitions, so that all messages of one study go to one of them, as their key would have it.
STUDIES = 96
FLUSH = "1s"
GOAL = 5_000
TIMEOUT = 600


class Drain:
    """Sends messages and times them until the lake has them behind it."""

    def __init__(self, bench: Bench, topic: str):
        self.bench, self.topic, self.sent = bench, topic, 0
        self.log = lake.Log(bench.servers.path(f"lakes/{topic}"))

    def __call__(self, worker: Worker, messages: list[tuple[bytes, bytes]]) -> float:
        """Events a second, from the first send to the commit that has the last of them behind it."""
        self.sent += len(messages)
        begin = time.perf_counter()
        self.bench.servers.send(self.topic, messages)
        return len(messages) / (self.log.wait_for(self.sent, worker.check, TIMEOUT).seen - begin)


def run(bench: Bench) -> Finding:
    """The same messages again, to a worker that has just started and to one that runs; then new messages of the same studies."""
    name = bench.servers.topic("duplicates")
    prefixes = [f"studies/duplicates/{number:03}" for number in range(STUDIES)]
    bench.servers.put_all(studies.tiny(prefixes))

    def messages(count: int) -> list[tuple[bytes, bytes]]:
        return [studies.event(bench.servers.bucket, prefixes[number % STUDIES]) for number in range(count)]

    drain, first = Drain(bench, name), messages(STUDIES)
    with bench.worker(name, model="cheap", flush=FLUSH) as worker:
        wait_until_assigned([worker], PARTITIONS)
        drain(worker, first)
    count, new = (QUICK_EVENTS, QUICK_RESENT) if bench.quick else (EVENTS, RESENT)
    again = [first[number % STUDIES] for number in range(count)]
    restarted, running, resent = [], [], []
    for _ in range(bench.repeat):
        with bench.worker(name, model="cheap", flush=FLUSH) as worker:
            wait_until_assigned([worker], PARTITIONS)
            restarted.append(drain(worker, again))
            running.append(drain(worker, again))
            resent.append(drain(worker, messages(new)))
    if drain.log.rows != STUDIES:
        raise RuntimeError(f"{drain.log.rows} rows of {STUDIES} studies")
    values = {
        "events_s": statistics.median(running),
        "after_restart_events_s": statistics.median(restarted),
        "resent_events_s": statistics.median(resent),
        "events": count,
        "flush_interval_s": 1.0,
    }
    details = [
        f"the same {count} messages to a worker that runs: {spread(running)} a second, to one that has just started: {spread(restarted)}",
        f"{new} messages with ids of their own, so that each is listed and its headers are read: {spread(resent)} a second",
    ]
    met = None if bench.quick else values["events_s"] >= GOAL
    return Finding("duplicates", values, f"events_s ≥ {GOAL}", met, details)
