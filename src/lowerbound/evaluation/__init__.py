"""How good a model is on data it was not trained on: bounds, log p(x), the latent space, classifiers, a diagnosis.

Each function takes a model and data, and returns numbers with their standard errors.
"""
