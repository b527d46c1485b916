"""Items 1 to 4: files whose bytes make a parser recurse or allocate, and what a killed program leaves behind."""

import io
import json
import os
import re
import signal
import struct
import subprocess
import time
import zipfile

import dicom
from harness import Limits, case, run

# What is judged before the pixels are decoded must not keep a case from its decoder.
ALLOW = ["--allow", "too_few_slices,not_a_patient,not_hounsfield"]

def label(world, name, files, *, limits=None, outcome, reason=None, rows=None):
    """Labels `files` (name to bytes) and holds the answer to `outcome`: `labelled`, `refused` (by `reason`, a pattern)."""
    folder = world.folder(name)
    for file, data in files.items():
        path = folder / "in" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    command = [world.bolus, "label", "--json", "--lake", folder / "lake", *world.model, *ALLOW, folder / "in"]
    ended = run(command, limits or Limits())
    return ended, judge(ended, outcome, reason, rows)


def judge(ended, outcome, reason, rows):
    lines = [json.loads(line) for line in ended.output.splitlines() if line.startswith("{")]
    found = [line for line in lines if "status" in line or line["type"] == "refused_file"]
    statuses = [line.get("status", "refused") for line in found]
    if not found:
        return f"no row: {ended.output[-300:]}"
    if rows is not None and len(found) != rows:
        return f"{len(found)} rows, expected {rows}: {statuses}"
    if outcome == "either":
        return None
    if outcome == "labelled":
        return None if "labelled" in statuses else f"nothing is labelled: {found}"
    if "labelled" in statuses:
        return f"labelled: {found}"
    text = json.dumps(found)
    return None if reason is None or re.search(reason, text) else f"expected {reason}, found {text[:500]}"


def series(uid, count=8, **fields):
    return {f"{number}.dcm": dicom.file(uid=uid, number=number, **fields) for number in range(count)}


# 1: nesting.


@case(1)
def deflated_nesting_2000(world):
    data = dicom.file(dicom.DEFLATED, size=16, extra=dicom.nested(2_000))
    return label(world, "nesting", {"a.dcm": data}, outcome=world.decides)


@case(1)
def deflated_nesting_200000(world):
    data = dicom.file(dicom.DEFLATED, size=16, extra=dicom.nested(200_000))
    return label(world, "nesting-deep", {"a.dcm": data}, outcome=world.decides)


@case(1)
def nesting_100000_of_undefined_length(world):
    data = dicom.file(size=16, extra=dicom.nested(100_000))
    return label(world, "nesting-plain", {"a.dcm": data}, outcome=world.decides)


@case(1)
def nesting_of_defined_length_in_every_codec(world):
    extra = dicom.nested(1_500, undefined=False)
    files = {}
    for number, syntax in enumerate([dicom.DEFLATED, dicom.EXPLICIT]):
        files[f"{number}.dcm"] = dicom.file(syntax, uid=f"1.2.{number}", size=16, extra=extra)
    pixels = dicom.encapsulated(b"\0" * 64 + b"\1" * 400)
    files["rle.dcm"] = dicom.file(dicom.RLE, uid="1.2.7", size=16, extra=extra, pixels=pixels)
    return label(world, "nesting-codecs", files, outcome=world.decides)


# 2: codestreams that promise work.


def bomb(world, name, syntax, stream, size=64, count=1, reason="pixel_data|too_large|inconsistent|transfer_syntax|too_many"):
    pixels = dicom.encapsulated(stream)
    files = {f"{n}.dcm": dicom.file(syntax, uid="1.2.5", number=n, size=size, bits=16, pixels=pixels) for n in range(count)}
    return label(world, name, files, outcome="refused", reason=reason)


@case(2)
def j2k_precincts_of_one_sample(world):
    return bomb(world, "j2k-precincts", dicom.JPEG2000, dicom.j2k(4096, 4096, precincts=0), size=4096)


@case(2)
def j2k_precincts_of_one_sample_in_twelve_slices(world):
    return bomb(world, "j2k-precincts-12", dicom.JPEG2000, dicom.j2k(4096, 4096, precincts=0), size=4096, count=12)


@case(2)
def htj2k_precincts_of_one_sample(world):
    stream = dicom.j2k(4096, 4096, precincts=0, high_throughput=True)
    return bomb(world, "htj2k-precincts", dicom.HTJ2K, stream, size=4096)


@case(2)
def j2k_tiles_of_one_sample(world):
    return bomb(world, "j2k-tiles", dicom.JPEG2000, dicom.j2k(250, 250, tile=(1, 1), levels=0), size=250)


@case(2)
def j2k_many_components(world):
    return bomb(world, "j2k-components", dicom.JPEG2000, dicom.j2k(512, 512, components=16_384, levels=0), size=512)


@case(2)
def j2k_larger_than_its_header_says(world):
    return bomb(world, "j2k-larger", dicom.JPEG2000, dicom.j2k(60_000, 60_000, levels=5), size=64)


@case(2)
def jpeg_ls_larger_than_its_header_says(world):
    frame = b"\xff\xd8" + struct.pack(">HHBHHBBBB", 0xFFF7, 11, 16, 60_000, 60_000, 1, 1, 0x11, 0)
    frame += struct.pack(">HHBBBBBB", 0xFFDA, 8, 1, 1, 0, 0, 0, 0) + b"\0" * 300 + b"\xff\xd9"
    return bomb(world, "jpeg-ls-larger", dicom.JPEG_LS, frame)


@case(2)
def jpeg_larger_than_its_header_says(world):
    frame = b"\xff\xd8" + struct.pack(">HHBHHBBBB", 0xFFC3, 11, 16, 60_000, 60_000, 1, 1, 0x11, 0)
    frame += b"\xff\xd9"
    return bomb(world, "jpeg-larger", "1.2.840.10008.1.2.4.70", frame)


# 3: headers without limits, and coded pixel data.


def header_bombs():
    """Twelve kinds of header that grow when they are read."""
    mib = 1 << 20
    uid = "1.2.6"
    private = lambda value, vr=b"UN": dicom.element(0x29, 0x1001, vr, value)  # noqa: E731
    many = b"".join(dicom.element(0x29, 0x1000 + n % 0xEFFF, b"LO", "x" * 60) for n in range(200_000))
    return {
        "long-value": dicom.file(dicom.DEFLATED, uid=uid, size=16, extra=private(b"\0" * (64 * mib))),
        "many-elements": dicom.file(dicom.DEFLATED, uid=uid, size=16, extra=many),
        "long-description": dicom.file(
            dicom.DEFLATED, uid=uid, size=16, early=dicom.element(8, 0x0005, b"UC", b"ISO_IR 192\\" * (3 * mib))
        ),
        "items": dicom.file(dicom.DEFLATED, uid=uid, size=16, extra=dicom.element(0x29, 0x1010, b"SQ", dicom.item(b"") * (4 * mib))),
        "nested-items": dicom.file(dicom.DEFLATED, uid=uid, size=16, extra=dicom.nested(400_000)),
        "frames": dicom.file(dicom.DEFLATED, uid=uid, size=16, frames=2_000_000_000),
        "functional-groups": dicom.file(
            dicom.DEFLATED, uid=uid, size=16, frames=1_000_000, extra=dicom.element(0x5200, 0x9230, b"SQ", dicom.item(b"") * mib)
        ),
        "image-type": dicom.file(dicom.DEFLATED, uid=uid, size=16, early=dicom.element(8, 0x0007, b"UT", "A\\" * (16 * mib))),
        "not-deflated": dicom.file(uid=uid, size=16, extra=private(b"\0" * (3 * mib))),
        "lying-length": dicom.file(uid=uid, size=16, extra=dicom.element(0x29, 0x1001, b"UN", b"\0" * 16, 0xFFFFFFF0)),
        "contrast-items": dicom.file(
            dicom.DEFLATED,
            uid=uid,
            size=16,
            early=b"",
            extra=dicom.element(0x40, 0x0555, b"SQ", dicom.item(dicom.element(0x40, 0xA160, b"UT", "contrast " * 10)) * 300_000),
        ),
        "zeros": dicom.meta(dicom.DEFLATED) + dicom.deflate(b"\0" * (300 * mib)),
    }


@case(3)
def header_bombs_of_twelve_kinds(world):
    files = {f"{name}.dcm": data for name, data in header_bombs().items()}
    # The pixels behind some of them are sound, and an answer that labels those is right as well.
    return label(world, "headers", files, limits=Limits(700, 60), outcome=world.decides)


@case(3)
def zip_of_header_bombs(world):
    value = dicom.element(0x29, 0x1001, b"UN", b"\0" * (40 << 20))
    bomb = dicom.file(size=16, uid="1.2.6", extra=value)
    return label(world, "headers-zip", {"a.zip": zipped({f"{n}.dcm": bomb for n in range(60)})}, outcome=world.decides)


@case(3)
def zip_of_coded_pixel_data(world):
    frame = dicom.encapsulated(b"\0" * (100 << 20))
    files = {f"{n}.dcm": dicom.file(dicom.JPEG2000, uid="1.2.6", number=n, size=64, bits=16, pixels=frame) for n in range(20)}
    return label(world, "coded-zip", {"a.zip": zipped(files)}, outcome="refused")


@case(3)
def coded_pixel_data_to_the_end_of_a_file(world):
    frame = dicom.encapsulated(b"\0" * (400 << 20))
    return label(world, "coded", {"a.dcm": dicom.file(dicom.JPEG_LS, uid="1.2.6", size=64, bits=16, pixels=frame)}, outcome="refused")


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


# 4: the spool.


def spooled(folder):
    """The files below `folder` that hold something: locks do not."""
    found = []
    for path in folder.rglob("*"):
        try:
            if path.is_file() and path.stat().st_size > 0:
                found.append(path)
        except FileNotFoundError:
            pass
    return found


@case(4)
def spool_left_by_a_kill(world):
    folder = world.folder("spool")
    (folder / "in").mkdir()
    (folder / "tmp").mkdir()
    noise = os.urandom(1 << 20)
    archive = zipped({f"{n}.dcm": dicom.file(size=64, uid="1.2.8", number=n, extra=dicom.element(0x29, 0x1001, b"UN", noise)) for n in range(40)})
    (folder / "in" / "a.zip").write_bytes(archive)
    command = [world.bolus, "label", "--json", "--lake", folder / "lake", *world.model, folder / "in"]
    env = {"TMPDIR": str(folder / "tmp")}
    left = []
    deadline = time.monotonic() + 30
    while not left and time.monotonic() < deadline:
        child = subprocess.Popen([str(part) for part in command], env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while child.poll() is None and not spooled(folder / "tmp"):
            pass
        child.send_signal(signal.SIGKILL)
        child.wait()
        left = spooled(folder / "tmp")
    modes = {(path.name, path.stat().st_mode & 0o077) for path in (folder / "tmp").rglob("*")}
    ended = run(command, Limits(), env=env)
    remaining = spooled(folder / "tmp")
    if not left:
        return ended, "the kill came too late each time"
    if any(mode for _, mode in modes):
        return ended, f"others may read the spool: {modes}"
    if remaining:
        return ended, f"{len(remaining)} files are left behind"
    return ended, judge(ended, "labelled", None, None)
