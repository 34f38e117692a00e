"""The names of the experiments and their options, for the command line: without heavy imports."""

from __future__ import annotations

#: name → the suffix of its figure, and whether it needs a run (None: optional)
EXPERIMENTS: dict[str, tuple[str, bool | None]] = {
    "kl": (".png", False),
    "evidence": (".png", True),
    "gradients": (".png", None),
    "elbo": (".gif", False),
    "def": (".png", False),
}
P = ("truncated-normal", "gamma", "log-normal", "beta", "normal", "laplace", "mixture")
Q = ("gamma", "log-normal", "beta", "normal", "laplace")
STEPS = 1_000
