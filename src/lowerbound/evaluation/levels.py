"""What each latent of a model of several tells of the examples: the KL of each level of a chain, and of a label beside z."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import kl_divergence

from lowerbound.data.rows import Rows
from lowerbound.evaluation.diagnosis import Finding
from lowerbound.evaluation.latent_space import LEAST_KL
from lowerbound.evaluation.mean_bound import scored_terms
from lowerbound.evaluation.one_draw import looked_at
from lowerbound.nn.mode import in_evaluation
from lowerbound.system.seeding import seeded_by_row
from lowerbound.vae.model import Model
from lowerbound.vae.terms import Node, Terms


@torch.no_grad()
def idle(vae: Model, data: Rows, seed: int = 0) -> list[Finding]:
    """Latents of several whose KL(q ‖ p), given those before them, is about 0. It costs no nats of the bound: they could be left out."""
    rows = looked_at(vae, data, seed)
    with seeded_by_row(rows, seed, "levels", device=vae.device):
        terms = scored_terms(in_evaluation(vae), data, rows)
    if len(terms.nodes) < 2:
        return []
    found = [(node, float(divergence(node, terms).cpu().double().mean())) for node in terms.nodes]
    return [_finding(node, kl) for node, kl in found if kl < LEAST_KL]


def divergence(node: Node, terms: Terms) -> Float[Tensor, " B"]:
    """KL(q ‖ p) of one latent of each example in nats, in closed form where there is one, its mean over those drawn before it."""
    try:
        each = kl_divergence(node.posterior, node.prior)
    except NotImplementedError:
        each = node.posterior.log_prob(node.z) - node.prior.log_prob(node.z)
    return terms.mean(each.expand_as(terms.log_likelihood))


def _finding(node: Node, kl: float) -> Finding:
    evidence = f"{node.name}, {node.z.shape[-1]} of the dimensions, says nothing: KL {kl:.3f} nats"
    advice = (
        f"leave {node.name} out or make it smaller; to make it speak raise β slowly (--objective beta-linear:1:10), or leave it some nats "
        "(free-bits-of-levels:1)"
    )
    return Finding("an inactive level", evidence, advice, 0.0, 0.0)
