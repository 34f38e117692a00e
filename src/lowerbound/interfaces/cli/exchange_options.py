"""Options of the verbs that take models elsewhere and bring them from there.

Nothing here imports torch, so that ``--help`` answers at once.
"""

from __future__ import annotations

from lowerbound.interfaces.cli import options
from lowerbound.interfaces.cli.options import Parser

FORMATS = ("onnx", "torch", "json")
OPSET = 20
KINDS = ("pythae", "state")


def export(parser: Parser) -> None:
    """Add RUN, the format and the folder."""
    options.run(parser)
    parser.add_argument("--to", required=True, choices=FORMATS, help="graphs for onnxruntime or for torch, or weights and words as JSON")
    opset = f"of ONNX, the version that is written (default: {OPSET})"
    parser.add_argument("--opset", type=options.at_least(1), default=OPSET, metavar="N", help=opset)
    parser.add_argument(
        "-o", "--output", required=True, metavar="FOLDER", help="a new folder: the files, and a card that says what they are"
    )


def bring(parser: Parser) -> None:
    """Add what is brought, where it is, the map, and the folder of the run."""
    what = "a model of pythae, or the state of another library's: its weights, by --map"
    parser.add_argument("kind", choices=KINDS, metavar="KIND", help=f"{', '.join(KINDS)}: {what}")
    where = "of pythae the folder final_model; of a state the file of its weights: .safetensors, .npz, .h5, .keras"
    parser.add_argument("path", metavar="PATH", help=where)
    mapped = "of a state, TOML: the words of its recipe, and which of its tensors is which here (docs/guide/coming-from.md)"
    parser.add_argument("--map", metavar="FILE", help=mapped)
    parser.add_argument("-o", "--output", required=True, metavar="RUN", help="the folder of the new run")
