"""What can be typed. Nothing here imports torch, so that ``--help`` answers at once.

The options of ``train`` are in ``recipe_options``, those of ``export`` in ``exchange_options``. A new verb is a row of ``VERBS``
and a function of the same name in ``verbs``.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lowerbound import __version__
from lowerbound.errors import UsageError, nearest
from lowerbound.interfaces.cli import exchange_options, options, recipe_options
from lowerbound.interfaces.cli.options import Parser
from lowerbound.lab.names import EXPERIMENTS, STEPS, P, Q
from lowerbound.recipes.contexts import HOLES, MISSING

FIGURES = (
    "manifold",
    "scatter",
    "traversal",
    "curves",
    "reconstructions",
    "samples",
    "density",
    "dimensions",
    "bubbles",
    "scores",
    "styles",
    "confusion",
    "calibration",
)
METHODS = ("importance", "gibbs", "metropolis")


def _resume(parser: Parser) -> None:
    options.run(parser)
    parser.add_argument("--epochs", type=int, metavar="N", help="go on to this many epochs in all (default: the recipe's)")
    options.save_every(parser)
    options.machine(parser)


def _sample(parser: Parser) -> None:
    options.run(parser)
    options.count(parser, 64, "how many")
    options.seed(parser)
    options.draw(parser, "draw x from p(x|z) instead of taking its mean")
    options.label(parser, "of a run given labels: data of this class (default: of all in turn)")
    parser.add_argument(
        "--freeze", type=options.at_least(1), metavar="LEVELS", help="of hierarchies: a row shares so many levels, counted from the top"
    )
    parser.add_argument("--where", metavar="COLUMN=VALUE,…", help="of tables: rows in which these cells are given, 'sex=female,pclass=1'")
    options.output(parser, ".png, or .npy for the array; of tables .csv, .tsv or .parquet, and always drawn")
    options.machine(parser)


def _reconstruct(parser: Parser) -> None:
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


def _encode(parser: Parser) -> None:
    options.run(parser)
    options.data(parser)
    options.draw(parser, "draw z from q(z|x) instead of taking its mean")
    options.seed(parser)
    options.output(parser, ".npz for latents and what is beside them, or .npy for latents")
    options.machine(parser)


def _decode(parser: Parser) -> None:
    options.run(parser)
    parser.add_argument("latents", metavar="LATENTS", help="a .npz from encode, or a .npy of shape (N, latent)")
    options.label(parser, "of a run given labels: decoded as this class (default: what the .npz has beside the latents)")
    options.output(parser, ".npy, or .png for a sheet of images")
    options.device(parser)


def _compress(parser: Parser) -> None:
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


def _decompress(parser: Parser) -> None:
    parser.add_argument("file", metavar="FILE", help="a .lbz of compress")
    parser.add_argument("--run", metavar="RUN", help="where its run is now (default: the folder that the file names)")
    parser.add_argument("--rows", metavar="FIRST:END", help="these examples alone, as 0:1000 (default: all)")
    options.output(parser, ".npy, or .npz; of a table .csv or .tsv")


def _interpolate(parser: Parser) -> None:
    options.run(parser)
    options.data(parser)
    parser.add_argument("--between", nargs=2, type=int, metavar=("I", "J"), default=(0, 1), help="rows of the data (default: 0 1)")
    options.count(parser, 11, "how many steps, both ends included", least=2)
    options.label(parser, "of a run given labels: decoded as this class (default: that of the first)")
    options.output(parser, ".png, or .npy for the array")
    options.machine(parser)


def _complete(parser: Parser) -> None:
    options.run(parser)
    options.data(parser)
    words = ", ".join(row.usage(name) for name, row in MISSING.items())
    missing = f"what is missing: {words}, {HOLES} where the data have a hole, or FILE.npy, True where it is"
    parser.add_argument("--missing", required=True, metavar="WORD", help=missing)
    options.several(parser, "completions")
    method = f"{', '.join(METHODS)} (default: {METHODS[0]}; a run given observed needs none)"
    parser.add_argument("--method", metavar="NAME", help=method)


def _upscale(parser: Parser) -> None:
    options.run(parser)
    options.data(parser)
    factor = "how many times larger (default: what the run was trained for, or 4)"
    parser.add_argument("--factor", type=options.at_least(2), metavar="N", help=factor)
    options.several(parser, "images")


def _impute(parser: Parser) -> None:
    options.run(parser)
    parser.add_argument("data", nargs="?", metavar="TABLE", help="a .csv, .tsv or .parquet file (default: what the run was trained on)")
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
    options.output(parser, ".csv, .tsv or .parquet: the table with its missing cells filled in; beside it FILE-errors")
    options.device(parser)


def _plot(parser: Parser) -> None:
    options.run(parser)
    parser.add_argument("figure", metavar="FIGURE", help=", ".join(FIGURES))
    options.data(parser)
    parser.add_argument("--seed", type=int, metavar="N", help="of what is drawn (default: the run's)")
    parser.add_argument("-o", "--output", metavar="FILE", help="default: in the run's figures/; traversal is a .gif or a .png")
    options.machine(parser)


def _report(parser: Parser) -> None:
    options.run(parser)
    options.data(parser)
    options.machine(parser)


def _evaluate(parser: Parser) -> None:
    options.run(parser)
    options.data(parser)
    options.rows(parser)
    options.estimate(parser)
    parser.add_argument("--against", metavar="RUN", help="of a table: which run says better what its cells are and which are missing")
    options.machine(parser)


def _score(parser: Parser) -> None:
    options.run(parser)
    options.data(parser)
    options.rows(parser)
    options.estimate(parser)
    parser.add_argument("--regret", action="store_true", help="add the likelihood regret, high for outliers, however likely they are")
    parser.add_argument("--cells", action="store_true", help="of a table also log p of each cell given the others of its row: FILE-cells")
    options.output(parser, ".parquet or .csv: a row for each example")
    options.machine(parser)


def _classify(parser: Parser) -> None:
    options.run(parser)
    options.data(parser)
    options.output(parser, ".csv, which train --labels FILE reads, or .parquet: a row for each example")
    options.machine(parser)


def _compare(parser: Parser) -> None:
    runs = "folders of trained runs for data of one shape, then if wanted the data: a known set, file or folder (default: the first run's)"
    parser.add_argument("runs", nargs="+", metavar="RUN", help=runs)
    options.count(parser, 10, "how many data are shown reconstructed", least=2)
    options.seed(parser)
    parser.add_argument("-o", "--output", default="compare.html", metavar="FILE", help="the page (default: compare.html)")
    options.machine(parser)


def _explore(parser: Parser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folders of trained runs, side by side on the page")
    options.output(parser, ".html: the page, which needs neither server nor network (default: served until Ctrl-C)", required=False)
    parser.add_argument("--exact", action="store_true", help="weights in single precision: twice as long a page (default: 16 bits)")
    onnx = "compute networks of your own in the page by this npm package, a .tgz or a folder of onnxruntime-web (5 MB more)"
    parser.add_argument("--onnx", metavar="PACKAGE", help=onnx)
    parser.add_argument("--port", type=options.port, default=0, metavar="N", help="where to serve it on this machine (default: any)")
    parser.add_argument("--no-browser", action="store_true", help="say the address alone")
    options.machine(parser)


def _lab(parser: Parser) -> None:
    parser.add_argument("experiment", metavar="EXPERIMENT", help=", ".join(EXPERIMENTS))
    parser.add_argument("run", nargs="?", metavar="RUN", help="the folder of a trained run: evidence needs one, gradients can do without")
    parser.add_argument("--p", metavar="NAME", help=f"of elbo, the law to reach: {', '.join(P)} (default: {P[0]})")
    parser.add_argument("--q", metavar="NAME", help=f"of elbo, the law that is fitted: {', '.join(Q)} (default: {Q[0]})")
    steps = f"of def, how many steps of each estimator (default: {STEPS:,}, which take most of an hour)"
    parser.add_argument("--steps", type=options.at_least(1), metavar="N", help=steps)
    options.seed(parser)
    options.output(parser, "its figure too: .png; of elbo .gif", required=False)
    options.machine(parser)


@dataclass(frozen=True)
class Verb:
    """A word of the command line: its function in ``verbs``, a line of help, its options."""

    function: str
    help: str
    options: Callable[[Parser], None]


VERBS = {
    "train": Verb("train", "train a model and leave a run folder with a report", recipe_options.train),
    "resume": Verb("resume", "go on with a run that was interrupted, or extend it", _resume),
    "sample": Verb("sample", "new data: z from the prior, decoded", _sample),
    "reconstruct": Verb("reconstruct", "data, and what comes back of them through the latent", _reconstruct),
    "encode": Verb("encode", "data → latents", _encode),
    "decode": Verb("decode", "latents → data", _decode),
    "compress": Verb("compress", "data → a file of about −bound bits, from which they come back exactly", _compress),
    "decompress": Verb("decompress", "such a file → the data", _decompress),
    "interpolate": Verb("interpolate", "a straight line in the latent between two data, decoded", _interpolate),
    "complete": Verb("complete", "data of which a part is missing, and what it may have been", _complete),
    "impute": Verb("impute", "a table with its missing cells filled in, with draws and errors", _impute),
    "upscale": Verb("upscale", "images made larger, in several ways that they may have been", _upscale),
    "evaluate": Verb("evaluate", "log p(x) with its error, the bound's parts, the latent space, what is wrong", _evaluate),
    "score": Verb("score", "log p(x) of each example, in a table", _score),
    "classify": Verb("classify", "the class of each example and how sure the model is, in a table", _classify),
    "plot": Verb("plot", "draw one figure of a run", _plot),
    "report": Verb("report", "draw all figures of a run and write its report.html anew", _report),
    "explore": Verb("explore", "runs as an interactive page: drag over the latent plane, complete, compare", _explore),
    "compare": Verb("compare", "runs side by side on the same data: a page and a table", _compare),
    "lab": Verb("lab", "an experiment of the lessons, and its figure", _lab),
    "export": Verb("export", "a run as files that others run: encoder, decoder and bound as graphs, and a card", exchange_options.export),
    "import": Verb("bring", "a model of another library as a run", exchange_options.bring),
    "show": Verb("show", "what a run is: recipe, data, figures, size", options.run),
    "recipes": Verb("zoo", "the models known by name, for train --recipe NAME", lambda _: None),
    "data": Verb("datasets", "the data sets known by name, or what is read of a source", recipe_options.datasets),
}


def parser() -> Parser:
    """The whole command line."""
    top = Parser(prog="lowerbound", description="Variational autoencoders: train one, see what it learned, use it.", allow_abbrev=False)
    top.add_argument("--version", action="version", version=f"lowerbound {__version__}")
    verbs = top.add_subparsers(metavar="VERB", required=True, parser_class=Parser)
    for name, verb in VERBS.items():
        sub = verbs.add_parser(name, help=verb.help, description=verb.help[0].upper() + verb.help[1:] + ".", allow_abbrev=False)
        sub.set_defaults(verb=verb.function)
        verb.options(sub)
        sub.add_argument("--json", action="store_true", help="print one JSON object, alone, on stdout")
    return top


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """What was typed, understood. Errors: UsageError, with the nearest known word where one was not known."""
    if argv and not argv[0].startswith("-") and argv[0] not in VERBS:
        raise UsageError(f"unknown verb '{argv[0]}'{nearest(argv[0], VERBS)}")
    args, rest = parser().parse_known_args(recipe_options.joined(argv))
    if rest:
        raise UsageError(_not_understood(next(word for word in argv if word in VERBS), rest))
    args.notes = []  # what the verb will have printed beside its answer
    return args


def _not_understood(verb: str, rest: Sequence[str]) -> str:
    option = next((word.partition("=")[0] for word in rest if word.startswith("-")), None)
    if option is None:
        return f"{verb} does not know what to do with '{rest[0]}' (see lowerbound {verb} --help)"
    alone = Parser()
    VERBS[verb].options(alone)
    return f"unknown option '{option}' of {verb}{nearest(option, re.findall('--[a-z-]+', alone.format_usage()))}"
