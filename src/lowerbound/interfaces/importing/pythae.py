"""A folder of pythae as a run: its default networks, of a VAE or a model that differs in what it was trained by alone.

pythae: Chadebec et al., "Pythae: Unifying Generative Autoencoders in Python", 2022, https://arxiv.org/abs/2206.08309.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lowerbound.data.spec import DataSpec
from lowerbound.errors import RunError, nearest
from lowerbound.recipes.build import build
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import checkpoint, layout
from lowerbound.runs.data_record import DataRecord
from lowerbound.runs.folder import new_run
from lowerbound.runs.run import Run, load
from lowerbound.system.files import content

CONFIG, WEIGHTS, PICKLES = "model_config.json", "model.pt", ("encoder.pkl", "decoder.pkl")
#: by the name in their configuration the words of an objective, of what it says of it
OBJECTIVES = {
    "VAEConfig": "elbo",
    "BetaVAEConfig": "beta:{beta}",
    "IWAEConfig": "iwae:{number_samples}",
    "AEConfig": "reconstruction",
}
#: by their reconstruction_loss the words of a likelihood: half a squared error is a Gaussian's of σ = 1, but for a constant
LIKELIHOODS: dict[str, dict[str, Any]] = {
    "mse": {"likelihood": "gaussian", "scale": "1.0"},
    "bce": {"likelihood": "bernoulli", "pixels": "grey"},
}
#: layers here, and those of pythae that are in them, one below the other
LAYERS = {
    "posterior.network.1": ["encoder.layers.0.0"],
    "posterior.network.3": ["encoder.embedding", "encoder.log_var"],
    "likelihood.network.1": ["decoder.layers.0.0"],
    "likelihood.network.3": ["decoder.layers.1.0"],
}
UNKNOWN = "a model of pythae came without its data: read others by naming them, as lowerbound encode RUN DATA"


def pythae(folder: str | Path, output: str | Path) -> Run:
    """The model in a folder of pythae as a run in a new one: it encodes and decodes to the same numbers, and has a log p(x) in nats.

    Known are VAE, BetaVAE, IWAE and AE with pythae's own networks; the decoder's sigmoid is the likelihood's. Nothing pickled is read:
    weights by torch with ``weights_only``. Errors: RunError for a folder that is none, or of another model, or of networks of one's own.
    """
    folder = Path(folder)
    pickled = [name for name in PICKLES if (folder / name).exists()]
    if pickled:
        raise RunError(f"{folder / pickled[0]} is a pickle, which is never read here; build the network anew and load its weights into it")
    words = _config(folder)
    recipe, spec = _recipe(words), DataSpec(tuple(words["input_dim"]), unit=255)
    vae = build(recipe, spec).vae
    _take(vae, _weights(folder))
    record = DataRecord(spec, 0, 0, 0, "", notes=(UNKNOWN,))
    with new_run(Path(output), recipe, record, torch.device("cpu"), False, pythae):
        checkpoint.save_weights(Path(output) / layout.WEIGHTS, vae)
    return load(output, "cpu")


def _config(folder: Path) -> dict[str, Any]:
    try:
        words = json.loads(content(folder / CONFIG).decode())
        shape, latent = words["input_dim"], words["latent_dim"]
        if not (shape and all(type(size) is int and size > 0 for size in [*shape, latent])):
            raise ValueError("sizes")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{folder} is no model of pythae: {CONFIG} cannot be read ({str(error)[:80]}); name the final_model folder"
        ) from error
    name = str(words.get("name"))
    if name not in OBJECTIVES:
        raise RunError(f"a model of {name} is none that is known here{nearest(name, OBJECTIVES)}")
    return dict(words)


def _recipe(words: dict[str, Any]) -> Recipe:
    loss = words.get("reconstruction_loss", "mse")
    if loss not in LIKELIHOODS:
        raise RunError(f"a reconstruction_loss {loss!r} is none of pythae's: mse, bce")
    posterior = "dirac" if words["name"] == "AEConfig" else "gaussian"
    objective = OBJECTIVES[words["name"]].format(**words)
    return Recipe(
        data="pythae", latent=words["latent_dim"], posterior=posterior, objective=objective, network="mlp:512", **LIKELIHOODS[loss]
    )


def _weights(folder: Path) -> dict[str, Tensor]:
    try:
        found: dict[str, Tensor] = torch.load(folder / WEIGHTS, map_location="cpu", weights_only=True)["model_state_dict"]
        return found
    except Exception as error:  # of whatever kind: torch has many for what is no file of its
        raise RunError(f"{folder / WEIGHTS} cannot be read as weights: {' '.join(str(error).split())[:80]}") from error


@torch.no_grad()
def _take(vae: torch.nn.Module, weights: dict[str, Tensor]) -> None:
    """Errors: RunError where layers are missing, or of other sizes."""
    for name, layers in LAYERS.items():
        for kind in ("weight", "bias"):
            own = vae.get_parameter(f"{name}.{kind}")
            parts = [weights[f"{layer}.{kind}"] for layer in layers if f"{layer}.{kind}" in weights]
            if sum(map(len, parts)) != len(own) or any(part.shape[1:] != own.shape[1:] for part in parts):
                raise RunError(f"the weights of {' and '.join(layers)} are not those of pythae's own networks; build the model anew here")
            own.copy_(torch.cat(parts))
