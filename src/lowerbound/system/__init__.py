"""The machine: devices, random numbers from a seed, files that reach the disk whole, compiled loops and the threads they run on.

Nothing here knows of data or models.
"""
