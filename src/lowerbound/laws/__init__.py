"""Laws that torch lacks, or has with faults: Gamma, Beta, von Mises–Fisher, uniform on a sphere, Dirac, of a label.

Samples of the continuous ones are differentiable by implicit reparameterisation: with F(z; φ) the distribution function
and p = ∂F/∂z, a sample of fixed rank F(z; φ) moves as dz/dφ = −∂_φ F(z; φ) / p(z; φ).

Source: Figurnov et al., "Implicit Reparameterization Gradients", 2018, https://arxiv.org/abs/1805.08498.
"""

from lowerbound.laws.labels import OneHotCategorical
from lowerbound.laws.point import Delta
from lowerbound.laws.positive import Beta, Gamma
from lowerbound.laws.spheres import UniformSphere, VonMisesFisher

__all__ = ["Beta", "Delta", "Gamma", "OneHotCategorical", "UniformSphere", "VonMisesFisher"]
