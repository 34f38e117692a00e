"""Models of Keras and Pyro as their files have them: tensors, the maps of these, and what they compute, in their own layout."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Arrays = dict[str, np.ndarray]
RANDOM = np.random.default_rng(0)

#: as Keras 3 names and lays out an encoder and a decoder of dense layers, with what its optimiser and its noise leave
DENSE = {
    "encoder/layers/dense": (64, 12),
    "encoder/layers/dense_1": (12, 2),
    "encoder/layers/dense_2": (12, 2),
    "decoder/layers/dense": (2, 12),
    "decoder/layers/dense_1": (12, 64),
}
#: of convolutions, with zeros padded on both sides, and their channels last; between them images are flattened with channels last
CONVOLUTIONS = {
    "encoder/layers/conv2d": (3, 3, 2, 4),
    "encoder/layers/dense": (4 * 4 * 4, 2),
    "encoder/layers/dense_1": (4 * 4 * 4, 2),
    "decoder/layers/dense": (2, 4 * 4 * 4),
    "decoder/layers/conv2d": (3, 3, 4, 2),
}
#: as Pyro's example names the layers of its store, in torch's layout; σ is the exponential of the second
PYRO = {
    "encoder$$$fc1": (10, 64),
    "encoder$$$fc21": (2, 10),
    "encoder$$$fc22": (2, 10),
    "decoder$$$fc1": (10, 2),
    "decoder$$$fc21": (64, 10),
}

OF_KERAS = """
layout = "keras"
ignore = ["optimizer/*", "*/seed_generator/*"]
"""
OF_DENSE = (
    OF_KERAS
    + """
[recipe]
network = "mlp:12"
pixels = "grey"
[data]
shape = [1, 8, 8]
[tensors]
"posterior.network.1.weight" = "encoder/layers/dense/vars/0"
"posterior.network.1.bias" = "encoder/layers/dense/vars/1"
"posterior.network.3.weight" = ["encoder/layers/dense_1/vars/0", "encoder/layers/dense_2/vars/0"]
"posterior.network.3.bias" = ["encoder/layers/dense_1/vars/1", "encoder/layers/dense_2/vars/1"]
"likelihood.network.1.weight" = "decoder/layers/dense/vars/0"
"likelihood.network.1.bias" = "decoder/layers/dense/vars/1"
"likelihood.network.3.weight" = "decoder/layers/dense_1/vars/0"
"likelihood.network.3.bias" = "decoder/layers/dense_1/vars/1"
"""
)
OF_CONVOLUTIONS = (
    OF_KERAS
    + """
[recipe]
network = "conv:4"
likelihood = "gaussian"
scale = 1.0
[data]
shape = [2, 8, 8]
low = -1
[tensors]
"posterior.network.0.weight" = "encoder/layers/conv2d/vars/0"
"posterior.network.0.bias" = "encoder/layers/conv2d/vars/1"
"posterior.network.3.weight" = [
    { of = "encoder/layers/dense/vars/0", shape = [4, 4, 4, 2] },
    { of = "encoder/layers/dense_1/vars/0", shape = [4, 4, 4, 2] },
]
"posterior.network.3.bias" = ["encoder/layers/dense/vars/1", "encoder/layers/dense_1/vars/1"]
"likelihood.network.0.weight" = { of = "decoder/layers/dense/vars/0", shape = [2, 4, 4, 4], axes = [3, 1, 2, 0] }
"likelihood.network.0.bias" = { of = "decoder/layers/dense/vars/1", shape = [4, 4, 4], axes = [2, 0, 1] }
"likelihood.network.4.weight" = "decoder/layers/conv2d/vars/0"
"likelihood.network.4.bias" = "decoder/layers/conv2d/vars/1"
"""
)
OF_PYRO = """
[recipe]
network = "softplus:10"
pixels = "grey"
[data]
shape = [1, 8, 8]
[tensors]
"posterior.network.1.weight" = "encoder$$$fc1.weight"
"posterior.network.1.bias" = "encoder$$$fc1.bias"
"posterior.network.3.weight" = ["encoder$$$fc21.weight", { of = "encoder$$$fc22.weight", times = 2 }]
"posterior.network.3.bias" = ["encoder$$$fc21.bias", { of = "encoder$$$fc22.bias", times = 2 }]
"likelihood.network.1.weight" = "decoder$$$fc1.weight"
"likelihood.network.1.bias" = "decoder$$$fc1.bias"
"likelihood.network.3.weight" = "decoder$$$fc21.weight"
"likelihood.network.3.bias" = "decoder$$$fc21.bias"
"""


def of_keras(shapes: dict[str, tuple[int, ...]]) -> Arrays:
    found: Arrays = {"optimizer/vars/0": np.zeros(()), "encoder/layers/sampling/seed_generator/vars/0": np.array([1, 0], np.uint32)}
    for layer, shape in shapes.items():
        found[f"{layer}/vars/0"] = (RANDOM.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))).astype(np.float32)
        found[f"{layer}/vars/1"] = (RANDOM.normal(size=shape[-1]) / 10).astype(np.float32)
    return found


def of_pyro() -> Arrays:
    found: Arrays = {}
    for layer, shape in PYRO.items():
        found[f"{layer}.weight"] = (RANDOM.normal(size=shape) / np.sqrt(shape[1])).astype(np.float32)
        found[f"{layer}.bias"] = (RANDOM.normal(size=shape[0]) / 10).astype(np.float32)
    return found


# --- what the others compute, in their layout ------------------------------------------------------------


def dense(h: np.ndarray, arrays: Arrays, layer: str) -> np.ndarray:
    return h @ arrays[f"{layer}/vars/0"] + arrays[f"{layer}/vars/1"]


def convolved(h: np.ndarray, arrays: Arrays, layer: str, stride: int = 1) -> np.ndarray:
    """``(N, H, W, C)``, a pixel of zeros on each side, a kernel ``(3, 3, C, O)``."""
    padded = np.pad(h, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))[:, ::stride, ::stride]
    return np.einsum("nhwcij,ijco->nhwo", windows, arrays[f"{layer}/vars/0"]) + arrays[f"{layer}/vars/1"]


def relu(h: np.ndarray) -> np.ndarray:
    return np.maximum(h, 0)


def sigmoid(h: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-h))


def by_dense(arrays: Arrays, x: np.ndarray, z: np.ndarray) -> list[np.ndarray]:
    """Means and log variances of q(z|x), expectations of p(x|z)."""
    h = relu(dense(x.reshape(len(x), -1), arrays, "encoder/layers/dense"))
    back = sigmoid(dense(relu(dense(z, arrays, "decoder/layers/dense")), arrays, "decoder/layers/dense_1"))
    return [dense(h, arrays, "encoder/layers/dense_1"), dense(h, arrays, "encoder/layers/dense_2"), back.reshape(x.shape)]


def by_convolutions(arrays: Arrays, x: np.ndarray, z: np.ndarray) -> list[np.ndarray]:
    h = relu(convolved(np.moveaxis(x, 1, 3), arrays, "encoder/layers/conv2d", 2)).reshape(len(x), -1)
    small = relu(dense(z, arrays, "decoder/layers/dense")).reshape(-1, 4, 4, 4)
    back = convolved(small.repeat(2, 1).repeat(2, 2), arrays, "decoder/layers/conv2d")
    return [dense(h, arrays, "encoder/layers/dense"), dense(h, arrays, "encoder/layers/dense_1"), np.moveaxis(back, 3, 1)]


def by_pyro(arrays: Arrays, x: np.ndarray, z: np.ndarray) -> list[np.ndarray]:
    def linear(h: np.ndarray, layer: str) -> np.ndarray:
        return h @ arrays[f"{layer}.weight"].T + arrays[f"{layer}.bias"]

    h = np.log1p(np.exp(linear(x.reshape(len(x), -1), "encoder$$$fc1")))
    scale = np.exp(linear(h, "encoder$$$fc22"))
    back = sigmoid(linear(np.log1p(np.exp(linear(z, "decoder$$$fc1"))), "decoder$$$fc21"))
    return [linear(h, "encoder$$$fc21"), 2 * np.log(scale), back.reshape(x.shape)]


MODELS: dict[str, tuple[Arrays, str, tuple[int, ...], Callable[[Arrays, np.ndarray, np.ndarray], list[np.ndarray]]]] = {
    "keras, dense": (of_keras(DENSE), OF_DENSE, (1, 8, 8), by_dense),
    "keras, convolutions": (of_keras(CONVOLUTIONS), OF_CONVOLUTIONS, (2, 8, 8), by_convolutions),
    "pyro": (of_pyro(), OF_PYRO, (1, 8, 8), by_pyro),
}
