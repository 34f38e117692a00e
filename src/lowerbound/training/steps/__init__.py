"""Kinds of training step: by autograd, or by hand for the most common model; ``choose`` selects one."""
