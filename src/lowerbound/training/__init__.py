"""``fit``: batches in an order that a seed decides, one step each, in one process or several.

Steps that are faster than autograd's are in steps/, and nothing of them shows here.
"""
