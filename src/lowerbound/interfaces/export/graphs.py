"""The graphs of a model: each a function of tensors, what it is given, and what it is called."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from lowerbound.interfaces.export.functions import Bound, ClassReader, Decoder, Encoder, LabelBound
from lowerbound.nn.graph import Input
from lowerbound.vae.model import Model
from lowerbound.vae.semi_supervised.base import Classifier
from lowerbound.vae.semi_supervised.m2 import SemiSupervised

#: axes of any length
EXAMPLES, DRAWS = "examples", "draws"


@dataclass(frozen=True)
class Graph:
    """A function and its inputs; one that is ``needed`` is written, or the whole export fails."""

    function: nn.Module
    inputs: tuple[Input, ...]
    needed: bool = True


def graphs_of(vae: Model, event: tuple[int, ...]) -> dict[str, Graph]:
    """Those of a model in evaluation, of data of this shape: encoder, decoder, bound, and of one that tells classes a classifier."""
    x, z = Input("x", (EXAMPLES, *event)), Input("z", (EXAMPLES, vae.latent))
    noise = Input("noise", (DRAWS, EXAMPLES, vae.latent))
    context = () if vae.context is None else (Input("context", (EXAMPLES, *vae.context.shape)),)
    found = {"encoder": Graph(Encoder(vae), (x, *context)), "decoder": Graph(Decoder(vae), (z, *context))}
    if isinstance(vae, SemiSupervised):
        found["bound"] = Graph(LabelBound(vae), (x, noise), needed=False)
    else:
        found["bound"] = Graph(Bound(vae), (x, noise, *context), needed=False)
    if isinstance(vae, Classifier):
        found["classifier"] = Graph(ClassReader(vae), (x,), needed=False)
    return found
