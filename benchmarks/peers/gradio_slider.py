"""A decoder behind gradio, as its users build it: two sliders and an image. Usage: gradio_slider.py WEIGHTS.npz PORT

The weights are those of a run's two layers; NumPy computes them, which takes a small part of what is measured.
"""

import sys

import gradio as gr
import numpy as np

weights = np.load(sys.argv[1])


def decoded(a: float, b: float) -> np.ndarray:
    """The image of a place, 28 × 28 pixels enlarged tenfold."""
    hidden = np.maximum(weights["w1"] @ np.array([a, b], np.float32) + weights["b1"], 0)
    image = 1 / (1 + np.exp(-(weights["w2"] @ hidden + weights["b2"])))
    return np.kron((255 * image.reshape(28, 28)).astype(np.uint8), np.ones((10, 10), np.uint8))


with gr.Blocks() as demo:
    sliders = [gr.Slider(-3, 3, 0, step=0.01, label=name) for name in ("z1", "z2")]
    image = gr.Image(decoded(0, 0), image_mode="L", format="png", label="image")
    gr.on([one.input for one in sliders], decoded, sliders, image, show_progress="hidden", trigger_mode="always_last")
demo.launch(server_name="127.0.0.1", server_port=int(sys.argv[2]), quiet=True)
