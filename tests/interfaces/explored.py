"""Small models for pages, some of which no page computes."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import lowerbound as lb
from lowerbound.data import Dataset
from lowerbound.interfaces.explorer.server import Server
from lowerbound.nn.networks import mlp

EVENT, D = (1, 6, 5), 30


class Products(nn.Module):
    """Products of values two by two: a layer of one's own, which no page knows."""

    def __init__(self, inputs: int, *outputs: int):
        super().__init__()
        self.layer = nn.Bilinear(inputs, inputs, int(np.prod(outputs)))
        self.outputs = outputs

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        return self.layer(x, x).unflatten(1, self.outputs)


def data(n: int = 60) -> Dataset:
    torch.manual_seed(1)
    return Dataset((255 * torch.rand(n, *EVENT)).round() / 255, torch.arange(n) % 3, ("zero", "one", "two"))


def decoder(d: int = 2) -> nn.Module:
    return nn.Sequential(mlp(d, 16, D), nn.Unflatten(1, EVENT))


def encoder(outputs: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), mlp(D, 16, outputs))


def of_modules() -> lb.VAE:
    """The means go far enough for an image to change from place to place."""
    torch.manual_seed(2)
    likelihood = lb.likelihoods.Gaussian(Products(2, *EVENT), 0.5)
    return lb.VAE(lb.priors.StandardNormal(2), likelihood, lb.posteriors.DiagonalGaussian(Products(D, 4)))


def with_label(d: int = 2) -> lb.VAE:
    """A flow, which no page computes, and networks that are given the class."""
    networks = (lb.nn.Joined(mlp(d + 3, 16, D)), lb.nn.Joined(nn.Sequential(nn.Flatten(), mlp(D + 3, 16, 2 * d))))
    return lb.VAE(
        lb.priors.Flow(d),
        lb.likelihoods.Bernoulli(networks[0], binarize=False),
        lb.posteriors.DiagonalGaussian(networks[1]),
        lb.contexts.Label(3),
    )


def given_image(context: lb.contexts.Context, d: int = 2) -> lb.VAE:
    """A posterior that no page computes, and networks and a prior that are given something of the example."""
    c = int(np.prod(context.shape))
    decoder, encoder = lb.nn.Joined(mlp(d + c, 16, EVENT)), lb.nn.Joined(mlp(D + c, 16, 32))
    prior = lb.priors.GivenContext(mlp((c,), 8, 2 * d))
    return lb.VAE(prior, lb.likelihoods.Gaussian(decoder, 0.5), lb.posteriors.Flow(encoder, d), context)


def levels() -> lb.VAE:
    """Two levels, and a decoder of one's own."""
    prior = lb.priors.Chain(lb.priors.StandardNormal(1), [mlp(1, 8, 4)], [1, 2])
    posterior = lb.posteriors.Chain(encoder(6), [mlp(6, 8, 2), mlp(7, 8, 4)], [1, 2])
    return lb.VAE(prior, lb.likelihoods.Gaussian(Products(3, *EVENT), 0.5), posterior)


#: name → a model that no page computes
MODELS: dict[str, Callable[[], lb.VAE]] = {
    "own modules": of_modules,
    "sphere": lambda: lb.VAE(
        lb.priors.UniformSphere(3), lb.likelihoods.Gaussian(decoder(3), 0.5), lb.posteriors.VonMisesFisher(encoder(4))
    ),
    "flow": lambda: lb.VAE(lb.priors.StandardNormal(2), lb.likelihoods.Bernoulli(decoder()), lb.posteriors.Flow(encoder(32), 2)),
    "flow as a prior": lambda: lb.VAE(lb.priors.Flow(2), lb.likelihoods.Bernoulli(decoder()), lb.posteriors.DiagonalGaussian(encoder(4))),
    "gamma": lambda: lb.VAE(lb.priors.Gamma(2), lb.likelihoods.Gaussian(decoder(), 0.5), lb.posteriors.Gamma(encoder(4))),
    "full gaussian": lambda: lb.VAE(lb.priors.Flow(2), lb.likelihoods.Gaussian(decoder(), 0.5), lb.posteriors.FullGaussian(encoder(5))),
    "flow, given a label": with_label,
    "flow, given a part": lambda: given_image(lb.contexts.Observed(EVENT, lambda n: torch.rand(n, *EVENT) < 0.6)),
    "levels": levels,
    "a point": lambda: lb.VAE(lb.priors.StandardNormal(2), lb.likelihoods.Gaussian(Products(2, *EVENT)), lb.posteriors.Dirac(encoder(2))),
}


# --- requests, as a page sends them -------------------------------------------------------------------------

Z, X = [[0.5, -1.0]], [0.25] * D
DECODE = {"run": 3, "z": Z, "label": None}


def said(
    server: Server, method: str = "POST", path: str = "/secret/decode", words: Any = DECODE, **headers: Any
) -> tuple[int, dict[str, str], bytes]:
    """What comes back of a request: as the page sends it, but for what is given."""
    host = f"127.0.0.1:{server.port}"
    content = words if isinstance(words, bytes) else json.dumps(words).encode()
    usual = {"Host": host, "Origin": f"http://{host}", "Content-Type": "application/json", "Content-Length": str(len(content))}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in (usual | {name.replace("_", "-"): value for name, value in headers.items()}).items():
        if value is not None:
            connection.putheader(name, value.replace("PORT", str(server.port)))
    connection.endheaders()
    if method == "POST":
        connection.send(content)
    answer = connection.getresponse()
    found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    connection.close()
    return found
