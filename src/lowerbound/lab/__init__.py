"""The lessons as experiments: each a module whose one function computes, and a function of ``plots`` that draws what it found.

``kl``: the divergence to the prior, and where it is least. ``evidence``: why z is drawn from q. ``gradients``: what
each estimator costs. ``elbo``: the bound that climbs to log p. They are imported by name; nothing is loaded before.
"""
