"""A run: one training and the folder it leaves, begun, kept, resumed and loaded.

run.py reads a folder, experiment.py makes one; weights are safetensors, all else is text.
"""
