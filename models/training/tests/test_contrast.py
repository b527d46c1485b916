"""Checks of the networks, the trainer, the export and the quantisation, on small made-up shards."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from contrast import config, export, networks, quantise, train
from contrast.shards import Shards, check_leakage

# Keras' counts of the published networks; InceptionV3 there has no scale in its batch norms, EfficientNet has seven numbers of
# its input normalisation more.
PUBLISHED = {"simple-cnn": 3_627_393, "inception-v3": 23_852_785, "resnet101-v2": 44_676_561, "resnet101-v2-frozen": 44_676_561,
             "efficientnet-b4": 19_467_824}  # fmt: skip


def write_shards(folder: Path, patients: range, split: str, pixels: int = networks.PIXELS) -> Path:
    """Noisy slices, brighter where enhanced."""
    folder.mkdir()
    rng, images, rows = np.random.default_rng(patients.start), [], []
    for patient in patients:
        for _ in range(4):
            image = rng.normal(0.8 if patient % 2 else 0.3, 0.05, (pixels, pixels))
            rows.append([0, len(images), f"1.2.{patient}", f"p{patient}", patient % 2, "chest", split, "a", 0.0, 0])
            images.append(image.clip(0, 1).astype(np.float16))
    np.save(folder / "shard-00000.npy", np.stack(images))
    with (folder / "index.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["shard", "row", "series_uid", "patient", "contrast", "body_part", "split", "site", "z_mm", "slice"])
        table.writerows(rows)
    (folder / "export.json").write_text("{}")
    return folder


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_those_of_the_published_networks(name):
    count = networks.parameters(networks.NETWORKS[name]())
    assert abs(count - PUBLISHED[name]) <= (20_000 if name == "inception-v3" else 10)


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_folding_the_batch_norms_changes_nothing(name):
    torch.manual_seed(0)
    net = networks.NETWORKS[name]()
    for module in net.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    x = torch.rand(2, 3, networks.PIXELS, networks.PIXELS)
    with torch.no_grad():
        before, after = net.eval()(x), export.fold(net)(x)
    assert before.shape == after.shape and torch.allclose(before, after, rtol=1e-3, atol=1e-4)


def test_the_frozen_network_learns_its_head_alone():
    net = networks.NETWORKS["resnet101-v2-frozen"]()
    assert sum(p.numel() for p in net.parameters() if p.requires_grad) == 2048 * 1000 + 1000 + 1000 + 1


def test_the_grown_network_computes_the_same():
    torch.manual_seed(0)
    thin = networks.NETWORKS["lite"]().eval()
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(thin(x), networks.grow(thin).eval()(x), atol=1e-5)


def test_a_patient_on_both_sides_is_told(tmp_path):
    one, other = (Shards([write_shards(tmp_path / name, range(n, n + 4), "train", 8)]) for name, n in (("a", 0), ("b", 3)))
    with pytest.raises(SystemExit, match="p3"):
        check_leakage(one, other)


def test_an_unfinished_export_is_refused(tmp_path):
    write_shards(tmp_path / "a", range(2), "train", 8)
    (tmp_path / "a" / "export.json").unlink()
    with pytest.raises(SystemExit, match="no finished export"):
        Shards([tmp_path / "a"])


@pytest.mark.parametrize("name", ["published", "published-finetune", "better"])
def test_configurations_load(name):
    assert config.load(name, []).stages[0].batch == 32


def test_a_wrong_configuration_is_named(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text('optimiser = "sgd"\nschedule = "cosine"\nstages = []\n')
    with pytest.raises(SystemExit, match="optimiser is 'sgd'"):
        config.load(str(path), [])
    with pytest.raises(SystemExit, match="unknown keys foo"):
        config.load("better", ["foo=1"])


def arguments(tmp_path: Path, out: str, steps: int) -> list[str]:
    stages = f"stages=[{{pixels=32, steps={steps}, batch=8, rate=3e-3}}]"
    return ["train", "lite", "--data", str(tmp_path / "train"), "--validation", str(tmp_path / "held"), "--out", str(tmp_path / out),
            "--config", "better", "--device", "cpu", "--set", stages, "evaluate_every=40"]  # fmt: skip


def test_training_learns_resumes_and_exports(tmp_path, monkeypatch):
    write_shards(tmp_path / "train", range(16), "train")
    write_shards(tmp_path / "held", range(100, 108), "validation")
    monkeypatch.setattr("sys.argv", arguments(tmp_path, "whole", 120))
    train.main()
    figures = [row for row in json.loads((tmp_path / "whole/metrics.json").read_text())["log"] if "auc" in row]
    assert figures[-1]["auc"] > 0.95
    assert (tmp_path / "whole/curves.png").stat().st_size > 1000

    # A run that is killed half-way ends with the bits of one that was not.
    steps, ended = train.Run._step, KeyboardInterrupt()

    def killed(run, index, step, *rest):
        if step == 50:
            raise ended
        return steps(run, index, step, *rest)

    monkeypatch.setattr("sys.argv", arguments(tmp_path, "resumed", 120))
    with monkeypatch.context() as inner:
        inner.setattr(train.Run, "_step", killed)
        with pytest.raises(KeyboardInterrupt):
            train.main()
    train.main()
    whole, resumed = (torch.load(tmp_path / name / "network.pt")["network"] for name in ("whole", "resumed"))
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)

    _, net = export.load(tmp_path / "whole/network.pt")
    held, model = Shards([tmp_path / "held"]), tmp_path / "model.onnx"
    export.export(net, model, "float32", "test")
    assert export.largest_difference(net, model, held) < export.TOLERANCE
    images = held.batch(range(8))[0][:, 0].numpy()
    exact = export.run(export.session(model), images)
    assert np.array_equal(exact, np.concatenate([export.run(export.session(model), images[i : i + 1]) for i in range(8)]))
    export.export(net, tmp_path / "half.onnx", "half", "test")
    assert np.abs(export.run(export.session(tmp_path / "half.onnx"), images) - exact).max() < 2e-2
    quantise.quantise(model, tmp_path / "int8.onnx", images, [])
    assert np.abs(export.run(export.session(tmp_path / "int8.onnx"), images) - exact).max() < 0.2
