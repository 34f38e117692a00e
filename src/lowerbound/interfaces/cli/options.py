"""What several verbs can be asked: the options that they share, each a function that adds some to a parser.

Nothing here imports torch, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NoReturn

from lowerbound.errors import UsageError

MOST = 1_000_000  # images in one go


class Parser(argparse.ArgumentParser):
    """argparse with errors raised instead of printed over several lines."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError with what is wrong."""
        raise UsageError(f"{message} (see {self.prog} --help)")


def run(parser: Parser) -> None:
    """The folder of a run."""
    parser.add_argument("run", metavar="RUN", help="the folder of a trained run")


def data(parser: Parser) -> None:
    """Which data, and which part of them."""
    parser.add_argument("data", nargs="?", metavar="DATA", help="a known set, file or folder (default: what the run was trained on)")
    parser.add_argument(
        "--split", metavar="SPLIT", help="train, test or all (default: test; all where data of your own come without a test part)"
    )


def several(parser: Parser, what: str) -> None:
    """Of what is drawn several times for each datum."""
    parser.add_argument("-n", "--n", type=at_least(1), default=8, metavar="N", help=f"{what} of each datum (default: 8)")
    rows(parser, "10 for a .png, all for a .npz")
    draw(parser, "draw x from p(x|z) instead of taking its mean")
    estimate(parser, 2000, "draws of z for each datum")
    output(parser, ".png, or .npz for the arrays")
    machine(parser)


def rows(parser: Parser, default: str = "all") -> None:
    """How many of the data."""
    parser.add_argument("--rows", type=at_least(1), metavar="N", help=f"how many data, the first ones (default: {default})")


def count(parser: Parser, default: int, text: str, least: int = 1) -> None:
    """How many of what is made."""
    parser.add_argument("-n", "--n", type=at_least(least), default=default, metavar="N", help=f"{text} (default: {default})")


def at_least(least: int) -> Callable[[str], int]:
    """A whole number from ``least`` on, as argparse reads it. Errors: argparse.ArgumentTypeError."""

    def number(text: str) -> int:
        if not least <= int(text) <= MOST:
            raise argparse.ArgumentTypeError(f"must be at least {least} and at most {MOST:,}, not {text}")
        return int(text)

    return number


def mebibytes(text: str) -> int:
    """So many, in bytes."""
    return at_least(1)(text) * 2**20


def estimate(parser: Parser, samples: int = 5000, text: str = "draws for the log p(x) of each datum") -> None:
    """How many draws, how much memory for them, and their seed."""
    parser.add_argument("--samples", type=at_least(1), default=samples, metavar="K", help=f"{text} (default: {samples})")
    parser.add_argument("--memory", type=mebibytes, default=2**30, metavar="MIB", help="for these draws, in MiB (default: 1024)")
    seed(parser)


def seed(parser: Parser) -> None:
    """Of what is drawn."""
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of what is drawn (default: 0)")


def label(parser: Parser, text: str) -> None:
    """A class by its name."""
    parser.add_argument("--label", metavar="CLASS", help=text)


def draw(parser: Parser, text: str) -> None:
    """Draws in place of means."""
    parser.add_argument("--draw", action="store_true", help=text)


def output(parser: Parser, kinds: str, required: bool = True) -> None:
    """The file that is written."""
    parser.add_argument("-o", "--output", required=required, metavar="FILE", help=kinds)


def save_every(parser: Any) -> None:
    """How often a training keeps its state."""
    text = "keep a state every N steps, or after 30s or 5m of training (default: at the ends of epochs, and each 2m)"
    parser.add_argument("--save-every", metavar="N|TIME", help=text)


def machine(parser: Any) -> None:
    """Where named data are, and the device."""
    data_dir(parser)
    device(parser)


def data_dir(parser: Any) -> None:
    """Where named data are."""
    parser.add_argument("--data-dir", metavar="FOLDER", help="where named data sets are, or will be put")


def device(parser: Any) -> None:
    """The device."""
    parser.add_argument("--device", default="auto", metavar="NAME", help="cpu, cuda, cuda:1, mps … (default: auto)")
