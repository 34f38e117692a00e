"""The loops as they are written: only where one is to be compiled are these files imported, and numba with them."""
