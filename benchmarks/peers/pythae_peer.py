"""pythae 0.1.2 by its pipeline, single precision, its own networks: 784-512-z, ReLU, and for IWAE one of the widths asked for."""

from __future__ import annotations

import itertools
import tempfile
import time

import torch
from pythae.models import IWAE, VAE, IWAEConfig, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.pipelines import TrainingPipeline
from pythae.trainers import BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from torch import nn
from worker import BATCH, LEARNING_RATE, NETWORKS, greys, serve, timed


class Encoder(BaseEncoder):
    """Fully connected."""

    def __init__(self, widths: tuple[int, ...], latent: int):
        super().__init__()
        sizes = [784, *widths]
        layers = [layer for a, b in itertools.pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())]
        self.layers, self.mean, self.log_variance = nn.Sequential(*layers), nn.Linear(sizes[-1], latent), nn.Linear(sizes[-1], latent)

    def forward(self, x: torch.Tensor) -> ModelOutput:
        hidden = self.layers(x.reshape(-1, 784))
        return ModelOutput(embedding=self.mean(hidden), log_covariance=self.log_variance(hidden))


class Decoder(BaseDecoder):
    """Fully connected."""

    def __init__(self, widths: tuple[int, ...], latent: int):
        super().__init__()
        sizes = [latent, *reversed(widths)]
        layers = [layer for a, b in itertools.pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], 784), nn.Sigmoid())

    def forward(self, z: torch.Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.layers(z).reshape(-1, 1, 28, 28))


class Clock(TrainingCallback):
    """The seconds of each epoch."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_epoch_begin(self, training_config: object, **kwargs: object) -> None:
        self.started = time.perf_counter()

    def on_epoch_end(self, training_config: object, **kwargs: object) -> None:
        self.seconds.append(time.perf_counter() - self.started)


def _model(network: str) -> VAE:
    widths, latent, k = NETWORKS[network]
    words = {"input_dim": (1, 28, 28), "latent_dim": latent, "reconstruction_loss": "bce"}
    if widths == (512,):
        return VAE(VAEConfig(**words))  # its own networks
    made = Encoder(widths, latent), Decoder(widths, latent)
    return IWAE(IWAEConfig(number_samples=k, **words), *made) if k > 1 else VAE(VAEConfig(**words), *made)


def trained(network: str, path: str, rows: int, epochs: int, no_cuda: bool = True) -> tuple[VAE, list[float]]:
    model, clock = _model(network), Clock()
    x = torch.from_numpy(greys(path, rows)).float().div(255).reshape(-1, 1, 28, 28)
    with tempfile.TemporaryDirectory() as folder:
        config = BaseTrainerConfig(
            output_dir=folder, num_epochs=epochs, per_device_train_batch_size=BATCH, learning_rate=LEARNING_RATE, no_cuda=no_cuda
        )
        TrainingPipeline(model=model, training_config=config)(train_data=x, callbacks=[clock])
    return model, clock.seconds


def train(path: str, network: str, rows: int) -> dict[str, float]:
    """An epoch, without what is before and after it."""
    if network not in NETWORKS:
        return {"missing": True}
    _, seconds = trained(network, path, rows, 1)
    return {"seconds": seconds[0]}


def quality(path: str, rows: int, held_out: int, epochs: int) -> dict[str, float]:
    """Seconds of so many epochs, and the bound of held-out data then: binarized, since greys have none."""
    model, seconds = trained("latent 20", path, rows, epochs)
    x = torch.from_numpy(greys(path, rows + held_out)[rows:]).float().div(255).reshape(-1, 1, 28, 28)
    torch.manual_seed(0)
    with torch.no_grad():
        losses = [float(model.eval()({"data": part}).loss) for part in torch.bernoulli(x).split(1000)]
    return {"seconds": sum(seconds), "bound": -sum(losses) / len(losses)}


def density(path: str, images: int, samples: int) -> dict[str, float]:
    """Its get_nll, which is log p(x)."""
    model = _model("lesson").eval()
    x = torch.bernoulli(torch.from_numpy(greys(path, 60_000 + images)[60_000:]).float().div(255)).reshape(-1, 1, 28, 28)
    with torch.no_grad():
        seconds, mean = timed(lambda: model.get_nll(x, n_samples=samples, batch_size=100))
    return {"seconds": seconds, "mean": float(mean)}


def throughput(path: str, rows: int) -> dict[str, float]:
    """Sampling by its sampler of the prior, embedding and reconstructing."""
    from pythae.samplers import NormalSampler

    model = _model("lesson").eval()
    x = torch.from_numpy(greys(path, rows)).float().div(255).reshape(-1, 1, 28, 28)
    sampler = NormalSampler(model)
    calls = {
        "sample": lambda: sampler.sample(num_samples=rows, batch_size=500),
        "encode": lambda: model.embed(x),
        "reconstruct": lambda: model.reconstruct(x),
    }
    with torch.no_grad():
        return {name: timed(call)[0] for name, call in calls.items()}


if __name__ == "__main__":  # accelerator.py asks for its trainings alone
    serve(train=train, quality=quality, density=density, throughput=throughput)
