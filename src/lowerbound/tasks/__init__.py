"""What people do with a model: each takes a VAE and arrays, and returns arrays."""

from lowerbound.tasks import compress, generate, labels

__all__ = ["compress", "generate", "labels"]
