"""What can be typed. Nothing here imports torch, so that ``--help`` answers at once.

The options of ``train`` are in ``recipe_options``, those of verbs that use a run in ``using_options``, those of
``export`` and ``import`` in ``exchange_options``. A new verb is a row of ``VERBS``
and a function of that name in ``verbs``, or in a file of its own, so that it imports no more than it needs.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lowerbound.errors import UsageError, nearest
from lowerbound.interfaces.cli import exchange_options, options, recipe_options, using_options
from lowerbound.interfaces.cli.options import Parser
from lowerbound.interfaces.cli.versions import Versions
from lowerbound.lab.names import EXPERIMENTS, STEPS, P, Q

SHELLS = ("bash", "zsh", "fish")
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


def _show(parser: Parser) -> None:
    shown = parser.add_mutually_exclusive_group(required=True)
    shown.add_argument("run", nargs="?", metavar="RUN", help="the folder of a trained run, or an address: hf:owner/name")
    shown.add_argument(
        "--machine", action="store_true", help="processor, threads, and what is chosen by measurement: ask while nothing else runs"
    )


def _resume(parser: Parser) -> None:
    options.run(parser)
    parser.add_argument("--epochs", type=int, metavar="N", help="go on to this many epochs in all (default: the recipe's)")
    options.save_every(parser)
    options.log(parser)
    options.machine(parser)


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
    options.output(parser, ".parquet or .csv: a row for each example; or a folder, for parts of it")
    options.parts(parser)
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


def _push(parser: Parser) -> None:
    options.run(parser)
    parser.add_argument("address", metavar="ADDRESS", help="hf:owner/name, or file:/shared/name; with it every verb finds the run")


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


def _launch(parser: Parser) -> None:
    nodes = "how many machines, or the fewest and the most of them, as 1:4 (default: 1)"
    parser.add_argument("--nnodes", default="1", metavar="MIN:MAX", help=nodes)
    each = "processes on this machine: a number, or auto, gpu, cpu for as many as it has (default: 1)"
    parser.add_argument("--nproc-per-node", default="1", metavar="N", help=each)
    meet = "where machines meet: the name of one of them, or of the one with --store-only (port: 29400)"
    parser.add_argument("--rdzv-endpoint", metavar="HOST:PORT", help=meet)
    parser.add_argument("--rdzv-id", default="lowerbound", metavar="NAME", help="which training they meet for (default: lowerbound)")
    restarts = "how often the processes of this machine start again when one anywhere dies (default: 10)"
    parser.add_argument("--max-restarts", type=options.at_least(1), default=10, metavar="N", help=restarts)
    parser.add_argument("--store-only", action="store_true", help="train nothing: be where others meet, and outlive them all")
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="-- VERB …", help="train or resume, and its words")


def _completion(parser: Parser) -> None:
    parser.add_argument("shell", metavar="SHELL", help=", ".join(SHELLS))


def _help(parser: Parser) -> None:
    parser.add_argument("topic", nargs="?", metavar="TOPIC", help="a verb, an option that takes words, or exit-codes (default: lists all)")


@dataclass(frozen=True)
class Verb:
    """A word of the command line: its function and in which file, a line of help, its options."""

    function: str
    help: str
    options: Callable[[Parser], None]
    module: str = "verbs"
    plots: bool = False  # several figures


VERBS = {
    "train": Verb("train", "train a model and leave a run folder with a report", recipe_options.train, "train", True),
    "resume": Verb("resume", "go on with a run that was interrupted, or extend it", _resume, "train", True),
    "launch": Verb("launch", "train by several processes and machines, which may come and go: torchrun, set for that", _launch, "launch"),
    "sample": Verb("sample", "new data: z from the prior, decoded", using_options.sample, "using"),
    "reconstruct": Verb("reconstruct", "data, and what comes back of them through the latent", using_options.reconstruct, "plots"),
    "encode": Verb("encode", "data → latents", using_options.encode, "using"),
    "decode": Verb("decode", "latents → data", using_options.decode, "using"),
    "compress": Verb(
        "compress", "data → a file of about −bound bits, from which they come back exactly", using_options.compress, "compress"
    ),
    "decompress": Verb("decompress", "such a file → the data", using_options.decompress, "compress"),
    "interpolate": Verb("interpolate", "a straight line in the latent between two data, decoded", using_options.interpolate, "plots"),
    "complete": Verb("complete", "data of which a part is missing, and what it may have been", using_options.complete, "complete"),
    "impute": Verb("impute", "a table with its missing cells filled in, with draws and errors", using_options.impute, "impute"),
    "upscale": Verb("upscale", "images made larger, in several ways that they may have been", using_options.upscale, "upscale"),
    "evaluate": Verb(
        "evaluate", "log p(x) with its error, the bound's parts, the latent space, what is wrong", _evaluate, "evaluate", True
    ),
    "score": Verb("score", "log p(x) of each example, in a table", _score, "score"),
    "classify": Verb("classify", "the class of each example and how sure the model is, in a table", _classify, "classify"),
    "plot": Verb("plot", "draw one figure of a run", _plot, "plots"),
    "report": Verb("report", "draw all figures of a run and write its report.html anew", _report, "plots", True),
    "explore": Verb("explore", "runs as an interactive page: drag over the latent plane, complete, compare", _explore, "explore"),
    "compare": Verb("compare", "runs side by side on the same data: a page and a table", _compare, "compare"),
    "push": Verb("push", "put a run where others find it: on the Hugging Face Hub, or in a shared folder", _push),
    "lab": Verb("lab", "an experiment of the lessons, and its figure", _lab, "lab"),
    "export": Verb(
        "export", "a run as files that others run: encoder, decoder and bound as graphs, and a card", exchange_options.export, "export"
    ),
    "import": Verb("bring", "a model of another library as a run", exchange_options.bring, "bring"),
    "show": Verb("show", "what a run is: recipe, data, figures, size; or what this machine does faster", _show),
    "recipes": Verb("zoo", "the models known by name, for train --recipe NAME", lambda _: None),
    "completion": Verb("completion", "what completes words as they are typed, for bash, zsh or fish", _completion, "completion"),
    "help": Verb("explained", "the words of a recipe's option, exit codes, or a verb's options", _help, "topics"),
    "shard": Verb(
        "shard",
        "data larger than memory → a folder of shards, read block by block",
        recipe_options.shard,
        "datasets",
    ),
    "data": Verb("datasets", "the data sets known by name, or what is read of a source", recipe_options.datasets, "datasets"),
}


def parser() -> Parser:
    """The whole command line."""
    top = Parser(prog="lowerbound", description="Variational autoencoders: train one, see what it learned, use it.", allow_abbrev=False)
    top.add_argument("--version", action=Versions, nargs=0, help="print the versions of lowerbound and of what it stands on, and exit")
    verbs = top.add_subparsers(metavar="VERB", required=True, parser_class=Parser)
    for name, verb in VERBS.items():
        sub = verbs.add_parser(name, help=verb.help, description=verb.help[0].upper() + verb.help[1:] + ".", allow_abbrev=False)
        sub.set_defaults(verb=f"{verb.module}:{verb.function}", plots=verb.plots)
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
