"""Makes the coded pictures of this folder, for codecs that no encoder in Rust writes: OpenJPH and libjxl by imagecodecs, OpenJPEG
by Pillow.

The picture is a formula that `support/picture.rs` has too, so no uncoded copy is kept. File names say how a picture is
coded: rows, columns, bits, `s` for signed, and what else sets it apart.
"""

import io
import sys

import imagecodecs
import numpy as np
from PIL import Image


def picture(rows, columns, bits, signed):
    y, x = np.mgrid[0:rows, 0:columns].astype(np.int64)
    base = x * 5 + y * 3 + ((x * 7 + y * 13) * (x + 3 * y)) % 29
    values = base * (61 if bits > 12 else 1) % (1 << bits)
    values -= (1 << (bits - 1)) if signed else 0
    return values.astype({(8, 0): "u1", (8, 1): "i1", (16, 0): "u2", (16, 1): "i2"}[8 if bits <= 8 else 16, signed])


def write(name, coded):
    with open(name, "wb") as file:
        file.write(coded)


htj2k = imagecodecs.htj2k_encode
write("144x160-8.jph", htj2k(picture(144, 160, 8, 0)))
write("144x160-16.jph", htj2k(picture(144, 160, 16, 0)))
write("144x160-16s.jph", htj2k(picture(144, 160, 16, 1)))
write("144x160-16-tiles.jph", htj2k(picture(144, 160, 16, 0), tile=(64, 48)))
write("144x160-16-tiles-parts.jph", htj2k(picture(144, 160, 16, 0), tile=(64, 48), tilepart=1, tlm=True))
write("144x160-16-flat.jph", htj2k(picture(144, 160, 16, 0), resolutions=1))
write("33x47-16-deep.jph", htj2k(picture(33, 47, 16, 0), resolutions=7))
write("144x160-12-lossy.jph", htj2k(picture(144, 160, 12, 0), level=0.0001, reversible=False))

jxl = imagecodecs.jpegxl_encode
for effort in (1, 3, 7):
    write(f"144x160-8-effort{effort}.jxl", jxl(picture(144, 160, 8, 0), lossless=True, effort=effort))
    write(f"144x160-16-effort{effort}.jxl", jxl(picture(144, 160, 16, 0), lossless=True, effort=effort))
write("144x160-12.jxl", jxl(picture(144, 160, 12, 0), lossless=True, bitspersample=12))
write("144x160-10-box.jxl", jxl(picture(144, 160, 10, 0), lossless=True, bitspersample=10, usecontainer=True))
write("300x280-16.jxl", jxl(picture(300, 280, 16, 0), lossless=True))
write("144x160-16-lossy.jxl", jxl(picture(144, 160, 16, 0), distance=1.0))

# JPEG 2000 of many structures, by OpenJPEG in Pillow; each is read back before it is kept.
CASES = {
    "plain": {},
    "tiles": {"tile_size": (33, 29)},
    "tiles-origin": {"tile_size": (33, 29), "offset": (13, 7), "tile_offset": (5, 3)},
    "layers": {"quality_layers": [40, 20, 10, 1]},
    "layers-tiles": {"quality_layers": [20, 1], "tile_size": (48, 64)},
    "lrcp": {"progression": "LRCP", "precinct_size": (32, 32), "codeblock_size": (16, 16), "quality_layers": [10, 1]},
    "rlcp": {"progression": "RLCP", "precinct_size": (32, 64), "codeblock_size": (32, 16), "quality_layers": [10, 1]},
    "rpcl": {"progression": "RPCL", "precinct_size": (32, 32), "codeblock_size": (8, 8), "tile_size": (48, 48)},
    "pcrl": {"progression": "PCRL", "precinct_size": (64, 32), "codeblock_size": (16, 8), "quality_layers": [10, 1]},
    "cprl": {"progression": "CPRL", "precinct_size": (64, 64), "codeblock_size": (4, 64), "tile_size": (64, 40)},
    "one-resolution": {"num_resolutions": 1},
    "three-resolutions": {"num_resolutions": 3},
    "lengths": {"plt": True, "tile_size": (64, 64)},
    "lossy": {"irreversible": True, "quality_layers": [12]},
    "lossy-tiles": {"irreversible": True, "quality_layers": [30, 8], "tile_size": (48, 48), "precinct_size": (32, 32)},
}
for number, (name, options) in enumerate(CASES.items()):
    # Pillow writes tiles of 8 bits alone right.
    bits = 8 if "tile_size" in options else 16
    rows, columns = [(96, 80), (61, 97)][number % 2]
    values = picture(rows, columns, bits, 0)
    coded = io.BytesIO()
    options = {"quality_layers": [1], "irreversible": False, **options}
    Image.fromarray(values).save(coded, format="JPEG2000", no_jp2=True, quality_mode="rates", **options)
    exact = np.array_equal(imagecodecs.jpeg2k_decode(coded.getvalue()), values)
    if exact != ("lossy" not in name):
        sys.exit(f"{name} does not come back")
    write(f"{rows}x{columns}-{bits}-{name}.j2k", coded.getvalue())
