"""The words of the experiments, for the command line: nothing heavy is imported for them."""

from __future__ import annotations

#: name → what the file may be, and whether it needs a run (None: it can do with or without)
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
