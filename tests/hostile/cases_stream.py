"""Items 1 and 6 where records come through Kafka: what kills a worker, and names that change a request."""

import io
import json
import time
import zipfile

import dicom
from cases_input import series
from harness import Ended, case, peak_mb


@case(1)
def record_that_kills_its_worker(world):
    """A study under which the process is killed from outside each time, as the out-of-memory killer would."""
    servers = world.servers()
    topic = servers.topic("hostile-killer")
    # Many files, so that it takes far longer than the gauges take to tell of it.
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(24_000):
            archive.writestr(f"{number}.dcm", dicom.file(uid=f"1.2.30.{number // 8}", number=number % 8, size=32))
    servers.put("killer/poison/a.zip", buffer.getvalue())
    for number in range(4):
        for name, data in series(f"1.2.31.{number}").items():
            servers.put(f"killer/good-{number}/{name}", data)
    servers.publish(topic, servers.study(servers.bucket, "killer/poison"))
    start, peak, deaths = time.monotonic(), 0.0, 0
    while True:
        worker = servers.worker(world, "hostile-killer", topic)
        try:
            if deaths == 3:
                for number in range(4):
                    servers.publish(topic, servers.study(servers.bucket, f"killer/good-{number}"))
                rows = worker.rows(5)
                peak = max(peak, peak_mb(worker.process.pid) or 0)
                break
            worker.until(lambda: worker.metric("bolus_worker_inflight_studies") >= 1, "at work")
            time.sleep(0.7)
        finally:
            worker.kill()
        deaths += 1
    ended = Ended(0, "", peak, time.monotonic() - start)
    failed = [row for row in rows if row["status"] == "failed"]
    good = [row for row in rows if row["status"] == "labelled"]
    if [row["reason_code"] for row in failed] != ["killed_worker"] or len(good) != 4 or len(rows) != 5:
        return ended, f"after {deaths} deaths: {[(row['status'], row['reason_code'], row['reason']) for row in rows][:9]}"
    if failed[0]["attempts"] != deaths or "killer/poison" not in failed[0]["event"]:
        return ended, f"the row does not tell: {failed[0]}"
    return ended, None


@case(6)
def bucket_names_in_events(world):
    """Each ends as a failed row, and none makes a client or reaches the network."""
    servers = world.servers()
    topic = servers.topic("hostile-buckets")
    names = ["a#b", "a?b", "..", "a/../b", "a\nHost: x", "a b", "A@evil.example", "b" * 300, "x.evil.example:80", "%2e%2e", ""]
    for name in names:
        servers.publish(topic, servers.study(name, "x"))
    # A thousand sound names that nobody has: clients must not pile up.
    for number in range(1_000):
        servers.publish(topic, servers.study(f"nobody-{number}", "x"))
    start = time.monotonic()
    worker = servers.worker(world, "hostile-buckets", topic)
    try:
        rows = worker.rows(len(names) + 1_000 - 1)
        peak = peak_mb(worker.process.pid) or 0
        files = len(list((world.proc / str(worker.process.pid) / "fd").iterdir()))
    finally:
        worker.kill()
    ended = Ended(0, "", peak, time.monotonic() - start, over_memory=peak > 700)
    wrong = [row for row in rows if row["status"] != "failed"]
    if wrong:
        return ended, f"not failed: {wrong[:2]}"
    if files > 300:
        return ended, f"{files} descriptors after 1,000 buckets"
    hostile = [row for row in rows if not json.loads(row["event"])["data"]["bucket"].startswith("nobody-")]
    odd = [row for row in hostile if row["reason_code"] not in ("bad_event", "nothing_found", "unreadable")]
    return ended, f"reached the network: {[(row['reason_code'], row['reason']) for row in odd][:5]}" if odd else None


@case(7)
def message_of_900_kilobytes(world):
    """A row keeps a bounded part of a message that is no event."""
    servers = world.servers()
    topic = servers.topic("hostile-messages")
    servers.publish(topic, b"{" + b"x" * 900_000)
    servers.publish(topic, b"[" * 400_000)
    servers.publish(topic, b'{"a":' * 150_000)
    start = time.monotonic()
    worker = servers.worker(world, "hostile-messages", topic)
    try:
        rows = worker.rows(3)
        peak = peak_mb(worker.process.pid) or 0
    finally:
        worker.kill()
    ended = Ended(0, "", peak, time.monotonic() - start, over_memory=peak > 700)
    wrong = [row["reason_code"] for row in rows if row["reason_code"] != "bad_event"]
    longest = max(len(row["event"] or "") for row in rows)
    if wrong:
        return ended, f"not bad_event: {wrong}"
    return ended, f"a row keeps {longest} characters of a message" if longest > 100_000 else None
