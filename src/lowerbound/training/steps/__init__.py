"""Kinds of training step: by autograd, or by hand for the most usual model; ``choose`` takes the one that fits."""
