"""Writes the bundle: network, manifest with the published preprocessing, reference slices and card."""

import hashlib
import json
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from . import Refused, graph, keras_file, plan

HERE = Path(__file__).parent
SOURCE = "github.com/AIM-Harvard/DeepContrast"


@dataclass(frozen=True)
class Part:
    """What is published for one body part."""

    body_part: str
    crop: tuple[int, int, int]
    kept: tuple[int, int]
    file: str
    # How the id of the published file's git object begins.
    git_id: str


PARTS = {
    "head-neck": Part("head-neck", (100, 192, 192), (17, 82), "models/EffNet_HeadNeck.h5", "c84e0ee1"),
    "chest": Part("chest", (140, 192, 192), (50, 119), "models/EffNet_Chest.h5", "18f7a7ec"),
}


def convert(path: Path, part: Part, out: Path, half: bool) -> Path:
    """Convert a file into the bundle's folder in `out`; the folder appears whole or not at all."""
    name = f"deepcontrast-{part.body_part}{'-half' if half else ''}"
    folder = out / name
    if folder.exists():
        raise Refused(f"{folder} is there already; move it away first")
    network = keras_file.read(path)
    origin = Origin.of(path, part)
    work = out / f".{name}.partial"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        _fill(work, name, network, origin, part, half)
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder


@dataclass(frozen=True)
class Origin:
    """Which file the weights are from."""

    file: str
    sha256: str
    statement: str

    @classmethod
    def of(cls, path: Path, part: Part) -> "Origin":
        """Digest the file and compare it with the published ones, whose git ids are known."""
        content = path.read_bytes()
        git_id = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        for other in PARTS.values():
            if git_id.startswith(other.git_id) and other != part:
                raise Refused(f"{path} is the published {other.file}: use --body-part {other.body_part}")
        same = git_id.startswith(part.git_id)
        statement = f"Its git object id, {git_id}, {'begins like that' if same else 'is not that'} of {part.file} in {SOURCE} ({part.git_id}…)."
        return cls(path.name, hashlib.sha256(content).hexdigest(), statement)


def reference() -> np.ndarray:
    """Three drawn slices, no patient's: a body with bright vessels, the same with grey ones, and a chest-like one with dark lungs."""
    y, x = np.mgrid[: plan.SIDE, : plan.SIDE] - plan.SIDE // 2
    # Integers alone, so that every machine draws the same bytes.
    grain = (x * 73 + y * 151 + x * y * 31) % 23 - 11
    body = 9 * x * x + 16 * y * y < 9 * 80 * 80
    slices = []
    for vessels, lungs in ((235, False), (140, False), (235, True)):
        grey = np.where(body, 130 + grain, 0)
        for cx, cy, radius, value in ((0, 34, 11, 250), (-24, 2, 9, vessels), (22, 0, 8, vessels), (4, -20, 12, vessels - 10)):
            grey[(x - cx) ** 2 + (y - cy) ** 2 < radius * radius] = value
        if lungs:
            grey[((abs(x) - 44) ** 2 * 4 + y * y * 2) < 2 * 30 * 30] = 8
        slices.append(np.clip(grey, 0, 255).astype(np.uint8))
    return np.stack(slices)


def probabilities(model: onnx.ModelProto, slices: np.ndarray) -> np.ndarray:
    """What ONNX Runtime computes for grey slices in bytes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    grey = slices.astype(np.float32) / np.float32(255)
    result = session.run([graph.OUTPUT], {graph.INPUT: np.repeat(grey[:, None], plan.CHANNELS, axis=1)})[0]
    if not np.isfinite(result).all():
        raise Refused("the converted network gives something else than numbers on the reference slices")
    return result


def _fill(folder: Path, name: str, network: keras_file.Network, origin: Origin, part: Part, half: bool) -> None:
    slices = reference()
    model = graph.build(network, half)
    expected = probabilities(model, slices)
    storage = "as float32, as they were"
    if half:
        apart = np.abs(expected - probabilities(graph.build(network), slices)).max()
        storage = f"as float16 and computed in float32; on the reference slices this moves a probability by {apart:.4f} at most"
    onnx.save(model, str(folder / "model.onnx"))
    (folder / "reference.u8").write_bytes(slices.tobytes())
    values = {
        "NAME": json.dumps(name),
        "PART": json.dumps(part.body_part),
        "SHA256": json.dumps(hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()),
        "CROP": json.dumps(part.crop),
        "KEPT": json.dumps(part.kept),
        "SLICES": str(len(slices)),
        "EXPECTED": ", ".join(f"{value:.6f}" for value in expected),
    }
    manifest = _render("bundle.toml.in", values)
    tomllib.loads(manifest)
    (folder / "bundle.toml").write_text(manifest)
    values = {
        "NAME": name,
        "PART": part.body_part,
        "PUBLISHED": f"{SOURCE}, {part.file}",
        "FILE": origin.file,
        "FILE_SHA256": origin.sha256,
        "ORIGIN": origin.statement,
        "KERAS": network.keras_version,
        "STORAGE": storage,
    }
    (folder / "card.md").write_text(_render("card.md.in", values))


def _render(template: str, values: dict[str, str]) -> str:
    text = (HERE / template).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text
