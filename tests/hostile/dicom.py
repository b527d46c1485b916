"""DICOM files byte by byte: what no library would write."""

import functools
import math
import struct
import zlib

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG2000 = "1.2.840.10008.1.2.4.90"
HTJ2K = "1.2.840.10008.1.2.4.201"
JPEG_LS = "1.2.840.10008.1.2.4.80"
RLE = "1.2.840.10008.1.2.5"
# Value representations with a 32-bit length (PS3.5 table 7.1-1).
LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
UNDEFINED = 0xFFFFFFFF


def element(group, number, vr, value, length=None):
    """One element, explicit little endian; `length` may lie."""
    value = value.encode() if isinstance(value, str) else value
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    length = len(value) if length is None else length
    head = struct.pack("<HH", group, number) + vr
    head += b"\0\0" + struct.pack("<I", length) if vr in LONG else struct.pack("<H", length & 0xFFFF)
    return head + value


def us(group, number, value):
    return element(group, number, b"US", struct.pack("<H", value))


def item(value, length=None):
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(value) if length is None else length) + value


ITEM_END = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
SEQUENCE_END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def meta(syntax):
    elements = element(2, 0x10, b"UI", syntax)
    return b"\0" * 128 + b"DICM" + element(2, 0, b"UL", struct.pack("<I", len(elements))) + elements


@functools.lru_cache(64)
def pixels_native(size, number=0):
    """A rough trunk in air, stored with the intercept -1024: what is no patient is not labelled."""
    middle = size / 2
    values = bytearray()
    for row in range(size):
        for column in range(size):
            y, x = (row - middle) / middle, (column - middle) / middle
            noise = (column * 7 + row * 13 + number * 29) % 81 - 40
            values += struct.pack("<H", trunk_hu(y, x, noise) + 1024)
    return element(0x7FE0, 0x10, b"OW", bytes(values))


def trunk_hu(y, x, noise):
    """A vessel in fat, lungs, a spine, soft tissue and fat below the skin; -1 to 1 on both axes."""
    radius = math.hypot(y, x)
    if radius < 0.12:
        return 180
    if radius < 0.2:
        return -100 + noise
    if math.hypot((abs(x) - 0.42) / 0.18, y / 0.3) < 1:
        return -850 + noise
    if math.hypot(x / 0.14, (y - 0.5) / 0.14) < 1:
        return 350 + noise
    if radius < 0.75:
        return 45 + noise
    return -100 + noise if radius < 0.9 else -1000


def encapsulated(*frames):
    """Pixel data in fragments, one a frame, without an offset table."""
    fragments = b"".join(item(frame + b"\0" * (len(frame) % 2)) for frame in frames)
    return element(0x7FE0, 0x10, b"OB", b"", UNDEFINED) + item(b"") + fragments + SEQUENCE_END


def data_set(*, uid="1.2.3", number=0, size=32, extra=b"", early=b"", pixels=None, bits=12, modality="CT", frames=None):
    """A slice. `early` goes before the image's own elements, `extra` between them and the pixels (tags above 0028)."""
    parts = [
        early,
        element(8, 0x08, b"CS", "ORIGINAL\\PRIMARY\\AXIAL"),
        element(8, 0x16, b"UI", CT),
        element(8, 0x18, b"UI", f"{uid}.{number + 1}"),
        element(8, 0x60, b"CS", modality),
        element(0x10, 0x20, b"LO", "HOSTILE"),
        element(0x18, 0x15, b"CS", "CHEST"),
        element(0x18, 0x50, b"DS", "5"),
        element(0x20, 0x0D, b"UI", f"{uid}.9"),
        element(0x20, 0x0E, b"UI", uid),
        element(0x20, 0x32, b"DS", f"-160\\-160\\{number * 5}"),
        element(0x20, 0x37, b"DS", "1\\0\\0\\0\\1\\0"),
        element(0x20, 0x52, b"UI", f"{uid}.8"),
        us(0x28, 2, 1),
        element(0x28, 4, b"CS", "MONOCHROME2"),
        b"" if frames is None else element(0x28, 8, b"IS", str(frames)),
        us(0x28, 0x10, size),
        us(0x28, 0x11, size),
        element(0x28, 0x30, b"DS", f"{320 / size}\\{320 / size}"),
        us(0x28, 0x100, 16),
        us(0x28, 0x101, bits),
        us(0x28, 0x102, bits - 1),
        us(0x28, 0x103, 0),
        element(0x28, 0x1052, b"DS", "-1024"),
        element(0x28, 0x1053, b"DS", "1"),
        extra,
        pixels_native(size, number) if pixels is None else pixels,
    ]
    return b"".join(parts)


def file(syntax=EXPLICIT, **fields):
    body = data_set(**fields)
    return meta(syntax) + (deflate(body) if syntax == DEFLATED else body)


def deflate(data):
    """As PS3.5 annex A.5: without zlib's own header."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def nested(depth, *, undefined=True):
    """A private sequence of sequences, `depth` deep."""
    tag = (0x29, 0x1010)
    if undefined:
        opening = element(*tag, b"SQ", b"", UNDEFINED) + item(b"", UNDEFINED)
        return opening * depth + (ITEM_END + SEQUENCE_END) * depth
    inner = b""
    for _ in range(depth):
        inner = element(*tag, b"SQ", item(inner))
    return inner


def j2k(width, height, *, tile=None, precincts=None, levels=5, components=1, block=4, high_throughput=False):
    """A codestream (ISO/IEC 15444-1 annex A) whose headers alone promise work: one empty tile-part."""
    tile_w, tile_h = tile or (width, height)
    siz = struct.pack(">HIIIIIIIIH", 0x4000 if high_throughput else 0, width, height, 0, 0, tile_w, tile_h, 0, 0, components)
    siz += b"".join(struct.pack("BBB", 15, 1, 1) for _ in range(components))
    style = 1 if precincts is not None else 0
    cod = struct.pack(">BBHB", style, 2, 1, 0) + struct.pack(
        "BBBBB", levels, block - 2, block - 2, 0x40 if high_throughput else 0, 1
    )
    if precincts is not None:
        cod += bytes([precincts]) * (levels + 1)
    qcd = bytes([0x40] + [0x50] * (3 * levels + 1))
    segment = lambda marker, body: struct.pack(">HH", marker, len(body) + 2) + body  # noqa: E731
    stream = b"\xff\x4f" + segment(0xFF51, siz)
    if high_throughput:
        stream += segment(0xFF50, struct.pack(">IH", 1 << 17, 0x0020))
    stream += segment(0xFF52, cod) + segment(0xFF5C, qcd)
    body = b"\0" * 200
    stream += struct.pack(">HHHIBB", 0xFF90, 10, 0, 14 + len(body), 0, 1) + b"\xff\x93" + body + b"\xff\xd9"
    return stream
