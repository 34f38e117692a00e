"""Bulk use of a run: what a verb says of data piece by piece, each piece a file of its own, here or on a cluster by Ray."""
