"""Estimators for scikit-learn: models of a recipe's words with ``fit``, ``transform``, ``predict`` and their kin."""

from lowerbound.interfaces.sklearn.classifier import Classifier
from lowerbound.interfaces.sklearn.imputer import Imputer
from lowerbound.interfaces.sklearn.vae import VAE, TableVAE

__all__ = ["VAE", "Classifier", "Imputer", "TableVAE"]
