"""Options of the verbs that use a run: sample, reconstruct, encode, decode, compress, complete, impute and the like.

Nothing here imports torch, so that ``--help`` answers at once.
"""

from __future__ import annotations

from lowerbound.interfaces.cli import options
from lowerbound.interfaces.cli.options import Parser
from lowerbound.recipes.contexts import HOLES, MISSING

METHODS = ("importance", "gibbs", "metropolis")


def sample(parser: Parser) -> None:
    """Those of ``sample``."""
    options.run(parser)
    options.count(parser, 64, "how many")
    options.seed(parser)
    options.draw(parser, "draw x from p(x|z) instead of taking its mean")
    options.label(parser, "of a run given labels: data of this class (default: of all in turn)")
    parser.add_argument(
        "--freeze", type=options.at_least(1), metavar="LEVELS", help="of hierarchies: a row shares so many levels, counted from the top"
    )
    parser.add_argument("--where", metavar="COLUMN=VALUE,…", help="of tables: rows in which these cells are given, 'sex=female,pclass=1'")
    options.output(parser, ".png, or .npy for the array; of tables .csv, .tsv or .parquet, and always drawn; or a folder, for parts")
    options.parts(parser)
    options.machine(parser)


def reconstruct(parser: Parser) -> None:
    """Those of ``reconstruct``."""
    options.run(parser)
    options.data(parser)
    parser.add_argument("-n", "--n", type=options.at_least(1), metavar="N", help="how many (default: 20, or all where there are fewer)")
    parser.add_argument("--as-label", metavar="CLASS", help="of a run given labels: decoded as this class")
    parser.add_argument(
        "--levels",
        type=options.at_least(1),
        metavar="K",
        help="of hierarchies: by the K levels at the top alone, the others as p expects them",
    )
    options.output(parser, ".png, or .npy for the reconstructed array")
    options.machine(parser)


def encode(parser: Parser) -> None:
    """Those of ``encode``."""
    options.run(parser)
    options.data(parser)
    options.draw(parser, "draw z from q(z|x) instead of taking its mean")
    options.seed(parser)
    options.output(parser, ".npz for latents and what is beside them, or .npy for latents; or a folder, for parts")
    options.parts(parser)
    options.machine(parser)


def decode(parser: Parser) -> None:
    """Those of ``decode``."""
    options.run(parser)
    parser.add_argument("latents", metavar="LATENTS", help="a .npz from encode, or a .npy of shape (N, latent)")
    options.label(parser, "of a run given labels: decoded as this class (default: what the .npz has beside the latents)")
    options.output(parser, ".npy, or .png for a sheet of images")
    options.device(parser)


def compress(parser: Parser) -> None:
    """Those of ``compress``."""
    options.run(parser)
    options.data(parser)
    options.rows(parser)
    block = "examples in a block, each of which can be read alone (default: 1000)"
    parser.add_argument("--block", type=options.at_least(1), default=1000, metavar="N", help=block)
    particles = "draws of the latent for each example: shorter files, for so many times the work (default: 1)"
    parser.add_argument("--particles", type=options.at_least(1), default=1, metavar="K", help=particles)
    options.seed(parser)
    options.output(parser, ".lbz")
    options.data_dir(parser)


def decompress(parser: Parser) -> None:
    """Those of ``decompress``."""
    parser.add_argument("file", metavar="FILE", help="a .lbz of compress")
    parser.add_argument("--run", metavar="RUN", help="where its run is now (default: the folder that the file names)")
    parser.add_argument("--rows", metavar="FIRST:END", help="these examples alone, as 0:1000 (default: all)")
    options.output(parser, ".npy, or .npz; of a table .csv or .tsv")


def interpolate(parser: Parser) -> None:
    """Those of ``interpolate``."""
    options.run(parser)
    options.data(parser)
    parser.add_argument("--between", nargs=2, type=int, metavar=("I", "J"), default=(0, 1), help="rows of the data (default: 0 1)")
    options.count(parser, 11, "how many steps, both ends included", least=2)
    options.label(parser, "of a run given labels: decoded as this class (default: that of the first)")
    options.output(parser, ".png, or .npy for the array")
    options.machine(parser)


def complete(parser: Parser) -> None:
    """Those of ``complete``."""
    options.run(parser)
    options.data(parser)
    words = ", ".join(row.usage(name) for name, row in MISSING.items())
    missing = f"what is missing: {words}, {HOLES} where the data have a hole, or FILE.npy, True where it is"
    parser.add_argument("--missing", required=True, metavar="WORD", help=missing)
    options.several(parser, "completions")
    method = f"{', '.join(METHODS)} (default: {METHODS[0]}; a run given observed needs none)"
    parser.add_argument("--method", metavar="NAME", help=method)


def upscale(parser: Parser) -> None:
    """Those of ``upscale``."""
    options.run(parser)
    options.data(parser)
    factor = "how many times larger (default: what the run was trained for, or 4)"
    parser.add_argument("--factor", type=options.at_least(2), metavar="N", help=factor)
    options.several(parser, "images")


def impute(parser: Parser) -> None:
    """Those of ``impute``."""
    options.run(parser)
    parser.add_argument(
        "data",
        nargs="?",
        metavar="TABLE",
        help="a .csv, .tsv or .parquet file; for parts a folder of them too (default: what the run was trained on)",
    )
    parser.add_argument(
        "--draws",
        type=options.at_least(0),
        default=0,
        metavar="M",
        help="multiple imputations, each a draw and a file of its own: FILE-1.csv … (default: 0)",
    )
    more = "further runs of the table, as of train --bootstrap: draws and errors have what they differ by"
    parser.add_argument("--together-with", nargs="+", default=[], metavar="RUN", help=more)
    options.estimate(parser, 1000, "draws of z for each row")
    options.output(
        parser, ".csv, .tsv or .parquet: the table with its missing cells filled in; or a folder, for parts; beside it FILE-errors"
    )
    options.parts(parser)
    options.device(parser)
