"""Network to ONNX: batch norms folded, sigmoid inside, weights stored as float16 and cast to float32 at load.

`python -m phantom.export NETWORK.pt MODEL.onnx`. Dense layers stay 1 x 1 convolutions, so that a slice's result does
not depend on the batch that it stands in.
"""

import argparse
import copy
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .network import SHALLOW, TorsoB4, grow


class Exported(nn.Module):
    """[n, 3, 192, 192] in 0..1 to [n] probabilities."""

    def __init__(self, net: TorsoB4):
        super().__init__()
        self.net = fold(net)

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        x = self.net.features(slices * 2 - 1)
        x = nn.functional.adaptive_avg_pool2d(x, 1)
        x = self.net.out(self.net.act(self.net.hidden(x)))
        return torch.sigmoid(x).squeeze(3).squeeze(2).squeeze(1)


def fold(net: nn.Module) -> nn.Module:
    """Every convolution takes its batch norm in; the norm becomes an identity."""
    net = copy.deepcopy(net).eval()
    for parent in net.modules():
        names = list(parent._modules)
        for a, b in zip(names, names[1:], strict=False):
            first, second = parent._modules[a], parent._modules[b]
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                parent._modules[a], parent._modules[b] = fuse_conv_bn_eval(first, second), nn.Identity()
    return net


def halve(model: onnx.ModelProto) -> None:
    """Large float32 initialisers become float16 with a Cast to float32 behind them."""
    kept, casts = [], []
    for item in model.graph.initializer:
        value = numpy_helper.to_array(item)
        if item.data_type != TensorProto.FLOAT or value.size < 64:
            kept.append(item)
            continue
        half = numpy_helper.from_array(value.astype(np.float16), item.name + "_f16")
        kept.append(half)
        casts.append(helper.make_node("Cast", [half.name], [item.name], to=TensorProto.FLOAT, name=item.name + "_cast"))
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(casts + nodes)


def export(net: TorsoB4, path: Path) -> None:
    """Write the ONNX file, opset 17."""
    raw = path.with_suffix(".f32.onnx")
    torch.onnx.export(Exported(net).eval(), torch.zeros(2, 3, 192, 192), str(raw), input_names=["slices"], output_names=["probability"],
                      dynamic_axes={"slices": {0: "n"}, "probability": {0: "n"}}, opset_version=17, dynamo=False)
    model = onnx.load(str(raw))
    halve(model)
    model.doc_string = "Bolus torso-b4: IV contrast in CT slices; trained on synthetic slices only; research use only."
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    raw.unlink()


def load(path: Path) -> TorsoB4:
    """The whole network of a saved state, grown if the state is the narrow sibling's."""
    state = torch.load(path)
    whole = state["hidden.weight"].shape[1] == 1792
    net = TorsoB4() if whole else TorsoB4(4, SHALLOW)
    net.load_state_dict(state)
    return net if whole else grow(net)


def main() -> None:
    args = argparse.ArgumentParser()
    args.add_argument("network", type=Path)
    args.add_argument("model", type=Path)
    a = args.parse_args()
    export(load(a.network), a.model)


if __name__ == "__main__":
    main()
