"""How much a network's output moves with its input: ‖∂h/∂x‖², by which a contractive autoencoder is charged, and whole Jacobians.

The norm is exact for an encoder of one layer, whose Jacobian is a formula; for others an estimate without bias from one
vector-Jacobian product, differentiable itself. Whole Jacobians are there of networks of linear maps and ReLUs.

Source: Rifai et al., "Contractive Auto-Encoders: Explicit Invariance During Feature Extraction", 2011,
https://icml.cc/2011/papers/455_icmlpaper.pdf; the estimate: Hutchinson, "A Stochastic Estimator of the Trace of the Influence
Matrix for Laplacian Smoothing Splines", 1989, https://doi.org/10.1080/03610918908812806.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from lowerbound.nn.conditioned import Joined
from lowerbound.nn.dropout import Dropout
from lowerbound.nn.precision import CONVOLUTIONS, LAST
from lowerbound.system import noise

#: activations that look at each value by itself, so that their Jacobian is diagonal
ELEMENTWISE = (nn.Identity, nn.Sigmoid, nn.Tanh, nn.ReLU, nn.LeakyReLU, nn.ELU, nn.SELU, nn.SiLU, nn.GELU, nn.Softplus, nn.Softsign)


def contraction(encoder: Callable[[Tensor], Tensor], x: Float[Tensor, "B *event"]) -> Float[Tensor, " B"]:
    """‖∂h/∂x‖²_F of h = ``encoder(x)``, for each example, or an unbiased estimate of it; the latter where the encoder is given a context.

    Differentiable in the encoder's weights where gradients are wanted. Each example's output must depend on that example alone: no
    batch norm in training.
    """
    layer = _one_layer(encoder)
    if layer is None:
        return estimated(encoder, x)
    return exact(*layer, x)


def exact(linear: nn.Linear, activation: nn.Module, x: Float[Tensor, "B *event"]) -> Float[Tensor, " B"]:
    """Σ_j a'(w_j·x + b_j)² ‖w_j‖², for h = a(W x + b) with an activation a that looks at each value by itself."""
    wanted = torch.is_grad_enabled()
    with torch.enable_grad():
        before = linear(x.flatten(1)).requires_grad_()
        slope = _product(activation(before), before, torch.ones_like(before), wanted)
    return slope.square() @ linear.weight.square().sum(1)


def estimated(encoder: Callable[[Tensor], Tensor], x: Float[Tensor, "B *event"]) -> Float[Tensor, " B"]:
    """‖vᵀ ∂h/∂x‖² for one v of random signs an example, whose expectation is ‖∂h/∂x‖²_F since E[v vᵀ] = I."""
    wanted = torch.is_grad_enabled()
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        h = encoder(x)
        signs = (noise.uniform(h.shape, 0, device=h.device) < 0.5).to(h.dtype) * 2 - 1
        return _product(h, x, signs, wanted).flatten(1).square().sum(1)


def _product(outputs: Tensor, inputs: Tensor, vector: Tensor, wanted: bool) -> Tensor:
    """vᵀ ∂outputs/∂inputs, itself with a gradient where one is ``wanted``; 0 where the one does not depend on the other."""
    if not outputs.requires_grad:
        return torch.zeros_like(inputs)
    (found,) = torch.autograd.grad(outputs, inputs, vector, create_graph=wanted, allow_unused=True, materialize_grads=True)
    return found


def _one_layer(encoder: Callable[[Tensor], Tensor]) -> tuple[nn.Linear, nn.Module] | None:
    """The linear layer and the activation of an encoder that has nothing else; None for others."""
    match [layer for layer in _in_order(encoder) if not isinstance(layer, nn.Flatten)]:
        case [nn.Linear() as linear]:
            return linear, nn.Identity()
        case [nn.Linear() as linear, activation] if isinstance(activation, ELEMENTWISE):
            return linear, activation
        case _:
            return None


def _in_order(module: Callable[[Tensor], Tensor]) -> list[Callable[[Tensor], Tensor]]:
    """The layers of nested sequences, one after the other."""
    return [layer for part in module for layer in _in_order(part)] if isinstance(module, nn.Sequential) else [module]


# --- all of a Jacobian -------------------------------------------------------------------------------

#: layers that are linear, of which one may add a bias; those that let values through or not; those that only put them elsewhere
MAPS, GATES = (nn.Linear, *CONVOLUTIONS, *LAST), (nn.ReLU,)
MOVES = (nn.Flatten, nn.Unflatten, nn.Upsample, nn.Identity, nn.Dropout, Dropout)


def is_piecewise_linear(network: nn.Module) -> bool:
    """Whether a network, of one input or ``Joined``, is in evaluation mode linear maps and ReLUs one after the other, none hooked into."""
    layers = _in_order(network.network if type(network) is Joined else network)
    return all(type(layer) in MAPS + MOVES + GATES for layer in layers) and not any(
        layer._forward_hooks or layer._forward_pre_hooks for layer in network.modules()
    )


@torch.no_grad()
def jacobian(
    network: nn.Module, z: Float[Tensor, "N in"], context: Float[Tensor, "M *context"] | None = None
) -> tuple[Float[Tensor, "N *out"], Float[Tensor, "in N *out"]]:
    """What a network ``is_piecewise_linear`` gives for z, and for a ``context`` if it takes one, and its derivative in each number of z.

    There may be one context for several z, as ``Conditioned`` has it.
    """
    each = torch.cat([z[None], torch.eye(z.shape[1], dtype=z.dtype, device=z.device)[:, None].expand(-1, *z.shape)])
    if context is not None:
        known = context.flatten(1).repeat(len(z) // len(context), 1)
        each = torch.cat([each, torch.cat([known[None], known.new_zeros(z.shape[1], *known.shape)])], -1)
    for layer in _in_order(network.network if type(network) is Joined else network):
        each = _through(layer, each)
    return each[0], each[1:]


def _through(layer: Callable[[Tensor], Tensor], each: Float[Tensor, "columns N *in"]) -> Float[Tensor, "columns N *out"]:
    """A value and its derivatives, one after the other, after a layer."""
    if isinstance(layer, GATES):
        return each * (each[0] > 0)
    flat = each.flatten(0, 1)
    if isinstance(layer, nn.Linear):
        after = F.linear(flat, layer.weight)
    elif isinstance(layer, CONVOLUTIONS):
        after = layer._conv_forward(flat, layer.weight, None)
    else:
        return layer(flat).unflatten(0, each.shape[:2])
    after = after.unflatten(0, each.shape[:2])
    if layer.bias is not None:
        after[0] += layer.bias.view(-1, *[1] * (after.dim() - 3))
    return after
