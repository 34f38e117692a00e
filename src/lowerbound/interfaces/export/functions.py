"""What is exported of a model, each as a function of tensors: encoder, decoder, bound, classifier."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lowerbound.interfaces.export.noise import sampler_of
from lowerbound.interfaces.export.parameters import Parameters, parameters
from lowerbound.nn.conditioned import Conditioned
from lowerbound.vae.model import VAE, Model
from lowerbound.vae.semi_supervised.base import Classifier
from lowerbound.vae.semi_supervised.m2 import SemiSupervised
from lowerbound.vae.terms import Terms


class Encoder(nn.Module):
    """x, and c where the model is given one → the parameters of q(z|x), and the ``centre`` that stands for it, as ``encode`` gives it."""

    def __init__(self, vae: Model):
        super().__init__()
        self.posterior, self.prior = vae.posterior, vae.prior  # which some posteriors are made of

    def forward(self, x: Tensor, *context: Tensor) -> Parameters:
        """Each ``(N, …)``."""
        posterior = self.posterior.given(context[0]) if context else self.posterior
        law = posterior(x)
        return {"centre": posterior.centre(law)} | parameters(law)


class Decoder(nn.Module):
    """z, and c where the model is given one → the parameters of p(x|z), and its ``expected`` x, as ``decode`` gives it."""

    def __init__(self, vae: Model):
        super().__init__()
        self.likelihood, self.context, self.prior = vae.likelihood, vae.context, vae.prior

    def forward(self, z: Tensor, *context: Tensor) -> Parameters:
        """Each ``(N, …)``."""
        likelihood = self.likelihood.given(context[0]) if context else self.likelihood
        output = likelihood.output(z)
        law = likelihood.law(output, 1)
        mean = law.mean
        if self.context is not None and context:
            mean = self.context.put(context[0], mean)
        return {"expected": mean} | (parameters(law) or {"output": output})


class Bound(nn.Module):
    """x and noise ε ``(K, N, d)``, standard normal, and c where the model is given one → what is known of log p(x), in nats.

    log w = log p(x|z) + log p(z) − log q(z|x) of z made of ε; ``elbo`` is its mean over the K draws, of which −``distortion`` and −``rate``
    are the parts, ``log_p`` is log (1/K) Σ w, and ``outlier_score`` −``log_p``, high for examples that are not like those of the training.
    """

    def __init__(self, vae: Model):
        super().__init__()
        self.vae = vae

    def forward(self, x: Tensor, noise: Tensor, *context: Tensor) -> Parameters:
        """Each ``(N,)``, but for ``log_weight`` ``(K, N)``."""
        vae = _given(self.vae, context[0], noise.shape[0]) if context else self.vae
        terms = vae.terms(x, sampler_of(noise))
        return _evidence(*_parts(terms), terms.log_weight)


class LabelBound(nn.Module):
    """The same of a model whose label is a latent: all classes are summed over, each by the same ε; the rate is of label and z."""

    def __init__(self, vae: SemiSupervised):
        super().__init__()
        self.vae = vae

    def forward(self, x: Tensor, noise: Tensor) -> Parameters:
        """Each ``(N,)``, but for ``log_weight`` ``(K, N)``, of the sum over classes."""
        log_q = self.vae.log_classify(x)
        classes = torch.eye(self.vae.context.classes, dtype=x.dtype).unbind()
        given = (_given(self.vae, one.expand(x.shape[0], -1), noise.shape[0]) for one in classes)
        each = [one.terms(x, sampler_of(noise)) for one in given]
        distortion, rate = (torch.stack(parts, 1) for parts in zip(*map(_parts, each), strict=True))
        q, log_prior = log_q.exp(), -math.log(len(classes))
        log_weight = torch.stack([terms.log_weight for terms in each]).logsumexp(0) + log_prior
        return _evidence((q * distortion).sum(1), (q * (rate + log_q - log_prior)).sum(1), log_weight)


def _given(vae: Model, context: Tensor, draws: int) -> VAE:
    """The model for contexts ``(N, *context)``, its decoder given them once for each draw where its network wants as many of both.

    A graph cannot ask how many times as many there are of the one as of the other.
    """
    given = vae.given(context)
    if isinstance(vae.likelihood.network, Conditioned):
        given.likelihood = vae.likelihood.given(context.repeat(draws, *[1] * (context.dim() - 1)))
    return given


def _parts(terms: Terms) -> tuple[Tensor, Tensor]:
    """Distortion and rate of each example, by the draws."""
    return -terms.log_likelihood.mean(0), (terms.log_posterior - terms.log_prior).mean(0)


def _evidence(distortion: Tensor, rate: Tensor, log_weight: Tensor) -> Parameters:
    log_p = log_weight.logsumexp(0) - torch.ones_like(log_weight).sum(0).log()
    return {
        "elbo": -distortion - rate,
        "distortion": distortion,
        "rate": rate,
        "log_p": log_p,
        "outlier_score": -log_p,
        "log_weight": log_weight,
    }


class ClassReader(nn.Module):
    """x → log q(y|x) of each class."""

    def __init__(self, vae: Model):
        super().__init__()
        self.vae = vae

    def forward(self, x: Tensor) -> Parameters:
        """``(N, classes)``."""
        assert isinstance(self.vae, Classifier)
        return {"log_probabilities": self.vae.log_classify(x)}
