"""What a measurement ends as, and what the measurements share."""

import argparse
import statistics
from dataclasses import dataclass, field
from pathlib import Path

from .servers import Servers
from .worker import Worker


@dataclass
class Finding:
    """One measurement: its figures, its goal, and what stands behind the figures."""

    what: str
    values: dict[str, object]
    goal: str
    met: bool | None  # none where there is no goal, or the form was too short to tell
    details: list[str] = field(default_factory=list)
    circumstances: str = ""

    def figures(self) -> str:
        """The figures as `name=value`."""
        shown = {name: f"{value:.2f}" if isinstance(value, float) else value for name, value in self.values.items()}
        return " ".join(f"{name}={value}" for name, value in shown.items())

    def line(self) -> str:
        """The last word on it."""
        verdict = {True: "met", False: "missed", None: "untold"}[self.met]
        return f"bench-stream what={self.what} {self.figures()} goal={verdict}"


@dataclass
class Bench:
    """Where everything is."""

    servers: Servers
    programs: Path
    series: Path
    quick: bool
    repeat: int
    contention_seconds: int

    @classmethod
    def of(cls, arguments: argparse.Namespace, servers: Servers) -> "Bench":
        """As the arguments say."""
        repeat = 1 if arguments.quick else arguments.repeat
        return cls(servers, arguments.programs, arguments.series, arguments.quick, repeat, arguments.contention_seconds)

    @property
    def bolus(self) -> Path:
        """The command line."""
        return self.programs / "bolus"

    def lake(self, name: str) -> str:
        """The URL of a lake."""
        return f"s3://{self.servers.bucket}/lakes/{name}"

    def worker(self, name: str, **settings) -> Worker:
        """A worker on the topic `name`, with a lake and a group of the same name."""
        return Worker(self.programs / "bolus-worker", self.servers, topic=name, lake=f"lakes/{name}", **settings)


def spread(values) -> str:
    """Median, least and most."""
    values = sorted(values)
    return f"{statistics.median(values):.2f} ({values[0]:.2f} to {values[-1]:.2f})"


def busy_seconds() -> tuple[float, float]:
    """What all processors were busy with so far, and what they had to give, in seconds of one."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / 100.0, sum(fields) / 100.0


class Busy:
    """The share of the machine's processors that is in use, by anybody, from entry to exit."""

    def __enter__(self):
        self.begin = busy_seconds()
        return self

    def __exit__(self, *_):
        busy, whole = (after - before for after, before in zip(busy_seconds(), self.begin))
        self.share = busy / whole if whole else 0.0
