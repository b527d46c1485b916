"""Reads a model that Keras 2 or Keras 3 saved as `.h5`, and holds it against the plan.

The file has the architecture as JSON in its attribute `model_config`, and a group `model_weights` with a group a layer. A
model that is called as a layer of another has its layers inside that layer's configuration and its tensors in that layer's group.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from . import Refused, plan

# Keras 2 calls a functional model by either name.
MODELS = ("Functional", "Model")
# Both Keras spell one thing in two ways.
SYNONYMS = {"silu": "swish", "depthwise_kernel": "kernel"}


@dataclass(frozen=True)
class Rescaling:
    """`x * scale + offset`, a number for each channel."""

    scale: np.ndarray
    offset: np.ndarray


@dataclass(frozen=True)
class Network:
    """The plan with what the file fills it with."""

    layers: list[plan.Layer]
    # By the plan's name of the layer.
    weights: dict[str, dict[str, np.ndarray]]
    rescalings: dict[str, Rescaling]
    keras_version: str


@dataclass(frozen=True)
class Found:
    """A layer in the file's configuration."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    config: dict


def read(path: Path) -> Network:
    """The network in a file, or why it is not the published one."""
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise Refused(f"{path}: cannot be read as HDF5: {error}") from error
    with file:
        if "model_config" not in file.attrs or "model_weights" not in file:
            raise Refused(f"{path}: holds no whole Keras model (attribute model_config, group model_weights); weights alone do not say what they are of")
        try:
            found = flatten(json.loads(text(file.attrs["model_config"])))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise Refused(f"{path}: its model_config is not as Keras writes it: {error!r}") from error
        layers, names = match(found)
        return Network(
            layers,
            tensors(file["model_weights"], layers, names),
            {layer.name: rescaling(found[names[layer.name]]) for layer in layers if layer.kind == "Rescaling"},
            text(file.attrs.get("keras_version", "unknown")),
        )


def text(value: str | bytes) -> str:
    """An attribute that one version of h5py gives as bytes and another as text."""
    return value.decode() if isinstance(value, bytes) else str(value)


def flatten(model: dict) -> dict[str, Found]:
    """All layers by name, in the file's order, those of inner models in their models' places."""
    layers, _ = _flatten(model, None)
    found = {layer.name: layer for layer in layers}
    if len(found) != len(layers):
        raise Refused("two layers of the model have one name")
    return found


def _flatten(model: dict, entry: str | None) -> tuple[list[Found], str]:
    """The layers of a model and the name of the last; `entry` is what an inner model gets."""
    alias: dict[str, str] = {}
    flat: list[Found] = []
    if model["class_name"] not in MODELS:
        raise Refused(f"the model is of Keras' class {model['class_name']}, not Functional")
    for layer in model["config"]["layers"]:
        name, kind = layer["config"]["name"], layer["class_name"]
        inputs = tuple(alias.get(source, source) for source in sources(layer["inbound_nodes"]))
        if kind in MODELS:
            if len(inputs) != 1:
                raise Refused(f"layer {name}: an inner model with {len(inputs)} inputs")
            inner, alias[name] = _flatten(layer, inputs[0])
            flat += inner
        elif kind == "InputLayer" and entry:
            alias[name] = entry
        else:
            flat.append(Found(name, kind, inputs, layer["config"]))
    if not flat:
        raise Refused("the model has no layers")
    return flat, flat[-1].name


def sources(nodes: object) -> Iterator[str]:
    """The layers that a layer gets its input from: `[name, node, tensor, ...]` in Keras 2, a `keras_history` in Keras 3."""
    if isinstance(nodes, dict):
        if "keras_history" in nodes:
            yield nodes["keras_history"][0]
        else:
            for value in nodes.values():
                yield from sources(value)
    elif isinstance(nodes, list):
        if len(nodes) >= 3 and isinstance(nodes[0], str) and isinstance(nodes[1], int):
            yield nodes[0]
        else:
            for value in nodes:
                yield from sources(value)


def match(found: dict[str, Found]) -> tuple[list[plan.Layer], dict[str, str]]:
    """The plan that the file's layers follow, and the file's name of each of the plan's layers."""
    rescalings = sum(layer.kind == "Rescaling" for layer in found.values())
    if rescalings not in (1, 2):
        raise Refused(f"{rescalings} Rescaling layers where EfficientNetB4 of Keras has one or two")
    layers = plan.layers(rescalings == 2)
    named = {layer.name for layer in layers if layer.named}
    # Layers without a name of their own stand in the plan's order, kind by kind.
    unnamed = {}
    for layer in found.values():
        if layer.name not in named:
            unnamed.setdefault(layer.kind, []).append(layer.name)
    names: dict[str, str] = {}
    for layer in layers:
        if layer.named:
            names[layer.name] = layer.name
        else:
            queue = unnamed.get(layer.kind)
            if not queue:
                raise Refused(f"layer {layer.name}: the file has no further {layer.kind} layer")
            names[layer.name] = queue.pop(0)
        if names[layer.name] not in found:
            raise Refused(f"layer {layer.name}: not in the file")
        check(layer, found[names[layer.name]], names)
    if extra := [name for queue in unnamed.values() for name in queue]:
        raise Refused(f"layer {extra[0]}: not in the published network")
    return layers, names


def check(layer: plan.Layer, found: Found, names: dict[str, str]) -> None:
    """Whether a layer is of the kind, gets the input and has the settings that the plan wants."""
    if found.kind != layer.kind:
        raise Refused(f"layer {found.name}: is a {found.kind}; expected {layer.kind}")
    wanted = tuple(names[name] for name in layer.inputs)
    if found.inputs != wanted:
        raise Refused(f"layer {found.name}: takes {', '.join(found.inputs) or 'nothing'}; expected {', '.join(wanted)}")
    if layer.kind == "InputLayer":
        shape = found.config.get("batch_input_shape") or found.config.get("batch_shape")
        if shape != [None, plan.SIDE, plan.SIDE, plan.CHANNELS]:
            raise Refused(f"layer {found.name}: input of shape {shape}; expected [null, {plan.SIDE}, {plan.SIDE}, {plan.CHANNELS}]")
    if (dtype := _plain(found.config.get("dtype", "float32"))) != "float32":
        raise Refused(f"layer {found.name}: computes in {dtype}; expected float32")
    for key, expected in layer.settings.items():
        # A key that an older Keras does not know has its default.
        value = _plain(found.config.get(key, expected))
        if key == "axis":
            value = {-1: 3}.get(value, value)
        if value != expected:
            raise Refused(f"layer {found.name}: {key} is {value}; expected {expected}")


def _plain(value: object) -> object:
    """A setting without the wrappers that Keras puts around names and single axes."""
    if isinstance(value, dict):
        inner = value.get("config")
        value = inner.get("name") if isinstance(inner, dict) else inner or value.get("class_name")
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return SYNONYMS.get(value, value) if isinstance(value, str) else value


def rescaling(layer: Found) -> Rescaling:
    """The numbers of a Rescaling layer."""
    try:
        numbers = (np.broadcast_to(np.asarray(layer.config[key], np.float64).reshape(-1), plan.CHANNELS) for key in ("scale", "offset"))
        return Rescaling(*numbers)
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(f"layer {layer.name}: scale and offset are not one or three numbers") from error


def tensors(group: h5py.Group, layers: list[plan.Layer], names: dict[str, str]) -> dict[str, dict[str, np.ndarray]]:
    """The stored tensors of every layer; each that the plan wants, and none besides."""
    stored: dict[str, dict[str, h5py.Dataset]] = {}

    def visit(path: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            # .../layer/tensor:0
            parts = path.split("/")
            name = parts[-1].split(":")[0]
            if stored.setdefault(parts[-2] if len(parts) > 1 else "", {}).setdefault(SYNONYMS.get(name, name), item) != item:
                raise Refused(f"layer {parts[-2]}: tensor {name} is there twice")

    group.visititems(visit)
    weights = {}
    for layer in layers:
        have = stored.pop(names[layer.name], {})
        if layer.kind == "Normalization":
            have.pop("count", None)  # how many samples its statistics are of
        for name in have.keys() - layer.weights.keys():
            raise Refused(f"layer {names[layer.name]}: tensor {name} is not in the published network")
        weights[layer.name] = {name: _tensor(f"layer {names[layer.name]}: tensor {name}", have.get(name), shape) for name, shape in layer.weights.items()}
    for name in stored:
        raise Refused(f"layer {name}: has tensors and is not in the published network")
    return weights


def _tensor(what: str, dataset: h5py.Dataset | None, shape: tuple[int, ...]) -> np.ndarray:
    if dataset is None:
        raise Refused(f"{what} is not in the file")
    value = np.asarray(dataset)
    if value.shape != shape:
        raise Refused(f"{what} has the shape {list(value.shape)}; expected {list(shape)}")
    if value.dtype.kind != "f" or not np.isfinite(value).all():
        raise Refused(f"{what} holds something else than finite numbers")
    return value
