"""The words of a recipe and what each makes: the only place where a string becomes a class.

A word may carry numbers, ``iwae:5``. Each table's rows are a function of those numbers with their
defaults; classes are imported only when one is made, so that the words alone (for ``--help``) cost nothing.
"""

from lowerbound.recipes.contexts import CONTEXTS, context
from lowerbound.recipes.distributions import LIKELIHOODS, PIXELS, POSTERIORS, PRIORS, SCALES, Facts, likelihood, scale
from lowerbound.recipes.grammar import LARGEST, call, known
from lowerbound.recipes.networks import CORRUPTIONS, NETWORKS, PRECISIONS, corrupted, network, products
from lowerbound.recipes.objectives import ESTIMATORS, KLS, OBJECTIVES
from lowerbound.recipes.schedules import CONSTANT, SCHEDULES, schedule, settled
from lowerbound.recipes.semi_supervised import LABEL_ESTIMATORS, SEMI_SUPERVISED, OfLabels, Supervision

__all__ = [
    "CONSTANT",
    "CONTEXTS",
    "CORRUPTIONS",
    "ESTIMATORS",
    "KLS",
    "LABEL_ESTIMATORS",
    "LARGEST",
    "LIKELIHOODS",
    "NETWORKS",
    "OBJECTIVES",
    "PIXELS",
    "POSTERIORS",
    "PRECISIONS",
    "PRIORS",
    "SCALES",
    "SCHEDULES",
    "SEMI_SUPERVISED",
    "Facts",
    "OfLabels",
    "Supervision",
    "call",
    "context",
    "corrupted",
    "known",
    "likelihood",
    "network",
    "products",
    "scale",
    "schedule",
    "settled",
]
