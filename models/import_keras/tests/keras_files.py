"""Lets Keras 2 and Keras 3 themselves write the published network to `.h5` files, with weights that are not its own.

`python keras_files.py DIR` writes into DIR/keras-2 and DIR/keras-3

    flat.h5    the model as the published code builds it: body and head in one functional model
    nested.h5  the same layers, the body called as one layer of an outer model
    inputs.npy, probabilities.npy

The weights are random with settled batch norms, so that every layer has a say in the probabilities.
"""

import os
import sys
from pathlib import Path
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np

SIDE = 192


def inputs(seed: int) -> np.ndarray:
    """Slices in 0..1 as Bolus makes them, one grey slice in three channels: discs in a body in air, flat grey, and noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] / (SIDE / 2) - 1
    slices = []
    for _ in range(5):
        grey = np.where((x / rng.uniform(0.6, 1.1)) ** 2 + (y / rng.uniform(0.5, 0.9)) ** 2 < 1, rng.uniform(0.4, 0.6), 0.0)
        for _ in range(8):
            cx, cy, r = rng.uniform(-0.5, 0.5, 2).tolist() + [rng.uniform(0.03, 0.2)]
            grey[(x - cx) ** 2 + (y - cy) ** 2 < r * r] = rng.uniform(0, 1)
        slices.append(np.clip(grey + rng.normal(0, 0.04, grey.shape), 0, 1))
    slices += [np.full((SIDE, SIDE), 0.5), np.clip(rng.normal(0.5, 0.1, (SIDE, SIDE)), 0, 1), np.zeros((SIDE, SIDE))]
    return np.repeat(np.stack(slices)[..., None], 3, axis=3).astype(np.float32)


def settle(keras, model, rng: np.random.Generator, slices: np.ndarray) -> None:
    """Random scales and shifts, and moving statistics that are those of a batch.

    Inputs in 0..1 are divided by 255 once more, which leaves the first batch norm with less variance than its epsilon; its
    scale makes up for that, as it would after training.
    """
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in norms:
        count = layer.get_weights()[0].shape[0]
        layer.set_weights([rng.uniform(0.6, 1.4, count), rng.normal(0, 0.2, count), *layer.get_weights()[2:]])
        layer.momentum = 0.0
    model(slices, training=True)
    gamma, beta, mean, variance = norms[0].get_weights()
    norms[0].set_weights([gamma * np.sqrt(1 + norms[0].epsilon / variance), beta, mean, variance])
    model(slices, training=True)
    for layer in norms:
        layer.momentum = 0.99


def spread(hidden, out, rng: np.random.Generator, slices: np.ndarray) -> None:
    """A last layer whose logits scatter about nought, so that no sigmoid hides a difference."""
    weights = rng.normal(0, 1, (1000, 1))
    logits = np.array(hidden(slices)) @ weights
    scale = 1.5 / logits.std()
    out.set_weights([weights * scale, np.array([-logits.mean() * scale])])


def head(keras):
    """The published head: the layers that follow the body."""
    layers = keras.layers
    return [
        layers.GlobalAveragePooling2D(),
        layers.Dropout(0.3),
        layers.Dense(1000, activation="relu"),
        layers.Dropout(0.3),
        layers.Dense(1, activation="sigmoid"),
    ]


def chain(layers, tensor):
    for layer in layers:
        tensor = layer(tensor)
    return tensor


def write(keras, body, out: Path, seed: int, white: float) -> None:
    out.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    slices = inputs(seed) * np.float32(white)
    top = head(keras)
    flat = keras.Model(inputs=body.input, outputs=chain(top, body.output))
    settle(keras, flat, rng, slices)
    spread(keras.Model(body.input, top[2].output), top[-1], rng, slices)
    outer = keras.Input((SIDE, SIDE, 3))
    nested = keras.Model(inputs=outer, outputs=chain(top, body(outer)))
    flat.compile(optimizer="adam", loss="binary_crossentropy")
    flat.save(out / "flat.h5")
    nested.save(out / "nested.h5")
    np.save(out / "inputs.npy", slices)
    np.save(out / "probabilities.npy", flat.predict(slices, verbose=0)[:, 0])


def keras_2(out: Path, seed: int) -> None:
    """As the published models: weights=None, one rescaling; here with a normalisation that was fitted."""
    import tf_keras

    tf_keras.utils.set_random_seed(seed)
    body = tf_keras.applications.EfficientNetB4(weights=None, include_top=False, input_shape=(SIDE, SIDE, 3), pooling=None)
    normalization = next(layer for layer in body.layers if isinstance(layer, tf_keras.layers.Normalization))
    normalization.set_weights([np.float32([0.0012, 0.0014, 0.0016]), np.float32([2e-6, 3e-6, 4e-6]), np.int64(7)][: len(normalization.get_weights())])
    normalization.finalize_state()
    write(tf_keras, body, out, seed, white=1)


def keras_3(out: Path, seed: int) -> None:
    """As `weights="imagenet"` builds it, with a second rescaling; the download is replaced by a file of random weights."""
    import keras
    from keras.src.applications import efficientnet

    keras.utils.set_random_seed(seed)
    arguments = {"include_top": False, "input_shape": (SIDE, SIDE, 3), "pooling": None}
    random = out.with_name("random.weights.h5")
    plain = keras.applications.EfficientNetB4(weights=None, **arguments)
    plain.get_layer("normalization").set_weights([np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225]), np.int32(7)])
    plain.save_weights(random)
    with mock.patch.object(efficientnet.file_utils, "get_file", return_value=str(random)):
        body = keras.applications.EfficientNetB4(weights="imagenet", **arguments)
    # Where 0..1 is divided by 255 and 0.485 taken away, float32 leaves no four digits to compare: here white is 255.
    write(keras, body, out, seed, white=255)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    keras_2(folder / "keras-2", seed=2)
    keras_3(folder / "keras-3", seed=3)
