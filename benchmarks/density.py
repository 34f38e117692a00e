"""log p(x) of 10,000 MNIST images by 5,000 draws each: this project against pythae's ``get_nll``, on one network.

    python benchmarks/density.py --peer PYTHON [--images 128] [--threads 1] [--batch 100]

``PYTHON`` is the interpreter of an environment that has pythae 0.1.2 and this torch. The two take turns, in blocks of 64
images, so that what else the machine does meets both; times are extrapolated from ``--images`` to 10,000. The network is
the lesson's, 784-512-z2 with a Bernoulli likelihood, its weights trained for an epoch here and handed over.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SAMPLES, ALL, BLOCK = 5_000, 10_000, 64

PEER = """
import sys, time, json, torch
from safetensors.torch import load_file
from pythae.models import VAE, VAEConfig
state = load_file(sys.argv[1])
torch.set_num_threads(int(sys.argv[2]))
model = VAE(VAEConfig(input_dim=(1, 28, 28), latent_dim=2, reconstruction_loss="bce")).eval()
x = state.pop("x").reshape(-1, 1, 28, 28)
model.load_state_dict(state)
torch.manual_seed(0)
print("ready", flush=True)
for line in sys.stdin:
    first, last = map(int, line.split())
    start = time.perf_counter()
    with torch.no_grad():
        # what it calls the negative log-likelihood is the log-likelihood
        mean = model.get_nll(x[first:last], n_samples=%d, batch_size=int(sys.argv[3]))
    print(json.dumps([time.perf_counter() - start, float(mean)]), flush=True)
"""


def main() -> None:
    """Time both, write ``benchmarks/results/density.json``, and say the ratio."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", required=True)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=100)
    words = parser.parse_args()
    import torch

    torch.set_num_threads(words.threads)
    vae, x = _model(words.images)
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = _in_turns(vae, x, words, Path(folder) / "weights.safetensors")
    result = _summary(ours, theirs, words)
    text = json.dumps(result, indent=2)
    (Path(__file__).parent / "results" / "density.json").write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(text + "\n")


def _model(images: int):
    import torch

    import lowerbound as lb

    data = lb.data.load("mnist")
    recipe = lb.Recipe(data="mnist", latent=2)
    vae = lb.build(recipe, data.train.event_shape).vae
    for _ in lb.fit(vae, data.train, epochs=1):
        pass
    with lb.seeding.seeded("benchmark"):
        return vae, torch.bernoulli(data.test[:images])


def _in_turns(vae, x, words: argparse.Namespace, path: Path):
    import lowerbound as lb

    _hand_over(vae, x, path)
    command = [words.peer, "-c", PEER % SAMPLES, str(path), str(words.threads), str(words.batch)]
    ours, theirs = [], []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as peer:
        while peer.stdout.readline().strip() != "ready":
            if peer.poll() is not None:
                sys.exit("the peer did not start")
        lb.log_likelihood(vae, x[:2], 100)
        for first in range(0, len(x), BLOCK):
            start = time.perf_counter()
            found = lb.log_likelihood(vae, x[first : first + BLOCK], SAMPLES)
            ours.append((time.perf_counter() - start, found.mean))
            peer.stdin.write(f"{first} {first + BLOCK}\n")
            peer.stdin.flush()
            theirs.append(json.loads(peer.stdout.readline()))
        peer.stdin.close()
    return ours, theirs


def _hand_over(vae, x, path: Path) -> None:
    """The weights under the names that the peer has for the same layers."""
    from safetensors.torch import save_file

    encoder, decoder = vae.posterior.network, vae.likelihood.network
    hidden, last = (layer for layer in encoder if hasattr(layer, "weight"))
    first, out = (layer for layer in decoder if hasattr(layer, "weight"))
    names = {"encoder.layers.0.0": hidden, "decoder.layers.0.0": first, "decoder.layers.1.0": out}
    state = {f"{name}.{part}": getattr(layer, part).detach().clone() for name, layer in names.items() for part in ("weight", "bias")}
    for part in ("weight", "bias"):
        mean, log_variance = getattr(last, part).detach().chunk(2)
        state |= {f"encoder.embedding.{part}": mean.clone(), f"encoder.log_var.{part}": log_variance.clone()}
    save_file({**state, "x": x.clone()}, path)


def _summary(ours, theirs, words: argparse.Namespace) -> dict:
    import platform

    import torch

    seconds = [sum(part[0] for part in side) * ALL / words.images for side in (ours, theirs)]
    means = [sum(part[1] for part in side) / len(side) for side in (ours, theirs)]
    return {
        "what": f"log p(x) of {ALL:,} MNIST images by {SAMPLES:,} draws each, 784-512-2, Bernoulli, extrapolated from {words.images}",
        "lowerbound": {"seconds": seconds[0], "mean_log_likelihood": means[0]},
        "pythae 0.1.2 get_nll": {"seconds": seconds[1], "mean_log_likelihood": means[1], "batch_size": words.batch},
        "ratio": seconds[1] / seconds[0],
        "ratios_by_block": [b[0] / a[0] for a, b in zip(ours, theirs, strict=True)],
        "threads": words.threads,
        "torch": torch.__version__,
        "machine": platform.machine(),
    }


if __name__ == "__main__":
    main()
