"""This project, by its public names. ``--precision float32`` does without rounded products."""

from __future__ import annotations

import argparse
import time
from functools import cache
from itertools import islice
from typing import Any

import torch
from worker import BATCH, NETWORKS, greys, serve, timed

import lowerbound as lb
from lowerbound.recipes.networks import products
from lowerbound.system import threads
from lowerbound.system.compiled import CapturedCalls, of_adam

parser = argparse.ArgumentParser()
parser.add_argument("--precision", default="auto")
PRECISION = parser.parse_args().precision
CONVOLUTIONAL = "convolutional"
QUALITY = 7  # epochs; of six the bound is now above and now below pythae's
(WIDTH,) = NETWORKS["latent 20"][0]


def parts(network: str, seed: int = 0) -> Any:
    """A model of that network, and its objective."""
    if network == CONVOLUTIONAL:
        recipe = lb.Recipe(data="mnist", network="conv:32-64", latent=16, seed=seed)
    else:
        widths, latent, k = NETWORKS[network]
        objective = f"iwae:{k}" if k > 1 else "elbo"
        recipe = lb.Recipe(data="mnist", network="mlp:" + "-".join(map(str, widths)), latent=latent, objective=objective, seed=seed)
    return lb.build(recipe, (1, 28, 28))


@cache
def data(path: str, rows: int, first: int = 0) -> lb.data.Dataset:
    """Greys, as they are kept."""
    return lb.data.Dataset(torch.from_numpy(greys(path, first + rows)[first:]).reshape(-1, 1, 28, 28))


def fit(made: Any, rows: lb.data.Dataset, epochs: int, seed: int = 0, **more: Any) -> Any:
    """The loop."""
    kind = products(PRECISION, made.vae.device)
    return lb.fit(made.vae, rows, epochs=epochs, batch=BATCH, objective=made.objective, products=kind, seed=seed, **more)


def train(path: str, network: str, rows: int) -> dict[str, float]:
    """The second epoch of a training: the first also has what is done once, a look at all data."""
    running = fit(parts(network), data(path, rows), 2)
    for _ in islice(running, -(-rows // BATCH)):
        pass
    seconds, last = timed(lambda: [record.means for record in running][-1])
    return {"seconds": seconds, "bound": float(last[0])}


@torch.no_grad()
def first_weights(vae: Any, mean: torch.Tensor) -> None:
    """He's normal weights before ReLUs; and a decoder that begins at the mean of the data."""
    layers = [layer for layer in vae.modules() if isinstance(layer, torch.nn.Linear)]
    for layer in layers:
        if layer.out_features == WIDTH:
            torch.nn.init.kaiming_normal_(layer.weight)
            layer.bias.zero_()
        if layer.out_features == mean.numel():
            layer.bias.copy_(mean.flatten().clamp(1e-3, 1 - 1e-3).logit())


def falling(epoch: float) -> float:
    """The share of the learning rate: up within a twentieth of an epoch, and from two fifths of them on in a line down to nothing."""
    return min(1.0, (epoch + 1e-3) / 0.05, max(1e-3, (QUALITY - epoch) / (0.6 * QUALITY)))


def quality(path: str, rows: int, held_out: int, target: float) -> dict[str, float]:
    """Seconds of training, scoring left out, until the held-out bound is the target's: by a larger rate that falls soon."""
    made, seconds, bounds = parts("latent 20"), 0.0, []
    started = time.perf_counter()
    first_weights(made.vae, data(path, rows)[:].mean(0))
    state = lb.State(lb.Adam(made.vae.parameters(), 6e-3))
    for record in fit(made, data(path, rows), QUALITY, state=state, rate=falling):
        if record.ends_epoch:
            seconds += time.perf_counter() - started
            bounds.append(lb.mean_bound(made.vae, data(path, held_out, rows)).bound)
            if bounds[-1] >= target:
                break
            started = time.perf_counter()
    return {"seconds": seconds, "epochs": len(bounds), "bound": bounds[-1], "reached": bounds[-1] >= target}


def equal(path: str, network: str, rows: int, held_out: int, epochs: int, seed: int) -> dict[str, float]:
    """The held-out bound after so many epochs."""
    made = parts(network, seed)
    for _ in fit(made, data(path, rows), epochs, seed):
        pass
    return {"bound": lb.mean_bound(made.vae, data(path, held_out, rows)).bound}


ADAM, LOOPS, CAPTURED = "Adam", "compiled loops besides", "captured loops and products"
KINDS = {
    "matrix products": ("mm", "addmm", "bmm"),
    ADAM: ("_fused_adam_",),
    LOOPS: (),
    "random numbers": ("random_", "normal_", "uniform_"),
    "conversions and copies": ("copy_",),
    "gathering rows": ("index_select",),
}
REST, PYTHON = "all other passes over numbers", "Python and dispatch"


def profile(path: str, network: str, rows: int) -> dict[str, float]:
    """Microseconds of a step by kind; what is left of its time without the profiler is Python and dispatch."""
    made, steps = parts(network), rows // BATCH
    running = fit(made, data(path, rows), 4)
    for _ in islice(running, steps):
        pass
    seconds, _ = timed(lambda: [record.means for record in islice(running, steps)])
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as watched:
        for _ in islice(running, steps):
            pass
    found = dict.fromkeys([*KINDS, REST], 0.0) | _of_loops(running, steps)
    for event in watched.key_averages():
        if event.key.startswith("aten::"):
            name = event.key.removeprefix("aten::")
            kind = next((kind for kind, names in KINDS.items() if name in names), REST)
            found[kind] += event.self_cpu_time_total / steps
    return {**found, PYTHON: max(0.0, 1e6 * seconds / steps - sum(found.values())), "in all": 1e6 * seconds / steps}


def _of_loops(running: Any, steps: int) -> dict[str, float]:
    """Microseconds of a step within compiled loops and what is captured, of which torch's profiler does not know."""
    found, run, replay = {ADAM: 0.0, LOOPS: 0.0, CAPTURED: 0.0}, threads.run, CapturedCalls.replay

    def timed_replay(calls: Any) -> None:
        seconds, _ = timed(lambda: replay(calls))
        found[CAPTURED] += 1e6 * seconds / steps

    def timed_run(loop: Any, *given: Any) -> None:
        seconds, _ = timed(lambda: run(loop, *given))
        found[ADAM if loop is of_adam.adam else LOOPS] += 1e6 * seconds / steps

    threads.run, CapturedCalls.replay = timed_run, timed_replay
    for _ in islice(running, steps):
        pass
    threads.run, CapturedCalls.replay = run, replay
    return found


@cache
def trained(path: str) -> Any:
    """The lesson's network after an epoch."""
    made = parts("lesson")
    for _ in fit(made, data(path, 60_000), 1):
        pass
    return made.vae


def density(path: str, images: int, samples: int) -> dict[str, float]:
    """log p(x)."""
    vae = trained(path)
    seconds, found = timed(lambda: lb.log_likelihood(vae, data(path, images, 60_000), samples))
    return {"seconds": seconds, "mean": found.mean}


def throughput(path: str, rows: int) -> dict[str, float]:
    """Sampling, encoding and reconstructing."""
    vae = trained(path)
    x = data(path, rows)[:]
    calls = {"sample": lambda: vae.sample(rows), "encode": lambda: vae.encode(x), "reconstruct": lambda: vae.reconstruct(x)}
    return {name: timed(call)[0] for name, call in calls.items()}


serve(profile=profile, train=train, equal=equal, quality=quality, density=density, throughput=throughput)
