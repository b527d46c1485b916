"""The servers of one run, on free ports of the loopback interface: Kafka, S3, and S3 from far away."""

import concurrent.futures
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import confluent_kafka

REPOSITORY = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(REPOSITORY / "tests/support"))

from s3_race import Client  # noqa: E402

CONNECTIONS = 4
PARTITIONS = 6


def infra(script: str, *arguments) -> str:
    """What a script of infra/ prints; its complaints go where ours go."""
    command = [str(REPOSITORY / "infra" / script), *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def exports(text: str) -> dict[str, str]:
    """The variables of lines `export NAME=VALUE`."""
    return dict(re.findall(r"^export (\w+)=(.*)$", text, re.MULTILINE))


class Servers:
    """Started on entry, ended on exit whatever happens between."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.local = threading.local()
        self.environment: dict[str, str] = {}
        self.producer = None

    def __enter__(self):
        try:
            self.environment |= exports(infra("s3-server", "start", self.folder / "s3"))
            self.environment |= exports(infra("kafka-server", "start", self.folder / "kafka"))
        except BaseException:
            self.__exit__()
            raise
        # Each message leaves at once, as those of a store or of the assembler do; a burst still shares requests.
        settings = {"bootstrap.servers": self.kafka, "acks": "all", "enable.idempotence": True, "linger.ms": 0}
        self.producer = confluent_kafka.Producer(settings | {"log_level": 3})
        return self

    def __exit__(self, *_):
        self.producer = None
        for script, name in [("kafka-server", "kafka"), ("s3-server", "s3")]:
            infra(script, "stop", self.folder / name)

    @property
    def kafka(self) -> str:
        """The broker's address."""
        return self.environment["BOLUS_TEST_KAFKA_SERVERS"]

    @property
    def bucket(self) -> str:
        """The one bucket, for studies and lakes."""
        return self.environment["BOLUS_TEST_S3_BUCKET"]

    @property
    def endpoint(self) -> str:
        """The S3 server's URL."""
        return self.environment["BOLUS_TEST_S3_ENDPOINT"]

    def aws(self, endpoint: str | None = None) -> dict[str, str]:
        """The environment in which a program finds the S3 server, or `endpoint` before it."""
        names = {"AWS_REGION": "REGION", "AWS_ACCESS_KEY_ID": "ACCESS_KEY", "AWS_SECRET_ACCESS_KEY": "SECRET_KEY"}
        keys = {ours: self.environment[f"BOLUS_TEST_S3_{theirs}"] for ours, theirs in names.items()}
        return os.environ | keys | {"AWS_ENDPOINT_URL": endpoint or self.endpoint}

    def path(self, key: str) -> Path:
        """Where the S3 server keeps an object or a folder: its data are a folder, so a look costs no request."""
        return self.folder / "s3/data" / self.bucket / key

    def topic(self, name: str) -> str:
        """Makes a topic."""
        infra("kafka-topics", self.kafka, f"{name}={PARTITIONS}")
        # So that the first message does not wait for the topic to be looked up.
        self.producer.list_topics(name, timeout=10)
        return name

    def put(self, key: str, body: bytes) -> None:
        """Uploads one object."""
        if not hasattr(self.local, "client"):
            self.local.client = Client(self.environment)
        status, _, answer = self.local.client.request("PUT", key, body=body)
        if status != 200:
            raise RuntimeError(f"PUT {key} was answered with {status}: {answer.decode(errors='replace')}")

    def put_all(self, objects) -> None:
        """Uploads pairs of key and body; no more bodies are made than are on their way."""
        with concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool:
            waiting: set = set()
            for key, body in objects:
                if len(waiting) == 2 * CONNECTIONS:
                    done, waiting = concurrent.futures.wait(waiting, return_when="FIRST_COMPLETED")
                    [future.result() for future in done]
                waiting.add(pool.submit(self.put, key, body))
            [future.result() for future in waiting]

    def send(self, topic: str, messages: list[tuple[bytes, bytes]]) -> None:
        """Sends pairs of key and value, to the partitions in turn, and waits until the broker has them all."""
        refused = []

        def delivered(error, _message):
            if error is not None:
                refused.append(error)

        for number, (key, value) in enumerate(messages):
            self.producer.produce(topic, value, key, partition=number % PARTITIONS, on_delivery=delivered)
            self.producer.poll(0)
        self.producer.flush(60)
        if refused or len(self.producer):
            raise RuntimeError(f"{len(refused) + len(self.producer)} messages were not delivered: {refused[:1]}")


class SlowStore:
    """The S3 server behind a proxy that holds every request for `delay_ms`."""

    def __init__(self, program: Path, servers: Servers, delay_ms: int):
        self.command = [str(program), servers.endpoint.removeprefix("http://"), str(delay_ms)]

    def __enter__(self) -> str:
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self.process.stdout.readline().strip()

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)
