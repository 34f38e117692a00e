"""How gradients get past the sampling of z: one contract, and a file for each kind.

DReG is IWAE × ``DoublyReparameterized``, sticking the landing the ELBO × the same; VIMCO is IWAE × ``ScoreFunction(LeaveOneOut())``.
"""

from lowerbound.vae.estimators.base import Estimator, NodeEstimator
from lowerbound.vae.estimators.baselines import LeaveOneOut, MovingAverage, NoBaseline
from lowerbound.vae.estimators.enumerated import Enumerated
from lowerbound.vae.estimators.local import LocalSignals
from lowerbound.vae.estimators.pathwise import DoublyReparameterized, Pathwise
from lowerbound.vae.estimators.per_node import PerNode
from lowerbound.vae.estimators.relaxed import Relaxed
from lowerbound.vae.estimators.score import GREP, RaoBlackwell, ScoreFunction
from lowerbound.vae.terms import Node, Sampler

__all__ = [
    "GREP",
    "DoublyReparameterized",
    "Enumerated",
    "Estimator",
    "LeaveOneOut",
    "LocalSignals",
    "MovingAverage",
    "NoBaseline",
    "Node",
    "NodeEstimator",
    "Pathwise",
    "PerNode",
    "RaoBlackwell",
    "Relaxed",
    "Sampler",
    "ScoreFunction",
]
