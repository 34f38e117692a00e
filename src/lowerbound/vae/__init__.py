"""A VAE: prior, likelihood and posterior, trained by one objective and one gradient estimator.

model.py holds the three, terms.py what they give, loss.py where objective and estimator meet.
"""
