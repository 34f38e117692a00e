"""What people do with a model: each takes a VAE and arrays, and returns arrays."""
