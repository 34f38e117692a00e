"""What people do with a model: each takes a VAE and arrays, and returns arrays."""

from lowerbound.tasks import complete, compress, generate, labels

__all__ = ["complete", "compress", "generate", "labels"]
