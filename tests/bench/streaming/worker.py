"""`bolus-worker` as an operator runs it, in a process that is always ended."""

import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

from .servers import REPOSITORY, Servers

START_SECONDS = 120
DRAIN_SECONDS = 60
CONFIG = """\
lake.url = "s3://{bucket}/{lake}"
kafka.servers = "{kafka}"
topics = {{ live = ["{topic}"], backfill = [] }}
consumer.group = "{group}"
model = {{ name = "{model}", folders = ["models", "tests/data/bundles"], device = "cpu" }}
flush.interval = "{flush}"
http.listen = "127.0.0.1:0"
"""


class Worker:
    """One worker; all that is not named here is as the program has it by itself."""

    count = 0

    def __init__(
        self, program: Path, servers: Servers, *, topic: str, lake: str, model: str, flush: str = "5s", endpoint: str | None = None
    ):
        Worker.count += 1
        stem = servers.folder / f"worker-{Worker.count}"
        self.log = stem.with_suffix(".log")
        # A group of its own for each lake: progress is kept under its name.
        text = CONFIG.format(
            bucket=servers.bucket, lake=lake, kafka=servers.kafka, topic=topic, group=topic, model=model, flush=flush
        )
        stem.with_suffix(".toml").write_text(text)
        self.command = [str(program), "--config", str(stem.with_suffix(".toml"))]
        self.environment = servers.aws(endpoint) | {"RUST_LOG": "info"}
        self.lake = lake

    def __enter__(self):
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                self.command, cwd=REPOSITORY, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(DRAIN_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def check(self) -> None:
        """Raises where it has ended."""
        if self.process.poll() is not None:
            raise RuntimeError(f"bolus-worker has ended with {self.process.returncode}:\n{self.log.read_text()[-4000:]}")

    def metrics(self) -> dict[str, float]:
        """The metrics by their name and labels as they are told, without what all names begin with."""
        address = re.search(r"are served.*?address=(\S+)", self.log.read_text())
        if address is None:
            return {}
        with urllib.request.urlopen(f"http://{address[1]}/metrics", timeout=10) as answer:
            lines = [line for line in answer.read().decode().splitlines() if line and not line.startswith("#")]
        return {name.removeprefix("bolus_worker_"): float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    def cpu_seconds(self) -> float:
        """What it has used of the processors."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100.0


def wait_until_assigned(workers: list[Worker], partitions: int) -> None:
    """Waits until the workers share out the partitions evenly and have begun to read them."""
    begin = time.perf_counter()
    while time.perf_counter() - begin < START_SECONDS:
        for worker in workers:
            worker.check()
        held = [worker.metrics().get("partitions", 0) for worker in workers]
        if held == [partitions / len(workers)] * len(workers):
            # The gauge is set at most a second after the assignment; its first fetch is on its way by then.
            time.sleep(1.0)
            return
        time.sleep(0.2)
    raise RuntimeError(f"the workers hold {held} of {partitions} partitions after {START_SECONDS} s")
