"""The explorer: a run as one page that computes its networks itself, so that a drag on the latent plane needs no server."""
