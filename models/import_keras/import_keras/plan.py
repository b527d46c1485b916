"""The published network, layer by layer: EfficientNetB4 without its top at 192 x 192 x 3, and the head of DeepContrast.

The one description of it: `keras_file` holds a file against this plan, `graph` builds the ONNX graph from it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

SIDE = 192
CHANNELS = 3
EPSILON = 1e-3
# expand ratio, kernel, stride of the first block, input channels, output channels, blocks
STAGES = (
    (1, 3, 1, 48, 24, 2),
    (6, 3, 2, 24, 32, 4),
    (6, 5, 2, 32, 56, 4),
    (6, 3, 2, 56, 112, 6),
    (6, 5, 1, 112, 160, 6),
    (6, 5, 2, 160, 272, 8),
    (6, 3, 1, 272, 448, 2),
)
TOP, HIDDEN = 1792, 1000


@dataclass(frozen=True)
class Layer:
    """One layer of the network as Keras builds it."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    # What Keras' configuration must say.
    settings: dict = field(default_factory=dict)
    # The stored tensors and their shapes.
    weights: dict = field(default_factory=dict)
    # Whether Keras gives exactly this name; the others are numbered through a session, and a user may name the head's.
    named: bool = True


def layers(rescaled_twice: bool) -> list[Layer]:
    """The network. Keras puts a second rescaling behind the normalisation where it starts from ImageNet weights."""
    plan = list(_stem(rescaled_twice))
    channels = 0
    for stage, (expand, kernel, first_stride, channels, out, blocks) in enumerate(STAGES, 1):
        for block in range(blocks):
            name = f"block{stage}{chr(ord('a') + block)}_"
            plan += _block(name, plan[-1].name, expand, kernel, first_stride if block == 0 else 1, channels if block == 0 else out, out)
    plan += _convolution("top_conv", "top_bn", plan[-1].name, STAGES[-1][4], TOP, 1, 1)
    plan.append(_activation("top_activation", "top_bn"))
    plan.append(Layer("pool", "GlobalAveragePooling2D", ("top_activation",), {"data_format": "channels_last"}, named=False))
    plan.append(Layer("dropout", "Dropout", ("pool",), named=False))
    plan.append(_dense("hidden", "dropout", TOP, HIDDEN, "relu"))
    plan.append(Layer("dropout_1", "Dropout", ("hidden",), named=False))
    plan.append(_dense("out", "dropout_1", HIDDEN, 1, "sigmoid"))
    return plan


def _stem(rescaled_twice: bool) -> Iterator[Layer]:
    yield Layer("input", "InputLayer", (), named=False)
    yield Layer("rescaling", "Rescaling", ("input",), named=False)
    statistics = {"mean": (CHANNELS,), "variance": (CHANNELS,)}
    yield Layer("normalization", "Normalization", ("rescaling",), {"axis": 3, "invert": False, "mean": None}, statistics, named=False)
    last = "normalization"
    if rescaled_twice:
        last = "rescaling_1"
        yield Layer(last, "Rescaling", ("normalization",), named=False)
    yield _padding("stem_conv_pad", last, 3)
    yield from _convolution("stem_conv", "stem_bn", "stem_conv_pad", CHANNELS, STAGES[0][3], 3, 2)
    yield _activation("stem_activation", "stem_bn")


def _block(name: str, entry: str, expand: int, kernel: int, stride: int, channels: int, out: int) -> Iterator[Layer]:
    """An inverted residual block with squeeze and excitation."""
    wide, last = channels * expand, entry
    if expand != 1:
        yield from _convolution(name + "expand_conv", name + "expand_bn", entry, channels, wide, 1, 1)
        last = name + "expand_activation"
        yield _activation(last, name + "expand_bn")
    if stride == 2:
        yield _padding(name + "dwconv_pad", last, kernel)
        last = name + "dwconv_pad"
    yield _depthwise(name + "dwconv", last, wide, kernel, stride)
    yield _norm(name + "bn", name + "dwconv", wide)
    yield _activation(name + "activation", name + "bn")

    narrow = max(1, channels // 4)
    yield Layer(name + "se_squeeze", "GlobalAveragePooling2D", (name + "activation",), {"data_format": "channels_last"})
    yield Layer(name + "se_reshape", "Reshape", (name + "se_squeeze",), {"target_shape": [1, 1, wide]})
    yield _conv(name + "se_reduce", name + "se_reshape", wide, narrow, 1, 1, "swish", bias=True)
    yield _conv(name + "se_expand", name + "se_reduce", narrow, wide, 1, 1, "sigmoid", bias=True)
    yield Layer(name + "se_excite", "Multiply", (name + "activation", name + "se_expand"))

    yield from _convolution(name + "project_conv", name + "project_bn", name + "se_excite", wide, out, 1, 1)
    if stride == 1 and channels == out:
        yield Layer(name + "drop", "Dropout", (name + "project_bn",))
        yield Layer(name + "add", "Add", (name + "drop", entry))


def _convolution(name: str, norm: str, entry: str, channels: int, out: int, kernel: int, stride: int) -> Iterator[Layer]:
    yield _conv(name, entry, channels, out, kernel, stride, "linear", bias=False)
    yield _norm(norm, name, out)


def _conv(name: str, entry: str, channels: int, out: int, kernel: int, stride: int, activation: str, bias: bool) -> Layer:
    settings = _sliding(kernel, stride) | {"filters": out, "use_bias": bias, "activation": activation}
    weights = {"kernel": (kernel, kernel, channels, out)} | ({"bias": (out,)} if bias else {})
    return Layer(name, "Conv2D", (entry,), settings, weights)


def _depthwise(name: str, entry: str, channels: int, kernel: int, stride: int) -> Layer:
    settings = _sliding(kernel, stride) | {"depth_multiplier": 1, "use_bias": False, "activation": "linear"}
    return Layer(name, "DepthwiseConv2D", (entry,), settings, {"kernel": (kernel, kernel, channels, 1)})


def _sliding(kernel: int, stride: int) -> dict:
    return {
        "kernel_size": [kernel, kernel],
        "strides": [stride, stride],
        "padding": "valid" if stride == 2 else "same",
        "dilation_rate": [1, 1],
        "data_format": "channels_last",
    }


def _padding(name: str, entry: str, kernel: int) -> Layer:
    """Keras' `correct_pad` for a side of even length: a line less before than behind."""
    before, behind = kernel // 2 - 1, kernel // 2
    return Layer(name, "ZeroPadding2D", (entry,), {"padding": [[before, behind], [before, behind]], "data_format": "channels_last"})


def _norm(name: str, entry: str, channels: int) -> Layer:
    weights = dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), (channels,))
    return Layer(name, "BatchNormalization", (entry,), {"axis": 3, "epsilon": EPSILON, "center": True, "scale": True}, weights)


def _activation(name: str, entry: str) -> Layer:
    return Layer(name, "Activation", (entry,), {"activation": "swish"})


def _dense(name: str, entry: str, channels: int, out: int, activation: str) -> Layer:
    settings = {"units": out, "use_bias": True, "activation": activation}
    return Layer(name, "Dense", (entry,), settings, {"kernel": (channels, out), "bias": (out,)}, named=False)
