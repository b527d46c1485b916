"""A trained network to ONNX: `python -m contrast.export network.pt model.onnx --check EXPORT`.

Batch norms are folded into convolutions, the sigmoid is inside, dense layers are 1 x 1 convolutions. With `--half`
weights are stored as float16 and cast to float32 at load, which halves the file; with `--float16` the whole network
computes in float16, for CUDA. The result is compared with PyTorch on exported tensors.
"""

import argparse
import copy
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models.inception import BasicConv2d

from .networks import NETWORKS, PIXELS
from .shards import Shards

TOLERANCE = 1e-4


class Exported(nn.Module):
    """[n, 3, 192, 192] in 0..1 to [n] probabilities."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = fold(net)

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.net(slices))


def fold(net: nn.Module) -> nn.Module:
    """Every convolution that a batch norm follows takes it in; the norm becomes an identity. Looks into the modules whose parts run in their order."""
    net = copy.deepcopy(net).eval()
    for parent in filter(lambda module: isinstance(module, (nn.Sequential, BasicConv2d)), net.modules()):
        names = list(parent._modules)
        for a, b in zip(names, names[1:], strict=False):
            first, second = parent._modules[a], parent._modules[b]
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                parent._modules[a], parent._modules[b] = fuse_conv_bn_eval(first, second), nn.Identity()
    return net


def halve(model: onnx.ModelProto) -> None:
    """Large float32 initialisers become float16 with a Cast to float32 behind them; equal ones are stored once."""
    kept, casts, known = [], [], {}
    for item in model.graph.initializer:
        value = numpy_helper.to_array(item)
        if item.data_type != TensorProto.FLOAT or value.size < 64:
            kept.append(item)
            continue
        half = value.astype(np.float16)
        name = known.setdefault((half.shape, half.tobytes()), item.name + "_f16")
        if name == item.name + "_f16":
            kept.append(numpy_helper.from_array(half, name))
        casts.append(helper.make_node("Cast", [name], [item.name], to=TensorProto.FLOAT, name=item.name + "_cast"))
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(casts + nodes)


def load(path: Path) -> tuple[str, nn.Module]:
    """Name and network of a saved run."""
    state = torch.load(path, map_location="cpu")
    net = NETWORKS[state["name"]]()
    net.load_state_dict(state["network"])
    return state["name"], net.eval()


def export(net: nn.Module, path: Path, storage: str, about: str) -> None:
    """Write the ONNX file, opset 17; `storage` is float32, half (float16 weights, float32 arithmetic) or float16."""
    net, dtype = Exported(net).eval(), torch.float32
    if storage == "float16":
        net, dtype = net.half(), torch.float16
    torch.onnx.export(net, torch.zeros(2, 3, PIXELS, PIXELS, dtype=dtype), str(path), input_names=["slices"], output_names=["probability"],
                      dynamic_axes={"slices": {0: "n"}, "probability": {0: "n"}}, opset_version=17, dynamo=False)  # fmt: skip
    model = onnx.load(str(path))
    if storage == "half":
        halve(model)
    model.doc_string = about
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def session(path: Path, threads: int = 1) -> onnxruntime.InferenceSession:
    """A CPU session. Its idle threads sleep: spinning ones would take the cores from another session that is timed beside it."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run(network: onnxruntime.InferenceSession, grey: np.ndarray, batch: int = 8) -> np.ndarray:
    """Probabilities of grey slices `[n, 192, 192]` in 0..1."""
    dtype = np.float16 if "float16" in network.get_inputs()[0].type else np.float32
    parts = [grey[i : i + batch, None].astype(dtype).repeat(3, 1) for i in range(0, len(grey), batch)]
    return np.concatenate([network.run(None, {"slices": part})[0].astype(np.float32) for part in parts])


@torch.no_grad()
def largest_difference(net: nn.Module, path: Path, data: Shards, count: int = 32) -> float:
    """Between PyTorch and the file, on `count` slices spread over `data`."""
    images, _ = data.batch(np.linspace(0, len(data) - 1, min(count, len(data))).astype(int))
    expected = torch.cat([torch.sigmoid(net(x.expand(-1, 3, -1, -1))) for x in images.split(8)]).numpy()
    return float(np.abs(run(session(path), images[:, 0].numpy()) - expected).max())


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("network", type=Path)
    args.add_argument("model", type=Path)
    args.add_argument("--check", type=Path, nargs="+", required=True, help="exports of `bolus export-tensors` to compare on")
    kind = args.add_mutually_exclusive_group()
    kind.add_argument("--half", dest="storage", action="store_const", const="half")
    kind.add_argument("--float16", dest="storage", action="store_const", const="float16")
    a = args.parse_args()
    name, net = load(a.network)
    data = Shards(a.check)
    about = f"Bolus {name}: IV contrast in CT slices; research use only."
    export(net, a.model, "float32", about)
    difference = largest_difference(net, a.model, data)
    print(f"{a.model}: {a.model.stat().st_size / 1e6:.1f} MB as float32, largest difference to PyTorch {difference:.2e}")
    if difference > TOLERANCE:
        raise SystemExit(f"the exported network differs from PyTorch by more than {TOLERANCE}")
    if a.storage:
        export(net, a.model, a.storage, about)
        loss = largest_difference(net, a.model, data)
        print(f"{a.model}: {a.model.stat().st_size / 1e6:.1f} MB as {a.storage}, largest difference {loss:.2e} by the rounding of the weights")


if __name__ == "__main__":
    main()
