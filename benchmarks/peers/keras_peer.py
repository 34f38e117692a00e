"""Keras 3 on JAX: a model with a train_step of its own kind as in its VAE example, ``fit`` with batches of 128, single precision."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np
from keras import layers, ops
from worker import BATCH, LEARNING_RATE, greys, known, serve, timed


class Sampling(layers.Layer):
    """z, and the KL as a loss."""

    def __init__(self) -> None:
        super().__init__()
        self.seed = keras.random.SeedGenerator(0)

    def call(self, inputs):
        mean, log_variance = inputs
        self.add_loss(-0.5 * ops.mean(ops.sum(1 + log_variance - ops.square(mean) - ops.exp(log_variance), axis=1)))
        return mean + ops.exp(0.5 * log_variance) * keras.random.normal(ops.shape(mean), seed=self.seed)


def _entropy(x, logits):
    return ops.sum(keras.losses.binary_crossentropy(x[..., None], logits[..., None], from_logits=True), axis=-1)


def train(path: str, network: str, rows: int) -> dict[str, float]:
    """An epoch, after one that is not counted, in which it is compiled."""
    if (found := known(network, 1)) is None:
        return {"missing": True}
    widths, latent, _ = found
    x = inputs = keras.Input((784,))
    for width in widths:
        x = layers.Dense(width, activation="relu")(x)
    z = Sampling()([layers.Dense(latent)(x), layers.Dense(latent)(x)])
    for width in reversed(widths):
        z = layers.Dense(width, activation="relu")(z)
    model = keras.Model(inputs, layers.Dense(784)(z))
    model.compile(optimizer=keras.optimizers.Adam(LEARNING_RATE), loss=_entropy)
    data = greys(path, rows).astype(np.float32) / 255
    model.fit(data, data, epochs=1, batch_size=BATCH, verbose=0)
    seconds, history = timed(lambda: model.fit(data, data, epochs=1, batch_size=BATCH, verbose=0))
    return {"seconds": seconds, "bound": -history.history["loss"][0]}


serve(train=train)
