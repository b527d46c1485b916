"""What the worker labels in a second, against `bolus label` on the same objects."""

import resource
import statistics
import time
from dataclasses import dataclass

import generate
import measure

from . import lake, studies
from .finding import Bench, Busy, Finding, spread
from .servers import PARTITIONS, REPOSITORY
from .worker import wait_until_assigned

SLICES = 200
CODECS = ["jpeg-ls", "uncompressed"]
STUDIES_A_CODEC, QUICK_STUDIES_A_CODEC = 14, 2
# As often as `bolus label` commits; the wait for the last commit counts as the worker's time.
FLUSH = "1s"
GOAL = 0.9
SECONDS_A_STUDY = 60
FOLDER = "studies/throughput"


@dataclass
class Run:
    """One pass over all studies."""

    seconds: float  # until the last label was in the lake
    busy: float  # share of the machine's processors in use, by anybody
    cpu_seconds: float  # of the worker or of `bolus label` alone, its start-up included only for the latter
    rows: list[dict]  # what is compared


def rows_of(bench: Bench, name: str) -> list[dict]:
    """The labels of a lake in the order of their keys, with what the network said of each slice."""
    columns = "row_key, status, series_instance_uid, probability, raw_probability, slices, files"
    return lake.sql(bench.bolus, bench.lake(name), bench.servers.aws(), f"SELECT {columns} FROM labels ORDER BY row_key")


def by_worker(bench: Bench, prefixes: list[str], name: str) -> Run:
    """A worker that waits for events, from the first event on."""
    topic = bench.servers.topic(name)
    log = lake.Log(bench.servers.path(f"lakes/{name}"))
    with bench.worker(name, model="chest-lite", flush=FLUSH) as worker:
        wait_until_assigned([worker], PARTITIONS)
        used = worker.cpu_seconds()
        with Busy() as busy:
            begin = time.perf_counter()
            bench.servers.send(topic, [studies.event(bench.servers.bucket, prefix) for prefix in prefixes])
            last = log.wait_for(len(prefixes), worker.check, SECONDS_A_STUDY * len(prefixes))
        used = worker.cpu_seconds() - used
    return Run(last.seen - begin, busy.share, used, rows_of(bench, name))


def by_label(bench: Bench, name: str) -> Run:
    """`bolus label`, from the end of its start-up on."""
    command = [bench.bolus, "label", f"s3://{bench.servers.bucket}/{FOLDER}", "--lake", bench.lake(name)]
    command += ["--json", "--device", "cpu", "--model", "chest-lite"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with Busy() as busy:
        run = measure.run(command, cwd=REPOSITORY, environment=bench.servers.aws())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(run.wall_seconds - run.last["startup_seconds"], busy.share, used, rows_of(bench, name))


def check(runs: list[Run], count: int) -> None:
    """Every run has labelled every study, and all have the same probabilities, bit for bit."""
    for run in runs:
        labelled = sum(row["status"] == "labelled" for row in run.rows)
        if labelled != count or len(run.rows) != count:
            raise RuntimeError(f"{labelled} of {count} studies are labelled, in {len(run.rows)} rows")
        if run.rows != runs[0].rows:
            raise RuntimeError("the worker and bolus label do not agree to the bit")


def run(bench: Bench) -> Finding:
    """Both in turn, `repeat` times."""
    count = QUICK_STUDIES_A_CODEC if bench.quick else STUDIES_A_CODEC
    prefixes = []
    for codec in CODECS:
        own = [f"{FOLDER}/{codec}-{number:02}" for number in range(count)]
        bench.servers.put_all(studies.copies(generate.series(bench.series, codec, SLICES), own))
        prefixes += own
    # As an archive mixes them.
    prefixes.sort(key=lambda prefix: prefix.rsplit("-", 1)[1])
    workers, labels = [], []
    for turn in range(bench.repeat):
        workers.append(by_worker(bench, prefixes, f"throughput-worker-{turn}"))
        labels.append(by_label(bench, f"throughput-label-{turn}"))
    check(workers + labels, len(prefixes))
    worker, label = (statistics.median(run.seconds for run in runs) for runs in (workers, labels))
    values = {
        "ratio": label / worker,
        "worker_slices_s": SLICES * len(prefixes) / worker,
        "label_slices_s": SLICES * len(prefixes) / label,
        "studies": len(prefixes),
        "rows_equal": "yes",
    }
    details = [
        f"{who}: {spread(run.seconds for run in runs)} s, processor time {spread(run.cpu_seconds for run in runs)} s; "
        f"the machine's processors {statistics.median(run.busy for run in runs):.0%} busy"
        for who, runs in [("worker", workers), ("bolus label", labels)]
    ]
    met = None if bench.quick else label / worker >= GOAL
    return Finding("throughput", values, f"ratio ≥ {GOAL}", met, details)
