"""A Kafka broker and an S3 server on this machine, and a worker that reads from them, for the cases that need them."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import urllib.request
import uuid

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(REPOSITORY / "tests/support"))

from s3_race import Client  # noqa: E402

PATIENCE_S = 60


class Servers:
    """Started once, ended by `close`."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = dict(os.environ)
        for name in ("s3-server", "kafka-server"):
            output = subprocess.run(
                [REPOSITORY / "infra" / name, "start", folder / name], check=True, stdout=subprocess.PIPE, text=True
            ).stdout
            for variable, quoted, plain in re.findall(r"(BOLUS_TEST_\w+)=(?:'([^']*)'|([^\s;]+))", output):
                self.environment[variable] = quoted or plain
        self.environment |= {
            "AWS_ENDPOINT_URL": self.environment["BOLUS_TEST_S3_ENDPOINT"],
            "AWS_ACCESS_KEY_ID": self.environment["BOLUS_TEST_S3_ACCESS_KEY"],
            "AWS_SECRET_ACCESS_KEY": self.environment["BOLUS_TEST_S3_SECRET_KEY"],
            "AWS_REGION": self.environment["BOLUS_TEST_S3_REGION"],
        }
        self.bucket = self.environment["BOLUS_TEST_S3_BUCKET"]
        self.store = Client(self.environment)
        from confluent_kafka import Producer
        from confluent_kafka.admin import AdminClient, NewTopic

        kafka = {"bootstrap.servers": self.environment["BOLUS_TEST_KAFKA_SERVERS"]}
        self.producer, self.admin, self.new_topic = Producer(kafka), AdminClient(kafka), NewTopic

    def put(self, key, data):
        status, _, body = self.store.request("PUT", key, body=data)
        if status != 200:
            raise RuntimeError(f"{key}: {status} {body!r}")

    def topic(self, name):
        for future in self.admin.create_topics([self.new_topic(name, 1, 1)]).values():
            future.result(PATIENCE_S)
        return name

    def publish(self, topic, payload):
        self.producer.produce(topic, payload)
        self.producer.flush(PATIENCE_S)

    def study(self, bucket, prefix):
        """A study event (schemas/study-event.v1.json)."""
        event = {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": "hostile",
            "type": "org.bolus.study.ready.v1",
            "datacontenttype": "application/json",
            "time": "2026-01-01T00:00:00Z",
            "data": {"bucket": bucket, "prefix": prefix},
        }
        return json.dumps(event).encode()

    def worker(self, world, name, topic, **more):
        return Worker(self, world, name, topic, more)

    def close(self):
        for name in ("s3-server", "kafka-server"):
            subprocess.run([REPOSITORY / "infra" / name, "stop", self.folder / name], check=False)


class Worker:
    """A worker on one topic, with a lake of its own in the bucket."""

    def __init__(self, servers, world, name, topic, more):
        self.servers, self.world = servers, world
        self.lake = f"s3://{servers.bucket}/{name}/lake"
        self.log_path = world.scratch(f"{name}.log")
        config = world.scratch(f"{name}.toml")
        config.write_text(
            f'lake.url = "{self.lake}"\nkafka.servers = "{servers.environment["BOLUS_TEST_KAFKA_SERVERS"]}"\n'
            f'topics = {{ live = ["{topic}"], backfill = [] }}\nconsumer = {{ group = "{name}", session_timeout = "6s" }}\n'
            f'model = {{ name = "cheap", folders = ["{REPOSITORY}/tests/data/bundles"], device = "cpu", threads = 2 }}\n'
            'flush.interval = "300ms"\nhttp.listen = "127.0.0.1:0"\n'
            'retry = { attempts = 2, first_pause = "50ms", longest_pause = "200ms" }\n'
        )
        self.log = open(self.log_path, "w")
        environment = {**servers.environment, **more}
        self.process = subprocess.Popen(
            [world.worker, "--config", config], env=environment, stdout=self.log, stderr=self.log
        )
        self.address = None

    def text(self):
        return re.sub("\x1b\\[[0-9;]*m", "", self.log_path.read_text(errors="replace"))

    def metric(self, name):
        if self.address is None:
            found = re.search(r"address=(\S+)", self.text())
            if not found:
                return 0.0
            self.address = found.group(1)
        try:
            with urllib.request.urlopen(f"http://{self.address}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            return 0.0
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(found.group(1)) if found else 0.0

    def until(self, condition, what):
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            found = condition()
            if found:
                return found
            if self.process.poll() is not None:
                raise RuntimeError(f"the worker ended with {self.process.returncode}: {self.text()[-500:]}")
            time.sleep(0.05)
        raise RuntimeError(f"not {what} within {PATIENCE_S} s: {self.text()[-500:]}")

    def rows(self, expected):
        """The lake's rows, once there are so many."""

        def look():
            command = [self.world.bolus, "sql", "SELECT * FROM labels", "--format", "json", "--lake", self.lake]
            output = subprocess.run(command, env=self.servers.environment, capture_output=True, text=True).stdout
            rows = [json.loads(line) for line in output.splitlines()]
            return rows if len(rows) >= expected else None

        return self.until(look, f"{expected} rows")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()
