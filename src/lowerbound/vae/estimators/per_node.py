"""An estimator for each latent."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from lowerbound.errors import RecipeError
from lowerbound.vae.estimators.base import Estimator, NodeEstimator
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.terms import Node, Sampler, Terms


class PerNode(Estimator):
    """Each latent by its own estimator, named as the model names it: ``PerNode(y=Enumerated(), z=Pathwise())`` is M2's.

    z stands for each level z1, z2, … of a chain that has none of its own.
    Errors: RecipeError for a latent that has none, and for an estimator that is of several itself.

    >>> import lowerbound as lb
    >>> estimator = lb.estimators.PerNode(y=lb.estimators.Enumerated(), z=lb.estimators.Pathwise())
    >>> estimator.of("y"), estimator.of("z2")
    (Enumerated(), Pathwise())
    """

    def __init__(self, **each: Estimator):
        super().__init__()
        for name, one in each.items():
            if not isinstance(one, NodeEstimator):
                raise RecipeError(f"the estimator of {name} is itself one for each latent; give it one that draws {name}")
        self.each = nn.ModuleDict(each)
        self.needs_log_posterior = any(one.needs_log_posterior for one in each.values())

    def of(self, name: str) -> NodeEstimator:
        """The estimator of the latent of that name. Errors: RecipeError where there is none."""
        name = name if name in self.each else name.rstrip("0123456789")
        if name not in self.each:
            raise RecipeError(f"the model has a latent {name}, and there are estimators of {', '.join(self.each)} alone; add {name}=…")
        found = self.each[name]
        assert isinstance(found, NodeEstimator)
        return found

    def sampler(self, samples: int) -> Sampler:
        """What a model draws its latents by: each by its own estimator. Errors: RecipeError for a latent that has none."""

        def draw(posterior: Distribution, prior: Distribution, name: str) -> Node:
            return self.of(name).sampler(samples)(posterior, prior, name)

        return draw

    def surrogate(self, objective: Objective, terms: Terms) -> Float[Tensor, " B"]:
        """The value, and what each estimator corrects of the latents that it drew."""
        surrogate = objective.value(terms)
        for estimator in dict.fromkeys(self.of(node.name) for node in terms.nodes):
            nodes = [node for node in terms.nodes if self.of(node.name) is estimator]
            correction = estimator.correction(objective, terms, nodes)
            surrogate = surrogate if correction is None else surrogate + correction
        return surrogate
