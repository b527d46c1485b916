"""Items 6 and 7: ports, names, bundles, folders and terminals."""

import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request

import dicom
from cases_input import series
from harness import Ended, Limits, case, peak_mb, run

# Control characters (C0 and C1), bidirectional marks, and what begins a formula in a spreadsheet.
CONTROL = "\x1b]0;owned\x07\x1b[2J"
BIDI = "\u202eABC"
FORMULA = "=HYPERLINK(1)"


def shown(text):
    """Whether `text` would do something to a terminal."""
    return re.search("[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", text)


# 6: the metrics port.


@case(6)
def half_open_connections(world):
    folder = world.folder("port")
    config = folder / "worker.toml"
    config.write_text(
        f'lake.url = "{folder}/lake"\n[kafka]\nservers = "127.0.0.1:9"\n[http]\nlisten = "127.0.0.1:0"\n'
        f'[model]\nname = "cheap"\nfolders = ["{world.repository}/tests/data/bundles"]\n'
    )
    (folder / "lake").mkdir()
    log = open(folder / "log", "w")
    worker = subprocess.Popen([world.worker, "--config", config], stdout=log, stderr=log)
    held, ended = [], Ended(0, "", 0, 0)
    start = time.monotonic()
    try:
        address = None
        while address is None and time.monotonic() - start < 30:
            found = re.search(r"address=(\S+?):(\d+)", re.sub("\x1b\\[[0-9;]*m", "", (folder / "log").read_text()))
            address = found and (found.group(1), int(found.group(2)))
            time.sleep(0.05)
        if address is None:
            return ended, f"no port: {(folder / 'log').read_text()[-300:]}"
        for number in range(1_500):
            try:
                connection = socket.create_connection(address, timeout=2)
                connection.sendall(b"GET /metrics HTTP/1.1\r\nX: " if number % 2 else b"")
                held.append(connection)
            except OSError:
                break
        files = len(os.listdir(f"/proc/{worker.pid}/fd"))
        ended.peak_mb, ended.seconds = peak_mb(worker.pid) or 0, time.monotonic() - start
        if files > 600:
            return ended, f"{len(held)} half-open connections hold {files} descriptors of the worker"
        # Who sends nothing is put out soon, and then others are served.
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"http://{address[0]}:{address[1]}/metrics", timeout=5) as answer:
                    if answer.status == 200:
                        return ended, None
            except OSError:
                time.sleep(0.5)
        return ended, "the metrics are not served beside half-open connections"
    finally:
        for connection in held:
            connection.close()
        worker.kill()
        worker.wait()
        log.close()


@case(6)
def bucket_names_that_change_host_or_request(world):
    """As locations here; the events' check is the same one, held by its tests."""
    problem, ended = None, Ended(0, "", 0, 0)
    for bucket in ["a#b", "a?b", "..", "a/../b", "a\nHost: x", "a b", "A@evil.example", "b" * 300, "%2e%2e"]:
        env = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "x"}
        command = [world.bolus, "inspect", *world.model, f"s3://{bucket}/x"]
        once = run(command, Limits(700, 40), env=env)
        ended.peak_mb = max(ended.peak_mb, once.peak_mb)
        ended.seconds += once.seconds
        ended.over_time |= once.over_time
        if "/" not in bucket and not re.search("bucket", once.output):
            problem = f"{bucket!r}: {once.output[-200:]}"
        if shown(once.output.replace("\n", "")):
            problem = f"{bucket!r} reaches the terminal: {once.output!r}"
    return ended, problem


# 7: bundles.


def bundle(world, name):
    folder = world.folder(name)
    shutil.copytree(world.repository / "tests/data/bundles/cheap", folder / "cheap")
    return folder


# `bolus model verify` where a bundle does not hold.
NOT_HELD = 3


def verify(world, folder, limits=None):
    return run([world.bolus, "model", "verify", folder / "cheap"], limits or Limits(700, 60))


@case(7)
def bundle_of_a_fifo(world):
    folder = bundle(world, "fifo")
    (folder / "cheap/model.onnx").unlink()
    os.mkfifo(folder / "cheap/model.onnx")
    ended = verify(world, folder, Limits(700, 10))
    return ended, None if ended.status == NOT_HELD and "model.onnx" in ended.output else f"status {ended.status}: {ended.output}"


@case(7)
def manifest_of_a_fifo(world):
    folder = bundle(world, "fifo-manifest")
    (folder / "cheap/bundle.toml").unlink()
    os.mkfifo(folder / "cheap/bundle.toml")
    ended = verify(world, folder, Limits(700, 10))
    return ended, None if ended.status == NOT_HELD and "bundle.toml" in ended.output else f"status {ended.status}: {ended.output}"


@case(7)
def bundle_with_external_tensors(world):
    """Weights outside model.onnx are outside its digest."""
    folder = bundle(world, "external")
    path = folder / "cheap/model.onnx"
    # A tensor of the graph whose data_location (field 14) is EXTERNAL and whose external_data (13) names a file.
    entry = lambda key, value: b"\x0a" + bytes([len(key)]) + key + b"\x12" + bytes([len(value)]) + value  # noqa: E731
    external = entry(b"location", b"../../../../etc/passwd")
    tensor = b"\x08\x01\x10\x01" + b"\x42\x01w" + b"\x6a" + bytes([len(external)]) + external + b"\x70\x01"
    graph = b"\x2a" + bytes([len(tensor)]) + tensor
    data = path.read_bytes() + b"\x3a" + bytes([len(graph)]) + graph
    path.write_bytes(data)
    import hashlib

    manifest = folder / "cheap/bundle.toml"
    text = re.sub(r'((?:sha256|digest)\s*=\s*")[0-9a-f]{64}(")', rf"\g<1>{hashlib.sha256(data).hexdigest()}\g<2>", manifest.read_text(), count=1)
    manifest.write_text(text)
    ended = verify(world, folder)
    return ended, None if ended.status == NOT_HELD and re.search("external|outside", ended.output) else f"status {ended.status}: {ended.output}"


@case(7)
def manifest_of_64_megabytes(world):
    folder = bundle(world, "manifest")
    path = folder / "cheap/bundle.toml"
    path.write_text(path.read_text() + "\n# " + "x" * (64 << 20) + "\n")
    ended = verify(world, folder, Limits(400, 30))
    return ended, None if ended.status == NOT_HELD else f"status {ended.status}: {ended.output[-200:]}"


@case(7)
def manifest_nested_10000(world):
    folder = bundle(world, "manifest-nested")
    path = folder / "cheap/bundle.toml"
    path.write_text(path.read_text() + "\nx = " + "[" * 10_000 + "]" * 10_000 + "\n")
    ended = verify(world, folder, Limits(400, 30))
    return ended, None if ended.status == NOT_HELD else f"status {ended.status}: {ended.output[-200:]}"


# 7: what reaches the terminal.


@case(7)
def control_characters_in_headers(world):
    folder = world.folder("control")
    for number in range(8):
        early = dicom.element(8, 5, b"CS", "ISO_IR 192")
        data = dicom.file(uid="1.2.7", number=number, early=early, modality=CONTROL[:14])
        (folder / f"{number}.dcm").write_bytes(data)
    data = dicom.file(uid="1.2.8" + CONTROL, extra=dicom.element(0x4000, 0x0010, b"LO", BIDI + FORMULA))
    (folder / f"{BIDI}{CONTROL.replace('/', '')}.dcm").write_bytes(data)
    ended = run([world.bolus, "inspect", *world.model, folder], Limits())
    found = shown(ended.output.replace("\n", "").replace("\t", ""))
    if found:
        return ended, f"{found.group()!r} reaches the output: {ended.output!r}"
    ended = run([world.bolus, "label", "--lake", folder / "lake", *world.model, folder], Limits())
    found = shown(ended.output.replace("\n", "").replace("\t", ""))
    return ended, f"{found.group()!r} reaches the output: {ended.output!r}" if found else None


@case(7)
def control_characters_in_answers(world):
    query = "SELECT chr(27) || '[2J' AS a, chr(155) AS b, chr(8238) || 'x' AS c, '=1+1' AS d"
    ended = run([world.bolus, "sql", query, "--lake", world.lake()], Limits(1_400, 30))
    found = shown(ended.output.replace("\n", ""))
    return ended, f"{found.group()!r} reaches the table: {ended.output!r}" if found else None


# 7: folders.


@case(7)
def folders_that_link_to_each_other(world):
    folder = world.folder("links")
    (folder / "in/a/b").mkdir(parents=True)
    for name, data in series("1.2.9").items():
        (folder / "in/a" / name).write_bytes(data)
    for number in range(20):
        (folder / f"in/a/b/up{number}").symlink_to(folder / "in")
    ended = run([world.bolus, "label", "--json", "--lake", folder / "lake", *world.model, folder / "in"], Limits(700, 30))
    labelled = ended.output.count('"labelled"')
    return ended, None if ended.status in (0, 3) and labelled else f"status {ended.status}: {ended.output[-300:]}"


@case(7)
def fifo_among_the_files(world):
    folder = world.folder("fifo-input")
    (folder / "in").mkdir()
    for name, data in series("1.2.10").items():
        (folder / "in" / name).write_bytes(data)
    os.mkfifo(folder / "in/9.dcm")
    ended = run([world.bolus, "label", "--json", "--lake", folder / "lake", *world.model, folder / "in"], Limits(700, 20))
    return ended, None if '"labelled"' in ended.output else f"status {ended.status}: {ended.output[-300:]}"


@case(7)
def failed_rows_keep_a_bounded_part_of_a_message(world):
    """By the schema's own promise: what a row keeps of an event is bounded (held by the tests of the worker)."""
    folder = world.folder("long-names")
    (folder / "in").mkdir()
    for number in range(3):
        (folder / "in" / ("n" * 240 + f"{number}.dcm")).write_bytes(dicom.file(uid="1.2.11", number=number, modality="X" * 60_000))
    ended = run([world.bolus, "label", "--json", "--lake", folder / "lake", *world.model, folder / "in"], Limits())
    longest = max((len(line) for line in ended.output.splitlines()), default=0)
    return ended, None if 0 < longest < 20_000 else f"a line of {longest} characters"


@case(7)
def python_packages_are_pinned_by_digest(world):
    scripts = [world.repository / "infra/bootstrap", *world.repository.glob("infra/*.lock"), *world.repository.glob("**/requirements*.txt")]
    text = (world.repository / "infra/bootstrap").read_text()
    problem = None if "--require-hashes" in text else "infra/bootstrap installs Python packages without digests"
    return Ended(0, "", 0, 0), problem if scripts else "no scripts"
