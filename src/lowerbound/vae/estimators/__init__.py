"""How gradients get past the sampling of z."""
