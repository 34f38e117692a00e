"""The lessons as experiments: each a module that computes, and a function of ``figures`` that plots the result.

``kl``: the divergence to the prior, and where it is least. ``evidence``: why z is drawn from q. ``gradients``: what
each estimator costs. ``elbo``: the bound that climbs to log p. ``faces``: a deep exponential family, by three estimators. Each is imported
by name when it is used.
"""
