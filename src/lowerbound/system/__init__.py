"""The machine: devices, seeded random numbers, atomic writes of files, compiled loops and the threads that run them.

Nothing here depends on data or models.
"""
