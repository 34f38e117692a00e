"""``fit``: batches in an order given by a seed, one step each, in one process or several.

The kinds of step, by autograd or a faster one by hand, are in steps/.
"""
