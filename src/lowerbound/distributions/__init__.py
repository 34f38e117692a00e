"""Laws that torch lacks, or has with faults: Gamma, Beta, von Mises–Fisher, uniform on a sphere, Dirac, of a label; chains of others.

Samples of the continuous ones are differentiable by implicit reparameterisation: with F(z; φ) the distribution function
and p = ∂F/∂z, a sample of fixed rank F(z; φ) moves as dz/dφ = −∂_φ F(z; φ) / p(z; φ).

Source: Figurnov et al., "Implicit Reparameterization Gradients", 2018, https://arxiv.org/abs/1805.08498.
"""

from lowerbound.distributions.chain import Chain, Refined
from lowerbound.distributions.dirac import Delta
from lowerbound.distributions.gamma_beta import Beta, Gamma
from lowerbound.distributions.one_hot import OneHotCategorical
from lowerbound.distributions.von_mises_fisher import UniformSphere, VonMisesFisher

__all__ = ["Beta", "Chain", "Delta", "Gamma", "OneHotCategorical", "Refined", "UniformSphere", "VonMisesFisher"]
