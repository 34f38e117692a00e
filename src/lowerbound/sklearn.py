"""The short way to ``lowerbound.interfaces.sklearn``: ``from lowerbound.sklearn import VAE, TableVAE, Classifier, Imputer``."""

from lowerbound.interfaces.sklearn import VAE, Classifier, Imputer, TableVAE

__all__ = ["VAE", "Classifier", "Imputer", "TableVAE"]
