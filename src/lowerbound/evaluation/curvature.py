"""First and second derivatives of log p(x, z) in z: by autograd twice over, or by the Jacobian where a decoder is linear in pieces.

Of a decoder η(z) made of linear maps and ReLUs the second derivative of log p(x|z) is Jᵀ H J, with J = ∂η/∂z and H the second derivative
of log p(x|η): exact, and of a forward pass for each dimension of z in place of a backward pass through the backward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lowerbound.nn.jacobian import is_piecewise_linear, jacobian
from lowerbound.vae.density import log_density
from lowerbound.vae.model import Model

#: log p(x, z), nats, of K latents for each of those of the batch's examples that are named by their places in it
LogJoint = Callable[[Float[Tensor, "K B d"], Int64[Tensor, " B"]], Float[Tensor, "K B"]]
#: of one latent for each of those examples: log p(x, z) ``(B,)``, its gradient ``(B, d)`` and its second derivative ``(B, d, d)``
Derivatives = Callable[[Float[Tensor, "B d"], Int64[Tensor, " B"]], tuple[Tensor, Tensor, Tensor]]


def by_autograd(log_joint: LogJoint) -> Derivatives:
    """The derivatives of any ``log_joint``: its gradient, and that of each of its parts."""
    return partial(_by_autograd, log_joint)


def by_jacobian(vae: Model, x: Float[Tensor, "N *event"], log_prior: LogJoint) -> Derivatives | None:
    """The derivatives of log p(x|z) + ``log_prior``; None where the decoder is not linear in pieces."""
    return partial(_by_jacobian, vae, x, log_prior) if is_piecewise_linear(vae.likelihood.network) else None


def _by_autograd(log_joint: LogJoint, z: Float[Tensor, "B d"], rows: Int64[Tensor, " B"]) -> tuple[Tensor, Tensor, Tensor]:
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        value = log_joint(z[None], rows)[0]
        (slope,) = torch.autograd.grad(value.sum(), z, create_graph=True)
        second = [torch.autograd.grad(part.sum(), z, retain_graph=True)[0] for part in slope.unbind(1)]
    return value.detach(), slope.detach(), torch.stack(second, 1)


def _by_jacobian(
    vae: Model, x: Float[Tensor, "N *event"], log_prior: LogJoint, z: Float[Tensor, "B d"], rows: Int64[Tensor, " B"]
) -> tuple[Tensor, Tensor, Tensor]:
    some = vae.some(rows)
    output, columns = jacobian(some.likelihood.network, *some.likelihood.inputs(z))
    with torch.enable_grad():
        output = output.requires_grad_()
        value = log_density(some.likelihood.law(output[None], 2), x[rows], some.counted(x[rows]))[0]
        (slope,) = torch.autograd.grad(value.sum(), output, create_graph=True)
        along = [torch.autograd.grad((slope * column).sum(), output, retain_graph=True)[0] for column in columns]
    columns = columns.flatten(2)
    first = torch.einsum("ibo,bo->bi", columns, slope.detach().flatten(1))
    second = torch.einsum("ibo,jbo->bij", columns, torch.stack(along).flatten(2))
    of_prior = _by_autograd(log_prior, z, rows)
    return value.detach() + of_prior[0], first + of_prior[1], second + of_prior[2]
