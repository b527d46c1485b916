"""The network as an ONNX graph: `slices` [n, 3, 192, 192] in 0..1 to `probability` [n].

Keras' rescaling and normalisation stay in the graph, since zero padding follows them; batch norms are folded into the
convolutions before them; dense layers are 1 x 1 convolutions, which ONNX Runtime computes image by image, so that a score
does not depend on the batch.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from . import plan
from .keras_file import Network

OPSET = 17
INPUT, OUTPUT = "slices", "probability"
# Keras' own smallest divisor of a normalisation.
SMALLEST = 1e-7
# Tensors of fewer numbers stay float32 in a half-precision file.
LARGE = 64


class Graph:
    """Nodes and initialisers in the making."""

    def __init__(self, half: bool) -> None:
        self.half = half
        self.casts: list[onnx.NodeProto] = []
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, value: np.ndarray) -> str:
        """An initialiser; large ones of a half-precision file are stored as float16 and cast."""
        if self.half and value.dtype.kind == "f" and value.size >= LARGE:
            self.initializers.append(numpy_helper.from_array(value.astype(np.float16), name + "_f16"))
            self.casts.append(helper.make_node("Cast", [name + "_f16"], [name], name + "_cast", to=TensorProto.FLOAT))
        else:
            self.initializers.append(numpy_helper.from_array(value.astype(np.float32) if value.dtype.kind == "f" else value, name))
        return name

    def node(self, kind: str, inputs: list[str], name: str, **attributes: object) -> str:
        """A node whose output has its name."""
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def activate(self, name: str, activation: str) -> str:
        """The activation behind a tensor."""
        if activation == "linear":
            return name
        if activation == "relu":
            return self.node("Relu", [name], name + "_relu")
        gate = self.node("Sigmoid", [name], name + "_sigmoid")
        return gate if activation == "sigmoid" else self.node("Mul", [name, gate], name + "_swish")


def build(network: Network, half: bool = False) -> onnx.ModelProto:
    """The checked ONNX model."""
    graph = Graph(half)
    norms = {layer.inputs[0]: layer for layer in network.layers if layer.kind == "BatchNormalization"}
    paddings = {layer.name: layer.settings["padding"] for layer in network.layers if layer.kind == "ZeroPadding2D"}
    # The tensor that carries a layer's output.
    tensor: dict[str, str] = {}
    for layer in network.layers:
        entries = [tensor[name] for name in layer.inputs]
        tensor[layer.name] = emit(graph, network, layer, entries, norms.get(layer.name), paddings)
    axes = graph.constant("single", np.array([1, 2, 3], np.int64))
    graph.node("Squeeze", [tensor[network.layers[-1].name], axes], OUTPUT)
    model = helper.make_model(
        helper.make_graph(
            graph.casts + graph.nodes,
            "efficientnetb4",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", plan.CHANNELS, plan.SIDE, plan.SIDE])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n"])],
            graph.initializers,
        ),
        producer_name="bolus import_keras",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=8,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def emit(graph: Graph, network: Network, layer: plan.Layer, entries: list[str], norm: plan.Layer | None, paddings: dict) -> str:
    """Add one layer and return the tensor of its output."""
    name, weights = layer.name, network.weights[layer.name]
    match layer.kind:
        case "InputLayer":
            return INPUT
        case "Rescaling":
            numbers = network.rescalings[name]
            scaled = graph.node("Mul", [entries[0], graph.constant(name + "_scale", _channels(numbers.scale))], name + "_scaled")
            return graph.node("Add", [scaled, graph.constant(name + "_offset", _channels(numbers.offset))], name)
        case "Normalization":
            divisor = np.maximum(np.sqrt(weights["variance"]), SMALLEST)
            centred = graph.node("Sub", [entries[0], graph.constant(name + "_mean", _channels(weights["mean"]))], name + "_centred")
            return graph.node("Div", [centred, graph.constant(name + "_deviation", _channels(divisor))], name)
        case "Conv2D" | "DepthwiseConv2D":
            return graph.activate(_convolution(graph, network, layer, entries[0], norm, paddings.get(layer.inputs[0])), layer.settings["activation"])
        case "Dense":
            kernel = graph.constant(name + "_kernel", weights["kernel"].T[:, :, None, None])
            return graph.activate(graph.node("Conv", [entries[0], kernel, graph.constant(name + "_bias", weights["bias"])], name), layer.settings["activation"])
        case "Activation":
            return graph.activate(entries[0], layer.settings["activation"])
        case "GlobalAveragePooling2D":
            return graph.node("GlobalAveragePool", entries, name)
        case "Multiply":
            return graph.node("Mul", entries, name)
        case "Add":
            return graph.node("Add", entries, name)
        # Dropout does nothing when a network is used, a pooled tensor keeps its axes here, and padding and batch norm
        # are in their convolutions.
        case "Dropout" | "Reshape" | "ZeroPadding2D" | "BatchNormalization":
            return entries[0]
    raise AssertionError(layer.kind)


def _channels(value: np.ndarray) -> np.ndarray:
    return np.asarray(value, np.float64).reshape(1, plan.CHANNELS, 1, 1)


def _convolution(graph: Graph, network: Network, layer: plan.Layer, entry: str, norm: plan.Layer | None, padding: list | None) -> str:
    """A convolution with its batch norm and its padding taken in."""
    weights = network.weights[layer.name]
    depthwise = layer.kind == "DepthwiseConv2D"
    kernel = weights["kernel"].astype(np.float64).transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
    bias = weights["bias"].astype(np.float64) if "bias" in weights else 0.0
    if norm:
        gamma, beta, mean, variance = (network.weights[norm.name][key].astype(np.float64) for key in ("gamma", "beta", "moving_mean", "moving_variance"))
        factor = gamma / np.sqrt(variance + plan.EPSILON)
        kernel, bias = kernel * factor[:, None, None, None], beta + (bias - mean) * factor
    size = layer.settings["kernel_size"][0]
    before, behind = padding[0] if padding else (size // 2, size // 2)
    inputs = [entry, graph.constant(layer.name + "_kernel", kernel), graph.constant(layer.name + "_bias", bias)]
    return graph.node(
        "Conv",
        inputs,
        layer.name,
        kernel_shape=[size, size],
        strides=layer.settings["strides"],
        pads=[before, before, behind, behind],
        group=kernel.shape[0] if depthwise else 1,
    )
