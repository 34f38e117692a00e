"""What people do with a model: each takes a VAE and arrays, and returns arrays."""

from lowerbound.tasks import complete, compress, generate, impute, labels

__all__ = ["complete", "compress", "generate", "impute", "labels"]
