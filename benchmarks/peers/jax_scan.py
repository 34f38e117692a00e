"""Bare JAX: one jitted scan over the steps of an epoch, data resident, Adam by optax, single precision."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax
from worker import BATCH, LEARNING_RATE, greys, known, serve, timed


def _mlp(key: jax.Array, *widths: int) -> list[tuple[jax.Array, jax.Array]]:
    keys = jax.random.split(key, len(widths) - 1)
    shapes = zip(keys, widths, widths[1:], strict=False)
    return [(jax.random.uniform(k, (a, b), minval=-1, maxval=1) / a**0.5, jnp.zeros(b)) for k, a, b in shapes]


def _apply(layers: list[tuple[jax.Array, jax.Array]], x: jax.Array) -> jax.Array:
    for weight, bias in layers[:-1]:
        x = jax.nn.relu(x @ weight + bias)
    weight, bias = layers[-1]
    return x @ weight + bias


def _loss(weights: dict[str, list[tuple[jax.Array, jax.Array]]], x: jax.Array, key: jax.Array, k: int) -> jax.Array:
    mean, log_variance = jnp.split(_apply(weights["encoder"], x), 2, -1)
    noise = jax.random.normal(key, (k, *mean.shape))
    z = mean + jnp.exp(log_variance / 2) * noise
    logits = _apply(weights["decoder"], z)
    log_likelihood = (x * logits - jax.nn.softplus(logits)).sum(-1)
    if k == 1:
        return -(log_likelihood[0] + 0.5 * (1 + log_variance - mean**2 - jnp.exp(log_variance)).sum(-1)).mean()
    log_weight = log_likelihood + 0.5 * (noise**2 + log_variance - z**2).sum(-1)
    return -(jax.nn.logsumexp(log_weight, 0) - jnp.log(k)).mean()


def train(path: str, network: str, rows: int) -> dict[str, float]:
    """An epoch, after one that is not counted, in which it is compiled."""
    if (found := known(network)) is None:
        return {"missing": True}
    widths, latent, k = found
    first, second, key = jax.random.split(jax.random.key(0), 3)
    weights = {"encoder": _mlp(first, 784, *widths, 2 * latent), "decoder": _mlp(second, latent, *reversed(widths), 784)}
    adam, data = optax.adam(LEARNING_RATE), jnp.asarray(greys(path, rows))
    steps = rows // BATCH

    def step(carry, batch):
        weights, state, key = carry
        key, binary, noise = jax.random.split(key, 3)
        x = jax.random.bernoulli(binary, data[batch] / 255.0).astype(jnp.float32)
        loss, gradient = jax.value_and_grad(_loss)(weights, x, noise, k)
        change, state = adam.update(gradient, state)
        return (optax.apply_updates(weights, change), state, key), loss

    @jax.jit
    def epoch(weights, state, key):
        key, order = jax.random.split(key)
        batches = jax.random.permutation(order, rows)[: steps * BATCH].reshape(steps, BATCH)
        return jax.lax.scan(step, (weights, state, key), batches)

    carry, losses = jax.block_until_ready(epoch(weights, adam.init(weights), key))
    seconds, (_, losses) = timed(lambda: jax.block_until_ready(epoch(*carry)))
    return {"seconds": seconds * rows / (steps * BATCH), "bound": -float(losses.mean())}


serve(train=train)
