"""A lake seen from outside: its log as the store holds it, and its rows as `bolus sql` gives them."""

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from .servers import REPOSITORY

# A look is one stat of the version that comes next.
LOOK_SECONDS = 0.002


@dataclass
class Commit:
    """One version of the log."""

    seen: float  # time.perf_counter() when the entry was first there
    progress: dict[str, int]  # application id → version, of the `txn` actions
    rows: int


class Log:
    """Follows the log of the table `labels`."""

    def __init__(self, folder: Path):
        self.folder = folder / "labels/_delta_log"
        self.commits: list[Commit] = []
        self.progress: dict[str, int] = {}

    def look(self) -> bool:
        """Takes in the next version; false where it is not there yet."""
        path = self.folder / f"{len(self.commits):020}.json"
        if not path.exists():
            return False
        seen = time.perf_counter()
        actions = [json.loads(line) for line in path.read_text().splitlines()]
        progress = {action["txn"]["appId"]: action["txn"]["version"] for action in actions if "txn" in action}
        counts = [json.loads(action["add"]["stats"])["numRecords"] for action in actions if "add" in action]
        self.commits.append(Commit(seen, progress, sum(counts)))
        self.progress |= progress
        return True

    @property
    def events(self) -> int:
        """Events that have landed: topics begin at offset 0, and no producer here writes control records."""
        return sum(self.progress.values())

    @property
    def rows(self) -> int:
        """Rows that were added."""
        return sum(commit.rows for commit in self.commits)

    def wait_for(self, events: int, alive, timeout: float) -> Commit:
        """The commit that brings the events that have landed to `events`; `alive` raises where waiting is in vain."""
        begin = next_check = time.perf_counter()
        while True:
            while self.look():
                if self.events >= events:
                    return self.commits[-1]
            now = time.perf_counter()
            if now >= next_check:
                alive()
                next_check = now + 1.0
            if now - begin > timeout:
                raise RuntimeError(f"{self.events} of {events} events have landed after {timeout:.0f} s")
            time.sleep(LOOK_SECONDS)


def sql(bolus: Path, url: str, environment: dict[str, str], query: str) -> list[dict]:
    """The rows of a query."""
    command = [str(bolus), "sql", query, "--lake", url, "--format", "json"]
    result = subprocess.run(command, cwd=REPOSITORY, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in result.stdout.splitlines()]
