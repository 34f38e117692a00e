"""Beside craystack's example, on its weights: ``python benchmarks/coders.py FOLDER_OF_CRAYSTACK [--rounds 15] [--autograd FOLDER]``.

The folder is a clone of https://github.com/j-towns/craystack, which has the weights of its example (784-100-40) and is on no registry; it
needs autograd (``--autograd``, where pip put that and nothing else). Both code the 10,000 test images of MNIST, binarized as the example
does it, one after the other in one process of one thread, and again. Kept are the medians of seconds, of the processor's and of the
clock's, and of their ratios, in results/coders.json; ``compression.py --page`` shows them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

import lowerbound as lb
from lowerbound.tasks import lossless

OUT = Path(__file__).parent / "results" / "coders.json"
LATENT, BATCH, BITS = 40, 10, (16, 8, 14)  # of the example: of a pixel's probability, of the prior's bins, of the posterior's
NAMES = ("encode", "decode")


def images() -> np.ndarray:
    """Zeros and ones ``(10000, 784)``, drawn as the example draws them."""
    greys = lb.data.load("mnist").test.array.numpy().reshape(-1, 784)
    return np.uint64(np.random.RandomState(0).random_sample((len(greys), 28, 28)).reshape(-1, 784) < greys / 255.0)


def weights(folder: Path, autograd: Path | None) -> Any:
    """The example's network, as its own class."""
    torchvision, utils = types.ModuleType("torchvision"), types.ModuleType("torchvision.utils")
    torchvision.datasets = torchvision.transforms = utils.save_image = None  # type: ignore[attr-defined] # imported there, not needed
    sys.modules |= {"torchvision": torchvision, "torchvision.utils": utils}
    sys.path += [str(folder), str(folder / "examples"), *([str(autograd)] if autograd else [])]
    from torch_vae import BinaryVAE

    network = BinaryVAE(hidden_dim=100, latent_dim=LATENT)
    network.load_state_dict(torch.load(folder / "examples" / "vae_params", weights_only=True))
    return network


def ours(network: Any) -> lb.VAE:
    """The same as a model of this project: the example's encoder gives log σ, ours log σ²."""
    encoder, decoder = lb.nn.mlp((1, 28, 28), 100, 2 * LATENT), lb.nn.mlp(LATENT, 100, (1, 28, 28))
    first, last = (layer for layer in encoder if isinstance(layer, torch.nn.Linear))
    with torch.no_grad():
        first.load_state_dict(network.fc1.state_dict())
        last.weight.copy_(torch.cat([network.fc21.weight, 2 * network.fc22.weight]))
        last.bias.copy_(torch.cat([network.fc21.bias, 2 * network.fc22.bias]))
        for layer, theirs in zip((each for each in decoder if isinstance(each, torch.nn.Linear)), (network.fc3, network.fc4), strict=True):
            layer.load_state_dict(theirs.state_dict())
    return lb.VAE(lb.priors.StandardNormal(LATENT), lb.likelihoods.Bernoulli(decoder), lb.posteriors.DiagonalGaussian(encoder)).eval()


def by_craystack(network: Any, bits: np.ndarray) -> tuple[Callable[[], Any], Callable[[Any], Any], Callable[[Any], int]]:
    """What encodes, what decodes, and how many bytes a message has, as examples/binary_mnist_vae.py has them."""
    import craystack as cs
    from autograd.builtins import tuple as ag_tuple
    from craystack import bb_ans
    from torch_util import torch_fun_to_numpy_fun

    batches, latents, values = len(bits) // BATCH, BATCH * LATENT, BATCH * 784

    def view(head: np.ndarray) -> Any:
        return ag_tuple((np.reshape(head[:latents], (BATCH, LATENT)), np.reshape(head[latents:], (BATCH, 784))))

    nets = torch_fun_to_numpy_fun(network.decode), torch_fun_to_numpy_fun(network.encode)
    code = bb_ans.VAE(*nets, lambda p: cs.Bernoulli(p, BITS[0]), *BITS[1:])
    append, pop = cs.repeat(cs.substack(code, view), batches)
    parts = np.split(bits, batches)
    return (
        lambda: cs.flatten(append(cs.base_message(values + latents), parts)[0]),
        lambda message: np.concatenate(pop(cs.unflatten(message, values + latents))[1]),
        lambda message: 4 * len(message),
    )


def timed(encode: Callable[[], Any], decode: Callable[[Any], Any], size: Callable[[Any], int], bits: np.ndarray) -> dict[str, float]:
    """Seconds of the clock and of the processor, and bits a pixel. Errors: AssertionError where the images do not come back."""
    marks = [(time.perf_counter(), time.process_time())]
    message = encode()
    marks.append((time.perf_counter(), time.process_time()))
    back = decode(message)
    marks.append((time.perf_counter(), time.process_time()))
    assert np.array_equal(np.asarray(back).reshape(bits.shape), bits)
    found = {"bits_per_dim": 8 * size(message) / bits.size}
    for place, name in enumerate(NAMES):
        found |= {name: marks[place + 1][0] - marks[place][0], f"{name}_cpu": marks[place + 1][1] - marks[place][1]}
    return found


def main() -> None:
    """Measure, and keep what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--autograd", type=Path)
    args = parser.parse_args()
    warnings.simplefilter("ignore")  # craystack says that it begins with words at random
    torch.set_num_threads(1)
    threadpool_limits(1)
    bits, network = images(), weights(args.folder, args.autograd)
    vae, x = ours(network), torch.from_numpy(bits.astype(np.float32)).reshape(-1, 1, 28, 28)
    lossless.decompress(vae, lossless.compress(vae, x[:20]))  # makes tables of functions
    theirs, own = by_craystack(network, bits), (lambda: lossless.compress(vae, x), lambda file: lossless.decompress(vae, file), len)
    rounds = []
    for _ in range(args.rounds):
        rounds.append({"craystack": timed(*theirs, bits), "lowerbound": timed(*own, bits)})
        print(json.dumps(rounds[-1]), flush=True)
    found: dict[str, Any] = {
        name: {key: float(np.median([each[name][key] for each in rounds])) for key in rounds[0][name]} for name in rounds[0]
    }
    keys = [*NAMES, *(f"{name}_cpu" for name in NAMES)]
    found["times"] = {key: float(np.median([each["craystack"][key] / each["lowerbound"][key] for each in rounds])) for key in keys}
    found |= {"rounds": len(rounds), "load": os.getloadavg()[1], "torch": torch.__version__, "numpy": np.__version__}
    OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
