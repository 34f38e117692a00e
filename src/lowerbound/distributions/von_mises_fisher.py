"""Laws on the unit sphere: von Mises–Fisher and uniform, and the KL between them."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Size, Tensor
from torch import distributions as td
from torch.distributions import constraints
from torch.distributions.kl import register_kl

from lowerbound.distributions.angles import RESULTANT, SHORTFALL, TILT, angle, smooth
from lowerbound.distributions.shapes import broadcast_shapes
from lowerbound.errors import RecipeError
from lowerbound.system import noise


class _Sphere(constraints.Constraint):
    """Vectors of length one, to 1e-4."""

    is_discrete = False
    event_dim = 1

    def check(self, value: Tensor) -> Tensor:
        return (torch.linalg.vector_norm(value, dim=-1) - 1).abs() < 1e-4


sphere = _Sphere()


def _dimensions(d: int) -> int:
    if d < 2:
        raise RecipeError(f"a sphere needs a space of two dimensions or more, not {d}")
    return d


def log_area(d: int) -> float:
    """log of the area of the unit sphere of R^d, log 2 π^{d/2} / Γ(d/2); nats."""
    return math.log(2) + d / 2 * math.log(math.pi) - math.lgamma(d / 2)


class VonMisesFisher(td.Distribution):
    """vMF(μ, κ) on the unit sphere of R^d, d ≥ 2: p(x) = exp(κ⟨μ, x⟩ − h(κ) − κ) / area, exp h(κ) = E[exp κ(w − 1)], x uniform.

    ``loc`` (μ) ``(*batch, d)``, of length one; ``concentration`` (κ) ``(*batch,)``, from 1e-4 to 1e5. log p in nats, with respect to area.
    A sample x = cos θ μ + sin θ v is differentiable in κ through θ, implicitly, and in μ through the reflection that carries an axis to μ.
    Gradients in μ are meant along the sphere: normalise μ, and what points out of it falls away.
    Errors: RecipeError for d < 2.
    Source: Davidson et al., "Hyperspherical Variational Auto-Encoders", 2018, https://arxiv.org/abs/1804.00891.

    >>> import math
    >>> import torch
    >>> import lowerbound as lb
    >>> law = lb.distributions.VonMisesFisher(torch.tensor([0.0, 0.0, 1.0]), 10.0)
    >>> round(float(law.log_prob(law.mode)), 3), round(math.log(10 / (2 * math.pi * (1 - math.exp(-20)))), 3)  # κ/(2π(1 − e^−2κ)) for d = 3
    (0.465, 0.465)
    >>> round(float(law.sample((1000,)).norm(dim=-1).mean()), 3)
    1.0
    """

    arg_constraints = {"loc": sphere, "concentration": constraints.positive}  # noqa: RUF012 torch's name and kind
    support = sphere
    has_rsample = True

    def __init__(self, loc: Tensor, concentration: Tensor | float, validate_args: bool | None = None):
        concentration = torch.as_tensor(concentration, dtype=loc.dtype, device=loc.device)
        batch = broadcast_shapes(loc.shape[:-1], concentration.shape)
        self.d = _dimensions(loc.shape[-1])
        self.loc, self.concentration = loc.expand(*batch, self.d), concentration.expand(batch)
        super().__init__(batch, loc.shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> VonMisesFisher:
        """The law over a larger batch, ``batch_shape``."""
        shape = Size(batch_shape)
        return type(self)(self.loc.expand(*shape, self.d), self.concentration.expand(shape), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """κ(⟨μ, x⟩ − 1) − h(κ) − log area, with ⟨μ, x⟩ − 1 = −|x − μ|²/2 for the digits' sake ``(*batch,)``."""
        if self._validate_args:
            self._validate_sample(value)
        k = self.concentration
        return -k * (value - self.loc).square().sum(-1) / 2 - smooth(TILT, k, self.d) - log_area(self.d)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draws ``(*sample_shape, *batch, d)``, differentiable in κ and μ."""
        shape = self._extended_shape(sample_shape)
        return self.drawn(shape, noise.last(len(shape) - 1))

    def drawn(self, shape: Size, axis: int | None) -> Tensor:
        """Draws of this whole shape, of which ``axis`` counts rows."""
        theta = angle(self.concentration.expand(shape[:-1]), self.d, axis)[..., None]
        # Reflection carries ∓e₁ to μ, whichever is the farther, so that the mirror's normal is never short.
        side = torch.where(self.loc[..., :1] < 0, -1.0, 1.0).to(self.loc)
        tangent = noise.normal((*shape[:-1], self.d - 1), axis, self.loc.dtype, self.loc.device)
        x = torch.cat([-side * theta.cos(), theta.sin() * torch.nn.functional.normalize(tangent, dim=-1)], -1)
        normal = torch.cat([self.loc[..., :1] + side, self.loc[..., 1:]], -1)
        return x - 2 * normal * (normal * x).sum(-1, keepdim=True) / normal.square().sum(-1, keepdim=True)

    @property
    def mean(self) -> Tensor:
        """A_d(κ) μ, inside the sphere ``(*batch, d)``."""
        return smooth(RESULTANT, self.concentration, self.d)[..., None] * self.loc

    @property
    def mode(self) -> Tensor:
        """μ ``(*batch, d)``, where the density is greatest."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """Of each coordinate: (A/κ)(1 − μ²) + A' μ² ``(*batch, d)``."""
        a, k = smooth(RESULTANT, self.concentration, self.d), self.concentration
        along, across = smooth(RESULTANT[1:], k, self.d), a / k
        return across[..., None] * (1 - self.loc**2) + along[..., None] * self.loc**2

    def entropy(self) -> Tensor:
        """log area + h(κ) + κ(1 − A); nats ``(*batch,)``."""
        return log_area(self.d) - kl_from_uniform(self.concentration, self.d)


class UniformSphere(td.Distribution):
    """The uniform distribution on the unit sphere of R^d, d ≥ 2: p(x) = Γ(d/2) / (2 π^{d/2}), with respect to area.

    Draws are of ``dtype`` and on ``device``, by default torch's own.
    Errors: RecipeError for d < 2.

    >>> import math
    >>> import torch
    >>> import lowerbound as lb
    >>> law = lb.distributions.UniformSphere(3)
    >>> round(float(law.log_prob(torch.tensor([0.0, 0.0, 1.0]))), 3), round(-math.log(4 * math.pi), 3)
    (-2.531, -2.531)
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 torch's name and kind
    support = sphere
    has_rsample = True

    def __init__(
        self,
        d: int,
        batch_shape: Any = (),
        validate_args: bool | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ):
        self.d, self.dtype, self.device = _dimensions(d), dtype, device
        super().__init__(Size(batch_shape), Size([d]), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> UniformSphere:
        """The law over a larger batch, ``batch_shape``."""
        return type(self)(self.d, batch_shape, validate_args=False, dtype=self.dtype, device=self.device)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(x) = −log area of the sphere, in nats ``(*batch,)``."""
        if self._validate_args:
            self._validate_sample(value)
        return torch.full_like(value[..., 0], -log_area(self.d)).expand(broadcast_shapes(value.shape[:-1], self.batch_shape))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draws ``(*sample_shape, *batch, d)``; there is nothing to differentiate in."""
        shape = self._extended_shape(sample_shape)
        return self.drawn(shape, noise.last(len(shape) - 1))

    def drawn(self, shape: Size, axis: int | None) -> Tensor:
        """Draws of this whole shape, of which ``axis`` counts rows."""
        dtype, device = self.mean.dtype, self.mean.device  # torch's own where none is specified
        return torch.nn.functional.normalize(noise.normal(shape, axis, dtype, device), dim=-1)

    @property
    def mean(self) -> Tensor:
        """The centre of the sphere, zeros ``(*batch, d)``."""
        return torch.zeros(self._extended_shape(), dtype=self.dtype, device=self.device)

    @property
    def variance(self) -> Tensor:
        """The variance of each coordinate, 1/d ``(*batch, d)``."""
        return torch.full(self._extended_shape(), 1 / self.d, dtype=self.dtype, device=self.device)

    def entropy(self) -> Tensor:
        """The log of the sphere's area, in nats ``(*batch,)``."""
        return torch.full(self.batch_shape, log_area(self.d), dtype=self.dtype, device=self.device)


def kl_from_uniform(concentration: Tensor, d: int) -> Tensor:
    """KL(vMF(μ, κ) ‖ uniform) = −κ(1 − A) − h(κ), whatever μ; nats, of κ's shape."""
    return concentration * smooth(SHORTFALL, concentration, d) - smooth(TILT, concentration, d)


@register_kl(VonMisesFisher, UniformSphere)  # type: ignore[untyped-decorator]
def _(p: VonMisesFisher, q: UniformSphere) -> Tensor:
    if p.d != q.d:
        raise ValueError(f"spheres of {p.d} and of {q.d} dimensions")
    return kl_from_uniform(p.concentration, p.d).expand(broadcast_shapes(p.batch_shape, q.batch_shape))
