"""A plain PyTorch loop as in the tutorials: torchvision's data set and ToTensor, a DataLoader, modules, Adam, single precision."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from worker import BATCH, LEARNING_RATE, NETWORKS, greys, known, serve, timed


class Digits(Dataset):
    """As torchvision's MNIST: a picture made of each row, then ToTensor."""

    def __init__(self, rows: np.ndarray):
        self.rows = torch.from_numpy(rows.reshape(-1, 28, 28))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> torch.Tensor:
        picture = Image.fromarray(self.rows[index].numpy(), mode="L")
        values = torch.from_numpy(np.array(picture, np.uint8, copy=True)).view(28, 28, 1).permute(2, 0, 1).contiguous()
        return values.to(torch.get_default_dtype()).div(255)


class VAE(nn.Module):
    """Two networks, one hidden layer each or more."""

    def __init__(self, widths: tuple[int, ...], latent: int):
        super().__init__()
        self.encoder, self.decoder = _mlp(784, *widths, 2 * latent), _mlp(latent, *reversed(widths), 784)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        mean, log_variance = self.encoder(x.view(-1, 784)).chunk(2, 1)
        z = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        return self.decoder(z), mean, log_variance


def _mlp(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _loss(logits: torch.Tensor, x: torch.Tensor, mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    entropy = F.binary_cross_entropy_with_logits(logits, x.view(-1, 784), reduction="sum")
    return entropy - 0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())


def _epoch(model: VAE, loader: DataLoader, optimizer: torch.optim.Optimizer, steps: int | None = None) -> float:
    total = 0.0
    for number, x in enumerate(loader):
        if number == steps:
            break
        x = torch.bernoulli(x)
        optimizer.zero_grad()
        loss = _loss(*(lambda out: (out[0], x, out[1], out[2]))(model(x))) / len(x)
        loss.backward()
        total += loss.item()
        optimizer.step()
    return -total / len(loader)


def train(path: str, network: str, rows: int) -> dict[str, float]:
    """An epoch, after some steps that are not counted."""
    if (found := known(network, 1)) is None:
        return {"missing": True}
    widths, latent, _ = found
    model = VAE(widths, latent).train()
    loader = DataLoader(Digits(greys(path, rows)), batch_size=BATCH, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    _epoch(model, loader, optimizer, 5)
    seconds, bound = timed(lambda: _epoch(model, loader, optimizer))
    return {"seconds": seconds, "bound": bound}


def equal(path: str, network: str, rows: int, held_out: int, epochs: int, seed: int) -> dict[str, float]:
    """The held-out bound after so many epochs, by one draw a datum."""
    widths, latent, _ = NETWORKS[network]
    torch.manual_seed(seed)
    model = VAE(widths, latent).train()
    loader = DataLoader(Digits(greys(path, rows)), batch_size=BATCH, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    for _ in range(epochs):
        _epoch(model, loader, optimizer)
    x = torch.bernoulli(torch.from_numpy(greys(path, rows + held_out)[rows:]).float() / 255)
    with torch.no_grad():
        logits, mean, log_variance = model(x)
        return {"bound": -float(_loss(logits, x, mean, log_variance)) / len(x)}


serve(train=train, equal=equal)
