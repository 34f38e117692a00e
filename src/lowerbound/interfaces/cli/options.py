"""Options that several verbs share, each a function that adds some to a parser.

Nothing here imports torch, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NoReturn

from lowerbound.errors import UsageError
from lowerbound.interfaces.trackers.table import TRACKERS

MOST = 1_000_000  # the largest number that an option takes


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises errors instead of printing several lines."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError with what is wrong."""
        raise UsageError(f"{message} (see {self.prog} --help)")


def run(parser: Parser) -> None:
    """Add RUN, the folder of a run."""
    parser.add_argument("run", metavar="RUN", help="the folder of a trained run, or an address: hf:owner/name")


def data(parser: Parser) -> None:
    """Add DATA and which part of them to use."""
    parser.add_argument("data", nargs="?", metavar="DATA", help="a known data set, file or folder (default: what the run was trained on)")
    parser.add_argument("--split", metavar="SPLIT", help="train, test or all (default: test; all if other data come without a test part)")


def several(parser: Parser, what: str) -> None:
    """Add the options of verbs that draw several results per example."""
    parser.add_argument("-n", "--n", type=at_least(1), default=8, metavar="N", help=f"{what} per example (default: 8)")
    rows(parser, "10 for a .png, all for a .npz")
    draw(parser, "draw x from p(x|z) instead of taking its mean")
    estimate(parser, 2000, "draws of z per example")
    output(parser, ".png, or .npz for the arrays")
    machine(parser)


def rows(parser: Parser, default: str = "all") -> None:
    """Add how many examples to use."""
    parser.add_argument("--rows", type=at_least(1), metavar="N", help=f"use the first N examples (default: {default})")


def count(parser: Parser, default: int, text: str, least: int = 1) -> None:
    """Add how many results to make."""
    parser.add_argument("-n", "--n", type=at_least(least), default=default, metavar="N", help=f"{text} (default: {default})")


def at_least(least: int) -> Callable[[str], int]:
    """A type for argparse: an integer from ``least`` to ``MOST``. Errors: argparse.ArgumentTypeError."""

    def number(text: str) -> int:
        if not least <= int(text) <= MOST:
            raise argparse.ArgumentTypeError(f"must be at least {least} and at most {MOST:,}, not {text}")
        return int(text)

    return number


def port(text: str) -> int:
    """A port, 0 for any. Errors: argparse.ArgumentTypeError."""
    if not 0 <= int(text) < 2**16:
        raise argparse.ArgumentTypeError(f"must be at most {2**16 - 1}, not {text}")
    return int(text)


def mebibytes(text: str) -> int:
    """The number of bytes of so many MiB."""
    return at_least(1)(text) * 2**20


def estimate(parser: Parser, samples: int = 5000, text: str = "draws for log p(x), per example") -> None:
    """Add the number of draws, the memory for them, and their seed."""
    parser.add_argument("--samples", type=at_least(1), default=samples, metavar="K", help=f"{text} (default: {samples})")
    parser.add_argument("--memory", type=mebibytes, default=2**30, metavar="MIB", help="memory for these draws, in MiB (default: 1024)")
    seed(parser)


def seed(parser: Parser) -> None:
    """Add the seed of random draws."""
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of random draws (default: 0)")


def seeds(text: str) -> list[int]:
    """Whole numbers: ``0-9``, ``0,3,7``, ``0-4,8``."""
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not (first.isdigit() and (last.isdigit() or not dash)) or (dash and int(last) < int(first)):
            raise argparse.ArgumentTypeError(f"'{part}' is no seed, nor a range of seeds; write --seeds 0-9, or 0,3,7")
        if int(last or first) > MOST:
            raise argparse.ArgumentTypeError(f"a seed is at most {MOST:,}, not {last or first}")
        found += range(int(first), int(last or first) + 1)
    return found


def label(parser: Parser, text: str) -> None:
    """Add a class, by its name."""
    parser.add_argument("--label", metavar="CLASS", help=text)


def draw(parser: Parser, text: str) -> None:
    """Add the switch for draws instead of means."""
    parser.add_argument("--draw", action="store_true", help=text)


def output(parser: Parser, kinds: str, required: bool = True) -> None:
    """Add the file to write."""
    parser.add_argument("-o", "--output", required=required, metavar="FILE", help=kinds)


def parts(parser: Parser) -> None:
    """Add who makes the parts of an answer that is a folder, which the output's help has said."""
    text = "who makes the parts of a folder: here, or ray, workers on this machine or a cluster (default: here)"
    parser.add_argument("--engine", default="here", metavar="NAME", help=text)
    parser.add_argument("--workers", type=at_least(1), metavar="N", help="of --engine ray: how many (default: 2)")


def save_every(parser: Any) -> None:
    """Add how often a training saves its state."""
    text = "save the state every N steps, or every 30s or 5m of training (default: at the end of each epoch, and every 2m)"
    parser.add_argument("--save-every", metavar="N|TIME", help=text)


def log(parser: Any) -> None:
    """Add the trackers that a training is given to."""
    known = "; ".join(f"{name}, {row.help}" for name, row in TRACKERS.items())
    text = f"give recipe, curves, test scores and figures to a tracker, or to several (tensorboard,csv): {known}"
    parser.add_argument("--log", action="append", default=[], metavar="TRACKER", help=text)


def machine(parser: Any) -> None:
    """Add the folder of named data sets, and the device."""
    data_dir(parser)
    device(parser)


def data_dir(parser: Any) -> None:
    """Add the folder of named data sets."""
    parser.add_argument("--data-dir", metavar="FOLDER", help="folder of the named data sets, which are downloaded there")


def device(parser: Any) -> None:
    """Add the device."""
    parser.add_argument("--device", default="auto", metavar="NAME", help="cpu, cuda, cuda:1, mps … (default: auto)")
