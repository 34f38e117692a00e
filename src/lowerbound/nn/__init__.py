"""Networks, tensor → tensor, and what can be done to one: conditioning, missing inputs, corruption, lower precision, pruning.

Any ``torch.nn.Module`` of the same shapes can stand in place of those made here.
"""
