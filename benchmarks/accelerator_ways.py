"""Ways to train one network on a device, one row each in ``WAYS``: a faster step is one more row.

A way makes of a network, greys and a device a function that takes a number of steps and gives the seconds that they took, the device
waited for before and after. All have batches of ``BATCH``, the learning rate of the peers, and greys binarized anew at each step.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import lowerbound as lb
from lowerbound.recipes.networks import products

sys.path.append(str(Path(__file__).parent / "peers"))
from worker import BATCH, LEARNING_RATE, NETWORKS

#: steps → seconds
Steps = Callable[[int], float]
#: network, greys ``(N, 784)`` and device → its steps; None where it has no such network
Way = Callable[[str, Tensor, torch.device], Steps | None]
CONVOLUTIONAL = "convolutional"
ASKED = ("lesson", "deep", "deep, K = 50", CONVOLUTIONAL)
MEAN_AND_SPREAD = 2  # numbers that the encoder gives for each dimension of z


class Missing(Exception):
    """A way that this machine lacks a package for."""


def wait(device: torch.device) -> None:
    """Until the device has done all its work; the CPU has."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def parts(network: str) -> Any:
    """The model of that network in the project's words, and its objective, on the CPU."""
    if network == CONVOLUTIONAL:
        recipe = lb.Recipe(network="conv:32-64", latent=16)
    else:
        widths, latent, k = NETWORKS[network]
        objective = f"iwae:{k}" if k > 1 else "elbo"
        recipe = lb.Recipe(network="mlp:" + "-".join(map(str, widths)), latent=latent, objective=objective)
    return lb.build(recipe, (1, 28, 28))


def draws(network: str) -> int:
    """K, the draws of z for each image."""
    return 1 if network == CONVOLUTIONAL else NETWORKS[network][2]


def _steps(running: Iterator[Any], device: torch.device) -> Steps:
    """The steps of an iterator without end."""

    def take(steps: int) -> float:
        wait(device)
        started = time.perf_counter()
        for _ in islice(running, steps):
            pass
        wait(device)
        return time.perf_counter() - started

    return take


# --- the ways ----------------------------------------------------------------------------------------


def ours(precision: str) -> Way:
    """The loop of this project, as ``lb.fit`` chooses its step, from greys in CPU memory."""

    def way(network: str, greys: Tensor, device: torch.device) -> Steps:
        made = parts(network)
        made.vae.to(device)
        data, kind = lb.data.Dataset(greys.view(-1, 1, 28, 28)), products(precision, device)
        forever = {"epochs": sys.maxsize, "batch": BATCH, "objective": made.objective, "products": kind}
        state = lb.State(lb.Adam(made.vae.parameters(), LEARNING_RATE))
        return _steps(lb.fit(made.vae, data, state=state, **forever), device)

    return way


def plain(batches: Callable[[Tensor, torch.device], Iterator[Tensor]]) -> Way:
    """A loop as in the tutorials over the same networks in single precision, torch's fused Adam, and nothing read back from the device."""

    def way(network: str, greys: Tensor, device: torch.device) -> Steps:
        made, k = parts(network).vae.to(device), draws(network)
        encoder, decoder = made.posterior.network, made.likelihood.network
        optimizer = torch.optim.Adam(made.parameters(), LEARNING_RATE, fused=True)

        def run() -> Iterator[Tensor]:
            for x in batches(greys, device):
                x = torch.bernoulli(x)
                optimizer.zero_grad()
                loss = _loss(encoder, decoder, x, k)
                loss.backward()
                optimizer.step()
                yield loss

        return _steps(run(), device)

    return way


def _loss(encoder: Any, decoder: Any, x: Tensor, k: int) -> Tensor:
    """Minus the mean ELBO with the KL in closed form, or for K > 1 minus the mean importance-weighted bound."""
    mean, log_variance = encoder(x).chunk(MEAN_AND_SPREAD, 1)
    noise = torch.randn(k, *mean.shape, device=x.device)
    z = mean + noise * torch.exp(0.5 * log_variance)
    logits = decoder(z.flatten(0, 1)).view(k, *x.shape)
    entropy = F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none").flatten(2).sum(2)
    if k == 1:
        return entropy.mean() - 0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1).mean()
    log_ratio = 0.5 * (noise.square() - z.square() + log_variance).sum(2)
    return math.log(k) - (log_ratio - entropy).logsumexp(0).mean()


def by_loader(greys: Tensor, device: torch.device) -> Iterator[Tensor]:
    """A DataLoader in this process, from values in CPU memory."""
    loader = DataLoader(TensorDataset(greys.float().div(255).view(-1, 1, 28, 28)), batch_size=BATCH, shuffle=True, drop_last=True)
    for _ in count():
        for (x,) in loader:
            yield x.to(device)


def on_device(greys: Tensor, device: torch.device) -> Iterator[Tensor]:
    """All values are on the device; an order is drawn there."""
    data = greys.to(device).float().div(255).view(-1, 1, 28, 28)
    for _ in count():
        order = torch.randperm(len(data), device=device)
        yield from (data[rows] for rows in order[: len(data) // BATCH * BATCH].split(BATCH))


def pythae(network: str, greys: Tensor, device: torch.device) -> Steps | None:
    """Its pipeline: an epoch of so many steps as its own clock has it. Errors: Missing where it is not installed."""
    if find_spec("pythae") is None:
        raise Missing("pythae is not installed")
    if network not in NETWORKS:
        return None
    from pythae_peer import trained

    folder = tempfile.TemporaryDirectory()
    path = f"{folder.name}/greys.npy"
    np.save(path, greys.numpy())

    def take(steps: int) -> float:
        assert Path(folder.name).is_dir()  # it lives as long as this
        wait(device)
        _, seconds = trained(network, path, min(steps * BATCH, len(greys)), 1, no_cuda=device.type != "cuda")
        return seconds[0] * max(1.0, steps * BATCH / len(greys))

    return take


WAYS: dict[str, Way] = {
    "lowerbound": ours("auto"),
    "lowerbound, float32": ours("float32"),
    "PyTorch loop, DataLoader": plain(by_loader),
    "PyTorch loop, data on the device": plain(on_device),
    "pythae": pythae,
}
