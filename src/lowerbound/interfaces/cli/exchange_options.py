"""Options of the verbs that take models elsewhere and bring them from there.

Nothing here imports torch, so that ``--help`` answers at once.
"""

from __future__ import annotations

from lowerbound.interfaces.cli import options
from lowerbound.interfaces.cli.options import Parser

FORMATS = ("onnx", "torch", "json")
OPSET = 20
LIBRARIES = ("pythae",)


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
    """Add the library, its folder, and that of the run."""
    parser.add_argument("library", choices=LIBRARIES, help="whose model it is")
    parser.add_argument("folder", metavar="FOLDER", help="the folder of its model: of pythae, final_model")
    parser.add_argument("-o", "--output", required=True, metavar="RUN", help="the folder of the new run")
