"""Lossless compression by a trained model: data → a file of about −bound/log 2 bits an example → the same data, on any machine."""
