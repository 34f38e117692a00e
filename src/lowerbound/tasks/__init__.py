"""What people do with a model: each takes a VAE and arrays, and returns arrays."""

from lowerbound.tasks import classes, complete, encode, generate, impute, levels, lossless, rank, upscale

__all__ = ["classes", "complete", "encode", "generate", "impute", "levels", "lossless", "rank", "upscale"]
